r"""Gradient descent on the unhinged loss, step by step, with its metrics at every step.

PyTorch runs a training loop: leaf tensors, logits, autograd, SGD. NumPy and JAX use what autograd cannot know, that the
label operator M is two numbers (`Setting.own`, `Setting.other`), so that they multiply matrices for the accuracy only.
The distance to the limit direction $\hat L$ is $2\sin(\operatorname{atan2}(|Z - \langle Z, \hat L\rangle\hat L|,
\langle Z, \hat L\rangle)/2)$: a difference of normalised arrays would have lost its digits at the end of a run.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynamics.precision import exact
from theorems.contenders.optional import on_best_threads, pytorch
from theorems.contenders.setting import Setting

Curves = dict[str, np.ndarray]
Loop = Callable[[], Curves]


def torch_loop(setting: Setting, steps: int, names: tuple[str, ...]) -> Loop | None:
    """Return PyTorch's training loop, or None if PyTorch is not installed. See `numpy_loop`."""
    torch = pytorch()
    if torch is None:
        return None
    limit, problem, eta = setting.limit(), setting.problem, setting.experiment.method.eta
    gamma, labels = float(problem.gamma), torch.tensor(problem.labels, dtype=torch.long)
    directions = torch.tensor(limit.features), torch.tensor(limit.prototypes)
    memory = [torch.empty_like(one) for one in directions]  # fresh memory at every step would cost page faults

    def norm(parts: Iterable[Any]) -> float:
        return math.hypot(*(float(torch.linalg.vector_norm(part)) for part in parts))

    def distance(state: tuple[Any, Any]) -> float:
        along = sum(float(torch.dot(z.view(-1), one.view(-1))) for z, one in zip(state, directions, strict=True))
        for z, one, out in zip(state, directions, memory, strict=True):
            torch.sub(z, one, alpha=along, out=out)
        return 2 * math.sin(math.atan2(norm(memory), along) / 2)

    def run() -> Curves:
        h, w, b = (
            torch.tensor(part, requires_grad=True)
            for part in (setting.start.features, setting.start.prototypes, setting.start.biases)
        )
        sgd = torch.optim.SGD([h, w, b], lr=eta, foreach=False)
        curves = {name: np.empty(steps) for name in names}
        for k in range(steps):
            logits = torch.nn.functional.linear(h, w, b)
            own = logits.gather(1, labels[:, None])
            loss = (gamma * logits.sum() - (1 + gamma) * own.sum()) / len(labels)
            sgd.zero_grad()
            loss.backward()
            with torch.no_grad():
                curves["loss"][k] = loss.item()
                curves["log_norm"][k] = math.log(norm((h, w)))
                curves["distance"][k] = distance((h, w))
                if "accuracy" in names:
                    curves["accuracy"][k] = (logits.argmax(1) == labels).double().mean().item()
            sgd.step()
        return curves

    return on_best_threads(torch, run)


def numpy_loop(setting: Setting, steps: int, names: tuple[str, ...]) -> Loop:
    """Return a loop of ``steps`` steps from the start that returns its metrics before each of them, (steps,) each.

    ``names``: loss, log_norm and distance, and the accuracy if it is among them.
    """
    limit, problem, eta = setting.limit(), setting.problem, setting.experiment.method.eta
    own, other, mass = setting.own, setting.other, setting.mass
    along_h = limit.features.reshape(setting.shape)

    def run() -> Curves:
        h, w, b = (np.array(part) for part in (setting.start.features, setting.start.prototypes, setting.start.biases))
        blocks, across = h.reshape(setting.shape), np.empty(setting.shape)  # of the same memory as h
        curves = {name: np.empty(steps) for name in names}
        for k in range(steps):
            sums = blocks.sum(axis=1)
            pull = own * sums + other * sums.sum(axis=0)
            push = own * w + other * w.sum(axis=0)
            curves["loss"][k] = -np.vdot(pull, w) - b @ mass
            curves["log_norm"][k] = np.log(np.vdot(h, h) + np.vdot(w, w)) / 2
            along = np.vdot(h, along_h) + np.vdot(w, limit.prototypes)
            np.subtract(blocks, np.multiply(along_h, along, out=across), out=across)
            across_w = w - along * limit.prototypes
            root = np.sqrt(np.vdot(across, across) + np.vdot(across_w, across_w))
            curves["distance"][k] = 2 * np.sin(np.arctan2(root, along) / 2)
            if "accuracy" in names:
                curves["accuracy"][k] = np.mean(np.argmax(h @ w.T + b, axis=1) == problem.labels)
            blocks += eta * push[:, None]
            w += eta * pull
            b += eta * mass
        return curves

    return run


def jax_loop(setting: Setting, steps: int, names: tuple[str, ...]) -> Loop:
    """Return one compiled scan. See `numpy_loop`."""
    limit, problem, eta = setting.limit(), setting.problem, setting.experiment.method.eta
    own, other, mass = setting.own, setting.other, setting.mass
    labels = problem.labels

    def total(blocks: Any) -> Any:
        # In two sums, kept apart: XLA adds whole arrays up in one thread and without vector instructions.
        return jnp.sum(jax.lax.optimization_barrier(jnp.sum(blocks, axis=1)))

    def step(state: Any, _: None) -> tuple[Any, Any]:
        h, w, b = state
        sums = jnp.sum(h, axis=1)
        pull = own * sums + other * jnp.sum(sums, axis=0)
        push = own * w + other * jnp.sum(w, axis=0)
        along = total(h * along_h) + jnp.sum(w * along_w)
        root = jnp.sqrt(total((h - along * along_h) ** 2) + jnp.sum((w - along * along_w) ** 2))
        row = {
            "loss": -jnp.sum(pull * w) - b @ mass,
            "log_norm": jnp.log(total(h**2) + jnp.sum(w**2)) / 2,
            "distance": 2 * jnp.sin(jnp.arctan2(root, along) / 2),
        }
        if "accuracy" in names:
            chosen = jnp.argmax(h.reshape(len(labels), -1) @ w.T + b, axis=1)
            row["accuracy"] = jnp.sum(chosen == labels, dtype=jnp.float64) / len(labels)
        return (h + eta * push[:, None], w + eta * pull, b + eta * mass), row

    with exact():
        along_h, along_w = jnp.asarray(limit.features).reshape(setting.shape), jnp.asarray(limit.prototypes)
        start = (setting.start.features.reshape(setting.shape), setting.start.prototypes, setting.start.biases)
        start = jax.tree.map(jnp.asarray, start)
        compiled = jax.jit(lambda state: jax.lax.scan(step, state, length=steps)[1])

    def run() -> Curves:
        with exact():
            return {name: np.asarray(values) for name, values in compiled(start).items()}

    return run
