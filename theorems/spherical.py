r"""What the two spherical solutions share: every sample moves in the plane of its feature and its target.

With $g_i$ the i-th column of W M, $u_i$ the unit vector of $h_i$ across $g_i$, and
$h_i = x_i\hat g_i + y_i u_i = r_i(\cos\theta_i\,\hat g_i + \sin\theta_i\,u_i)$, only $(x_i, y_i)$ move.

gamma and the smoothing enter through $g_i \propto \alpha w_{y_i} + \beta\sum_c w_c$ alone, so the coordinates of $h_i$
in the plane of these two, and the length of the rest, are all that any setting reads of a start.
"""

import dataclasses
from typing import Any, NamedTuple, Self

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
from theorems.closed_form import PRESENT, ClosedForm, Why, numbers_of, resolved
from theorems.snapshot import (
    Features,
    Frame,
    Sizes,
    Snapshot,
    centre,
    log_norm,
    measured,
    rows_angle,
    simplex_angle,
    whole,
)  # fmt: skip


def angles(rows: Any, targets: Any) -> np.ndarray:
    """Return the angle between each row and its target, (n, p) both; it keeps its digits near 0 and near pi."""
    unit = targets / np.linalg.norm(targets, axis=1, keepdims=True)
    along = np.sum(rows * unit, axis=1)
    return np.arctan2(np.linalg.norm(rows - along[:, None] * unit, axis=1), along)


def rescaled(inverse: Any, power: Any) -> Any:
    r"""Return $r^{\nu-2}$ of $1/r$ for nu = 0, 1, 2, traced or not: a general power would take longer than a step."""
    xp = namespace(inverse)
    return xp.where(power == 0, inverse * inverse, xp.where(power == 1, inverse, 1.0))


class Plane(NamedTuple):
    """The coordinates of every sample in its plane, (..., n) each: x along its target, y across."""

    x: Any
    y: Any


class Sums(NamedTuple):
    r"""Sums over samples, at one time or many: of $|g_i|\cos\theta_i$, of $r_i^2$, of $|\hat h_i - \hat g_i|^2$."""

    pull: Any
    square: Any
    chords: Any


class Kept(NamedTuple):
    r"""A start as coordinates in the plane of each class's prototype and of the sum of all.

    ``own`` (C,) is $|w_c|$, ``total`` (C, 2) that sum along $w_c$ and across, ``features`` (n, 3) those of $h_i$ along,
    across, and outside the plane of its class. ``prototypes`` is |W|; ``biases`` (C,).
    """

    own: Any
    total: Any
    features: Any
    prototypes: Any
    biases: Any


