"""The plan of a sweep: what is computed, and in which chunks. Equal plans give equal bytes."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Self

import jax
import numpy as np

from dynamics.experiment import Experiment, changed
from theorems.grid import Axis, make_grid
from theorems.settings import clocks, curves

CLOCKS = ("time", "zeta")
FORMAT = 1  # of a stored plan and of its chunks


class Chunk(NamedTuple):
    """Settings ``start`` to ``stop`` of the mapped axes, row-major, at one index of each looped axis."""

    looped: tuple[int, ...]
    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class Plan:
    """A sweep: the experiment, the axes of its grid in their order, and the metrics, simulated or exact.

    ``points`` are the saved times of every setting; ``settings`` is how many are computed together; ``files`` holds
    the digest of every start file, and ``versions`` those of the software.
    """

    experiment: Experiment
    axes: tuple[Axis, ...]
    metrics: tuple[str, ...]
    simulated: bool
    device: str
    points: int
    settings: int
    files: Mapping[str, str]
    versions: Mapping[str, str]

    @cached_property
    def chunks(self) -> list[Chunk]:
        """All chunks: the looped axes outside, the mapped ones inside, both row-major."""
        count = math.prod(self.mapped_shape)
        looped = itertools.product(*(range(len(axis.values)) for axis in self.axes if not axis.mapped))
        starts = range(0, count, self.settings)
        return [Chunk(index, start, min(start + self.settings, count)) for index in looped for start in starts]

    @property
    def mapped_shape(self) -> tuple[int, ...]:
        """The lengths of the mapped axes."""
        return tuple(len(axis.values) for axis in self.axes if axis.mapped)

    @property
    def size(self) -> int:
        """How many settings there are."""
        return math.prod(len(axis.values) for axis in self.axes)

    @property
    def rows(self) -> tuple[str, ...]:
        """What a chunk holds of every setting: the metrics and the clocks."""
        return (*self.metrics, *CLOCKS)

    def compute(self, chunk: Chunk) -> np.ndarray:
        """Return the numbers of one chunk, shape (rows, settings, times).

        All chunks have one size here, the last setting repeated, so that one compilation serves them all; the settings
        are shared among the devices of this process.
        """
        looped = [axis for axis in self.axes if not axis.mapped]
        values = {axis.key: axis.values[index] for axis, index in zip(looped, chunk.looped, strict=True)}
        experiment = changed(self.experiment, values)
        sharding = _over_settings(self.device)
        size = -(-self.settings // sharding.num_devices) * sharding.num_devices
        places = np.minimum(np.arange(chunk.start, chunk.start + size), chunk.stop - 1)
        changes = self._mapped_values(places) or {"method.eta": [experiment.method.eta] * size}
        found = curves(experiment, changes, self.metrics, simulated=self.simulated, sharding=sharding)
        found |= clocks(experiment, changes)
        return np.stack([found[name][: chunk.stop - chunk.start] for name in self.rows])

    def _mapped_values(self, places: np.ndarray) -> dict[str, list[Any]]:
        """Return the values of each mapped key at places of the flattened mapped axes."""
        mapped = [axis for axis in self.axes if axis.mapped]
        indices = np.unravel_index(places, self.mapped_shape) if mapped else ()
        return {axis.key: [axis.values[i] for i in index] for axis, index in zip(mapped, indices, strict=True)}

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON can hold it. `from_dict` reads it back."""
        return {
            "format": FORMAT,
            "name": self.experiment.name,
            "experiment": self.experiment.to_dict(),
            "grid": {axis.key: list(axis.values) for axis in self.axes},
            "metrics": list(self.metrics),
            "simulated": self.simulated,
            "device": self.device,
            "points": self.points,
            "settings_per_chunk": self.settings,
            "files": dict(self.files),
            "versions": dict(self.versions),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild a plan from `to_dict`."""
        return cls(
            experiment=Experiment.from_dict(values["experiment"], name=values["name"]),
            axes=make_grid(values["grid"]),
            metrics=tuple(values["metrics"]),
            simulated=values["simulated"],
            device=values["device"],
            points=values["points"],
            settings=values["settings_per_chunk"],
            files=values["files"],
            versions=values["versions"],
        )


def _over_settings(device: str) -> jax.sharding.NamedSharding:
    """Return the sharding of a first axis over all devices of this process."""
    mesh = jax.sharding.Mesh(np.array(jax.local_devices(backend=device)), ("settings",))
    return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("settings"))
