"""The state that moves: features, prototypes, biases."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp


class State(eqx.Module):
    """Features H' (n, p), rows sorted by class; prototypes W' (C, p); biases b (C,)."""

    features: Any
    prototypes: Any
    biases: Any

    def plus(self, step: Any, velocity: "State") -> "State":
        """Return this state moved by ``step`` times ``velocity``."""
        return jax.tree.map(lambda x, v: x + step * v, self, velocity)


def norm(array: Any) -> Any:
    """Return the Frobenius norm, safe from overflow and underflow of the squares."""
    unit, scale = unit_size(array)
    return scale * jnp.sqrt(jnp.sum(unit * unit))


def unit_size(array: Any) -> tuple[Any, Any]:
    """Return (array/scale, scale), largest entry of the first in [1, 2), scale a power of two: an exact division."""
    largest = jnp.max(jnp.abs(array), initial=0.0)
    exponent = jnp.where(largest > 0, jnp.frexp(largest)[1] - 1, 0)
    # Two halves, since 2^-exponent itself may overflow or underflow where the quotient does not.
    half = exponent // 2
    return jnp.ldexp(jnp.ldexp(array, -half), half - exponent), jnp.ldexp(jnp.ones_like(largest), exponent)
