"""The driver: an experiment simulated from its start, metrics as it goes."""

import time
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynamics.errors import chosen, must
from dynamics.experiment import Experiment
from dynamics.measure import (
    METRICS,
    NO_SPREAD,
    ON_REQUEST,
    PER_CLASS,
    SIMULATION_ONLY,
    error_bounds,
    measure,
    measure_requested,
)
from dynamics.method import Point
from dynamics.precision import ROUNDING, exact, find_device
from dynamics.preparation import prepare
from dynamics.problem import Problem
from dynamics.reduction import reduced
from dynamics.scenario import Limit, Scenario, Spectrum
from dynamics.schedule import Numbers
from dynamics.state import State, storable
from dynamics.trajectory import Trajectory

Progress = Callable[[int, int], None]


def simulate(
    experiment: Experiment,
    *,
    float32: bool = False,
    device: str = "cpu",
    progress: Progress | None = None,
    watch: Callable[[State], None] | None = None,
    also: Iterable[str] = (),
) -> Trajectory:
    """Simulate an experiment: gradient descent step by step, or gradient flow by diffrax at rtol 1e-12.

    Metrics are computed at the saved times; only the last finite state is kept. A state that overflows ends the run:
    the later metrics are NaN and ``diverged_at`` is the first saved time that was lost. ``progress(done, total)`` is
    called at every saved time, and so is ``watch(state)``, with rows sorted by class. ``also`` names metrics of
    `dynamics.measure.ON_REQUEST` that join the others, without error bounds.

    Raises:
        InputError: an experiment that cannot be prepared, a device that is missing, an unknown metric, or a start that
            is too large for float32.
    """
    began = time.perf_counter()
    also = chosen("the metric", also, ON_REQUEST)
    problem, state = prepare(experiment)
    times = experiment.times()
    place = find_device(device)
    dtype = "float32" if float32 else "float64"
    with exact(place):
        zeta = experiment.method.zeta(times)
        scenario = type(experiment.scenario)
        numbers, limits, why = begin(experiment, problem, state, zeta[-1])
        numbers["rounding"] = np.float64(ROUNDING[dtype])
        reduction = reduced(scenario, experiment.method, problem, state, times)
        cast = _narrowed if float32 else jnp.asarray
        problem, reduction, numbers, limits = jax.tree.map(cast, (problem, reduction, numbers, limits))

        rows: list[dict[str, Any]] = []
        for moved in experiment.method.walk(scenario, numbers, reduction.problem, reduction.state, times):
            if not _finite(moved.state):
                break
            point = Point(reduction.unmixed(moved.state), moved.twin and reduction.unmixed(moved.twin), moved.error)
            state = point.state
            more = jax.device_get(measure_requested(scenario, also, problem, state)) if also else {}
            rows.append(_row(scenario, numbers, problem, limits, point) | more)
            if watch:
                watch(reduction.whole(state))
            if progress:
                progress(len(rows), len(times))
        if not rows:
            largest = max(float(np.max(np.abs(part))) for part in jax.tree.leaves(state))
            raise must("the largest number of the start", f"be finite in {dtype}", largest, "Scale it down.")
        columns = _columns(rows, len(times))
    alive = len(rows)
    if "nc1_pinv" in also and np.isnan(columns["nc1_pinv"][:alive]).any():
        why["nc1_pinv"] = NO_SPREAD
    errors = error_bounds(columns)
    for name in errors:
        errors[name] = errors[name] + columns.get("twin_" + name, 0.0)
    return Trajectory(
        source="simulation",
        times=times,
        zeta=zeta,
        metrics={name: columns[name] for name in (*METRICS, *SIMULATION_ONLY, *also)},
        error=errors,
        classes={name: columns[name] for name in PER_CLASS},
        unit={name: columns["unit_" + name] for name in ("loss", "objective")},
        last=storable(0.0, unsorted(problem, reduction.whole(state))),
        experiment=experiment,
        seconds=time.perf_counter() - began,
        why=why,
        diverged_at=float(times[alive]) if alive < len(times) else None,
        device=place.platform,
        dtype=dtype,
    )


def begin(
    experiment: Experiment, problem: Problem, state: State, zeta: float
) -> tuple[Numbers, dict[str, State | None], dict[str, str]]:
    """Return the numbers that cross jit, the limits of the two distances, and why a limit is missing."""
    scenario, method = experiment.scenario, experiment.method.felt_by(experiment.scenario)
    numbers = {**scenario.numbers(), "ratio": np.float64(method.ratio), "zeta": np.float64(zeta)}
    numbers["operator"] = np.float64(problem.operator_norm())
    linear = problem.loss is None
    numbers["spectrum"] = jax.tree.map(np.float64, scenario.spectrum(numbers, problem) if linear else Spectrum())
    unknown = Limit(None, method.no_limit() if linear else f"no limit is known of {problem.loss.kind}")
    modes = method.folded(method.numbers(), numbers)
    found = {
        "distance": unknown if unknown.why else scenario.limit(modes, problem, state, method),
        "distance_zbar": scenario.zbar(numbers, problem, state) if linear else unknown,
    }
    limits = {name: limit.state for name, limit in found.items()}
    return numbers, limits, {name: limit.why for name, limit in found.items() if limit.state is None}


def _row(
    scenario: type[Scenario], numbers: Numbers, problem: Problem, limits: dict[str, State | None], point: Point
) -> dict[str, Any]:
    row = jax.device_get(measure(scenario, numbers, problem, limits, point.state, point.error))
    if point.twin is not None:
        twin = jax.device_get(measure(scenario, numbers, problem, limits, point.twin, point.error))
        with np.errstate(invalid="ignore"):
            row |= {"twin_" + name: abs(row[name] - twin[name]) for name in METRICS}
    return row


def _columns(rows: list[dict[str, Any]], length: int) -> dict[str, np.ndarray]:
    """Return each metric over all saved times, NaN after a divergence."""
    columns = {}
    for name in rows[0]:
        columns[name] = np.full((length, *np.shape(rows[0][name])), np.nan)
        columns[name][: len(rows)] = [row[name] for row in rows]
    return columns


def _finite(state: State) -> bool:
    return all(bool(jnp.all(jnp.isfinite(part))) for part in jax.tree.leaves(state))


def _narrowed(x: Any) -> Any:
    """Return an array with float32 in place of float64."""
    x = np.asarray(x)
    with np.errstate(over="ignore"):  # a start too large for float32 is refused
        return jnp.asarray(x.astype(np.float32) if x.dtype == np.float64 else x)


def unsorted(problem: Problem, state: State) -> State:
    """Return a state as NumPy float64, features in the order of the input."""
    features, *others = (np.asarray(x, np.float64) for x in (state.features, state.prototypes, state.biases))
    return State(problem.restore(features), *others)
