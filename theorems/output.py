"""Result folders: written aside, renamed when whole, so that an interrupted run leaves nothing that looks finished."""

import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from dynamics.errors import InputError, must
from dynamics.experiment import SECTIONS, Experiment, read_toml
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
    missing: list[Path] = []
    aside = None
    try:
        try:
            place = None if target is None else _resolved(target, force)
            parent = Path("runs") if place is None else place.parent
            missing = [folder for folder in (parent, *parent.parents) if not folder.exists()]
            parent.mkdir(parents=True, exist_ok=True)
            if place is not None:
                with suppress(FileNotFoundError):
                    place.lstat()  # a name that is too long shows now, and not after the simulation
            aside = Path(tempfile.mkdtemp(prefix=f".{name}-unfinished-", dir=parent))
        except (OSError, RuntimeError) as error:  # RuntimeError: a circle of links
            reason = getattr(error, "strerror", None) or error
            where = str(Path("runs") if target is None else target)
            raise must("--out", "be a folder that can be written", where, f"({reason})") from None
        pending = Pending(aside)
        yield pending
        pending.published = _publish(aside, place, parent, name, force)
    finally:
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)
        for folder in missing:  # what was made for nothing; a folder that holds something stays
            with suppress(OSError):
                folder.rmdir()


class Pending:
    """A folder that is being written, and where it ended up once it is whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.published = path


def _resolved(target: Path, force: bool) -> Path:
    """Return the place itself, links followed: what is renamed onto a link would replace the link."""
    place = target.resolve()
    if Path.cwd().is_relative_to(place) or place.is_mount():
        cure = "The result is renamed onto it, so name a folder inside it."
        raise must("--out", "be neither the working folder, nor above it, nor a mount point", str(target), cure)
    _refuse_occupied(place, force)
    return place


def _refuse_occupied(place: Path, force: bool) -> None:
    if place.is_dir():
        if any(place.iterdir()) and not (force and _ours(place)):
            cure = f"It holds no {MARK} of ours, so --force does not replace it."
            cure = cure if force else "Choose another, or use --force."
            raise must("--out", "be a new or empty folder", str(place), cure)
    elif place.exists():
        raise must("--out", "be a folder", str(place), "Choose another name.")


def _ours(place: Path) -> bool:
    """Return whether a folder holds a run.toml with nothing in it but the tables of an experiment."""
    try:
        return set(read_toml(place / MARK)) <= set(SECTIONS)
    except InputError:
        return False


def _publish(aside: Path, place: Path | None, parent: Path, name: str, force: bool) -> Path:
    aside.chmod(0o777 & ~_umask())
    if place is not None:
        _refuse_occupied(place, force)  # someone may have written there meanwhile
        if place.is_dir() and any(place.iterdir()):
            _replace(aside, place)
        else:
            aside.rename(place)
        return place
    for k in range(1, LARGEST_NAME):
        candidate = parent / (name if k == 1 else f"{name}-{k}")
        if candidate.exists():
            continue
        try:
            aside.rename(candidate)
        except OSError:  # another run took the name between the look and the rename
            continue
        return candidate
    raise InputError(f"runs/ must have a free name for {name}, but is full. Remove old runs, or use --out.")


def _replace(aside: Path, place: Path) -> None:
    """Put a folder into the place of another; an interrupt in between brings the old one back."""
    old = Path(tempfile.mkdtemp(prefix=f".{place.name}-replaced-", dir=place.parent))
    kept = old / place.name
    try:
        place.rename(kept)
        aside.rename(place)
    finally:
        if kept.exists() and not place.exists():
            kept.rename(place)
        shutil.rmtree(old, ignore_errors=True)


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
        if np.isnan(state.features).all():  # no exact solution is known
            continue
        arrays |= {"H" + suffix: state.features.T, "W" + suffix: state.prototypes.T, "b" + suffix: state.biases}
        arrays["log_scale" + suffix] = np.asarray(log_scale)
    return arrays


@contextmanager
def atomic_path(target: Path, option: str) -> Generator[Path]:
    """Yield the path of an empty file beside its final place; rename it on success, remove it on anything else.

    Raises:
        InputError: the target is a folder, or its folder is missing or cannot be written.
    """
    place = target.resolve()
    if place.is_dir():
        raise must(option, "be a file", str(target), "It is a folder: name a file inside it.")
    try:
        handle, name = tempfile.mkstemp(prefix=f".{place.name}-unfinished-", dir=place.parent)
    except OSError as error:
        raise must(option, "be a file that can be written", str(target), f"({error.strerror})") from None
    os.close(handle)
    aside = Path(name)
    try:
        yield aside
        aside.chmod(0o666 & ~_umask())
        aside.replace(place)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def atomic_files(targets: Mapping[str, Path | None]) -> Generator[dict[str, TextIO]]:
    """Yield a text file for each option that names one, as `atomic_file` does: kept only on success.

    Raises:
        InputError: two options name one file, or see `atomic_file`.
    """
    named = {option: target for option, target in targets.items() if target}
    for (one, first), (other, second) in itertools.combinations(named.items(), 2):
        if first.resolve() == second.resolve():
            raise must(other, f"be another file than {one}", str(second))
    with ExitStack() as files:
        yield {option: files.enter_context(atomic_file(target, option)) for option, target in named.items()}


@contextmanager
def atomic_file(target: Path, option: str) -> Generator[TextIO]:
    """Yield a text file that takes its final place once it is whole. Raises InputError; see `atomic_path`."""
    with atomic_path(target, option) as aside, aside.open("w", encoding="utf-8") as file:
        yield file


def writable_folder(folder: Path) -> Path:
    """Return a folder, made if it is missing.

    Raises:
        InputError: it cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):  # known now, and not after minutes of work
            pass
    except OSError as error:
        raise must("--out", "be a folder that can be written", str(folder), f"({error.strerror})") from None
    return folder
