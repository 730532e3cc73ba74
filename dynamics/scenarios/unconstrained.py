"""Unconstrained features and prototypes."""

from typing import ClassVar

from dynamics import pair
from dynamics.method import Method
from dynamics.problem import Problem
from dynamics.scenario import Limit, Scenario, Spectrum
from dynamics.schedule import Numbers
from dynamics.state import State


class Unconstrained(Scenario):
    """Features, prototypes and biases all free, no decay (Theorem 2, Corollary 3).

    H' = s W M, W' = H M', b' = m per zeta: eq. (5) of the paper.
    """

    kind: ClassVar[str] = "unconstrained"

    @staticmethod
    def velocity(numbers: Numbers, problem: Problem, state: State) -> State:
        """See `Scenario.velocity`."""
        return pair.velocity(numbers, problem, state)

    @staticmethod
    def spectrum(numbers: Numbers, problem: Problem) -> Spectrum:
        """See `Scenario.spectrum`."""
        return pair.spectrum(numbers, problem)

    @staticmethod
    def limit(numbers: Numbers, problem: Problem, state: State, method: Method) -> Limit:
        """See `Scenario.limit`."""
        return pair.limit(numbers, problem, state, method)

    @staticmethod
    def zbar(numbers: Numbers, problem: Problem, state: State) -> Limit:
        """See `Scenario.zbar`."""
        return pair.zbar(numbers, problem, state)


MEMBER = Unconstrained
