"""The exponential schedule."""

from typing import Any, ClassVar

import jax.numpy as jnp
from pydantic import Field

from dynamics.schedule import Numbers, Schedule

SERIES_BELOW = 1.0  # below this argument the closed form of the moment cancels, and 18 terms of its series are exact
SERIES_TERMS = 18


class Exponential(Schedule):
    """Exponential decay: f(t) = e^(-rate t), rate per step or per time."""

    kind: ClassVar[str] = "exponential"
    rate: float = Field(ge=0)

    @staticmethod
    def multiplier(numbers: Numbers, t: Any, horizon: Any) -> Any:
        """See `Schedule.multiplier`."""
        del horizon
        return jnp.exp(-numbers["rate"] * t)

    @staticmethod
    def area(numbers: Numbers, t: Any, horizon: Any) -> Any:
        r"""See `Schedule.area`: $t\,(1 - e^{-x})/x$ with $x$ = rate t."""
        del horizon
        x = numbers["rate"] * t
        return t * jnp.where(x > 0, -jnp.expm1(-x) / jnp.where(x > 0, x, 1.0), 1.0)

    @staticmethod
    def moment(numbers: Numbers, t: Any, horizon: Any) -> Any:
        r"""See `Schedule.moment`: $t^2\,(1 - (1 + x)e^{-x})/x^2$ with $x$ = rate t."""
        del horizon
        x = numbers["rate"] * t
        safe = jnp.maximum(x, SERIES_BELOW)
        closed = (1 - (1 + safe) * jnp.exp(-safe)) / safe**2
        small = jnp.minimum(x, SERIES_BELOW)
        series, term = 0.0, jnp.ones_like(x)
        for k in range(SERIES_TERMS):
            series = series + term / (k + 2)
            term = -term * small / (k + 1)
        return t * t * jnp.where(x < SERIES_BELOW, series, closed)


MEMBER = Exponential
