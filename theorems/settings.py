r"""Metrics of many settings of one experiment at once, in one compilation.

A start is reduced once (`ClosedForm.keep`); gamma, smoothing, decays, rates, schedules and the scales of the start are
numbers that meet it afterwards. So a setting costs O(T), and the start is read once for all of them.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynamics.errors import must
from dynamics.experiment import Experiment, changed
from dynamics.measure import ON_REQUEST
from dynamics.method import Timing
from dynamics.precision import exact
from dynamics.preparation import prepare
from dynamics.problem import Problem
from dynamics.simulation import simulate
from dynamics.state import State
from dynamics.trajectory import Trajectory
from theorems.closed_form import ClosedForm, find, scenario_numbers
from theorems.closed_forms.stepped import Stepped
from theorems.reduced import reducible, simulate_reduced
from theorems.snapshot import Frame
from theorems.solution import form_columns, solve
from theorems.workers import side_by_side

WIDE = {"xla_cpu_prefer_vector_width": 512}  # bits; XLA's own choice of 256 takes a sixth more time
DRAWN = ("start.", "scenario.kernel_")  # keys of what is drawn
SCALES = ("scale_h", "scale_w")  # of the start; a start drawn at 1 is multiplied by them


def curves(
    experiment: Experiment,
    changes: Mapping[str, Sequence[float]],
    names: Sequence[str],
    *,
    simulated: bool = False,
    sharding: Any = None,
    start: tuple[Problem, State] | None = None,
) -> dict[str, np.ndarray]:
    """Return the metrics ``names`` of S settings, each (S, T), at the times that `clocks` returns.

    ``changes`` maps keys "table.key" to S values each: real numbers, or seeds. ``sharding`` says how S is laid out over
    devices. ``start`` is what `prepare` returns, if at hand; else it is drawn or read, once for every seed. With
    ``simulated``, the settings are simulated step by step, in reduced form where there is one. Metrics that only the
    rows of classes tell, such as the accuracy, are found one setting after the other.

    Raises:
        InputError: a setting that is no experiment, or a start beside changes of it.
        NoExactSolution: no closed form covers the experiment.
    """
    count, moved = len(next(iter(changes.values()))), [key for key in changes if key.startswith(DRAWN)]
    if start is not None and moved:
        raise must("start", "be left out where the changes draw another one", ", ".join(moved))
    reduced = simulated and reducible(experiment)
    form = Stepped if reduced else None if simulated else find(experiment)
    found = _together(form, experiment, changes, tuple(names), sharding, start) if form else {}
    rest = [name for name in names if name not in found]
    if not rest:
        return found
    each = [changed(experiment, {key: values[k] for key, values in changes.items()}) for k in range(count)]
    if form is None or reduced:
        also = [name for name in rest if name in ON_REQUEST]
        run = partial(simulate_reduced, names=rest) if reduced and not also else partial(simulate, also=also)
        rows = [_columns(run(setting)) for setting in each]
    elif moved:
        rows = [_columns(solve(setting, names=rest)) for setting in each]
    else:
        rows = _alone(form, start or prepare(experiment), each, tuple(rest))
    return found | {name: np.stack([row[name] for row in rows]) for name in rest}


def _columns(found: Trajectory) -> dict[str, np.ndarray]:
    return found.metrics | found.classes


def _alone(
    form: type[ClosedForm], start: tuple[Problem, State], each: list[Experiment], names: tuple[str, ...]
) -> list[dict[str, np.ndarray]]:
    """Return metrics of each setting, all from one start."""

    def one(setting: Experiment) -> dict[str, np.ndarray]:
        gamma, smoothing = setting.problem.gamma_value(problem.classes), setting.problem.label_smoothing
        own = dataclasses.replace(problem, gamma=np.float64(gamma), smoothing=np.float64(smoothing))
        with exact():
            solution = build(setting, own)
            ticks = solution.ticks(setting, own, setting.times())
            return form_columns(names, setting, solution, own, ticks)

    with side_by_side(len(each)) as run:
        with exact():
            problem, state = jax.device_get(start)
            build = form.builder(problem, state)
        return list(run(one, each))


def clocks(experiment: Experiment, changes: Mapping[str, Sequence[float]]) -> dict[str, np.ndarray]:
    """Return the saved times and zeta of S settings, "time" and "zeta", (S, T) each: of `curves` with these changes."""
    count, times = len(next(iter(changes.values()))), experiment.times()
    if not any(key.startswith("method.") and key != "method.ratio" for key in changes):
        rows = {"time": times, "zeta": experiment.method.zeta(times)}
        return {name: np.broadcast_to(row, (count, len(times))) for name, row in rows.items()}
    with exact():
        batch = _numbers(experiment, changes, count, False)
        return jax.device_get(_clocks(_timing(experiment, changes), times, batch))


def _together(
    form: type[ClosedForm],
    experiment: Experiment,
    changes: Mapping[str, Sequence[float]],
    names: tuple[str, ...],
    sharding: Any,
    start: tuple[Problem, State] | None,
) -> dict[str, np.ndarray]:
    """Return those metrics that one compiled call finds for all settings, or nothing."""
    count = len(next(iter(changes.values())))
    with exact():
        starts, places = _starts(experiment, changes.get("start.seed", [experiment.start.seed] * count), start)
        problem = starts[0][0]
        kept = [form.keep(*one, names) for one in starts]
        if kept[0] is None:
            return {}
        batch = _numbers(experiment, changes, count, start is None)
        if len(kept) > 1:
            kept += kept[-1:] * (2 ** (len(kept) - 1).bit_length() - len(kept))  # few lengths, few compilations
            kept, batch["place"] = [jax.tree.map(lambda *parts: np.stack(parts), *kept)], places
        if sharding is not None:
            batch = jax.device_put(batch, sharding)
        timing = _timing(experiment, changes)
        return jax.device_get(_curves(form, names, kept[0], problem, timing, experiment.times(), batch))


def _starts(
    experiment: Experiment, seeds: Sequence[float], start: tuple[Problem, State] | None
) -> tuple[list[tuple[Problem, State]], np.ndarray]:
    """Return the start of every seed at scale 1, and which of them each setting has."""
    if start is not None:
        return [start], np.zeros(len(seeds), dtype=int)
    known, places = np.unique(np.asarray(seeds, dtype=int), return_inverse=True)
    unit = {f"start.{name}": 1.0 for name in SCALES}
    return [prepare(changed(experiment, {**unit, "start.seed": int(seed)})) for seed in known], places


def _timing(experiment: Experiment, changes: Mapping[str, Sequence[float]]) -> Timing:
    """Return the clock that all settings share: steady only if none of them warms up."""
    timing = experiment.method.timing()
    return dataclasses.replace(timing, steady=timing.steady and "method.warmup" not in changes)


def _numbers(
    experiment: Experiment, changes: Mapping[str, Sequence[float]], count: int, scaled: bool
) -> dict[str, Any]:
    """Return every number that a setting can change, (S,) each; the start's scales are 1 unless it was drawn at 1."""
    table, method, start = experiment.problem, experiment.method, experiment.start
    pace = method.numbers()
    own = {
        "problem.gamma": np.nan if isinstance(table.gamma, str) else table.gamma,
        "problem.label_smoothing": table.label_smoothing,
        **{f"scenario.{name}": value for name, value in scenario_numbers(experiment).items()},
        "method.ratio": method.ratio,
        **{f"method.{name}": pace[name] for name in _own(pace)},
        f"method.{method.length}": pace["horizon"],
        **{f"method.{name}": value for name, value in pace["schedule"].items()},
        **{f"start.{name}": getattr(start, name) if scaled else 1.0 for name in SCALES},
    }
    return {key: np.broadcast_to(np.asarray(changes.get(key, value), float), count) for key, value in own.items()}


