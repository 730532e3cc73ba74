"""The grid of a sweep: which keys take which values, and which of them share one compilation."""

import itertools
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple, get_args

import numpy as np

from dynamics.errors import InputError, must, nearest
from dynamics.experiment import SECTIONS, ProblemTable, StartTable
from dynamics.method import methods, schedules
from dynamics.scenario import scenarios

MOST_VALUES = 1_000_000  # of one key
WHOLE = 1e-9  # a point of a logarithmic range this close to a whole number, relative to it, is that number
SWEPT = tuple(section for section in SECTIONS if section != "output")
LARGEST_WHOLE = 2**63 - 1  # what a stored coordinate can hold
RANGE = "start:stop:count or log:start:stop:count"


class Axis(NamedTuple):
    """One dimension of a grid: a key "table.key" and its values, all numbers or all words."""

    key: str
    values: tuple[Any, ...]

    @property
    def mapped(self) -> bool:
        """Whether one compilation serves all values: those of real numbers and seeds, not of sizes and words."""
        return self.key in float_keys() or self.key == "start.seed"

    def extremes(self) -> set[Any]:
        """Return the smallest and the largest number, and zero if it is among them."""
        return {min(self.values), max(self.values)} | {value for value in self.values if value == 0}


@cache
def float_keys() -> frozenset[str]:
    """Return every key of an experiment whose value is a real number."""
    tables: dict[str, list[Any]] = {
        "problem": [ProblemTable],
        "scenario": [*scenarios().values()],
        "method": [*methods().values(), *schedules().values()],
        "start": [StartTable],
    }
    return frozenset(
        f"{section}.{name}"
        for section, members in tables.items()
        for member in members
        for name, field in member.model_fields.items()
        if float in (field.annotation, *get_args(field.annotation))
    )


def parse_grid(texts: Iterable[str]) -> tuple[Axis, ...]:
    """Return the axes of "TABLE.KEY=VALUES" texts: VALUES are start:stop:count, log:start:stop:count, or a list a,b,c.

    Raises:
        InputError: another form, a key given twice, or what `make_grid` refuses.
    """
    grid: dict[str, Any] = {}
    for text in texts:
        key, equals, values = (part.strip() for part in text.partition("="))
        if not equals or not values:
            raise must("--grid", f"have the form TABLE.KEY=VALUES, with VALUES {RANGE} or a,b,c", text)
        if key in grid:
            raise must("--grid", "name each key once", text, f"{key} is given twice.")
        grid[key] = _range(text, values.split(":")) if ":" in values else [_value(one) for one in values.split(",")]
    return make_grid(grid)


def make_grid(grid: Mapping[str, Any]) -> tuple[Axis, ...]:
    """Return the axes of a mapping from keys to their values, in its order.

    Raises:
        InputError: no key, one that cannot be swept, or values that are none, too many, not finite, mixed or repeated.
    """
    if not grid:
        raise InputError("the grid must have at least one key, but has none. Example: --grid problem.gamma=0:0.06:200")
    return tuple(_axis(key, _plain(values)) for key, values in grid.items())


def _axis(key: str, values: list[Any]) -> Axis:
    section, dot, name = key.partition(".")
    if not dot or not name or section not in SWEPT:
        form = "name a key TABLE.KEY with TABLE one of " + ", ".join(SWEPT)
        raise must("the grid", form, key, nearest(section, SWEPT).strip() if section not in SWEPT else "")
    if not 1 <= len(values) <= MOST_VALUES:
        raise must(f"the grid of {key}", f"have from 1 to {MOST_VALUES} values", len(values))
    if not (all(map(_finite, values)) or (key not in float_keys() and all(isinstance(one, str) for one in values))):
        wrong = next(value for value in values if not _finite(value))
        words = "" if key in float_keys() else ", or words alone"
        raise must(f"the grid of {key}", f"hold finite numbers{words}", wrong)
    values = [float(value) if key in float_keys() else _whole(value) for value in values]
    for one, other in itertools.pairwise(sorted(values)):
        if one == other:
            raise must(f"the grid of {key}", "hold each value once", one, "It comes twice.")
    return Axis(key, tuple(values))


def _plain(values: Any) -> list[Any]:
    """Return anything like an array, or one value, as a list of Python's own numbers and words."""
    return [one.item() if isinstance(one, np.generic) else one for one in np.asarray(values, dtype=object).ravel()]


def _range(text: str, parts: list[str]) -> list[float]:
    logarithmic = parts[0].strip() == "log"
    numbers: list[Any] = [_value(part) for part in (parts[1:] if logarithmic else parts)]
    if len(numbers) != 3 or not all(_finite(number) for number in numbers):
        raise must("--grid", f"have a range {RANGE} of finite numbers", text)
    start, stop, count = numbers
    if not isinstance(count, int) or not 2 <= count <= MOST_VALUES:
        raise must("--grid", f"have a range of 2 to {MOST_VALUES} values", text, f"The count is {count}.")
    if logarithmic and not (start > 0 and stop > 0):
        raise must("--grid", "have a logarithmic range between numbers > 0", text)
    with np.errstate(over="ignore", invalid="ignore"):  # a span beyond float64 gives values that are refused
        return (np.geomspace if logarithmic else np.linspace)(float(start), float(stop), count).tolist()


def _value(text: str) -> float | int | str:
    try:
        number = float(text)
    except ValueError:
        return text.strip()
    return int(text) if _finite(number) and text.strip().lstrip("+-").isdecimal() else number


def _finite(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and abs(value) <= (LARGEST_WHOLE if isinstance(value, int) else sys.float_info.max)


def _whole(value: Any) -> Any:
    """Return a whole number as an int; any other value as it is, for the experiment to judge."""
    near = not isinstance(value, str) and abs(value - round(value)) <= WHOLE * abs(value)
    return round(value) if near else value
