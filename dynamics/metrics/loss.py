"""The loss, its objective, and the scale on which two losses are compared."""

from typing import Any

import jax.numpy as jnp

from dynamics.loss import logits
from dynamics.problem import Problem
from dynamics.schedule import Numbers
from dynamics.state import State, norm, unit_size


def losses(numbers: Numbers, problem: Problem, seen: State, state: State) -> dict[str, Any]:
    r"""Return ``loss`` $= -\langle W, HM'\rangle - b\cdot m$, ``log_abs_loss``, ``objective``, and their units.

    ``objective`` adds $\tfrac{l_1}2|H|^2 + \tfrac{l_2}2|W|^2 + \tfrac{l_b}2|b|^2$; ``seen`` holds the features that
    enter the loss. The unit of a loss is $|HM'|_F|W|_F + |b||m|$ (objective: plus the decay terms), eq. (2).
    ``rounding_loss`` bounds what the sum of its Cp terms does to it: these may cancel, even at the start.
    """
    decay = (
        numbers["lambda_h"] * norm(state.features) ** 2
        + numbers["lambda_w"] * norm(state.prototypes) ** 2
        + numbers["lambda_b"] * norm(state.biases) ** 2
    ) / 2
    if problem.loss is not None:
        return _curved(problem, seen, decay)
    drive = problem.bias_drive()
    pulled, pulled_scale = unit_size(problem.pull(seen.features))
    prototypes, scale = unit_size(seen.prototypes)
    loss = -jnp.sum(pulled * prototypes) * pulled_scale * scale - jnp.sum(seen.biases * drive)
    unit = norm(pulled) * norm(prototypes) * pulled_scale * scale + norm(seen.biases) * norm(drive)
    return {
        "loss": loss,
        "objective": loss + decay,
        "log_abs_loss": jnp.log(jnp.abs(loss)),
        "unit_loss": unit,
        "rounding_loss": numbers["rounding"] * prototypes.size * unit,
        "unit_objective": unit + decay,
    }


def _curved(problem: Problem, seen: State, decay: Any) -> dict[str, Any]:
    """Return the same of a loss that is not linear; nothing bounds its rounding."""
    loss = problem.loss.value(problem, logits(seen))
    return {
        "loss": loss,
        "objective": loss + decay,
        "log_abs_loss": jnp.log(jnp.abs(loss)),
        "unit_loss": jnp.abs(loss),
        "rounding_loss": jnp.full((), jnp.inf),
        "unit_objective": jnp.abs(loss) + decay,
    }
