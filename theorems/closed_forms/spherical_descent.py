r"""Spherical descent: an exact recurrence of two numbers per sample.

With $\kappa = \eta_1|g|\,r^{\nu-2}$: $x' = x + \kappa y^2/r$, $y' = y(1 - \kappa x/r)$, that is
$\theta' = \theta - \arctan(\kappa\sin\theta)$ and $r' = r\sqrt{1 + \kappa^2\sin^2\theta}$ (Theorem 7).
"""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from dynamics.experiment import Experiment
from dynamics.problem import Problem
from dynamics.trajectory import Decay
from theorems.spherical import Plane, SphericalForm


class SphericalDescent(SphericalForm):
    """Spherical descent: an exact recurrence of two numbers per sample (Theorem 7)."""

    kind: ClassVar[str] = "spherical-descent"

    @classmethod
    def covers(cls, experiment: Experiment) -> bool:
        """See `ClosedForm.covers`."""
        return experiment.scenario.kind == "spherical" and experiment.method.kind == "descent"

    def ticks(self, experiment: Experiment, problem: Problem, times: np.ndarray) -> Plane:
        """See `ClosedForm.ticks`."""
        del problem
        steps = times.astype(int)
        spans = (np.concatenate([[0], steps[:-1]]), steps)
        return jax.device_get(_path(self.begin, self.rates, self.power, experiment.method.rates(), spans))

    def decay(self, experiment: Experiment, ticks: Plane) -> Decay:
        r"""See `ClosedForm.decay`: $-\ln|1 - \kappa|/\eta$ of the slowest sample, at the last step."""
        why = self.stuck()
        eta = experiment.method.rates()[-1]
        if why or eta == 0:
            return Decay(None, None, why or "the last learning rate is zero")
        moving = self.begin.y > 0
        radius = np.hypot(ticks.x[-1], ticks.y[-1])
        factor = np.max(np.abs(1 - eta * self.rates * radius ** (self.power - 2))[moving])
        if not 0 < factor < 1:
            return Decay(None, None, "some feature overshoots its target for ever, or hits it in one step")
        return Decay(float(-np.log(factor) / eta), "exponential")


@jax.jit
def _path(begin: Plane, rates: Any, power: Any, etas: Any, spans: Any) -> Plane:
    """Return the coordinates after each span of steps."""

    def step(k: Any, plane: Plane) -> Plane:
        radius = jnp.hypot(plane.x, plane.y)
        kappa = etas[k] * rates * radius ** (power - 2)
        return Plane(plane.x + kappa * plane.y**2 / radius, plane.y * (1 - kappa * plane.x / radius))

    def span(plane: Plane, ends: Any) -> tuple[Plane, Plane]:
        plane = jax.lax.fori_loop(ends[0], ends[1], step, plane)
        return plane, plane

    start = jax.tree.map(jnp.asarray, begin)
    return jax.lax.scan(span, start, jax.tree.map(jnp.asarray, spans))[1]


MEMBER = SphericalDescent
