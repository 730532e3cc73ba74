"""A sweep in memory, and how the numbers of a chunk are laid out over the grid."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics.capacity import refuse_bytes
from dynamics.experiment import Experiment
from theorems.grid import make_grid
from theorems.plan import Chunk, Plan
from theorems.planning import make_plan

if TYPE_CHECKING:
    import xarray

TIME_KEYS = ("method.kind", "method.steps", "method.time")  # what the saved times depend on
NOT_ZETA_KEYS = ("method.ratio",)  # of [method], all others change zeta


def sweep(
    experiment: Experiment,
    grid: Mapping[str, Any],
    *,
    metrics: Iterable[str] | None = None,
    simulated: bool = False,
) -> "xarray.Dataset":
    """Return metrics over a grid of settings: a dataset whose dims are the keys of the grid, in their order, and time.

    ``grid`` maps keys such as "problem.gamma", "start.seed" or "method.schedule" to their values. Real numbers and
    seeds share one compilation; each size or word has its own. ``metrics`` are all but the accuracy, if none are named.
    The coordinates ``time`` (step k or time t) and ``zeta`` become variables, ``times`` and ``zeta``, over the keys
    that they depend on.

    Raises:
        InputError: an unknown metric, a grid or a value that cannot be used, or a result that does not fit into memory.
    """
    import xarray

    plan = make_plan(experiment, make_grid(grid), metrics, simulated=simulated, device="cpu")
    refuse_bytes(stored_bytes(plan), "the sweep", "Lower the grid or output.points, or name fewer metrics.")
    sizes = {axis.key: len(axis.values) for axis in plan.axes} | {"time": plan.points}
    dims = variables(plan)
    arrays = {name: np.full([sizes[dim] for dim in along], np.nan) for name, along in dims.items()}
    for chunk in plan.chunks:
        place(plan, chunk, plan.compute(chunk), arrays)
    data = {name: (along, arrays[name]) for name, along in dims.items()}
    axes = {axis.key: list(axis.values) for axis in plan.axes}
    found = xarray.Dataset(data, coords=axes, attrs=attributes(plan))
    return found.set_coords(coordinates(plan))


def stored_bytes(plan: Plan) -> int:
    """Return the bytes of a result, about."""
    return 8 * plan.size * plan.points * len(plan.rows)


def variables(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Return what a result holds and its dims: the metrics, the saved times, and zeta.

    Saved times that depend on the grid are called ``times``, since xarray keeps the name of a dim for a coordinate.
    """
    keys = [axis.key for axis in plan.axes]
    timed = [key for key in keys if key in TIME_KEYS]
    paced = [key for key in keys if key.startswith("method.") and key not in NOT_ZETA_KEYS]
    return {
        **{name: (*keys, "time") for name in plan.metrics},
        "times" if timed else "time": (*timed, "time"),
        "zeta": (*paced, "time"),
    }


def coordinates(plan: Plan) -> list[str]:
    """Return which of the `variables` are coordinates: the clocks that do not depend on the grid."""
    return [name for name, dims in variables(plan).items() if dims == ("time",)]


def attributes(plan: Plan) -> dict[str, str]:
    """Return the attributes of a result: the experiment as TOML, where the numbers come from, and the versions."""
    return {
        "name": plan.experiment.name,
        "experiment": plan.experiment.to_toml(),
        "source": "simulation" if plan.simulated else "closed_form",
        "device": plan.device,
        "versions": json.dumps(plan.versions),
    }


def place(plan: Plan, chunk: Chunk, numbers: np.ndarray, targets: Mapping[str, Any]) -> None:
    """Write the numbers of a chunk, shape (rows, settings, times), to their places in arrays over the grid."""
    done = 0
    for box in boxes(chunk.start, chunk.stop, plan.mapped_shape):
        mapped, looped = iter(box), iter(chunk.looped)
        where = [next(mapped) if axis.mapped else slice(index := next(looped), index + 1) for axis in plan.axes]
        shape = [part.stop - part.start for part in where]
        size = math.prod(shape)
        for row, (name, dims) in zip(numbers[:, done : done + size], variables(plan).items(), strict=True):
            kept = [axis.key in dims for axis in plan.axes]
            values = row.reshape(*shape, -1)[tuple(slice(None) if keep else 0 for keep in kept)]
            targets[name][tuple(part for part, keep in zip(where, kept, strict=True) if keep)] = values
        done += size


def boxes(start: int, stop: int, shape: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Cut the settings ``start`` to ``stop`` of a row-major grid into boxes, in order: its arrays are written whole."""
    if len(shape) < 2:
        yield tuple(slice(start, stop) for _ in shape)
        return
    row = math.prod(shape[1:])
    while start < stop:
        first = start // row
        if start % row or stop - start < row:
            end = min(stop, (first + 1) * row)
            for inner in boxes(start - first * row, end - first * row, shape[1:]):
                yield (slice(first, first + 1), *inner)
        else:
            end = stop // row * row
            yield (slice(first, end // row), *(slice(0, length) for length in shape[1:]))
        start = end
