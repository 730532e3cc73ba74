"""Gradient flow to one time by general solvers of linear and of ordinary differential equations."""

from collections.abc import Callable
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from scipy.integrate import DOP853
from scipy.sparse.linalg import LinearOperator, expm_multiply

from dynamics.precision import exact
from theorems.contenders.setting import Setting

RTOL = 1e-8
ATOL = 1e-10  # the entries of the start are of size 1
Flow = Callable[[], tuple[np.ndarray, np.ndarray]]


def exponential(setting: Setting, time: float) -> Flow:
    r"""Return SciPy's $e^{tA}Z_0$, the operator A on rows (n + C, p) applied in O(n p); it returns (H', W')."""
    (classes, per_class, p), samples = setting.shape, setting.problem.samples
    own, other = setting.own, setting.other

    def apply(rows: np.ndarray) -> np.ndarray:
        rows = rows.reshape(samples + classes, -1)
        w, sums = rows[samples:], rows[:samples].reshape(classes, per_class, -1).sum(axis=1)
        moved = np.empty_like(rows)
        moved[:samples].reshape(classes, per_class, -1)[:] = (own * w + other * w.sum(axis=0))[:, None]
        moved[samples:] = own * sums + other * sums.sum(axis=0)
        return moved

    size = samples + classes
    # M stands off the diagonal, and its transpose opposite: A is symmetric, of trace 0.
    operator = LinearOperator((size, size), matvec=apply, matmat=apply, rmatvec=apply, rmatmat=apply, dtype=float)
    start = np.concatenate([setting.start.features, setting.start.prototypes])
    span = setting.experiment.method.eta * time

    def run() -> tuple[np.ndarray, np.ndarray]:
        rows = expm_multiply(span * operator, start, traceA=0.0)
        return rows[:samples], rows[samples:]

    return run


def dop853(setting: Setting, time: float) -> Flow:
    """Return SciPy's DOP853 at rtol 1e-8, without the intermediate states that ``solve_ivp`` would keep."""
    (classes, per_class, p), samples = setting.shape, setting.problem.samples
    own, other, eta = setting.own, setting.other, setting.experiment.method.eta
    start = np.concatenate([setting.start.features, setting.start.prototypes]).ravel()

    def velocity(_: float, flat: np.ndarray) -> np.ndarray:
        rows, moved = flat.reshape(-1, p), np.empty_like(flat)
        w, sums = rows[samples:], rows[:samples].reshape(classes, per_class, p).sum(axis=1)
        out = moved.reshape(-1, p)
        out[:samples].reshape(classes, per_class, p)[:] = (eta * (own * w + other * w.sum(axis=0)))[:, None]
        out[samples:] = eta * (own * sums + other * sums.sum(axis=0))
        return moved

    def run() -> tuple[np.ndarray, np.ndarray]:
        solver = DOP853(velocity, 0.0, start, time, rtol=RTOL, atol=ATOL)
        while solver.status == "running":
            solver.step()
        rows = solver.y.reshape(-1, p)
        return rows[:samples], rows[samples:]

    return run


def dopri8(setting: Setting, time: float) -> Flow:
    """Return diffrax's Dopri8 at rtol 1e-8, compiled."""
    shape, own, other = setting.shape, setting.own, setting.other
    eta = setting.experiment.method.eta

    def velocity(t: Any, state: tuple[Any, Any], args: Any) -> tuple[Any, Any]:
        blocks, w = state
        push, sums = own * w + other * jnp.sum(w, axis=0), jnp.sum(blocks, axis=1)
        pull = own * sums + other * jnp.sum(sums, axis=0)
        return jnp.broadcast_to(eta * push[:, None], shape), eta * pull

    @jax.jit
    def solve(state: tuple[Any, Any]) -> Any:
        control = diffrax.PIDController(rtol=RTOL, atol=ATOL)
        found = diffrax.diffeqsolve(
            diffrax.ODETerm(velocity), diffrax.Dopri8(), 0.0, time, None, state, stepsize_controller=control
        )
        return jax.tree.map(lambda saved: saved[-1], found.ys)

    with exact():
        start = (jnp.asarray(setting.start.features).reshape(shape), jnp.asarray(setting.start.prototypes))

    def run() -> tuple[np.ndarray, np.ndarray]:
        with exact():
            blocks, w = solve(start)
            return np.asarray(blocks).reshape(-1, shape[2]), np.asarray(w)

    return run