class SphericalForm(ClosedForm):
    """Base of the spherical solutions. ``along``, ``across`` (n, p) span the planes; ``rates`` (n,) are s |g_i|.

    A tick is the `Plane` at one time; ``power`` is nu, the power of |h| that rescales the rate. ``size`` is |W|. Only a
    state needs the rows: ``along``, ``across``, ``prototypes``.
    """

    lengths: Any
    rates: Any
    power: Any
    begin: Plane
    size: Any
    biases: Any
    has_limit: Any
    along: Any = None
    across: Any = None
    prototypes: Any = None

    @classmethod
    def of(cls, experiment: Experiment, problem: Problem, start: State) -> Self:
        """See `ClosedForm.of`."""
        kept, timing = jax.device_get(cls.keep(problem, start)), experiment.method.timing()
        form = cls.setting(kept, problem, numbers_of(experiment), timing)
        drive = problem.class_push(start.prototypes)
        # A sample without a target keeps its own direction, with nothing across.
        still, x, y = (form.lengths == 0)[:, None], form.begin.x[:, None], form.begin.y[:, None]
        along = np.where(still, start.features, drive[problem.labels]) / np.where(still, x, form.lengths[:, None])
        across = (start.features - x * along) / np.where(y > 0, y, 1.0) * (y > 0)
        why = Why(distance_zbar=NO_ZBAR)
        if not form.has_limit:
            why["distance"] = "a column of W M is zero: its feature has nowhere to turn"
        return dataclasses.replace(form, why=why, along=along, across=across, prototypes=start.prototypes)

    @classmethod
    def keep(cls, problem: Problem, start: State, names: tuple[str, ...] = ()) -> Kept:
        """See `ClosedForm.keep`."""
        del names
        return _kept(problem, start)

    @classmethod
    def setting(cls, kept: Kept, problem: Problem, numbers: Numbers, timing: Timing) -> Self:
        """See `ClosedForm.setting`."""
        del timing
        xp, labels = namespace(kept.own), problem.labels
        share, size = numbers["scale_w"] * problem.weights / problem.samples, abs(numbers["scale_w"]) * kept.prototypes
        drive = (
            share * (problem.alpha * kept.own + problem.beta * kept.total[:, 0]),
            share * problem.beta * kept.total[:, 1],
        )
        lengths = xp.hypot(*drive)
        still = lengths <= PRESENT * size
        lengths = xp.where(still, 0.0, lengths)
        cos, sin = ((part / xp.where(still, 1.0, lengths))[labels] for part in drive)
        inside, beside, outside = numbers["scale_h"] * kept.features.T
        radius = xp.sqrt(inside**2 + beside**2 + outside**2)
        x = xp.where(still[labels], radius, cos * inside + sin * beside)
        y = xp.where(still[labels], 0.0, xp.hypot(cos * beside - sin * inside, outside))
        return cls(
            why=Why(),
            lengths=lengths[labels],
            rates=numbers["ratio"] * lengths[labels],
            power=numbers["power"],
            begin=Plane(x, xp.where(resolved(y, radius), y, 0.0)),
            size=size,
            biases=kept.biases,
            has_limit=~xp.any(still),
        )

    def stuck(self) -> str:
        """Return why the distance does not decay at all, or ""."""
        if "distance" in self.why:
            return self.why["distance"]
        if np.any((self.begin.y == 0) & (self.begin.x < 0)):
            return "a feature starts antipodal to its target and stays there"
        return "" if np.any(self.begin.y > 0) else "every feature starts at its target: nothing is left to decay"

    def state(self, problem: Problem, tick: Plane) -> tuple[Any, State]:
        """See `ClosedForm.state`."""
        del problem
        features = tick.x[:, None] * self.along + tick.y[:, None] * self.across
        return jnp.zeros(()), State(features, jnp.asarray(self.prototypes), jnp.asarray(self.biases))

    def at_once(self, frame: Frame, problem: Problem, ticks: Plane) -> dict[str, Any]:
        """See `ClosedForm.at_once`."""
        return self.measured(frame, problem, self.sums(ticks))

    def measured(self, frame: Frame, problem: Problem, moving: Sums) -> dict[str, Any]:
        """See `ClosedForm.measured`; ``moving`` are sums over samples already, (T,) each."""
        return measured(frame, self.sizes(problem, moving))

    def sums(self, plane: Plane) -> Sums:
        """Return the sums over samples, the last axis, that the metrics read."""
        x, y = plane
        radius = jnp.sqrt(x * x + y * y)
        # 2(1 - cos) without cancellation.
        chords = 2 / radius * jnp.where(x >= 0, y * y / (radius + jnp.abs(x)), radius - x)
        return Sums(jnp.sum(self.lengths * x / radius, -1), jnp.sum(radius**2, -1), jnp.sum(chords, -1))

    def sizes(self, problem: Problem, sums: Sums) -> Sizes:
        """Return `Sizes` at one time, or at many, but for what only rows tell. The loss sees normalised features."""
        zero = jnp.zeros_like(sums.square)
        return Sizes(
            log_scale=zero,
            inner=sums.pull,
            log_inner=zero,
            squares=(sums.square, self.size**2),
            bias_drive=jnp.sum(self.biases * problem.bias_drive()),
            bias_square=jnp.sum(self.biases**2),
            log_biases=zero,
            log_residual=None,
            distance=jnp.where(self.has_limit, jnp.sqrt(sums.chords / problem.samples), jnp.nan),
            distance_zbar=jnp.full_like(zero, jnp.nan),
        )

    def snapshot(self, problem: Problem, tick: Plane) -> Snapshot:
        """See `ClosedForm.snapshot`. The accuracy sees the normalised features."""
        _, state = self.state(problem, tick)
        radius = jnp.hypot(tick.x, tick.y)
        means = problem.class_means(state.features)
        between = jnp.sqrt(problem.sizes)[:, None] * centre(means, problem.sizes / problem.samples)
        x, prototypes = centre(means), centre(self.prototypes)
        return Snapshot(
            sizes=self.sizes(problem, self.sums(tick))._replace(
                log_residual=log_norm(state.features - means[problem.labels]),
                log_between=log_norm(between),
                alignment=rows_angle(x, prototypes),
                simplex=simplex_angle(x),
            ),
            biases=state.biases[None],
            features=Features((), state.features / radius[:, None], jnp.zeros(problem.classes)),
            class_parts=(whole(prototypes),),
            resolved=True,
            means=x,
            prototypes=prototypes,
        )


@jax.jit
def _kept(problem: Problem, start: State) -> Kept:
    total = jnp.sum(start.prototypes, axis=0)
    own, first = _unit(start.prototypes, 0.0)
    along = first @ total
    rest = total - along[:, None] * first
    # Once more, so that what is left is at a right angle however small it is.
    rest = rest - jnp.sum(rest * first, axis=1, keepdims=True) * first
    across, second = _unit(rest, jnp.linalg.norm(total))
    parts, left = [], start.features
    for axis in (first[problem.labels], second[problem.labels]):
        parts.append(jnp.sum(left * axis, axis=1))
        left = left - parts[-1][:, None] * axis
    features = jnp.stack([*parts, jnp.linalg.norm(left, axis=1)], axis=1)
    size = jnp.linalg.norm(start.prototypes)
    return Kept(own, jnp.stack([along, across], axis=1), features, size, jnp.asarray(start.biases))


def _unit(rows: Any, whole: Any) -> tuple[Any, Any]:
    """Return the lengths of rows and their directions; zeros for what is no more than the rounding of ``whole``."""
    lengths = jnp.linalg.norm(rows, axis=1)
    lengths = jnp.where(resolved(lengths, whole), lengths, 0.0)
    return lengths, rows / jnp.where(lengths > 0, lengths, jnp.inf)[:, None]
