"""All metrics of a simulated state, and the bounds on their errors."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynamics.metrics.accuracy import accuracies
from dynamics.metrics.centres import nc1_pinv, ncc
from dynamics.metrics.collapse import collapse
from dynamics.metrics.distance import chord, log_norm
from dynamics.metrics.loss import losses
from dynamics.problem import Problem
from dynamics.scenario import Scenario, symmetric_norm
from dynamics.schedule import Numbers
from dynamics.state import State, norm

METRICS = (
    "loss",
    "objective",
    "log_abs_loss",
    "log_norm",
    "accuracy",
    "alignment",
    "nc1",
    "nc2",
    "nc3",
    "distance",
    "distance_zbar",
)
SIMULATION_ONLY = ("accuracy_raw",)
PER_CLASS = ("share_prototypes", "share_means")
ON_REQUEST = ("nc1_pinv", "ncc")  # at the paper's size each takes a third of the time of all others together
ABOUT = {
    "loss": "The mean loss over the samples, without decay.",
    "objective": "The loss with the terms of weight decay.",
    "log_abs_loss": "ln |loss|, where the loss itself may overflow.",
    "log_norm": "ln |(H, W)|.",
    "accuracy": "Share of samples whose largest logit is their class's; ties go to the lowest class.",
    "alignment": "The cosine of class means and prototypes, both centred.",
    "nc1": "Scatter within classes over that of the class means, each summed over samples.",
    "nc2": "Distance of the normalised Gram matrix of the centred class means from that of a simplex ETF.",
    "nc3": "Distance of the normalised centred class means from the normalised centred prototypes (self-duality).",
    "distance": "Distance of Z/|Z| from its limit.",
    "distance_zbar": "Distance of Z/|Z| from the paper's limit (balanced classes).",
    "accuracy_raw": "The accuracy as a training loop takes it; simulated only.",
    "share_prototypes": "Each class's share of the norm of the centred prototypes.",
    "share_means": "Each class's share of the norm of the centred class means.",
    "nc1_pinv": "tr(S_W S_B^+)/C, on request: run --also, sweep --metrics.",
    "ncc": "Share of samples whose predicted class has the nearest mean, on request.",
}
NO_SPREAD = "all class means are equal, so S_B = 0"


@partial(jax.jit, static_argnums=0)
def measure(
    scenario: type[Scenario],
    numbers: Numbers,
    problem: Problem,
    limits: dict[str, State | None],
    state: State,
    error: Any,
) -> dict[str, Any]:
    """Return every metric at one state, with what `error_bounds` needs; ``limits`` are those of the two distances."""
    doubt = scenario.doubt(numbers, state, error)
    seen = scenario.seen(state)
    doubt_seen = scenario.doubt(numbers, seen, error)
    result = {
        **losses(numbers, problem, seen, state),
        **accuracies(problem, seen, doubt_seen, numbers["rounding"]),
        "doubt_loss": doubt_seen.prototypes * norm(problem.pull(seen.features))
        + numbers["operator"] * doubt_seen.all_features * norm(seen.prototypes),
        **collapse(problem, state),
        "log_norm": log_norm(state),
        "norm": symmetric_norm(numbers, state),
        "relative": doubt.relative,
        "doubt_distance": doubt.distance,
    }
    for name, limit in limits.items():
        result[name] = jnp.full((), jnp.nan) if limit is None else chord(*scenario.compared(state, limit))
    return result


@partial(jax.jit, static_argnums=(0, 1))
def measure_requested(
    scenario: type[Scenario], names: tuple[str, ...], problem: Problem, state: State
) -> dict[str, Any]:
    """Return metrics of `ON_REQUEST` at one state: ``ncc`` of the features that the loss sees, as the accuracy is."""
    found = {"nc1_pinv": lambda: nc1_pinv(problem, state), "ncc": lambda: ncc(problem, scenario.seen(state))}
    return {name: found[name]() for name in names}


def error_bounds(rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    r"""Return a bound on the rounding error of each metric, absolute, shape (times,).

    With e the carried error relative to |Z|: e for the log-norm; 2e units for a loss, or $|\delta W||HM'| +
    |W||M||\delta H|$ where that is more (HM' may all but cancel), and the rounding of its own sum; the scenario's
    bound for a distance; $2e(|Z|/|X| + |Z|/|Y|)$ for what divides by a centred part. A ratio of squares such as nc1
    moves by twice the relative errors of its two norms, $2e\,(|Z|/B)(\sqrt{nc1} + nc1)$ with B its denominator's
    norm; the larger of the two bounds is taken.
    """
    e, size = rows["relative"], rows["norm"]
    # No denominator, or an overflow: no bound, and so never judged.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        centred = 2 * e * (size / rows["norm_x"] + size / rows["norm_y"])
        scatter = 2 * e * (size / rows["norm_between"]) * (np.sqrt(rows["nc1"]) + rows["nc1"])
        loss = np.maximum(2 * e * rows["unit_loss"], rows["doubt_loss"]) + rows["rounding_loss"]
        return {
            "loss": loss,
            "objective": np.maximum(loss, 2 * e * rows["unit_objective"]),
            "log_abs_loss": loss / np.abs(rows["loss"]),
            "log_norm": e,
            "accuracy": rows["doubtful"],
            "alignment": centred,
            "nc1": np.maximum(centred * np.maximum(rows["nc1"], 1e-6), scatter),
            "nc2": centred,
            "nc3": centred,
            "distance": rows["doubt_distance"],
            "distance_zbar": rows["doubt_distance"],
        }
