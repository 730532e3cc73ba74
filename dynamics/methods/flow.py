"""Gradient flow, integrated numerically."""

import itertools
from collections.abc import Iterator
from functools import partial
from typing import Any, ClassVar

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from pydantic import Field

from dynamics.errors import must
from dynamics.method import Method, Pace, Point, Timing
from dynamics.problem import Problem
from dynamics.scenario import Interval, Scenario, settle, symmetric_norm
from dynamics.schedule import Numbers, Schedule, flow_rate, flow_zeta
from dynamics.state import State, norm

RTOL = {np.dtype(np.float64): 1e-12, np.dtype(np.float32): 1e-6}
COARSER = 100.0  # the twin's tolerance: their difference bounds the error of the finer run
ROUNDINGS = 16  # per accepted step and entry: the sums over the stages of Dopri8
STAGES = 14  # of Dopri8
MOST_STEPS = 1_000_000  # of the whole run; a flow that needs more is too stiff for an explicit solver
INTERRUPTIBLE = 500  # steps expected of one compiled call: Ctrl-C waits for no more than about these
LOG_OVERFLOW = {np.dtype(np.float64): 709.0, np.dtype(np.float32): 88.0}
STABLE_REACH = 5.0  # Dopri8 is stable for |w| dzeta up to about this


class Flow(Method):
    r"""Gradient flow, integrated by an adaptive solver; clock: time t.

    $dZ/dt = \eta_2(t)\,dZ/d\zeta$ for a time ``time``; $\zeta = \int_0^t\eta_2$.
    """

    kind: ClassVar[str] = "flow"
    clock: ClassVar[str] = "time"
    length: ClassVar[str] = "time"
    time: float = Field(50_000.0, gt=0)

    def times(self, points: int) -> np.ndarray:
        """See `Method.times`: equally spaced."""
        return np.linspace(0.0, self.time, points)

    def evaluations(self, times: np.ndarray) -> float:
        """See `Method.evaluations`: the stages of one step, and of its twin."""
        del times
        return 2.0 * STAGES

    @staticmethod
    def zeta_at(timing: Timing, times: Any) -> Any:
        """See `Method.zeta_at`."""
        return flow_zeta(timing.schedule, timing.numbers, times)

    @staticmethod
    def pace_at(timing: Timing, exponents: Any, times: Any) -> Pace:
        """See `Method.pace_at`."""
        return Pace(timing.zeta(times), exponents, jnp.zeros(exponents.shape, dtype=bool))

    def walk(
        self, scenario: type[Scenario], numbers: Numbers, problem: Problem, state: State, times: np.ndarray
    ) -> Iterator[Point]:
        """See `Method.walk`. Steps land on the saved times and on the schedule's jumps; no dense output is read.

        Raises:
            InputError: the fastest mode is too stiff for the time asked.
        """
        timing = self.numbers()
        fastest = scenario.stiffness(numbers, problem, state)
        self._refuse_stiff(fastest, self.zeta(times)[-1])
        rtol = RTOL[np.dtype(state.features.dtype)]
        kinks = [t for t in [*self.schedule.jumps(self.time), self.warmup] if 0 < t < self.time]
        twin, error = state, scenario.no_error(problem)
        yield Point(state, twin, error)
        for begin, end in itertools.pairwise(times):
            span = np.diff(self.zeta(np.array([begin, end])))[0]
            pieces = np.linspace(begin, end, 2 + int(fastest * span / (STABLE_REACH * INTERRUPTIBLE)))
            stops = sorted({*pieces, *(t for t in kinks if begin < t < end)})
            rise = max(0.0, float(numbers["spectrum"].highest) * span)
            before, roundings = state, 0.0
            if float(jnp.log(symmetric_norm(numbers, state))) + rise > LOG_OVERFLOW[np.dtype(state.features.dtype)]:
                # No solver can step over an overflow; it would shrink its steps for ever.
                yield Point(jax.tree.map(lambda x: x * np.inf, state), None, error)
                return
            for t0, t1 in itertools.pairwise(stops):
                run = partial(advance, type(self.schedule), scenario, numbers, problem, timing)
                # The twin tries the whole interval, the run half of it: were both to accept the same step, their
                # difference would say nothing about its error.
                state, steps = run(state, t0, t1, (t1 - t0) / 2, rtol)
                twin, _ = run(twin, t0, t1, t1 - t0, COARSER * rtol)
                roundings += ROUNDINGS * float(steps)
            with np.errstate(over="ignore"):  # of a start far below 1: then nothing bounds the error
                interval = Interval(span, np.exp(rise), roundings)
            error = settle(scenario, numbers, problem, error, before, state, interval)
            yield Point(state, twin, error)

    def _refuse_stiff(self, fastest: float, zeta: float) -> None:
        if fastest * zeta > STABLE_REACH * MOST_STEPS:
            most = self.time * STABLE_REACH * MOST_STEPS / (fastest * zeta)
            raise must(
                "method.time", f"be <= {most:.3g} (the fastest motion has rate {fastest:.3g} per zeta)", self.time,
                "Shorten the flow, lower lambda or eta, enlarge start.scale_h if features are spherical, "
                "or use method.kind = 'descent'.",
            )  # fmt: skip


@partial(jax.jit, static_argnums=(0, 1))
def advance(
    schedule: type[Schedule], scenario: type[Scenario], numbers: Numbers, problem: Problem, timing: Numbers,
    state: State, t0: Any, t1: Any, first: Any, rtol: Any,
) -> tuple[State, Any]:  # fmt: skip
    """Integrate from t0 to t1 with a ``first`` step to try; return the state and the number of accepted steps."""
    entries = state.features.size + state.prototypes.size
    size = jnp.hypot(norm(state.features), norm(state.prototypes)) / jnp.sqrt(entries)
    # Of nothing, any share is met by no step; nor is one that is too small for a normal number.
    size = jnp.where(size * rtol > jnp.finfo(size.dtype).tiny, size, 1.0)
    # In logits biases stand beside 1, whatever is left of H and W: what a softmax rounds moves them, and a tolerance
    # that falls with H and W would fall below it.
    unit = 1.0 if problem.loss is None else jnp.minimum(size, 1.0)

    def field(t: Any, state: State, _: Any) -> State:
        # The right-hand limit at a jump is what the interval that begins there needs, the left-hand limit what the
        # interval that ends there needs: the clipping keeps every stage on its own side.
        inside = jnp.clip(t, t0 + 1e-14 * jnp.abs(t0), t1 - 1e-14 * jnp.abs(t1))
        rate = flow_rate(schedule, timing, inside)
        velocity = scenario.velocity(numbers, problem, scaled_biases(state, 1 / unit))
        return jax.tree.map(lambda v: rate.astype(v.dtype) * v, scaled_biases(velocity, unit))

    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(field), diffrax.Dopri8(), t0, t1, first, scaled_biases(state, unit),
        stepsize_controller=diffrax.PIDController(rtol=rtol, atol=rtol * size), saveat=diffrax.SaveAt(t1=True),
        max_steps=None, throw=False, adjoint=diffrax.ForwardMode(),
    )  # fmt: skip
    last = jax.tree.map(lambda x: x[0], solution.ys)
    return scaled_biases(last, 1 / unit), solution.stats["num_accepted_steps"]


def scaled_biases(state: State, scale: Any) -> State:
    """Return a state whose biases are ``scale`` times as large."""
    return State(state.features, state.prototypes, scale * state.biases)


MEMBER = Flow
