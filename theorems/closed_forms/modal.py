r"""The coupled pair (H, W), solved mode by mode: Theorems 2 and 4 for any class sizes, weights, lambdas and s.

Each singular mode of M splits into two scalar modes (`theorems.modes.axes`); the within-class residuals R are one more,
with exponent -s l1. A scalar mode obeys $z' = w z$ per zeta, so a flow multiplies it by $e^{w\zeta}$ and a descent by
$\prod_k(1+\eta_k w)$: the two differ in this multiplier only. Every multiplier keeps its own logarithm and sign.

Dictionary to the paper, balanced and unregularized: the growing contrasts are $E_1^+$, the falling ones $E_1^-$, the
mean mode's two are $E_2^\pm$, the residuals $E_3$; $A = W_0 + \tilde h_0/\sqrt s$ is $\sqrt 2$ times the growing
coordinate. In the code, ``f`` and ``w`` are F and W of a pair, ``grow`` and ``fall`` its parts along the two axes, and
``up``, ``down`` the logarithms of what multiplies these; G counts groups of classes (`theorems.modes`), J = 2G sigmas.

The file builds a solution from a reduced start, then moves its multipliers, then measures: first what inner products
tell, at all times at once, and last what only rows of classes and samples do, at one time.
"""

import dataclasses
import operator
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, NamedTuple, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from dynamics.experiment import Experiment
from dynamics.method import Timing
from dynamics.precision import namespace
from dynamics.problem import Problem
from dynamics.scenario import NO_ZBAR
from dynamics.schedule import Numbers
from dynamics.state import State, rescaled
from dynamics.trajectory import Decay
from theorems.closed_form import PRESENT, SWINGS, ClosedForm, Why, leading, numbers_of, swinging
from theorems.margins import Motion, Motions
from theorems.modes import Axes, Groups, Modes, axes, label_modes
from theorems.projection import (
    Between,
    Pairs,
    Reduced,
    Vectors,
    existing,
    plane,
    project,
    project_rows,
    reduce,
)
from theorems.propagation import length, lifted, norm_of, products, propagator
from theorems.relax import Relaxation, relaxation
from theorems.snapshot import (
    Features,
    Frame,
    Part,
    Sizes,
    Snapshot,
    bias_parts,
    centre,
    chord,
    log_norm,
    measured,
    rows_angle,
    simplex_angle,
    times_exp,
)  # fmt: skip
from theorems.unrolled import FEW, column, each, in_blocks, largest, like, several, total

BLOCK = 2**16  # coordinates of classes at all the times that are in memory at once
LIFT = 2.0**400  # squares of what is lifted by it are numbers from 1e-280 to 1e30
NEVER = -1e290  # ln of a multiplier that nothing is left of, however long the run


class Tick(NamedTuple):
    """The multipliers, e^log_scale times sign e^log, (2J + 1, ...): J growing, J falling, the residuals; the biases.

    The largest log is 0. An axis along which the start has no part has its partner's multiplier, which makes the
    propagator of the pair exact on what is there; of a pair that the start lacks, nothing is left.
    """

    log_scale: Any
    logs: Any
    signs: Any
    biases: Relaxation


class Kept(eqx.Module):
    """A start reduced to what every setting of gamma, decays and rates reads of it."""

    even: bool = eqx.field(static=True)
    groups: Groups
    reduced: Reduced


