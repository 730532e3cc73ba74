r"""Appendix D.3: the correction delta of equation (104), for features that point away from their prototype.

Let h be a unit vector, c < 0 its cosine to w, w = |w| (c h + s tau) with a unit vector tau orthogonal to h. The
multiple of w in delta must only move the part along tau: w - h h'w = |w| s tau. Then, with the printed factor,
w + delta = |w| (c h - c S/(1 - eps) tau), S = sqrt(1 - (1 - eps)^2), and its cosine is -(1 - eps).

The printed delta has w + h h'w = |w| (2 c h + s tau), which moves the part along h as well. At c = -1 both are 0/0: the
very case that delta is meant for still needs some other direction.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import sympy
from sympy import symbols

from theorems.claim import MOVED, REVERSED, Change, Claim, Hypothesis
from theorems.evidence import both, counterexample, never_negative, symbolic
from theorems.sphere import circle
from theorems.verdict import Evidence, Strength, Verdict

Number = Any  # SymPy's or a fraction
SIZE, J, M = symbols("w j m", positive=True)
FOUR = sympy.Rational(4, 5)
TRIPLES = ((4, 3, 5), (12, 5, 13), (35, 12, 37), (99, 20, 101))  # by growing cosine, the first over the last


@dataclass(frozen=True)
class Sample:
    """A prototype in the plane, of any size, in coordinates where h = (1, 0), and 1 - eps with its complement.

    ``cosine``, ``sine`` of the angle to h; ``target`` = 1 - eps, ``rest`` = sqrt(1 - target^2).
    """

    size: Number
    cosine: Number
    sine: Number
    target: Number
    rest: Number
    name: str = "a random sample"

    def adjusted(self, sign: Number, scale: Number = 1) -> tuple[Number, Number]:
        """Return w + delta of eq. (104), with ``sign`` before h h'w and ``scale`` before the fraction."""
        w = (self.size * self.cosine, self.size * self.sine)
        factor = -(1 + scale * self.cosine * self.rest / (self.target * self.sine))
        return w[0] + factor * (w[0] + sign * w[0]), w[1] + factor * w[1]


def cases(rng: np.random.Generator, x: float) -> Iterable[Sample]:
    """Yield the witness, then random samples with -1 < cos < -1 + eps, in exact fractions."""
    where = "eps = 1/5, h = (1, 0), w = (-12, 5)/13: w + delta = (-12/5, 9/13), cosine -.9608 and not -.8"
    for first, wide in enumerate(TRIPLES[:-1]):
        for near in TRIPLES[first + 1 :]:
            size = Fraction(1) if where else Fraction(int(rng.integers(1, 9)), 3)
            cosine, sine, target, rest = [Fraction(part, triple[2]) for triple in (near, wide) for part in triple[:2]]
            yield Sample(size, -cosine, sine, target, rest, where or "a random sample")
            where = ""


def printed(case: Sample, x: float) -> Evidence:
    """Judge the square of the cosine, with its sign; ``x`` is the sign before h h'w."""
    along, across = case.adjusted(Fraction(int(x)))
    reached = along * abs(along) / (along**2 + across**2)
    return counterexample(reached + case.target**2, case.name)


def corrected(case: Sample, x: float) -> Evidence:
    """Judge the same for all samples; ``x`` scales the fraction in the factor."""
    along, across = case.adjusted(sympy.Integer(-1), sympy.nsimplify(x))
    square = along**2 - case.target**2 * (along**2 + across**2)
    return both(symbolic(sympy.cancel(square)), never_negative(-along))


def any_sample() -> Sample:
    """Return every sample with -1 < cos < -1 + eps: u < k < 1, the tangents of half the angles to -h."""
    k = 1 / (1 + M)
    (near, sine), (target, rest) = circle(k / (1 + J)), circle(k)
    return Sample(SIZE, -near, sine, target, rest)


def _sign(number: Number) -> bool | None:
    return sympy.factor(sympy.sympify(number)).is_positive


OPPOSITE = Hypothesis(
    "the cosine is more than -1",
    holds=lambda case: _sign(case.sine),
    broken=lambda rng: Sample(SIZE, sympy.Integer(-1), sympy.Integer(0), FOUR, FOUR * 3 / 4),
)
BRANCH = Hypothesis(
    "the cosine is less than -1 + eps",
    holds=lambda case: _sign(-case.target - case.cosine),
    broken=lambda rng: Sample(SIZE, FOUR * 3 / 4, FOUR, FOUR, FOUR * 3 / 4),
)

CLAIMS = (
    Claim(
        id="appD3.delta.printed",
        sentence="With delta of eq. (104), its second factor w + h^ h^'w, the cosine between w + delta and the "
        "unit feature h^ is -1 + eps, if that between w and h^ is between -1 and -1 + eps.",
        formula=r"\delta = - \left( 1 + \frac{\hat w^T \hat h \sqrt{1-(1-\epsilon)^2}}"
        r"{(1-\epsilon)\sqrt{1-(\hat w^T \hat h)^2}} \right) \left( w + \hat h \hat h^T w \right) \Rightarrow "
        r"\frac{(w+\delta)^T \hat h}{\| w + \delta \|} = -1 + \epsilon",
        source="Appendix D.3, after eq. (104), p. 57",
        page=57,
        form="printed",
        expected=Verdict.REFUTED,
        strength=Strength.WITNESS,
        reference="the cosine itself, in exact fractions",
        check=printed,
        cases=cases,
        repair=Change("the sign of h h'w", to=REVERSED),
        hypotheses=(OPPOSITE, BRANCH),
    ),
    Claim(
        id="appD3.delta.corrected",
        sentence="With w - h^ h^'w as the second factor of delta the cosine between w + delta and the unit feature h^ "
        "is -1 + eps, if that between w and h^ is between -1 and -1 + eps.",
        formula=r"\delta = - \left( 1 + \frac{\hat w^T \hat h \sqrt{1-(1-\epsilon)^2}}"
        r"{(1-\epsilon)\sqrt{1-(\hat w^T \hat h)^2}} \right) \left( w - \hat h \hat h^T w \right) \Rightarrow "
        r"\frac{(w+\delta)^T \hat h}{\| w + \delta \|} = -1 + \epsilon",
        source="repairs Appendix D.3, p. 57",
        page=57,
        form="corrected",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="the square and the sign of the cosine itself, for all samples",
        check=corrected,
        cases=lambda rng, x: (any_sample(),),
        lever=Change("the fraction in the factor", MOVED),
        hypotheses=(OPPOSITE, BRANCH),
    ),
)
