"""How a state is moved: the base of the methods, and the [method] table with its schedule folded in."""

from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from pydantic import Field, SerializeAsAny, model_validator

from dynamics.errors import InputError, must, nearest
from dynamics.families import choose, members
from dynamics.precision import exact, namespace
from dynamics.schedule import Numbers, Schedule, descent_rates
from dynamics.table import Table


class Point(NamedTuple):
    """Where a simulation is at a saved time.

    ``twin`` is the same state at a hundredfold tolerance (flow), or None (descent, whose step is the method);
    ``error`` is the scenario's bound on the accumulated rounding, in the coordinates of `Scenario.doubt`.
    """

    state: Any
    twin: Any
    error: Any


class Pace(NamedTuple):
    """Growth whose logarithms are ``clock`` (T,) times ``slopes`` (J,); ``turning`` (J,) modes turn at each step."""

    clock: Any
    slopes: Any
    turning: Any

    @property
    def turns(self) -> Any:
        """The signs of turning modes, (T,)."""
        half = self.clock / 2
        return 1.0 - 4.0 * (half - namespace(half).floor(half))  # compiled, a remainder takes ten times as long


class Timing(eqx.Module):
    """A method's clock as it crosses jit: its kind and schedule compile, its ``numbers`` do not.

    ``steps`` is the number of steps, 0 for a flow. ``steady`` says that the rate never changes: then what happens by
    step k has a formula, and no steps are summed.
    """

    method: type[Any] = eqx.field(static=True)
    schedule: type[Schedule] = eqx.field(static=True)
    steady: bool = eqx.field(static=True)
    steps: int = eqx.field(static=True)
    numbers: Numbers

    @property
    def ends(self) -> Any:
        """The first time and the last, (2,)."""
        last = float(self.steps) if self.steps else self.numbers["horizon"]
        return namespace(last).stack([0.0 * last, last])

    def zeta(self, times: Any) -> Any:
        """Return zeta at times (T,)."""
        return _zeta(self, times)

    def growth(self, exponents: Any, times: Any) -> tuple[Any, Any]:
        """Return (ln|g|, sign g), (J, T) each, of modes with ``exponents`` (J,): see `Method.growth`."""
        return _growth(self, exponents, times)

    def turning(self, exponents: Any) -> Any:
        """Return which modes with ``exponents`` (J,) change their sign again and again, (J,)."""
        return _turning(self, exponents)

    def pace(self, exponents: Any, times: Any) -> Pace | None:
        """Return the growth as a clock times slopes, or None where it is none."""
        return self.method.pace_at(self, exponents, times)


