"""The base of the figures: which experiments are drawn, how, and what a reader should know."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from functools import cache
from typing import Any, ClassVar

from dynamics.errors import unknown
from dynamics.experiment import Experiment
from dynamics.families import members

FAMILY = "theorems.figures"
WORKERS = 2  # threads that compute what is drawn later


class Recipe(ABC):
    """A figure. ``caption`` says what is seen, what was chosen, and where and why a printed figure differs."""

    kind: ClassVar[str]
    title: ClassVar[str]
    caption: ClassVar[str]
    size: ClassVar[tuple[float, float]] = (9.0, 6.6)  # inches
    waits: ClassVar[bool] = False  # drawn after the others, beside which its curves are computed

    @classmethod
    @abstractmethod
    def experiments(cls, quick: bool) -> tuple[dict[str, Experiment], ...]:
        """Return sets of experiments by the label of their curve, in the order of the legend."""

    @classmethod
    @abstractmethod
    def draw(cls, figure: Any, quick: bool) -> None:
        """Draw into a matplotlib figure; ``quick`` means smaller and coarser."""

    @classmethod
    def ahead(cls, pool: Executor, quick: bool) -> Callable[[Any], None]:
        """Begin what can be computed while other figures are drawn, and return what draws this one."""
        return lambda figure: cls.draw(figure, quick)


@cache
def recipes() -> dict[str, type[Recipe]]:
    """Return every figure by its kind: those of the paper by number, then the others."""
    found = members(FAMILY, Recipe)
    return dict(sorted(found.items(), key=lambda item: (_number(item[0]), item[0])))


def choose_recipes(names: Iterable[str]) -> list[type[Recipe]]:
    """Return the figures of names: a number of the paper, a kind, or its beginning up to a hyphen; no name means all.

    Raises:
        InputError: a name that is none.
    """
    known, chosen = recipes(), {}
    for name in names:
        exact = [kind for kind in known if kind in (name, f"figure{name}")]
        found = exact or [kind for kind in known if kind.startswith(name + "-")]
        if len(found) != 1:
            raise unknown("the figure", name, (kind.removeprefix("figure") for kind in known))
        chosen[found[0]] = known[found[0]]
    return list((chosen or known).values())


def _number(kind: str) -> float:
    digits = kind.removeprefix("figure")
    return int(digits) if digits.isdigit() else float("inf")
