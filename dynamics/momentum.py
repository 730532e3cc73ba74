r"""What the methods with momentum share: the exact motion of a scalar mode, the simulation, and its rounding.

A mode $z' = wz + f$ (per zeta, f a constant drive) is moved by a recurrence of two numbers, its position and its
velocity. With rates that change it has no product formula, so it is run step by step: for f = 0 from z = 1, which
gives g, and for f = 1 from z = 0, which gives d. Then z = g z(0) + d f, and g = 1 + w d.
"""

import itertools
from collections.abc import Iterator
from functools import partial
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from pydantic import Field

from dynamics.method import Point, Timing
from dynamics.problem import Problem
from dynamics.scenario import Scenario, symmetric_norm
from dynamics.schedule import Numbers, descent_rate, descent_rates
from dynamics.state import State
from dynamics.stepping import INTERRUPTIBLE, Stepping

FAR = 300.0  # a mode beyond 2^+-300 is rescaled: one more step stays in float64
NEAR = 0.5  # |g - 1| below which g is taken from its change
ROUNDINGS = 8  # per step and entry: three in the push, then at most two in the velocity and three in the position


class Momentum(Stepping):
    r"""Base of the methods with a velocity: ``momentum`` is b, 0 <= b < 1; at b = 0 they are plain descent.

    zeta is what a constant drive of one moves: a slow mode is multiplied by about $e^{w\zeta}$, and zeta grows by
    $\eta/(1-b)$ per step after the first few.
    """

    swings: ClassVar[bool] = True
    momentum: float = Field(0.9, ge=0, lt=1)

    @property
    def label(self) -> str:
        """See `Method.label`."""
        return f"{self.kind} momentum {self.momentum:g}"

    def numbers(self) -> Numbers:
        """See `Method.numbers`."""
        return {**super().numbers(), "momentum": np.float64(self.momentum)}

    @staticmethod
    def damped(momentum: Any) -> Any:
        r"""Return the largest $-\eta w$ at which a mode falls without ever changing its sign."""
        raise NotImplementedError

    @staticmethod
    def zeta_at(timing: Timing, times: Any) -> Any:
        """See `Method.zeta_at`: the drive's part of a mode with w = 0."""
        return _path(timing, jnp.zeros(1), times).driven[0]

    @staticmethod
    def pace_at(timing: Timing, exponents: Any, times: Any) -> None:
        """See `Method.pace_at`: there is none, since the velocity has to build up first."""

    @staticmethod
    def growth_at(timing: Timing, exponents: Any, times: Any) -> tuple[Any, Any]:
        """See `Method.growth_at`: |g| near 1 by what it has changed, so that a slow mode keeps all its digits."""
        path = _path(timing, exponents, times)
        change = exponents[:, None] * path.driven
        near = jnp.abs(change) < NEAR  # not for NaN: what the drive moves may have overflowed
        logs = jnp.where(near, jnp.log1p(jnp.where(near, change, 0.0)), path.log + jnp.log(jnp.abs(path.position)))
        return logs, jnp.where(path.position < 0, -1.0, 1.0)

    @staticmethod
    def turning_at(timing: Timing, exponents: Any) -> Any:
        r"""See `Method.turning_at`.

        With $\rho_k = z_{k+1}/z_k$ a heavy ball has $\rho_k = 1 + b + \eta_k w - b/\rho_{k-1}$ from $\rho_{-1} = 1$ on:
        while all $-\eta_k w$ stay below the meeting of the roots, rho stays above it, and no sign ever changes.
        Nesterov's lookahead sequence alike. At a constant rate, any w beyond makes the roots complex, or negative.
        """
        fastest = jnp.max(descent_rates(timing.schedule, timing.numbers, timing.steps))
        return -exponents * fastest > timing.method.damped(timing.numbers["momentum"])

    def walk(
        self, scenario: type[Scenario], numbers: Numbers, problem: Problem, state: State, times: np.ndarray
    ) -> Iterator[Point]:
        """See `Method.walk`. One compilation serves every gamma, rate, momentum, lambda and schedule."""
        rates, steps = jnp.asarray(self.rates()), times.astype(int)
        own = type(self), scenario, numbers, problem, self.numbers()["momentum"], rates
        velocity, error = jax.tree.map(jnp.zeros_like, state), scenario.no_error(problem)
        rounding = Rounding.of(numbers, rates)
        yield Point(state, None, error)
        for first, last in itertools.pairwise(steps):
            largest = jnp.zeros(())
            for begin in range(first, last, INTERRUPTIBLE):
                end = min(begin + INTERRUPTIBLE, last)
                state, velocity, largest = advance(*own, (state, velocity, largest), begin, end)
            if (
                scenario.errors_by_step or problem.loss is not None
            ):  # a motion that is not linear: nothing bounds its error
                error = jax.tree.map(lambda x: jnp.full_like(x, jnp.inf), error)
            else:
                rounding = rounding.after(type(self), own[4], rates, first, last, largest)
                error = rounding.bound(last)
            yield Point(state, None, error)


