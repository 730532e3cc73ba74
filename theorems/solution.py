"""The exact solution of an experiment as a trajectory."""

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynamics.errors import chosen, must
from dynamics.experiment import Experiment
from dynamics.measure import METRICS, NO_SPREAD, ON_REQUEST, PER_CLASS
from dynamics.precision import exact
from dynamics.preparation import prepare
from dynamics.problem import Problem
from dynamics.simulation import unsorted
from dynamics.state import State, norm, rescaled
from dynamics.trajectory import Decay, Trajectory
from theorems.certified import accuracy
from theorems.closed_form import ClosedForm, find
from theorems.margins import terms
from theorems.scatter import nc1_pinv
from theorems.snapshot import Frame

UNRESOLVED = "at some times float64 holds no more than rounding of some features, or of differences of prototypes"


TOGETHER = 64  # times of one compiled call, so that one compilation serves any number of them

Measure = Callable[[Any, State], dict[str, Any]]


def solve(
    experiment: Experiment,
    *,
    times: Any = None,
    measure: Measure | None = None,
    names: Iterable[str] = (*METRICS, *PER_CLASS),
    start: tuple[Problem, State] | None = None,
) -> Trajectory:
    """Return the exact solution: every metric at every saved time, and the final state, right at any horizon.

    ``names`` are the metrics wanted, all others are not computed: `dynamics.measure` has them, those of ON_REQUEST
    found only if named; ``start`` is what `prepare` returns, if at hand, in arrays of NumPy or JAX. ``times`` (steps or
    t, ascending) are instead of the saved ones. What ``measure(log_scale, state)`` finds at them, rows sorted by class,
    joins the metrics; it is traced: a pytree such as `jax.tree_util.Partial`, whose arrays may differ without a new
    compilation.

    Raises:
        InputError: an experiment that cannot be prepared, times outside it, which no rates are known for, or an
            unknown metric.
        NoExactSolution: no closed form covers it.
    """
    began = time.perf_counter()
    names = chosen("the metric", names, (*METRICS, *PER_CLASS, *ON_REQUEST))
    times = experiment.times() if times is None else _within(experiment, times)
    problem, state = prepare(experiment) if start is None else jax.device_get(start)
    with exact():
        form = find(experiment).of(experiment, problem, state)
        ticks = form.ticks(experiment, problem, times)
        columns = form_columns(names, experiment, form, problem, ticks)
        others = jax.device_get(_measured(measure, form, problem, ticks)) if measure else {}
        last = jax.device_get(form_state(form, problem, jax.tree.map(lambda x: x[-1], ticks)))
        decay = form.decay(experiment, ticks)
        zeta = experiment.method.zeta(times)
    reasons = {"accuracy": UNRESOLVED, "ncc": UNRESOLVED, "nc1_pinv": NO_SPREAD}
    undecided = {name: why for name, why in reasons.items() if np.isnan(columns.get(name, 0.0)).any()}
    return Trajectory(
        source="closed_form",
        times=times,
        zeta=zeta,
        metrics={name: columns[name] for name in (*METRICS, *ON_REQUEST) if name in columns} | others,
        classes={name: np.asarray(columns[name]) for name in PER_CLASS if name in columns},
        last=(float(last[0]), unsorted(problem, last[1])),
        experiment=experiment,
        seconds=time.perf_counter() - began,
        why=form.why | undecided,
        notes=form.notes(),
        decay=decay,
    )


def unsolved(simulation: Trajectory, why: str) -> Trajectory:
    """Return what stands for the exact solution of an experiment that has none: no value, and ``why``."""
    log_scale, state = simulation.last
    blank = np.full(len(simulation.times), np.nan)
    names = [name for name in (*METRICS, *ON_REQUEST) if name in simulation.metrics]
    return Trajectory(
        source="closed_form",
        times=simulation.times,
        zeta=simulation.zeta,
        metrics=dict.fromkeys(names, blank),
        classes={name: np.full_like(values, np.nan) for name, values in simulation.classes.items()},
        last=(log_scale, jax.tree.map(lambda part: np.full_like(part, np.nan), state)),
        experiment=simulation.experiment,
        seconds=0.0,
        why=dict.fromkeys(names, why) | simulation.why,
        decay=Decay(None, None, why),
    )


