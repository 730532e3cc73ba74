"""Prototype-anchored learning: the prototypes stay, the features move."""

from typing import Any, ClassVar, Literal

import jax.numpy as jnp
import numpy as np
from pydantic import Field

from dynamics.loss import drive
from dynamics.method import Method
from dynamics.pair import as_state
from dynamics.problem import Problem
from dynamics.scenario import PRESENT, Limit, Scenario, Spectrum
from dynamics.schedule import Numbers
from dynamics.state import State, norm


class Anchored(Scenario):
    """Prototypes and biases fixed, features move with decay (Theorem 6).

    H' = s (W M - l1 H) per zeta: eq. (16) of the paper.
    """

    kind: ClassVar[str] = "anchored"
    moves_prototypes: ClassVar[bool] = False
    lambda_h: float = Field(0.0, ge=0)
    prototypes: Literal["start", "etf"] = "start"

    @staticmethod
    def velocity(numbers: Numbers, problem: Problem, state: State) -> State:
        """See `Scenario.velocity`."""
        moved = drive(problem, state).features - numbers["lambda_h"] * state.features
        return State(numbers["ratio"] * moved, jnp.zeros_like(state.prototypes), jnp.zeros_like(state.biases))

    @staticmethod
    def spectrum(numbers: Numbers, problem: Problem) -> Spectrum:
        """See `Scenario.spectrum`: the decay of H towards WM/l1, and the prototypes at rest."""
        del problem
        exponent = -numbers["ratio"] * numbers["lambda_h"]
        return Spectrum(exponent, 0.0, exponents=exponent)

    @staticmethod
    def limit(numbers: Numbers, problem: Problem, state: State, method: Method) -> Limit:
        """See `Scenario.limit`: H tends to the direction of W M."""
        exponent = np.array([-numbers["ratio"] * numbers["lambda_h"]])
        if method.growth(exponent, np.array([0.0, method.horizon]))[0][-1, 0] > 0:
            return Limit(None, "the learning rate is too large for lambda_h: the features oscillate and diverge")
        target = problem.push(state.prototypes)
        if not norm(target) > PRESENT * norm(state.prototypes):
            return Limit(None, "W M is zero: the prototypes drive no feature")
        return Limit(as_state(problem, target))

    @staticmethod
    def compared(state: State, limit: State) -> tuple[Any, Any, Any]:
        """See `Scenario.compared`: H against W M."""
        return state.features, limit.features, 1


MEMBER = Anchored
