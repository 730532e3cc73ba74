r"""A descent simulated without its samples: the coupled pair as 2 x 2 matrices, spherical features as two numbers each.

Exact whatever the two learning rates do (`theorems.closed_forms.stepped`): where eta1/eta2 varies from step to step, no
product formula exists.
"""

import dataclasses
import time
from collections.abc import Iterable
from typing import Any

import jax
import numpy as np

from dynamics.errors import chosen, must
from dynamics.experiment import Experiment, changed
from dynamics.measure import METRICS, PER_CLASS
from dynamics.precision import exact
from dynamics.preparation import prepare
from dynamics.simulation import unsorted
from dynamics.trajectory import Trajectory
from theorems.closed_forms.stepped import Stepped
from theorems.solution import form_metrics, form_state, frame_of, solve

PAIRS = ("unconstrained", "regularized")


def simulate_reduced(
    experiment: Experiment, *, ratios: Any = None, names: Iterable[str] = (*METRICS, *PER_CLASS)
) -> Trajectory:
    r"""Simulate a descent step by step as 2 x 2 matrices, or, in the spherical case, as two numbers per sample.

    The same steps as `dynamics.simulate` takes, up to rounding, and in no more time for many samples than for few;
    nothing overflows at any horizon. ``ratios`` (steps,) are $s_k = \eta_1/\eta_2$ of every step, instead of
    ``method.ratio``; if they vary, the two distances are NaN, since their limits are not known. ``names`` are the
    metrics wanted. Small distances end at rounding, as in any simulation.

    Raises:
        InputError: an experiment that cannot be prepared, is no descent, or has a kernel or anchored prototypes; or
            ratios that are not one number >= 0 for every step, or an unknown metric.
    """
    began = time.perf_counter()
    names = chosen("the metric", names, (*METRICS, *PER_CLASS))
    _check(experiment, ratios)
    if experiment.scenario.kind == "spherical":
        return dataclasses.replace(solve(experiment, names=names), source="simulation", decay=None)
    if ratios is not None and np.ptp(ratios) == 0:
        experiment, ratios = changed(experiment, {"method.ratio": float(ratios[0])}), None
    problem, start = prepare(experiment)
    times = experiment.times()
    with exact():
        form = Stepped.of(experiment, problem, start)
        form = form if ratios is None else form.varied(np.asarray(ratios, dtype=float))
        ticks = form.ticks(experiment, problem, times)
        columns = jax.device_get(form_metrics(names, frame_of(experiment, problem), form, problem, ticks))
        log_scale, last = jax.device_get(form_state(form, problem, jax.tree.map(lambda x: x[-1], ticks)))
        zeta = experiment.method.zeta(times)
    return Trajectory(
        source="simulation",
        times=times,
        zeta=zeta,
        metrics={name: columns[name] for name in METRICS if name in columns},
        classes={name: columns[name] for name in PER_CLASS if name in columns},
        last=(float(log_scale), unsorted(problem, last)),
        experiment=experiment,
        seconds=time.perf_counter() - began,
        why=form.why,
    )


def reducible(experiment: Experiment) -> bool:
    """Return whether an experiment is a descent of the coupled pair."""
    covered = experiment.problem.linear and experiment.scenario.kind in PAIRS
    return covered and experiment.method.kind == "descent"


def _check(experiment: Experiment, ratios: Any) -> None:
    """Refuse what has no reduction, and ratios that do not fit."""
    scenario, method = experiment.scenario.kind, experiment.method
    if method.kind != "descent" or scenario not in (*PAIRS, "spherical"):
        covered = "be a descent of the unconstrained, regularized or spherical kind"
        raise must("a reduced simulation", covered, f"{scenario} by {method.kind}", "Use dynamics.simulate.")
    if ratios is None:
        return
    if scenario == "spherical":
        raise must("ratios", "not be given in the spherical case", scenario, "Only eta1 moves it: set a schedule.")
    ratios, steps = np.asarray(ratios, dtype=float), int(method.horizon)
    if ratios.shape != (steps,):
        raise must("ratios", f"have the shape ({steps},), one for every step", ratios.shape)
    wrong = ratios[~((ratios >= 0) & np.isfinite(ratios))]
    if wrong.size:
        raise must("ratios", "be finite numbers >= 0", float(wrong[0]))
