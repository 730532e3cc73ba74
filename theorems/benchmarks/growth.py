"""How the cost of the exact solutions grows in p, C, N and T."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from theorems.benchmark import GAMMA, Benchmark, Effort, Line
from theorems.contenders import ours
from theorems.stopwatch import EXPONENT, Amount, Contender, Turns, in_turns
from theorems.style import GREY, LINES, MARKERS

CURVES = ("loss", "log_norm", "distance")
TURNS = Turns(3, 0.03)  # fewer than elsewhere: there are many sizes
# What is varied: its name, the sizes, and those of --quick.
SIZES: dict[str, tuple[str, tuple[int, ...], tuple[int, ...]]] = {
    "features": ("features p", (128, 512, 2048), (8, 16)),
    "classes": ("classes C", (25, 100, 400), (2, 4)),
    "per_class": ("samples of a class N", (5, 20, 80), (1, 3)),
    "steps": ("steps T", (1_000, 10_000, 100_000, 500_000), (150, 300)),
}
# The largest exponent that the way of computing allows, p, C, N, T.
BOUNDS: dict[str, tuple[float, ...]] = {
    "curves": (1, 1, 1, 1),
    "accuracy": (1, 2, 1, 1),
    "state": (1, 1, 1, 0),
}
LABELS = {"curves": "curves", "accuracy": "with accuracy", "state": "state"}
LEGEND = {"curves": "curves", "accuracy": "curves with accuracy", "state": "state at one time"}


class Growth(Benchmark):
    """Fitted exponents of the cost of curves, accuracy and state."""

    kind: ClassVar[str] = "growth"
    about: ClassVar[str] = (
        "Exponents of the time of one setting in p, C, N and T, the others as in Figure 1: of the curves, of the "
        "curves with accuracy, and of the state at one time. The bound is the exponent of the largest term; a cost "
        "that is still ruled by another grows more slowly."
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
                found.append(
                    Line(
                        f"{LABELS[name]} in {SIZES[key][0].split()[-1]}", exponent(points), "bound", bound, None, points
                    )
                )
        return found

    @classmethod
    def plot(cls, figure: Any, lines: list[Line]) -> None:
        """See `Benchmark.plot`: one panel for each size."""
        grid = figure.subplots(2, 2, sharey=True).ravel()
        groups = [lines[i : i + len(BOUNDS)] for i in range(0, len(lines), len(BOUNDS))]
        for axes, letter, (title, _, _), group in zip(grid, "abcd", SIZES.values(), groups, strict=True):
            _panel(axes, f"({letter}) {title}", group)
        for axes in grid[::2]:
            axes.set_ylabel("seconds")
        figure.suptitle("How the cost of an exact solution grows", fontsize=12, fontweight="bold")
        figure.legend(*grid[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(BOUNDS) + 1)


APART = 1.8  # as many times higher is the next word beside a line


def exponent(points: tuple[tuple[float, float], ...]) -> Amount:
    """Return the slope of ln seconds over ln size: fitted, and from one size to the next."""
    logs = np.log(np.asarray(points))
    slopes = np.diff(logs[:, 1]) / np.diff(logs[:, 0])
    fitted = float(np.polyfit(logs[:, 0], logs[:, 1], 1)[0])
    note = f"fitted over {len(points)} sizes, {TURNS.rounds} rounds each; in brackets from one size to the next"
    return replace(Amount.of(slopes.tolist(), EXPONENT, note), median=fitted)


def _seconds(effort: Effort) -> dict[str, float]:
    """Return the time of each of what is measured, in one size."""
    setting, flow = effort.setting(), effort.flow()
    grid, start = {"problem.gamma": [GAMMA]}, setting.given

    def curves(*names: str) -> Callable[[], Any]:
        return lambda: ours.curves(setting.experiment, grid, names, start)

    contenders = [
        Contender("curves", curves(*CURVES)),
        Contender("accuracy", curves(*CURVES, "accuracy")),
        Contender("state", lambda: ours.state(flow, float(effort.steps))),
    ]
    return {name: one.median for name, one in in_turns(contenders, TURNS).items() if one is not None}


def _panel(axes: Any, title: str, lines: list[Line]) -> None:
    """Draw the times over one size, each line with its exponent at its end."""
    symbol = title[-1]
    axes.set(title=title, xlabel=f"${symbol}$", xscale="log", yscale="log")
    heights = _apart([line.points[-1][1] for line in lines])
    for index, (name, line, height) in enumerate(zip(BOUNDS, lines, heights, strict=True)):
        sizes, seconds = np.asarray(line.points).T
        look = {"color": f"C{index}", "ls": LINES[index], "marker": MARKERS[index], "lw": 1.4, "ms": 4}
        axes.plot(sizes, seconds, label=LEGEND[name], **look)
        axes.annotate(
            f"${symbol}^{{{line.ours.median:.2f}}}$", (sizes[-1], height), (7, 0), textcoords="offset points",
            color=f"C{index}", va="center", fontsize=10,
        )  # fmt: skip
    lowest = min(seconds for line in lines for _, seconds in line.points)
    axes.plot(sizes, lowest / 3 * sizes / sizes[0], color=GREY, lw=1, ls=":", label="proportional")
    axes.set_xlim(right=sizes[-1] * (sizes[-1] / sizes[0]) ** 0.17)  # room for the exponents
    axes.set_xticks(sizes, [f"{int(size)}" for size in sizes])
    axes.minorticks_off()


def _apart(heights: list[float]) -> list[float]:
    """Return heights on a logarithmic axis, those that words beside them would cover each other moved up."""
    moved, last = list(heights), 0.0
    for index in np.argsort(heights):
        moved[index] = last = max(heights[index], APART * last)
    return moved


MEMBER = Growth
