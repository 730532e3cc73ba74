r"""The base of the scenarios: how features and prototypes are driven, and what rounding does to them.

Every velocity is per unit of zeta = int eta2, so it carries s = eta1/eta2 on the features.
"""

from functools import partial
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dynamics.families import members
from dynamics.loss import logits
from dynamics.method import Method
from dynamics.problem import Problem
from dynamics.schedule import Numbers
from dynamics.state import State, norm
from dynamics.table import Table

PRESENT = 1e-12  # a part of the start below this share of it is rounding: no limit rests on it
NO_ZBAR = "Zbar belongs to the pair (H, W) without a kernel, with balanced classes of equal weight"
TIE = 1e-9  # exponents closer than this, relative to the largest, grow equally fast


class Limit(NamedTuple):
    """Where the direction of the state tends: ``state``, or None and ``why`` there is no such limit."""

    state: State | None
    why: str = ""


class Spectrum(NamedTuple):
    """The extreme exponents of the linear motion, and how much a perturbation can be amplified beyond them.

    ``exponents`` (J,) are all of them that a method with momentum has to follow to bound its rounding.
    """

    lowest: Any = 0.0
    highest: Any = 0.0
    transient: Any = 1.0
    exponents: Any = 0.0


class Interval(NamedTuple):
    """A saved interval: zeta passed, growth of the fastest mode (a product of max(1, rho)), roundings per entry."""

    span: Any
    growth: Any
    roundings: Any


class Doubt(NamedTuple):
    """What rounding may have done: to each feature (n,), to all of H, to W, to Z relative to |Z|, to the distance."""

    features: Any
    all_features: Any
    prototypes: Any
    relative: Any
    distance: Any


class Scenario(Table):
    """Base of the scenarios.

    The static methods take ``numbers``: the scenario's own, the ``ratio`` s, the ``rounding`` u of the number type,
    the ``zeta`` at the end of the run, the ``spectrum``, and ``operator`` = |M|.
    """

    kind: ClassVar[str]
    moves_prototypes: ClassVar[bool] = True
    uses_kernel: ClassVar[bool] = False
    mixes: ClassVar[bool] = True  # whether samples mixed by an orthogonal matrix move as these samples do, mixed
    errors_by_step: ClassVar[bool] = False  # whether a descent carries its error by `spread` instead of `settle`

    def numbers(self) -> Numbers:
        """Return the numbers that the static methods read, as arrays that cross jit."""
        names = ("lambda_h", "lambda_w", "lambda_b")
        return {name: np.float64(getattr(self, name, 0.0)) for name in names}

    def draw_factor(self, size: int) -> np.ndarray | None:
        """Return the factor A (p n, r) of a random kernel, or None where the scenario has none."""
        del size
        return None

    def check(self, problem: Problem, state: State) -> None:
        """Refuse a start that this scenario cannot move. Raises InputError."""

    @staticmethod
    def velocity(numbers: Numbers, problem: Problem, state: State) -> State:
        """Return dZ/dzeta."""
        raise NotImplementedError

    @staticmethod
    def spectrum(numbers: Numbers, problem: Problem) -> Spectrum:
        """Return the extreme exponents of the linear motion."""
        raise NotImplementedError

    @classmethod
    def stiffness(cls, numbers: Numbers, problem: Problem, state: State) -> float:
        """Return the fastest rate per zeta that an explicit integrator has to follow from this state on."""
        linear = max(abs(float(numbers["spectrum"].lowest)), abs(float(numbers["spectrum"].highest)))
        return linear + steepness(problem, numbers["ratio"], state)

    @staticmethod
    def limit(numbers: Numbers, problem: Problem, state: State, method: Method) -> Limit:
        """Return L, the part of the start in the fastest-growing modes, whose direction the metric `distance` uses."""
        raise NotImplementedError

    @staticmethod
    def zbar(numbers: Numbers, problem: Problem, state: State) -> Limit:
        """Return the paper's Zbar, the part of the start in E1+, for the metric `distance_zbar`."""
        del numbers, problem, state
        return Limit(None, NO_ZBAR)

    @staticmethod
    def seen(state: State) -> State:
        """Return the state whose features enter the logits of the loss."""
        return state

    @staticmethod
    def compared(state: State, limit: State) -> tuple[Any, Any, Any]:
        """Return (z, l, parts): arrays of `parts` rows whose chord |z/|z| - l/|l|| is the distance."""
        z = jnp.concatenate([state.features, state.prototypes])
        return z, jnp.concatenate([limit.features, limit.prototypes]), 1

    @classmethod
    def step(cls, numbers: Numbers, problem: Problem, state: State, eta: Any) -> State:
        """Return the state after one step of simultaneous gradient descent, Z + eta dZ/dzeta."""
        return state.plus(eta, cls.velocity(numbers, problem, state))

    @staticmethod
    def no_error(problem: Problem) -> Any:
        """Return the error of the start: none, or infinite where nothing bounds what becomes of it."""
        return jnp.full((), unbounded(problem))

    @staticmethod
    def spread(numbers: Numbers, problem: Problem, state: State, error: Any, eta: Any) -> Any:
        """Carry the error through one step, where a bound per saved interval would be too coarse."""
        del numbers, problem, state, eta
        return error

    @staticmethod
    def settle(
        numbers: Numbers, problem: Problem, error: Any, before: State, after: State, interval: "Interval"
    ) -> Any:
        r"""Carry the error over a saved interval of j steps: $E \leftarrow \rho^j (E + 4 j u \max|Z|)$.

        $|Z|$ is taken in the coordinates $(H/\sqrt s, W)$, in which the motion is symmetric.
        """
        del problem
        size = jnp.maximum(symmetric_norm(numbers, before), symmetric_norm(numbers, after))
        made = numbers["spectrum"].transient * interval.roundings * numbers["rounding"] * size
        return interval.growth * (error + made)

    @staticmethod
    def doubt(numbers: Numbers, state: State, error: Any) -> Doubt:
        """Translate the carried error into bounds on what the metrics read."""
        relative = error / symmetric_norm(numbers, state)
        features = jnp.sqrt(numbers["ratio"]) * error
        each = jnp.broadcast_to(features, state.features.shape[:1])
        return Doubt(each, features, error, relative, 2 * relative)


