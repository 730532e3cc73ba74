"""The state that moves: features, prototypes, biases."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from dynamics.precision import namespace

LOG_LARGE = 150 * np.log(10)  # ln 1e150: from here on a final state is stored divided by its norm


class State(eqx.Module):
    """Features H' (n, p), rows sorted by class; prototypes W' (C, p); biases b (C,)."""

    features: Any
    prototypes: Any
    biases: Any

    def plus(self, step: Any, velocity: "State") -> "State":
        """Return this state moved by ``step`` times ``velocity``."""
        return jax.tree.map(lambda x, v: x + step * v, self, velocity)


@jax.jit
def norm(array: Any) -> Any:
    """Return the Frobenius norm, safe from overflow and underflow of the squares."""
    unit, scale = unit_size(array)
    return scale * jnp.sqrt(jnp.sum(unit * unit))


def unit_size(array: Any) -> tuple[Any, Any]:
    """Return (array/scale, scale), largest entry of the first in [1, 2), scale a power of two: an exact division."""
    largest = jnp.max(jnp.abs(array), initial=0.0)
    exponent = jnp.where(largest > 0, jnp.frexp(largest)[1] - 1, 0)
    # Two halves, since 2^-exponent itself may overflow or underflow where the quotient does not; numbers, not arrays,
    # since ldexp is far slower than a product.
    half, one = exponent // 2, jnp.ones_like(largest)
    return array * jnp.ldexp(one, -half) * jnp.ldexp(one, half - exponent), jnp.ldexp(one, exponent)


def rescaled(log_scale: Any, log_norm: Any, state: State) -> tuple[Any, State]:
    """Return what `storable` does for ``state`` times e^log_scale, of which ln |(H, W)| is known; also for jit."""
    xp = namespace(state.features)
    kept = xp.where(log_norm >= LOG_LARGE, log_norm, 0.0)
    lift = xp.exp(log_scale - kept)
    # Biases that overflowed have no finite share.
    biases = xp.where(xp.isfinite(state.biases), xp.exp(-kept) * state.biases, state.biases)
    return kept, State(lift * state.features, lift * state.prototypes, biases)


def storable(log_scale: float, state: State) -> tuple[float, State]:
    """Return (log_scale, State) as it is kept in files: log_scale 0 whenever |(H, W)| < 1e150, else ln |(H, W)|.

    The true features and prototypes are e^log_scale times those given; the biases are given as they are.
    """
    parts = [np.asarray(state.features), np.asarray(state.prototypes)]
    size = max(float(np.max(np.abs(part), initial=0.0)) for part in parts)
    if size == 0:
        return 0.0, State(*parts, np.asarray(state.biases))
    log_norm = log_scale + np.log(size) + np.log(sum(float(np.sum((part / size) ** 2)) for part in parts)) / 2
    kept, stored = rescaled(log_scale, log_norm, State(*parts, np.asarray(state.biases, dtype=float)))
    return float(kept), stored
