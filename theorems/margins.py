r"""Logits as sums of fixed numbers times functions of time, from how prototypes and features move.

Prototypes $w_c = \sum_a e^{a}\omega_{ac}$ and features $h_i = \sum_b e^{b}\chi_{b y_i} + e^{r}R_i$ give the logits
$w_c\cdot h_i + b_c$ as a sum of few terms, each a number times a function of time, which `theorems.certified` bounds.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from theorems.certified import Terms
from theorems.snapshot import ORTHOGONAL

MOST = 128  # terms; a time alone is cheaper than more of them


class Motion(NamedTuple):
    """Rows (C or n, p), or numbers (C,), times a function of time: its ln ``log`` (T,) and its ``sign`` (T,)."""

    rows: Any
    log: Any
    sign: Any


class Motions(NamedTuple):
    """How a state moves: prototypes up to what all share, class means, within-class residuals, and biases."""

    prototypes: Sequence[Motion]
    means: Sequence[Motion]
    residuals: Motion
    biases: Sequence[Motion]


def terms(motions: Motions, labels: np.ndarray) -> Terms | None:
    """Return the terms of all logits, or None where they are many or a function of time changes its sign."""
    prototypes, means = ([one for one in part if np.any(one.rows)] for part in motions[:2])
    biases = [one for one in motions.biases if np.any(one.rows != one.rows[0])]
    turning = any(np.any(one.sign != one.sign[0]) for one in (*prototypes, *means, motions.residuals, *biases))
    if turning or len(prototypes) * (len(means) + 1) > MOST:
        return None
    rest, classes = motions.residuals, len(motions.prototypes[0].rows)
    w, h = (_rows(part, (classes, rest.rows.shape[1])) for part in (prototypes, means))
    shared = _products(h, w).reshape(-1, classes, classes)
    beside = _flat(rest.sign[0] * w.swapaxes(0, 1))  # all terms of one logit beside each other, as they are read
    own = (rest.rows @ beside.T).reshape(len(labels), classes, -1).transpose(2, 0, 1)
    alone = [b.sign[0] * np.broadcast_to(b.rows, (1, classes, classes)) for b in biases]
    within = prototypes if np.any(rest.rows) else []
    both = [(one.log, other.log) for one in prototypes for other in means]
    sums = [*both, *((b.log, 0.0) for b in biases), *((one.log, rest.log) for one in within)]
    logs = np.empty((len(sums), len(rest.log)))
    for row, (one, other) in zip(logs, sums, strict=True):
        np.add(one, other, out=row)
    return Terms(np.concatenate([shared, *alone]), own[: len(within)], logs, labels)


def _rows(motions: list[Motion], shape: tuple[int, int]) -> np.ndarray:
    """Return the rows of several motions of classes, (K, C, p), with their signs, which do not change."""
    return np.stack([one.sign[0] * one.rows for one in motions]) if motions else np.zeros((0, *shape))


def _flat(rows: np.ndarray) -> np.ndarray:
    return rows.reshape(-1, rows.shape[-1])


def _products(h: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Return the inner products of all rows of h (B, C, p) and w (A, C, p), (A, B, C of h, C of w).

    Rows at a right angle have none, however large they are.
    """
    found = _flat(h) @ _flat(w).T
    sizes = np.multiply.outer(*(np.sqrt((_flat(part) ** 2).sum(1)) for part in (h, w)))
    kept = np.where(np.abs(found) > ORTHOGONAL * sizes, found, 0.0)
    return kept.reshape(*h.shape[:2], *w.shape[:2]).transpose(2, 0, 1, 3)
