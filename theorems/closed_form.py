"""The base of the exact solutions."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, Self

import equinox as eqx
import jax
import numpy as np

from dynamics.errors import InputError
from dynamics.experiment import Experiment
from dynamics.families import members
from dynamics.method import Method, Timing
from dynamics.precision import namespace
from dynamics.problem import Problem
from dynamics.schedule import Numbers
from dynamics.state import State
from dynamics.trajectory import Decay
from theorems.centres import ncc
from theorems.margins import Motions
from theorems.scatter import Scatter, plain
from theorems.snapshot import Frame, Snapshot, metrics

ABSENT = 2.0**-47  # a part of the start below this share of it is its rounding, and is taken as zero: 7e-15
PRESENT = 1e-12  # a mode that holds less of the start than this carries no limit and no rate


class NoExactSolution(InputError, LookupError):
    """An experiment that no exact solution covers: it can be simulated, but not solved. ``why`` is a short reason."""

    def __init__(self, what: str) -> None:
        """Say of what none is known."""
        self.why = f"no exact solution is known of {what}"
        cure = "Simulate it: dynamics.simulate, or sweep --simulate."
        super().__init__(f"an experiment must have an exact solution to be solved, but none is known of {what}. {cure}")


class Why(dict[str, str]):
    """Why a metric has no value, by metric. All are equal for jit: words never change what is compiled."""

    def __hash__(self) -> int:
        """Return one number for all."""
        return 0

    def __eq__(self, other: object) -> bool:
        """Return whether the other is of this kind."""
        return isinstance(other, Why)


class ClosedForm(eqx.Module):
    """Base of the exact solutions: built once from a start, evaluated at one ``tick`` of its clock at a time.

    A tick is what time enters through, such as logarithms and signs of scalar multipliers: a pytree of arrays. `ticks`
    returns those of all saved times, stacked along their first axis. ``why`` names the metrics that have no value here:
    whatever a snapshot holds for them is not to be read.
    """

    kind: ClassVar[str]
    why: Why = eqx.field(static=True)

    @classmethod
    @abstractmethod
    def covers(cls, experiment: Experiment) -> bool:
        """Return whether this is the exact solution of an experiment."""

    @classmethod
    @abstractmethod
    def of(cls, experiment: Experiment, problem: Problem, start: State) -> Self:
        """Build the solution from a start (NumPy float64)."""

    @classmethod
    def builder(cls, problem: Problem, start: State) -> Callable[[Experiment, Problem], Self]:
        """Return what builds the solutions of experiments that differ from this one in no more than `setting` allows.

        What they all read of the start is found once.
        """
        del problem
        return lambda experiment, problem: cls.of(experiment, problem, start)

    @classmethod
    def keep(cls, problem: Problem, start: State, names: tuple[str, ...] = ()) -> Any:
        """Reduce a start to what `setting` needs for the metrics ``names``, or return None: no setting is built so."""
        del problem, start, names

    @classmethod
    def setting(cls, kept: Any, problem: Problem, numbers: Numbers, timing: Timing) -> Self:
        """Build the solution of one setting, for jit: gamma, smoothing, rates and ``numbers`` may all be traced.

        ``numbers`` are the scenario's fields, with the ``ratio`` s, and what the kept start is to be multiplied by,
        ``scale_h`` and ``scale_w``. It can be measured, but has no rows.
        """
        raise NotImplementedError

    def moving(self, timing: Timing, times: Any) -> Any:
        """Return what `measured` reads of the ticks of times (T,), stacked along its last axis, for jit."""
        raise NotImplementedError

    def measured(self, frame: Frame, problem: Problem, moving: Any) -> dict[str, Any]:
        """Return the metrics that need no rows, (T, ...) each, of what `moving` returns, for jit."""
        raise NotImplementedError

    @abstractmethod
    def ticks(self, experiment: Experiment, problem: Problem, times: np.ndarray) -> Any:
        """Return the ticks of the saved times, stacked along their first axis."""

    @abstractmethod
    def snapshot(self, problem: Problem, tick: Any) -> Snapshot:
        """Return the split state at one tick."""

    def motions(self, problem: Problem, ticks: Any) -> Motions | None:
        """Return how the state moves as sums of fixed rows times functions of time, or None if it is no such sum."""
        del problem, ticks

    def curves(self, frame: Frame, problem: Problem, ticks: Any, names: tuple[str, ...]) -> dict[str, Any]:
        """Return metrics by name over all ticks, (T, ...) each, for jit: only what is named is computed.

        What is not found `at_once` is found one time after the other, since a snapshot is large.
        """
        found = self.at_once(frame, problem, ticks)
        rest = [name for name in names if name not in found]

        def at(tick: Any) -> dict[str, Any]:
            snap = self.snapshot(problem, tick)
            alone = metrics(frame, snap) | ({"ncc": ncc(frame, problem, snap)} if "ncc" in rest else {})
            return {name: alone[name] for name in rest}

        return {name: found[name] for name in names if name in found} | (jax.lax.map(at, ticks) if rest else {})

    def at_once(self, frame: Frame, problem: Problem, ticks: Any) -> dict[str, Any]:
        """Return those metrics that are found at all ticks at once, (T, ...) each, for jit."""
        del frame, problem, ticks
        return {}

    @abstractmethod
    def state(self, problem: Problem, tick: Any) -> tuple[Any, State]:
        """Return (log_scale, State) at one tick: the true arrays are e^log_scale times the stored."""

    def scatter(self, problem: Problem, tick: Any) -> Scatter:
        """Return the class means and residuals at one tick as `theorems.scatter` reads them. Not for jit."""
        log_scale, state = self.state(problem, tick)
        features = np.asarray(state.features)
        means = problem.class_means(features)
        return plain(means, float(log_scale), features - means[problem.labels], float(log_scale))

    @classmethod
    def states(
        cls, experiment: Experiment, problem: Problem, start: State, times: np.ndarray
    ) -> tuple[Any, State] | None:
        """Return (log_scale, State) at times, stacked, at the scale that is stored, or None: ask `state` for each."""
        del experiment, problem, start, times

    @abstractmethod
    def decay(self, experiment: Experiment, ticks: Any) -> Decay:
        """Return how fast the direction settles, or why no rate can be given."""

    def notes(self) -> tuple[str, ...]:
        """Return remarks that a reader of the results should see."""
        return ()


def numbers_of(experiment: Experiment) -> Numbers:
    """Return the ``numbers`` of `ClosedForm.setting`, the start as it is."""
    one, ratio = np.float64(1), np.float64(experiment.method.ratio)
    return scenario_numbers(experiment) | {"ratio": ratio, "scale_h": one, "scale_w": one}


def scenario_numbers(experiment: Experiment) -> Numbers:
    """Return the numbers of a scenario, without decays that it does not have: what does not decay costs nothing."""
    absent = {"lambda_h", "lambda_w", "lambda_b"} - set(type(experiment.scenario).model_fields)
    return {name: value for name, value in experiment.scenario.numbers().items() if name not in absent}


def closed_forms() -> dict[str, type[ClosedForm]]:
    """Return every exact solution by kind."""
    return members("theorems.closed_forms", ClosedForm)


def find(experiment: Experiment) -> type[ClosedForm]:
    """Return the exact solution that covers an experiment.

    Raises:
        NoExactSolution: none does.
    """
    if not experiment.problem.linear:
        raise NoExactSolution(experiment.problem.loss)
    if experiment.method.random:
        raise NoExactSolution("one path of a random motion (of the mean: theorems.mean_path, theorems.second_moments)")
    for form in closed_forms().values():
        if form.covers(experiment):
            return form
    raise NoExactSolution(f"{experiment.scenario.kind} with {experiment.method.kind}")


def resolved(lengths: Any, whole: Any, share: float = ABSENT) -> Any:
    """Return whether lengths are more than the rounding of ``whole``, from which they were computed."""
    return lengths > share * whole


def snap(part: Any, whole: Any, share: float = ABSENT) -> Any:
    """Return ``part``, or zeros if its norm is no more than the rounding of ``whole``: NumPy for NumPy, else JAX."""
    xp = namespace(part)
    return xp.where(resolved(xp.linalg.norm(part), whole, share), part, 0.0)


def swinging(method: Method, exponents: np.ndarray) -> np.ndarray:
    """Return which modes (J,) pass through zero again and again, so that the size of what is left has no rate."""
    return method.turning(exponents) if method.swings else np.zeros(len(exponents), dtype=bool)


TIE = 1e-9  # exponents closer than this, relative to the largest, grow equally fast
NOTHING = "every mode is dead: the state is exactly zero after some step"
OSCILLATES = "a fastest mode oscillates about zero (rate or momentum too large): no direction is approached"
SWINGS = "what decays last swings through zero (momentum): its size has no rate"


class Leaders(NamedTuple):
    """Which modes grow most over the whole run, and whether they have no limit, and why."""

    fastest: Any
    dead: Any
    oscillates: Any

    def why(self) -> str:
        """Return why there is no limit, or ""."""
        return NOTHING if self.dead else OSCILLATES if self.oscillates else ""


def leading(timing: Timing, exponents: Any, exists: Any) -> Leaders:
    """Return the leaders among the modes (J,) that exist."""
    xp = namespace(exponents)
    logs = xp.where(exists, xp.asarray(timing.growth(exponents, timing.ends)[0])[:, -1], -xp.inf)
    alive = xp.isfinite(logs)
    dead = ~xp.any(alive)
    fastest = logs >= xp.max(logs) - TIE * xp.max(xp.where(alive, abs(logs), 0.0))
    turning = xp.any(fastest & xp.asarray(timing.turning(exponents)))
    return Leaders(xp.where(dead, exists, fastest), dead, turning & ~dead)
