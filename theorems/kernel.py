r"""What the two kernel solutions share: Theorem 8, repaired for any positive semi-definite kernel.

With K = QQ', $G = M'\otimes I$, N = Q'G and its SVD $N = U\,\mathrm{diag}(\nu)\,V'$, $\tau = s\nu^2$:

    w = V (c a + d g) + w_perp + zeta g_perp,     h = h0 + Q U s nu (d a + e g),

a = V'w0, g = V'G'h0, where c, d, e are cosh, sinh/sqrt and (cosh - 1)/ of tau for a flow, polynomials for a descent.
No inverse of K is needed. A start in the falling part of a mode (g = -sqrt(tau) a) keeps to it exactly.
"""

import dataclasses
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np

from dynamics.experiment import Experiment
from dynamics.problem import Problem
from dynamics.scenario import NO_ZBAR
from dynamics.state import State
from dynamics.trajectory import Decay
from theorems.closed_form import ABSENT, PRESENT, ClosedForm, Why, leading
from theorems.relax import relaxation
from theorems.snapshot import Snapshot, centre, log_norm


class Tick(NamedTuple):
    """Per tau (r,): ln of the scale, and c, d, e at it; the falling multiplier and its integral; zeta; (b's g, d)."""

    log: Any
    c: Any
    d: Any
    e: Any
    falling: Any
    fallen: Any
    zeta: Any
    biases: tuple[Any, Any]


