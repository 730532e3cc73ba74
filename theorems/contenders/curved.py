"""Descent under cross-entropy or the mean squared error: PyTorch by autograd, NumPy by hand, and its products."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import softmax

from dynamics.state import State
from theorems.contenders.optional import on_best_threads, pytorch
from theorems.contenders.setting import Setting

Steps = Callable[[], tuple[np.ndarray, np.ndarray]]


def torch_curved(setting: Setting, steps: int, dtype: str) -> Steps | None:
    """Return PyTorch's loop, which ends at (H', W'), or None if PyTorch is not installed."""
    torch = pytorch()
    if torch is None:
        return None
    kind, eta, classes = setting.problem.loss.kind, setting.experiment.method.eta, setting.problem.classes
    real, labels = getattr(torch, dtype), torch.tensor(setting.problem.labels, dtype=torch.long)
    wanted = torch.nn.functional.one_hot(labels, classes).to(real)

    def run() -> tuple[np.ndarray, np.ndarray]:
        start = (setting.start.features, setting.start.prototypes, setting.start.biases)
        h, w, b = (torch.tensor(part, dtype=real, requires_grad=True) for part in start)
        sgd = torch.optim.SGD([h, w, b], lr=eta, foreach=False)
        for _ in range(steps):
            logits = torch.nn.functional.linear(h, w, b)
            if kind == "cross-entropy":
                loss = torch.nn.functional.cross_entropy(logits, labels)
            else:
                loss = torch.sum((logits - wanted) ** 2) / len(labels)
            sgd.zero_grad()
            loss.backward()
            sgd.step()
        return h.detach().numpy(), w.detach().numpy()

    return on_best_threads(torch, run)


def numpy_curved(setting: Setting, steps: int, dtype: str) -> Steps:
    """Return a loop that ends at (H', W'), with the gradients written out."""
    kind, eta, samples = setting.problem.loss.kind, setting.experiment.method.eta, setting.problem.samples
    wanted = np.eye(setting.problem.classes, dtype=dtype)[setting.problem.labels]

    def run() -> tuple[np.ndarray, np.ndarray]:
        start = (setting.start.features, setting.start.prototypes, setting.start.biases)
        h, w, b = (part.astype(dtype) for part in start)
        for _ in range(steps):
            logits = h @ w.T + b
            residuals = wanted - softmax(logits, axis=1) if kind == "cross-entropy" else 2 * (wanted - logits)
            residuals *= eta / samples
            pull = residuals.T @ h
            h += residuals @ w
            w += pull
            b += residuals.sum(axis=0)
        return h, w

    return run


def numpy_products(state: State, steps: int) -> Callable[[], Any]:
    """Return what does no more than the three matrix products of every step."""
    h, w = np.asarray(state.features), np.asarray(state.prototypes)
    logits, across, along = h @ w.T, np.empty_like(h), np.empty_like(w)

    def run() -> None:
        for _ in range(steps):
            np.matmul(h, w.T, out=logits)
            np.matmul(logits, w, out=across)
            np.matmul(logits.T, h, out=along)

    return run
