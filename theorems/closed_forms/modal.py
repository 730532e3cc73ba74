r"""The coupled pair (H, W), solved mode by mode: Theorems 2 and 4 for any class sizes, weights, lambdas and s.

Each singular mode of M splits into two scalar modes (`theorems.modes.axes`); the within-class residuals R are one more,
with exponent -s l1. A scalar mode obeys $z' = w z$ per zeta, so a flow multiplies it by $e^{w\zeta}$ and a descent by
$\prod_k(1+\eta_k w)$: the two differ in this multiplier only. Every multiplier keeps its own logarithm and sign.

Dictionary to the paper, balanced and unregularized: the growing contrasts are $E_1^+$, the falling ones $E_1^-$, the
mean mode's two are $E_2^\pm$, the residuals $E_3$; $A = W_0 + \tilde h_0/\sqrt s$ is $\sqrt 2$ times the growing
coordinate.
"""

from typing import Any, ClassVar, NamedTuple, Self

import jax.numpy as jnp
import numpy as np

from dynamics.experiment import Experiment
from dynamics.problem import Problem
from dynamics.scenario import NO_ZBAR
from dynamics.state import State
from dynamics.trajectory import Decay
from theorems.closed_form import PRESENT, ClosedForm, Why, leading
from theorems.modes import Axes, Modes, axes, label_modes
from theorems.projection import Coordinates, Gram, Vectors, existing, gram_of, limit_rows, project, share
from theorems.relax import Relaxation, relaxation
from theorems.snapshot import Features, Part, Snapshot, bias_parts, centre, log_norm, times_exp

SMALL = 1e-3  # below this a distance is computed from modes, above from arrays: each where it does not cancel


class Tick(NamedTuple):
    """ln and sign of every multiplier, (2J + 1,): J growing, J falling, the residuals; and the biases' motion."""

    logs: Any
    signs: Any
    biases: Relaxation