def steepness(problem: Problem, ratio: Any, state: State) -> float:
    r"""Return about the fastest rate per zeta at which a loss that is not linear turns back what moves.

    Its second derivative in (H, W) has norm at most $\tfrac{\kappa\max\omega}n(|H|_2^2 + s|W|_2^2 + n) + \sqrt s|G|$,
    kappa the curvature of the loss in the logits; taken at the start.
    """
    if problem.loss is None:
        return 0.0
    share = problem.loss.curvature * float(np.max(problem.weights)) / problem.samples
    h, w = (np.linalg.norm(np.asarray(part), 2) for part in (state.features, state.prototypes))
    residuals = float(norm(problem.loss.residuals(problem, logits(state, problem.ones))))
    return share * (h**2 + ratio * w**2 + problem.samples) + np.sqrt(ratio) * residuals


def unbounded(problem: Problem) -> float:
    """Return 0, or infinity for a loss that is not linear: no growth of a rounding error is known in advance."""
    return 0.0 if problem.loss is None else np.inf


@partial(jax.jit, static_argnums=0)
def settle(
    scenario: type[Scenario], numbers: Numbers, problem: Problem, error: Any, before: State, after: State,
    interval: Interval,
) -> Any:  # fmt: skip
    """Carry the rounding error over a saved interval: `Scenario.settle`, compiled."""
    return scenario.settle(numbers, problem, error, before, after, interval)


def symmetric_norm(numbers: Numbers, state: State) -> Any:
    r"""Return $|(H/\sqrt s, W)|_F$."""
    return jnp.hypot(norm(state.features) / jnp.sqrt(numbers["ratio"]), norm(state.prototypes))


def scenarios() -> dict[str, type[Scenario]]:
    """Return every scenario by kind."""
    return members("dynamics.scenarios", Scenario)