@partial(jax.jit, static_argnums=(0, 1))
def advance(
    method: type[Stepping], scenario: type[Scenario], numbers: Numbers, problem: Problem, momentum: Any, rates: Any,
    carry: tuple[State, State, Any], first: Any, last: Any,
) -> tuple[State, State, Any]:  # fmt: skip
    """Take steps ``first`` to ``last`` (traced) of (state, velocity, the largest norm that both had so far)."""
    state, velocity, largest = carry
    size = jnp.hypot(symmetric_norm(numbers, state), symmetric_norm(numbers, velocity))
    unit = jnp.where(size > 0, size, 1.0)  # a norm that is safe from overflow takes far longer than a step
    to_h, to_w = 1 / (jnp.sqrt(numbers["ratio"]) * unit), 1 / unit

    def square(z: State, v: State) -> Any:
        features = jnp.sum((to_h * z.features) ** 2 + (to_h * v.features) ** 2)
        return features + jnp.sum((to_w * z.prototypes) ** 2 + (to_w * v.prototypes) ** 2)

    def once(k: Any, carry: tuple[State, State, Any]) -> tuple[State, State, Any]:
        state, velocity, most = carry

        def entries(z: Any, v: Any, drive: Any) -> tuple[Any, Any]:
            return method.kick(z, v, rates[k].astype(z.dtype) * drive, momentum.astype(z.dtype))

        drive = scenario.velocity(numbers, problem, state)
        moved = jax.tree.map(entries, state, velocity, drive)
        state, velocity = jax.tree.transpose(jax.tree.structure(state), jax.tree.structure((0, 0)), moved)
        return state, velocity, jnp.maximum(most, square(state, velocity))

    state, velocity, most = jax.lax.fori_loop(first, last, once, (state, velocity, jnp.ones_like(unit)))
    return state, velocity, jnp.maximum(largest, size * jnp.sqrt(most))


