r"""The spherical flow: an angle law.

$|h|$ is conserved and $\tan(\theta/2) = \tan(\theta_0/2)\,e^{-s|g|\,r^{\nu-2}\zeta}$ for every sample, since
$\theta' = -s|g| r^{\nu-2}\sin\theta$ per zeta.
"""

from typing import ClassVar

import numpy as np

from dynamics.experiment import Experiment
from dynamics.problem import Problem
from dynamics.trajectory import Decay
from theorems.spherical import Plane, SphericalForm


class SphericalFlow(SphericalForm):
    """Spherical flow: one law for every angle, norms conserved."""

    kind: ClassVar[str] = "spherical-flow"

    @classmethod
    def covers(cls, experiment: Experiment) -> bool:
        """See `ClosedForm.covers`."""
        return experiment.scenario.kind == "spherical" and experiment.method.kind == "flow"

    def speeds(self) -> np.ndarray:
        r"""Return $s|g_i|\,r_i^{\nu-2}$, shape (n,)."""
        return self.rates * np.hypot(*self.begin) ** (self.power - 2)

    def ticks(self, experiment: Experiment, problem: Problem, times: np.ndarray) -> Plane:
        """See `ClosedForm.ticks`."""
        del problem
        radius, half = np.hypot(*self.begin), np.arctan2(self.begin.y, self.begin.x) / 2
        shrunk = np.exp(-np.outer(experiment.method.zeta(times), self.speeds()))
        angle = 2 * np.arctan2(np.where(self.begin.y > 0, np.sin(half), 0.0) * shrunk, np.cos(half))
        # Exactly antipodal or aligned: cos(pi/2) is not zero in floating point, but the feature does not move.
        fixed = self.begin.y == 0
        x = np.where(fixed, self.begin.x, radius * np.cos(angle))
        return Plane(x, np.where(fixed, 0.0, radius * np.sin(angle)))

    def decay(self, experiment: Experiment, ticks: Plane) -> Decay:
        """See `ClosedForm.decay`: the slowest sample decides."""
        del experiment, ticks
        why = self.stuck()
        return Decay(None, None, why) if why else Decay(float(self.speeds()[self.begin.y > 0].min()), "exponential")


MEMBER = SphericalFlow
