"""Contenders measured in turns in one process, and what was measured."""

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple, TypeVar

Result = TypeVar("Result")
SECONDS, BYTES, COUNT, EXPONENT = "s", "B", "", "exponent"  # units
TRIES = 3
QUIET = 0.2  # seconds before a turn: the threads of the turn before go on spinning for some time
SPAN = 0.03  # seconds: what is shorter is repeated that long in each of its turns


@dataclass(frozen=True)
class Amount:
    """The median of some samples in ``unit``, their quartiles and extremes.

    ``note`` says what a reader must know about it, such as what was multiplied.
    """

    median: float
    low: float
    high: float
    quartiles: tuple[float, float]
    unit: str
    samples: int = 1
    note: str = ""

    @classmethod
    def of(cls, samples: Iterable[float], unit: str, note: str = "") -> "Amount":
        """Return the amount of one sample or more."""
        values = sorted(samples)
        ends = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
        return cls(
            statistics.median(values), values[0], values[-1], (ends[0], ends[2]), unit, len(values), note
        )  # fmt: skip

    def times(self, factor: float, note: str = "") -> "Amount":
        """Return the amount of ``factor`` times as much."""
        scaled = {name: factor * getattr(self, name) for name in ("median", "low", "high")}
        ends = factor * self.quartiles[0], factor * self.quartiles[1]
        return replace(self, **scaled, quartiles=ends, note=note or self.note)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Contender:
    """What is measured: ``call`` returns when its numbers are there; None: it is not installed.

    Its time is multiplied by ``scale``, for what would take hours; ``note`` says so.
    """

    name: str
    call: Callable[[], Any] | None
    scale: float = 1.0
    note: str = ""


class Turns(NamedTuple):
    """How often everyone is measured, and for how long in a turn."""

    rounds: int
    seconds: float


def in_turns(contenders: Iterable[Contender], turns: Turns) -> dict[str, Amount | None]:
    """Return the time of each contender, in seconds; None for one that is not installed.

    Each is called once before anything is measured, which compiles it. Then all of them take turns, round after round,
    each round begun by another one: what disturbs the machine for a while disturbs all of them. A turn begins with a
    pause of so many seconds, in which the threads of the one before fall asleep. What takes less is then repeated for
    as long, until caches and processor are as they are in a long run, and once more for its sample, a median.
    """
    everyone = list(contenders)
    present = [(one.name, one.call) for one in everyone if one.call is not None]
    for _, call in present:
        call()
    samples: dict[str, list[float]] = {name: [] for name, _ in present}
    for k in range(turns.rounds):
        first = k % len(present)
        for name, call in present[first:] + present[:first]:
            samples[name].append(_turn(call, turns.seconds))
    return {
        one.name: Amount.of(samples[one.name], SECONDS, one.note).times(one.scale) if one.name in samples else None
        for one in everyone
    }


def fastest(calls: Iterable[Callable[[], Result]]) -> Callable[[], Result]:
    """Return the fastest of some ways to compute the same: the least time of TRIES counts."""
    return min(calls, key=lambda call: min(_seconds(call) for _ in range(TRIES)))


def _turn(call: Callable[[], Any], seconds: float) -> float:
    """Return the median time of one contender's turn."""
    time.sleep(seconds)
    once = _seconds(call)
    if once > seconds:
        return once
    _repeated(call, seconds)
    return statistics.median(_repeated(call, seconds))


def _repeated(call: Callable[[], Any], seconds: float) -> list[float]:
    """Return the times of as many calls, one at least."""
    began, found = time.perf_counter(), [_seconds(call)]
    while time.perf_counter() - began < seconds:
        found.append(_seconds(call))
    return found


def _seconds(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
