"""`dynamics-sim sweep`: a grid of settings from its plan to one dataset, in chunks that outlive an interrupt."""

import re
import time
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dynamics.errors import InputError, must
from dynamics.experiment import load
from dynamics.precision import find_device, self_test
from theorems.grid import parse_grid
from theorems.plan import Plan
from theorems.planning import make_plan
from theorems.sweep_folder import (
    RESULT,
    assemble,
    missing,
    note_shards,
    open_folder,
    read_plan,
    refuse_missing,
    write_chunk,
)


def run_sweep(
    source: str | None,
    changes: list[str],
    grid: list[str],
    out: Path | None,
    *,
    metrics: str | None,
    simulated: bool,
    shard: str | None,
    device: str,
) -> None:
    """Compute the chunks that a folder lacks (of one shard, if given), and assemble the result once all are there.

    Raises:
        InputError: anything of the command that cannot be used, or a folder of something else.
    """
    if out is None:
        raise InputError("--out must name a folder, but is missing: chunks are kept there, and found again.")
    part, parts = _parse_shard(shard)
    axes = parse_grid(grid)
    names = None if metrics is None else [name.strip() for name in metrics.split(",")]
    find_device(device)
    plan = make_plan(load(source, changes), axes, names, simulated=simulated, device=device)
    self_test()
    open_folder(out, plan)
    began = time.perf_counter()
    if not (out / RESULT).exists():
        if shard is not None:
            note_shards(out, parts)
        _compute(plan, out, [number for number in missing(out, plan) if number % parts == part])
        if shard is not None:
            _print(f"shard     {shard} is finished. Once all are: dynamics-sim sweep --merge {out}")
            return
        assemble(out, plan)
    _show(plan, out, began)


def merge_sweep(folder: Path) -> None:
    """Assemble the result of a folder that all shards have written to.

    Raises:
        InputError: no folder of a sweep, or chunks that are missing.
    """
    began, plan = time.perf_counter(), read_plan(folder)
    refuse_missing(folder, plan)
    assemble(folder, plan)
    _show(plan, folder, began)


def _parse_shard(shard: str | None) -> tuple[int, int]:
    """Return (i, n) of "i/n"; no shard is all of it, 0/1."""
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", "0/1" if shard is None else shard)
    part, parts = (int(found[1]), int(found[2])) if found else (0, 0)
    if part >= parts:
        raise must("--shard", "be i/n with i from 0 to n - 1", shard)
    return part, parts


def _compute(plan: Plan, folder: Path, numbers: list[int]) -> None:
    with Progress(
        TextColumn("chunks"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=Console(stderr=True), transient=True,
    ) as bar:  # fmt: skip
        for number in bar.track(numbers):
            write_chunk(folder, number, plan.compute(plan.chunks[number]))


def _show(plan: Plan, folder: Path, began: float) -> None:
    sizes = "".join(f"{axis.key} {len(axis.values)} x " for axis in plan.axes)
    _print(f"settings  {plan.size} in {len(plan.chunks)} chunks; {time.perf_counter() - began:.0f} s")
    _print(f"files     {folder / RESULT}: {sizes}time {plan.points}")


def _print(line: str) -> None:
    Console(highlight=False).print(escape(line), soft_wrap=True)
