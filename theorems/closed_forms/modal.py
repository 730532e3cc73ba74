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
from theorems.projection import Coordinates, Gram, Vectors, existing, gram_of, project, share
from theorems.relax import relaxation
from theorems.snapshot import Snapshot, centre, log_norm


class Tick(NamedTuple):
    """ln and sign of every multiplier, (2J + 1,): J growing, J falling, the residuals; the biases' (grown, driven)."""

    logs: Any
    signs: Any
    biases: tuple[Any, Any]


class Modal(ClosedForm):
    """The coupled pair, mode by mode: Theorems 2 and 4, flow and descent.

    J = 2G sigmas: first the contrasts of each group, then the modes between the G groups.

    ``exponents`` (2J + 1,) per zeta; ``fastest`` (2J + 1,) marks the modes of L; ``zbar`` (C, p) is the X of Zbar, and
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
        coordinates = project(modes, axis, ratio, problem, start)
        gram = gram_of(modes, coordinates)
        fastest, why = _fastest(experiment, problem, modes, exponents, gram.lifted(axis, ratio))
        reasons = Why(distance=why) if why else Why()
        cos, sin = axis.cos[0], axis.sin[0]  # of the only group, if balanced: X = (W0 + F0)P/2
        zbar = ((cos + sin) * coordinates.grow_rows + (cos - sin) * coordinates.fall_rows) / 2
        whole = np.hypot(np.linalg.norm(start.features), np.linalg.norm(start.prototypes))
        if not problem.balanced:
            reasons["distance_zbar"] = NO_ZBAR
        elif not np.linalg.norm(zbar) * np.sqrt(1 + ratio) > PRESENT * whole:
            reasons["distance_zbar"] = "Zbar is zero: the start has no part in the growing contrasts (E1+)"
        return cls(
            reasons, modes, Vectors.of(modes, problem), axis, ratio, exponents, coordinates, np.asarray(start.biases),
            gram, fastest, zbar, np.asarray(ratio * numbers["lambda_h"] == numbers["lambda_w"]),
        )  # fmt: skip

    def groups(self, problem: Problem) -> np.ndarray:
        """See `ClosedForm.groups`."""
        return self.modes.group

    def notes(self) -> tuple[str, ...]:
        """See `ClosedForm.notes`: modes that the start holds no more of than rounding were taken as absent."""
        exists = existing(self.modes, len(self.start.residuals))
        absent = int(np.sum(exists & (self.gram.norms() == 0)))
        if not absent:
            return ()
        return (
            f"the start has no part, beyond its rounding, in {absent} of {exists.sum()} modes: the exact solution "
            "stays out of them for ever, while a simulation drifts into those that grow",
        )

    def ticks(self, experiment: Experiment, problem: Problem, times: np.ndarray) -> Tick:
        """See `ClosedForm.ticks`."""
        logs, signs = experiment.method.growth(self.exponents, times)
        biases = relaxation(experiment.method, -float(experiment.scenario.numbers()["lambda_b"]), times)
        with np.errstate(over="ignore"):
            lift = np.exp(biases.log)
        return Tick(np.where(self.gram.norms() > 0, logs, -np.inf), signs, (biases.grown * lift, biases.driven * lift))

    def state(self, problem: Problem, tick: Tick) -> tuple[Any, State]:
        """See `ClosedForm.state`."""
        log_scale = _top(tick.logs)
        factors = tick.signs * jnp.exp(tick.logs - log_scale)
        means = self._means(problem, factors, self.vectors.right)
        features = means[problem.labels] + factors[-1] * self.start.residuals
        return log_scale, State(features, self._prototypes(factors, self.vectors.left), self._b(problem, tick))

    def snapshot(self, problem: Problem, tick: Tick) -> Snapshot:
        """See `ClosedForm.snapshot`."""
        log_scale, state = self.state(problem, tick)
        factors = tick.signs * jnp.exp(tick.logs - log_scale)
        sigma = jnp.concatenate([self.modes.contrast, self.modes.sigma])

        _, _, left, right, between = self.vectors
        y = self._prototypes(self._differing(tick, left)[0], left)
        x = self._means(problem, self._differing(tick, right)[0], right)
        b_factors, log_between = self._differing(tick, between)
        b = self._means(problem, b_factors, between)
        b = jnp.sqrt(problem.sizes)[:, None] * centre(b, problem.sizes / problem.samples)

        log_group, within = self._inside(tick)
        log_across, across = self._between(tick, left)
        return Snapshot(
            log_scale=log_scale,
            inner=self.gram.inner(self.axis, self.ratio, sigma, factors),
            squares=self.gram.squares(self.axis, self.ratio, factors),
            biases=state.biases,
            features=state.features,
            log_features=log_scale,
            within=within,
            log_within=log_group[self.modes.group],
            across=across,
            log_across=log_across,
            means=centre(x),
            prototypes=y,
            sine=self._sine(problem, tick),
            log_residual=tick.logs[-1] + jnp.log(self.gram.residual) / 2,
            log_between=log_norm(b) + log_between,
            distance=self._distance(tick, self.fastest),
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

    def _b(self, problem: Problem, tick: Tick) -> Any:
        """Return the true biases $b = g b_0 + m (g - 1)/w$, $w = -l_b$: Theorem 4, with psi integrating eta2."""
        return tick.biases[0] * self.biases + tick.biases[1] * problem.bias_drive()

    def _along(self, factors: Any, grow: Any, fall: Any) -> tuple[Any, Any]:
        """Return (rows (C, p), between (G, p)) of the parts weighted by grow and fall times the factors, (J,) each."""
        j = grow.shape[0]
        groups = j // 2
        up, down = grow * factors[:j], fall * factors[j : 2 * j]
        group = self.modes.group
        rows = up[group][:, None] * self.start.grow_rows + down[group][:, None] * self.start.fall_rows
        return rows, up[groups:, None] * self.start.grow_between + down[groups:, None] * self.start.fall_between

    def _prototypes(self, factors: Any, vectors: Any) -> Any:
        """Return the prototypes (C, p) for one factor a mode; ``vectors`` (C, G) carry the modes between groups."""
        rows, between = self._along(factors, self.axis.cos, -self.axis.sin)
        return rows + vectors @ between

    def _means(self, problem: Problem, factors: Any, vectors: Any) -> Any:
        """Return the class means (C, p) for one factor a mode; ``vectors`` as for the prototypes."""
        rows, between = self._along(factors, self.axis.sin, self.axis.cos)
        return jnp.sqrt(self.ratio) * (rows / jnp.sqrt(problem.sizes)[:, None] + vectors @ between)

    def _pair_logs(self, tick: Tick) -> tuple[Any, Any]:
        """Return the larger logarithm of each pair: of the groups' contrasts (G,), of the modes between (G,)."""
        j = self.axis.cos.shape[0]
        pair = jnp.maximum(tick.logs[:j], tick.logs[j : 2 * j])
        return pair[: j // 2], pair[j // 2 :]

    def _scaled(self, tick: Tick, scale: Any) -> Any:
        """Return one factor a mode, each pair (J,) divided by e^scale; +inf leaves a pair out."""
        return tick.signs * jnp.exp(tick.logs - jnp.concatenate([scale, scale, jnp.full(1, jnp.inf)]))

    def _differing(self, tick: Tick, vectors: Any) -> tuple[Any, Any]:
        """Return (factors, log): modes that tell classes apart through ``vectors``, at the largest one's scale."""
        log_group, log_mode = self._pair_logs(tick)
        active = jnp.any(vectors != 0, axis=0)
        top = _top(jnp.concatenate([log_group, jnp.where(active, log_mode, -jnp.inf)]))
        return self._scaled(tick, jnp.where(jnp.concatenate([jnp.ones_like(active), active]), top, jnp.inf)), top

    def _inside(self, tick: Tick) -> tuple[Any, Any]:
        """Return (logs (G,), contrasts of the prototypes (C, p)), each group at its own scale."""
        log_group, log_mode = self._pair_logs(tick)
        own = jnp.where(jnp.isfinite(log_group), log_group, 0.0)
        factors = self._scaled(tick, jnp.concatenate([own, jnp.full_like(log_mode, jnp.inf)]))
        return log_group, self._along(factors, self.axis.cos, -self.axis.sin)[0]

    def _between(self, tick: Tick, left: Any) -> tuple[Any, Any]:
        """Return (log, centred group parts of the prototypes (C, p)) at the scale of the largest that differs."""
        log_group, log_mode = self._pair_logs(tick)
        active = jnp.any(left != 0, axis=0)
        log = jnp.max(jnp.where(active, log_mode, -jnp.inf))
        top = jnp.where(jnp.isfinite(log), log, 0.0)
        factors = self._scaled(
            tick, jnp.concatenate([jnp.full_like(log_group, jnp.inf), jnp.where(active, top, jnp.inf)])
        )
        return log, left @ self._along(factors, self.axis.cos, -self.axis.sin)[1]

    def _sine(self, problem: Problem, tick: Tick) -> Any:
        r"""Return the sine of the angle between X and Y where both are made of the same two parts, else NaN.

        With equal class sizes $X \propto \sin\vartheta\,u A + \cos\vartheta\,d B$ and
        $Y = \cos\vartheta\,u A - \sin\vartheta\,d B$, so $|X \wedge Y| = |u d||A \wedge B|$: exact down to underflow.
        """
        if len(self.modes.count) > 1:
            return jnp.full((), jnp.nan)
        j = self.axis.cos.shape[0]
        ends = jnp.stack([tick.logs[0], tick.logs[j]])
        up, down = jnp.exp(ends - _top(ends))
        cos, sin, gram = self.axis.cos[0], self.axis.sin[0], self.gram
        cross = 2 * sin * cos * up * down * tick.signs[0] * tick.signs[j] * gram.cross[0]
        x = sin**2 * up**2 * gram.grow[0] + cos**2 * down**2 * gram.fall[0] + cross
        y = cos**2 * up**2 * gram.grow[0] + sin**2 * down**2 * gram.fall[0] - cross
        value = up * down * gram.wedge[0] / jnp.sqrt(x * y)
        return jnp.where(jnp.all(problem.sizes == problem.sizes[0]), value, jnp.nan)

    def _distance(self, tick: Tick, chosen: Any) -> Any:
        r"""Return $|Z/|Z| - L/|L||$ with L the chosen modes' part of the start, without cancellation.

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

    def _distance_zbar(self, problem: Problem, tick: Tick) -> Any:
        r"""Return the distance to $\bar Z = (\sqrt s X, X)$, eq. (9), in the coordinates $(\sqrt s F, W)$ and R."""
        factors = tick.signs * jnp.exp(tick.logs - _top(tick.logs))
        # Balanced: sqrt(N) mu_c is sqrt(s) F_c.
        features = jnp.sqrt(problem.sizes)[:, None] * self._means(problem, factors, self.vectors.right)
        z = jnp.stack([features, self._prototypes(factors, self.vectors.left)])
        unit = jnp.stack([jnp.sqrt(self.ratio) * self.zbar, self.zbar])
        unit = unit / jnp.linalg.norm(unit)
        along = jnp.sum(z * unit)
        across = jnp.hypot(jnp.linalg.norm(z - along * unit), factors[-1] * jnp.sqrt(self.gram.residual))
        chord = 2 * jnp.sin(jnp.arctan2(across, along) / 2)
        # Where Zbar is a mode, that way keeps its digits down to underflow.
        return jnp.where(self.zbar_grows, self._distance(tick, np.arange(len(self.exponents)) == 0), chord)


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
