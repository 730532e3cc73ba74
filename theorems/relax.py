"""Multipliers of scalar modes, for flow and descent alike, without overflow or cancellation."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from dynamics.method import Timing
from dynamics.schedule import descent_rate
from theorems.ordered import ordered_products

SMALL = 0.5  # |ln g| below which (g - 1)/w is taken through expm1


class Relaxation(NamedTuple):
    r"""The motion $z' = w z + 1$: $z = e^{\log}(\text{grown}\,z_0 + \text{driven})$; arrays over times."""

    log: Any
    grown: Any
    driven: Any


@partial(jax.jit, static_argnums=3)
def relaxation(timing: Timing, decay: Any, times: Any, lost: str = "") -> Relaxation:
    r"""Return $g$ and $(g-1)/w$ at the saved times, w = -``decay``, at the common scale e^log, log = max(ln|g|, 0).

    Flow: $g = e^{w\zeta}$. Descent: $g = \prod(1+\eta_k w)$. At w = 0, or without a decay, the second is zeta.
    Where each step multiplies z by 1 - d besides, d the method's number named ``lost``, there is no such formula.
    """
    if lost in timing.numbers:
        return _stepped(timing, 0.0 if decay is None else decay, timing.numbers[lost], times)
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


def _stepped(timing: Timing, decay: Any, lost: Any, times: Any) -> Relaxation:
    r"""Return the same of $z_{k+1} = (1 - d - \eta_k\text{decay})z_k + \eta_k$, step by step."""

    def moves(k: Any) -> Any:
        eta = descent_rate(timing.schedule, timing.numbers, k.astype(float))
        return jnp.zeros((2, 2, 1)).at[0, 0, 0].set(-lost - eta * decay).at[0, 1, 0].set(eta)

    products, logs = ordered_products(moves, jnp.eye(2)[..., None], times.astype(int))
    grown, driven = products[0, :, 0]
    scale = jnp.maximum(logs[0] + jnp.log(jnp.abs(grown)), 0.0)
    return Relaxation(scale, jnp.exp(logs[0] - scale) * grown, jnp.exp(logs[0] - scale) * driven)
