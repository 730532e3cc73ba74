"""What the methods that count steps share: their clock, their saved times, and what one step is made of."""

import math
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from dynamics.method import Method

INTERRUPTIBLE = 200  # steps of one compiled call: Ctrl-C waits for no more than these


class Stepping(Method):
    r"""Base of the methods that take ``steps`` steps; clock: step k.

    A step moves a position z and its velocity v, which is zero at the start, by the push $\eta_k\,dz/d\zeta$ at z.
    """

    clock: ClassVar[str] = "step"
    length: ClassVar[str] = "steps"
    steps: int = Field(50_000, ge=1, le=10**9)

    def times(self, points: int) -> np.ndarray:
        """See `Method.times`: whole steps, repeats dropped."""
        if points > self.steps:
            return np.arange(self.steps + 1.0)
        return np.unique(np.rint(np.linspace(0, self.steps, points)))

    def evaluations(self, times: np.ndarray) -> float:
        """See `Method.evaluations`: once a step."""
        return float(times[-1]) / (len(times) - 1)

    @staticmethod
    def kick(position: Any, velocity: Any, push: Any, momentum: Any) -> tuple[Any, Any]:
        """Return the position and the velocity after one step."""
        raise NotImplementedError

    @staticmethod
    def farthest(momentum: float) -> float:
        r"""Return the largest $-\eta w$ at which a mode of exponent w < 0 still decays."""
        raise NotImplementedError

    def stability_limit(self, exponent: float) -> float:
        r"""Return the rate $\eta$ below which a mode $z' = wz$ (per zeta) decays, and above which it grows.

        It is sharp, for a constant rate. Descent: $2/|w|$. Heavy ball: $2(1+b)/|w|$. Nesterov:
        $(2+2b)/((1+2b)|w|)$, b the momentum. Where several modes fall, the most negative w decides.

        Args:
            exponent: w, per unit of zeta; for w >= 0 nothing decays at any rate, and the limit is infinite.
        """
        momentum = float(self.numbers().get("momentum", 0.0))
        return self.farthest(momentum) / -exponent if exponent < 0 else math.inf
