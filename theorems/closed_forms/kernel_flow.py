r"""The kernel flow, through entire functions of the kernel.

The functions are cosh, sinh/sqrt and (cosh - 1)/ of $\tau\zeta^2$, entire, scaled by $e^{\sqrt\tau\zeta}$.
"""

from typing import Any, ClassVar

import numpy as np

from dynamics.experiment import Experiment
from theorems.kernel import KernelForm


class KernelFlow(KernelForm):
    """The kernel flow, through entire functions of T = s G'KG: Theorem 8, repaired."""

    kind: ClassVar[str] = "kernel-flow"

    @classmethod
    def covers(cls, experiment: Experiment) -> bool:
        """See `ClosedForm.covers`."""
        return experiment.scenario.kind == "kernel" and experiment.method.kind == "flow"

    def hyperbolic(self, experiment: Experiment, tau: np.ndarray, times: np.ndarray) -> tuple[Any, Any, Any, Any]:
        """See `KernelForm.hyperbolic`."""
        zeta = experiment.method.zeta(times)[:, None]
        x = np.sqrt(tau) * zeta
        return x, (1 + np.exp(-2 * x)) / 2, zeta * _slope(2 * x), (zeta * _slope(x)) ** 2 / 2


def _slope(x: np.ndarray) -> np.ndarray:
    """Return (1 - e^-x)/x, 1 at 0."""
    return np.where(x > 0, -np.expm1(-x) / np.where(x > 0, x, 1.0), 1.0)


MEMBER = KernelFlow
