"""Accuracy, from centred prototypes and as a training loop takes it."""

from typing import Any

import jax.numpy as jnp

from dynamics.problem import Problem
from dynamics.scenario import Doubt
from dynamics.state import State, unit_size


def accuracies(problem: Problem, seen: State, doubt: Doubt, rounding: Any) -> dict[str, Any]:
    r"""Return ``accuracy``, ``accuracy_raw`` and the share of samples whose margin is below its own error.

    The logits of ``accuracy`` are $(w_c - \bar w)\cdot h_i + b_c - \bar b$: what all classes share cancels in exact
    arithmetic, while in floating point it may drown the differences (theory: Figure 1(b) of the paper).
    ``accuracy_raw`` uses $w_c\cdot h_i + b_c$. Ties go to the lowest class.
    """
    features, features_scale = unit_size(seen.features)
    prototypes, scale = unit_size(seen.prototypes)
    biases = (seen.biases - jnp.mean(seen.biases)) / features_scale / scale
    centred = prototypes - jnp.mean(prototypes, axis=0)
    logits = centred_logits(seen)
    own = jnp.take_along_axis(logits, problem.labels[:, None], axis=1)[:, 0]
    others = jnp.where(problem.labels[:, None] == jnp.arange(problem.classes), -jnp.inf, logits)
    margin = jnp.abs(own - jnp.max(others, axis=1))

    lengths = jnp.linalg.norm(features, axis=1)
    largest = jnp.max(jnp.linalg.norm(centred, axis=1))
    whole = jnp.max(jnp.linalg.norm(prototypes, axis=1))
    # Of a difference of two rows: the carried error, the centring, and the dot product itself.
    prototypes_error = 2 * (doubt.prototypes / scale + 2 * rounding * whole)
    features_error = doubt.features / features_scale + features.shape[1] * rounding * lengths
    error = prototypes_error * lengths + 2 * largest * features_error + 4 * rounding * jnp.max(jnp.abs(biases))
    raw = features @ prototypes.T + seen.biases / features_scale / scale
    return {
        "accuracy": share(jnp.argmax(logits, axis=1) == problem.labels),
        "accuracy_raw": share(jnp.argmax(raw, axis=1) == problem.labels),
        "doubtful": share(margin <= error),
    }


def centred_logits(seen: State) -> Any:
    """Return the logits of centred prototypes and biases, (n, C), divided by the scales of features and prototypes."""
    features, features_scale = unit_size(seen.features)
    prototypes, scale = unit_size(seen.prototypes)
    biases = (seen.biases - jnp.mean(seen.biases)) / features_scale / scale
    return features @ (prototypes - jnp.mean(prototypes, axis=0)).T + biases


def share(flags: Any) -> Any:
    """Return the mean of booleans in float64: `jnp.mean` would take float32."""
    return jnp.sum(flags, dtype=jnp.float64) / flags.size
