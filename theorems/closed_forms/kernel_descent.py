r"""Kernel descent: the three functions of the flow become polynomials in tau, with a recurrence.

$c_{k+1} = c_k + \eta_k\tau d_k$, $d_{k+1} = d_k + \eta_k c_k$, $e_{k+1} = e_k + \eta_k d_k$ from (1, 0, 0): every
term is positive, so nothing cancels; all three are rescaled together by powers of two.
"""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from dynamics.experiment import Experiment
from theorems.kernel import KernelForm

RESCALE_ABOVE = 2.0**100
RESCALE = 2.0**-100


class KernelDescent(KernelForm):
    """Kernel descent, through polynomials of T = s G'KG: Theorem 8, repaired."""

    kind: ClassVar[str] = "kernel-descent"

    @classmethod
    def covers(cls, experiment: Experiment) -> bool:
        """See `ClosedForm.covers`."""
        return experiment.scenario.kind == "kernel" and experiment.method.kind == "descent"

    def hyperbolic(self, experiment: Experiment, tau: np.ndarray, times: np.ndarray) -> tuple[Any, Any, Any, Any]:
        """See `KernelForm.hyperbolic`."""
        steps = times.astype(int)
        spans = (np.concatenate([[0], steps[:-1]]), steps)
        log, c, d, e = _path(tau, experiment.method.rates(), spans)
        return np.array(log), np.array(c), np.array(d), np.array(e)


@jax.jit
def _path(tau: Any, etas: Any, spans: Any) -> Any:
    """Return (log, c, d, e) after each span of steps."""

    def step(k: Any, carry: Any) -> Any:
        log, c, d, e = carry
        eta = etas[k]
        c, d, e = c + eta * tau * d, d + eta * c, e + eta * d
        large = jnp.maximum(jnp.maximum(c, d), e) > RESCALE_ABOVE
        unit = jnp.where(large, RESCALE, 1.0)
        return log - jnp.log(unit), c * unit, d * unit, e * unit

    def span(carry: Any, ends: Any) -> tuple[Any, Any]:
        carry = jax.lax.fori_loop(ends[0], ends[1], step, carry)
        return carry, carry

    zero = jnp.zeros_like(tau)
    start = (zero, jnp.ones_like(tau), zero, zero)
    return jax.lax.scan(span, start, jax.tree.map(jnp.asarray, spans))[1]


MEMBER = KernelDescent
