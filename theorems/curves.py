r"""Curves of a figure: what the panels of the paper show and the metrics do not hold, along exact and simulated runs.

Dictionary: |H|, |W| are Frobenius norms; Hbar and Wbar are the parts of the state's limit for gamma < 2/(C-2), whatever
gamma is (Corollaries 3 and 5): with F = h~/sqrt s and (sin, cos) the growing axis of S(sigma1) in (F, W),

    (Fbar, Wbar) = (sin, cos) (sin F0 + cos W0)P,   Hbar = sqrt s Fbar (x) 1_N'/sqrt N.

In the spherical and anchored cases only the metrics and norms are used.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from dynamics.experiment import Experiment
from dynamics.metrics.distance import chord
from dynamics.precision import exact
from dynamics.preparation import prepare
from dynamics.simulation import simulate
from dynamics.state import State
from theorems.modes import axes
from theorems.snapshot import centre
from theorems.solution import solve

Columns = dict[str, np.ndarray]


def exact_columns(experiment: Experiment) -> tuple[np.ndarray, Columns]:
    """Return (times, columns) of the exact solution: the metrics, and what `measured` adds."""
    found = solve(experiment, measure=Partial(measured, contrast_limit(experiment)))
    return found.times, _with_norms(found.metrics)


def simulated_columns(experiment: Experiment) -> tuple[np.ndarray, Columns]:
    """Return (times, columns) of the simulation: the metrics, and what `measured` adds."""
    limit, rows = contrast_limit(experiment), []
    with exact():
        found = simulate(experiment, watch=lambda state: rows.append(jax.device_get(_measured(limit, state))))
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return found.times, _with_norms(found.metrics | columns)


def measured(limit: tuple[Any, Any], log_scale: Any, state: State) -> dict[str, Any]:
    """Return ln|H|, ln|W|, the distances of H^ and W^ from Hbar^ and Wbar^, and |W - Wbar|, lifted by e^log_scale.

    A hat means "divided by its norm".
    """
    h, w = state.features, state.prototypes
    lift = jnp.maximum(log_scale, 0.0)
    return {
        "log_features": jnp.log(jnp.linalg.norm(h)) + log_scale,
        "log_prototypes": jnp.log(jnp.linalg.norm(w)) + log_scale,
        "features_distance": chord(h, limit[0], 1),
        "prototypes_distance": chord(w, limit[1], 1),
        "prototypes_gap": jnp.linalg.norm(w * jnp.exp(log_scale - lift) - limit[1] * jnp.exp(-lift)) * jnp.exp(lift),
    }


@jax.jit
def _measured(limit: tuple[Any, Any], state: State) -> dict[str, Any]:
    return measured(limit, 0.0, state)


def contrast_limit(experiment: Experiment) -> tuple[np.ndarray, np.ndarray]:
    """Return (Hbar, Wbar), rows (n, p) sorted by class and (C, p), at the decays' critical strength.

    Balanced classes only: N samples each.
    """
    problem, start = prepare(experiment)
    classes, n = problem.classes, problem.samples
    per_class = n // classes
    numbers, s = experiment.scenario.numbers(), experiment.method.ratio
    sigma = (1 + float(problem.gamma)) / (classes * np.sqrt(per_class))
    axis = axes(sigma, s, numbers["lambda_h"], numbers["lambda_w"])
    with exact():
        means = np.asarray(problem.class_means(start.features))
    reduced = np.sqrt(per_class / s) * means
    part = centre(axis.sin * reduced + axis.cos * np.asarray(start.prototypes))
    features = np.repeat(axis.sin * np.sqrt(s / per_class) * part, per_class, axis=0)
    return features, axis.cos * part


def _with_norms(columns: Columns) -> Columns:
    """Add the norms themselves, and ln(|H|/|W|)."""
    with np.errstate(over="ignore"):
        norms = {"norm": "log_norm", "features_norm": "log_features", "prototypes_norm": "log_prototypes"}
        found = {name: np.exp(columns[log]) for name, log in norms.items()}
    return columns | found | {"log_ratio": columns["log_features"] - columns["log_prototypes"]}


def steps(experiment: Experiment, count: int, points: int) -> Experiment:
    """Return the experiment ended after ``count`` steps (or its own number) and saved at ``points`` times."""
    tables: dict[str, Any] = experiment.to_dict()
    tables["method"] = tables["method"] | {"steps": min(count, tables["method"]["steps"])}
    tables["output"] = {"points": points}
    return Experiment.from_dict(tables, name=experiment.name)
