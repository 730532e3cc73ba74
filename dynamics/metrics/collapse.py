"""Alignment and the neural-collapse metrics."""

from typing import Any

import jax.numpy as jnp

from dynamics.problem import Problem
from dynamics.state import State, norm, unit_size


def collapse(problem: Problem, state: State) -> dict[str, Any]:
    r"""Return alignment, nc1, nc2, nc3 and the norms that their errors divide by.

    With $\mu_c$ the class means, X the class means minus their unweighted mean, Y = W minus its column mean,
    P = I - 11'/C: ``alignment`` $=\langle X,Y\rangle/(|X||Y|)$; ``nc1``
    $=\sum_i|h_i-\mu_{y_i}|^2/\sum_c n_c|\mu_c-\bar h|^2$, $\bar h$ the mean of all features; ``nc2``
    $=|X'X/|X'X| - P/\sqrt{C-1}|$; ``nc3`` $=|X/|X| - Y/|Y||$. A zero denominator gives NaN. The shares (C,) are each
    class's part of Y and of X, $|y_c|/|Y|$ and $|x_c|/|X|$: who pulls ahead.
    """
    features, scale = unit_size(state.features)
    prototypes, prototypes_scale = unit_size(state.prototypes)
    classes = problem.classes
    means = problem.class_means(features)
    x = means - jnp.mean(means, axis=0)
    y = prototypes - jnp.mean(prototypes, axis=0)
    residual = norm(features - means[problem.labels])
    overall = jnp.sum(problem.sizes[:, None] * means, axis=0) / problem.samples
    between = norm(jnp.sqrt(problem.sizes)[:, None] * (means - overall))
    unit_x, unit_y = x / norm(x), y / norm(y)
    gram = unit_x @ unit_x.T
    simplex = (jnp.eye(classes) - 1 / classes) / jnp.sqrt(classes - 1.0)
    return {
        "alignment": jnp.sum(unit_x * unit_y),
        "nc1": jnp.where(between > 0, (residual / between) ** 2, jnp.nan),
        "nc2": jnp.linalg.norm(gram / jnp.linalg.norm(gram) - simplex),
        "nc3": norm(unit_x - unit_y),
        "share_prototypes": jnp.linalg.norm(unit_y, axis=1),
        "share_means": jnp.linalg.norm(unit_x, axis=1),
        "norm_x": norm(x) * scale,
        "norm_y": norm(y) * prototypes_scale,
        "norm_between": between * scale,
    }
