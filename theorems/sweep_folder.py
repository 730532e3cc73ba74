"""The folder of a sweep: its plan, one file per finished chunk, and the result, each there whole or not at all."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5netcdf
import h5py
import numpy as np

from dynamics.capacity import GIB
from dynamics.errors import InputError, must
from theorems.output import atomic_file, atomic_path, writable_folder
from theorems.plan import FORMAT, Plan
from theorems.sweeping import attributes, coordinates, place, stored_bytes, variables

PLAN = "plan.json"
CHUNKS = "chunks"
RESULT = "sweep.nc"
SHARDS = "shards"  # a file that says how many there are
COPIES = 2  # of every number on the disk: in its chunk, and in the result


def open_folder(folder: Path, plan: Plan) -> None:
    """Make the folder of a sweep, or open one that holds the same plan.

    Raises:
        InputError: it holds something else or another plan, it cannot be written, or the disk is too small.
    """
    if not os.path.exists(folder / PLAN):  # noqa: PTH110 (Path.exists raises on a name too long)
        _refuse_too_large(folder, plan)
        if any(not entry.name.startswith(".") for entry in writable_folder(folder).iterdir()):
            raise must("--out", f"be a new or empty folder, or hold the {PLAN} of a sweep", str(folder))
        with atomic_file(folder / PLAN, "--out") as file:
            json.dump(plan.to_dict(), file, indent=1)
    stored, wanted = _stored(folder, "--out"), json.loads(json.dumps(plan.to_dict()))
    if json.dumps(stored) != json.dumps(wanted):
        found = ", ".join(_differences(stored, wanted)) or "the order of its keys"
        cure = f"What differs: {found}. Choose another folder, or remove this one."
        raise must("--out", "be the folder of the same sweep", str(folder), cure)
    writable_folder(folder / CHUNKS)


def read_plan(folder: Path) -> Plan:
    """Return the plan of a folder. Raises InputError if it is no folder of a sweep."""
    return Plan.from_dict(_stored(folder, "--merge"))


def missing(folder: Path, plan: Plan) -> list[int]:
    """Return the numbers of the chunks that are not finished."""
    return [number for number in range(len(plan.chunks)) if not _chunk(folder, number).exists()]


def write_chunk(folder: Path, number: int, values: np.ndarray) -> None:
    """Write the numbers of a finished chunk."""
    with atomic_path(_chunk(folder, number), "--out") as aside, aside.open("wb") as file:
        np.save(file, values)


def assemble(folder: Path, plan: Plan) -> None:
    """Write the result from the chunks, one after the other, and remove what killed processes left behind."""
    with atomic_path(folder / RESULT, "--out") as aside, h5netcdf.File(aside, "w") as file:
        file.dimensions = {axis.key: len(axis.values) for axis in plan.axes} | {"time": plan.points}
        for axis in plan.axes:
            values = np.array(axis.values)
            words = values.dtype.kind == "U"
            kind = h5py.string_dtype() if words else values.dtype
            file.create_variable(axis.key, (axis.key,), kind)[...] = values.astype(object) if words else values
        targets = {name: file.create_variable(name, dims, float) for name, dims in variables(plan).items()}
        file.attrs.update(attributes(plan), coordinates=" ".join(coordinates(plan)))
        for number, chunk in enumerate(plan.chunks):
            place(plan, chunk, np.load(_chunk(folder, number)), targets)
    for rest in folder.rglob(".*-unfinished-*"):
        rest.unlink()


def note_shards(folder: Path, count: int) -> None:
    """Note how many shards there are, for `refuse_missing` to name those that lack."""
    with atomic_file(folder / SHARDS, "--out") as file:
        file.write(str(count))


def refuse_missing(folder: Path, plan: Plan) -> None:
    """Refuse a sweep that is not finished. Raises InputError; it says what is missing."""
    lacking = missing(folder, plan)
    if not lacking:
        return
    cure = "Run the same command again."
    if (folder / SHARDS).exists():
        count = int((folder / SHARDS).read_text())
        names = ", ".join(f"{shard}/{count}" for shard in sorted({number % count for number in lacking}))
        cure = f"Run these shards again: {names}."
    raise InputError(
        f"the sweep in {folder} must have {len(plan.chunks)} finished chunks, but {len(lacking)} are missing. {cure}"
    )


def _chunk(folder: Path, number: int) -> Path:
    return folder / CHUNKS / f"{number:05d}.npy"


def _stored(folder: Path, option: str) -> dict[str, Any]:
    try:
        values = json.loads((folder / PLAN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        values = None
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise must(option, f"be a folder with the {PLAN} of a sweep", str(folder))
    return values


def _differences(one: dict[str, Any], other: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the dotted names of what differs between two plans."""
    for key in {**one, **other}:
        here, there = one.get(key), other.get(key)
        if isinstance(here, dict) and isinstance(there, dict):
            yield from _differences(here, there, f"{prefix}{key}.")
        elif here != there:
            yield prefix + key


def _refuse_too_large(folder: Path, plan: Plan) -> None:
    there = next(parent for parent in folder.resolve().parents if os.path.exists(parent))  # noqa: PTH110
    free, need = shutil.disk_usage(there).free, COPIES * stored_bytes(plan)
    if need > free:
        raise InputError(
            f"the sweep must fit on the disk ({free / GIB:.1f} GiB free), but needs {need / GIB:.1f} GiB. "
            "Lower the grid or output.points, or name fewer metrics."
        )
