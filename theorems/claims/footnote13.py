r"""Footnote 13: on the sphere, the loss is a squared distance to the prototype.

A unit feature h, its prototype w of length l, and S the sum of all prototypes.

Why it holds: the loss is -(1+g) w . h + g S . h. With S = 0 and both directions of unit length, w . h = l cos(angle)
and the squared distance of the directions is 2 - 2 cos(angle), so the loss is (1+g) l/2 times (squared distance - 2).
It is smallest where the distance is 0.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy
from sympy import Matrix, symbols

from theorems.claim import MOVED, Change, Claim, Hypothesis
from theorems.evidence import both, never_negative, symbolic
from theorems.verdict import Evidence, Strength, Verdict

G, LENGTH, T, V = symbols("g l t v", positive=True)


@dataclass(frozen=True)
class Sample:
    """A feature of length ``radius`` and the inner product ``total`` of the prototypes' sum with it.

    ``dense``: three prototypes in the plane, from their coordinates, rather than inner products in any dimension.
    """

    total: Any = 0
    radius: Any = 1
    dense: bool = False


def samples(rng: np.random.Generator, x: float) -> Iterable[Sample]:
    """Yield all dimensions at once, and a plane with coordinates."""
    yield Sample()
    yield Sample(dense=True)


def identity(case: Sample, x: float) -> Evidence:
    """Judge the printed formula, ``x`` scaling its factor, and that it is smallest at the prototype's direction."""
    if case.dense:
        return symbolic(_in_the_plane(x))
    cosine = (1 - T**2) / (1 + T**2)  # all cosines in (-1, 1); the two ends are its limits
    inner = case.radius * LENGTH * cosine
    loss = -inner + G * (case.total - inner)
    square = case.radius**2 + 1 - 2 * inner / LENGTH
    least = -(1 + G) * LENGTH
    return both(symbolic(sympy.cancel(loss - _formula(square, LENGTH, x))), never_negative(loss - least))


def _formula(square: Any, length: Any, x: float) -> Any:
    return sympy.nsimplify(x) * (1 + G) * length / 2 * (square - 2)


def _in_the_plane(x: float) -> Any:
    """Return loss minus formula for C = 3, p = 2: eq. (1) on coordinates."""
    feature, direction = (Matrix([1 - a**2, 2 * a]) / (1 + a**2) for a in (T, V))
    own, second = LENGTH * direction, Matrix(symbols("a b", real=True))
    others = (second, -own - second)
    loss = -own.dot(feature) + G * sum(w.dot(feature) for w in others)
    gap = feature - direction
    return sympy.cancel(loss - _formula(gap.dot(gap), LENGTH, x))


CLAIMS = (
    Claim(
        id="footnote13.identity",
        sentence="If the prototypes sum to zero and the feature has unit length, its loss is (1+gamma)/2 times the "
        "prototype's length times (squared distance of the two directions minus 2), so it is smallest at the "
        "prototype's direction.",
        formula=r"L_\gamma(W \hat h, y) = \frac{(1+\gamma) \|w_y\|}{2} \left( \|\hat h - \hat w_y\|^2 - 2 \right)",
        source="Footnote 13, p. 13",
        page=13,
        form="printed",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="eq. (1) in inner products for all C and p, and on coordinates for C = 3, p = 2",
        check=identity,
        cases=samples,
        lever=Change("the factor (1 + gamma)/2", MOVED),
        hypotheses=(
            Hypothesis(
                "the prototypes sum to zero",
                holds=lambda case: case.total == 0,
                broken=lambda rng: Sample(total=symbols("q", real=True)),
            ),
            Hypothesis(
                "the feature has unit length",
                holds=lambda case: case.radius == 1,
                broken=lambda rng: Sample(radius=2),
            ),
        ),
    ),
)
