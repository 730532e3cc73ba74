r"""Equation (25): the motion that is printed for the mean squared error climbs.

L = |W'H + b 1' - Y|^2/(C N) with Y = I_C (x) 1_N'; the matrix D = 2 eta/(C N) (W'H + b 1' - Y), C(t) in the paper, is
eta times dL/d(logits). So eta dL/dH = W D, eta dL/dW = H D', eta dL/db = D 1.

Why the printed motion fails: it moves H, W and b along these gradients, H through the positive semidefinite kernel, so
dL/dt is a sum of squares, >= 0. With a minus on all three right-hand sides it descends.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from theorems.claim import REVERSED, Change, Claim, Hypothesis
from theorems.evidence import counterexample
from theorems.verdict import Evidence, Strength, Verdict


@dataclass(frozen=True, eq=False)
class Point:
    """A state, H (p, C N), W (p, C), b (C,), and a root A of the kernel A A' (p C N square), all in rationals."""

    features: np.ndarray
    prototypes: np.ndarray
    biases: np.ndarray
    root: np.ndarray

    @property
    def residual(self) -> np.ndarray:
        """W'H + b 1' - Y."""
        classes = len(self.biases)
        labels = np.repeat(np.eye(classes, dtype=int), self.features.shape[1] // classes, axis=1)
        return self.prototypes.T @ self.features + self.biases[:, None] - labels

    def loss(self) -> Fraction:
        """Return the mean squared error."""
        return (self.residual**2).sum() / self.features.shape[1]

    def moved(self, motion: tuple[np.ndarray, ...], time: int) -> "Point":
        """Return the point after following a straight motion."""
        state = (self.features, self.prototypes, self.biases)
        h, w, b = (here + time * there for here, there in zip(state, motion, strict=True))
        return Point(h, w, b, self.root)


def printed_motion(point: Point, sign: Fraction) -> tuple[np.ndarray, ...]:
    """Return (H', W', b') of eq. (25) at eta = 1, times ``sign``."""
    d = Fraction(2, point.features.shape[1]) * point.residual
    push = (point.prototypes @ d).ravel()
    kernel = point.root @ point.root.T
    return sign * (kernel @ push).reshape(point.features.shape), sign * point.features @ d.T, sign * d.sum(axis=1)


def points(rng: np.random.Generator, x: float) -> Iterable[Point]:
    """Yield the origin with two classes of one sample, then random states and kernels."""
    zero = Fraction(0)
    yield Point(np.array([[zero, zero]]), np.array([[zero, zero]]), np.array([zero, zero]), np.eye(2, dtype=int))
    for p, classes, per_class in ((1, 2, 2), (2, 2, 2), (2, 3, 1)):
        n = classes * per_class
        shapes = ((p, n), (p, classes), (classes,), (p * n, p * n))
        yield Point(*(_rationals(rng, shape) for shape in shapes))


def descends(case: Point, x: float) -> Evidence:
    """Judge dL/dt <= 0 along eq. (25), ``x`` times its right-hand sides."""
    motion = printed_motion(case, Fraction(x))
    # Along a straight line the loss is a quartic, for which this central difference is its exact derivative.
    ahead = {time: case.moved(motion, time).loss() for time in (-2, -1, 1, 2)}
    slope = (ahead[-2] - 8 * ahead[-1] + 8 * ahead[1] - ahead[2]) / 12
    start, shift = ("random" if case.features.any() else "zero"), ", ".join(map(str, motion[2]))
    where = f"C = {len(case.biases)}, n = {case.features.shape[1]}, {start} H, W, b, eta = 1"
    return counterexample(max(slope, 0), f"{where}: L = {case.loss()}, b' = ({shift}), so dL/dt = {slope}")


def _rationals(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    numbers = [Fraction(int(n), 4) for n in rng.integers(-6, 7, int(np.prod(shape)))]
    return np.array(numbers, dtype=object).reshape(shape)


def semidefinite(case: Point) -> bool:
    """Return whether the kernel is symmetric and positive semidefinite, to rounding."""
    kernel = (case.root @ case.root.T).astype(float)
    values = np.linalg.eigvalsh(kernel)
    return bool(np.array_equal(kernel, kernel.T) and values[0] >= -1e-12 * values[-1])


CLAIMS = (
    Claim(
        id="eq25.sign.printed",
        sentence="Along the motion printed for the mean squared error with a fixed, positive semidefinite kernel, "
        "the mean squared error never rises.",
        formula=r"H' = K\,W C,\; W' = H C^\top,\; b' = C 1_{CN}, \; C = \frac{2\eta}{CN} \left( W^\top H + b 1^\top - "
        r"I_C \otimes 1_N^\top \right) \Rightarrow \frac{dL}{dt} \le 0",
        source="eq. (25) and the line after it, p. 14 and 15",
        page=14,
        form="printed",
        expected=Verdict.REFUTED,
        strength=Strength.WITNESS,
        reference="the loss itself along the printed direction, an exact difference quotient in rationals",
        check=descends,
        cases=points,
        repair=Change("the sign of all three right-hand sides", REVERSED),
        hypotheses=(Hypothesis("the kernel is positive semidefinite", holds=semidefinite),),
    ),
)
