r"""What the two kernel solutions share: Theorem 8, repaired for any positive semi-definite kernel.

With K = QQ', $G = M'\otimes I$, N = Q'G and its SVD $N = U\,\mathrm{diag}(\nu)\,V'$, $\tau = s\nu^2$:

    w = V (c a + d g) + w_perp + zeta g_perp,     h = h0 + Q U s nu (d a + e g),

a = V'w0, g = V'G'h0, where w (C p,) and h (n p,) are W and H as columns, s = eta1/eta2, zeta is the sum or integral of
eta, and c, d, e are cosh, sinh/sqrt and (cosh - 1)/ of tau for a flow, polynomials for a descent.
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
from theorems.closed_form import ABSENT, PRESENT, SWINGS, ClosedForm, Why, leading, snap, swinging
from theorems.relax import relaxation
from theorems.scatter import Scatter, plain
from theorems.snapshot import (
    Features,
    Sizes,
    Snapshot,
    bias_parts,
    centre,
    log_norm,
    rows_angle,
    simplex_angle,
    whole,
)

MIXED = 4 * np.finfo(float).eps  # times rows: what singular vectors of one mode may hold of another by rounding
RESOLVED = 2.0**-40  # features, or differences of prototypes, below this share of the largest may be its rounding


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


class Apart(NamedTuple):
    """What tells classes apart in each mode, rows (r, ...), made outside jit with exact zeros where it is rounding.

    ``prototypes`` and ``means`` (C, p) are centred for Y and X, ``between`` and ``residuals`` (n, p) are the two parts
    of nc1; of the start too: ``start`` holds the same of H0 (means, between, residuals). Singular vectors round by some
    epsilons times their length, how many depends on the LAPACK installed: MIXED.
    """

    prototypes: Any
    means: Any
    between: Any
    residuals: Any
    start: tuple[Any, Any, Any]

    @classmethod
    def of(cls, problem: Problem, lift: np.ndarray, right: np.ndarray, start: State) -> Self:
        """Return the parts of modes with features ``lift`` (n p, r) and prototypes ``right`` (r, C p)."""
        columns = lift.T.reshape(-1, *start.features.shape)
        prototypes = right.reshape(-1, *start.prototypes.shape)
        share = max(ABSENT, MIXED * max(lift.shape[0], right.shape[1]))
        modes = [_apart(problem, column, share) for column in columns]
        return cls(
            np.stack([snap(centre(part), np.linalg.norm(part), share) for part in prototypes]),
            *(np.stack(parts) for parts in zip(*modes, strict=True)),
            _apart(problem, np.asarray(start.features), ABSENT),
        )


def _apart(problem: Problem, features: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (X, sqrt(n_c) times what nc1 divides by, residuals) of features (n, p), rounding taken as zero."""
    whole = np.linalg.norm(features)
    means = np.stack([features[problem.labels == c].mean(axis=0) for c in range(problem.classes)])
    between = np.sqrt(problem.sizes)[:, None] * centre(means, problem.sizes / problem.samples)
    parts = centre(means), between, features - means[problem.labels]
    return tuple(snap(part, whole, share) for part in parts)


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
    apart: Apart

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
            Apart.of(problem, lift, right, start),
        )
        if not np.any(nu > 0):
            return form._with(form.fastest, "T = s G'KG is zero: nothing grows exponentially")
        leaders = leading(experiment.method.timing(), root, np.ones(len(root), dtype=bool))
        why = leaders.why()
        if not why and not form._share(leaders.fastest) > PRESENT:
            why = "the start has no part in the fastest-growing modes"
        return form._with(leaders.fastest, why)

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
            alone = relaxation(experiment.method.timing(), np.sqrt(tau[k]), times)
            log[:, k], falling[:, k], fallen[:, k] = alone.log, alone.grown, alone.driven
        zeta = experiment.method.zeta(times)
        return Tick(log, c, d, e, falling, fallen, zeta, (np.ones_like(zeta), zeta))

    def _coefficients(self, tick: Tick, active: Any = True) -> tuple[Any, Any, Any, Any]:
        """Return (log, w, y, start): each active mode's part in W and in H, (r,), and of the start, times e^-log."""
        top = jnp.maximum(jnp.max(jnp.where(active, tick.log, 0.0)), 0.0)
        lift = jnp.where(active, jnp.exp(jnp.where(active, tick.log, 0.0) - top), 0.0)
        w = jnp.where(self.falls, tick.falling * self.a, tick.c * self.a + tick.d * self.g) * lift
        y = jnp.where(self.falls, tick.fallen * self.a, tick.d * self.a + tick.e * self.g) * lift
        return top, w, self.ratio * self.nu * y, jnp.exp(-top)

    def state(self, problem: Problem, tick: Tick) -> tuple[Any, State]:
        """See `ClosedForm.state`."""
        top, w, y, start = self._coefficients(tick)
        features = self.start.features * start + (self.lift @ y).reshape(self.start.features.shape)
        prototypes = w @ self.right + (self.w_rest + tick.zeta * self.g_rest) * start
        biases = jnp.sum(self._biases(problem, tick), axis=0)
        return top, State(features, prototypes.reshape(self.start.prototypes.shape), biases)

    def _biases(self, problem: Problem, tick: Tick) -> Any:
        """Return the biases as a sum over the first axis."""
        return bias_parts(problem, self.start.biases, *tick.biases)

    def snapshot(self, problem: Problem, tick: Tick) -> Snapshot:
        """See `ClosedForm.snapshot`: every part at the scale of the largest mode that is active in it.

        Modes of any kernel mix all samples and classes. Where they do not (K = 1), a class that grows slower than
        another drowns in float64 here, and its samples, and those next to it, cannot be decided.
        """
        log_scale, state = self.state(problem, tick)
        apart, shape = self.apart, self.start.prototypes.shape
        log_y, w, _, start = self._coefficients(tick, _active(apart.prototypes))
        rest = centre((self.w_rest + tick.zeta * self.g_rest).reshape(shape)) * start
        prototypes = jnp.tensordot(w, apart.prototypes, 1) + rest
        (_, means), (log_b, between), (log_r, residuals) = self._spread(tick)
        biases = self._biases(problem, tick)
        bias = jnp.sum(biases, axis=0)
        sizes = Sizes(
            log_scale=log_scale,
            inner=jnp.sum(state.prototypes * self._pulled(tick).reshape(shape)),
            log_inner=2 * log_scale,
            squares=(jnp.sum(state.features**2), jnp.sum(state.prototypes**2)),
            bias_drive=jnp.sum(bias * problem.bias_drive()),
            bias_square=jnp.sum(bias**2),
            log_biases=jnp.zeros(()),
            log_residual=log_norm(residuals) + log_r,
            log_between=log_norm(between) + log_b,
            distance=self._distance(state),
            distance_zbar=jnp.nan,
            alignment=rows_angle(means, prototypes),
            simplex=simplex_angle(means),
        )
        return Snapshot(
            sizes=sizes,
            biases=biases,
            features=Features((), state.features, jnp.full(problem.classes, log_scale)),
            class_parts=(whole(prototypes, log_y),),
            resolved=_resolved(state.features) & _resolved(prototypes[:, None] - prototypes),
            means=means,
            prototypes=prototypes,
        )

    def _spread(self, tick: Tick) -> list[tuple[Any, Any]]:
        """Return (log, array) of X, of what nc1 divides by, and of the residuals: e^log times the array."""
        parts = []
        for modes, of_start in zip(self.apart[1:4], self.apart.start, strict=True):
            log, _, y, start = self._coefficients(tick, _active(modes))
            parts.append((log, jnp.tensordot(y, modes, 1) + start * of_start))
        return parts

    def scatter(self, problem: Problem, tick: Tick) -> Scatter:
        """See `ClosedForm.scatter`."""
        del problem
        (log, means), _, (log_residual, residuals) = self._spread(tick)
        return plain(np.asarray(means), float(log), np.asarray(residuals), float(log_residual))

    def _pulled(self, tick: Tick) -> Any:
        """Return vec(HM') at the scale of the tick: g + V nu (s nu)(d a + e g), by the same modes, not from H."""
        _, _, y, start = self._coefficients(tick)
        return (self.g_rest + self.g @ self.right) * start + (self.nu * y) @ self.right

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
        if not slower and swinging(experiment.method, -root[shrinking]).any():
            return Decay(None, None, SWINGS)
        slower += [*fallen[shrinking & np.isfinite(fallen)]]
        if not slower:
            return Decay(None, None, "the start lies in its limit: nothing is left to decay")
        return Decay(float((grown[self.fastest].max() - max(slower)) / zeta), "exponential")


def _resolved(rows: Any) -> Any:
    """Return whether every row (..., p) that is not zero stands above the rounding of the largest."""
    sizes = jnp.linalg.norm(rows, axis=-1)
    return jnp.all((sizes == 0) | (sizes > RESOLVED * jnp.max(sizes)))


def _active(modes: Any) -> Any:
    """Return which modes (r,) have any part at all in an array (r, ...)."""
    return jnp.any(modes != 0, axis=tuple(range(1, modes.ndim)))
