"""Making the plan of a sweep: every value of the grid is tried before anything is computed or written."""

import hashlib
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dynamics.errors import chosen, must
from dynamics.experiment import Experiment, changed
from dynamics.measure import METRICS, ON_REQUEST
from dynamics.preparation import prepare
from theorems.closed_form import find
from theorems.comparison import versions
from theorems.grid import Axis
from theorems.plan import CLOCKS, Plan

DEFAULT = tuple(name for name in METRICS if name != "accuracy")  # it alone has to look at every sample at every time
CHUNK_VALUES = 2**22  # numbers that the settings of one chunk hold at once, about: 32 MiB
LOT = 16  # a chunk has a multiple of these settings, so that most numbers of devices divide it


def make_plan(
    experiment: Experiment, axes: tuple[Axis, ...], metrics: Iterable[str] | None, *, simulated: bool, device: str
) -> Plan:
    """Return the plan of a sweep. It depends on its arguments alone, not on the machine, and so do its chunks.

    Raises:
        NoExactSolution: a setting that cannot be solved, and is not to be simulated.
        InputError: an unknown metric, a value that the experiment cannot have, or different numbers of saved times.
    """
    names = DEFAULT if metrics is None else chosen("the metric", metrics, (*METRICS, *ON_REQUEST))
    if experiment.start.file:
        experiment = changed(experiment, {"start.file": str((experiment.folder / experiment.start.file).resolve())})
    mapped = [axis for axis in axes if axis.mapped]
    variants = [changed(experiment, one) for one in _choices({a.key: a.values for a in axes if not a.mapped})]
    for variant in variants if not simulated else ():
        find(variant)  # refused before anything is written
    _try_values(variants[0], mapped)
    largest = max(_try_corners(variant, mapped) for variant in variants)
    points = _points(variants)
    draws = simulated or any(axis.key.startswith("start.") for axis in mapped)
    held = points * (len(names) + len(CLOCKS)) + (largest if draws else 0)
    settings = min(CHUNK_VALUES // held, math.prod(len(axis.values) for axis in mapped))
    return Plan(
        experiment=experiment,
        axes=axes,
        metrics=names,
        simulated=simulated,
        device=device,
        points=points,
        settings=LOT * max(1, math.ceil(settings / LOT)),
        files=_digests(variants),
        versions=versions(),
    )


def _choices(values: Mapping[str, Iterable[Any]]) -> Iterator[dict[str, Any]]:
    """Return every choice of one value per key, as changes of an experiment."""
    for one in itertools.product(*values.values()):
        yield dict(zip(values, one, strict=True))


def _try_values(variant: Experiment, mapped: list[Axis]) -> None:
    """Refuse any single value that the experiment cannot have."""
    for axis in mapped:
        for value in axis.values:
            changed(variant, {axis.key: value})


def _try_corners(variant: Experiment, mapped: list[Axis]) -> int:
    """Refuse corners of the grid that cannot be, or cannot start; return how many numbers a state has."""
    for corner in _choices({axis.key: axis.extremes() for axis in mapped}):
        changed(variant, corner)
    scales = {axis.key: axis.extremes() for axis in mapped if axis.key.startswith("start.scale")}
    states = [prepare(changed(variant, corner))[1] for corner in _choices(scales)]
    return states[0].features.size + states[0].prototypes.size


def _points(variants: list[Experiment]) -> int:
    counts = {len(variant.times()) for variant in variants}
    if len(counts) > 1:
        cure = "All settings of a sweep have equally many saved times."
        raise must("output.points", f"be at most {min(counts)} for these steps", variants[0].output.points, cure)
    return counts.pop()


def _digests(variants: list[Experiment]) -> dict[str, str]:
    paths = {variant.folder / variant.start.file for variant in variants if variant.start.file}
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(paths)}
