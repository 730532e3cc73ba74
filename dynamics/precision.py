"""float64 without a global flag, full-precision products, and a test of the installed jax."""

from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynamics.errors import InputError, must

ROUNDING = {"float64": 2.0**-53, "float32": 2.0**-24}


@contextmanager
def exact(device: Any = None) -> Generator[None]:
    """Compute in float64, with matrix products at highest precision (GPUs default to TF32), then restore all flags."""
    place = nullcontext() if device is None else jax.default_device(device)
    with jax.enable_x64(True), jax.default_matmul_precision("highest"), place:
        yield


def namespace(array: Any) -> Any:
    """Return the library whose functions fit an array: jax.numpy for JAX's (and under jit), NumPy for all else."""
    return jnp if isinstance(array, jax.Array) else np


def find_device(kind: str) -> Any:
    """Return the first "cpu" or "gpu" device.

    Raises:
        InputError: jax sees no such device.
    """
    try:
        return jax.devices(kind)[0]
    except RuntimeError:
        seen = ", ".join(sorted({device.platform for device in jax.devices()}))
        raise must(
            "--device",
            "be a device that jax sees",
            kind,
            f"It sees {seen}; for a GPU install jax[cuda13] or jax[cuda12].",
        ) from None


def self_test() -> None:
    """Refuse a jax that computes wrong numbers: some releases miscompile a product followed by a norm on CPU.

    Raises:
        InputError: the products below differ from NumPy's (jax issue 39103; CONTRIBUTING.md, "jax versions").
    """
    rng = np.random.default_rng(0)
    for dtype, samples, tolerance in ((np.float64, 20_001, 1e-12), (np.float32, 32_769, 1e-4)):
        w, h = rng.standard_normal((4, 3)).astype(dtype), rng.standard_normal((samples, 3)).astype(dtype)
        with exact():
            found = np.asarray(jax.jit(lambda w, h: jnp.linalg.norm(w @ h.T, axis=0))(w, h))
        wrong = int(np.sum(np.abs(found - np.linalg.norm(w @ h.T, axis=0)) > tolerance))
        if wrong:
            raise InputError(
                f"jax must compute W H right, but version {jax.__version__} gets {wrong} of {samples} {dtype.__name__} "
                "numbers wrong on this machine. Install a version that pyproject.toml allows."
            )
