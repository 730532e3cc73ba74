"""The cosine schedule."""

from typing import Any, ClassVar

import jax.numpy as jnp
from pydantic import Field

from dynamics.schedule import Numbers, Schedule


class Cosine(Schedule):
    """From 1 to final along half a cosine: f(t) = final + (1 - final)(1 + cos(pi t/T))/2."""

    kind: ClassVar[str] = "cosine"
    final: float = Field(0.0, ge=0)

    @staticmethod
    def multiplier(numbers: Numbers, t: Any, horizon: Any) -> Any:
        r"""See `Schedule.multiplier`. Written with $\cos^2$ of the half angle, which cannot cancel."""
        return numbers["final"] + (1 - numbers["final"]) * jnp.cos(jnp.pi * t / (2 * horizon)) ** 2

    @staticmethod
    def area(numbers: Numbers, t: Any, horizon: Any) -> Any:
        """See `Schedule.area`."""
        wave = horizon / jnp.pi * jnp.sin(jnp.pi * t / horizon)
        return numbers["final"] * t + (1 - numbers["final"]) * (t + wave) / 2

    @staticmethod
    def moment(numbers: Numbers, t: Any, horizon: Any) -> Any:
        """See `Schedule.moment`."""
        unit = horizon / jnp.pi
        wave = unit * t * jnp.sin(t / unit) - 2 * (unit * jnp.sin(t / (2 * unit))) ** 2
        return numbers["final"] * t * t / 2 + (1 - numbers["final"]) * (t * t / 2 + wave) / 2


MEMBER = Cosine
