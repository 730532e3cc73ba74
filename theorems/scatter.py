r"""NC1 by the pseudo-inverse, of class means whose parts differ by any power.

Within-class residuals R and centred class means X give $\operatorname{tr}(S_WS_B^+)/C = |RX^+|_F^2/n$, which is ruled
by the *smallest* singular value of X. An exact solution holds it at a scale of its own, far below the rounding of the
largest: so X is never formed. Class means are V (e^l Y) with rows Y (K, p) of order one, each times its e^l, and an
invertible V, V^-T the ``dual``. For a residual r the row z = r X^+ solves, with 1'z = 0 since X is centred,

    min |z|  among the z of least  |means' z - r|,    z = V^-T e^-l u:    Y'u = r,  q' e^-l u = 0,  q = V^-1 1.

The constraint is solved for the u of the smallest scale that it holds, which adds rows to others only by factors of at
most one, and so does the triangle that turns $V^{-T}$ into lengths.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import helmert, qr, solve_triangular

CUT = 4 * np.finfo(float).eps  # rows that are dependent but for this many roundings of their number are dependent
FAR = 300.0  # e-folds beyond which a larger scale is as good as an infinite one


class Scatter(NamedTuple):
    """Class means V (e^logs rows): ``rows`` (K, p), ``logs`` (K,), ``dual`` V^-T (C, K); residuals (n, p) e^log."""

    rows: np.ndarray
    logs: np.ndarray
    dual: np.ndarray
    residuals: np.ndarray
    log_residual: float


def plain(means: np.ndarray, log: float, residuals: np.ndarray, log_residual: float) -> Scatter:
    """Return the scatter of class means (C, p) that are all times one e^log."""
    return Scatter(means, np.full(len(means), log), np.eye(len(means)), residuals, log_residual)


def by_mode(
    group: np.ndarray, right: np.ndarray, sizes: np.ndarray, ratio: float,
    inside: np.ndarray, between: np.ndarray, log_group: np.ndarray, log_mode: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    r"""Return (rows, logs, dual) of class means given as $F_c = \sqrt{n_c/s}\,\mu_c$ by mode (`theorems.modes`).

    ``inside`` (C, p) are the contrasts of each group times e^log_group, ``between`` (G, p) the modes with ``right``
    (G, G) vectors times e^log_mode. V is diag(sqrt(s/n_c)) times the orthonormal vectors of all modes.
    """
    vectors, rows, logs = [], [], []
    for g, log in enumerate(np.asarray(log_group)):
        members = np.flatnonzero(group == g)
        contrasts = helmert(len(members)) if len(members) > 1 else np.zeros((0, 1))
        spread = np.zeros((len(contrasts), len(group)))
        spread[:, members] = contrasts
        vectors.append(spread)
        rows.append(contrasts @ np.asarray(inside)[members])
        logs.append(np.full(len(contrasts), log))
    count = np.bincount(group)
    vectors.append((right / np.sqrt(count)[:, None])[group].T)
    dual = np.sqrt(sizes / ratio)[:, None] * np.concatenate(vectors).T
    return np.concatenate([*rows, between]), np.concatenate([*logs, log_mode]), dual


def nc1_pinv(scatter: Scatter) -> float:
    r"""Return $\operatorname{tr}(S_W S_B^+)/C$ (`dynamics.metrics.centres`), NaN if no class means differ.

    All singular values of X count that are not zero for its structure, however small they are. Only where X lacks
    rank, or where rows are dependent, are those that stand below its rounding cut.
    """
    rows, logs = _independent(scatter)
    size = np.max(np.abs(scatter.residuals))
    if not len(rows) or size == 0:
        return 0.0 if len(rows) else np.nan
    residuals = scatter.residuals / size
    found = _tall(rows, logs, residuals) if len(rows) <= rows.shape[1] else _wide(rows, logs, residuals)
    found = _cut(rows, logs, residuals) if found is None else found
    with np.errstate(over="ignore"):
        return float(np.exp(2 * (scatter.log_residual + np.log(size) + found)) / len(residuals))


def _independent(scatter: Scatter) -> tuple[np.ndarray, np.ndarray]:
    """Return (Z, logs), smallest first: X'X = Z' e^(2 logs) Z. What is zero is left out."""
    rows, dual, q = scatter.rows, scatter.dual, scatter.dual.sum(axis=0)
    logs = np.where(np.any(rows != 0, axis=1), scatter.logs, -np.inf)
    q = np.where(np.abs(q) > CUT * len(q) * np.abs(q).max(), q, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        out = np.argmax(np.where(q == 0, -np.inf, np.log(np.abs(q)) - logs))
    kept = np.argsort(logs, kind="stable")
    kept = kept[kept != out]
    share = q[kept] / q[out]
    basis = dual[:, kept] - dual[:, [out]] * share
    present = np.isfinite(logs[kept])
    lengths = solve_triangular(np.linalg.qr(basis, mode="r"), np.eye(len(kept)), trans="T")[present][:, present]
    kept, share = kept[present], share[present]
    # As logarithms, since a share may be large where its factor is small.
    with np.errstate(divide="ignore"):
        moved = np.sign(share) * np.exp(np.log(np.abs(share)) + logs[out] - logs[kept])
    steps = np.tril(np.exp(np.minimum(logs[kept] - logs[kept][:, None], 0.0)))
    return (lengths * steps) @ (rows[kept] - moved[:, None] * rows[out]), logs[kept]


def _tall(rows: np.ndarray, logs: np.ndarray, residuals: np.ndarray) -> float | None:
    """Return ln|R (e^logs Z)^+| of no more rows than columns, or None if the rows are dependent."""
    axes, triangle = np.linalg.qr(rows.T)
    if np.any(np.abs(np.diag(triangle)) <= CUT * len(rows) * np.linalg.norm(rows, axis=1)):
        return None
    with np.errstate(divide="ignore"):
        parts = np.log(np.linalg.norm(solve_triangular(triangle, (residuals @ axes).T), axis=1)) - logs
    return float(np.logaddexp.reduce(2 * parts) / 2)


def _wide(rows: np.ndarray, logs: np.ndarray, residuals: np.ndarray) -> float | None:
    """Return the same of more rows than columns: QR with rows in order of size and a pivot keeps small rows exact."""
    features = rows.shape[1]
    log = logs[-features:][0]
    lifted = (np.exp(np.minimum(logs - log, FAR))[:, None] * rows)[::-1]
    triangle, order = qr(lifted, mode="r", pivoting=True)
    triangle = triangle[:features]
    sizes = np.linalg.norm(lifted[: len(triangle)], axis=1)
    if np.any(np.abs(np.diag(triangle)) <= CUT * len(rows) * sizes):
        return None
    return float(np.log(np.linalg.norm(solve_triangular(triangle, residuals[:, order].T, trans="T"))) - log)


def _cut(rows: np.ndarray, logs: np.ndarray, residuals: np.ndarray) -> float:
    """Return the same of rows that lack rank, all at one scale: what stands below its rounding is zero."""
    lifted = np.exp(logs - logs[-1])[:, None] * rows
    _, sizes, axes = np.linalg.svd(lifted, full_matrices=False)
    kept = sizes > max(lifted.shape) * np.finfo(float).eps * sizes[0]
    with np.errstate(divide="ignore"):
        return float(np.log(np.linalg.norm(residuals @ axes[kept].T / sizes[kept])) - logs[-1])
