r"""One exact state at one time, split so that no part drowns another, and all metrics of it.

A solution over a long time holds parts that differ by hundreds of orders of magnitude. A state lifted to one scale
loses the smaller ones after 36 e-folds, and with them every difference between classes. So a snapshot keeps each part
that a metric needs at a scale of its own: the true array is $e^{\log}$ times the stored.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from dynamics.problem import Problem

EQUAL = 2.0**-50  # a relative difference of two biases below this is their rounding
ORTHOGONAL = 2.0**-47  # a cosine below this is the rounding of a right angle: 7e-15


class Part(NamedTuple):
    """A part of what every class has: rows (C, p), each times e^log (C,); classes of one ``index`` (C,) are equal."""

    rows: Any
    log: Any
    index: Any


class Features(NamedTuple):
    """Features as sums: of parts that a class's samples share, and of ``rest`` (n, p) times e^log_rest (C,)."""

    shared: tuple[Part, ...]
    rest: Any
    log_rest: Any


def bias_parts(problem: Problem, start: Any, grown: Any, driven: Any) -> Any:
    r"""Return the biases $g b_0 + d m$ as (3, C): of their start, of $\alpha$, of $\beta$ (all alike)."""
    mass = problem.weights * problem.sizes / problem.samples
    shared = jnp.full_like(mass, problem.beta * jnp.sum(mass))
    return jnp.stack([grown * start, driven * problem.alpha * mass, driven * shared])


def whole(rows: Any, log: Any = 0.0) -> Part:
    """Return a part that is all there is: rows (C, p), each times e^log."""
    return Part(rows, jnp.full(len(rows), log), jnp.arange(len(rows)))


class Snapshot(NamedTuple):
    """What the metrics read. Rows are samples or classes, as in `dynamics.state`.

    ``squares`` are |H|^2 e^-2L and |W|^2 e^-2L with L = ``log_scale``; <W, HM'>, of the features that the loss sees, is
    ``inner`` times e^log_inner; b is the sum of ``biases`` (K, C) times e^log_biases. For the accuracy: the
    ``features``, and prototypes as the sum of ``class_parts``, up to what all classes share; ``resolved`` says whether
    float64 holds all of it. ``means``, ``prototypes`` (C, p): X and Y at any scale; ``sine`` the sine of their angle,
    or NaN for "compute it". ``log_residual``, ``log_between``: ln of the two norms of nc1.
    """

    log_scale: Any
    inner: Any
    log_inner: Any
    squares: tuple[Any, Any]
    biases: Any
    log_biases: Any
    features: Features
    class_parts: tuple[Part, ...]
    resolved: Any
    means: Any
    prototypes: Any
    sine: Any
    log_residual: Any
    log_between: Any
    distance: Any
    distance_zbar: Any


class Frame(NamedTuple):
    """What does not change with time: labels (n,), decays (l1, l2, lb), m (C,)."""

    labels: Any
    decays: tuple[Any, Any, Any]
    bias_drive: Any


def metrics(frame: Frame, snap: Snapshot) -> dict[str, Any]:
    """Return every metric of a snapshot; a zero denominator gives NaN."""
    return {
        **_losses(frame, snap),
        **_collapse(snap),
        "log_norm": snap.log_scale + jnp.log(snap.squares[0] + snap.squares[1]) / 2,
        "accuracy": jnp.where(snap.resolved, _accuracy(frame, snap), jnp.nan),
        "distance": snap.distance,
        "distance_zbar": snap.distance_zbar,
    }


