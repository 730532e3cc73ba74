r"""Spherical descent: an exact recurrence of two numbers per sample.

With $\kappa = \eta_1|g|\,r^{\nu-2}$: $x' = x + \kappa y^2/r$, $y' = y(1 - \kappa x/r)$, that is
$\theta' = \theta - \arctan(\kappa\sin\theta)$ and $r' = r\sqrt{1 + \kappa^2\sin^2\theta}$ (Theorem 7).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from dynamics.experiment import Experiment
from dynamics.method import Timing
from dynamics.problem import Problem
from dynamics.schedule import descent_rates
from dynamics.trajectory import Decay
from theorems.spherical import Plane, SphericalForm, Sums, rescaled


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
        walk = self.begin, self.rates, self.power, experiment.method.rates(), times.astype(int)
        return jax.device_get(_planes(*jax.tree.map(jnp.asarray, walk)))

    def moving(self, timing: Timing, times: Any) -> Sums:
        """See `ClosedForm.moving`."""
        etas = descent_rates(timing.schedule, timing.numbers, timing.steps)
        return _path(self.sums, self.begin, self.rates, self.power, etas, times.astype(int))

    def decay(self, experiment: Experiment, ticks: Plane) -> Decay:
        r"""See `ClosedForm.decay`: $-\ln|1 - \kappa|/\eta$ of the slowest sample, at the last step."""
        why = self.stuck()
        eta = experiment.method.rates()[-1]
        if why or eta == 0:
            return Decay(None, None, why or "the last learning rate is zero")
        moving = self.begin.y > 0
        kappa = eta * self.rates * rescaled(1 / np.hypot(ticks.x[-1], ticks.y[-1]), self.power)
        factor = np.max(np.abs(1 - kappa)[moving])
        if not 0 < factor < 1:
            return Decay(None, None, "some feature overshoots its target for ever, or hits it in one step")
        return Decay(float(-np.log(factor) / eta), "exponential")


def _path(read: Callable[[Plane], Any], begin: Plane, rates: Any, power: Any, etas: Any, steps: Any) -> Any:
    """Return what ``read`` finds in the coordinates after each number of steps (T,), ascending."""

    def step(k: Any, plane: Plane) -> Plane:
        x, y = plane
        inverse = 1 / jnp.sqrt(x * x + y * y)
        turn = etas[k] * rates * rescaled(inverse, power) * inverse * y
        return Plane(x + turn * y, y - turn * x)

    def span(before: tuple[Any, Plane], end: Any) -> tuple[tuple[Any, Plane], Any]:
        plane = jax.lax.fori_loop(before[0], end, step, before[1])
        return (end, plane), read(plane)

    return jax.lax.scan(span, (jnp.zeros_like(steps[0]), begin), steps)[1]


_planes = jax.jit(partial(_path, lambda plane: plane))


MEMBER = SphericalDescent
