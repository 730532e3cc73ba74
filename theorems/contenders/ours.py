"""Our side of the benchmarks: the public functions that they measure."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynamics.experiment import Experiment, changed
from dynamics.precision import ROUNDING, exact
from dynamics.problem import Problem
from dynamics.reduction import reduced
from dynamics.simulation import begin
from dynamics.state import State
from theorems import certified, settings
from theorems.closed_form import find
from theorems.contenders.setting import Setting
from theorems.margins import terms
from theorems.solution import exact_states, form_metrics, frame_of, solve


def curves(
    experiment: Experiment, grid: Mapping[str, Sequence[float]], names: Sequence[str], start: tuple[Problem, State]
) -> dict[str, np.ndarray]:
    """Return curves (S, T) over the saved times, for each setting of the grid."""
    return settings.curves(experiment, grid, names, start=start)


def accuracy(setting: Setting, gamma: float) -> np.ndarray:
    """Return the exact accuracy at every saved time."""
    experiment, problem = _with(setting, gamma)
    return solve(experiment, names=("accuracy",), start=(problem, setting.start)).metrics["accuracy"]


def accuracy_alone(setting: Setting, gamma: float, times: np.ndarray) -> np.ndarray:
    """Return the exact accuracy at some times, each found by itself."""
    form, problem, ticks = _ready(setting, gamma, times)
    with exact():
        frame = frame_of(setting.experiment, problem)
        found = jax.device_get(form_metrics(("accuracy",), frame, form, problem, ticks))["accuracy"]
    return np.rint(found * problem.samples) / problem.samples  # compiled, the quotient is off by a last digit


def margin_evaluations(setting: Setting, gammas: Sequence[float]) -> int:
    """Return how many margins the exact accuracy at every step evaluates."""
    evaluated = 0
    for gamma in gammas:
        form, problem, ticks = _ready(setting, gamma, setting.experiment.times())
        found = terms(form.motions(problem, ticks), problem.labels)
        assert found is not None, "the settings of the benchmarks have few terms"
        evaluated += certified.accuracy(found, lambda indices: np.full(len(indices), np.nan))[1]
    return evaluated


def _with(setting: Setting, gamma: float) -> tuple[Experiment, Problem]:
    problem = dataclasses.replace(setting.problem, gamma=np.float64(gamma))
    return changed(setting.experiment, {"problem.gamma": float(gamma)}), problem


def _ready(setting: Setting, gamma: float, times: np.ndarray) -> tuple[Any, Problem, Any]:
    """Return (form, problem, ticks)."""
    experiment, problem = _with(setting, gamma)
    with exact():
        form = find(experiment).of(experiment, problem, setting.start)
        return form, problem, form.ticks(experiment, problem, times)


def state(setting: Setting, time: float) -> State:
    """Return the exact state at one time."""
    [(_, found)] = exact_states(setting.experiment, np.array([time]), start=setting.given)
    return found


def turned(setting: Setting, steps: int) -> State:
    """Return the state of a spherical descent after some steps, by two numbers a sample."""
    return state(setting, steps)


def simulated(setting: Setting, steps: int, dtype: str = "float64") -> State:
    """Return the simulated state after some steps."""
    experiment, problem, start = setting.experiment, setting.problem, setting.start
    scenario, times = type(experiment.scenario), np.array([0, steps])
    with exact():
        numbers, _, _ = begin(experiment, problem, start, experiment.method.zeta(times)[-1])
        numbers["rounding"] = np.float64(ROUNDING[dtype])
        small, numbers = _cast((reduced(scenario, experiment.method, problem, start, times), numbers), dtype)
        *_, last = experiment.method.walk(scenario, numbers, small.problem, small.state, times)
        return small.whole(jax.device_get(small.unmixed(last.state)))


def moved(setting: Setting, steps: int, dtype: str) -> State:
    """Return the start of what is simulated: fewer rows or columns than that of the setting, where this pays."""
    with exact():
        scenario, method = type(setting.experiment.scenario), setting.experiment.method
        return _cast(reduced(scenario, method, setting.problem, setting.start, np.array([0, steps])).state, dtype)


def products(state: State, steps: int) -> Callable[[], Any]:
    """Return what does no more than the three matrix products of every step."""

    def run() -> Any:
        found = state
        with exact():
            for _ in range(steps):
                logits = _across(state.features, state.prototypes)
                found = _product(logits, state.prototypes), _along(logits, state.features)
            return jax.block_until_ready(found)

    return run


def _cast(tree: Any, dtype: str) -> Any:
    def cast(part: Any) -> Any:
        return jnp.asarray(part, dtype if np.issubdtype(np.asarray(part).dtype, np.floating) else None)

    return jax.tree.map(cast, tree)


_product = jax.jit(lambda a, b: a @ b)
_across = jax.jit(lambda a, b: a @ b.T)
_along = jax.jit(lambda a, b: a.T @ b)
