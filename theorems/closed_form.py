"""The base of the exact solutions."""

from abc import abstractmethod
from typing import Any, ClassVar, Self

import equinox as eqx
import numpy as np

from dynamics.experiment import Experiment
from dynamics.families import members
from dynamics.problem import Problem
from dynamics.state import State
from dynamics.trajectory import Decay
from theorems.snapshot import Snapshot

ABSENT = 2.0**-47  # a part of the start below this share of it is its rounding, and is taken as zero: 7e-15
PRESENT = 1e-12  # a mode that holds less of the start than this carries no limit and no rate


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

    @abstractmethod
    def ticks(self, experiment: Experiment, problem: Problem, times: np.ndarray) -> Any:
        """Return the ticks of the saved times, stacked along their first axis."""

    @abstractmethod
    def snapshot(self, problem: Problem, tick: Any) -> Snapshot:
        """Return the split state at one tick."""

    @abstractmethod
    def state(self, problem: Problem, tick: Any) -> tuple[Any, State]:
        """Return (log_scale, State) at one tick: the true arrays are e^log_scale times the stored."""

    @abstractmethod
    def decay(self, experiment: Experiment, ticks: Any) -> Decay:
        """Return how fast the direction settles, or why no rate can be given."""

    def notes(self) -> tuple[str, ...]:
        """Return remarks that a reader of the results should see."""
        return ()


def closed_forms() -> dict[str, type[ClosedForm]]:
    """Return every exact solution by kind."""
    return members("theorems.closed_forms", ClosedForm)


def find(experiment: Experiment) -> type[ClosedForm]:
    """Return the exact solution that covers an experiment.

    Raises:
        LookupError: none does.
    """
    for form in closed_forms().values():
        if form.covers(experiment):
            return form
    raise LookupError(f"no exact solution covers {experiment.scenario.kind} with {experiment.method.kind}")


def snap(part: np.ndarray, whole: Any) -> np.ndarray:
    """Return ``part``, or zeros if its norm is no more than the rounding of ``whole``, from which it was computed."""
    return part if np.linalg.norm(part) > ABSENT * whole else np.zeros_like(part)


TIE = 1e-9  # exponents closer than this, relative to the largest, grow equally fast
NOTHING = "every mode is dead: the state is exactly zero after some step"
OSCILLATES = "a fastest mode changes its sign at every step (the learning rate oscillates): no direction is approached"


def leading(experiment: Experiment, exponents: np.ndarray) -> tuple[np.ndarray, str]:
    """Return which modes grow most over the whole run (NaN exponents never), and why they have no limit, or ""."""
    method, exists = experiment.method, ~np.isnan(exponents)
    known = np.where(exists, exponents, 0.0)
    logs, signs = (part[-1] for part in method.growth(known, np.array([0.0, method.horizon])))
    logs = np.where(exists, logs, -np.inf)
    alive = np.isfinite(logs)
    if not alive.any():
        return exists, NOTHING
    fastest = logs >= logs.max() - TIE * np.max(np.abs(logs[alive]))
    first = method.growth(known, np.array([0.0, min(1.0, method.horizon)]))[1][-1]
    return fastest, OSCILLATES if np.any(fastest & ((signs < 0) | (first < 0))) else ""
