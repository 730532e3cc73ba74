r"""The balanced model without its sizes: operators that the five subspaces turn into 2 x 2 matrices.

State: the row space of Z = (H, W), of dimension C N + C, class-major (column c N + i is sample i of class c). Operators
act from the right. With P = I - J, J = 11'/C on classes and K = 11'/N, Q = I - K within a class, every operator
of the balanced model is

    [ (a P + b J) (x) K + (d P + e J) (x) Q     (a P + b J) (x) 1_N/sqrt N ]
    [ (a P + b J) (x) 1_N'/sqrt N               a P + b J                  ]

with its own a and b in each block. P, J, K, Q are orthogonal projections, so products act block by block: on the
contrasts (P) as a 2 x 2 matrix, on the mean (J) as another, within classes as the numbers d and e. An identity between
such operators holds for all C, N and p at once if it holds for the two matrices and two numbers.

Rows and columns of the 2 x 2 matrices: (h~, W), h~ = H (I (x) 1_N)/sqrt N, sqrt N times the class means.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sympy
from sympy import Matrix, Rational, eye, kronecker_product, ones, sqrt

Scalar = Any


@dataclass(frozen=True)
class Split:
    """An operator of the balanced model: ``contrast`` and ``mean`` (2 x 2), and the two numbers of ``within``."""

    contrast: sympy.Matrix
    mean: sympy.Matrix
    within: tuple[Scalar, Scalar] = (0, 0)

    def __post_init__(self) -> None:
        """Make every number SymPy's."""
        object.__setattr__(self, "within", tuple(sympy.sympify(one) for one in self.within))

    def __add__(self, other: "Split") -> "Split":
        return Split(self.contrast + other.contrast, self.mean + other.mean, _pairwise(self, other, lambda a, b: a + b))

    def __sub__(self, other: "Split") -> "Split":
        return self + other * -1

    def __mul__(self, scalar: Scalar) -> "Split":
        return self.map(lambda x: x * scalar)

    __rmul__ = __mul__

    def __matmul__(self, other: "Split") -> "Split":
        """Return the product, self first: Z (A B) = (Z A) B."""
        within = _pairwise(self, other, lambda a, b: a * b)
        return Split(self.contrast * other.contrast, self.mean * other.mean, within)

    def map(self, function: Callable[[Scalar], Scalar]) -> "Split":
        """Return the operator with a function applied to every number."""
        within = (function(self.within[0]), function(self.within[1]))
        return Split(self.contrast.applyfunc(function), self.mean.applyfunc(function), within)

    def diff(self, symbol: sympy.Symbol) -> "Split":
        """Return the derivative."""
        return self.map(lambda x: sympy.diff(x, symbol))

    def trace(self, classes: Scalar, per_class: Scalar) -> Scalar:
        """Return the trace on rows of length C N + C: the dimension, if it is a projection."""
        within = self.within[0] * (classes - 1) + self.within[1]
        return self.contrast.trace() * (classes - 1) + self.mean.trace() + within * (per_class - 1)

    def numbers(self) -> tuple[Scalar, ...]:
        """Return all numbers: the operator is zero iff they are."""
        return (*self.contrast, *self.mean, *self.within)

    def dense(self, classes: int, per_class: int) -> sympy.Matrix:
        """Return the (C N + C)-square matrix for given sizes."""
        j, k = ones(classes) * Rational(1, classes), ones(per_class) * Rational(1, per_class)
        p, q, u = eye(classes) - j, eye(per_class) - k, ones(per_class, 1) / sqrt(per_class)
        (hh, hw), (wh, ww) = ([p * self.contrast[i, m] + j * self.mean[i, m] for m in range(2)] for i in range(2))
        within = kronecker_product(p * self.within[0] + j * self.within[1], q)
        top = Matrix.hstack(kronecker_product(hh, k) + within, kronecker_product(hw, u))
        return Matrix.vstack(top, Matrix.hstack(kronecker_product(wh, u.T), ww))


def identity() -> Split:
    """Return the identity."""
    return Split(eye(2), eye(2), (1, 1))


def _pairwise(first: Split, second: Split, function: Callable[[Scalar, Scalar], Scalar]) -> tuple[Scalar, Scalar]:
    return function(first.within[0], second.within[0]), function(first.within[1], second.within[1])


def generator(
    classes: Scalar, per_class: Scalar, gamma: Scalar, ratio: Scalar, decay_h: Scalar, decay_w: Scalar
) -> Split:
    """Return G with dZ/d zeta2 = Z G: H' = s (W M - l1 H), W' = H M' - l2 W, eq. (5) and (12).

    M = (alpha I + beta 11') (x) 1_N'/(C N) with alpha = 1 + gamma, beta = -gamma, eq. (5).
    """
    on_contrast, on_mean = 1 + gamma, (1 + gamma) - gamma * classes
    unit = sqrt(per_class) / (classes * per_class)

    def block(m: Scalar) -> sympy.Matrix:
        return Matrix([[-ratio * decay_h, m * unit], [ratio * m * unit, -decay_w]])

    return Split(block(on_contrast), block(on_mean), (-ratio * decay_h, -ratio * decay_h))