class KernelForm(ClosedForm):
    """Base of the kernel solutions, one per clock. ``lift`` (n p, r) is QU; ``right`` (r, C p) is V'."""

    ratio: Any
    nu: Any
    lift: Any
    right: Any
    a: Any
    g: Any
    w_rest: Any
    g_rest: Any
    start: State
    falls: Any
    fastest: Any

    @classmethod
    def of(cls, experiment: Experiment, problem: Problem, start: State) -> Self:
        """See `ClosedForm.of`."""
        ratio = np.float64(experiment.method.ratio)
        factor = problem.kernel_factor
        rank = factor.shape[-1]
        columns = np.moveaxis(factor, -1, 0) / np.sqrt(rank)
        coupling = np.asarray(jax.lax.map(problem.pull, jnp.asarray(columns))).reshape(rank, -1)
        left, nu, right = np.linalg.svd(coupling, full_matrices=False)
        nu = np.where(nu > np.finfo(float).eps * max(coupling.shape) * max(nu[0], 1e-300), nu, 0.0)
        lift = columns.reshape(rank, -1).T @ left
        w0 = np.asarray(start.prototypes).reshape(-1)
        g0 = np.asarray(problem.pull(start.features)).reshape(-1)
        a, g = right @ w0, right @ g0
        root = np.sqrt(ratio) * nu
        falls = (root > 0) & (np.abs(root * a + g) <= ABSENT * (np.abs(root) * np.linalg.norm(w0) + np.linalg.norm(g0)))
        form = cls(
            Why(distance_zbar=NO_ZBAR),
            ratio,
            nu,
            lift,
            right,
            a,
            g,
            w0 - a @ right,
            g0 - g @ right,
            start,
            falls,
            np.zeros(len(nu), dtype=bool),
        )
        if not np.any(nu > 0):
            return form._with(form.fastest, "T = s G'KG is zero: nothing grows exponentially")
        fastest, why = leading(experiment, root)
        if not why and not form._share(fastest) > PRESENT:
            why = "the start has no part in the fastest-growing modes"
        return form._with(fastest, why)

    def _with(self, fastest: np.ndarray, reason: str) -> Self:
        """Return this form with the modes of L, or the reason why there is none."""
        why = Why(self.why | ({"distance": reason} if reason else {}))
        return dataclasses.replace(self, fastest=fastest, why=why)

    def _growing(self, chosen: Any) -> tuple[Any, Any]:
        r"""Return (features, prototypes) of L: $w = V q$, $h = \sqrt s\,QU q$, $q = (a + g/\sqrt\tau)/2$."""
        root = jnp.sqrt(self.ratio) * self.nu
        q = jnp.where(chosen & ~self.falls, (self.a + self.g / jnp.where(root > 0, root, 1.0)) / 2, 0.0)
        return jnp.sqrt(self.ratio) * (self.lift @ q), q @ self.right

    def _share(self, chosen: np.ndarray) -> float:
        h, w = self._growing(chosen)
        whole = np.hypot(np.linalg.norm(self.start.features), np.linalg.norm(self.start.prototypes))
        return float(np.hypot(np.linalg.norm(h), np.linalg.norm(w)) / whole) if whole > 0 else 0.0

    def hyperbolic(self, experiment: Experiment, tau: np.ndarray, times: np.ndarray) -> tuple[Any, Any, Any, Any]:
        """Return (log, c, d, e), each (times, r): the true values are e^log times c, d, e."""
        raise NotImplementedError

    def ticks(self, experiment: Experiment, problem: Problem, times: np.ndarray) -> Tick:
        """See `ClosedForm.ticks`."""
        tau = self.ratio * self.nu**2
        log, c, d, e = self.hyperbolic(experiment, tau, times)
        falling, fallen = np.zeros_like(c), np.zeros_like(c)
        for k in np.flatnonzero(self.falls):
            alone = relaxation(experiment.method, -np.sqrt(tau[k]), times)
            log[:, k], falling[:, k], fallen[:, k] = alone.log, alone.grown, alone.driven
        zeta = experiment.method.zeta(times)
        return Tick(log, c, d, e, falling, fallen, zeta, (np.ones_like(zeta), zeta))

    def _moved(self, tick: Tick) -> tuple[Any, Any, Any]:
        """Return (log_scale, change of vec H, vec W), the arrays at that scale."""
        top = jnp.maximum(jnp.max(tick.log), 0.0)
        lift, shrink = jnp.exp(tick.log - top), jnp.exp(-top)
        w = jnp.where(self.falls, tick.falling * self.a, tick.c * self.a + tick.d * self.g) * lift
        y = jnp.where(self.falls, tick.fallen * self.a, tick.d * self.a + tick.e * self.g) * lift
        rest = (self.w_rest + tick.zeta * self.g_rest) * shrink
        return top, self.lift @ (self.ratio * self.nu * y), w @ self.right + rest

    def state(self, problem: Problem, tick: Tick) -> tuple[Any, State]:
        """See `ClosedForm.state`."""
        top, change, w = self._moved(tick)
        features = self.start.features * jnp.exp(-top) + change.reshape(self.start.features.shape)
        biases = tick.biases[0] * self.start.biases + tick.biases[1] * problem.bias_drive()
        return top, State(features, w.reshape(self.start.prototypes.shape), biases)

    def snapshot(self, problem: Problem, tick: Tick) -> Snapshot:
        """See `ClosedForm.snapshot`."""
        log_scale, state = self.state(problem, tick)
        means = problem.class_means(state.features)
        between = jnp.sqrt(problem.sizes)[:, None] * centre(means, problem.sizes / problem.samples)
        prototypes = centre(state.prototypes)
        return Snapshot(
            log_scale=log_scale,
            inner=jnp.sum(state.prototypes * self._pulled(tick).reshape(state.prototypes.shape)),
            squares=(jnp.sum(state.features**2), jnp.sum(state.prototypes**2)),
            biases=state.biases,
            features=state.features,
            log_features=log_scale,
            within=prototypes,
            log_within=jnp.full(problem.classes, log_scale),
            across=jnp.zeros_like(prototypes),
            log_across=-jnp.inf,
            means=centre(means),
            prototypes=prototypes,
            sine=jnp.nan,
            log_residual=log_norm(state.features - means[problem.labels]),
            log_between=log_norm(between),
            distance=self._distance(state),
            distance_zbar=jnp.nan,
        )

    def _pulled(self, tick: Tick) -> Any:
        """Return vec(HM') at the scale of the tick: g + V nu (s nu)(d a + e g), by the same modes, not from H."""
        top = jnp.maximum(jnp.max(tick.log), 0.0)
        y = jnp.where(self.falls, tick.fallen * self.a, tick.d * self.a + tick.e * self.g) * jnp.exp(tick.log - top)
        return (self.g_rest + self.g @ self.right) * jnp.exp(-top) + (self.ratio * self.nu**2 * y) @ self.right

    def _distance(self, state: State) -> Any:
        """Return the distance of the metric `distance`: L is removed from Z before the norm is taken."""
        z = jnp.concatenate([state.features.reshape(-1), state.prototypes.reshape(-1)])
        limit = jnp.concatenate(self._growing(self.fastest))
        unit = limit / jnp.linalg.norm(limit)
        along = jnp.sum(z * unit)
        return 2 * jnp.sin(jnp.arctan2(jnp.linalg.norm(z - along * unit), along) / 2)

    def decay(self, experiment: Experiment, ticks: Tick) -> Decay:
        """See `ClosedForm.decay`: the gap to the next mode that the start holds, growing, resting or falling."""
        if "distance" in self.why:
            return Decay(None, None, self.why["distance"])
        zeta = experiment.method.zeta(np.array([experiment.method.horizon]))[-1]
        root = np.sqrt(self.ratio) * self.nu
        ends = np.array([0.0, experiment.method.horizon])
        grown, fallen = (experiment.method.growth(sign * root, ends)[0][-1] for sign in (1, -1))
        scale = np.hypot(np.linalg.norm(self.start.features), np.linalg.norm(self.start.prototypes))
        others = ~self.fastest & np.array([self._share(np.arange(len(root)) == k) > PRESENT for k in range(len(root))])
        slower = [*grown[others]]
        resting = self.start.features.reshape(-1) - self.lift @ (
            np.sqrt(self.ratio) * self.g / np.where(root > 0, root, 1.0) * (root > 0)
        )
        if (
            np.hypot(np.linalg.norm(resting), np.hypot(np.linalg.norm(self.w_rest), np.linalg.norm(self.g_rest)))
            > PRESENT * scale
        ):
            slower.append(0.0)
        shrinking = np.abs(self.a - self.g / np.where(root > 0, root, 1.0)) * (root > 0) > PRESENT * scale
        slower += [*fallen[shrinking & np.isfinite(fallen)]]
        if not slower:
            return Decay(None, None, "the start lies in its limit: nothing is left to decay")
        return Decay(float((grown[self.fastest].max() - max(slower)) / zeta), "exponential")
