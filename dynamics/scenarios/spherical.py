r"""Normalised features with fixed prototypes."""

from typing import Any, ClassVar, Literal

import jax.numpy as jnp
import numpy as np

from dynamics.errors import must
from dynamics.loss import drive
from dynamics.method import Method
from dynamics.pair import as_state
from dynamics.problem import Problem
from dynamics.scenario import PRESENT, Doubt, Interval, Limit, Scenario, Spectrum, steepness, unbounded
from dynamics.schedule import Numbers
from dynamics.state import State

RESCALE_POWER = {"none": 0.0, "norm": 1.0, "norm-squared": 2.0}


class Spherical(Scenario):
    r"""The loss sees normalised features, prototypes and biases fixed (Theorem 7).

    Eq. (18) and (19) of the paper, with $\hat h = h/|h|$:
    $h_i' = s\,|h_i|^{\nu-1}(I - \hat h_i\hat h_i')g_i$ per zeta, with $g_i$ the i-th column of W M (whatever W is)
    and $\nu$ = 0, 1, 2 for ``rescale`` = "none", "norm", "norm-squared" (Section 4.3: the rate times $|h|^\nu$).
    """

    kind: ClassVar[str] = "spherical"
    mixes: ClassVar[bool] = False
    moves_prototypes: ClassVar[bool] = False
    errors_by_step: ClassVar[bool] = True
    prototypes: Literal["start", "etf"] = "start"
    rescale: Literal["none", "norm", "norm-squared"] = "none"

    def numbers(self) -> Numbers:
        """See `Scenario.numbers`; ``power`` is nu."""
        return {**super().numbers(), "power": np.float64(RESCALE_POWER[self.rescale])}

    def check(self, problem: Problem, state: State) -> None:
        """See `Scenario.check`: no feature may be zero."""
        zero = np.flatnonzero(np.linalg.norm(state.features, axis=1) == 0)
        if zero.size:
            column = int(problem.order[zero[0]])
            raise must(
                "every feature of the spherical scenario",
                "have a norm > 0",
                f"zero in column {column}",
                "Change start.scale_h or the start file.",
            )

    @staticmethod
    def velocity(numbers: Numbers, problem: Problem, state: State) -> State:
        """See `Scenario.velocity`."""
        radius = jnp.linalg.norm(state.features, axis=1, keepdims=True)
        unit = state.features / radius
        driven = drive(problem, Spherical.seen(state)).features
        tangent = driven - unit * jnp.sum(unit * driven, axis=1, keepdims=True)
        moved = numbers["ratio"] * radius ** (numbers["power"] - 1) * tangent
        return State(moved, jnp.zeros_like(state.prototypes), jnp.zeros_like(state.biases))

    @staticmethod
    def spectrum(numbers: Numbers, problem: Problem) -> Spectrum:
        """See `Scenario.spectrum`: not a linear motion; the error is carried sample by sample instead."""
        del numbers, problem
        return Spectrum()

    @classmethod
    def stiffness(cls, numbers: Numbers, problem: Problem, state: State) -> float:
        """See `Scenario.stiffness`: a flow conserves every norm, so the rates of the start stay."""
        if problem.loss is not None:
            largest = np.max(np.linalg.norm(np.asarray(state.features), axis=1) ** (numbers["power"] - 2))
            return numbers["ratio"] * largest * steepness(problem, numbers["ratio"], cls.seen(state))
        return float(jnp.max(_plane(numbers, problem, state, 1.0)[1]))

    @staticmethod
    def limit(numbers: Numbers, problem: Problem, state: State, method: Method) -> Limit:
        """See `Scenario.limit`: every feature tends to the direction of its column of W M."""
        del numbers, method
        target = problem.push(state.prototypes)
        lengths = np.linalg.norm(target, axis=1)
        if not np.all(lengths > PRESENT * np.linalg.norm(state.prototypes)):
            return Limit(None, "a column of W M is zero: its feature has nowhere to turn")
        return Limit(as_state(problem, target))

    @staticmethod
    def seen(state: State) -> State:
        """See `Scenario.seen`."""
        radius = jnp.linalg.norm(state.features, axis=1, keepdims=True)
        return State(state.features / radius, state.prototypes, state.biases)

    @staticmethod
    def compared(state: State, limit: State) -> tuple[Any, Any, Any]:
        """See `Scenario.compared`: each normalised feature against its normalised column."""
        return state.features, limit.features, state.features.shape[0]

    @staticmethod
    def no_error(problem: Problem) -> Any:
        """See `Scenario.no_error`: a bound on each angle and on each ln|h|, shapes (n,)."""
        return jnp.full(problem.samples, unbounded(problem)), jnp.full(problem.samples, unbounded(problem))

    @staticmethod
    def spread(numbers: Numbers, problem: Problem, state: State, error: Any, eta: Any) -> Any:
        r"""See `Scenario.spread`: the derivatives of the exact step in the angle and in $\ln r$, plus 4u each.

        $\theta' = \theta - \arctan(\kappa\sin\theta)$, $r' = r\sqrt{1+\kappa^2\sin^2\theta}$,
        $\kappa = \eta_1|g|\,r^{\nu-2}$.
        """
        angle, log_radius = error
        cos, kappa, sin2 = _plane(numbers, problem, state, eta)
        spread = 1 + kappa * kappa * sin2
        pull = (2 - numbers["power"]) * kappa * jnp.sqrt(sin2) / spread
        return (
            jnp.abs(1 - kappa * cos / spread) * angle + pull * log_radius + 4 * numbers["rounding"] * _turns(state),
            (1 + pull * kappa * jnp.sqrt(sin2)) * log_radius
            + kappa * kappa * jnp.sqrt(sin2) * jnp.abs(cos) / spread * angle
            + 4 * numbers["rounding"],
        )

    @staticmethod
    def settle(numbers: Numbers, problem: Problem, error: Any, before: State, after: State, interval: Interval) -> Any:
        r"""See `Scenario.settle`, for a flow: $\delta' = -c\cos\theta\,\delta$ with $c = s|g|r^{\nu-2}$.

        Over the interval it is multiplied by $\sin\theta_1/\sin\theta_0$, at most $1/\sin\theta_0$, and by at most
        $e^{-c\zeta\cos\theta_0}$, since the angle only falls: near the antipode it grows, near the target it decays.
        """
        angle, log_radius = error
        made = interval.roundings * numbers["rounding"]
        cos, kappa, sin2 = _plane(numbers, problem, before, interval.span)
        sin2_after = _plane(numbers, problem, after, interval.span)[2]
        factor = jnp.minimum(jnp.exp(-kappa * cos), 1 / jnp.sqrt(sin2))
        from_radius = (2 - numbers["power"]) * kappa * jnp.sqrt(sin2_after) * log_radius
        return factor * angle + jnp.maximum(1.0, factor) * made * _turns(before) + from_radius, log_radius + made

    @staticmethod
    def doubt(numbers: Numbers, state: State, error: Any) -> Doubt:
        """See `Scenario.doubt`; the distance is off by the root mean square of the angles."""
        angle, log_radius = error
        radius = jnp.linalg.norm(state.features, axis=1)
        features = radius * (angle + log_radius)
        whole = jnp.hypot(jnp.linalg.norm(state.features), jnp.linalg.norm(state.prototypes))
        total = jnp.linalg.norm(features)
        return Doubt(features, total, jnp.zeros(()), total / whole, jnp.sqrt(jnp.mean(angle**2)))


def _turns(state: State) -> float:
    """Return 1, or 0 for p = 1: on a line there is no direction into which rounding could turn a feature."""
    return float(state.features.shape[1] > 1)


def _plane(numbers: Numbers, problem: Problem, state: State, eta: Any) -> tuple[Any, Any, Any]:
    r"""Return ($\cos\theta$, $\kappa = \eta_1|g|r^{\nu-2}$, $\sin^2\theta$) of every sample, (n,)."""
    drive = problem.push(state.prototypes)
    radius, length = jnp.linalg.norm(state.features, axis=1), jnp.linalg.norm(drive, axis=1)
    product = radius * length
    cos = jnp.sum(drive * state.features, axis=1) / jnp.where(product > 0, product, 1.0)
    kappa = eta * numbers["ratio"] * length * radius ** (numbers["power"] - 2)
    return cos, kappa, jnp.maximum(1 - cos * cos, 0.0)


MEMBER = Spherical
