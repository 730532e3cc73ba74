"""How the cost of the exact solutions grows in p, C, N and T."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from theorems.benchmark import GAMMA, Benchmark, Effort, Line
from theorems.contenders import ours
from theorems.stopwatch import EXPONENT, Amount, Contender, in_turns
from theorems.style import GREY, LINES, MARKERS

CURVES = ("loss", "log_norm", "distance")
ROUNDS = 3
# What is varied: its name, the sizes, and those of --quick.
SIZES: dict[str, tuple[str, tuple[int, ...], tuple[int, ...]]] = {
    "features": ("features p", (128, 512, 2048), (8, 16)),
    "classes": ("classes C", (25, 100, 400), (2, 4)),
    "per_class": ("samples of a class N", (5, 20, 80), (1, 3)),
    "steps": ("steps T", (1_000, 10_000, 100_000), (150, 300)),
}
# The largest exponent that the way of computing allows, p, C, N, T.
BOUNDS: dict[str, tuple[float, ...]] = {
    "curves": (1, 1, 1, 1),
    "accuracy": (1, 2, 1, 1),
    "state": (1, 1, 1, 0),
}
LABELS = {"curves": "curves", "accuracy": "curves with accuracy", "state": "state at one time"}


class Growth(Benchmark):
    """Fitted exponents of the cost of curves, accuracy and state."""

    kind: ClassVar[str] = "growth"
    about: ClassVar[str] = (
        "Exponents of the time of one setting in p, C, N and T, the others as in Figure 1, fitted over the sizes; in "
        "brackets those from one size to the next. The bound is the exponent of the largest term; a cost that is still "
        "ruled by another grows more slowly."
    )
    order: ClassVar[int] = 10
    drawn: ClassVar[bool] = True

    @classmethod
    def lines(cls, effort: Effort) -> list[Line]:
        """See `Benchmark.lines`."""
        found = []
        for index, (key, (_, full, quick)) in enumerate(SIZES.items()):
            sizes = quick if effort.quick else full
            measured = [_seconds(replace(effort, **{key: size})) for size in sizes]
            for name, bounds in BOUNDS.items():
                points = tuple((float(size), one[name]) for size, one in zip(sizes, measured, strict=True))
                bound = Amount.of([bounds[index]], EXPONENT)
                found.append(Line(f"{LABELS[name]}, {SIZES[key][0]}", exponent(points), "bound", bound, None, points))
        return found

    @classmethod
    def plot(cls, figure: Any, lines: list[Line]) -> None:
        """See `Benchmark.plot`: one panel for each size."""
        grid = figure.subplots(2, 2, sharey=True).ravel()
        groups = [lines[i : i + len(BOUNDS)] for i in range(0, len(lines), len(BOUNDS))]
        for axes, letter, (title, _, _), group in zip(grid, "abcd", SIZES.values(), groups, strict=True):
            _panel(axes, f"({letter}) {title}", title.split()[-1], group)
        for axes in grid[::2]:
            axes.set_ylabel("seconds")
        figure.suptitle("How the cost of an exact solution grows", fontsize=12, fontweight="bold")


def exponent(points: tuple[tuple[float, float], ...]) -> Amount:
    """Return the slope of ln seconds over ln size: fitted, and from one size to the next."""
    logs = np.log(np.asarray(points))
    slopes = np.diff(logs[:, 1]) / np.diff(logs[:, 0])
    fitted = float(np.polyfit(logs[:, 0], logs[:, 1], 1)[0])
    return replace(Amount.of(slopes.tolist(), EXPONENT), median=fitted)


def _seconds(effort: Effort) -> dict[str, float]:
    """Return the time of each of what is measured, in one size."""
    setting, flow = effort.setting(), effort.flow()
    grid, start = {"problem.gamma": [GAMMA]}, (setting.problem, setting.start)

    def curves(*names: str) -> Callable[[], Any]:
        return lambda: ours.curves(setting.experiment, grid, names, start)

    contenders = [
        Contender("curves", curves(*CURVES)),
        Contender("accuracy", curves(*CURVES, "accuracy")),
        Contender("state", lambda: ours.state(flow, float(effort.steps))),
    ]
    return {name: one.median for name, one in in_turns(contenders, ROUNDS).items() if one is not None}


def _panel(axes: Any, title: str, symbol: str, lines: list[Line]) -> None:
    axes.set(title=title, xlabel=symbol, xscale="log", yscale="log")
    for index, (name, line) in enumerate(zip(BOUNDS, lines, strict=True)):
        sizes, seconds = np.asarray(line.points).T
        label = rf"{LABELS[name]} $\propto {symbol}^{{{line.ours.median:.2f}}}$"
        axes.plot(sizes, seconds, MARKERS[index], ls=LINES[index], color=f"C{index}", lw=1.4, ms=4, label=label)
    lowest = min(seconds for line in lines for _, seconds in line.points)
    ends = np.array([sizes[0], sizes[-1]])
    axes.plot(ends, lowest / 2 * ends / ends[0], color=GREY, lw=1, ls="--", label=rf"$\propto {symbol}$")
    axes.legend(fontsize=7)


MEMBER = Growth