class Modal(ClosedForm):
    """The coupled pair, mode by mode: Theorems 2 and 4, flow and descent.

    J = 2G sigmas: first the contrasts of each group, then the modes between the G groups. ``exponents`` (2J + 1,) per
    zeta; ``fastest`` (2J + 1,) marks the modes of L. ``even`` says that the classes of a
    group have one size: then contrasts are contrasts of the class means too, and no metric needs rows.
    """

    kind: ClassVar[str] = "modal"
    even: bool = eqx.field(static=True)
    modes: Modes
    vectors: Vectors
    axis: Axes
    ratio: Any
    exponents: Any
    reduced: Reduced
    between: Between
    pairs: Pairs
    decay_b: Any
    fastest: Any
    has_limit: Any
    has_zbar: Any
    zbar_grows: Any
    start: Any = None  # `Coordinates`; without them, there is no state

    @classmethod
    def covers(cls, experiment: Experiment) -> bool:
        """See `ClosedForm.covers`."""
        return experiment.scenario.kind in ("unconstrained", "regularized") and experiment.method.shares_modes

    @classmethod
    def of(cls, experiment: Experiment, problem: Problem, start: State) -> Self:
        """See `ClosedForm.of`."""
        return cls.builder(problem, start)(experiment, problem)

    @classmethod
    def builder(cls, problem: Problem, start: State) -> Callable[[Experiment, Problem], Self]:
        """See `ClosedForm.builder`."""
        groups = label_modes(problem)
        even, (reduced, rows) = _even(groups, problem), reduce(groups, problem, start)

        def build(experiment: Experiment, problem: Problem) -> Self:
            modes, timing = label_modes(problem), experiment.method.timing()
            form = cls._built(even, modes, problem, reduced, numbers_of(experiment), timing)
            coordinates = project_rows(modes, form.ratio, form.between, rows)
            return dataclasses.replace(form, why=form._reasons(problem, timing), start=coordinates)

        return build

    def _reasons(self, problem: Problem, timing: Timing) -> Why:
        """Return why distances have no value, if so."""
        reasons = Why()
        if not self.has_limit:
            leaders = leading(timing, self.exponents, existing(self.modes, problem.samples))
            reasons["distance"] = leaders.why() or "the start has no part in the fastest-growing modes"
        if not self.balanced:
            reasons["distance_zbar"] = NO_ZBAR
        elif not self.has_zbar:
            reasons["distance_zbar"] = "Zbar is zero: the start has no part in the growing contrasts (E1+)"
        return reasons

    @classmethod
    def states(
        cls, experiment: Experiment, problem: Problem, start: State, times: np.ndarray
    ) -> tuple[Any, State] | None:
        """See `ClosedForm.states`."""
        groups, numbers, timing = Groups.of(problem), numbers_of(experiment), experiment.method.timing()
        return _states(_even(groups, problem), groups, problem, start, numbers, timing, times)

    @classmethod
    def keep(cls, problem: Problem, start: State, names: tuple[str, ...] = ()) -> "Kept":
        """See `ClosedForm.keep`."""
        groups = Groups.of(problem)
        wanted = "nc2" in names, any(name.startswith("share") for name in names)
        return Kept(_even(groups, problem), groups, _reduced(wanted, groups, problem, start))

    @classmethod
    def setting(cls, kept: "Kept", problem: Problem, numbers: Numbers, timing: Timing) -> Self:
        """See `ClosedForm.setting`."""
        reduced = kept.reduced.scaled(numbers["scale_h"], numbers["scale_w"])
        return cls._built(kept.even, label_modes(problem, kept.groups), problem, reduced, numbers, timing)

    @classmethod
    def _built(
        cls, even: bool, modes: Modes, problem: Problem, reduced: Reduced, numbers: Numbers, timing: Timing
    ) -> Self:
        """Build the solution from a reduced start, all but the rows that a state is made of."""
        xp, ratio = namespace(reduced.size_h), numbers["ratio"]
        lambda_h, lambda_w = (numbers.get(name, 0.0) for name in ("lambda_h", "lambda_w"))
        axis = axes(xp.concatenate([modes.contrast, modes.sigma]), ratio, lambda_h, lambda_w)
        exponents = xp.concatenate([axis.grow, axis.fall, xp.reshape(-ratio * lambda_h, (1,))])
        between, f, w = project(modes, ratio, reduced)
        pairs = Pairs.of(axis, f, w)
        leaders = leading(timing, exponents, existing(modes, problem.samples))
        limit, whole = (
            length(lifted(axis, ratio, pairs, reduced.residual, 1.0 * chosen))
            for chosen in (leaders.fastest, xp.ones(len(exponents), dtype=bool))
        )
        zbar = xp.linalg.norm(pairs.f[0] + pairs.w[0]) / 2 * (1 + ratio) ** 0.5
        return cls(
            why=Why(),
            even=even,
            modes=modes,
            vectors=Vectors.of(modes, problem, even),
            axis=axis,
            ratio=ratio,
            exponents=exponents,
            reduced=reduced,
            between=between,
            pairs=pairs,
            decay_b=numbers.get("lambda_b"),
            fastest=leaders.fastest,
            has_limit=~leaders.dead & ~leaders.oscillates & (limit > PRESENT * whole),
            has_zbar=zbar > PRESENT * xp.hypot(reduced.size_h, reduced.size_w),
            zbar_grows=xp.asarray(ratio * lambda_h == lambda_w),
        )

    @property
    def balanced(self) -> bool:
        """Whether all classes have one size and one weight."""
        return self.even and len(self.modes.count) == 1

    def notes(self) -> tuple[str, ...]:
        """See `ClosedForm.notes`: what is no more than rounding of the start, or of gamma, was taken as absent."""
        exists = existing(self.modes, len(self.start.residuals))
        absent = int(np.sum(exists & ~np.asarray(self.present())))
        notes = []
        if absent:
            notes.append(
                f"the start has no part, beyond its rounding, in {absent} of {exists.sum()} modes: the exact solution "
                "stays out of them for ever, while a simulation drifts into those that grow"
            )
        if len(self.modes.count) > 1 and np.any(self.modes.shared != 0):
            notes.append(
                "gamma = 2/(C - 2) up to its rounding, where classes of different size do not mix: the exact solution "
                "keeps them apart for ever, while a simulation mixes them"
            )
        return tuple(notes)

    def present(self) -> Any:
        """Return whether the start has a part in each mode, (2J + 1,)."""
        xp = namespace(self.pairs.grow)
        return xp.concatenate([*self.pairs.lengths(), xp.reshape(self.reduced.residual, (1,))]) > 0

    def ticks(self, experiment: Experiment, problem: Problem, times: np.ndarray) -> Tick:
        """See `ClosedForm.ticks`."""
        del problem
        return jax.tree.map(lambda x: np.asarray(x).T, _moving(self, experiment.method.timing(), times))

    def moving(self, timing: Timing, times: Any) -> Tick:
        """See `ClosedForm.moving`."""
        biases, pace = relaxation(timing, self.decay_b, times), timing.pace(self.exponents, times)
        if pace is None or len(self.exponents) > FEW:
            logs, signs = (self._of_present(part) for part in timing.growth(self.exponents, times))
            logs = jnp.where(self._moves()[:, None], jnp.maximum(logs, NEVER), NEVER)
            top = largest(logs)
            return Tick(top, logs - top, signs, biases)
        slopes, turning = (self._of_present(part) for part in (pace.slopes, pace.turning))
        slopes = jnp.where(self._moves(), jnp.maximum(slopes, NEVER), NEVER)
        top = largest(slopes)
        logs = tuple(pace.clock * (slope - top) for slope in slopes)
        return Tick(pace.clock * top, logs, tuple(jnp.where(turn, pace.turns, 1.0) for turn in turning), biases)

    def _of_present(self, values: Any) -> Any:
        """Return values by mode, those of an axis along which the start has no part replaced by its partner's."""
        j = len(self.axis.cos)
        swapped = jnp.concatenate([values[j : 2 * j], values[:j], values[2 * j :]])
        return jnp.where(column(self.present(), values), values, swapped)

    def _moves(self) -> Any:
        """Return whether the start has a part in each mode, or in the other one of its pair."""
        return self._of_present(self.present())

    def state(self, problem: Problem, tick: Tick) -> tuple[Any, State]:
        """See `ClosedForm.state`."""
        classes = self.by_class(problem, tick)
        features = classes.features[problem.labels] + self._residual(tick) * self.start.residuals
        return tick.log_scale, State(features, classes.prototypes, classes.biases)

    def by_class(self, problem: Problem, tick: Tick) -> State:
        """Return the state with the class means (C, p) instead of features, its biases as they are."""
        entries = self._entries(tick, 0.0)
        means = self._means(problem, entries, self.vectors.right)
        biases = times_exp(jnp.sum(self._biases(problem, tick), axis=0), tick.biases.log)
        return State(means, self._prototypes(entries, self.vectors.left + self.vectors.shared), biases)

    def at_once(self, frame: Frame, problem: Problem, ticks: Tick) -> dict[str, Any]:
        """See `ClosedForm.at_once`: from inner products."""
        return self.measured(frame, problem, _written_out(jax.tree.map(jnp.transpose, ticks)))

    def measured(self, frame: Frame, problem: Problem, moving: Tick) -> dict[str, Any]:
        """Return the metrics that need no rows of classes, (T,) each, and the shares (T, C)."""
        few = isinstance(moving.logs, tuple)

        def part(tick: Tick) -> dict[str, Any]:
            times = _written_out(tick) if few else tick
            return measured(frame, self.sizes(problem, times)) | self._shares(problem, tick)

        if len(self.modes.count) == 1:
            return part(_stacked(moving))
        return in_blocks(part, _stacked(moving), max(1, BLOCK // self.reduced.own_h.size))

    def sizes(self, problem: Problem, tick: Tick) -> Sizes:
        """Return `Sizes` at one time, or at many if the last axis of the tick is time."""
        log_scale = tick.log_scale
        factors = self._factors(tick)
        f, w = self._moved(tick, factors)
        residual = self.reduced.residual * factors[-1]
        sigma = like(jnp.concatenate([self.modes.contrast, self.modes.sigma]), f[0])
        start, drive = plane(self.reduced.biases, problem.bias_drive())
        bias = [x * tick.biases.grown + y * tick.biases.driven for x, y in zip(start, drive, strict=True)]
        log_between, alignment = self._alignment(problem, _stacked(tick))
        return Sizes(
            log_scale=log_scale,
            inner=jnp.sqrt(self.ratio) * total(each(operator.mul, sigma, products(f, w))),
            log_inner=2 * log_scale,
            squares=(self.ratio * total(products(f, f)) + residual**2, total(products(w, w))),
            bias_drive=drive[0] * bias[0] + drive[1] * bias[1],
            bias_square=bias[0] ** 2 + bias[1] ** 2,
            log_biases=tick.biases.log,
            log_residual=log_scale + tick.logs[-1] + jnp.log(self.reduced.residual),
            distance=jnp.where(self.has_limit, self._distance(tick, factors, self.fastest), jnp.nan),
            distance_zbar=self._distance_zbar(tick, factors, f, w),
            log_between=log_between,
            alignment=alignment,
            simplex=self._simplex(_stacked(tick)),
        )

    def motions(self, problem: Problem, ticks: Tick) -> Motions:
        r"""See `ClosedForm.motions`: $F = \sin g_+\gamma + \cos g_-\varphi$ of every pair, and W alike."""
        groups, group, j = len(self.modes.count), self.modes.group, len(self.axis.cos)
        cos, sin, start = self.axis.cos[:, None], self.axis.sin[:, None], self.start
        logs = (ticks.logs + ticks.log_scale[:, None]).T
        root = np.sqrt(self.ratio / problem.sizes)[:, None]
        present, prototypes, means = np.asarray(self.present()), [], []
        for k in range(j):
            inside = (group == k)[:, None]
            f = start.f_rows * inside if k < groups else start.f_between[k - groups]
            w = start.w_rows * inside if k < groups else start.w_between[k - groups]
            left = 1.0 if k < groups else self.vectors.left[:, [k - groups]]
            right = root if k < groups else np.sqrt(self.ratio) * self.vectors.right[:, [k - groups]]
            parts = (sin[k] * f + cos[k] * w, (cos[k], sin[k])), (cos[k] * f - sin[k] * w, (-sin[k], cos[k]))
            for m, (part, (to_w, to_f)) in zip((k, j + k), parts, strict=True):
                here = part * present[m]
                means.append(Motion(right * to_f * here, logs[m], ticks.signs[:, m]))
                if k < groups or groups > 1:  # what a lone group adds to every prototype tells no class from another
                    prototypes.append(Motion(left * to_w * here, logs[m], ticks.signs[:, m]))
        relaxed = ticks.biases
        own, driven = self.reduced.biases, problem.alpha * problem.weights * problem.sizes / problem.samples
        with np.errstate(divide="ignore"):
            biases = [
                Motion(rows, relaxed.log + np.log(np.abs(by)), np.where(by < 0, -1.0, 1.0))
                for rows, by in ((own, relaxed.grown), (driven, relaxed.driven))
            ]
        residuals = Motion(start.residuals, logs[-1], ticks.signs[:, -1])
        return Motions(prototypes, means, residuals, biases)

    def snapshot(self, problem: Problem, tick: Tick) -> Snapshot:
        """See `ClosedForm.snapshot`."""
        left, right = self.vectors.left_centred, self.vectors.means_centred
        y = self._prototypes(self._differing(tick, left)[0], left)
        x = centre(self._means(problem, self._differing(tick, right)[0], right))
        sizes = self.sizes(problem, tick)
        if not self.even:
            entries, log = self._differing(tick, self.vectors.between)
            between = centre(self._means(problem, entries, self.vectors.between), problem.sizes / problem.samples)
            between = jnp.sqrt(problem.sizes)[:, None] * between
            sizes = sizes._replace(log_between=log_norm(between) + log + tick.log_scale, alignment=rows_angle(x, y))
        return Snapshot(
            sizes=sizes if self.balanced else sizes._replace(simplex=simplex_angle(x)),
            biases=self._biases(problem, tick),
            features=self._features(problem, tick),
            class_parts=self._class_parts(tick),
            resolved=True,
            means=x,
            prototypes=y,
        )

    def decay(self, experiment: Experiment, ticks: Tick) -> Decay:
        """See `ClosedForm.decay`: the gap, per zeta, to the slowest mode of the start outside L."""
        if "distance" in self.why:
            return Decay(None, None, self.why["distance"])
        grow, fall = self.pairs.lengths()
        cos, sin = self.axis.cos, self.axis.sin
        lengths = np.sqrt(self.ratio * sin**2 + cos**2) * grow, np.sqrt(self.ratio * cos**2 + sin**2) * fall
        parts = np.concatenate([*lengths, [self.reduced.residual]])
        whole = length(lifted(self.axis, self.ratio, self.pairs, self.reduced.residual, np.ones(len(parts))))
        logs = np.where(parts > PRESENT * whole, self._last_logs(experiment, ticks), -np.inf)
        zeta = experiment.method.zeta(np.array([experiment.method.horizon]))[-1]
        slower = np.where(self.fastest, -np.inf, logs)
        if not np.isfinite(slower).any():
            return Decay(None, None, "the start lies in its limit: nothing is left to decay")
        if swinging(experiment.method, np.asarray(self.exponents))[np.argmax(slower)]:
            return Decay(None, None, SWINGS)
        return Decay(float((logs[self.fastest].max() - slower.max()) / zeta), "exponential")

    def _last_logs(self, experiment: Experiment, ticks: Tick) -> Any:
        """Return the logarithms of all multipliers at the last tick, at any scale."""
        del experiment
        return ticks.logs[-1]

    def _biases(self, problem: Problem, tick: Tick) -> Any:
        """Return $b = g b_0 + m (g - 1)/w$, $w = -l_b$, over e^log, as a sum: Theorem 4, with psi integrating eta2."""
        return bias_parts(problem, self.reduced.biases, tick.biases.grown, tick.biases.driven)

    def _factors(self, tick: Tick) -> Any:
        """Return all multipliers at the scale of the tick, by mode, the last one of the residuals."""
        return each(lambda log, sign: sign * jnp.exp(log), tick.logs, tick.signs)

    def _entries(self, tick: Tick, scale: Any) -> tuple[Any, Any, Any, Any]:
        """Return `propagator` of each pair, times e^-scale beside the tick's own, +inf to leave a pair out."""
        pairs = tick._replace(logs=tick.logs[:-1], signs=tick.signs[:-1])
        both = scale if jnp.ndim(scale) < pairs.logs.ndim else jnp.concatenate([scale, scale])
        return self._propagators(tick, pairs.signs * jnp.exp(pairs.logs - both))

    def _propagators(self, tick: Tick, factors: Any) -> tuple[Any, Any, Any, Any]:
        """Return (ff, fw, wf, ww) of `propagator`, by mode, from the multipliers' ``factors`` at any scale."""
        j = len(self.axis.cos)
        up, down = tick.logs[:j], tick.logs[j : 2 * j]
        known = (like(part, up) for part in (self.axis.cos, self.axis.sin))
        ff, fw, ww = several(propagator, *known, factors[:j], factors[j : 2 * j], up, down)
        return ff, fw, fw, ww

    def _residual(self, tick: Tick) -> Any:
        """Return the multiplier of the within-class residuals, at the scale of the tick."""
        return tick.signs[-1] * jnp.exp(tick.logs[-1])

    # -- from inner products, at one time or many ----------------------------------------------------------------------

    def _moved(self, tick: Tick, factors: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        """Return F and W, each as its two coordinates by pair, at the scale of the ``factors``."""
        entries = self._propagators(tick, factors)
        f1, w1, w2 = (like(x, entries[0]) for x in (self.pairs.f[:, 0], self.pairs.w[:, 0], self.pairs.w[:, 1]))

        def move(ff: Any, fw: Any, wf: Any, ww: Any, f1: Any, w1: Any, w2: Any) -> tuple[Any, ...]:
            return ff * f1 + fw * w1, fw * w2, wf * f1 + ww * w1, ww * w2

        moved = several(move, *entries, f1, w1, w2)
        return moved[:2], moved[2:]

    def _distance(self, tick: Tick, factors: Any, chosen: Any, sign: Any = 1.0) -> Any:
        r"""Return $|Z/|Z| - L/|L||$ with L the chosen modes' part of the start, with all digits however small it is.

        Z = k L + Q with k the largest multiplier of the chosen modes, which all have one ``sign``: Q is small where the
        distance is.
        """
        mask = like(chosen, factors)
        k = sign * largest(each(lambda m, x: jnp.where(m, jnp.abs(x), 0.0), mask, factors))
        limit = self._lifted(1.0 * chosen)
        whole = length(limit)
        unit = LIFT / whole  # Q may be so small that its square is nothing
        q = self._lifted(each(lambda m, x: jnp.where(m, x - k, x) * unit, mask, factors))
        direction = [like(part / whole, x) for part, x in zip(limit, q, strict=True)]
        along = sum(total(each(operator.mul, x, y)) for x, y in zip(q, direction, strict=True))
        across = length([each(lambda x, y: x - along * y, x, y) for x, y in zip(q, direction, strict=True)])
        return chord(across / LIFT, k + along / LIFT)

    def _lifted(self, weights: Any) -> tuple[Any, ...]:
        return lifted(self.axis, self.ratio, self.pairs, self.reduced.residual, weights)

    def _distance_zbar(self, tick: Tick, factors: Any, f: Any, w: Any) -> Any:
        r"""Return the distance to $\bar Z = (\sqrt s X, X)$, eq. (9); it is a mode, and so gets small, if s l1 = l2."""
        residual = self.reduced.residual * factors[-1]
        if not self.balanced:
            return jnp.full_like(residual, jnp.nan)
        x, root = (self.pairs.f[0] + self.pairs.w[0]) / 2, jnp.sqrt(self.ratio)
        x = x / (jnp.linalg.norm(x) * jnp.sqrt(1 + self.ratio))
        h = [each(lambda part: root * part, part) for part in f]
        along = sum(x[k] * (root * h[k][0] + w[k][0]) for k in range(2))
        own = [part for k in range(2) for part in (h[k][0] - root * x[k] * along, w[k][0] - x[k] * along)]
        others = sum(part[1] ** 2 for part in (*h, *w))
        far = chord(jnp.sqrt(sum(part**2 for part in own) + others + residual**2), along)
        near = self._distance(tick, factors, np.arange(len(self.exponents)) == 0, tick.signs[0])
        return jnp.where(self.has_zbar, jnp.where(self.zbar_grows, near, far), jnp.nan)

    def _alignment(self, problem: Problem, tick: Tick) -> tuple[Any, Any]:
        r"""Return (ln of the norm that nc1 divides by, Y across and along X), or None where only the rows tell.

        With one group X and Y are the contrasts of F and W, moved by one 2 x 2 propagator, so
        $|X \wedge Y| = |g_+ g_-||F_0 \wedge W_0|$: exact down to underflow.
        """
        if not self.even:
            return None, None
        vectors, sizes = self.vectors, problem.sizes[self.modes.first]
        (ff, fw, _, _), log_x = self._differing(tick, vectors.groups_means)
        x = self._image(ff, fw, 1 / jnp.sqrt(sizes), vectors.groups_means)
        (_, _, wf, ww), log_y = self._differing(tick, vectors.groups_left)
        y = self._image(wf, ww, jnp.ones_like(sizes), vectors.groups_left)
        (ff, fw, _, _), log = self._differing(tick, vectors.groups_between)
        between = jnp.sqrt(self.ratio) * norm_of(self._image(ff, fw, jnp.ones_like(sizes), vectors.groups_between))
        size_x, size_y = norm_of(x), norm_of(y)
        along = jnp.sum(x * y, axis=0) / (size_x * size_y)
        if self.balanced:
            (f1, _), (_, w2) = self.pairs.f[0], self.pairs.w[0]
            rise = self._log_wedge(tick) - log_x - log_y
            across = jnp.exp(rise) * f1 * w2 / jnp.sqrt(sizes[0]) / (size_x * size_y)
        else:
            across = norm_of(y / size_y - along * x / size_x)
        return jnp.log(between) + log + tick.log_scale, (across, along)

    def _log_wedge(self, tick: Tick) -> Any:
        """Return ln of how much the area that the first pair's F and W span has grown, beside the tick's scale."""
        return tick.logs[0] + tick.logs[len(self.axis.cos)]

    def _image(self, from_f: Any, from_w: Any, unit: Any, vectors: Any) -> Any:
        """Return from_f F0 + from_w W0 as coordinates (D, ...): contrasts times ``unit`` (G,), and modes between."""
        groups, (a, b) = len(self.modes.count), (from_f[:, None], from_w[:, None])
        f, w = column(self.pairs.f, a), column(self.pairs.w, a)
        inside = column(unit[:, None], a) * (a[:groups] * f[:groups] + b[:groups] * w[:groups])
        inside = inside.reshape(-1, *inside.shape[2:])
        if groups == 1:  # a lone group has no modes between that tell classes apart
            return inside
        between = jnp.tensordot(vectors, self._common(from_f, from_w), 1)
        return jnp.concatenate([inside, between.reshape(-1, *between.shape[2:])])

    def _common(self, from_f: Any, from_w: Any) -> Any:
        """Return from_f F0 + from_w W0 along the modes between, as coordinates (G, r, ...) in their common span."""
        a, b = (entry[len(self.modes.count) :, None] for entry in (from_f, from_w))
        return a * column(self.between.f, a) + b * column(self.between.w, a)

    def _simplex(self, tick: Tick) -> tuple[Any, Any] | None:
        """Return X'X across and along the simplex: of one group, three fixed matrices tell; else only the rows do."""
        if not self.balanced:
            return None
        (ff, fw, _, _), _ = self._differing(tick, self.vectors.groups_means)
        a, b = ff[0] / jnp.sqrt(self.ratio), fw[0]
        weights = jnp.stack([a * a, a * b, b * b])
        along = jnp.tensordot(self.reduced.simplex_par, weights, 1)
        return norm_of(jnp.tensordot(self.reduced.simplex_perp, weights, 1)), along

    def _shares(self, problem: Problem, tick: Tick) -> dict[str, Any]:
        """Return each class's share of |Y| and of |X|, (..., C)."""
        if not self.even:
            return {}
        root, vectors, found = jnp.sqrt(self.ratio), self.vectors, {}
        (_, _, wf, ww), _ = self._differing(tick, vectors.groups_left)
        found["share_prototypes"] = self._lengths(wf, ww, jnp.ones_like(problem.sizes), vectors.left_centred)
        (ff, fw, _, _), _ = self._differing(tick, vectors.groups_means)
        found["share_means"] = root * self._lengths(ff, fw, 1 / jnp.sqrt(problem.sizes), vectors.means_centred)
        return {name: jnp.moveaxis(rows / norm_of(rows), 0, -1) for name, rows in found.items()}

    def _lengths(self, from_f: Any, from_w: Any, unit: Any, vectors: Any) -> Any:
        """Return the lengths (C, ...) of the rows that `_lift` gives, through coordinates."""
        group, groups = self.modes.group, len(self.modes.count)
        a, b = from_f[group][:, None] / jnp.sqrt(self.ratio), from_w[group][:, None]
        rows = a * column(self.reduced.own_h, a) + b * column(self.reduced.own_w, a)
        rows = column(unit[:, None], a) * rows
        if groups > 1:
            between = jnp.tensordot(vectors, self._common(from_f, from_w), 1)
            rows = rows.at[:, : between.shape[1]].add(between)
        return jnp.sqrt(jnp.sum(rows * rows, axis=1))

    # -- rows of classes and samples, at one time ----------------------------------------------------------------------

    def _prototypes(self, entries: Any, vectors: Any) -> Any:
        """Return the prototypes (C, p); ``vectors`` (C, G) carry the modes between groups."""
        return self._lift(*entries[2:], vectors)

    def _means(self, problem: Problem, entries: Any, vectors: Any) -> Any:
        """Return the class means (C, p); ``vectors`` (C, G) carry the modes between groups, divided by sqrt(n_c)."""
        return jnp.sqrt(self.ratio) * self._lift(*entries[:2], vectors, 1 / jnp.sqrt(problem.sizes)[:, None])

    def _lift(self, from_f: Any, from_w: Any, vectors: Any, unit: Any = 1.0) -> Any:
        """Return (C, p) rows of from_f F0 + from_w W0, mode by mode; ``unit`` multiplies the contrasts."""
        inside, between = self._parts(from_f, from_w)
        return unit * inside + vectors @ between

    def _parts(self, from_f: Any, from_w: Any) -> tuple[Any, Any]:
        """Return from_f F0 + from_w W0: the contrasts inside groups (C, p), the modes between groups (G, p)."""
        groups, group, start = len(self.modes.count), self.modes.group, self.start
        rows = from_f[group][:, None] * start.f_rows + from_w[group][:, None] * start.w_rows
        between = from_f[groups:, None] * start.f_between + from_w[groups:, None] * start.w_between
        return rows, between

    def _pair_logs(self, tick: Tick) -> tuple[Any, Any]:
        """Return the larger logarithm of each pair: of the groups' contrasts (G,), of the modes between (G,)."""
        j = len(self.axis.cos)
        pair = jnp.maximum(tick.logs[:j], tick.logs[j : 2 * j])
        return pair[: j // 2], pair[j // 2 :]

    def _differing(self, tick: Tick, vectors: Any) -> tuple[Any, Any]:
        """Return (entries, log): pairs that tell classes apart through ``vectors``, at the largest one's scale."""
        log_group, log_mode = self._pair_logs(tick)
        active = column(jnp.any(vectors != 0, axis=0), log_mode)
        top = _top(jnp.concatenate([log_group, jnp.where(active, log_mode, -jnp.inf)]))
        scale = jnp.where(jnp.concatenate([jnp.ones_like(active), active]), top, jnp.inf)
        return self._entries(tick, scale), top

    def _own(self, tick: Tick) -> tuple[Any, Any, tuple[Any, Any, Any, Any]]:
        """Return (logs of the groups' contrasts (G,), of the modes between (G,), entries), each pair at its own."""
        log_group, log_mode = self._pair_logs(tick)
        entries = self._entries(tick, jnp.concatenate([log_group, log_mode]))
        return log_group + tick.log_scale, log_mode + tick.log_scale, entries

    def _features(self, problem: Problem, tick: Tick) -> Features:
        """Return the features by parts: contrasts inside groups, modes between groups, residuals."""
        log_group, log_mode, (ff, fw, _, _) = self._own(tick)
        inside, between = self._parts(ff, fw)
        rows, log = _spread(self.vectors.right, between, log_mode)
        root, index = jnp.sqrt(self.ratio), jnp.arange(problem.classes)
        inside = root / jnp.sqrt(problem.sizes)[:, None] * inside
        parts = (Part(inside, log_group[self.modes.group], index), Part(root * rows, log, index))
        log_rest = jnp.where(
            problem.sizes > 1, tick.logs[-1] + tick.log_scale, -jnp.inf
        )  # one sample is its class's mean
        return Features(parts, tick.signs[-1] * self.start.residuals, log_rest)

    def _class_parts(self, tick: Tick) -> tuple[Part, ...]:
        """Return the parts of the prototypes that can differ: contrasts inside groups, modes between groups."""
        group, groups = self.modes.group, len(self.modes.count)
        log_group, log_mode, (_, _, wf, ww) = self._own(tick)
        inside, between = self._parts(wf, ww)
        contrasts = Part(inside, log_group[group], jnp.arange(len(group)))
        rows, log = _spread(self.vectors.left, between, log_mode)
        first = jnp.argmax(group[:, None] == group, axis=1)  # one row for a group: its classes are equal to the bit
        return (contrasts, Part(rows, log, first))[: min(groups, 2)]


def _even(groups: Groups | Modes, problem: Problem) -> bool:
    """Return whether the classes of each group have one size. Not for jit."""
    return all(len(np.unique(problem.sizes[groups.group == g])) == 1 for g in range(len(groups.count)))


def _written_out(tick: Tick) -> Tick:
    """Return a tick by mode as `theorems.unrolled` has it: a tuple of modes if they are few."""
    return tick._replace(logs=tuple(tick.logs), signs=tuple(tick.signs)) if len(tick.logs) <= FEW else tick


def _stacked(tick: Tick) -> Tick:
    """Return a tick whose modes are the first axis of an array."""
    if not isinstance(tick.logs, tuple):
        return tick
    return tick._replace(logs=jnp.stack(tick.logs), signs=jnp.stack(tick.signs))


@partial(jax.jit, static_argnums=0)
def _reduced(wanted: tuple[bool, bool], groups: Groups, problem: Problem, start: State) -> Reduced:
    """Return a reduced start; what holds the simplex, and what each class's own share, only if wanted."""
    found = reduce(groups, problem, start)[0]
    parts = (("simplex_perp", "simplex_par"), ("own_h", "own_w"))
    unread = [name for want, names in zip(wanted, parts, strict=True) if not want for name in names]
    return found._replace(**{name: jnp.zeros_like(getattr(found, name)) for name in unread})


@partial(jax.jit, static_argnums=0)
def _states(
    even: bool, groups: Groups, problem: Problem, start: State, numbers: Numbers, timing: Timing, times: Any
) -> tuple[Any, State]:
    modes = label_modes(problem, groups)
    reduced, rows = reduce(groups, problem, start)
    form = Modal._built(even, modes, problem, reduced, numbers, timing)
    form = dataclasses.replace(form, start=project_rows(modes, form.ratio, form.between, rows))

    def at(tick: Tick) -> tuple[Any, State]:
        squares = form.sizes(problem, tick).squares
        log_norm = tick.log_scale + jnp.log(squares[0] + squares[1]) / 2
        kept, classes = rescaled(tick.log_scale, log_norm, form.by_class(problem, tick))
        factor = jnp.exp(tick.log_scale - kept) * form._residual(tick)

        def spread() -> Any:
            return classes.features[problem.labels] + factor * (start.features - rows.means[problem.labels])

        # A branch of its own: XLA would compute a class mean anew for each entry of its samples.
        features = jax.lax.cond(reduced.residual > 0, spread, lambda: classes.features[problem.labels])
        return kept, State(features, classes.prototypes, classes.biases)

    ticks = jax.tree.map(jnp.transpose, _stacked(form.moving(timing, times)))
    if len(times) > 1:
        return jax.lax.map(at, ticks)
    return jax.tree.map(lambda x: x[None], at(jax.tree.map(lambda x: x[0], ticks)))  # spares a copy of the state


@jax.jit
def _moving(form: Modal, timing: Timing, times: Any) -> Tick:
    return _stacked(form.moving(timing, times))


def _spread(vectors: Any, modes: Any, logs: Any) -> tuple[Any, Any]:
    """Return (rows (C, p), logs (C,)) of vectors (C, G) @ modes (G, p) e^logs: each at its largest mode's scale."""
    present = vectors != 0
    top = jnp.max(jnp.where(present, logs, -jnp.inf), axis=1)
    top = jnp.where(jnp.isfinite(top), top, 0.0)
    return jnp.where(present, vectors * jnp.exp(logs - top[:, None]), 0.0) @ modes, top


def _top(logs: Any) -> Any:
    """Return the largest logarithm, or 0 where there is none."""
    top = largest(logs)
    return jnp.where(jnp.isfinite(top), top, 0.0)


MEMBER = Modal
