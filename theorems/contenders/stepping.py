"""Plain descent of the coupled pair in one compiled loop, without metrics."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynamics.precision import exact
from theorems.contenders.setting import Setting


def jax_steps(setting: Setting, steps: int) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
    """Return ``steps`` steps by the structured operator; they return (H', W')."""
    own, other, eta, shape = setting.own, setting.other, setting.experiment.method.eta, setting.shape

    def step(_: int, state: tuple[Any, Any]) -> tuple[Any, Any]:
        blocks, w = state
        push, sums = own * w + other * jnp.sum(w, axis=0), jnp.sum(blocks, axis=1)
        pull = own * sums + other * jnp.sum(sums, axis=0)
        return blocks + eta * push[:, None], w + eta * pull

    with exact():
        start = (jnp.asarray(setting.start.features).reshape(shape), jnp.asarray(setting.start.prototypes))
        compiled = jax.jit(lambda state: jax.lax.fori_loop(0, steps, step, state))

    def run() -> tuple[np.ndarray, np.ndarray]:
        with exact():
            blocks, w = compiled(start)
            return np.asarray(blocks).reshape(-1, shape[2]), np.asarray(w)

    return run
