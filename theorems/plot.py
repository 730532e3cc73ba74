"""The picture of a run: simulation over theory, their difference below, and what could not be judged shaded."""

import os
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from dynamics.measure import METRICS
from theorems.comparison import Agreement, Report
from theorems.style import BLUE, GREEN, GREY, ORANGE, RED, STYLE

PANELS = (
    ("log_norm", "norm", r"$\ln\,|(H, W)|_F$", False),
    ("log_abs_loss", "loss", r"$\ln\,|\mathrm{loss}|$", False),
    ("accuracy", "training accuracy", "accuracy", False),
    ("distance", "distance to the limit direction", r"$|Z/|Z| - L/|L||$", True),
    ("alignment", "alignment of features and prototypes", r"$\langle X, Y\rangle/(|X||Y|)$", False),
    ("nc1", "NC1: within-class variability", "NC1", True),
    ("nc2", "NC2: distance to a simplex ETF", "NC2", True),
    ("nc3", "NC3: self-duality", "NC3", True),
)
LOWEST = 1e-150  # a logarithmic panel ends here, and at its inverse
FLOOR, CEILING = 1e-17, 1e3  # residuals outside are drawn at the edge: zero has no logarithm


def plot_run(report: Report, path: Path) -> None:
    """Draw a comparison to an image file: solid simulation, dashed theory, residual and its bound below."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(13.2, 12.6), layout="constrained")
        grid = figure.add_gridspec(6, 3, height_ratios=(3, 1, 3, 1, 3, 1), hspace=0.02)
        for index, panel in enumerate(PANELS):
            row, column = divmod(index, 3)
            upper = figure.add_subplot(grid[2 * row, column])
            lower = figure.add_subplot(grid[2 * row + 1, column], sharex=upper)
            _panel(report, upper, lower, *panel)
        figure.suptitle(_title(report), fontsize=13, fontweight="bold")
        _shares(report, figure.add_subplot(grid[4:, 2]))
        entries = {}
        for axes in figure.axes[:-1]:
            handles, labels = axes.get_legend_handles_labels()
            entries |= {label: entries.get(label, handle) for handle, label in zip(handles, labels, strict=True)}
        figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=len(entries))
        # matplotlib writes the name of its version into a PNG; without it equal runs give equal files.
        figure.savefig(os.fspath(path), metadata={"Software": None})


def _title(report: Report) -> str:
    experiment = report.simulation.experiment
    table, method = experiment.problem, experiment.method
    sizes = table.sizes() if not isinstance(table.per_class, int) else [table.per_class]
    per_class = f"N = {sizes[0]}" if len(set(sizes)) == 1 else f"class sizes {max(sizes)} to {min(sizes)}"
    gamma = table.gamma if isinstance(table.gamma, str) else f"{table.gamma:g}"
    loss = f"$\\gamma$ = {gamma}" if table.linear else table.loss
    setting = f"C = {table.classes}, {per_class}, p = {table.features}, {loss}, $\\eta$ = {method.eta:g}"
    schedule = "" if method.schedule.kind == "constant" else f", {method.schedule.kind} schedule"
    name = f"{experiment.name}: {experiment.scenario.kind} features, {method.label}"
    return f"{name}\n{setting}, s = {method.ratio:g}{schedule}: {report.verdict}"


def _panel(report: Report, upper: Any, lower: Any, name: str, title: str, label: str, logarithmic: bool) -> None:
    times = report.simulation.times
    simulated, exact = report.simulation.metrics[name], report.closed_form.metrics[name]
    comparison = report.metrics[name]
    upper.set_title(title)
    upper.set_ylabel(label)
    upper.tick_params(labelbottom=False)
    lower.set_xlabel("step k" if report.simulation.experiment.method.clock == "step" else "time t")
    if comparison.verdict is Agreement.NOT_COMPARED and not np.isfinite(simulated).any():
        _say(upper, f"not defined:\n{comparison.why}")
    if logarithmic and np.any(np.nan_to_num(exact) > 0):
        upper.set_yscale("log")
        simulated, exact = (np.clip(values, LOWEST, 1 / LOWEST) for values in (simulated, exact))
    upper.plot(times, simulated, color=BLUE, lw=2.2, label="simulation")
    upper.plot(times, exact, color=ORANGE, lw=1.6, ls=(0, (4, 2)), label="exact solution")
    if name == "accuracy":
        raw = report.simulation.metrics["accuracy_raw"]
        if np.nanmax(np.abs(raw - simulated), initial=0.0) > 0:
            upper.plot(times, raw, color=GREY, lw=0.8, zorder=1, label="simulation, raw logits")
        upper.set_ylim(-0.03, 1.03)
    if name == "distance":
        _slope(report, upper)
    _residual(report, upper, lower, name)


def _residual(report: Report, upper: Any, lower: Any, name: str) -> None:
    """Draw the gap and its bound below a panel, and shade the times that were not judged."""
    times = report.simulation.times
    # The limits come first: matplotlib cannot choose any over hundreds of orders of magnitude.
    lower.set_yscale("log")
    lower.set_ylim(FLOOR / 3, 1.0)
    with np.errstate(invalid="ignore"):
        lower.semilogy(times, np.clip(report.residuals[name], FLOOR, CEILING), color=GREEN, lw=1.0, label="gap")
        lower.semilogy(
            times, np.clip(report.bounds[name], FLOOR, CEILING), color=GREY, lw=0.9, ls=":", label="error bound"
        )
    lower.axhline(report.metrics[name].tolerance, color=RED, lw=0.8, label="tolerance")
    lower.set_ylabel("gap", fontsize=8)
    lower.set_yticks([1e-16, 1e-12, 1e-8, 1e-4])
    lower.minorticks_off()
    until = report.metrics[name].until
    first_lost = until if until is not None else times[0]
    if report.metrics[name].verdict is not Agreement.NOT_COMPARED and first_lost < times[-1]:
        for axes in (upper, lower):
            axes.axvspan(first_lost, times[-1], color=GREY, alpha=0.13, lw=0)
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 1}
        text = "shaded: the rounding of the simulation is too large to judge"
        lower.text(0.99, 0.06, text, transform=lower.transAxes, ha="right", fontsize=6.5, color=GREY, bbox=box)
    if name == PANELS[0][0]:
        # One legend for the whole figure, read off the first panel.
        for line in lower.get_lines():
            upper.plot(
                [], [], color=line.get_color(), lw=line.get_lw(), ls=line.get_linestyle(), label=line.get_label()
            )
    lower.set_xlim(times[0], times[-1])


def _slope(report: Report, axes: Any) -> None:
    """Write the decay rate on the distance panel."""
    rate = report.decay_rate
    if rate.predicted is None:
        return
    form = r"\propto e^{-%.4g\,\zeta}" if rate.kind == "exponential" else r"\propto \zeta^{-%.4g}"
    text = f"theory ${form % rate.predicted}$"
    if rate.measured is not None:
        text += f"\nmeasured rate {rate.measured:.5g}"
    axes.text(0.98, 0.95, text, transform=axes.transAxes, ha="right", va="top", fontsize=8)


def _shares(report: Report, axes: Any) -> None:
    """Draw who pulls ahead: each class's part of the prototypes (or of the means, where the prototypes are fixed)."""
    experiment = report.simulation.experiment
    name = "share_prototypes" if experiment.scenario.moves_prototypes else "share_means"
    what = "prototypes" if experiment.scenario.moves_prototypes else "class means"
    sizes = np.asarray(experiment.problem.sizes(), dtype=float)
    times, simulated, exact = report.simulation.times, report.simulation.classes[name], report.closed_form.classes[name]
    spread = np.log(sizes) - np.log(sizes).min()
    tints = mpl.colormaps["viridis"](
        0.8 * (1 - spread / spread.max()) if spread.max() > 0 else np.full(len(sizes), 0.4)
    )
    for c in np.argsort(sizes, kind="stable"):
        axes.plot(times, simulated[:, c], color=tints[c], lw=1.6 if len(sizes) <= 20 else 0.6, alpha=0.9)
        if len(sizes) <= 20:
            axes.plot(times, exact[:, c], color="black", lw=0.7, ls=(0, (3, 3)))
    axes.set_title(f"who pulls ahead: shares of the {what}")
    axes.set_ylabel("norm of one class / norm of all")
    axes.set_xlabel("step k" if experiment.method.clock == "step" else "time t")
    axes.set_xlim(times[0], times[-1])
    axes.set_ylim(bottom=0)
    if spread.max() > 0:
        top = 1.12 * np.nanmax(simulated)
        axes.set_ylim(0, top)
        for c, words in ((int(np.argmax(sizes)), "largest"), (int(np.argmin(sizes)), "smallest")):
            axes.plot([], [], color=tints[c], lw=2, label=f"{words} class, {int(sizes[c])} samples")
        axes.plot([], [], color="black", lw=0.7, ls=(0, (3, 3)), label="exact solution")
        axes.legend(loc="center right", fontsize=8)


def _say(axes: Any, text: str) -> None:
    axes.text(0.5, 0.5, _wrapped(text), transform=axes.transAxes, ha="center", va="center", fontsize=8, color=GREY)


def _wrapped(text: str, width: int = 44) -> str:
    import textwrap

    return "\n".join(line for part in text.splitlines() for line in textwrap.wrap(part, width))


assert {name for name, *_ in PANELS} <= set(METRICS)
