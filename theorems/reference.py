"""What the results of other papers share: a flow integrated by two programs, and numbers known to their last digit."""

import itertools
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

import diffrax
import jax
import numpy as np
from scipy.integrate import solve_ivp

from dynamics.precision import exact
from theorems.evidence import measured
from theorems.verdict import Evidence

RTOL, ATOL = 1e-13, 1e-15  # of both integrators; the states are of order one
ROUNDING = 1e-14  # relative, of a formula with a few functions in float64
HALF = 0.5  # of the last digit: what rounding to it allows
Velocity = Callable[[Any, Any, Any], Any]


class Path(NamedTuple):
    """A simulated path: ``states`` (T, ...) at the times asked for, and the ``error`` (T,) of each, in its norm."""

    states: np.ndarray
    error: np.ndarray


def integrate(velocity: Velocity, given: Any, start: np.ndarray, times: np.ndarray) -> Path:
    """Return the solution of y' = velocity(t, y, given) at ``times`` (T,), from ``start`` at the first of them.

    ``velocity`` is a function of a module, so that it is compiled once; ``given`` is an array, or a tuple of them.
    diffrax integrates (Dopri8), and SciPy does it again (DOP853, another tableau and another control of the step): the
    error is taken as their difference. Every saved time is the end of a step.
    """
    path, judge = [start], [start]
    with exact():
        for t0, t1 in itertools.pairwise(map(float, times)):
            path.append(np.asarray(_advance(velocity, given, path[-1], t0, t1)))
            judge.append(_advance_again(velocity, given, judge[-1], t0, t1))
    states = np.stack(path)
    return Path(states, sizes(states - np.stack(judge)))


@partial(jax.jit, static_argnums=0)
def _advance(velocity: Velocity, given: Any, state: Any, t0: Any, t1: Any) -> Any:
    found = diffrax.diffeqsolve(
        diffrax.ODETerm(velocity), diffrax.Dopri8(), t0, t1, None, state, given,
        stepsize_controller=diffrax.PIDController(rtol=RTOL, atol=ATOL), saveat=diffrax.SaveAt(t1=True),
        max_steps=None, adjoint=diffrax.ForwardMode(),
    )  # fmt: skip
    return found.ys[0]


def _advance_again(velocity: Velocity, given: Any, state: np.ndarray, t0: float, t1: float) -> np.ndarray:
    def slope(t: float, flat: np.ndarray) -> np.ndarray:
        return np.asarray(_slope(velocity, t, flat.reshape(state.shape), given)).ravel()

    found = solve_ivp(slope, (t0, t1), state.ravel(), "DOP853", rtol=RTOL, atol=ATOL, t_eval=[t1])
    return found.y[:, -1].reshape(state.shape)


@partial(jax.jit, static_argnums=0)
def _slope(velocity: Velocity, t: Any, state: Any, given: Any) -> Any:
    return velocity(t, state, given)


def sizes(states: np.ndarray) -> np.ndarray:
    """Return the norm of each of some states (T, ...), over all their entries, (T,)."""
    return np.linalg.norm(states.reshape(len(states), -1), axis=1)


def same(found: Path, expected: np.ndarray, tolerance: float) -> Evidence:
    """Return the evidence that a path is the expected one (T, ...): the largest difference, relative to its norm."""
    gaps, errors = sizes(found.states - expected) / sizes(expected), found.error / sizes(expected)
    worst = int(np.argmax(gaps + errors))
    return measured(gaps[worst], errors[worst], tolerance, f"the largest difference is {gaps.max():.2g} of the norm")


def digits(stated: Mapping[str, str], found: Mapping[str, float], error: float = 0.0) -> Evidence:
    """Return the evidence that what was found, rounded, is what is stated of it: the gap in units of the last digit.

    Of several numbers it is the worst. ``error`` bounds the absolute error of each; the rounding of a formula is added.
    """
    pieces = []
    for name, value in found.items():
        text = stated[name]
        unit = Decimal(1).scaleb(int(Decimal(text).as_tuple().exponent))
        gap = abs(Decimal(float(value)) - Decimal(text)) / unit
        doubt = (error + ROUNDING * abs(value)) / float(unit)
        pieces.append(measured(float(gap), doubt, HALF, f"{name}: stated {text}, found {value:.10g}"))
    return max(pieces, key=lambda piece: piece.gap + piece.error)
