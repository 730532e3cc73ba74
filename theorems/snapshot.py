r"""One exact state at one time, split so that no part drowns another, and all metrics of it.

A solution over a long time holds parts that differ by hundreds of orders of magnitude. A state lifted to one scale
loses the smaller ones after 36 e-folds, and with them every difference between classes. So a snapshot keeps each part
that a metric needs at a scale of its own: the true array is $e^{\log}$ times the stored.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from dynamics.problem import Problem
from theorems.logarithm import log

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


class Sizes(NamedTuple):
    """What all metrics but the accuracy and the shares are made of: numbers, or arrays over times.

    ``squares`` are |H|^2 e^-2L and |W|^2 e^-2L with L = ``log_scale``; <W, HM'>, of the features that the loss sees, is
    ``inner`` times e^log_inner; b.m and |b|^2 are ``bias_drive`` and ``bias_square`` times e^l and e^2l, l =
    ``log_biases``. ``log_residual``, ``log_between``: ln of the two norms of nc1. ``alignment``: Y/|Y| across and along
    X; ``simplex``: X'X/|X'X| across and along the unit simplex; None where only the rows of X and Y tell.
    """

    log_scale: Any
    inner: Any
    log_inner: Any
    squares: tuple[Any, Any]
    bias_drive: Any
    bias_square: Any
    log_biases: Any
    log_residual: Any
    distance: Any
    distance_zbar: Any
    log_between: Any = None
    alignment: tuple[Any, Any] | None = None
    simplex: tuple[Any, Any] | None = None


class Snapshot(NamedTuple):
    """What the accuracy and the shares read, beside the ``sizes``. Rows are samples or classes, as in `dynamics.state`.

    For the accuracy: the ``features``, and prototypes as the sum of ``class_parts``, up to what all classes share; b is
    the sum of ``biases`` (K, C); ``resolved`` says whether float64 holds all of it. ``means``, ``prototypes`` (C, p): X
    and Y at any scale.
    """

    sizes: Sizes
    biases: Any
    features: Features
    class_parts: tuple[Part, ...]
    resolved: Any
    means: Any
    prototypes: Any


class Frame(NamedTuple):
    """What does not change with time: labels (n,), decays (l1, l2, lb)."""

    labels: Any
    decays: tuple[Any, Any, Any]


def metrics(frame: Frame, snap: Snapshot) -> dict[str, Any]:
    """Return every metric of a snapshot; a zero denominator gives NaN."""
    lengths = {"share_prototypes": snap.prototypes, "share_means": snap.means}
    return {
        **measured(frame, snap.sizes),
        **{name: jnp.linalg.norm(rows, axis=1) / jnp.linalg.norm(rows) for name, rows in lengths.items()},
        "accuracy": jnp.where(snap.resolved, _accuracy(frame, snap), jnp.nan),
    }


def measured(frame: Frame, sizes: Sizes) -> dict[str, Any]:
    """Return the metrics that sizes tell, at one time or at many."""
    found = _losses(frame, sizes)
    found["log_norm"] = sizes.log_scale + log(sizes.squares[0] + sizes.squares[1]) / 2
    found |= {"distance": sizes.distance, "distance_zbar": sizes.distance_zbar}
    if sizes.log_between is not None:
        ratio = jnp.exp(2 * (sizes.log_residual - sizes.log_between))
        found["nc1"] = jnp.where(sizes.log_between > -jnp.inf, ratio, jnp.nan)
    if sizes.alignment is not None:
        found |= {"alignment": sizes.alignment[1] / jnp.hypot(*sizes.alignment), "nc3": chord(*sizes.alignment)}
    if sizes.simplex is not None:
        found["nc2"] = chord(*sizes.simplex)
    return found


def chord(across: Any, along: Any) -> Any:
    r"""Return $2\sin(\theta/2)$ of the angle between two directions, one of them (along, across) in units of the other.

    $2\sin^2(\theta/2) = 1 - \cos\theta$ is taken as $a^2/(h(h+b))$ where the cosine b/h is positive: no digit is lost.
    One of the two must not be so small that its square is nothing.
    """
    length = jnp.sqrt(across * across + along * along)
    whole = length + jnp.abs(along)
    return jnp.where(along >= 0, jnp.abs(across), whole) * jnp.sqrt(2 / (length * whole))


def rows_angle(x: Any, y: Any) -> tuple[Any, Any]:
    """Return how much of y lies across and along x, as one vector each, in units of |y|."""
    x, y = x / jnp.linalg.norm(x), y / jnp.linalg.norm(y)
    along = jnp.sum(x * y)
    return jnp.linalg.norm(y - along * x), along


def simplex_angle(x: Any) -> tuple[Any, Any]:
    """Return how much of the rows' Gram matrix lies across and along the simplex I - 11'/C, in units of its norm."""
    classes = x.shape[0]
    x = x / jnp.linalg.norm(x)
    return rows_angle((jnp.eye(classes) - 1 / classes) / jnp.sqrt(classes - 1.0), x @ x.T)


def _losses(frame: Frame, sizes: Sizes) -> dict[str, Any]:
    r"""Return $-\langle W, HM'\rangle - b\cdot m$ and its relatives; ln|loss| is finite where the loss overflows."""
    l1, l2, lb = frame.decays
    decay = (l1 * sizes.squares[0] + l2 * sizes.squares[1]) / 2
    terms = [-sizes.inner, -sizes.bias_drive, decay, lb / 2 * sizes.bias_square]
    logs = [sizes.log_inner, sizes.log_biases, 2 * sizes.log_scale, 2 * sizes.log_biases]
    loss, lift = total(terms[:2], logs[:2])
    return {
        "loss": times_exp(terms[0], logs[0]) + times_exp(terms[1], logs[1]),
        "objective": times_exp(*total(terms, logs)),
        "log_abs_loss": jnp.log(jnp.abs(loss)) + lift,
    }


