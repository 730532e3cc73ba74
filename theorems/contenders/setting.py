"""What every contender starts from."""

from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np

from dynamics.experiment import Experiment
from dynamics.precision import exact
from dynamics.preparation import prepare
from dynamics.problem import Problem
from dynamics.state import State


@dataclass(frozen=True, eq=False)
class Setting:
    """An experiment on balanced classes without decay, with its start in memory, sorted by class (NumPy float64)."""

    experiment: Experiment
    problem: Problem
    start: State

    @classmethod
    def of(cls, experiment: Experiment) -> "Setting":
        """Draw the start."""
        return cls(experiment, *prepare(experiment))

    @cached_property
    def given(self) -> tuple[Problem, State]:
        """What our functions start from: every contender has the start in arrays of its own kind before it is timed."""
        with exact():
            return self.problem, jax.tree.map(jnp.asarray, self.start)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, N, p): the features as blocks, one a class."""
        samples, features = self.start.features.shape
        return self.problem.classes, samples // self.problem.classes, features

    @property
    def own(self) -> float:
        """What M holds at the own class of a sample besides `other`: (1 + gamma)/n."""
        return float(self.problem.alpha) / self.problem.samples

    @property
    def other(self) -> float:
        """What M holds at every class: -gamma/n."""
        return float(self.problem.beta) / self.problem.samples

    @property
    def mass(self) -> np.ndarray:
        """M 1 (C,): where the loss drives the biases."""
        classes, per_class, _ = self.shape
        return np.full(classes, per_class * (self.own + classes * self.other))

    @property
    def targets(self) -> np.ndarray:
        """The columns of W M as rows (C, p), one a class: where the loss drives its features."""
        prototypes = self.start.prototypes
        return self.own * prototypes + self.other * prototypes.sum(axis=0)

    def limit(self) -> State:
        """Return the direction that `distance` is measured from, of norm 1."""
        experiment = self.experiment
        numbers = {**experiment.scenario.numbers(), "ratio": np.float64(experiment.method.ratio)}
        with exact():
            found = experiment.scenario.limit(numbers, self.problem, self.start, experiment.method).state
        assert found is not None, "the settings of the benchmarks have a limit"
        features, prototypes = np.asarray(found.features), np.asarray(found.prototypes)
        norm = np.hypot(np.linalg.norm(features), np.linalg.norm(prototypes))
        return State(features / norm, prototypes / norm, np.zeros(self.problem.classes))
