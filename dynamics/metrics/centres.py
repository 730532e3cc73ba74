"""Neural collapse as seen from the class centres: the pseudo-inverse form of NC1, and NC4."""

from typing import Any

import jax
import jax.numpy as jnp

from dynamics.metrics.accuracy import centred_logits, share
from dynamics.problem import Problem
from dynamics.state import State, unit_size


def nc1_pinv(problem: Problem, state: State) -> Any:
    r"""Return $\operatorname{tr}(S_W S_B^+)/C$, NC1 as Papyan, Han and Donoho (2020) have it.

    $S_W = \frac1n\sum_i(h_i-\mu_{y_i})(h_i-\mu_{y_i})'$ is a mean over samples, $S_B = \frac1C\sum_c x_c x_c'$ a mean
    over classes, x the class means minus their unweighted mean. With X = (x_c) (C, p) of rank r <= min(p, C - 1), its
    singular values $\sigma_k$ and its axes $v_k$ in feature space, that is

        (1/n) sum_i sum_k ((h_i - mu_{y_i}) . v_k / sigma_k)^2,

    a sum of squares: never negative. Singular values of X of at most max(C, p) epsilons of the largest count as zero,
    the default of NumPy's `matrix_rank`, and at most C - 1 are kept; so the scale of the features does not matter. No
    class means that differ, S_B = 0: NaN.
    """
    features = unit_size(state.features)[0]
    means = problem.class_means(features)
    x = _centred(_centred(means))  # twice: what one mean leaves of a large common part would be a direction of its own
    _, sizes, axes = jnp.linalg.svd(x, full_matrices=False)
    cut = max(x.shape) * jnp.finfo(x.dtype).eps * sizes[0]
    kept = (sizes > cut) & (jnp.arange(len(sizes)) < problem.classes - 1)
    inside = (features - means[problem.labels]) @ axes.T
    scaled = jnp.where(kept, inside / jnp.where(kept, sizes, 1.0), 0.0)
    return jnp.where(sizes[0] > 0, jnp.sum(scaled**2) / problem.samples, jnp.nan)


def ncc(problem: Problem, seen: State) -> Any:
    r"""Return NC4: the share of samples whose largest logit is that of the class with the nearest mean.

    The logits are those of ``accuracy``, from centred prototypes and biases; ties go to the lowest class on both sides.
    With $r_i = h_i - \mu_{y_i}$ the nearest mean is the least
    $|\mu_{y_i}-\mu_c|^2 + 2r_i\cdot(\mu_{y_i}-\mu_c)$, zero for the own class: no distance of two large vectors.
    """
    features = unit_size(seen.features)[0]
    means = problem.class_means(features)
    x = _centred(means)
    squares = jax.lax.map(lambda row: jnp.sum((x - row) ** 2, axis=1), x)
    along = (features - means[problem.labels]) @ x.T
    own = jnp.take_along_axis(along, problem.labels[:, None], axis=1)
    nearest = jnp.argmin(squares[problem.labels] + 2 * (own - along), axis=1)
    return share(jnp.argmax(centred_logits(seen), axis=1) == nearest)


def _centred(rows: Any) -> Any:
    return rows - jnp.mean(rows, axis=0)
