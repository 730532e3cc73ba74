"""Our side of the benchmarks: the public functions that they measure."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import equinox as eqx
import jax
import numpy as np

from dynamics.experiment import Experiment
from dynamics.precision import exact
from dynamics.problem import Problem
from dynamics.simulation import begin
from dynamics.state import State
from theorems.closed_form import find
from theorems.contenders.setting import Setting
from theorems.snapshot import Frame, metrics
from theorems.solution import solve


def curves(
    experiment: Experiment, grid: Mapping[str, Sequence[float]], names: Sequence[str], start: tuple[Problem, State]
) -> dict[str, np.ndarray]:
    """Return curves (S, T) over the saved times, for each value of the grid's one key, problem.gamma."""
    rows = []
    for gamma in grid["problem.gamma"]:
        tables = experiment.to_dict()
        tables["problem"]["gamma"] = float(gamma)
        problem = eqx.tree_at(lambda p: p.gamma, start[0], np.float64(gamma))
        rows.append(_curves(Experiment.from_dict(tables), problem, start[1], tuple(names)))
    return {name: np.stack([row[name] for row in rows]) for name in names}


def _curves(experiment: Experiment, problem: Problem, start: State, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    with exact():
        form = find(experiment).of(experiment, problem, start)
        ticks = form.ticks(experiment, problem, experiment.times())
        frame = Frame(problem.labels, (0.0, 0.0, 0.0), problem.bias_drive())
        return jax.tree.map(np.asarray, _mapped(names, frame, form, problem, ticks))


@partial(jax.jit, static_argnums=0)
def _mapped(names: tuple[str, ...], frame: Frame, form: Any, problem: Problem, ticks: Any) -> dict[str, Any]:
    def row(tick: Any) -> dict[str, Any]:
        found = metrics(frame, form.snapshot(problem, tick))
        return {name: found[name] for name in names}

    return jax.lax.map(row, ticks)


def accuracy(setting: Setting, gamma: float) -> np.ndarray:
    """Return the exact accuracy at every saved time."""
    start = (setting.problem, setting.start)
    return curves(setting.experiment, {"problem.gamma": [gamma]}, ("accuracy",), start)["accuracy"][0]


def accuracy_alone(setting: Setting, gamma: float, times: np.ndarray) -> np.ndarray:
    """Return the exact accuracy at some times, each found by itself."""
    tables = setting.experiment.to_dict()
    tables["problem"]["gamma"] = gamma
    return solve(Experiment.from_dict(tables), times=times).metrics["accuracy"]


def margin_evaluations(setting: Setting, gammas: Sequence[float]) -> int:
    """Return how many margins the exact accuracy at every step evaluates."""
    (classes, per_class, _), steps = setting.shape, int(setting.experiment.method.horizon)
    return len(gammas) * (steps + 1) * classes * per_class * (classes - 1)


def state(setting: Setting, time: float) -> State:
    """Return the exact state at one time."""
    with exact():
        form = find(setting.experiment).of(setting.experiment, setting.problem, setting.start)
        ticks = form.ticks(setting.experiment, setting.problem, np.array([time]))
        return jax.device_get(_state(form, setting.problem, jax.tree.map(lambda x: x[0], ticks)))


@jax.jit
def _state(form: Any, problem: Problem, tick: Any) -> State:
    log_scale, found = form.state(problem, tick)
    scale = jax.numpy.exp(log_scale)
    return State(scale * found.features, scale * found.prototypes, found.biases)


def turned(setting: Setting, steps: int) -> State:
    """Return the state of a spherical descent after some steps, by two numbers a sample."""
    return state(setting, steps)


def simulated(setting: Setting, steps: int) -> State:
    """Return the simulated state after some steps."""
    experiment, problem, start = setting.experiment, setting.problem, setting.start
    with exact():
        numbers, _, _ = begin(experiment, problem, start, experiment.method.zeta(np.array([steps]))[-1])
        numbers["rounding"] = np.float64(2.0**-53)
        problem, start, numbers = jax.tree.map(jax.numpy.asarray, (problem, start, numbers))
        *_, last = experiment.method.walk(type(experiment.scenario), numbers, problem, start, np.array([0, steps]))
        return jax.device_get(last.state)
