r"""Gradient descent with simultaneous updates."""

import itertools
from collections.abc import Iterator
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from pydantic import Field

from dynamics.method import Method, Point
from dynamics.problem import Problem
from dynamics.scenario import Interval, Scenario, settle
from dynamics.schedule import Numbers
from dynamics.state import State

INTERRUPTIBLE = 200  # steps of one compiled call: Ctrl-C waits for no more than these
ROUNDINGS = 4  # per step and entry: a product, a sum in the operator, a product and a sum in the update


class Descent(Method):
    r"""Gradient descent, simultaneous updates; clock: step k.

    $Z_{k+1} = Z_k + \eta_k\,dZ/d\zeta(Z_k)$ for ``steps`` steps; $\zeta_k = \sum_{j<k}\eta_j$.
    """

    kind: ClassVar[str] = "descent"
    clock: ClassVar[str] = "step"
    length: ClassVar[str] = "steps"
    steps: int = Field(50_000, ge=1, le=10**9)

    def times(self, points: int) -> np.ndarray:
        """See `Method.times`: whole steps, repeats dropped."""
        return np.unique(np.rint(np.linspace(0, self.steps, points)))

    def zeta(self, times: np.ndarray) -> np.ndarray:
        """See `Method.zeta`."""
        return np.concatenate([[0.0], np.cumsum(self.rates())])[times.astype(int)]

    def growth(self, exponents: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Method.growth`: sums of log1p over each saved interval, so that 1 + eta w loses nothing near 1."""
        rates, steps = self.rates(), times.astype(int)
        logs = np.zeros((len(times), len(exponents)))
        signs = np.ones_like(logs)
        for j, w in enumerate(np.asarray(exponents, dtype=float)):
            moves = rates * w
            negative = moves < -1
            with np.errstate(divide="ignore"):
                terms = np.where(negative, np.log(np.abs(1 + moves)), np.log1p(np.where(negative, 0.0, moves)))
            logs[:, j] = cumulative(terms, steps)
            signs[:, j] = 1 - 2 * (np.concatenate([[0], np.cumsum(negative)])[steps] % 2)
        return logs, signs

    def walk(
        self, scenario: type[Scenario], numbers: Numbers, problem: Problem, state: State, times: np.ndarray
    ) -> Iterator[Point]:
        """See `Method.walk`. One compilation serves every gamma, rate, lambda and schedule."""
        rates, steps = self.rates(), times.astype(int)
        lowest, highest = (float(numbers["spectrum"][i]) for i in (0, 1))
        growths = np.maximum(1.0, np.maximum(np.abs(1 + rates * lowest), np.abs(1 + rates * highest)))
        on_device = jnp.asarray(rates)
        error = scenario.no_error(problem)
        yield Point(state, None, error)
        for first, last in itertools.pairwise(steps):
            before = state
            for begin in range(first, last, INTERRUPTIBLE):
                end = min(begin + INTERRUPTIBLE, last)
                state, error = advance(scenario, numbers, problem, state, error, on_device, begin, end)
            with np.errstate(over="ignore"):  # then nothing bounds the error, and nothing is judged
                growth = np.exp(np.sum(np.log(growths[first:last])))
            if not scenario.errors_by_step:
                interval = Interval(np.sum(rates[first:last]), growth, ROUNDINGS * float(last - first))
                error = settle(scenario, numbers, problem, error, before, state, interval)
            yield Point(state, None, error)


@partial(jax.jit, static_argnums=0)
def advance(
    scenario: type[Scenario], numbers: Numbers, problem: Problem, state: State, error: Any,
    rates: Any, first: Any, last: Any,
) -> tuple[State, Any]:  # fmt: skip
    """Take steps ``first`` to ``last`` (traced, so that one compilation serves every interval)."""

    def once(k: Any, carry: Any) -> Any:
        state, error = carry
        rate = rates[k].astype(state.features.dtype)
        return scenario.step(numbers, problem, state, rate), scenario.spread(numbers, problem, state, error, rate)

    return jax.lax.fori_loop(first, last, once, (state, error))


def cumulative(terms: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return the sums of ``terms[:k]`` at the ascending steps k, each interval summed pairwise by NumPy."""
    sums = [np.sum(terms[first:last]) for first, last in itertools.pairwise(steps)]
    return np.concatenate([[np.sum(terms[: steps[0]])], np.sum(terms[: steps[0]]) + np.cumsum(sums)])


MEMBER = Descent
