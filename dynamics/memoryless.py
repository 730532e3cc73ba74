"""What the methods without a velocity share: multipliers of scalar modes, the simulation, and its rounding."""

import itertools
from collections.abc import Iterator
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from dynamics.method import Pace, Point, Timing
from dynamics.problem import Problem
from dynamics.scenario import Interval, Scenario, Spectrum, settle
from dynamics.schedule import Numbers, descent_rates
from dynamics.state import State
from dynamics.stepping import INTERRUPTIBLE, Stepping


class Memoryless(Stepping):
    r"""Base of the methods without a velocity; $\zeta_k = \sum_{j<k}\eta_j$.

    A mode $z' = wz$ (per zeta) is multiplied by $\prod_{j<k}(1 - d + \eta_j w)$, with d what all of the state loses in
    each step (`shrinks`).
    """

    roundings: ClassVar[float] = 4.0  # per step and entry: a product, a sum in the operator, both again in the update

    @staticmethod
    def shrinks(numbers: Numbers) -> Any:
        """Return d, of the method's ``numbers``."""
        del numbers
        return 0.0

    def own(self) -> Any:
        """Return what a step reads beside its rate: arrays that cross jit."""
        return {}

    @staticmethod
    def step(
        scenario: type[Scenario], numbers: Numbers, problem: Problem, own: Any, state: State, rate: Any, k: Any
    ) -> State:
        """Return the state after step ``k``, for jit."""
        raise NotImplementedError

    def norms(self, rates: np.ndarray, spectrum: Spectrum) -> np.ndarray:
        """Return bounds on the norm of each step, (steps,), infinite where nothing bounds it."""
        raise NotImplementedError

    @staticmethod
    def farthest(momentum: float) -> float:
        """See `Stepping.farthest`."""
        del momentum
        return 2.0

    @staticmethod
    def zeta_at(timing: Timing, times: Any) -> Any:
        """See `Method.zeta_at`."""
        if timing.steady:
            return timing.numbers["eta"] * times
        return _sums(_rates(timing))[times.astype(int)]

    @staticmethod
    def pace_at(timing: Timing, exponents: Any, times: Any) -> Pace | None:
        """See `Method.pace_at`: through log1p, so that 1 + eta w loses nothing near 1."""
        move = timing.numbers["eta"] * exponents - timing.method.shrinks(timing.numbers)
        return Pace(times, _log_factor(move), move < -1) if timing.steady else None

    @staticmethod
    def growth_at(timing: Timing, exponents: Any, times: Any) -> tuple[Any, Any]:
        """See `Method.growth_at`."""
        rates, steps, shrinks = _rates(timing), times.astype(int), timing.method.shrinks(timing.numbers)

        def one(exponent: Any) -> tuple[Any, Any]:
            moves = rates * exponent - shrinks
            turns = _sums((moves < -1).astype(int))[steps]
            return _sums(_log_factor(moves))[steps], 1.0 - 2.0 * (turns % 2)

        return jax.lax.map(one, exponents)  # one at a time: there may be many steps

    def walk(
        self, scenario: type[Scenario], numbers: Numbers, problem: Problem, state: State, times: np.ndarray
    ) -> Iterator[Point]:
        """See `Method.walk`. One compilation serves every gamma, rate, lambda, decay, seed and schedule."""
        rates, steps = self.rates(), times.astype(int)
        norms = np.maximum(1.0, self.norms(rates, numbers["spectrum"]))
        on_device, own = jnp.asarray(rates), self.own()
        error = scenario.no_error(problem)
        yield Point(state, None, error)
        for first, last in itertools.pairwise(steps):
            before = state
            for begin in range(first, last, INTERRUPTIBLE):
                end = min(begin + INTERRUPTIBLE, last)
                state, error = advance(type(self), scenario, numbers, problem, own, state, error, on_device, begin, end)
            with np.errstate(over="ignore"):  # then nothing bounds the error, and nothing is judged
                growth = np.exp(np.sum(np.log(norms[first:last])))
            if not scenario.errors_by_step:
                interval = Interval(np.sum(rates[first:last]), growth, self.roundings * float(last - first))
                error = settle(scenario, numbers, problem, error, before, state, interval)
            yield Point(state, None, error)


@partial(jax.jit, static_argnums=(0, 1))
def advance(
    method: type[Memoryless], scenario: type[Scenario], numbers: Numbers, problem: Problem, own: Any, state: State,
    error: Any, rates: Any, first: Any, last: Any,
) -> tuple[State, Any]:  # fmt: skip
    """Take steps ``first`` to ``last`` (traced, so that one compilation serves every interval)."""

    def once(k: Any, carry: Any) -> Any:
        state, error = carry
        rate = rates[k].astype(state.features.dtype)
        moved = method.step(scenario, numbers, problem, own, state, rate, k)
        return moved, scenario.spread(numbers, problem, state, error, rate)

    return jax.lax.fori_loop(first, last, once, (state, error))


def _rates(timing: Timing) -> Any:
    return descent_rates(timing.schedule, timing.numbers, timing.steps)


def _log_factor(move: Any) -> Any:
    """Return ln|1 + move|."""
    return jnp.where(move < -1, jnp.log(jnp.abs(1 + move)), jnp.log1p(jnp.maximum(move, -1.0)))


def _sums(terms: Any) -> Any:
    """Return the sums of the first 0, 1, ... terms."""
    return jnp.concatenate([jnp.zeros(1, terms.dtype), jnp.cumsum(terms)])
