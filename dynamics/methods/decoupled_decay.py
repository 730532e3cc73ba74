r"""Gradient descent with decoupled weight decay."""

from typing import Any, ClassVar

import jax
import numpy as np
from pydantic import Field

from dynamics.errors import must
from dynamics.memoryless import Memoryless
from dynamics.precision import namespace
from dynamics.problem import Problem
from dynamics.scenario import Scenario, Spectrum
from dynamics.schedule import Numbers
from dynamics.state import State

APART = "features and prototypes decay differently while the rate changes: no limit of the direction is known"


class DecoupledDecay(Memoryless):
    r"""Gradient descent with decoupled weight decay, simultaneous updates; clock: step k.

    $H \leftarrow (1-d_H)H + \eta_{1,k}H'$, $W \leftarrow (1-d_W)W + \eta_k W'$, $b \leftarrow (1-d_b)b + \eta_k b'$
    with Z' the motion of the scenario, and ``decay_h``, ``decay_w``, ``decay_b`` what is lost in each step, whatever
    the rate is: the schedule multiplies $\eta$ alone. (Were it to multiply d as well, as in Loshchilov and Hutter 2019
    or in PyTorch's AdamW, a step would be one of L2 regularization with $\lambda_w = d_W/\eta$, $\lambda_h =
    d_H/(s\eta)$: the regularized scenario.) $\zeta_k = \sum_{j<k}\eta_j$; the decay is no part of the objective.

    At a constant rate the steps are those of L2 regularization too. With $d_H = d_W = d$ and any rates a mode
    $z' = wz$ is multiplied by $\prod(1 - d + \eta_k w)$. Otherwise no mode moves alone. Without other decay all but the
    biases vanishes if and only if $\eta\sqrt s\,\sigma_1 < \sqrt{d_H d_W}$, $\sigma_1$ the largest singular value of M.
    """

    kind: ClassVar[str] = "decoupled-decay"
    scenarios: ClassVar[tuple[str, ...]] = ("unconstrained", "regularized", "anchored")
    shares_modes: ClassVar[bool] = False
    roundings: ClassVar[float] = 6.0  # two more than a descent: of 1 - d, and of its product
    decay_h: float = Field(0.0, ge=0, le=1)
    decay_w: float = Field(0.0, ge=0, le=1)
    decay_b: float = Field(0.0, ge=0, le=1)

    @property
    def label(self) -> str:
        """See `Method.label`."""
        return f"descent with decoupled decay {self.decay_h:g} of H, {self.decay_w:g} of W, {self.decay_b:g} of b"

    def check(self, scenario: Any) -> None:
        """See `Method.check`: what stays in place does not decay."""
        super().check(scenario)
        for key in () if scenario.moves_prototypes else ("decay_w", "decay_b"):
            if getattr(self, key):
                cure = "Its prototypes and biases stay."
                raise must(f"method.{key}", f"be 0 with scenario.kind = {scenario.kind!r}", getattr(self, key), cure)

    def numbers(self) -> Numbers:
        """See `Method.numbers`."""
        return {**super().numbers(), **self.own()}

    def own(self) -> Numbers:
        """See `Memoryless.own`: the three decays."""
        return {name: np.float64(getattr(self, name)) for name in ("decay_h", "decay_w", "decay_b")}

    def no_limit(self) -> str:
        """See `Method.no_limit`."""
        return "" if self.timing().steady or self.decay_h == self.decay_w else APART

    def felt_by(self, scenario: Any) -> "DecoupledDecay":
        """See `Method.felt_by`."""
        return self if scenario.moves_prototypes else self.model_copy(update={"decay_w": self.decay_h})

    @staticmethod
    def shrinks(numbers: Numbers) -> Any:
        """See `Memoryless.shrinks`: what features and prototypes both lose."""
        xp = namespace(numbers["decay_h"])
        return xp.minimum(numbers["decay_h"], numbers["decay_w"])

    @staticmethod
    def folded(pace: Numbers, numbers: Numbers) -> Numbers:
        """See `Method.folded`: what only one of both loses is a decay per zeta, while the rate is eta."""
        both = DecoupledDecay.shrinks(pace)
        lambda_h = numbers.get("lambda_h", 0.0) + (pace["decay_h"] - both) / (numbers["ratio"] * pace["eta"])
        lambda_w = numbers.get("lambda_w", 0.0) + (pace["decay_w"] - both) / pace["eta"]
        return {**numbers, "lambda_h": lambda_h, "lambda_w": lambda_w}

    @staticmethod
    def critical(pace: Numbers, numbers: Numbers) -> Numbers:
        r"""See `Method.critical`.

        In the coordinates $(H/\sqrt s, W)$ a step is $I - D + \eta S$, D and S symmetric. It has the eigenvalue -1 if
        and only if $-2/\eta$ is one of $T^{-1/2}ST^{-1/2}$, $T = I - D/2$: the S of the numbers returned.
        """
        keeps_h, keeps_w = 1 - pace["decay_h"] / 2, 1 - pace["decay_w"] / 2
        return {
            **numbers,
            "ratio": numbers["ratio"] / (keeps_h * keeps_w),
            "lambda_h": numbers["lambda_h"] * keeps_w,
            "lambda_w": numbers["lambda_w"] / keeps_w,
        }

    @staticmethod
    def step(
        scenario: type[Scenario], numbers: Numbers, problem: Problem, own: Any, state: State, rate: Any, k: Any
    ) -> State:
        """See `Memoryless.step`."""
        del k
        decays = State(own["decay_h"], own["decay_w"], own["decay_b"])
        velocity = scenario.velocity(numbers, problem, state)
        return jax.tree.map(lambda x, v, d: (1 - d.astype(x.dtype)) * x + rate * v, state, velocity, decays)

    def norms(self, rates: np.ndarray, spectrum: Spectrum) -> np.ndarray:
        """See `Memoryless.norms`: I - D + eta S is symmetric, and its eigenvalues lie between two sums of extremes."""
        least, most = sorted((self.decay_h, self.decay_w))
        rise, fall = 1 - least + rates * float(spectrum.highest), 1 - most + rates * float(spectrum.lowest)
        return np.maximum(np.abs(rise), np.abs(fall))


MEMBER = DecoupledDecay