def _losses(frame: Frame, snap: Snapshot) -> dict[str, Any]:
    r"""Return $-\langle W, HM'\rangle - b\cdot m$ and its relatives; ln|loss| is finite where the loss overflows."""
    biases = jnp.sum(snap.biases, axis=0)
    bias = jnp.sum(biases * frame.bias_drive)
    l1, l2, lb = frame.decays
    decay = (l1 * snap.squares[0] + l2 * snap.squares[1]) / 2
    terms = jnp.stack([-snap.inner, -bias, decay, lb / 2 * jnp.sum(biases**2)])
    logs = jnp.stack([snap.log_inner, snap.log_biases, 2 * snap.log_scale, 2 * snap.log_biases])
    loss, lift = _sum(terms[:2], logs[:2])
    return {
        "loss": times_exp(loss, lift),
        "objective": times_exp(*_sum(terms, logs)),
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


class Logits(NamedTuple):
    """One part of the prototypes times the features: (near + far * rest) e^log; rest is (C, n), all others (C, C).

    A row is a class whose logit it is, a column the class of a sample, and for ``rest`` a sample.
    """

    near: Any
    far: Any
    log: Any
    rest: Any
    index: Any


class Logit(NamedTuple):
    """The logit of one class for every sample: the sums of values (T, n), each times e^log, and of biases (K, n)."""

    values: Any
    logs: Any
    biases: Any
    log_biases: Any


def _accuracy(frame: Frame, snap: Snapshot) -> Any:
    """Return the share of samples whose own class has the largest logit; ties go to the lowest class.

    The best class so far meets the next one, each pair at a scale of its own: only two classes know in which parts they
    differ, and what more of them share may be larger than that by any power.
    """
    samples, classes = frame.labels.shape[0], snap.biases.shape[1]
    parts = [_logits(part, snap.features) for part in snap.class_parts]

    def logit(c: Any) -> Logit:
        rows = [jax.tree.map(lambda x, part=part: x[part.index[c]], part) for part in parts]
        values = [row.near[frame.labels] + row.far[frame.labels] * row.rest for row in rows]
        logs = [row.log[frame.labels] for row in rows]
        biases = jnp.broadcast_to(snap.biases[:, c, None], (len(snap.biases), samples))
        return Logit(jnp.stack(values), jnp.stack(logs), biases, jnp.full_like(biases, snap.log_biases))

    def meet(best: tuple[Logit, Any], c: Any) -> tuple[tuple[Logit, Any], None]:
        new = logit(c), jnp.full(samples, c)
        wins = _margin(new[0], best[0]) > 0
        return jax.tree.map(lambda x, y: jnp.where(wins, x, y), new, best), None

    first = logit(0), jnp.zeros(samples, dtype=int)
    (_, chosen), _ = jax.lax.scan(meet, first, jnp.arange(1, classes))
    return jnp.sum(chosen == frame.labels, dtype=jnp.float64) / samples


def _logits(prototypes: Part, features: Features) -> Logits:
    """Return the logits of one part of the prototypes; parts at a right angle have none, however large they are."""
    rows, log = _unit_rows(prototypes)
    near, near_log = jnp.zeros((len(rows), len(rows))), -jnp.inf
    if features.shared:
        others, other_logs = zip(*map(_unit_rows, features.shared), strict=True)
        cosines = jnp.stack([rows @ other.T for other in others])
        cosines = jnp.where(jnp.abs(cosines) > ORTHOGONAL, cosines, 0.0)
        near, near_log = _sum(cosines, log[:, None] + jnp.stack(other_logs)[:, None])
    far_log = log[:, None] + features.log_rest
    top = _finite(jnp.maximum(jnp.where(near == 0, -jnp.inf, near_log), far_log))
    near = jnp.where(near == 0, 0.0, near * jnp.exp(near_log - top))
    return Logits(near, jnp.exp(far_log - top), top, rows @ features.rest.T, prototypes.index)


def _unit_rows(part: Part) -> tuple[Any, Any]:
    """Return rows of length 1, or 0, and the logarithm of what they are times."""
    norms = jnp.linalg.norm(part.rows, axis=1)
    safe = jnp.where(norms > 0, norms, 1.0)
    return part.rows / safe[:, None], part.log + jnp.log(safe)


def _margin(one: Logit, other: Logit) -> Any:
    """Return the difference of two logits times a positive number; what both have is left out."""
    shared = (one.values == other.values) & (one.logs == other.logs)
    values, others = (jnp.where(shared, 0.0, logit.values) for logit in (one, other))
    biases = one.biases - other.biases
    equal = jnp.abs(biases) <= EQUAL * jnp.maximum(jnp.abs(one.biases), jnp.abs(other.biases))
    terms = jnp.concatenate([values, -others, jnp.where(equal, 0.0, biases)])
    return _sum(terms, jnp.concatenate([one.logs, other.logs, one.log_biases]))[0]


def _sum(values: Any, logs: Any) -> tuple[Any, Any]:
    """Return (value, log) of the sum of values e^logs over the first axis, at the scale of its largest term."""
    logs = jnp.where(values == 0, -jnp.inf, logs)
    top = _finite(jnp.max(logs, axis=0))
    return jnp.sum(values * jnp.exp(logs - top), axis=0), top


def _finite(log: Any) -> Any:
    """Return a logarithm that can be subtracted: 0 for what is zero."""
    return jnp.where(jnp.isfinite(log), log, 0.0)


def centre(rows: Any, weights: Any = None) -> Any:
    """Return rows minus their (weighted) mean; outside jit, rows that are all equal give exact zeros."""
    moved = rows - rows[0]
    mean = moved.mean(axis=0) if weights is None else (weights[:, None] * moved).sum(axis=0)
    return moved - mean


def log_norm(array: Any) -> Any:
    """Return ln of the Frobenius norm, -inf for zero."""
    return jnp.log(jnp.linalg.norm(array))
