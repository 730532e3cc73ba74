r"""Learning-rate schedules: the base, the warm-up, and the two clocks.

A schedule multiplies the prototypes' rate: $\eta_2(t) = \eta\,w(t)\,f(t)$, and $\eta_1 = s\,\eta_2$ always.
Clocks: step $k$ (descent), time $t$ (flow), and $\zeta$, which is $\sum_{j<k}\eta_j$ for descent and
$\int_0^t\eta_2$ for flow. Everything exact is a function of $\zeta$ or of the same array $\eta_k$.
"""

from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np

from dynamics.table import Table

Numbers = dict[str, Any]


class Schedule(Table):
    """Base of the schedules: a factor of time, its integral, and its first moment, all in closed form.

    The three static methods take the member's own ``numbers``, a time ``t`` (any shape) and the
    ``horizon`` (total steps or time), so that one compilation serves all settings of a member.
    """

    kind: ClassVar[str]
    steady: ClassVar[bool] = False  # whether the factor is 1 at all times

    def numbers(self) -> Numbers:
        """Return the fields as floats, ready to cross jit."""
        return {name: np.float64(getattr(self, name)) for name in type(self).model_fields}

    def jumps(self, horizon: float) -> list[float]:
        """Return the times in (0, horizon) where the factor jumps: an integrator must land on them."""
        del horizon
        return []

    @staticmethod
    def multiplier(numbers: Numbers, t: Any, horizon: Any) -> Any:
        """Return $f(t)$."""
        raise NotImplementedError

    @staticmethod
    def area(numbers: Numbers, t: Any, horizon: Any) -> Any:
        r"""Return $\int_0^t f$, exactly."""
        raise NotImplementedError

    @staticmethod
    def moment(numbers: Numbers, t: Any, horizon: Any) -> Any:
        r"""Return $\int_0^t u f(u)\,du$, exactly: the warm-up, linear in time, needs it."""
        raise NotImplementedError


def flow_rate(schedule: type[Schedule], numbers: Numbers, t: Any) -> Any:
    r"""Return $\eta_2(t) = \eta\min(1, t/\text{warmup})f(t)$ of a gradient flow; ``numbers`` from `flow_numbers`."""
    warmup = numbers["warmup"]
    ramp = jnp.where(warmup > 0, jnp.minimum(t / jnp.where(warmup > 0, warmup, 1.0), 1.0), 1.0)
    return numbers["eta"] * ramp * schedule.multiplier(numbers["schedule"], t, numbers["horizon"])


def flow_zeta(schedule: type[Schedule], numbers: Numbers, t: Any) -> Any:
    r"""Return $\zeta(t) = \int_0^t\eta_2$, with the warm-up integrated exactly."""
    own, horizon, warmup = numbers["schedule"], numbers["horizon"], numbers["warmup"]
    span = jnp.where(warmup > 0, warmup, 1.0)
    inside = jnp.minimum(t, warmup)
    ramped = schedule.moment(own, inside, horizon) / span
    after = schedule.area(own, t, horizon) - schedule.area(own, inside, horizon)
    return numbers["eta"] * (jnp.where(warmup > 0, ramped, 0.0) + after)


def descent_rate(schedule: type[Schedule], numbers: Numbers, k: Any) -> Any:
    r"""Return $\eta_k = \eta\min(1, (k+1)/\text{warmup})f(k)$ of steps ``k``, float64."""
    warmup = numbers["warmup"]
    ramp = jnp.where(warmup > 0, jnp.minimum((k + 1) / jnp.where(warmup > 0, warmup, 1.0), 1.0), 1.0)
    return numbers["eta"] * ramp * schedule.multiplier(numbers["schedule"], k, numbers["horizon"])


def descent_rates(schedule: type[Schedule], numbers: Numbers, steps: int) -> Any:
    r"""Return $\eta_k$ for $k = 0 \dots$ steps - 1, shape (steps,)."""
    return descent_rate(schedule, numbers, jnp.arange(steps, dtype=jnp.float64))
