r"""Lemma 10: when does the cosine between a feature and its prototype grow in every step?

The proof says: if eta |w| <= |h|, always. It rests on eq. (83), which misses a power of the norm. The number that
counts is kappa = eta |w|/|h|^2 (one power more): a step turns h by arctan(kappa sin theta), so a short feature is
turned past its prototype, to a larger angle on the other side. Lemma 10's conclusion stands: the norm grows, kappa
falls. Only the proof's monotone cosine is lost.

The exact limit: with c = cos theta and m = sin^2 theta the new cosine is f/sqrt D, f = c + kappa m, D = 1 + kappa^2 m.

    f^2 - c^2 D = kappa m (2c + kappa (1 - 2 c^2))

If c >= 0, then f >= 0, and the cosine does not fall iff 2c + kappa (1 - 2 c^2) >= 0: always if 2 c^2 <= 1, and else iff
kappa <= 2c/(2 c^2 - 1). That bound falls in c, to 2 at c = 1. So kappa <= 2 suffices for all angles, and a larger kappa
fails at small ones. If c < 0 the cosine never falls: f > c, and where f < 0 the same identity, with c = -b and
b = kappa m + t, t > 0, is negative: |f|/sqrt D < |c|.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import sympy
from sympy import sqrt, symbols

from theorems.claim import MOVED, Change, Claim, Hypothesis
from theorems.evidence import both, counterexample, never_negative, symbolic
from theorems.sphere import circle, step
from theorems.verdict import Evidence, Strength, Verdict

ETA, U, R, W = symbols("eta u r w", positive=True)
KAPPA, COSINE, SQUARE, SLACK, TURNED = symbols("kappa c m t y", positive=True)
ANGLES = ((4, 3, 5), (12, 5, 13), (15, 8, 17), (99, 20, 101), (-4, 3, 5))
DRAWN = (0.1, 0.1, 0.09)  # norm, angle and rate of the picture
STEPS = 12


@dataclass(frozen=True)
class Start:
    """A feature in the plane, with a rational norm, and a rate; the prototype is the first unit vector.

    A ``constant`` rate is bounded below, its ratios are 1, and eta/|h| never rises, as no step shortens h.
    """

    feature: tuple[Fraction, Fraction]
    norm: Fraction
    rate: Fraction
    name: str = "a random step"
    constant: bool = True


def cases(rng: np.random.Generator, x: float) -> Iterable[Start]:
    """Yield starts with eta <= |h|^``x`` (and eta < |h|, as printed): the witness if it is one, then random ones."""
    where = "h = (.08, .06), w = e1, eta = .09 < |h| = .1: h' = (.404, -.372), the cosine falls from .8 to .736"
    norm, rate = Fraction(1, 10), Fraction(9, 100)
    if rate <= norm ** int(x):
        yield Start((Fraction(2, 25), Fraction(3, 50)), norm, rate, where)
    for first, second, hypotenuse in ANGLES:
        norm = Fraction(int(rng.integers(1, 10)), 10)
        rate = norm ** int(x) * Fraction(int(rng.integers(1, 10)), 10)
        yield Start((norm * Fraction(first, hypotenuse), norm * Fraction(second, hypotenuse)), norm, rate)


def printed(case: Start, x: float) -> Evidence:
    """Judge that the first step does not lower the cosine, by its square with its sign: exact fractions."""
    moved = step(case.feature, (1, 0), case.rate, lambda square: case.norm)
    before, after = _signed_square(case.feature), _signed_square(moved)
    return counterexample(max(before - after, Fraction(0)), case.name)


def corrected(case: None, x: float) -> Evidence:
    """Judge the identity above on a true step, the signs, and that the bound ends at 2 (times ``x``).

    U is the tangent of theta/2, and w lies along the first axis.
    """
    cosine, sine = circle(U)
    moved = step([R * cosine, R * sine], [W, 0], ETA, lambda square: sqrt(sympy.factor(square)))
    length, kappa = moved[0] ** 2 + moved[1] ** 2, ETA * W / R**2
    excess = moved[0] ** 2 - cosine**2 * length  # f^2 - c^2 D, times r^2
    claimed = R**2 * kappa * sine**2 * (2 * cosine + kappa * (1 - 2 * cosine**2))
    above, lenient = COSINE + KAPPA * SQUARE, 2 * COSINE + KAPPA * TURNED  # f; and y = 1 - 2 c^2 where that is >= 0
    bound = 2 * COSINE / (2 * COSINE**2 - 1)
    slope = sympy.cancel(sympy.diff(bound, COSINE) * (2 * COSINE**2 - 1) ** 2)
    behind = KAPPA * SQUARE + SLACK  # b = -c where f < 0
    return both(
        symbolic(sympy.cancel(excess - claimed), sympy.cancel(moved[0] - R * (cosine + kappa * sine**2))),
        symbolic(bound.subs(COSINE, 1) - 2 * sympy.nsimplify(x)),
        never_negative(above, lenient, -slope),
        never_negative(2 * behind - KAPPA * (SQUARE - behind**2)),
    )


def picture(figure: Any) -> None:
    """Draw the cosine over the steps from a short feature, within the printed condition."""
    axes = figure.subplots()
    norm, angle, rate = DRAWN
    h = [norm * np.cos(angle), norm * np.sin(angle)]
    cosines, kappas = [], []
    for _ in range(STEPS):
        square = h[0] ** 2 + h[1] ** 2
        cosines.append(h[0] / np.sqrt(square))
        kappas.append(rate / square)
        h = step(h, (1.0, 0.0), rate)
    axes.plot(cosines, "o-", color="black")
    axes.set_xlabel("step")
    axes.set_ylabel("cosine to the prototype")
    axes.annotate(rf"$\kappa$ = {kappas[0]:.3g}", (0, cosines[0]), (0.6, cosines[0]), va="center")
    axes.annotate(rf"$\kappa$ = {kappas[1]:.3g}", (1, cosines[1]), (1.6, cosines[1]), va="center")
    axes.set_title(rf"The cosine falls from {cosines[0]:.3f} to {cosines[1]:.3f}, although $\eta\|w\| < \|h\|$")


def _signed_square(h: Any) -> Fraction:
    """Return cos |cos| of the angle to the first axis."""
    return h[0] * abs(h[0]) / (h[0] ** 2 + h[1] ** 2)


CLAIMS = (
    Claim(
        id="lemma10.monotone.printed",
        sentence="Under the conditions of Lemma 10, eta |w| < |h| at the start, eta/|h| not increasing, eta bounded "
        "below, eta(t+1)/eta(t) -> 1 and h not opposite to w, the cosine between h and w falls in no step.",
        formula=r"\frac{\eta(0) \|w\|}{\|h(0)\|} < 1 \Rightarrow "
        r"\hat w^T \hat h(t+1) \geq \hat w^T \hat h(t) \text{ for all } t",
        source="proof of Lemma 10, after eq. (83), p. 36",
        page=36,
        form="printed",
        expected=Verdict.REFUTED,
        strength=Strength.WITNESS,
        reference="a step along the gradient, in exact fractions",
        check=printed,
        cases=cases,
        repair=Change("the power of the norm in the condition", to=2.0),
        hypotheses=(
            Hypothesis("eta |w| < |h| at the start", holds=lambda case: case.rate < case.norm),
            Hypothesis(
                "eta is bounded below, its ratios tend to 1, eta/|h| is not increasing",
                holds=lambda case: case.constant,
            ),
            Hypothesis("h is not opposite to w", holds=lambda case: case.feature[1] != 0 or case.feature[0] > 0),
        ),
        picture=picture,
    ),
    Claim(
        id="lemma10.monotone.corrected",
        sentence="A step lowers the cosine from no angle if and only if kappa = eta |w|/|h|^2 is at most 2.",
        formula=r"\cos \theta' \geq \cos \theta \text{ for all } \theta \iff "
        r"\kappa = \frac{\eta \|w\|}{\|h\|^2} \leq 2",
        source="repairs the proof of Lemma 10, p. 36",
        page=36,
        form="corrected",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="a step along the gradient for all norms and angles, and the signs of polynomials",
        check=corrected,
        lever=Change("the bound 2", MOVED),
    ),
)
