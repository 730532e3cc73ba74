r"""Gradient descent with simultaneous updates."""

from typing import Any, ClassVar

import numpy as np

from dynamics.memoryless import Memoryless
from dynamics.problem import Problem
from dynamics.scenario import Scenario, Spectrum
from dynamics.schedule import Numbers
from dynamics.state import State


class Descent(Memoryless):
    r"""Gradient descent, simultaneous updates; clock: step k.

    $Z_{k+1} = Z_k + \eta_k\,dZ/d\zeta(Z_k)$ for ``steps`` steps; $\zeta_k = \sum_{j<k}\eta_j$.
    """

    kind: ClassVar[str] = "descent"

    @staticmethod
    def kick(position: Any, velocity: Any, push: Any, momentum: Any) -> tuple[Any, Any]:
        """See `Stepping.kick`: without a velocity."""
        del momentum
        return position + push, velocity

    @staticmethod
    def step(
        scenario: type[Scenario], numbers: Numbers, problem: Problem, own: Any, state: State, rate: Any, k: Any
    ) -> State:
        """See `Memoryless.step`."""
        del own, k
        return scenario.step(numbers, problem, state, rate)

    def norms(self, rates: np.ndarray, spectrum: Spectrum) -> np.ndarray:
        """See `Memoryless.norms`."""
        return np.maximum(np.abs(1 + rates * float(spectrum.lowest)), np.abs(1 + rates * float(spectrum.highest)))


MEMBER = Descent
