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
    pairs = [(w, h) for w in prototypes for h in means]
    shared = [w.sign[0] * h.sign[0] * _products(h.rows, w.rows) for w, h in pairs]
    shared += [b.sign[0] * np.broadcast_to(b.rows, (len(b.rows),) * 2) for b in biases]
    rest, classes = motions.residuals, len(motions.prototypes[0].rows)
    within = prototypes if np.any(rest.rows) else []
    own = [w.sign[0] * rest.sign[0] * (rest.rows @ w.rows.T) for w in within]
    logs = [w.log + h.log for w, h in pairs] + [b.log for b in biases] + [w.log + rest.log for w in within]
    return Terms(
        np.array(shared).reshape(-1, classes, classes),
        np.array(own).reshape(-1, len(labels), classes),
        np.array(logs).reshape(-1, len(rest.log)),
        labels,
    )


def _products(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return all inner products; of rows at a right angle, none, however large they are."""
    found = rows @ others.T
    sizes = np.linalg.norm(rows, axis=1)[:, None] * np.linalg.norm(others, axis=1)
    return np.where(np.abs(found) > ORTHOGONAL * sizes, found, 0.0)
