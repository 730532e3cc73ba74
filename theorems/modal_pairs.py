r"""A start by modes, and how it moves: the multipliers of a time, and what they make of each pair (F, W).

Each singular mode of M splits into two scalar modes (`theorems.modes.axes`); the within-class residuals R are one more,
with exponent -s l1. A scalar mode obeys $z' = w z$ per zeta, so a flow multiplies it by $e^{w\zeta}$ and a descent by
$\prod_k(1+\eta_k w)$: the two differ in this multiplier only. Every multiplier keeps its own logarithm and sign.

In the code, ``f`` and ``w`` are F and W of a pair, ``grow`` and ``fall`` its parts along the two axes, and ``up``,
``down`` the logarithms of what multiplies these; G counts groups of classes (`theorems.modes`), J = 2G sigmas.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp

from dynamics.method import Timing
from dynamics.precision import namespace
from theorems.closed_form import ClosedForm
from theorems.modes import Axes, Modes
from theorems.projection import Between, Pairs, Reduced, Vectors
from theorems.propagation import lifted, propagator
from theorems.relax import Relaxation, relaxation
from theorems.unrolled import FEW, column, each, largest, like, several

NEVER = -1e290  # ln of a multiplier that nothing is left of, however long the run


class Tick(NamedTuple):
    """The multipliers, e^log_scale times sign e^log, (2J + 1, ...): J growing, J falling, the residuals; the biases.

    The largest log is 0. An axis along which the start has no part has its partner's multiplier, which makes the
    propagator of the pair exact on what is there; of a pair that the start lacks, nothing is left.
    """

    log_scale: Any
    logs: Any
    signs: Any
    biases: Relaxation


class ModalPairs(ClosedForm):
    """A start by modes, and the ticks that move it.

    J = 2G sigmas: first the contrasts of each group, then the modes between the G groups. ``exponents`` (2J + 1,) per
    zeta; ``fastest`` (2J + 1,) marks the modes of L. ``even`` says that the classes of a group have one size: then
    contrasts are contrasts of the class means too, and no metric needs rows.
    """

    even: bool = eqx.field(static=True)
    modes: Modes
    vectors: Vectors
    axis: Axes
    ratio: Any
    exponents: Any
    reduced: Reduced
    between: Between
    pairs: Pairs
    decay_b: Any
    fastest: Any
    has_limit: Any
    has_zbar: Any
    zbar_grows: Any

    @property
    def balanced(self) -> bool:
        """Whether all classes have one size and one weight."""
        return self.even and len(self.modes.count) == 1

    def present(self) -> Any:
        """Return whether the start has a part in each mode, (2J + 1,)."""
        xp = namespace(self.pairs.grow)
        return xp.concatenate([*self.pairs.lengths(), xp.reshape(self.reduced.residual, (1,))]) > 0

    def moving(self, timing: Timing, times: Any) -> Tick:
        """See `ClosedForm.moving`."""
        biases, pace = relaxation(timing, self.decay_b, times), timing.pace(self.exponents, times)
        if pace is None or len(self.exponents) > FEW:
            logs, signs = (self._of_present(part) for part in timing.growth(self.exponents, times))
            logs = jnp.where(self._moves()[:, None], jnp.maximum(logs, NEVER), NEVER)
            top = largest(logs)
            return Tick(top, logs - top, signs, biases)
        slopes, turning = (self._of_present(part) for part in (pace.slopes, pace.turning))
        slopes = jnp.where(self._moves(), jnp.maximum(slopes, NEVER), NEVER)
        top = largest(slopes)
        logs = tuple(pace.clock * (slope - top) for slope in slopes)
        return Tick(pace.clock * top, logs, tuple(jnp.where(turn, pace.turns, 1.0) for turn in turning), biases)

    def _of_present(self, values: Any) -> Any:
        """Return values by mode, those of an axis along which the start has no part replaced by its partner's."""
        j = len(self.axis.cos)
        swapped = jnp.concatenate([values[j : 2 * j], values[:j], values[2 * j :]])
        return jnp.where(column(self.present(), values), values, swapped)

    def _moves(self) -> Any:
        """Return whether the start has a part in each mode, or in the other one of its pair."""
        return self._of_present(self.present())

    def _factors(self, tick: Tick) -> Any:
        """Return all multipliers at the scale of the tick, by mode, the last one of the residuals."""
        return each(lambda log, sign: sign * jnp.exp(log), tick.logs, tick.signs)

    def _entries(self, tick: Tick, scale: Any) -> tuple[Any, Any, Any, Any]:
        """Return `propagator` of each pair, times e^-scale beside the tick's own, +inf to leave a pair out."""
        pairs = tick._replace(logs=tick.logs[:-1], signs=tick.signs[:-1])
        both = scale if jnp.ndim(scale) < pairs.logs.ndim else jnp.concatenate([scale, scale])
        return self._propagators(tick, pairs.signs * jnp.exp(pairs.logs - both))

    def _propagators(self, tick: Tick, factors: Any) -> tuple[Any, Any, Any, Any]:
        """Return (ff, fw, wf, ww) of `propagator`, by mode, from the multipliers' ``factors`` at any scale."""
        j = len(self.axis.cos)
        up, down = tick.logs[:j], tick.logs[j : 2 * j]
        known = (like(part, up) for part in (self.axis.cos, self.axis.sin))
        ff, fw, ww = several(propagator, *known, factors[:j], factors[j : 2 * j], up, down)
        return ff, fw, fw, ww

    def _residual(self, tick: Tick) -> Any:
        """Return the multiplier of the within-class residuals, at the scale of the tick."""
        return tick.signs[-1] * jnp.exp(tick.logs[-1])

    def _moved(self, tick: Tick, factors: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        """Return F and W, each as its two coordinates by pair, at the scale of the ``factors``."""
        entries = self._propagators(tick, factors)
        f1, w1, w2 = (like(x, entries[0]) for x in (self.pairs.f[:, 0], self.pairs.w[:, 0], self.pairs.w[:, 1]))

        def move(ff: Any, fw: Any, wf: Any, ww: Any, f1: Any, w1: Any, w2: Any) -> tuple[Any, ...]:
            return ff * f1 + fw * w1, fw * w2, wf * f1 + ww * w1, ww * w2

        moved = several(move, *entries, f1, w1, w2)
        return moved[:2], moved[2:]

    def _lifted(self, weights: Any) -> tuple[Any, ...]:
        return lifted(self.axis, self.ratio, self.pairs, self.reduced.residual, weights)

    def _log_wedge(self, tick: Tick) -> Any:
        """Return ln of how much the area that the first pair's F and W span has grown, beside the tick's scale."""
        return tick.logs[0] + tick.logs[len(self.axis.cos)]

    def _pair_logs(self, tick: Tick) -> tuple[Any, Any]:
        """Return the larger logarithm of each pair: of the groups' contrasts (G,), of the modes between (G,)."""
        j = len(self.axis.cos)
        pair = jnp.maximum(tick.logs[:j], tick.logs[j : 2 * j])
        return pair[: j // 2], pair[j // 2 :]

    def _differing(self, tick: Tick, vectors: Any) -> tuple[Any, Any]:
        """Return (entries, log): pairs that tell classes apart through ``vectors``, at the largest one's scale."""
        log_group, log_mode = self._pair_logs(tick)
        active = column(jnp.any(vectors != 0, axis=0), log_mode)
        top = _top(jnp.concatenate([log_group, jnp.where(active, log_mode, -jnp.inf)]))
        scale = jnp.where(jnp.concatenate([jnp.ones_like(active), active]), top, jnp.inf)
        return self._entries(tick, scale), top


def written_out(tick: Tick) -> Tick:
    """Return a tick by mode as `theorems.unrolled` has it: a tuple of modes if they are few."""
    return tick._replace(logs=tuple(tick.logs), signs=tuple(tick.signs)) if len(tick.logs) <= FEW else tick


def stacked(tick: Tick) -> Tick:
    """Return a tick whose modes are the first axis of an array."""
    if not isinstance(tick.logs, tuple):
        return tick
    return tick._replace(logs=jnp.stack(tick.logs), signs=jnp.stack(tick.signs))


def _top(logs: Any) -> Any:
    """Return the largest logarithm, or 0 where there is none."""
    top = largest(logs)
    return jnp.where(jnp.isfinite(top), top, 0.0)
