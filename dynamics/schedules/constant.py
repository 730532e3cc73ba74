"""The constant schedule."""

from typing import Any, ClassVar

import jax.numpy as jnp

from dynamics.schedule import Numbers, Schedule


class Constant(Schedule):
    """The rate stays: f(t) = 1."""

    kind: ClassVar[str] = "constant"
    steady: ClassVar[bool] = True

    @staticmethod
    def multiplier(numbers: Numbers, t: Any, horizon: Any) -> Any:
        """See `Schedule.multiplier`."""
        del numbers, horizon
        return jnp.ones_like(t)

    @staticmethod
    def area(numbers: Numbers, t: Any, horizon: Any) -> Any:
        """See `Schedule.area`."""
        del numbers, horizon
        return t

    @staticmethod
    def moment(numbers: Numbers, t: Any, horizon: Any) -> Any:
        """See `Schedule.moment`."""
        del numbers, horizon
        return t * t / 2


MEMBER = Constant
