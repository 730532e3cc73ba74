r"""Stochastic gradient descent on mini-batches."""

from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from pydantic import Field

from dynamics.errors import must
from dynamics.memoryless import Memoryless
from dynamics.problem import Problem
from dynamics.scenario import Scenario, Spectrum
from dynamics.schedule import Numbers
from dynamics.state import State


class Sgd(Memoryless):
    r"""Gradient descent on the mean loss of a mini-batch, simultaneous updates; clock: step k.

    $Z_{k+1} = Z_k + \eta_k\,dZ/d\zeta$ with M of the ``batch`` samples of step k alone, their mean loss; a scenario's
    decays act on all of Z in every step. A batch holds no sample twice. ``sampling`` "independent": each step draws its
    batch from all n samples. "shuffle": an epoch is $\lfloor n/B\rfloor$ steps along one random order of the samples;
    the n mod B samples at its end are left out of that epoch. Batches follow from ``batch_seed`` and k alone.
    """

    kind: ClassVar[str] = "sgd"
    scenarios: ClassVar[tuple[str, ...]] = ("unconstrained", "regularized", "anchored")
    random: ClassVar[bool] = True
    batch: int = Field(32, ge=1)
    sampling: Literal["independent", "shuffle"] = "independent"
    batch_seed: int = Field(0, ge=0, lt=2**32)

    @property
    def label(self) -> str:
        """See `Method.label`."""
        return f"SGD on {'shuffled' if self.sampling == 'shuffle' else 'independent'} batches of {self.batch}"

    def check_samples(self, samples: int) -> None:
        """See `Method.check_samples`."""
        if self.batch > samples:
            raise must("method.batch", f"be <= n, the {samples} samples", self.batch)

    def no_limit(self) -> str:
        """See `Method.no_limit`."""
        return "the batches are drawn at random: no limit of the direction is known"

    def own(self) -> Any:
        """See `Memoryless.own`; how many ``slots`` there are is the batch's size."""
        shuffles = np.bool_(self.sampling == "shuffle")
        return {"key": jax.random.key(self.batch_seed), "slots": np.arange(self.batch), "shuffles": shuffles}

    @staticmethod
    def drawn(own: Any, samples: int, k: Any) -> Any:
        """Return the samples of step ``k``, (batch,), ascending, for jit."""
        size = len(own["slots"])
        epoch = jnp.where(own["shuffles"], samples // size, 1)
        order = jax.random.permutation(jax.random.fold_in(own["key"], k // epoch), samples)
        return jnp.sort(order[k % epoch * size + own["slots"]])

    @staticmethod
    def step(
        scenario: type[Scenario], numbers: Numbers, problem: Problem, own: Any, state: State, rate: Any, k: Any
    ) -> State:
        """See `Memoryless.step`."""
        return Sgd.moved(scenario, numbers, problem, state, rate, Sgd.drawn(own, problem.samples, k))

    @staticmethod
    def moved(
        scenario: type[Scenario], numbers: Numbers, problem: Problem, state: State, rate: Any, rows: Any
    ) -> State:
        """Return the state after one step on the samples ``rows`` (B,), ascending, for jit."""
        part = State(state.features[rows], state.prototypes, state.biases)
        part = part.plus(rate, scenario.velocity(numbers, problem.batch(rows), part))
        others = (1 - rate * numbers["ratio"] * numbers["lambda_h"]) * state.features
        return State(others.at[rows].set(part.features), part.prototypes, part.biases)

    def norms(self, rates: np.ndarray, spectrum: Spectrum) -> np.ndarray:
        """See `Memoryless.norms`: nothing is compared, so nothing is bounded."""
        del spectrum
        return np.full_like(rates, np.inf)


MEMBER = Sgd
