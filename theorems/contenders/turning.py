"""Descent of normalised features with fixed prototypes: the loss is -<h/|h|, g>, g the columns of W M."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynamics.precision import exact
from theorems.contenders.optional import on_best_threads, pytorch
from theorems.contenders.setting import Setting

Turn = Callable[[], np.ndarray]


def torch_turning(setting: Setting, steps: int) -> Turn | None:
    """Return PyTorch's loop with autograd through the normalisation, or None if PyTorch is not installed."""
    torch = pytorch()
    if torch is None:
        return None
    eta, targets = setting.experiment.method.eta, torch.tensor(setting.targets[setting.problem.labels])

    def run() -> np.ndarray:
        h = torch.tensor(setting.start.features, requires_grad=True)
        sgd = torch.optim.SGD([h], lr=eta, foreach=False)
        for _ in range(steps):
            sgd.zero_grad()
            loss = -torch.sum(torch.nn.functional.normalize(h) * targets)
            loss.backward()
            sgd.step()
        return h.detach().numpy()

    return on_best_threads(torch, run)


def jax_turning(setting: Setting, steps: int) -> Turn:
    """Return one compiled loop of ``steps`` steps that returns the last features (n, p)."""
    eta, shape = setting.experiment.method.eta, setting.shape

    def step(_: int, blocks: Any) -> Any:
        square = jnp.sum(blocks**2, axis=2, keepdims=True)
        along = jnp.sum(blocks * targets, axis=2, keepdims=True)
        return blocks + eta * (targets - blocks * (along / square)) / jnp.sqrt(square)

    with exact():
        targets = jnp.asarray(setting.targets)[:, None]
        start = jnp.asarray(setting.start.features).reshape(shape)
        compiled = jax.jit(lambda blocks: jax.lax.fori_loop(0, steps, step, blocks).reshape(-1, shape[2]))

    def run() -> np.ndarray:
        with exact():
            return np.asarray(compiled(start))

    return run
