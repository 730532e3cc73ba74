"""Ordered products of 2 x 2 matrices, one for every step: what is exact where matrices of different steps differ."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

FAR = 300.0  # a matrix beyond 2^+-300 is rescaled: one more step stays in float64


def ordered_products(moves: Callable[[Any], Any], start: Any, stops: Any) -> tuple[Any, Any]:
    r"""Return (P e^-log (2, 2, K, T), log (K, T)) of $P = \prod_k(I + A_k)$ ``start`` after ``stops`` (T,) steps.

    ``moves(k)`` is $A_k$, (2, 2, K), and ``start`` (2, 2, K). Each matrix is rescaled by powers of two, which round
    nothing.
    """

    def step(k: Any, carry: tuple[Any, Any]) -> tuple[Any, Any]:
        p, shift = carry
        move = moves(k)
        p = p + move[:, 0, None] * p[0] + move[:, 1, None] * p[1]
        size = jnp.max(jnp.abs(p), axis=(0, 1))
        up = jnp.where(size < 2.0**-FAR, 1.0, 0.0) - jnp.where(size > 2.0**FAR, 1.0, 0.0)
        return p * jnp.where(up > 0, 2.0**FAR, jnp.where(up < 0, 2.0**-FAR, 1.0)), shift - up

    def span(carry: tuple[Any, Any], ends: tuple[Any, Any]) -> tuple[Any, Any]:
        carry = jax.lax.fori_loop(*ends, step, carry)
        return carry, carry

    begins = jnp.concatenate([jnp.zeros(1, stops.dtype), stops[:-1]])
    p, shift = jax.lax.scan(span, (start, jnp.zeros(start.shape[2])), (begins, stops))[1]
    size = jnp.max(jnp.abs(p), axis=(1, 2))
    logs = jnp.where(size > 0, FAR * np.log(2) * shift + jnp.log(size), -jnp.inf)
    return jnp.moveaxis(p / jnp.where(size > 0, size, 1.0)[:, None, None], 0, -1), logs.T
