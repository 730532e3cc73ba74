r"""The base of the losses: what a loss is worth, and how it drives features, prototypes and biases.

Of the logits $z_i = W'h_i + b$ of sample i, a loss is $L = \sum_i\ell(z_i, y_i)$, and all that moves a state are its
residuals $g_i = -\partial L/\partial z_i$: H is driven by W G, W by H G', b by G 1. The unhinged loss is linear, so its
G is the label operator M of `dynamics.problem` at all times; of any other, G depends on the logits.
"""

from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp

from dynamics.families import members
from dynamics.problem import Problem
from dynamics.state import State


class Drive(NamedTuple):
    """Minus the gradients of a loss: of features (n, p), of prototypes (C, p), of biases (C,)."""

    features: Any
    prototypes: Any
    biases: Any


class Loss:
    r"""Base of the losses; ``linear`` says that M is all of it, and that exact solutions exist in general.

    ``curvature`` bounds the second derivative of $\ell$ in the logits, times n over the sample's weight.
    ``mixes`` says that L is the same of samples of equal weight that, with their targets, an orthogonal matrix mixed.
    """

    kind: ClassVar[str]
    linear: ClassVar[bool] = False
    curvature: ClassVar[float] = 0.0
    mixes: ClassVar[bool] = False

    @staticmethod
    def value(problem: Problem, logits: Any) -> Any:
        """Return L of logits (n, C)."""
        raise NotImplementedError

    @staticmethod
    def residuals(problem: Problem, logits: Any) -> Any:
        """Return G' = -dL/dz, (n, C)."""
        raise NotImplementedError


def drive(problem: Problem, state: State) -> Drive:
    """Return minus the gradients of the problem's loss at a state, whose features are those that the loss sees."""
    if problem.loss is None:
        return Drive(problem.push(state.prototypes), problem.pull(state.features), problem.bias_drive())
    residuals = problem.loss.residuals(problem, logits(state, problem.ones))
    return Drive(residuals @ state.prototypes, residuals.T @ state.features, jnp.sum(problem.ones * residuals, axis=0))


def logits(state: State, ones: Any = 1.0) -> Any:
    """Return the logits, (n, C), of rows that have the biases ``ones`` times, (n, 1)."""
    return state.features @ state.prototypes.T + ones * state.biases


def loss_kinds() -> dict[str, type[Loss]]:
    """Return every loss by kind."""
    return members("dynamics.losses", Loss)
