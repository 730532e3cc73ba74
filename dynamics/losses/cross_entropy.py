"""The cross-entropy loss."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from dynamics.loss import Loss
from dynamics.problem import Problem


class CrossEntropy(Loss):
    r"""The negative logarithm of the softmax, averaged over the samples: it reads no gamma.

    $L = -\tfrac1n\sum_i\omega_i\, t_i\cdot\ln\operatorname{softmax}(z_i)$ with the smoothed targets
    $t_i = (1-a)e_{y_i} + a/C$; its residuals are $\tfrac{\omega_i}n(t_i - \operatorname{softmax}(z_i))$.
    """

    kind: ClassVar[str] = "cross-entropy"
    curvature: ClassVar[float] = 0.5  # the largest eigenvalue of diag(q) - qq' of any softmax q

    @staticmethod
    def value(problem: Problem, logits: Any) -> Any:
        """See `Loss.value`."""
        return -jnp.sum(problem.sample_weights() * problem.targets() * jax.nn.log_softmax(logits, axis=1))

    @staticmethod
    def residuals(problem: Problem, logits: Any) -> Any:
        """See `Loss.residuals`."""
        return problem.sample_weights() * (problem.targets() - jax.nn.softmax(logits, axis=1))


MEMBER = CrossEntropy