def times_exp(value: Any, log: Any) -> Any:
    """Return value e^log with 0 e^inf = 0; in two factors, so that it overflows only where the result does."""
    return jnp.where(value == 0, 0.0, value * jnp.exp(log / 2) * jnp.exp(log / 2))


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
    """Return the share of samples whose own class has the largest logit."""
    return jnp.sum(predicted(frame, snap) == frame.labels, dtype=jnp.float64) / frame.labels.shape[0]


def predicted(frame: Frame, snap: Snapshot) -> Any:
    """Return the class (n,) with the largest logit; ties go to the lowest class.

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
        return Logit(jnp.stack(values), jnp.stack(logs), biases, jnp.full_like(biases, snap.sizes.log_biases))

    def meet(best: tuple[Logit, Any], c: Any) -> tuple[tuple[Logit, Any], None]:
        new = logit(c), jnp.full(samples, c)
        wins = _margin(new[0], best[0]) > 0
        return jax.tree.map(lambda x, y: jnp.where(wins, x, y), new, best), None

    first = logit(0), jnp.zeros(samples, dtype=int)
    (_, chosen), _ = jax.lax.scan(meet, first, jnp.arange(1, classes))
    return chosen


def _logits(prototypes: Part, features: Features) -> Logits:
    """Return the logits of one part of the prototypes; parts at a right angle have none, however large they are."""
    rows, log = _unit_rows(prototypes)
    near, near_log = jnp.zeros((len(rows), len(rows))), -jnp.inf
    if features.shared:
        others, other_logs = zip(*map(_unit_rows, features.shared), strict=True)
        cosines = jnp.stack([rows @ other.T for other in others])
        cosines = jnp.where(jnp.abs(cosines) > ORTHOGONAL, cosines, 0.0)
        near, near_log = total(cosines, log[:, None] + jnp.stack(other_logs)[:, None])
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
    return total(terms, jnp.concatenate([one.logs, other.logs, one.log_biases]))[0]


def total(values: Any, logs: Any) -> tuple[Any, Any]:
    """Return (value, log) of the sum of values e^logs over the first axis, at the scale of its largest term."""
    logs = [jnp.where(value == 0, -jnp.inf, log) for value, log in zip(values, logs, strict=True)]
    top = _finite(functools.reduce(jnp.maximum, logs))
    return sum(value * jnp.exp(log - top) for value, log in zip(values, logs, strict=True)), top


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
