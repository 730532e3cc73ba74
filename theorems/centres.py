"""The nearest class mean of every sample of a snapshot, and how often the classifier agrees with it (NC4)."""

from typing import Any

import jax
import jax.numpy as jnp

from dynamics.problem import Problem
from theorems.snapshot import Features, Frame, Part, Snapshot, predicted, total


def ncc(frame: Frame, problem: Problem, snap: Snapshot) -> Any:
    """Return the share of samples whose predicted class has the nearest mean; NaN where float64 does not hold it."""
    agree = predicted(frame, snap) == nearest(frame, problem, snap.features)
    return jnp.where(snap.resolved, jnp.sum(agree, dtype=jnp.float64) / problem.samples, jnp.nan)


def nearest(frame: Frame, problem: Problem, features: Features) -> Any:
    r"""Return the class (n,) with the nearest mean, the lowest of equals.

    Of a sample $\mu_y + r$ that is the least $|\mu_y-\mu_c|^2 + 2r\cdot(\mu_y-\mu_c)$. Differences of means are taken
    part by part and each at a scale of its own, so that what two classes share cannot drown what tells them apart.
    """
    labels, residuals, parts = frame.labels, features.rest, features.shared
    if not parts:
        means = problem.class_means(residuals)
        parts, residuals = (Part(means, features.log_rest, None),), residuals - means[labels]
    along = [residuals @ part.rows.T for part in parts]
    far = features.log_rest[labels]

    def offer(c: Any) -> tuple[Any, Any]:
        apart = [_from(part, c) for part in parts]
        present = [jnp.any(rows != 0, axis=1) for rows, _ in apart]
        logs = jnp.stack([jnp.where(here, log, -jnp.inf) for here, (_, log) in zip(present, apart, strict=True)])
        top = jnp.max(logs, axis=0)
        top = jnp.where(jnp.isfinite(top), top, 0.0)
        lifts = jnp.exp(logs - top)
        rows = sum(lift[:, None] * rows for lift, (rows, _) in zip(lifts, apart, strict=True))
        across = jnp.zeros(len(labels))
        for part, products, here in zip(parts, along, present, strict=True):
            own, other = (jnp.exp(jnp.where(here, log - top, -jnp.inf)) for log in (part.log, part.log[c]))
            mine = jnp.take_along_axis(products, labels[:, None], axis=1)[:, 0]
            across = across + own[labels] * mine - other[labels] * products[:, c]
        terms = jnp.stack([jnp.sum(rows**2, axis=1)[labels], 2 * across])
        return total(terms, jnp.stack([2 * top[labels], far + top[labels]]))

    def meet(best: tuple[Any, Any, Any], c: Any) -> tuple[tuple[Any, Any, Any], None]:
        new = (*offer(c), jnp.full(len(labels), c))
        closer = total(jnp.stack([new[0], -best[0]]), jnp.stack([new[1], best[1]]))[0] < 0
        return jax.tree.map(lambda x, y: jnp.where(closer, x, y), new, best), None

    first = (*offer(0), jnp.zeros(len(labels), dtype=int))
    return jax.lax.scan(meet, first, jnp.arange(1, problem.classes))[0][2]


def _from(part: Part, c: Any) -> tuple[Any, Any]:
    """Return (rows (C, p), log (C,)) of a part of each class less that of class c; equal parts give exact zeros."""
    log = jnp.maximum(part.log, part.log[c])
    log = jnp.where(jnp.isfinite(log), log, 0.0)
    return jnp.exp(part.log - log)[:, None] * part.rows - jnp.exp(part.log[c] - log)[:, None] * part.rows[c], log
