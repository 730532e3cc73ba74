"""L2-regularized features, prototypes and biases."""

from typing import ClassVar

from pydantic import Field

from dynamics import pair
from dynamics.method import Method
from dynamics.problem import Problem
from dynamics.scenario import Limit, Scenario, Spectrum
from dynamics.schedule import Numbers
from dynamics.state import State


class Regularized(Scenario):
    """L2 decay on features, prototypes and biases, each its own (Theorem 4, Corollary 5).

    H' = s (W M - l1 H), W' = H M' - l2 W, b' = m - lb b per zeta: eq. (12) of the paper, for any l1, l2, lb >= 0.

    Dictionary: ``lambda_h`` is l1, ``lambda_w`` is l2, ``lambda_b`` is lb (in the paper lb = l2).
    """

    kind: ClassVar[str] = "regularized"
    lambda_h: float = Field(0.0, ge=0)
    lambda_w: float = Field(0.0, ge=0)
    lambda_b: float = Field(0.0, ge=0)

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


MEMBER = Regularized
