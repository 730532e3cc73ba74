"""The base of the benchmarks: what is measured against what, and what is asked of the ratio."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar

from dynamics.errors import chosen
from dynamics.experiment import Experiment
from dynamics.families import members
from theorems.contenders.setting import Setting
from theorems.stopwatch import EXPONENT, Amount, Contender, Turns, in_turns

FAMILY = "theorems.benchmarks"
GAMMAS = (0.0, 0.001, 0.005, 0.05, 1 / 99)  # of the paper's Figure 1
GAMMA = 0.005  # where one is enough


@dataclass(frozen=True)
class Effort:
    """How large the problems are, and how long they are measured.

    ``loop_steps`` is how many steps of a training loop are measured, of the ``steps`` that it would take; ``settings``
    and ``times`` are those of a sweep, and ``side`` is that of the matrices whose product is timed.
    """

    quick: bool
    side: int
    classes: int
    per_class: int
    features: int
    steps: int
    turns: Turns
    loop_steps: int
    settings: int
    times: int

    def setting(self, **tables: dict[str, Any]) -> Setting:
        """Return the setting of the paper's Figure 1 in this size, at one gamma, with other tables merged in."""
        base: dict[str, dict[str, Any]] = {
            "problem": {
                "classes": self.classes, "per_class": self.per_class, "features": self.features, "gamma": GAMMA,
            },
            "method": {"kind": "descent", "steps": self.steps, "eta": 0.1},
            "output": {"points": self.steps + 1},
        }  # fmt: skip
        names = base.keys() | tables.keys()
        return Setting.of(Experiment.from_dict({name: base.get(name, {}) | tables.get(name, {}) for name in names}))

    def flow(self) -> Setting:
        """Return the same as a gradient flow of as much time."""
        method = {"kind": "flow", "time": self.steps, "eta": 0.1}
        return Setting.of(Experiment.from_dict(self.setting().experiment.to_dict() | {"method": method}))


FULL = Effort(
    quick=False, side=2048, classes=100, per_class=10, features=512, steps=50_000, turns=Turns(7, 0.25), loop_steps=100,
    settings=1000, times=500,
)  # fmt: skip
QUICK = Effort(
    quick=True, side=256, classes=4, per_class=3, features=16, steps=300, turns=Turns(2, 0.01), loop_steps=20,
    settings=20, times=30,
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """What is asked of a ratio: how many times faster or smaller than the other at least, or how many times it at most.

    The ratio is the other over ours in the first case, ours over the other in the second.
    """

    bound: float
    at_least: bool

    def met(self, ratio: float) -> bool:
        """Return whether a ratio is as asked."""
        return ratio >= self.bound if self.at_least else ratio <= self.bound


def at_least(bound: float) -> Asked:
    """Ask for the other to be at least ``bound`` times ours."""
    return Asked(bound, at_least=True)


def at_most(bound: float) -> Asked:
    """Ask for ours to be at most ``bound`` times the other."""
    return Asked(bound, at_least=False)


@dataclass(frozen=True)
class Line:
    """One line of the table: ours against another, ``rival``; ``against`` None means that it is not installed.

    ``what`` says what both do. Without ``asked`` the ratio is the other over ours. ``points`` are (size, seconds) that
    a fitted exponent rests on.
    """

    what: str
    ours: Amount
    rival: str
    against: Amount | None
    asked: Asked | None = None
    points: tuple[tuple[float, float], ...] = field(default=())

    @property
    def ratio(self) -> float | None:
        """Return the ratio of the medians, or None if there is nothing to divide by, or no sense in it."""
        if self.against is None or self.ours.unit == EXPONENT:
            return None
        over, under = self.against.median, self.ours.median
        if self.asked and not self.asked.at_least:
            over, under = under, over
        return over / under if under else None

    @property
    def met(self) -> bool | None:
        """Return whether the ratio is as asked; None if nothing is, or it could not be measured."""
        return None if self.ratio is None or self.asked is None else self.asked.met(self.ratio)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "what": self.what,
            "ours": self.ours.to_dict(),
            "rival": self.rival,
            "against": self.against.to_dict() if self.against else None,
            "ratio": self.ratio,
            "asked": {"bound": self.asked.bound, "at_least": self.asked.at_least} if self.asked else None,
            "met": self.met,
            "points": [list(point) for point in self.points],
        }


def against(what: str, mine: Contender, others: Iterable[tuple[Contender, Asked | None]], turns: Turns) -> list[Line]:
    """Measure all in turns, and return a line for each of the others, with what is asked of it."""
    others = list(others)
    found = in_turns([mine, *(one for one, _ in others)], turns)
    ours = found[mine.name]
    assert ours is not None, "what is ours is installed"
    return [Line(what, ours, one.name, found[one.name], asked) for one, asked in others]


class Benchmark(ABC):
    """A row of the benchmark. ``about`` says what is measured, and what is not."""

    kind: ClassVar[str]
    about: ClassVar[str]
    order: ClassVar[int] = 100  # its place in the table
    drawn: ClassVar[bool] = False  # whether `plot` has anything to draw

    @classmethod
    @abstractmethod
    def lines(cls, effort: Effort) -> list[Line]:
        """Measure, and return the lines of the table."""

    @classmethod
    def plot(cls, figure: Any, lines: list[Line]) -> None:
        """Draw what was measured into a matplotlib figure."""
        raise NotImplementedError(f"{cls.kind} is not drawn")


@cache
def benchmarks() -> dict[str, type[Benchmark]]:
    """Return every row by its kind, in the order of the table."""
    found = members(FAMILY, Benchmark)
    return dict(sorted(found.items(), key=lambda item: (item[1].order, item[0])))


def choose_benchmarks(names: Iterable[str]) -> list[type[Benchmark]]:
    """Return the rows of names, each once; no name means all.

    Raises:
        InputError: a name that is none.
    """
    known = benchmarks()
    return [known[name] for name in chosen("the row", names, known) or known]
