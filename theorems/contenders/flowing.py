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


class Generator(LinearOperator):
    """What moves the rows (n + C, p) of H' and W' per unit of time, times ``span``, applied in O(n p).

    It is symmetric: M stands off the diagonal, and its transpose opposite.
    """

    def __init__(self, setting: Setting, span: float) -> None:
        size = setting.problem.samples + setting.problem.classes
        super().__init__(np.dtype(float), (size, size))
        self.setting, self.span = setting, span

    def _matmat(self, X: np.ndarray) -> np.ndarray:
        (classes, per_class, _), samples = self.setting.shape, self.setting.problem.samples
        moved = np.empty(X.shape)
        blocks = moved[:samples].reshape(classes, per_class, -1)
        w, sums = X[samples:], X[:samples].reshape(classes, per_class, -1).sum(axis=1)
        own, other = self.span * self.setting.own, self.span * self.setting.other
        blocks[:] = (own * w + other * w.sum(axis=0))[:, None]
        moved[samples:] = own * sums + other * sums.sum(axis=0)
        return moved

    def _adjoint(self) -> "Generator":
        return self


def exponential(setting: Setting, time: float) -> Flow:
    """Return SciPy's expm_multiply; it returns (H', W')."""
    generator = Generator(setting, setting.experiment.method.eta * time)
    start = np.concatenate([setting.start.features, setting.start.prototypes])
    samples = setting.problem.samples

    def run() -> tuple[np.ndarray, np.ndarray]:
        rows = expm_multiply(generator, start, traceA=0.0)
        return rows[:samples], rows[samples:]

    return run


def dop853(setting: Setting, time: float) -> Flow:
    """Return SciPy's DOP853 at rtol 1e-8, without the intermediate states that ``solve_ivp`` would keep."""
    samples, p = setting.start.features.shape
    generator = Generator(setting, setting.experiment.method.eta)
    start = np.concatenate([setting.start.features, setting.start.prototypes]).ravel()

    def run() -> tuple[np.ndarray, np.ndarray]:
        solver = DOP853(lambda _, z: (generator @ z.reshape(-1, p)).ravel(), 0.0, start, time, rtol=RTOL, atol=ATOL)
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
