"""PyTorch, which is measured only where it is installed."""

import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeVar

from theorems.machine import threads

Result = TypeVar("Result")


def pytorch() -> Any:
    """Return the module torch, or None if it is not installed."""
    return import_module("torch") if find_spec("torch") else None


def on_best_threads(torch: Any, run: Callable[[], Result]) -> Callable[[], Result]:
    """Return a loop that runs on as many threads as are fastest for it here: one, or all that this process may use.

    PyTorch's threads wait for each other by spinning. Where others use the same processors, all of them together can be
    thirty times slower than one.
    """

    def on(count: int) -> Result:
        torch.set_num_threads(count)
        return run()

    def seconds(count: int) -> float:
        on(count)
        began = time.perf_counter()
        on(count)
        return time.perf_counter() - began

    best = min({1, threads()}, key=seconds)
    return lambda: on(best)
