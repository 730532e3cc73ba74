"""The figures of the paper: panels of exact curves over the steps of descent, with simulated markers on them."""

from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from matplotlib.ticker import MaxNLocator

from dynamics.experiment import Experiment
from theorems.curves import Columns, exact_columns, simulated_columns, steps
from theorems.figure import WORKERS, Recipe
from theorems.style import GREY, LINES, MARKERS

PRINTED = 0.005  # the gamma of the curves that Figures 5 to 8 print as those of 1/(C-1)
FLOOR = 1e-13  # of a distance between two directions, each rounded


@dataclass(frozen=True)
class Effort:
    """How much is computed: saved times of an exact curve, and simulated steps of most curves."""

    points: int
    steps: int


FULL, QUICK = Effort(101, 500), Effort(41, 200)
MARKERS_PER_CURVE = 3
SAVED_OF_ALL = 251  # times at which a simulation that goes the whole way is saved: enough to see it flicker


@dataclass(frozen=True)
class Zoom:
    """An inset: the time from which it begins, its place in the panel (x, y, width, height), the curves left out."""

    since: float
    place: tuple[float, float, float, float]
    without: tuple[int, ...] = ()


@dataclass(frozen=True)
class Panel:
    """One panel: a column of `theorems.curves`, raised to a power where the paper squares it.

    ``group`` says which of the recipe's sets of experiments it shows, without the curves numbered in ``without``, and
    ``printed`` that the last set, in grey, is what the paper shows. ``factor`` is what the column is multiplied by.
    ``guide`` draws a dashed horizontal line, and nothing below ``floor`` is drawn. ``zoom`` insets the last part of the
    time axis. ``legend`` None leaves it to the other panels.
    """

    title: str
    label: str
    column: str
    logarithmic: bool = False
    power: int = 1
    factor: float = 1.0
    group: int = 0
    without: tuple[int, ...] = ()
    printed: bool = False
    legend: str | None = "best"
    guide: tuple[float, str] | None = None
    floor: float | None = None
    zoom: Zoom | None = None

    def values(self, columns: Columns) -> np.ndarray:
        """Return what is drawn."""
        values = self.factor * columns[self.column] ** self.power
        return np.where(values < self.floor, np.nan, values) if self.floor else values


@dataclass(frozen=True, eq=False)
class Curve:
    """One curve: (times, columns) of the exact solution and of the simulation."""

    label: str
    exact: tuple[np.ndarray, Columns]
    simulated: tuple[np.ndarray, Columns]

    @classmethod
    def of(cls, label: str, experiment: Experiment, effort: Effort, whole: bool) -> "Curve":
        """Solve the whole experiment, and simulate its beginning, or the whole of it."""
        horizon = int(experiment.method.horizon)
        simulated = (horizon, SAVED_OF_ALL) if whole else (effort.steps, MARKERS_PER_CURVE)
        exact = exact_columns(steps(experiment, horizon, effort.points))
        return cls(label, exact, simulated_columns(steps(experiment, *simulated)))


# What Figures 5 to 8 have in common.
ACCURACY_AND_DIRECTIONS = (
    Panel("(a) train accuracy", "accuracy", "accuracy"),
    Panel("(b) features", r"$|\hat H(k) - \hat{\bar H}|$", "features_distance", True, printed=True, floor=FLOOR),
    Panel("(c) prototypes", r"$|\hat W(k) - \hat{\bar W}|$", "prototypes_distance", True, printed=True, floor=FLOOR),
)


