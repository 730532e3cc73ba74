r"""Prototype-anchored features: Theorem 6, for flow and descent, lambda = 0 included.

$H = g H_0 + s\,d\,WM$ with $g$ the multiplier of the exponent $w = -s l_1$ and $d = (g - 1)/w$ (zeta at w = 0), or
what `theorems.relax` finds step by step under decoupled decay.
"""

import dataclasses
from typing import Any, ClassVar, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np

from dynamics.experiment import Experiment
from dynamics.method import Timing
from dynamics.precision import namespace
from dynamics.problem import Problem
from dynamics.scenario import NO_ZBAR
from dynamics.schedule import Numbers
from dynamics.state import State
from dynamics.trajectory import Decay
from theorems.closed_form import PRESENT, SWINGS, ClosedForm, Why, numbers_of, resolved, snap, swinging
from theorems.relax import Relaxation, relaxation
from theorems.scatter import Scatter, plain
from theorems.snapshot import Features, Frame, Sizes, Snapshot, centre, chord, measured, whole


class Parts(NamedTuple):
    """Norms of the start: |H0 perpendicular to WM|, <H0, WM>/|WM|, |WM|, |W|."""

    across: Any
    along: Any
    target: Any
    prototypes: Any


class Kept(NamedTuple):
    r"""A start as coordinates. Class means are sums of three arrays: H0's, $\omega_c w_c/n$, and $\omega_c\sum w/n$.

    With a column for each of them, ``rows`` (r, 3) are for $\sqrt{n_c}\mu_c$, ``between`` (r, 3) for the same centred
    by n_c/n, ``centred`` (r, 3) for class means centred evenly, the first axis along Y or against it: ``facing`` is
    that sign, NaN if Y is zero. ``simplex`` has a column for each product of two axes of ``centred``, across the
    simplex I - 11'/C. ``residual`` and ``prototypes`` are |R|, |W|; ``biases`` (C,).
    """

    rows: Any
    between: Any
    centred: Any
    simplex: Any
    residual: Any
    prototypes: Any
    facing: Any
    biases: Any

    def mixed(self, problem: Problem, features: Any, prototypes: Any) -> Self:
        """Return coordinates of (WM, H0), of a start whose H and W are multiplied by numbers."""
        xp = namespace(self.residual)
        zero = xp.zeros_like(self.residual)
        drive = xp.stack([zero, prototypes * problem.alpha, prototypes * problem.beta])
        weights = xp.stack([drive, xp.stack([features + zero, zero, zero])], 1)
        size = abs(prototypes)
        return self._replace(
            **{name: getattr(self, name) @ weights for name in ("rows", "between", "centred")},
            residual=abs(features) * self.residual,
            prototypes=size * self.prototypes,
            facing=self.facing * xp.where(size > 0, prototypes / xp.where(size > 0, size, 1.0), xp.nan),
        )


