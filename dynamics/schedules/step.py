"""The step schedule."""

import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from pydantic import Field

from dynamics.errors import must
from dynamics.schedule import Numbers, Schedule

MOST_JUMPS = 100_000  # in one horizon; with more, landing on each of them would never end


class Step(Schedule):
    """Drops by a factor every so often: f(t) = factor^floor(t/every), in steps or time."""

    kind: ClassVar[str] = "step"
    every: float = Field(gt=0)
    factor: float = Field(gt=0)

    def jumps(self, horizon: float) -> list[float]:
        """See `Schedule.jumps`.

        Raises:
            InputError: more jumps than an integrator can land on.
        """
        if horizon / self.every > MOST_JUMPS:
            raise must("method.every", f"be >= {horizon / MOST_JUMPS:g}", self.every, "Use fewer, larger steps.")
        return [j * self.every for j in range(1, math.ceil(horizon / self.every))]

    @staticmethod
    def multiplier(numbers: Numbers, t: Any, horizon: Any) -> Any:
        """See `Schedule.multiplier`."""
        del horizon
        return numbers["factor"] ** jnp.floor(t / numbers["every"])

    @staticmethod
    def area(numbers: Numbers, t: Any, horizon: Any) -> Any:
        """See `Schedule.area`."""
        del horizon
        return _over_pieces(numbers, t, lambda left, right: right - left)

    @staticmethod
    def moment(numbers: Numbers, t: Any, horizon: Any) -> Any:
        """See `Schedule.moment`."""
        del horizon
        return _over_pieces(numbers, t, lambda left, right: (right - left) * (right + left) / 2)


def _over_pieces(numbers: Numbers, t: Any, piece: Any) -> Any:
    """Sum ``piece(left, right)`` times the factor over [0, t]: a loop, since the sum in closed form cancels."""
    every, factor = numbers["every"], numbers["factor"]
    t = jnp.asarray(t)

    def add(j: Any, total: Any) -> Any:
        left = j * every
        return total + jnp.where(left < t, factor**j * piece(left, jnp.minimum(t, left + every)), 0.0)

    count = jnp.floor(jnp.max(t) / every).astype(int) + 1
    return jax.lax.fori_loop(0, count, add, jnp.zeros_like(t))


MEMBER = Step
