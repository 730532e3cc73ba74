"""`dynamics-sim bench`: rows measured one after the other, a table, and all the numbers as JSON."""

import io
import json
import time
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dynamics.errors import must
from dynamics.precision import self_test
from theorems.benchmark import FULL, QUICK, Asked, Benchmark, Effort, Line, choose_benchmarks
from theorems.machine import described, limits
from theorems.output import atomic_files
from theorems.stopwatch import BYTES, EXPONENT, SECONDS, Amount
from theorems.style import STYLE

Measured = dict[type[Benchmark], list[Line]]
PICTURES = (".png", ".svg", ".pdf")
SCALES: dict[str, tuple[tuple[float, str], ...]] = {
    SECONDS: ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns")),
    BYTES: ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B")),
}
DASH = "-"
MET = {None: DASH, True: "yes", False: "NO"}


def run_benchmarks(names: list[str], json_file: Path | None, plot: Path | None, *, quick: bool) -> None:
    """Measure the rows of names (none: all), print the table, and write the files.

    Raises:
        InputError: an unknown row, a picture of rows that have none, or a file that cannot be written.
    """
    began = time.perf_counter()
    rows, effort = choose_benchmarks(names), QUICK if quick else FULL
    _refuse_plot(plot, rows)
    console = Console(highlight=False)
    with atomic_files({"--json": json_file, "--plot": plot}) as files:
        self_test()
        size = effort.features * effort.classes * effort.per_class
        machine = described() | limits(size, effort.turns, effort.side)
        found = _measure(console, rows, effort)
        if "--json" in files:
            files["--json"].write(json.dumps(_document(found, effort, machine), indent=2, allow_nan=False) + "\n")
        if plot:
            files["--plot"].buffer.write(_picture(found, plot.suffix.lower()))
    _print(console, found, effort, machine)
    console.print(f"took      {time.perf_counter() - began:.0f} s", soft_wrap=True)
    for file in (json_file, plot):
        if file:
            console.print(f"written   {escape(str(file))}", soft_wrap=True)


def _refuse_plot(plot: Path | None, rows: list[type[Benchmark]]) -> None:
    if plot is None:
        return
    if plot.suffix.lower() not in PICTURES:
        raise must("--plot", "end in " + ", ".join(PICTURES), str(plot))
    if not any(row.drawn for row in rows):
        raise must("--plot", "draw the row growth", ", ".join(row.kind for row in rows), "Add growth to the rows.")


def _measure(console: Console, rows: list[type[Benchmark]], effort: Effort) -> Measured:
    found: Measured = {}
    for k, row in enumerate(rows, 1):
        with console.status(f"{row.kind} ({k}/{len(rows)})"):
            found[row] = row.lines(effort)
    return found


def _document(found: Measured, effort: Effort, machine: dict[str, Any]) -> dict[str, Any]:
    """Return all that was measured as plain values."""
    rows = {row.kind: {"about": row.about, "lines": [line.to_dict() for line in lines]} for row, lines in found.items()}
    return {"quick": effort.quick, "rounds": effort.turns.rounds, "machine": machine, "rows": rows}


def _picture(found: Measured, suffix: str) -> bytes:
    """Return the picture of the one row that has one."""
    (row,) = (row for row in found if row.drawn)
    file = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 6.6), layout="constrained")
        row.plot(figure, found[row])
        figure.savefig(file, format=suffix.removeprefix("."), dpi=120)
    return file.getvalue()


def _print(console: Console, found: Measured, effort: Effort, machine: dict[str, Any]) -> None:
    """Print the table, its notes, and the machine."""
    notes: dict[str, str] = {}
    console.print(_table(found, notes, asked=not effort.quick))
    for note, mark in notes.items():
        console.print(f"  {mark} {escape(note)}", soft_wrap=True)
    spread = escape(f"medians [lowest..highest] of {effort.turns.rounds} rounds in turns")
    size = "small sizes, which show that it runs and not how fast" if effort.quick else "float64"
    console.print(f"\n{spread}; compilation excluded; {size}", soft_wrap=True)
    console.print(
        f"machine   {machine['processor']}, {machine['threads']} threads: copies {machine['copy GB/s']:.0f} GB/s, "
        f"multiplies {machine['product GF/s']:.0f} GF/s", soft_wrap=True,
    )  # fmt: skip
    versions = ", ".join(f"{name} {one or 'not installed'}" for name, one in machine["versions"].items())
    console.print(f"versions  {versions}", soft_wrap=True)


def _table(found: Measured, notes: dict[str, str], *, asked: bool) -> Table:
    """Return the table, and collect its notes by their text; what is asked is asked of the full size only."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("row", "ours", "against", "ratio", *(("asked", "met") if asked else ())):
        table.add_column(name, justify="right" if name in ("ratio", "asked") else "left")
    for row, lines in found.items():
        above: list[str] = []
        for line in lines:
            ours = [f"{row.kind}: {line.what}", _noted(line.ours, notes)]
            other = f"{line.rival}: {_noted(line.against, notes) if line.against else 'not installed'}"
            cells = [*(["", ""] if ours == above else ours), other, _ratio(line), _asked(line), MET[line.met]]
            table.add_row(*map(escape, cells[: len(table.columns)]))
            above = ours
    return table


def _noted(amount: Amount, notes: dict[str, str]) -> str:
    """Return an amount as text, with the mark of its note."""
    if not amount.note:
        return shown(amount)
    mark = notes.setdefault(amount.note, f"({ascii_lowercase[len(notes)]})")
    return f"{shown(amount)} {mark}"


def shown(amount: Amount) -> str:
    """Return an amount as text: its median, and its extremes if it was measured more than once."""
    if amount.unit == EXPONENT:
        spread = f" [{amount.low:.2f}..{amount.high:.2f}]" if amount.samples > 1 else ""
        return f"^{amount.median:.2f}{spread}"
    size, name = _scale(amount)
    ends = f" [{amount.low / size:.3g}..{amount.high / size:.3g}]" if amount.samples > 1 else ""
    return f"{amount.median / size:.3g}{name and ' ' + name}{ends}"


def _scale(amount: Amount) -> tuple[float, str]:
    """Return the unit in which an amount is at least 1, or the smallest."""
    scales = SCALES.get(amount.unit, ((1.0, ""),))
    return next((scale for scale in scales if abs(amount.median) >= scale[0]), scales[-1])


def _ratio(line: Line) -> str:
    if line.ratio is None:
        return DASH
    return f"{line.ratio:,.0f}" if line.ratio >= 100 else f"{line.ratio:.3g}"


def _asked(line: Line) -> str:
    asked: Asked | None = line.asked
    return DASH if asked is None else f"{'>=' if asked.at_least else '<='} {asked.bound:,g}"
