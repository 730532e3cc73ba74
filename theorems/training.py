"""An experiment trained by this package's simulator, from a start of one's own and to any times."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynamics import Experiment, State, prepare
from dynamics.precision import ROUNDING, exact
from dynamics.simulation import begin
from theorems.reference import Path, sizes

Observable = Callable[[State], Any]  # an array, or a number


def train(experiment: Experiment, times: np.ndarray, observe: Observable, start: State | None = None) -> Path:
    """Return what is observed of an experiment's flow at ``times`` (T,), the first 0, from ``start`` or from its own.

    States have NumPy arrays, features sorted by class. The error is taken as the difference from what is observed of
    the same flow at a hundredfold tolerance.
    """
    problem, drawn = prepare(experiment)
    state = drawn if start is None else start
    found = []
    with exact():
        numbers, *_ = begin(experiment, problem, state, experiment.method.zeta(times)[-1])
        numbers["rounding"] = np.float64(ROUNDING["float64"])
        problem, state, numbers = jax.tree.map(jnp.asarray, (problem, state, numbers))
        for point in experiment.method.walk(type(experiment.scenario), numbers, problem, state, times):
            found.append([observe(one) for one in jax.device_get((point.state, point.twin))])
    states, twins = (np.stack(part) for part in zip(*found, strict=True))
    return Path(states, sizes(states - twins))


def gram(state: State) -> np.ndarray:
    """Return the scalar products of the columns of (H, W), (n + C, n + C): the state up to a rotation."""
    rows = np.concatenate([state.features, state.prototypes])
    return rows @ rows.T
