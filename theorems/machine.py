"""The machine under a benchmark: its threads, versions and limits, and the memory that a call takes."""

import ctypes
import gc
import os
import platform
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from theorems.stopwatch import BYTES, Amount, Contender, Turns, fastest, in_turns

PACKAGES = ("dynamics-sim", "jax", "jaxlib", "numpy", "scipy", "diffrax", "torch")
PIECE = 8192  # numbers whose product BLAS takes on one thread
RESET_PEAK = "5"  # written to clear_refs: the peak memory becomes the present one


def threads() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def described() -> dict[str, Any]:
    """Return the processor, the number of threads and the versions of what is compared; None: not installed."""
    return {
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "threads": threads(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
    }


def limits(size: int, turns: Turns, side: int) -> dict[str, float]:
    """Return the speed of copying ``size`` numbers (bytes read and written, GB/s), and of multiplying matrices (GF/s).

    All in float64; ``side`` is the number of rows and columns of the matrices.
    """
    rng = np.random.default_rng(0)
    source, target = rng.standard_normal(size), np.zeros(size)
    matrix, product = rng.standard_normal((side, side)), np.zeros((side, side))
    found = in_turns(
        [
            Contender("copy", lambda: np.copyto(target, source)),
            Contender("product", lambda: np.matmul(matrix, matrix, out=product)),
        ],
        turns,
    )
    seconds = {name: amount.median for name, amount in found.items() if amount}
    return {
        "copy GB/s": 2 * source.nbytes / seconds["copy"] / 1e9,
        "product GF/s": 2 * side**3 / seconds["product"] / 1e9,
    }


def traffic_floor(array: np.ndarray, outputs: int) -> Callable[[], None]:
    """Return what reads an array once, at the speed of a BLAS dot product, and fills ``outputs`` numbers.

    No way to compute that many numbers from the array can be faster, if the array is read and the numbers are written.
    The product is taken of the whole or of pieces, whichever is faster here: BLAS takes that of the whole on several
    threads, which wait for each other by spinning, and so for anyone else on their processors.
    """
    flat, written = array.ravel(), np.zeros(outputs)

    def touch(pieces: list[np.ndarray]) -> None:
        for piece in pieces:
            np.dot(piece, piece)
        written.fill(1.0)

    whole, cut = [flat], np.array_split(flat, -(-flat.size // PIECE))
    return fastest([partial(touch, whole), partial(touch, cut)])


def peak_memory(call: Callable[[], Any]) -> Amount | None:
    """Return how far the memory of this process rises above its present size during a call, or None if Linux does not
    say.

    The peak that the system itself keeps (ru_maxrss) would hide a call behind whatever was larger before, even in the
    parent of this process.
    """  # fmt: skip
    clear, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")
    try:
        clear.write_text(RESET_PEAK)
    except OSError:
        return None
    before = _kibibytes(status, "VmRSS")
    call()
    return Amount.of([1024.0 * (_kibibytes(status, "VmHWM") - before)], BYTES)


def give_back_memory() -> None:
    """Give memory that was freed back to the system, where the C library can: else a later call would reuse it."""
    gc.collect()
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def _kibibytes(status: Path, field: str) -> int:
    line = next(line for line in status.read_text().splitlines() if line.startswith(field + ":"))
    return int(line.split()[1])


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
