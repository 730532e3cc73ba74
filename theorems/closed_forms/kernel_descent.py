r"""Kernel descent: the three functions of the flow become polynomials in tau, with a recurrence.

$c_{k+1} = c_k + \eta_k\tau d_k$, $d_{k+1} = d_k + \eta_k c_k$, $e_{k+1} = e_k + \eta_k d_k$ from (1, 0, 0): every
term is positive, so nothing cancels; all three are rescaled together by powers of two. With momentum, each of the three
has a velocity, which these pushes feed.
"""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from dynamics.experiment import Experiment
from dynamics.method import Timing
from dynamics.schedule import descent_rates
from dynamics.stepping import Stepping
from theorems.kernel import KernelForm

RESCALE_ABOVE = 2.0**100
RESCALE = 2.0**-100


class KernelDescent(KernelForm):
    """Kernel descent, with momentum or without, through polynomials of T = s G'KG: Theorem 8, repaired."""

    kind: ClassVar[str] = "kernel-descent"

    @classmethod
    def covers(cls, experiment: Experiment) -> bool:
        """See `ClosedForm.covers`."""
        return experiment.scenario.kind == "kernel" and isinstance(experiment.method, Stepping)

    def hyperbolic(self, experiment: Experiment, tau: np.ndarray, times: np.ndarray) -> tuple[Any, Any, Any, Any]:
        """See `KernelForm.hyperbolic`."""
        steps = times.astype(int)
        spans = (np.concatenate([[0], steps[:-1]]), steps)
        log, c, d, e = _path(experiment.method.timing(), tau, spans)
        return np.array(log), np.array(c), np.array(d), np.array(e)


@jax.jit
def _path(timing: Timing, tau: Any, spans: Any) -> Any:
    """Return (log, c, d, e) after each span of steps."""
    etas = descent_rates(timing.schedule, timing.numbers, timing.steps)
    momentum = timing.numbers.get("momentum", 0.0)

    def step(k: Any, carry: Any) -> Any:
        log, (c, d, e), velocity = carry
        position = jnp.stack([c, d, e])
        position, velocity = timing.method.kick(position, velocity, etas[k] * jnp.stack([tau * d, c, d]), momentum)
        unit = jnp.where(jnp.max(position, axis=0) > RESCALE_ABOVE, RESCALE, 1.0)
        return log - jnp.log(unit), position * unit, velocity * unit

    def span(carry: Any, ends: Any) -> tuple[Any, Any]:
        log, position, _ = carry = jax.lax.fori_loop(ends[0], ends[1], step, carry)
        return carry, (log, *position)

    zero = jnp.zeros_like(tau)
    start = zero, jnp.stack([zero + 1, zero, zero]), jnp.zeros((3, *tau.shape))
    return jax.lax.scan(span, start, jax.tree.map(jnp.asarray, spans))[1]


MEMBER = KernelDescent
