"""PyTorch, which is measured only where it is installed."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from theorems.machine import threads
from theorems.stopwatch import Result, fastest


def pytorch() -> Any:
    """Return the module torch, or None if it is not installed."""
    return _started() if find_spec("torch") else None


@cache
def _started() -> Any:
    torch = import_module("torch")
    with _flushing(torch):
        torch.zeros(1 << 20).sum()  # a thread keeps what holds where it is started
    return torch


@contextmanager
def _flushing(torch: Any) -> Generator[None]:
    """Let PyTorch take denormal numbers as zero, as XLA does: a softmax in float32 is eight times as slow with them."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)  # NumPy, in this thread, warns of it


def on_best_threads(torch: Any, run: Callable[[], Result]) -> Callable[[], Result]:
    """Return a loop that runs on as many threads as are fastest for it here: one, or all that this process may use.

    PyTorch's threads wait for each other by spinning. Where others use the same processors, all of them together can be
    thirty times slower than one.
    """

    def on(count: int) -> Result:
        torch.set_num_threads(count)
        with _flushing(torch):
            return run()

    return fastest(partial(on, count) for count in sorted({1, threads()}))
