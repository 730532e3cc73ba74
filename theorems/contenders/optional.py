"""What is measured only where it is installed."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from theorems.machine import threads


def pytorch() -> Any:
    """Return the module torch, on as many threads as this process may use, or None if it is not installed."""
    if find_spec("torch") is None:
        return None
    torch = import_module("torch")
    torch.set_num_threads(threads())
    return torch
