"""Norms of the state and distances between directions."""

from typing import Any

import jax.numpy as jnp

from dynamics.state import State, norm, unit_size


def log_norm(state: State) -> Any:
    """Return ln |(H, W)|_F."""
    return jnp.log(jnp.hypot(norm(state.features), norm(state.prototypes)))


def chord(z: Any, limit: Any, parts: int) -> Any:
    r"""Return $|z/|z| - l/|l||_F$; with ``parts`` = n > 1, row by row, divided by $\sqrt n$.

    Computed as $2\sin(\operatorname{atan2}(perp, par)/2)$, which keeps its digits where the directions are close.
    """
    axis = None if parts == 1 else 1
    z, limit = unit_size(z)[0], unit_size(limit)[0]
    unit = limit / jnp.linalg.norm(limit, axis=axis, keepdims=True)
    along = jnp.sum(z * unit, axis=axis, keepdims=True)
    across = jnp.linalg.norm(z - along * unit, axis=axis, keepdims=True)
    chords = 2 * jnp.sin(jnp.arctan2(across, along) / 2)
    directed = jnp.all(jnp.any(z != 0, axis=axis))  # what is zero has no direction
    return jnp.where(directed, jnp.linalg.norm(chords) / jnp.sqrt(parts), jnp.nan)
