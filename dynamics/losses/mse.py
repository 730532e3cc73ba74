"""The mean squared error."""

from typing import Any, ClassVar

import jax.numpy as jnp

from dynamics.loss import Loss
from dynamics.problem import Problem


class MeanSquaredError(Loss):
    r"""The squared distance of the logits from the targets, averaged over the samples: it reads no gamma.

    $L = \tfrac1n\sum_i\omega_i|z_i - t_i|^2$, without a factor 1/2, with the smoothed targets
    $t_i = (1-a)e_{y_i} + a/C$; its residuals are $\tfrac{2\omega_i}n(t_i - z_i)$.
    """

    kind: ClassVar[str] = "mse"
    curvature: ClassVar[float] = 2.0
    mixes: ClassVar[bool] = True

    @staticmethod
    def value(problem: Problem, logits: Any) -> Any:
        """See `Loss.value`."""
        return jnp.sum(problem.sample_weights() * (logits - problem.targets()) ** 2)

    @staticmethod
    def residuals(problem: Problem, logits: Any) -> Any:
        """See `Loss.residuals`."""
        return 2 * problem.sample_weights() * (problem.targets() - logits)


MEMBER = MeanSquaredError
