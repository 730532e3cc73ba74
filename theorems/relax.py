"""Multipliers of scalar modes, for flow and descent alike, without overflow or cancellation."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from dynamics.method import Timing

SMALL = 0.5  # |ln g| below which (g - 1)/w is taken through expm1


class Relaxation(NamedTuple):
    r"""The motion $z' = w z + 1$: $z = e^{\log}(\text{grown}\,z_0 + \text{driven})$; arrays over times."""

    log: Any
    grown: Any
    driven: Any


@jax.jit
def relaxation(timing: Timing, decay: Any, times: Any) -> Relaxation:
    r"""Return $g$ and $(g-1)/w$ at the saved times, w = -``decay``, at the common scale e^log, log = max(ln|g|, 0).

    Flow: $g = e^{w\zeta}$. Descent: $g = \prod(1+\eta_k w)$. At w = 0, or without a decay, the second is zeta.
    """
    if decay is None:
        zeta = timing.zeta(times)
        return Relaxation(jnp.zeros_like(zeta), jnp.ones_like(zeta), zeta)
    w = -jnp.asarray(decay)
    logs, signs = (part[0] for part in timing.growth(w[None], times))
    scale = jnp.maximum(logs, 0.0)
    grown = signs * jnp.exp(logs - scale)
    gentle = (signs > 0) & (jnp.abs(logs) < SMALL)
    change = jnp.where(gentle, jnp.expm1(jnp.where(gentle, logs, 0.0)) * jnp.exp(-scale), grown - jnp.exp(-scale))
    return Relaxation(scale, grown, jnp.where(w == 0, timing.zeta(times), change / jnp.where(w == 0, 1.0, w)))