class Anchored(ClosedForm):
    """Anchored features: Theorem 6, flow and descent.

    A tick is (log, g, d); the coordinates in ``start`` are those of (WM, H0). Only a state needs the rows: ``means``
    and ``drive`` (C, p), the class means of H0 and of WM, ``residuals``, ``prototypes``.
    """

    kind: ClassVar[str] = "anchored"
    ratio: Any
    decay_h: Any
    start: Kept
    parts: Parts
    has_limit: Any
    means: Any = None
    residuals: Any = None
    drive: Any = None
    prototypes: Any = None

    @classmethod
    def covers(cls, experiment: Experiment) -> bool:
        """See `ClosedForm.covers`."""
        return experiment.scenario.kind == "anchored"

    @classmethod
    def of(cls, experiment: Experiment, problem: Problem, start: State) -> Self:
        """See `ClosedForm.of`."""
        kept, timing = jax.device_get(cls.keep(problem, start)), experiment.method.timing()
        form = cls.setting(kept, problem, numbers_of(experiment), timing)
        means = problem.class_means(start.features)
        why = Why(distance_zbar=NO_ZBAR)
        if not _driven(form.parts):
            why["distance"] = "W M is zero: the prototypes drive no feature"
        elif not form.has_limit:
            why["distance"] = "the learning rate is too large for lambda_h: the features oscillate and diverge"
        return dataclasses.replace(
            form,
            why=why,
            means=means,
            residuals=snap(start.features - means[problem.labels], np.linalg.norm(start.features)),
            drive=problem.class_push(start.prototypes),
            prototypes=start.prototypes,
        )

    @classmethod
    def keep(cls, problem: Problem, start: State, names: tuple[str, ...] = ()) -> Kept:
        """See `ClosedForm.keep`."""
        del names
        return _kept(problem, start)

    @classmethod
    def setting(cls, kept: Kept, problem: Problem, numbers: Numbers, timing: Timing) -> Self:
        """See `ClosedForm.setting`."""
        ratio, decay_h = numbers["ratio"], numbers["lambda_h"]
        start = kept.mixed(problem, numbers["scale_h"], numbers["scale_w"])
        xp, (drive, own) = namespace(start.residual), start.rows.T
        target, size = xp.linalg.norm(drive), xp.hypot(xp.linalg.norm(own), start.residual)
        unit = drive / xp.where(target > 0, target, xp.inf)
        along = xp.sum(own * unit)
        across = xp.hypot(xp.linalg.norm(own - along * unit), start.residual)
        parts = Parts(snap(across, size), along, target, start.prototypes)
        stable = relaxation(timing, ratio * decay_h, timing.ends, "decay_h").log[-1] <= 0
        return cls(Why(), ratio, decay_h, start, parts, _driven(parts) & stable)

    def ticks(self, experiment: Experiment, problem: Problem, times: np.ndarray) -> Relaxation:
        """See `ClosedForm.ticks`."""
        del problem
        return jax.device_get(self.moving(experiment.method.timing(), times))

    def moving(self, timing: Timing, times: Any) -> Relaxation:
        """See `ClosedForm.moving`."""
        return relaxation(timing, self.ratio * self.decay_h, times, "decay_h")

    def state(self, problem: Problem, tick: Relaxation) -> tuple[Any, State]:
        """See `ClosedForm.state`."""
        features = self._means(tick)[problem.labels] + tick.grown * self.residuals
        return tick.log, State(features, jnp.exp(-tick.log) * self.prototypes, self.start.biases)

    def at_once(self, frame: Frame, problem: Problem, ticks: Relaxation) -> dict[str, Any]:
        """See `ClosedForm.at_once`."""
        return self.measured(frame, problem, ticks)

    def measured(self, frame: Frame, problem: Problem, moving: Relaxation) -> dict[str, Any]:
        """See `ClosedForm.measured`."""
        return measured(frame, self.sizes(problem, moving))

    def sizes(self, problem: Problem, tick: Relaxation) -> Sizes:
        """Return `Sizes` at one time, or at many."""
        parts, start = self.parts, self.start
        moved = jnp.stack([self.ratio * tick.driven, tick.grown])
        along = moved[1] * parts.along + moved[0] * parts.target
        across = jnp.abs(tick.grown) * parts.across
        centred = start.centred @ moved
        centred = centred / jnp.linalg.norm(centred, axis=0)
        zero = jnp.zeros_like(along)
        return Sizes(
            log_scale=tick.log,
            inner=along * parts.target,
            log_inner=tick.log,
            squares=(along**2 + across**2, (jnp.exp(-tick.log) * parts.prototypes) ** 2),
            bias_drive=jnp.sum(start.biases * problem.bias_drive()),
            bias_square=jnp.sum(start.biases**2),
            log_biases=zero,
            log_residual=jnp.log(jnp.abs(tick.grown)) + jnp.log(start.residual),
            distance=jnp.where(self.has_limit, chord(across, along), jnp.nan),
            distance_zbar=jnp.full_like(zero, jnp.nan),
            log_between=jnp.log(jnp.linalg.norm(start.between @ moved, axis=0)),
            alignment=(jnp.linalg.norm(centred[1:], axis=0), start.facing * centred[0]),
            simplex=self._simplex(centred, problem.classes),
        )

    def _simplex(self, centred: Any, classes: int) -> tuple[Any, Any]:
        r"""Return X'X across and along the simplex, with X as coordinates (r, ...) of length 1.

        Along the unit simplex, the product of any centred X is $|X|^2/\sqrt{C-1}$.
        """
        one, other = np.triu_indices(len(centred))
        across = jnp.tensordot(self.start.simplex, centred[one] * centred[other], 1)
        return jnp.linalg.norm(across, axis=0), jnp.full_like(centred[0], 1 / np.sqrt(classes - 1.0))

    def _means(self, tick: Relaxation) -> Any:
        """Return the class means (C, p), times e^-log."""
        return tick.grown * self.means + self.ratio * tick.driven * self.drive

    def scatter(self, problem: Problem, tick: Relaxation) -> Scatter:
        """See `ClosedForm.scatter`."""
        del problem
        return plain(self._means(tick), tick.log, tick.grown * self.residuals, tick.log)

    def snapshot(self, problem: Problem, tick: Relaxation) -> Snapshot:
        """See `ClosedForm.snapshot`."""
        log_scale, state = self.state(problem, tick)
        prototypes = centre(self.prototypes)
        return Snapshot(
            sizes=self.sizes(problem, tick),
            biases=state.biases[None],
            features=Features((), state.features, jnp.full(problem.classes, log_scale)),
            class_parts=(whole(prototypes),),
            resolved=True,
            means=centre(self._means(tick)),
            prototypes=prototypes,
        )

    def decay(self, experiment: Experiment, ticks: Relaxation) -> Decay:
        """See `ClosedForm.decay`: s l1 for a flow; without decay the direction settles only like 1/zeta."""
        if "distance" in self.why:
            return Decay(None, None, self.why["distance"])
        if self.parts.across == 0:
            return Decay(None, None, "H0 is parallel to W M: nothing is left to decay")
        lost = experiment.method.numbers().get("decay_h", 0.0)
        if self.decay_h == 0 and lost == 0:
            return Decay(1.0, "algebraic")
        if lost > 0 and not experiment.method.timing().steady:
            return Decay(None, None, "each step loses the same, whatever its rate: no rate per zeta")
        if swinging(experiment.method, np.array([-self.ratio * self.decay_h]))[0]:
            return Decay(None, None, SWINGS)
        zeta = experiment.method.zeta(np.array([experiment.method.horizon]))[-1]
        multiplier = abs(ticks.grown[-1])
        if multiplier == 0:
            return Decay(None, None, "the decay is below the smallest number, or one step removes all of it")
        return Decay(float(-np.log(multiplier) / zeta), "exponential")