def _own(pace: dict[str, Any]) -> list[str]:
    """Return which of a method's numbers have the names of its keys."""
    return [name for name in pace if name not in ("horizon", "schedule")]


def _clock(timing: Timing, times: Any, numbers: dict[str, Any]) -> tuple[Timing, Any]:
    """Return the clock of one setting and its saved times, which are the same shares of its whole length."""
    length = f"method.{timing.method.length}"
    pace = {name: numbers[f"method.{name}"] for name in _own(timing.numbers)}
    pace["horizon"] = numbers[length]
    pace["schedule"] = {name: numbers[f"method.{name}"] for name in timing.numbers["schedule"]}
    longer = 1.0 if timing.steps else numbers[length] / timing.numbers["horizon"]
    return dataclasses.replace(timing, numbers=pace), times * longer


@jax.jit
def _clocks(timing: Timing, times: Any, batch: dict[str, Any]) -> dict[str, Any]:
    def one(numbers: dict[str, Any]) -> dict[str, Any]:
        clock, at = _clock(timing, times, numbers)
        return {"time": at, "zeta": clock.zeta(at)}

    return jax.vmap(one)(batch)


@partial(jax.jit, static_argnums=(0, 1), compiler_options=WIDE)
def _curves(
    form: type[ClosedForm], names: tuple[str, ...], kept: Any, problem: Problem, timing: Timing, times: Any,
    batch: dict[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """Return the metrics of every setting in a batch; what the form cannot measure without rows is left out."""

    def one(numbers: dict[str, Any]) -> dict[str, Any]:
        gamma = numbers["problem.gamma"]
        changed = dataclasses.replace(
            problem,
            gamma=jnp.where(jnp.isnan(gamma), problem.gamma, gamma),
            smoothing=numbers["problem.label_smoothing"],
        )
        own = {key.partition(".")[2]: x for key, x in numbers.items() if key.startswith(("scenario.", "start."))}
        own["ratio"] = numbers["method.ratio"]
        clock, at = _clock(timing, times, numbers)
        start = jax.tree.map(lambda parts: parts[numbers["place"]], kept) if "place" in numbers else kept
        solution = form.setting(start, changed, own, clock)
        frame = Frame(problem.labels, tuple(own.get(name, 0.0) for name in ("lambda_h", "lambda_w", "lambda_b")))
        found = solution.measured(frame, changed, solution.moving(clock, at))
        return {name: found[name] for name in names if name in found}

    return jax.vmap(one)(batch)
