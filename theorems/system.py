r"""The 2 x 2 system of a subspace pair under decay, and the balanced model around it, both in symbols free of roots.

S(sigma) = [[-s lambda1, s sigma], [sigma, -lambda2]] moves a pair per unit of zeta2, s = eta1/eta2; w1 < w2 are its
eigenvalues. In f = w2 + s lambda1, which is positive for sigma != 0 and can be any positive number, all is rational:
w1 = -s lambda1 - s sigma^2/f, lambda2 = s lambda1 - f + s sigma^2/f, and s = f (f + lambda2)/(lambda1 f + sigma^2).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy
from sympy import Matrix, eye, sqrt, symbols

from theorems.algebra import Split, generator
from theorems.claim import Hypothesis
from theorems.evidence import symbolic
from theorems.verdict import Evidence, Strength

Scalar = Any
F, SIGMA, S, U, K, EXTRA = symbols("f sigma s u k c", positive=True)

# All (C, g): C = 2; C > 2 with 0 < g < 2/(C - 2); C > 2 with g > 2/(C - 2).
TWO = (2, U)
BELOW = (2 + EXTRA, 2 * U / (EXTRA * (1 + U)))
BEYOND = (2 + EXTRA, 2 * (1 + U) / EXTRA)


def determinant(matrix: Matrix) -> Scalar:
    """Return a 2 x 2 determinant; SymPy's own simplifies on the way, which takes long."""
    return matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]


@dataclass(frozen=True)
class System:
    """S per unit of zeta2, with its eigenvalues w1 <= w2 per unit of zeta2."""

    sigma: Scalar
    ratio: Scalar
    decay_h: Scalar
    decay_w: Scalar
    w1: Scalar
    w2: Scalar

    @property
    def matrix(self) -> Matrix:
        """S at zeta2 = 1, zeta1 = s."""
        return Matrix([[-self.decay_h * self.ratio, self.sigma * self.ratio], [self.sigma, -self.decay_w]])


def concrete(*numbers: int) -> System:
    """Return a system of given whole sigma, s, lambda1 and lambda2, with the eigenvalues of eq. (66)."""
    sigma, ratio, decay_h, decay_w = map(sympy.Integer, numbers)
    trace, root = ratio * decay_h + decay_w, sqrt((ratio * decay_h - decay_w) ** 2 + 4 * sigma**2 * ratio)
    return System(sigma, ratio, decay_h, decay_w, (-trace - root) / 2, (-trace + root) / 2)


def _any_system() -> System:
    sigma, decay = symbols("sigma", real=True, nonzero=True), symbols("lambda1", real=True)
    square, fall = S * sigma**2 / F, S * decay
    return System(sigma, S, decay, fall - F + square, -fall - square, F - fall)


ANY = _any_system()  # all with sigma != 0
UNIT = concrete(1, 1, 1, 1)


def _flat(order: int) -> System:
    """Return all with sigma = 0 and s lambda1 > lambda2 (``order`` 1) or < (-1): theta1 and theta2 differ."""
    decay, apart = symbols("lambda", real=True), symbols("d", positive=True)
    falls = (decay + apart, decay) if order > 0 else (decay, decay + apart)
    return System(sympy.Integer(0), S, falls[0] / S, falls[1], -decay - apart, -decay)


EVERY = (ANY, _flat(1), _flat(-1))  # all with theta1 != theta2

APART = Hypothesis(
    "theta1 is not theta2: sigma is not 0, or lambda1 zeta1 is not lambda2 zeta2",
    holds=lambda case: sympy.factor(case.w2 - case.w1).is_positive,
    broken=lambda rng: concrete(0, 1, 1, 1),
)


def any_system(rng: np.random.Generator, x: float) -> Sequence[System]:
    """Return one system by hand, and all systems."""
    return (UNIT, *EVERY)


def solves(system: System, matrix: Matrix, factors: Sequence[Matrix], start: Matrix) -> Evidence:
    """Judge that v = (factors[0] e^(w1 zeta) + factors[1] e^(w2 zeta))/(w2 - w1) has v' = matrix v and v(0) = start."""
    gap = system.w2 - system.w1
    if gap == 0:
        return Evidence(math.nan, 0.0, 0.0, Strength.SYMBOLIC, "0/0: theta1 = theta2")
    moves = [(w * eye(2) - matrix) * one for one, w in zip(factors, (system.w1, system.w2), strict=True)]
    return symbolic(*moves, ((factors[0] + factors[1]) / gap - start).applyfunc(sympy.cancel))


@dataclass(frozen=True)
class Model:
    """The balanced model; its larger |sigma| is a symbol: the contrasts', or the means' over the classes if ``means``.

    ``root`` is f of that sigma, and stands for s. ``amplitude`` is sigma h~ + f W of the start: what moves like
    e^(w2 zeta). ``turn`` multiplies s at some later time, and ``reach`` is what zeta2 tends to.
    """

    classes: Scalar
    gamma: Scalar
    decay_h: Scalar
    decay_w: Scalar
    root: Scalar = F
    amplitude: Scalar = K
    turn: int = 1
    means: bool = False
    reach: Scalar = sympy.oo

    @property
    def ratio(self) -> Scalar:
        """Return s, so that f - s lambda1 is an eigenvalue of S(sigma)."""
        return sympy.cancel(self.root * (self.root + self.decay_w) / (self.decay_h * self.root + SIGMA**2))

    @property
    def sigma(self) -> Scalar:
        """Return the sigma that wins, with its sign."""
        return -SIGMA if self.means else SIGMA

    def flow(self, turn: int = 1) -> Split:
        """Return the generator, before or after the turn; N is what makes the winning |sigma| the symbol it is."""
        size = sympy.factor(self.gamma * self.classes - 1 - self.gamma) if self.means else 1 + self.gamma
        per_class, ratio = (size / (self.classes * SIGMA)) ** 2, turn * self.ratio
        return generator(self.classes, per_class, self.gamma, ratio, self.decay_h, self.decay_w).map(sympy.cancel)

    @property
    def exponents(self) -> tuple[Scalar, Scalar]:
        """Return (w1, w2) of the winning sigma."""
        return -(self.root + self.decay_w), sympy.cancel(self.root - self.ratio * self.decay_h)