def _driven(parts: Parts) -> Any:
    """Return whether the prototypes drive the features."""
    return parts.target > PRESENT * parts.prototypes


@jax.jit
def _kept(problem: Problem, start: State) -> Kept:
    share, root = (problem.weights / problem.samples)[:, None], jnp.sqrt(problem.sizes)[:, None]
    means = problem.class_means(start.features)
    terms = [means, share * start.prototypes, share * jnp.sum(start.prototypes, axis=0)]
    y = centre(start.prototypes)
    axes, centred = _coordinates([y, *map(centre, terms)])
    lengths, size_y = jnp.linalg.norm(centred, axis=0), centred[0, 0]
    # With equal weights W M is parallel to W once centred, and what is left across is rounding.
    across = jnp.where(resolved(jnp.linalg.norm(centred[1:], axis=0), lengths), centred[1:], 0.0)
    residuals = jnp.linalg.norm(start.features - means[problem.labels])
    return Kept(
        rows=_coordinates([root * term for term in terms])[1],
        between=_coordinates([root * centre(term, problem.sizes / problem.samples) for term in terms])[1],
        centred=jnp.concatenate([centred[:1], across])[:, 1:],
        simplex=_products(axes),
        residual=snap(residuals, jnp.linalg.norm(start.features)),
        prototypes=jnp.linalg.norm(start.prototypes),
        facing=jnp.where(size_y == 0, jnp.nan, jnp.sign(size_y)),
        biases=jnp.asarray(start.biases),
    )


def _coordinates(arrays: list[Any]) -> tuple[Any, Any]:
    """Return K arrays (C, p) as coordinates (r, K) along orthonormal axes (r, C, p), which are returned first."""
    axes, coordinates = jnp.linalg.qr(jnp.stack([array.ravel() for array in arrays], axis=1))
    return axes.T.reshape(-1, *arrays[0].shape), coordinates


def _products(axes: Any) -> Any:
    """Return the products of axes (r, C, p), two by two, across the simplex, as columns of coordinates."""

    def product(k: int, j: int) -> Any:
        one = axes[k] @ axes[j].T
        return one if k == j else one + one.T

    classes = axes.shape[1]
    products = jnp.stack([product(k, j) for k, j in zip(*np.triu_indices(len(axes)), strict=True)])
    simplex = (jnp.eye(classes) - 1 / classes) / jnp.sqrt(classes - 1.0)
    across = products - jnp.sum(products * simplex, axis=(1, 2), keepdims=True) * simplex
    return jnp.linalg.qr(across.reshape(len(across), -1).T, mode="r")


MEMBER = Anchored