class Modal(ClosedForm):
    """The coupled pair, mode by mode: Theorems 2 and 4, flow and descent.

    J = 2G sigmas: first the contrasts of each group, then the modes between the G groups.

    ``exponents`` (2J + 1,) per zeta; ``fastest`` (2J + 1,) marks the modes of L, whose
    class part is ``limit`` (2, C, p): sqrt(n_c) class means, prototypes. ``zbar`` (C, p) is the X of Zbar, and
    ``zbar_grows`` says that it is the growing contrasts' part of the start, as it is for s l1 = l2.
    """

    kind: ClassVar[str] = "modal"
    modes: Modes
    vectors: Vectors
    axis: Axes
    ratio: Any
    exponents: Any
    start: Coordinates
    biases: Any
    gram: Gram
    fastest: Any
    limit: Any
    zbar: Any
    zbar_grows: Any

    @classmethod
    def covers(cls, experiment: Experiment) -> bool:
        """See `ClosedForm.covers`."""
        return experiment.scenario.kind in ("unconstrained", "regularized")

    @classmethod
    def of(cls, experiment: Experiment, problem: Problem, start: State) -> Self:
        """See `ClosedForm.of`."""
        numbers, ratio = experiment.scenario.numbers(), np.float64(experiment.method.ratio)
        modes = label_modes(problem)
        axis = axes(np.concatenate([modes.contrast, modes.sigma]), ratio, numbers["lambda_h"], numbers["lambda_w"])
        exponents = np.concatenate([axis.grow, axis.fall, [-ratio * numbers["lambda_h"]]])
        coordinates = project(modes, ratio, problem, start)
        gram = gram_of(modes, axis, coordinates)
        fastest, why = _fastest(experiment, problem, modes, exponents, gram.lifted(axis, ratio))
        reasons = Why(distance=why) if why else Why()
        zbar = (coordinates.w_rows + coordinates.f_rows) / 2  # balanced: the contrasts are all of (W0 + F0)P
        whole = np.hypot(np.linalg.norm(start.features), np.linalg.norm(start.prototypes))
        if not problem.balanced:
            reasons["distance_zbar"] = NO_ZBAR
        elif not np.linalg.norm(zbar) * np.sqrt(1 + ratio) > PRESENT * whole:
            reasons["distance_zbar"] = "Zbar is zero: the start has no part in the growing contrasts (E1+)"
        return cls(
            why=reasons,
            modes=modes,
            vectors=Vectors.of(modes, problem),
            axis=axis,
            ratio=ratio,
            exponents=exponents,
            start=coordinates,
            biases=np.asarray(start.biases),
            gram=gram,
            fastest=fastest,
            limit=limit_rows(modes, axis, ratio, coordinates, fastest),
            zbar=zbar,
            zbar_grows=np.asarray(ratio * numbers["lambda_h"] == numbers["lambda_w"]),
        )

    def notes(self) -> tuple[str, ...]:
        """See `ClosedForm.notes`: what is no more than rounding of the start, or of gamma, was taken as absent."""
        exists = existing(self.modes, len(self.start.residuals))
        absent = int(np.sum(exists & (self.gram.norms() == 0)))
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

    def ticks(self, experiment: Experiment, problem: Problem, times: np.ndarray) -> Tick:
        """See `ClosedForm.ticks`."""
        logs, signs = experiment.method.growth(self.exponents, times)
        biases = relaxation(experiment.method, -float(experiment.scenario.numbers()["lambda_b"]), times)
        return Tick(np.where(self.gram.norms() > 0, logs, -np.inf), signs, biases)

    def state(self, problem: Problem, tick: Tick) -> tuple[Any, State]:
        """See `ClosedForm.state`."""
        log_scale = _top(tick.logs)
        entries, residual = self._entries(tick, log_scale), self._residual(tick, log_scale)
        features = self._means(problem, entries, self.vectors.right)[problem.labels] + residual * self.start.residuals
        biases = times_exp(jnp.sum(self._biases(problem, tick), axis=0), tick.biases.log)
        return log_scale, State(features, self._prototypes(entries, self._whole_left()), biases)

    def snapshot(self, problem: Problem, tick: Tick) -> Snapshot:
        """See `ClosedForm.snapshot`."""
        log_scale = _top(tick.logs)
        entries, residual = self._entries(tick, log_scale), self._residual(tick, log_scale)
        sigma = jnp.concatenate([self.modes.contrast, self.modes.sigma])

        left, right, between = self.vectors.left_centred, self.vectors.means_centred, self.vectors.between
        y = self._prototypes(self._differing(tick, left)[0], left)
        x = self._means(problem, self._differing(tick, right)[0], right)
        b_entries, log_between = self._differing(tick, between)
        b = self._means(problem, b_entries, between)
        b = jnp.sqrt(problem.sizes)[:, None] * centre(b, problem.sizes / problem.samples)

        return Snapshot(
            log_scale=log_scale,
            inner=self.gram.inner(self.ratio, sigma, entries),
            log_inner=2 * log_scale,
            squares=self.gram.squares(self.ratio, entries, residual),
            biases=self._biases(problem, tick),
            log_biases=tick.biases.log,
            features=self._features(problem, tick),
            class_parts=self._class_parts(tick),
            resolved=True,
            means=centre(x),
            prototypes=y,
            sine=self._sine(problem, tick),
            log_residual=tick.logs[-1] + jnp.log(self.gram.residual) / 2,
            log_between=log_norm(b) + log_between,
            distance=self._distance(problem, tick),
            distance_zbar=self._distance_zbar(problem, tick),
        )

    def decay(self, experiment: Experiment, ticks: Tick) -> Decay:
        """See `ClosedForm.decay`: the gap, per zeta, to the slowest mode of the start outside L."""
        if "distance" in self.why:
            return Decay(None, None, self.why["distance"])
        lifted = self.gram.lifted(self.axis, self.ratio)
        shares = lifted.norms() / np.sqrt(lifted.product(np.ones_like(self.exponents), np.ones_like(self.exponents)))
        logs = np.where(shares > PRESENT, ticks.logs[-1], -np.inf)
        zeta = experiment.method.zeta(np.array([experiment.method.horizon]))[-1]
        slower = logs[~self.fastest]
        if not np.isfinite(slower).any():
            return Decay(None, None, "the start lies in its limit: nothing is left to decay")
        return Decay(float((logs[self.fastest].max() - slower.max()) / zeta), "exponential")

    def _biases(self, problem: Problem, tick: Tick) -> Any:
        """Return $b = g b_0 + m (g - 1)/w$, $w = -l_b$, over e^log, as a sum: Theorem 4, with psi integrating eta2."""
        return bias_parts(problem, self.biases, tick.biases.grown, tick.biases.driven)

    def _entries(self, tick: Tick, scale: Any) -> tuple[Any, Any, Any]:
        r"""Return the propagator of each pair on (F, W), entries (ff, fw, ww), (J,) each, times $e^{-scale}$.

        $ff = \sin^2 g_+ + \cos^2 g_-$, $fw = \sin\cos\,(g_+ - g_-)$, $ww = \cos^2 g_+ + \sin^2 g_-$ at the angle of the
        axes: F and W are never mixed, so that each keeps its digits where the other is far larger. An axis along which
        the start has no part takes the multiplier of the other, which makes the propagator exact on what is there. A
        ``scale`` of +inf leaves a pair out.
        """
        j = self.axis.cos.shape[0]
        (up, down), (up_sign, down_sign) = (self._other_if_absent(part, j) for part in (tick.logs, tick.signs))
        grown, fallen = up_sign * jnp.exp(up - scale), down_sign * jnp.exp(down - scale)
        gap = jnp.where(up == down, 0.0, up - down)
        larger = up_sign * jnp.sign(gap) * jnp.exp(jnp.maximum(up, down) - scale)
        difference = jnp.where(up_sign == down_sign, -larger * jnp.expm1(-jnp.abs(gap)), grown - fallen)
        cos, sin = self.axis.cos, self.axis.sin
        return sin**2 * grown + cos**2 * fallen, sin * cos * difference, cos**2 * grown + sin**2 * fallen

    def _other_if_absent(self, values: Any, j: int) -> tuple[Any, Any]:
        """Return the growing and falling values (J,), each replaced by the other where the start lacks its axis."""
        up, down = values[:j], values[j : 2 * j]
        return jnp.where(self.gram.grow > 0, up, down), jnp.where(self.gram.fall > 0, down, up)

    def _residual(self, tick: Tick, scale: Any) -> Any:
        """Return the multiplier of the within-class residuals, times e^-scale."""
        return tick.signs[-1] * jnp.exp(tick.logs[-1] - scale)

    def _whole_left(self) -> Any:
        """Return each class's row of the left vectors, (C, G)."""
        return self.vectors.left + self.vectors.shared

    def _prototypes(self, entries: Any, vectors: Any) -> Any:
        """Return the prototypes (C, p); ``vectors`` (C, G) carry the modes between groups."""
        return self._lift(entries[1], entries[2], vectors)

    def _means(self, problem: Problem, entries: Any, vectors: Any) -> Any:
        """Return the class means (C, p); ``vectors`` (C, G) carry the modes between groups, divided by sqrt(n_c)."""
        ff, fw, _ = entries
        return jnp.sqrt(self.ratio) * self._lift(ff, fw, vectors, 1 / jnp.sqrt(problem.sizes)[:, None])

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
        j = self.axis.cos.shape[0]
        pair = jnp.maximum(tick.logs[:j], tick.logs[j : 2 * j])
        return pair[: j // 2], pair[j // 2 :]

    def _differing(self, tick: Tick, vectors: Any) -> tuple[Any, Any]:
        """Return (entries, log): pairs that tell classes apart through ``vectors``, at the largest one's scale."""
        log_group, log_mode = self._pair_logs(tick)
        active = jnp.any(vectors != 0, axis=0)
        top = _top(jnp.concatenate([log_group, jnp.where(active, log_mode, -jnp.inf)]))
        scale = jnp.where(jnp.concatenate([jnp.ones_like(active), active]), top, jnp.inf)
        return self._entries(tick, scale), top

    def _own(self, tick: Tick) -> tuple[Any, Any, Any]:
        """Return (logs of the groups' contrasts (G,), of the modes between (G,), entries), each pair at its own."""
        log_group, log_mode = self._pair_logs(tick)
        logs = jnp.concatenate([log_group, log_mode])
        return log_group, log_mode, self._entries(tick, jnp.where(jnp.isfinite(logs), logs, 0.0))

    def _features(self, problem: Problem, tick: Tick) -> Features:
        """Return the features by parts: contrasts inside groups, modes between groups, residuals."""
        log_group, log_mode, (ff, fw, _) = self._own(tick)
        inside, between = self._parts(ff, fw)
        rows, log = _spread(self.vectors.right, between, log_mode)
        root, index = jnp.sqrt(self.ratio), jnp.arange(problem.classes)
        inside = root / jnp.sqrt(problem.sizes)[:, None] * inside
        parts = (Part(inside, log_group[self.modes.group], index), Part(root * rows, log, index))
        log_rest = jnp.where(problem.sizes > 1, tick.logs[-1], -jnp.inf)  # one sample is its class's mean
        return Features(parts, tick.signs[-1] * self.start.residuals, log_rest)

    def _class_parts(self, tick: Tick) -> tuple[Part, ...]:
        """Return the parts of the prototypes that can differ: contrasts inside groups, modes between groups."""
        group, groups = self.modes.group, len(self.modes.count)
        log_group, log_mode, (_, fw, ww) = self._own(tick)
        inside, between = self._parts(fw, ww)
        contrasts = Part(inside, log_group[group], jnp.arange(len(group)))
        rows, log = _spread(self.vectors.left, between, log_mode)
        first = jnp.argmax(group[:, None] == group, axis=1)  # one row for a group: its classes are equal to the bit
        return (contrasts, Part(rows, log, first))[: min(groups, 2)]

    def _sine(self, problem: Problem, tick: Tick) -> Any:
        r"""Return the sine of the angle between X and Y where both are made of the same two parts, else NaN.

        With equal class sizes X and Y are the contrasts of F and W, moved by one 2 x 2 propagator, so
        $|X \wedge Y| = |g_+ g_-||F_0 \wedge W_0|$: exact down to underflow.
        """
        if len(self.modes.count) > 1:
            return jnp.full((), jnp.nan)
        j = self.axis.cos.shape[0]
        ends = jnp.stack([tick.logs[0], tick.logs[j]])
        scale = jnp.where(jnp.arange(j) == 0, _top(ends), jnp.inf)
        x, y = (square[0] for square in self.gram.pair_squares(self._entries(tick, scale)))
        value = jnp.exp(jnp.sum(ends - _top(ends))) * self.gram.wedge[0] / jnp.sqrt(x * y)
        return jnp.where(jnp.all(problem.sizes == problem.sizes[0]), value, jnp.nan)

    def _distance(self, problem: Problem, tick: Tick) -> Any:
        r"""Return $|Z/|Z| - L/|L||$: from the arrays while it is large, from the modes where it is small."""
        chord = self._chord(problem, tick, self.limit, jnp.where(self.fastest[-1], jnp.sqrt(self.gram.residual), 0.0))
        return jnp.where(chord > SMALL, chord, self._small_distance(tick, self.fastest))

    def _distance_zbar(self, problem: Problem, tick: Tick) -> Any:
        r"""Return the distance to $\bar Z = (\sqrt s X, X)$, eq. (9); it is a mode, and so gets small, if s l1 = l2."""
        limit = jnp.stack([jnp.sqrt(self.ratio) * self.zbar, self.zbar])
        chord = self._chord(problem, tick, limit, 0.0)
        small = self._small_distance(tick, np.arange(len(self.exponents)) == 0)
        return jnp.where(self.zbar_grows & (chord <= SMALL), small, chord)

    def _chord(self, problem: Problem, tick: Tick, limit: Any, residual_limit: Any) -> Any:
        r"""Return the chord from Z to a direction given as (\sqrt{n_c} class means, W) (2, C, p) and a share of R."""
        top = _top(tick.logs)
        entries, size = self._entries(tick, top), jnp.sqrt(jnp.sum(limit**2) + residual_limit**2)
        means = self._means(problem, entries, self.vectors.right)
        z = jnp.stack([jnp.sqrt(problem.sizes)[:, None] * means, self._prototypes(entries, self._whole_left())])
        residual = self._residual(tick, top) * jnp.sqrt(self.gram.residual)
        along = (jnp.sum(z * limit) + residual * residual_limit) / size
        across = jnp.hypot(jnp.linalg.norm(z - along * limit / size), residual - along * residual_limit / size)
        return 2 * jnp.sin(jnp.arctan2(across, along) / 2)

    def _small_distance(self, tick: Tick, chosen: Any) -> Any:
        r"""Return the distance to the chosen modes' part of the start, with all digits however small it is.

        Z = k L + Q with k the multiplier of the leading chosen mode: Q is small where the distance is.
        """
        gram = self.gram.lifted(self.axis, self.ratio)
        top = _top(tick.logs)
        factors = tick.signs * jnp.exp(tick.logs - top)
        lead = jnp.argmax(jnp.where(chosen, tick.logs, -jnp.inf))
        rest = jnp.where(chosen, factors[lead] * jnp.expm1(tick.logs - tick.logs[lead]), factors)
        limit = jnp.where(chosen, 1.0, 0.0)
        length = jnp.sqrt(gram.product(limit, limit))
        along = gram.product(rest, limit) / length
        size = jnp.max(jnp.abs(rest))
        unit = rest / jnp.where(size > 0, size, 1.0)  # squares of the rest itself may underflow
        square = gram.product(unit, unit) - (gram.product(unit, limit) / length) ** 2
        across = size * jnp.sqrt(jnp.maximum(square, 0.0))
        return 2 * jnp.sin(jnp.arctan2(across, factors[lead] * length + along) / 2)


def _spread(vectors: Any, modes: Any, logs: Any) -> tuple[Any, Any]:
    """Return (rows (C, p), logs (C,)) of vectors (C, G) @ modes (G, p) e^logs: each at its largest mode's scale."""
    present = vectors != 0
    top = jnp.max(jnp.where(present, logs, -jnp.inf), axis=1)
    top = jnp.where(jnp.isfinite(top), top, 0.0)
    return jnp.where(present, vectors * jnp.exp(logs - top[:, None]), 0.0) @ modes, top


def _top(logs: Any) -> Any:
    """Return the largest logarithm, or 0 where there is none."""
    top = jnp.max(logs)
    return jnp.where(jnp.isfinite(top), top, 0.0)


def _fastest(
    experiment: Experiment, problem: Problem, modes: Modes, exponents: np.ndarray, lifted: Gram
) -> tuple[np.ndarray, str]:
    """Return the modes that grow most over the run among all that the model has, and why L fails, if it does."""
    fastest, why = leading(experiment, np.where(existing(modes, problem.samples), exponents, np.nan))
    if not why and not share(lifted, fastest) > PRESENT:
        why = "the start has no part in the fastest-growing modes"
    return fastest, why


MEMBER = Modal
