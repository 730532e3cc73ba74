"""Metrics of many settings of one experiment."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dynamics.experiment import Experiment, changed
from dynamics.simulation import simulate
from theorems.solution import solve


def curves(
    experiment: Experiment,
    changes: Mapping[str, Sequence[float]],
    names: Sequence[str],
    *,
    simulated: bool = False,
    sharding: Any = None,
) -> dict[str, np.ndarray]:
    """Return the metrics ``names`` of S settings, each (S, T), with their "time" and "zeta".

    ``changes`` maps keys "table.key" to S values: real numbers, or seeds.
    """
    del sharding
    rows = []
    for values in zip(*changes.values(), strict=True):
        one = (simulate if simulated else solve)(changed(experiment, dict(zip(changes, values, strict=True))))
        rows.append({**{name: one.metrics[name] for name in names}, "time": one.times, "zeta": one.zeta})
    return {name: np.stack([row[name] for row in rows]) for name in (*names, "time", "zeta")}