class Rounding(NamedTuple):
    r"""A bound on the accumulated rounding of a simulation with momentum, in the coordinates $(H/\sqrt s, W)$.

    Rounding in step i is at most ``made`` times the size of (Z, V), and is moved on by the products P of the 2 x 2
    matrices of the steps after it, in each mode by those of its own exponent. These matrices are not normal, and where
    roots are complex their norms exceed 1 though their powers decay, so no product of norms will do. Instead every
    mode carries $S = \sum_i s_i^2 P_i P_i'$ with $s_i$ the size at step i, by $S \leftarrow ASA' + s^2 I$: exact for
    any rates. By the inequality of Cauchy and Schwarz, over steps and modes, the error of Z after k steps is at most
    made $\cdot\,(k \max S_{zz})^{1/2}$, the maximum over the modes.

    ``moments`` are $S_{zz}, S_{zv}, S_{vv}$ (J,) over the square of the ``size``; ``exponents`` (J,).
    """

    exponents: Any
    made: Any
    moments: Any
    size: Any

    @classmethod
    def of(cls, numbers: Numbers, rates: Any) -> "Rounding":
        """Return the bound at the start. A push counts as often as it is larger than the state that it is made of."""
        spectrum = numbers["spectrum"]
        exponents = jnp.atleast_1d(jnp.asarray(spectrum.exponents, jnp.float64))
        reach = jnp.maximum(1.0, jnp.max(rates) * jnp.max(jnp.abs(exponents)))
        made = ROUNDINGS * spectrum.transient * numbers["rounding"] * reach
        return cls(exponents, made, jnp.zeros((3, len(exponents))), jnp.ones(()))

    def after(self, method: type[Stepping], momentum: Any, rates: Any, first: int, last: int, size: Any) -> "Rounding":
        """Return the bound after steps ``first`` to ``last``, in which (Z, V) was never larger than ``size``."""
        size = jnp.asarray(size, jnp.float64)
        moments = self.moments * (self.size / size) ** 2
        return self._replace(moments=_moments(method, self.exponents, momentum, rates, moments, first, last), size=size)

    def bound(self, steps: int) -> Any:
        """Return the bound on the error of Z after so many steps."""
        return self.made * self.size * jnp.sqrt(steps * jnp.max(self.moments[0]))


@partial(jax.jit, static_argnums=0)
def _moments(
    method: type[Stepping], exponents: Any, momentum: Any, rates: Any, moments: Any, first: Any, last: Any
) -> Any:
    """Return the moments of `Rounding` after steps ``first`` to ``last``, at a size of 1."""
    (zv, vv) = method.kick(0.0, 1.0, 0.0, momentum)

    def once(k: Any, moments: Any) -> Any:
        both, mixed, velocities = moments
        zz, vz = method.kick(1.0, 0.0, rates[k] * exponents, momentum)
        return jnp.stack(
            [
                zz * zz * both + 2 * zz * zv * mixed + zv * zv * velocities + 1,
                zz * vz * both + (zz * vv + zv * vz) * mixed + zv * vv * velocities,
                vz * vz * both + 2 * vz * vv * mixed + vv * vv * velocities + 1,
            ]
        )

    return jax.lax.fori_loop(first, last, once, moments)


class Path(NamedTuple):
    """Modes at times, (J, T) each: e^log times position and velocity from (1, 0), and what a drive of one moves."""

    log: Any
    position: Any
    driven: Any


def _path(timing: Timing, exponents: Any, times: Any) -> Path:
    """Return the modes (J,) at whole steps (T,), ascending."""
    kick, momentum = timing.method.kick, timing.numbers["momentum"]

    def step(k: Any, carry: Any) -> Any:
        (z, v), (d, u), shift = carry
        rate = descent_rate(timing.schedule, timing.numbers, k.astype(float))
        z, v = kick(z, v, rate * exponents * z, momentum)
        size = jnp.maximum(jnp.abs(z), jnp.abs(v))
        up = jnp.where(size < 2.0**-FAR, 1.0, 0.0) - jnp.where(size > 2.0**FAR, 1.0, 0.0)
        unit = jnp.where(up > 0, 2.0**FAR, jnp.where(up < 0, 2.0**-FAR, 1.0))
        return (unit * z, unit * v), kick(d, u, rate * (exponents * d + 1), momentum), shift - up

    def span(before: tuple[Any, Any], end: Any) -> tuple[tuple[Any, Any], Any]:
        carry = jax.lax.fori_loop(before[0], end, step, before[1])
        (z, _), (d, _), shift = carry
        return (end, carry), Path(FAR * np.log(2) * shift, z, d)

    zero = jnp.zeros_like(exponents)
    start = (zero + 1, zero), (zero, zero), zero
    stops = times.astype(int)
    return jax.tree.map(jnp.transpose, jax.lax.scan(span, (jnp.zeros_like(stops[0]), start), stops)[1])
