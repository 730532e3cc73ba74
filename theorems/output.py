"""Result folders: written aside, renamed when whole, so that an interrupted run leaves nothing that looks finished."""

import json
import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from dynamics.errors import InputError, must
from dynamics.experiment import Experiment
from dynamics.trajectory import Trajectory
from theorems.comparison import Report

MARK = "run.toml"  # a folder that holds it is ours, and may be replaced by --force
LARGEST_NAME = 10_000


@contextmanager
def atomic_folder(target: Path | None, name: str, force: bool = False) -> Generator["Pending"]:
    """Yield a pending folder beside its final place; publish it on success, remove it on anything else.

    ``target`` None means runs/NAME, then runs/NAME-2 and so on.

    Raises:
        InputError: the target is not empty (and not ours to replace), or cannot be written.
    """
    parent = Path("runs") if target is None else target.resolve().parent
    if target is not None:
        _refuse_occupied(target, force)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{name}-unfinished-", dir=parent))
    except OSError as error:
        raise must(
            "--out", "be in a folder that can be written", str(target or parent), f"({error.strerror})"
        ) from None
    pending = Pending(aside)
    try:
        yield pending
        pending.published = _publish(aside, target, parent, name, force)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


class Pending:
    """A folder that is being written, and where it ended up once it is whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.published = path


def _refuse_occupied(target: Path, force: bool) -> None:
    if target.is_dir():
        if any(target.iterdir()) and not (force and (target / MARK).is_file()):
            cure = (
                f"It holds no {MARK}, so --force does not replace it." if force else "Choose another, or use --force."
            )
            raise must("--out", "be a new or empty folder", str(target), cure)
    elif target.exists() or target.is_symlink():
        raise must("--out", "be a folder", str(target))


def _publish(aside: Path, target: Path | None, parent: Path, name: str, force: bool) -> Path:
    aside.chmod(0o777 & ~_umask())
    if target is not None:
        _refuse_occupied(target, force)  # someone may have written there meanwhile
        if target.is_dir() and any(target.iterdir()):
            old = Path(tempfile.mkdtemp(prefix=f".{name}-replaced-", dir=parent))
            target.rename(old / target.name)
            aside.rename(target)
            shutil.rmtree(old, ignore_errors=True)
        else:
            aside.rename(target)
        return target
    for k in range(1, LARGEST_NAME):
        place = parent / (name if k == 1 else f"{name}-{k}")
        if place.exists():
            continue
        try:
            aside.rename(place)
        except OSError:  # another run took the name between the look and the rename
            continue
        return place
    raise InputError(f"runs/ must have a free name for {name}, but is full. Remove old runs, or use --out.")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_run(folder: Path, experiment: Experiment, report: Report) -> None:
    """Write run.toml, trajectory.nc, final_state.npz (if asked) and plot.png, and report.json last."""
    from theorems.plot import plot_run

    (folder / MARK).write_text(experiment.to_toml(), encoding="utf-8")
    _dataset(report.simulation, report.closed_form).to_netcdf(folder / "trajectory.nc", engine="h5netcdf")
    if experiment.output.states:
        np.savez(folder / "final_state.npz", allow_pickle=False, **_final_state(report.simulation, report.closed_form))
    plot_run(report, folder / "plot.png")
    (folder / "report.json").write_text(
        json.dumps(report.to_dict(), indent=2, allow_nan=False) + "\n", encoding="utf-8"
    )


def _dataset(simulation: Trajectory, closed_form: Trajectory) -> Any:
    """Return both trajectories as one dataset: dims source, time and class."""
    import xarray

    both = (simulation, closed_form)
    blank = np.full(len(simulation.times), np.nan)
    names = list(dict.fromkeys([*simulation.metrics, *closed_form.metrics]))
    variables: dict[str, Any] = {
        name: (("source", "time"), np.stack([one.metrics.get(name, blank) for one in both])) for name in names
    }
    variables |= {
        name: (("source", "time", "class"), np.stack([one.classes[name] for one in both]))
        for name in simulation.classes
    }
    variables |= {f"error_{name}": ("time", values) for name, values in simulation.error.items()}
    coordinates = {
        "time": simulation.times,
        "source": ["simulation", "closed_form"],
        "zeta": ("time", simulation.zeta),
    }
    attributes = {"clock": simulation.experiment.method.clock, "experiment": simulation.experiment.to_toml()}
    return xarray.Dataset(variables, coords=coordinates, attrs=attributes)


def _final_state(simulation: Trajectory, closed_form: Trajectory) -> dict[str, np.ndarray]:
    """Return the arrays of final_state.npz, in the paper's layout: H (p, n), W (p, C), b (C,)."""
    arrays: dict[str, np.ndarray] = {}
    for suffix, (log_scale, state) in (("", simulation.last), ("_exact", closed_form.last)):
        arrays |= {"H" + suffix: state.features.T, "W" + suffix: state.prototypes.T, "b" + suffix: state.biases}
        arrays["log_scale" + suffix] = np.asarray(log_scale)
    return arrays
