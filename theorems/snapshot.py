r"""One exact state at one time, split so that no part drowns another, and all metrics of it.

A solution over a long time holds parts that differ by hundreds of orders of magnitude. A state lifted to one scale
loses the smaller ones after 36 e-folds, and with them every difference between classes. So a snapshot keeps each part
that a metric needs at a scale of its own: the true array is $e^{\log}$ times the stored.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Snapshot(NamedTuple):
    """What the metrics read. Rows are samples or classes, as in `dynamics.state`.

    ``log_scale`` L: features and prototypes are e^L times their unit parts. ``inner`` is <W, HM'> e^-2L (of the
    features that the loss sees), ``squares`` are |H|^2 e^-2L and |W|^2 e^-2L. ``biases`` (C,) are the true ones.
    ``features`` (n, p) at any positive scale ``log_features``. Prototypes for the accuracy: inside its group a class
    has the contrast ``within`` (C, p) at ``log_within`` (C,), equal within a group; between groups ``across`` (C, p) at
    ``log_across``; both centred. ``means``, ``prototypes`` (C, p): X and Y at any scale; ``sine`` the sine of their
    angle, or NaN for "compute it". ``log_residual``, ``log_between``: ln of the two norms of nc1.
    """

    log_scale: Any
    inner: Any
    squares: tuple[Any, Any]
    biases: Any
    features: Any
    log_features: Any
    within: Any
    log_within: Any
    across: Any
    log_across: Any
    means: Any
    prototypes: Any
    sine: Any
    log_residual: Any
    log_between: Any
    distance: Any
    distance_zbar: Any


class Frame(NamedTuple):
    """What does not change with time: labels (n,), group (C,) of each class, decays (l1, l2, lb), m (C,)."""

    labels: Any
    group: Any
    decays: tuple[Any, Any, Any]
    bias_drive: Any


def metrics(frame: Frame, snap: Snapshot) -> dict[str, Any]:
    """Return every metric of a snapshot; a zero denominator gives NaN."""
    return {
        **_losses(frame, snap),
        **_collapse(snap),
        "log_norm": snap.log_scale + jnp.log(snap.squares[0] + snap.squares[1]) / 2,
        "accuracy": _accuracy(frame, snap),
        "distance": snap.distance,
        "distance_zbar": snap.distance_zbar,
    }


def _losses(frame: Frame, snap: Snapshot) -> dict[str, Any]:
    r"""Return loss = $-e^{2L}$ inner $- b\cdot m$ and its relatives; ln|loss| is finite where the loss overflows."""
    bias = jnp.sum(snap.biases * frame.bias_drive)
    lift = jnp.where(bias == 0, 2 * snap.log_scale, jnp.maximum(2 * snap.log_scale, 0.0))
    loss = -snap.inner * jnp.exp(2 * snap.log_scale - lift) - bias * jnp.exp(-lift)
    l1, l2, lb = frame.decays
    decay = (l1 * snap.squares[0] + l2 * snap.squares[1]) / 2 * jnp.exp(2 * snap.log_scale - lift)
    decay = decay + lb / 2 * jnp.sum(snap.biases**2) * jnp.exp(-lift)
    return {
        "loss": times_exp(loss, lift),
        "objective": times_exp(loss + decay, lift),
        "log_abs_loss": jnp.log(jnp.abs(loss)) + lift,
    }


def times_exp(value: Any, log: Any) -> Any:
    """Return value e^log with 0 e^inf = 0; in two factors, so that it overflows only where the result does."""
    return jnp.where(value == 0, 0.0, value * jnp.exp(log / 2) * jnp.exp(log / 2))


def _collapse(snap: Snapshot) -> dict[str, Any]:
    x, y = snap.means / jnp.linalg.norm(snap.means), snap.prototypes / jnp.linalg.norm(snap.prototypes)
    cos = jnp.sum(x * y)
    sine = jnp.where(jnp.isnan(snap.sine), jnp.linalg.norm(x - cos * y), snap.sine)
    classes = x.shape[0]
    gram = x @ x.T
    simplex = (jnp.eye(classes) - 1 / classes) / jnp.sqrt(classes - 1.0)
    return {
        "alignment": cos,
        "nc1": jnp.where(snap.log_between > -jnp.inf, jnp.exp(2 * (snap.log_residual - snap.log_between)), jnp.nan),
        "nc2": jnp.linalg.norm(gram / jnp.linalg.norm(gram) - simplex),
        "nc3": 2 * jnp.sin(jnp.arctan2(sine, cos) / 2),
        "share_prototypes": jnp.linalg.norm(y, axis=1),
        "share_means": jnp.linalg.norm(x, axis=1),
    }


def _accuracy(frame: Frame, snap: Snapshot) -> Any:
    """Return the share of samples whose own class has the largest logit: first within each group, then between winners.

    Inside a group the classes share everything but their contrasts, so these are compared at their own scale, however
    far the shared part has outgrown them. Ties go to the lowest class.
    """
    classes = snap.biases.shape[0]
    groups = classes  # an upper bound known to jit; empty groups never win
    biases = snap.biases - snap.biases[0]
    biases = biases - jnp.mean(biases)
    floor = jnp.where(jnp.any(biases != 0), 0.0, -jnp.inf)
    log_within = jnp.where(jnp.isfinite(snap.log_within), snap.log_within + snap.log_features, -jnp.inf)
    shift = jnp.maximum(log_within, floor)
    shift = jnp.where(jnp.isfinite(shift), shift, 0.0)
    within = snap.features @ snap.within.T
    inside = within * jnp.exp(log_within - shift) + biases * jnp.exp(-shift)
    best = jax.ops.segment_max(inside.T, frame.group, groups)
    index = jnp.arange(classes)
    tied = jnp.where(best[frame.group] == inside.T, index[:, None], classes)
    winner = jax.ops.segment_min(tied, frame.group, groups)
    wins = (winner[frame.group] == index[:, None]).T

    log_across = jnp.where(jnp.isfinite(snap.log_across), snap.log_across + snap.log_features, -jnp.inf)
    top = jnp.maximum(jnp.maximum(jnp.max(log_within), log_across), floor)
    top = jnp.where(jnp.isfinite(top), top, 0.0)
    score = (
        within * jnp.exp(log_within - top)
        + (snap.features @ snap.across.T) * jnp.exp(log_across - top)
        + biases * jnp.exp(-top)
    )
    chosen = jnp.argmax(jnp.where(wins, score, -jnp.inf), axis=1)
    return jnp.sum(chosen == frame.labels, dtype=jnp.float64) / chosen.size


def centre(rows: Any, weights: Any = None) -> Any:
    """Return rows minus their (weighted) mean; outside jit, rows that are all equal give exact zeros."""
    moved = rows - rows[0]
    mean = moved.mean(axis=0) if weights is None else (weights[:, None] * moved).sum(axis=0)
    return moved - mean


def log_norm(array: Any) -> Any:
    """Return ln of the Frobenius norm, -inf for zero."""
    return jnp.log(jnp.linalg.norm(array))