class PaperFigure(Recipe):
    """A figure of the paper; one curve, ``whole``, is simulated from end to end, the others at their beginning."""

    waits: ClassVar[bool] = True
    columns: ClassVar[int] = 3
    panels: ClassVar[tuple[Panel, ...]] = ()
    whole: ClassVar[int | None] = None
    full: ClassVar[Effort] = FULL

    @classmethod
    def draw(cls, figure: Any, quick: bool) -> None:
        """See `Recipe.draw`: exact curves, and simulated markers over them."""
        with ThreadPoolExecutor(WORKERS) as pool:
            cls.ahead(pool, quick)(figure)

    @classmethod
    def ahead(cls, pool: Executor, quick: bool) -> Callable[[Any], None]:
        """See `Recipe.ahead`: every curve is a task of its own."""
        effort = QUICK if quick else cls.full
        waiting = [
            [
                pool.submit(Curve.of, label, one, effort, i == cls.whole and not quick)
                for i, (label, one) in enumerate(group.items())
            ]
            for group in cls.experiments(quick)
        ]
        return lambda figure: cls.draw_curves(figure, [[one.result() for one in group] for group in waiting])

    @classmethod
    def draw_curves(cls, figure: Any, groups: list[list[Curve]]) -> None:
        """Draw the panels, and the legend in a place that none of them takes."""
        rows = -(-len(cls.panels) // cls.columns)
        grid = figure.subplots(rows, cls.columns, squeeze=False).ravel()
        spare = grid[len(cls.panels) :]
        for axes, panel in zip(grid, cls.panels, strict=False):
            draw_panel(axes, panel, groups)
            if panel.legend and not spare.size:
                axes.legend(loc=panel.legend, fontsize=7, frameon=True, framealpha=0.85, edgecolor="none")
        for axes in spare:
            axes.set_axis_off()
            axes.legend(*legend(grid[: len(cls.panels)]), loc="center left", fontsize=9, handlelength=3)


def legend(panels: Iterable[Any]) -> tuple[list[Any], list[str]]:
    """Return the handles and labels of several panels, each label once."""
    entries: dict[str, Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    return list(entries.values()), list(entries)


def paper(quick: bool, **tables: dict[str, Any]) -> Experiment:
    """Return an experiment in the paper's setting of Appendix C.1: C = 100, N = 10, p = 512, 50 000 steps of descent.

    The paper does not say how large the random prototypes are. Its Figures 4 and 7(e) start at |W| = 14.1, so an entry
    has the deviation 1/16 = sqrt(2/p), and with it Figure 1(a) ends at -2.8e54, at -2.5e54 in print.
    """
    base: dict[str, dict[str, Any]] = {
        "problem": {"features": 64 if quick else 512},
        "method": {"kind": "descent", "steps": 50_000, "eta": 0.1},
        "start": {"scale_w": 1 / 16},
    }
    names = base.keys() | tables.keys()
    return Experiment.from_dict({name: base.get(name, {}) | tables.get(name, {}) for name in names}, name="figure")


def regularized(quick: bool, decay: float, gamma: float = 1 / 99, **method: float) -> Experiment:
    """Return the paper's setting with one decay of features and prototypes, at gamma = 1/(C-1) if none is given."""
    table = {"kind": "regularized", "lambda_h": decay, "lambda_w": decay}
    return paper(quick, problem={"gamma": gamma}, scenario=table, method=method)


def critical_decay(gamma: float) -> float:
    """Return (1 + gamma)/(C sqrt N), the strength at which the contrasts neither grow nor decay (s = 1)."""
    return (1 + gamma) / (100 * 10**0.5)


def draw_panel(axes: Any, panel: Panel, groups: list[list[Curve]]) -> None:
    """Draw one panel as the paper lays it out."""
    axes.set_title(panel.title)
    axes.set_xlabel("step k")
    axes.set_ylabel(panel.label)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    if panel.logarithmic:
        axes.set_yscale("log")
    if panel.printed:
        _draw_printed(axes, panel, groups[-1])
    curves = groups[panel.group]
    for index, curve in enumerate(curves):
        if index not in panel.without:
            _draw_curve(axes, panel, curve, index)
    if panel.column == "accuracy":
        _draw_raw(axes, curves)
    if panel.guide:
        axes.axhline(panel.guide[0], color="0.4", lw=1, ls="--", label=panel.guide[1])
    if panel.zoom:
        _draw_zoom(axes, panel, panel.zoom, curves)


def _draw_printed(axes: Any, panel: Panel, curves: list[Curve]) -> None:
    for curve, line in zip(curves, LINES, strict=False):
        look = {"color": "0.6", "lw": 2.5, "ls": line, "label": curve.label, "zorder": 1}
        axes.plot(curve.exact[0], panel.values(curve.exact[1]), **look)


def _draw_curve(axes: Any, panel: Panel, curve: Curve, index: int) -> None:
    line = {"color": f"C{index}", "lw": 1.4, "ls": LINES[index], "label": curve.label}
    axes.plot(curve.exact[0], panel.values(curve.exact[1]), **line)
    (times, columns), few = curve.simulated, max(1, len(curve.simulated[0]) // 10)
    look = {"color": f"C{index}", "ms": 3.5, "mfc": "white", "mew": 0.9, "markevery": few}
    axes.plot(times, panel.values(columns), MARKERS[index], **look)


def _draw_raw(axes: Any, curves: list[Curve]) -> None:
    """Draw the accuracy that a training loop reads off its logits, where rounding makes it another."""
    for times, columns in (curve.simulated for curve in curves):
        if np.any(np.abs(columns["accuracy_raw"] - columns["accuracy"]) > 0):
            axes.plot(times, columns["accuracy_raw"], color=GREY, lw=0.7, zorder=1, label="as float64 logits give it")


def _draw_zoom(axes: Any, panel: Panel, zoom: Zoom, curves: list[Curve]) -> None:
    inset = axes.inset_axes(zoom.place)
    if panel.logarithmic:
        inset.set_yscale("log")
    seen = []
    for index, curve in enumerate(curves):
        if index not in zoom.without:
            _draw_curve(inset, panel, curve, index)
            seen.append(panel.values(curve.exact[1])[curve.exact[0] >= zoom.since])
    low, high = min(one.min() for one in seen), max(one.max() for one in seen)
    margin = 0.08 * (high - low)
    inset.set_xlim(zoom.since, curves[0].exact[0][-1])
    inset.set_ylim((low / 1.1, high * 1.1) if panel.logarithmic else (low - margin, high + margin))
    inset.tick_params(labelsize=6, which="both")
    inset.yaxis.get_offset_text().set_fontsize(6)
