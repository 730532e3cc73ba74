"""`dynamics-sim run`: one experiment from its TOML to a folder of results."""

from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from dynamics.errors import chosen, must
from dynamics.experiment import Experiment, load
from dynamics.measure import METRICS, ON_REQUEST, PER_CLASS
from dynamics.precision import find_device, self_test
from dynamics.preparation import resolve
from dynamics.simulation import simulate
from dynamics.trajectory import Trajectory
from theorems.closed_form import NoExactSolution
from theorems.comparison import Agreement, Report, compare
from theorems.output import atomic_folder, write_run
from theorems.solution import solve, unsolved

COLOURS = {
    Agreement.AGREES: "green",
    Agreement.DISAGREES: "bold red",
    Agreement.INCONCLUSIVE: "yellow",
    Agreement.NOT_COMPARED: "dim",
}
DEVICES = ("cpu", "gpu")


def run_experiment(
    source: str | None,
    changes: list[str],
    out: Path | None,
    *,
    force: bool,
    device: str,
    float32: bool,
    also: str | None = None,
) -> bool:
    """Simulate, solve, compare, write and print; return whether everything that was compared agrees."""
    console, errors = Console(highlight=False), Console(stderr=True)
    if device not in DEVICES:
        raise must("--device", "be cpu or gpu", device)
    more = () if also is None else chosen("--also", [name.strip() for name in also.split(",")], ON_REQUEST)
    experiment = resolve(load(source, changes))
    find_device(device)
    self_test()
    with atomic_folder(out, experiment.name, force) as folder:
        console.print(describe(experiment), soft_wrap=True)
        with Progress(
            TextColumn("simulating"), BarColumn(), TextColumn("{task.percentage:3.0f}%"), TimeRemainingColumn(),
            console=errors, transient=True,
        ) as bar:  # fmt: skip
            task = bar.add_task("simulating", total=None)
            simulated = simulate(
                experiment,
                float32=float32,
                device=device,
                also=more,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
        report = compare(simulated, _solved(simulated, more))
        write_run(folder.path, experiment, report)
    show(console, report)
    console.print(f"files     {escape(str(_short(folder.published)))}", soft_wrap=True)
    return report.verdict in (Agreement.AGREES, Agreement.NOT_COMPARED)


def _solved(simulated: Trajectory, also: tuple[str, ...]) -> Trajectory:
    """Return the exact solution of what was simulated, or one without values where none is known."""
    try:
        return solve(simulated.experiment, names=(*METRICS, *PER_CLASS, *also))
    except NoExactSolution as reason:
        return unsolved(simulated, reason.why)


def describe(experiment: Experiment) -> str:
    """Return one line that says what is being run."""
    table, method = experiment.problem, experiment.method
    sizes = table.per_class if isinstance(table.per_class, int) else f"{max(table.per_class)}..{min(table.per_class)}"
    span = f"{method.horizon:g} {'steps' if method.clock == 'step' else 'units of time'}"
    loss = f"gamma = {table.gamma}" if table.linear else f"loss = {table.loss}"
    return (
        f"[bold]{escape(experiment.name)}[/]: {experiment.scenario.kind}, {method.label}, {span}, "
        f"C = {table.classes}, N = {sizes}, p = {table.features}, {loss}, eta = {method.eta:g}, "
        f"s = {method.ratio:g}, {method.schedule.kind} schedule"
    )


def show(console: Console, report: Report) -> None:
    """Print the table of metrics, the rate line and the verdict."""
    clock = report.simulation.experiment.method.clock
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for title in ("metric", "simulated", "exact", "gap", "bound"):
        table.add_column(title, justify="left" if title == "metric" else "right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    last = report.to_dict()["final"]
    footnotes: dict[str, str] = {}
    for name, one in report.metrics.items():
        verdict = f"[{COLOURS[one.verdict]}]{one.verdict}[/]"
        if one.why:
            mark = footnotes.setdefault(one.why, chr(ord("a") + len(footnotes)))
            verdict += f" ({mark})"
        cells = [_number(last[source][name]) for source in ("simulation", "closed_form")]
        table.add_row(name, *cells, _small(one.gap), _small(one.error), verdict)
    console.print(table)
    for why, mark in footnotes.items():
        console.print(f"  ({mark}) {escape(why)}", style="dim", soft_wrap=True)
    drowned = _drowned(report)
    if drowned:
        console.print(f"  {drowned}", style="yellow", soft_wrap=True)
    for note in report.closed_form.notes:
        console.print(f"  note: {escape(note)}", style="dim", soft_wrap=True)
    if report.simulation.diverged_at is not None:
        console.print(
            f"diverged  the simulation overflows before {clock} {report.simulation.diverged_at:g}", style="yellow"
        )
    console.print(_rate_line(report), soft_wrap=True)
    seconds = report.simulation.seconds, report.closed_form.seconds
    console.print(
        f"seconds   simulation {seconds[0]:.1f} ({report.simulation.device}, {report.simulation.dtype}), "
        f"exact {seconds[1]:.1f}", soft_wrap=True
    )  # fmt: skip
    console.print(f"verdict   [{COLOURS[report.verdict]}]{report.verdict}[/]")


def _drowned(report: Report) -> str:
    """Return what the raw logits of the simulation get wrong, and why, or "" if they get nothing wrong."""
    raw, exact = report.simulation.metrics["accuracy_raw"], report.closed_form.metrics["accuracy"]
    wrong = np.flatnonzero(np.nan_to_num(np.abs(raw - exact)) > 0.5 / report.simulation.last[1].features.shape[0])
    if not len(wrong):
        return ""
    worst = wrong[np.argmax(np.abs(raw - exact)[wrong])]
    clock, times = report.simulation.experiment.method.clock, report.simulation.times
    return (
        f"accuracy_raw leaves the exact accuracy from {clock} {times[wrong[0]]:g} on; worst {raw[worst]:.4g} for "
        f"{exact[worst]:.4g} at {clock} {times[worst]:g}. That is rounding: the logits' difference between classes is "
        "smaller than the last digit of what all classes share"
    )


def _rate_line(report: Report) -> str:
    rate = report.decay_rate
    if rate.predicted is None:
        return f"decay     no rate: {escape(rate.why or '')}"
    form = "e^(-r zeta)" if rate.kind == "exponential" else "zeta^(-r)"
    line = f"decay     of the distance ~ {form}: predicted r = {rate.predicted:.6g}, "
    if rate.measured is None or rate.window is None:
        return line + f"not measured ({escape(rate.why or '')})"
    return line + f"measured {rate.measured:.6g} on zeta in [{rate.window[0]:.4g}, {rate.window[1]:.4g}]"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.5g}"


def _small(value: float | None) -> str:
    return "-" if value is None else f"{value:.1e}"


def _short(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_absolute() and path.is_relative_to(here) else path