def exact_states(
    experiment: Experiment, times: np.ndarray, *, start: tuple[Problem, State] | None = None
) -> list[tuple[float, State]]:
    """Return (log_scale, State) at the given times (steps or t, ascending), rows in the order of the input.

    The true arrays are e^log_scale times the stored; log_scale is 0 whenever |Z| < 1e150. ``start`` is what `prepare`
    returns, if at hand.

    Raises:
        InputError: times outside the experiment, which no rates are known for.
    """
    times, form = _within(experiment, times), find(experiment)
    problem, state = prepare(experiment) if start is None else start
    with exact():
        stacked = form.states(experiment, problem, state, times)
        if stacked is not None:
            parts = (stacked[0], stacked[1].features, stacked[1].prototypes, stacked[1].biases)
            each = zip(*map(np.asarray, parts), strict=True)
            return [(float(scale), unsorted(problem, State(*state))) for scale, *state in each]
        form = form.of(experiment, problem, state)
        ticks = form.ticks(experiment, problem, times)
        found = []
        for i in range(len(times)):
            log_scale, state = jax.device_get(form_state(form, problem, jax.tree.map(lambda x, i=i: x[i], ticks)))
            found.append((float(log_scale), unsorted(problem, state)))
    return found


def form_columns(
    names: tuple[str, ...], experiment: Experiment, form: ClosedForm, problem: Problem, ticks: Any
) -> dict[str, np.ndarray]:
    """Return the metrics ``names`` at all ticks of a form, (T, ...) each; NaN for one that has no value."""
    frame = frame_of(experiment, problem)
    compiled = tuple(name for name in names if name not in ("accuracy", "nc1_pinv"))
    columns = jax.device_get(form_metrics(compiled, frame, form, problem, ticks)) if compiled else {}
    if "accuracy" in names:
        columns["accuracy"] = _accuracy(frame, form, problem, ticks)[0]
    if "nc1_pinv" in names:
        each = (jax.tree.map(lambda x, i=i: x[i], ticks) for i in range(len(jax.tree.leaves(ticks)[0])))
        columns["nc1_pinv"] = np.array([nc1_pinv(form.scatter(problem, tick)) for tick in each])
    return {name: np.where(name in form.why, np.nan, column) for name, column in columns.items()}


def _within(experiment: Experiment, times: Any) -> np.ndarray:
    method, times = experiment.method, np.asarray(times)
    wrong = times[~((times >= 0) & (times <= method.horizon))]
    if wrong.size:
        span = f"lie between 0 and the experiment's {method.length}, {method.horizon:g}"
        raise must("times", span, float(wrong.flat[0]), f"Set method.{method.length} higher.")
    return times


def _accuracy(frame: Frame, form: ClosedForm, problem: Problem, ticks: Any) -> tuple[np.ndarray, int]:
    """Return the accuracy at all ticks, and how many margins were evaluated or bounded for it."""
    motions = form.motions(problem, ticks)
    found = None if motions is None else terms(motions, problem.labels)
    count = len(jax.tree.leaves(ticks)[0])

    def alone(indices: np.ndarray) -> np.ndarray:
        several = [np.pad(part, (0, -len(part) % TOGETHER), mode="edge") for part in _cut(indices)]
        rows = [
            form_metrics(("accuracy",), frame, form, problem, jax.tree.map(lambda x, i=i: x[i], ticks)) for i in several
        ]
        return np.concatenate([row["accuracy"] for row in rows])[: len(indices)]

    if found is None:
        return alone(np.arange(count)), count * len(problem.labels) * (problem.classes - 1)
    return accuracy(found, alone)


def _cut(indices: np.ndarray) -> list[np.ndarray]:
    return np.split(indices, range(TOGETHER, len(indices), TOGETHER))


@jax.jit
def form_state(form: ClosedForm, problem: Problem, tick: Any) -> tuple[Any, State]:
    """Return (log_scale, State) of a form at one tick, as it is stored."""
    log_scale, state = form.state(problem, tick)
    return rescaled(log_scale, log_scale + jnp.log(jnp.hypot(norm(state.features), norm(state.prototypes))), state)


@jax.jit
def _measured(measure: Any, form: ClosedForm, problem: Problem, ticks: Any) -> dict[str, Any]:
    return jax.lax.map(lambda tick: measure(*form.state(problem, tick)), ticks)


@partial(jax.jit, static_argnums=0)
def form_metrics(
    names: tuple[str, ...], frame: Frame, form: ClosedForm, problem: Problem, ticks: Any
) -> dict[str, Any]:
    """Return the metrics ``names`` of a form at all ticks, (T, ...) each."""
    return form.curves(frame, problem, ticks, names)


def frame_of(experiment: Experiment, problem: Problem) -> Frame:
    """Return what the metrics of an experiment read and time does not change."""
    numbers = experiment.scenario.numbers()
    decays = (numbers["lambda_h"], numbers["lambda_w"], numbers["lambda_b"])
    return Frame(problem.labels, decays)
