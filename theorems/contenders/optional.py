"""PyTorch, which is measured only where it is installed."""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from theorems.machine import threads
from theorems.stopwatch import Result, fastest


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

    return fastest(partial(on, count) for count in sorted({1, threads()}))
