"""The linear schedule."""

from typing import Any, ClassVar

from pydantic import Field

from dynamics.schedule import Numbers, Schedule


class Linear(Schedule):
    """From 1 to ``final`` along a line: f(t) = 1 + (final - 1) t/T."""

    kind: ClassVar[str] = "linear"
    final: float = Field(0.0, ge=0)

    @staticmethod
    def multiplier(numbers: Numbers, t: Any, horizon: Any) -> Any:
        """See `Schedule.multiplier`."""
        return 1 + (numbers["final"] - 1) * t / horizon

    @staticmethod
    def area(numbers: Numbers, t: Any, horizon: Any) -> Any:
        """See `Schedule.area`."""
        return t + (numbers["final"] - 1) * t * t / (2 * horizon)

    @staticmethod
    def moment(numbers: Numbers, t: Any, horizon: Any) -> Any:
        """See `Schedule.moment`."""
        return t * t * (0.5 + (numbers["final"] - 1) * t / (3 * horizon))


MEMBER = Linear
