"""Independent work in NumPy on two threads."""

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController

from theorems.machine import threads

MOST = 2  # Python's lock leaves nothing to do for a third

Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


@contextmanager
def side_by_side(count: int) -> Generator[Map]:
    """Yield a `map` for ``count`` pieces of work; contexts such as `exact` are to be entered by the work.

    Matrix products share the other processors out, also those that come before in the context: their threads wait for
    each other by spinning, and go on with it for a while.
    """
    workers = min(MOST, count, threads())
    if workers < 2:
        yield map
        return
    share = _libraries().limit(limits=max(1, threads() // workers), user_api="blas")
    with share, ThreadPoolExecutor(workers) as pool:
        yield pool.map


@cache
def _libraries() -> ThreadpoolController:
    """Return what sets the threads of NumPy's matrix products; to find it takes longer than to use it."""
    return ThreadpoolController()
