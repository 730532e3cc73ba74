r"""The spherical flow: an angle law.

$|h|$ is conserved and $\tan(\theta/2) = \tan(\theta_0/2)\,e^{-s|g|\,r^{\nu-2}\zeta}$ for every sample, since
$\theta' = -s|g| r^{\nu-2}\sin\theta$ per zeta.
"""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from dynamics.experiment import Experiment
from dynamics.method import Timing
from dynamics.precision import namespace
from dynamics.problem import Problem
from dynamics.trajectory import Decay
from theorems.spherical import Plane, SphericalForm, Sums, rescaled


class SphericalFlow(SphericalForm):
    """Spherical flow: one law for every angle, norms conserved."""

    kind: ClassVar[str] = "spherical-flow"

    @classmethod
    def covers(cls, experiment: Experiment) -> bool:
        """See `ClosedForm.covers`."""
        return experiment.scenario.kind == "spherical" and experiment.method.kind == "flow"

    def speeds(self) -> Any:
        r"""Return $s|g_i|\,r_i^{\nu-2}$, shape (n,)."""
        return self.rates * rescaled(1 / namespace(self.begin.x).hypot(*self.begin), self.power)

    def ticks(self, experiment: Experiment, problem: Problem, times: np.ndarray) -> Plane:
        """See `ClosedForm.ticks`."""
        del problem
        return jax.device_get(_turned(self.begin, self.speeds(), experiment.method.zeta(times)[:, None]))

    def moving(self, timing: Timing, times: Any) -> Sums:
        """See `ClosedForm.moving`."""
        speeds = self.speeds()
        return jax.lax.map(lambda zeta: self.sums(_turned(self.begin, speeds, zeta)), timing.zeta(times))

    def decay(self, experiment: Experiment, ticks: Plane) -> Decay:
        """See `ClosedForm.decay`: the slowest sample decides."""
        del experiment, ticks
        why = self.stuck()
        return Decay(None, None, why) if why else Decay(float(self.speeds()[self.begin.y > 0].min()), "exponential")


@jax.jit
def _turned(begin: Plane, speeds: Any, zeta: Any) -> Plane:
    """Return the coordinates at zeta, through the tangent of half of every angle."""
    x, y = begin
    radius = jnp.hypot(x, y)
    # What is exactly antipodal has no tangent, but it does not move.
    fixed = y == 0
    half = jnp.where(x >= 0, y / (radius + jnp.abs(x)), (radius - x) / jnp.where(fixed, 1.0, y))
    half = jnp.where(fixed, 0.0, half) * jnp.exp(-speeds * zeta)
    unit = radius / (1 + half**2)
    return Plane(jnp.where(fixed, x, unit * (1 - half**2)), unit * 2 * half)


MEMBER = SphericalFlow