class Method(Table):
    """Base of the methods: the prototypes' rate ``eta``, the ratio s = eta1/eta2, the warm-up, the schedule."""

    kind: ClassVar[str]
    clock: ClassVar[str]
    length: ClassVar[str]
    swings: ClassVar[bool] = False  # whether a mode may pass through zero between steps, so that |g| has no rate
    scenarios: ClassVar[tuple[str, ...]] = ()  # the kinds that it can move; all if empty
    random: ClassVar[bool] = False  # whether a simulation is one path of many
    shares_modes: ClassVar[bool] = True  # whether its steps keep the modes of the motion apart, whatever the rates are

    eta: float = Field(0.1, gt=0)
    ratio: float = Field(1.0, gt=0)
    warmup: float = Field(0.0, ge=0)
    schedule: SerializeAsAny[Schedule]

    @property
    def horizon(self) -> float:
        """The last time, in the units of this method's clock."""
        return float(getattr(self, self.length))

    @property
    def label(self) -> str:
        """What this method is called in a title."""
        return f"gradient {self.kind}"

    def numbers(self) -> Numbers:
        """Return what `dynamics.schedule` and this method read, as arrays that cross jit."""
        return {
            "eta": np.float64(self.eta),
            "warmup": np.float64(self.warmup),
            "horizon": np.float64(self.horizon),
            "schedule": self.schedule.numbers(),
        }

    def timing(self) -> Timing:
        """Return this method's clock as it crosses jit."""
        steady = self.schedule.steady and self.warmup == 0
        return Timing(type(self), type(self.schedule), steady, getattr(self, "steps", 0), self.numbers())

    def check(self, scenario: Any) -> None:
        """Refuse a scenario that this method cannot move. Raises InputError."""
        if self.scenarios and scenario.kind not in self.scenarios:
            relation = f"be one of {', '.join(self.scenarios)} with method.kind = {self.kind!r}"
            raise must("scenario.kind", relation, scenario.kind)

    def check_samples(self, samples: int) -> None:
        """Refuse a number of samples that this method cannot do with. Raises InputError."""

    def no_limit(self) -> str:
        """Return why no limit of the direction is known whatever the scenario, or "" if the modes decide."""
        return ""

    def felt_by(self, scenario: Any) -> "Method":
        """Return this method as a scenario feels it: what stays in place has no decay of its own."""
        del scenario
        return self

    @staticmethod
    def folded(pace: Numbers, numbers: Numbers) -> Numbers:
        """Return the scenario's numbers whose modes grow by `growth`, if there are such: with the method's decays.

        ``pace`` are the method's `numbers`.
        """
        del pace
        return numbers

    @staticmethod
    def critical(pace: Numbers, numbers: Numbers) -> Numbers:
        """Return the scenario's numbers whose lowest exponent decides what rates are stable."""
        del pace
        return numbers

    def rates(self) -> np.ndarray:
        """Return every eta_k of a method that counts steps, shape (steps,)."""
        with exact():
            return np.asarray(descent_rates(type(self.schedule), self.numbers(), int(self.horizon)))

    def times(self, points: int) -> np.ndarray:
        """Return at most ``points`` saved times, both ends included, on this method's clock."""
        raise NotImplementedError

    def evaluations(self, times: np.ndarray) -> float:
        """Return about how often the velocity is evaluated from one saved time to the next."""
        raise NotImplementedError

    def zeta(self, times: np.ndarray) -> np.ndarray:
        """Return zeta at the saved times."""
        with exact():
            return np.asarray(self.timing().zeta(times))

    def growth(self, exponents: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        r"""Return (ln|g|, sign g) of modes that obey $z' = w z$ per zeta, each (times, exponents).

        Flow: $g = e^{w\zeta}$. Descent: $g = \prod_{j<k}(1 + \eta_j w)$. With momentum: see `dynamics.momentum`. A
        mode that is zero has ln = -inf.
        """
        with exact():
            logs, signs = self.timing().growth(exponents, times)
            return np.asarray(logs).T, np.asarray(signs).T

    def turning(self, exponents: np.ndarray) -> np.ndarray:
        """Return which modes with ``exponents`` (J,) change their sign again and again, (J,)."""
        with exact():
            return np.asarray(self.timing().turning(exponents))

    @staticmethod
    def zeta_at(timing: Timing, times: Any) -> Any:
        """Return zeta at times (T,), for jit."""
        raise NotImplementedError

    @staticmethod
    def pace_at(timing: Timing, exponents: Any, times: Any) -> Pace | None:
        """Return `Timing.pace`, for jit."""
        raise NotImplementedError

    @staticmethod
    def growth_at(timing: Timing, exponents: Any, times: Any) -> tuple[Any, Any]:
        """Return `growth` as (J, T), modes first, for jit, where there is no pace."""
        raise NotImplementedError

    @staticmethod
    def turning_at(timing: Timing, exponents: Any) -> Any:
        """Return `turning`, for jit: by the signs after the first step and after the last."""
        first_and_last = jnp.stack([jnp.minimum(timing.ends[1], 1.0), timing.ends[1]])
        return jnp.any(timing.growth(exponents, first_and_last)[1] < 0, axis=1)

    def walk(self, scenario: Any, numbers: Numbers, problem: Any, state: Any, times: np.ndarray) -> Iterator["Point"]:
        """Yield a `Point` at every saved time, the first included, simulated from the start."""
        raise NotImplementedError

    @classmethod
    def own_keys(cls) -> list[str]:
        """Return the keys of this method alone, without those of its schedule."""
        return [name for name in cls.model_fields if name != "schedule"]

    @model_validator(mode="after")
    def _jumps(self) -> Self:
        self.schedule.jumps(self.horizon)
        return self


@jax.jit
def _zeta(timing: Timing, times: Any) -> Any:
    return timing.method.zeta_at(timing, jnp.asarray(times))


@jax.jit
def _growth(timing: Timing, exponents: Any, times: Any) -> tuple[Any, Any]:
    exponents, times = jnp.asarray(exponents), jnp.asarray(times)
    pace = timing.pace(exponents, times)
    if pace is None:
        return timing.method.growth_at(timing, exponents, times)
    logs = jnp.where(pace.clock > 0, pace.clock * pace.slopes[:, None], 0.0)
    return logs, jnp.where(pace.turning[:, None], pace.turns, 1.0)


@jax.jit
def _turning(timing: Timing, exponents: Any) -> Any:
    return timing.method.turning_at(timing, jnp.asarray(exponents))


def schedules() -> dict[str, type[Schedule]]:
    """Return every schedule by kind."""
    return members("dynamics.schedules", Schedule)


def methods() -> dict[str, type[Method]]:
    """Return every method by kind."""
    return members("dynamics.methods", Method)


def parse_method(values: dict[str, Any]) -> Method:
    """Build the method of a flat [method] table, where the schedule's keys stand beside the method's.

    Raises:
        InputError: an unknown kind, schedule or key, or a value that does not fit.
    """
    values = dict(values)
    method = choose("dynamics.methods", Method, "method.kind", values.pop("kind", "descent"))
    schedule = choose("dynamics.schedules", Schedule, "method.schedule", values.pop("schedule", "constant"))
    own = {key: values.pop(key) for key in method.own_keys() if key in values}
    timing = {key: values.pop(key) for key in schedule.model_fields if key in values}
    for key in values:
        raise _stray(key, method, schedule)
    return method.parse("method", {**own, "schedule": schedule.parse("method", timing)})


def _stray(key: str, method: type[Method], schedule: type[Schedule]) -> InputError:
    known = [*method.own_keys(), *schedule.model_fields, "kind", "schedule"]
    owners = [f"schedule = {kind!r}" for kind, member in schedules().items() if key in member.model_fields]
    owners += [f"kind = {kind!r}" for kind, member in methods().items() if key in member.model_fields]
    cure = f"It belongs to {' or '.join(owners)}." if owners else nearest(key, known).strip()
    subject = f"method.{key}"
    return InputError(
        f"{subject} must be a key of [method] with kind = {method.kind!r} and schedule = {schedule.kind!r}, "
        f"but is not. {cure} Keys: {', '.join(known)}.".replace("  ", " ")
    )
