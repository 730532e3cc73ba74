r"""The same motion in fewer numbers: what to move in place of a state under a loss that is not linear.

Coordinates. A state never leaves the span of its start, and whatever is measured is the same in any orthonormal
coordinates: where n + C < p, n + C numbers do for each row.

Samples. Of equal weights, the mean squared error is $\tfrac1n|HW' + 1b' - T|^2$, rows samples, targets T (n, C): for an
orthogonal Q, (QH, Q1, QT) move as (H, 1, T) do. All of them lie in the span of the class indicators and of the
features, so that C + p rows do for all n, and H = Q (Q'H) whenever it is looked at.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dynamics.method import Method
from dynamics.problem import Problem
from dynamics.scenario import Scenario
from dynamics.state import State


class Mixed(Problem):
    """The problem of samples mixed by an orthogonal matrix: ``shares`` (q, 1) is Q'1, ``wanted`` (q, C) is Q'T."""

    shares: Any = None
    wanted: Any = None

    @property
    def ones(self) -> Any:
        """See `Problem.ones`."""
        return self.shares

    def targets(self) -> Any:
        """See `Problem.targets`."""
        return self.wanted

    def sample_weights(self) -> Any:
        """See `Problem.sample_weights`: one for all rows."""
        return self.weights[0] / self.samples


class Reduction(NamedTuple):
    """What is moved, and the way back: ``basis`` (p, r) of coordinates, ``mixing`` (n, q) of samples, or None."""

    problem: Problem
    state: State
    basis: Any = None
    mixing: Any = None

    def unmixed(self, state: State) -> State:
        """Return a moved state with all its samples, as metrics need it; in the same coordinates."""
        return state if self.mixing is None else _unmixed(self.mixing, state)

    def whole(self, state: State) -> State:
        """Return an unmixed state in its own coordinates."""
        return state if self.basis is None else turned(state, np.asarray(self.basis, float).T)


def reduced(scenario: type[Scenario], method: Method, problem: Problem, state: State, times: np.ndarray) -> Reduction:
    """Return what to move in place of a state that is looked at at some ``times``: it, where nothing pays."""
    basis = spanned(problem, state)
    if basis is not None:
        return Reduction(problem, turned(state, basis), basis)
    if not method.random and mixes(scenario, problem, state, method.evaluations(times)):
        return mixed(problem, state)
    return Reduction(problem, state)


def spanned(problem: Problem, state: State) -> np.ndarray | None:
    r"""Return an orthonormal basis (p, r) of what all features and prototypes span, or None where it does not pay.

    Not for the unhinged loss: what turning rounds, its error bounds do not hold.
    """
    rows = np.concatenate([state.features, state.prototypes])
    if problem.loss is None or rows.shape[0] >= rows.shape[1]:
        return None
    return np.linalg.qr(rows.T)[0]


def turned(state: State, basis: np.ndarray) -> State:
    """Return a state whose rows are coordinates in a basis (p, r); with its transpose, back."""
    features, prototypes = (np.asarray(part, float) @ basis for part in (state.features, state.prototypes))
    return State(features, prototypes, state.biases)


def mixes(scenario: type[Scenario], problem: Problem, state: State, steps: float) -> bool:
    """Return whether mixing the samples leaves the motion as it is, and whether it pays.

    A step takes three products of 2 C p operations a row, a way back 2 n q p.
    """
    if problem.loss is None or not (problem.loss.mixes and scenario.mixes) or np.ptp(problem.weights) > 0:
        return False
    samples, rows = problem.samples, problem.classes + state.features.shape[1]
    return steps * 3 * problem.classes * (samples - rows) > samples * rows


def mixed(problem: Problem, state: State) -> Reduction:
    """Return C + p mixed samples in place of all n: an orthonormal basis Q of [class indicators, features], n x q."""
    classes = np.arange(problem.classes)
    indicators = (np.asarray(problem.labels)[:, None] == classes).astype(float)
    mixing, _ = np.linalg.qr(np.concatenate([indicators, state.features], axis=1))
    wanted = mixing.T @ ((1 - problem.smoothing) * indicators + problem.smoothing / problem.classes)
    small = Mixed(**vars(problem), shares=mixing.sum(axis=0)[:, None], wanted=wanted)
    return Reduction(small, State(mixing.T @ state.features, state.prototypes, state.biases), mixing=mixing)


@jax.jit
def _unmixed(mixing: Any, state: State) -> State:
    return State(jnp.asarray(mixing) @ state.features, state.prototypes, state.biases)
