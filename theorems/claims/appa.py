r"""Appendix A: cross-entropies above the loss, and a loss below which a sample is classified correctly.

Logits z_1, ..., z_C with biases; y is the own class; l = log sum_i exp(z_i). For the threshold the prototypes are a
simplex ETF of unit vectors (equal cosines -1/(C-1)) and the feature h has unit length.

Why the two bounds hold: log(1 + exp(x)) >= x for each logit gives the first; the second exceeds the loss by g sum_{j !=
y} (l - z_j), and l is at least every z_j.

Why the threshold holds and is sharp: the prototypes sum to zero, so the loss is -(1+g) w_y . h. If another w_j . h is
as large as w_y . h, then 2 w_y . h <= (w_y + w_j) . h <= |w_y + w_j| = sqrt(2 (C-2)/(C-1)). Above half of that the
sample is correct; h along w_y + w_j reaches it, with a tie. At C = 2 the threshold is 0: right too, but sharp only
where a feature can be orthogonal to the prototypes.

Why the sentence without the minus fails: it lets w_y . h be negative.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import sympy
from sympy import Rational, exp, eye, log, ones, sqrt, symbols

from theorems.claim import MOVED, REVERSED, Change, Claim, Hypothesis
from theorems.evidence import both, counterexample, never_negative, symbolic
from theorems.verdict import Evidence, Strength, Verdict

G, K = symbols("g k", positive=True)  # K = C - 1
OWN, MEAN, LOGSUM = symbols("z_y m l", real=True)  # own, mean of the others, log-sum-exp
LOGIT, REST = symbols("e r", positive=True)  # exp of a logit, and the sum of exp of all logits but this one
C = 2 + symbols("c", integer=True, positive=True)  # C >= 3


def gammas(rng: np.random.Generator, x: float) -> Iterable[Any]:
    """Yield every gamma > 0."""
    yield G


def entropies(gamma: Any, x: float) -> Evidence:
    """Judge both bounds for all logits and all C; ``x`` scales gamma (C-1) - 1 in the second."""
    loss = -OWN + gamma * K * MEAN
    # First bound minus loss: a term of z_y and gamma times one of each other z_j. Each is the log of something >= 1.
    z = log(LOGIT)
    own, other = log(1 + exp(-z)) - (-z), log(1 + exp(z)) - z
    second = sympy.nsimplify(x) * (gamma * K - 1) * OWN - gamma * K * (OWN - LOGSUM)
    # Adding t to all logits must add nothing to the difference; otherwise t -> +-infinity makes it negative.
    excess = sympy.expand(second - loss)
    shift = sum(sympy.diff(excess, one) for one in (OWN, MEAN, LOGSUM))
    # What is left is the sum over j != y of gamma (l - z_j), and exp(l - z_j) = (e + r)/e >= 1.
    rest = excess - gamma * K * (LOGSUM - MEAN)
    at_least_one = exp(own), exp(other), (LOGIT + REST) / LOGIT
    return both(symbolic(shift, rest), never_negative(gamma, *(one - 1 for one in at_least_one)))


@dataclass(frozen=True)
class Frame:
    """Unit prototypes with equal cosines and a feature of length ``radius``; ``dense`` checks on coordinates."""

    classes: Any = C
    cosine: Any = -1 / (C - 1)
    radius: Any = 1
    dense: bool = False


def frames(rng: np.random.Generator, x: float) -> Iterable[Frame]:
    """Yield all C >= 3 at once, C = 2, and the vectors themselves for some."""
    yield Frame()
    yield Frame(sympy.Integer(2), -sympy.Integer(1))
    for classes in (3, 4, 7):
        yield Frame(sympy.Integer(classes), -Rational(1, classes - 1), dense=True)


def threshold(case: Frame, x: float) -> Evidence:
    """Judge that the threshold, ``x`` times the printed one, is the largest below which a sample is always correct."""
    classes, cosine = case.classes, case.cosine
    level = sympy.nsimplify(x) * sqrt(sympy.cancel((classes - 2) / (2 * (classes - 1))))  # of w_y . h
    if case.dense:
        return symbolic(*_tie(int(classes), level))
    total = 1 + (classes - 1) * cosine  # sum of the prototypes times one of them: 0, so the loss is -(1+g) w_y . h
    bisector = case.radius**2 * (2 + 2 * cosine)  # the largest ((w_y + w_j) . h)^2
    return symbolic(sympy.cancel(total), sympy.cancel(4 * level**2 - bisector))


def _tie(classes: int, level: Any) -> tuple[Any, ...]:
    """Return what must be zero at h along w_0 + w_1: the margin, the length, and the distance of the loss."""
    frame = (eye(classes) - ones(classes) / classes) * sqrt(Rational(classes, classes - 1))
    direction = frame[:, 0] + frame[:, 1]
    feature = direction / direction.norm()
    logits = frame.T * feature
    loss = -logits[0] + G * sum(logits[1:])
    return logits[0] - max(logits[1:]), feature.dot(feature) - 1, sympy.radsimp(loss + (1 + G) * level)


@dataclass(frozen=True)
class Sample:
    """A feature along an integer vector v in R^C, of class 0; the prototypes are along e_c - (1, ..., 1)/C."""

    vector: tuple[int, ...]

    @property
    def own(self) -> Fraction:
        """w_0 . h, squared, with its sign: with h of unit length, minus loss/(1+g)."""
        classes = len(self.vector)
        inner = self.vector[0] - Fraction(sum(self.vector), classes)
        square = inner**2 * Fraction(classes, (classes - 1) * sum(v * v for v in self.vector))
        return square if inner > 0 else -square


def features(rng: np.random.Generator, x: float) -> Iterable[Sample]:
    """Yield the feature on another class's prototype, then random features that lean towards their own."""
    yield Sample((-1, 3, -1, -1))
    for classes in (3, 4, 6, 9):
        for lean in (0, 4, 12, 40):
            vector = [int(v) for v in rng.integers(-9, 10, classes)]
            yield Sample((vector[0] + lean + 10 * (lean == 40), *vector[1:]))


def positive_threshold(case: Sample, x: float) -> Evidence:
    """Judge that a loss below ``x`` (1+g) sqrt((C-2)/(2(C-1))) makes the sample correct, in exact rationals."""
    classes = len(case.vector)
    square = Fraction(classes - 2, 2 * (classes - 1))
    below = case.own > -Fraction(x) * square  # loss < x (1+g) sqrt(square), by signed squares
    excess = max(case.vector[1:]) - case.vector[0] if below else 0
    side = "below" if below else "not below"
    where = f"C = {classes}, h along {case.vector}, class 0: loss = {_loss(case.own):.3f} (1+g), {side} the threshold"
    if excess > 0:
        where += f" {math.sqrt(square):.3f} (1+g), but class {case.vector.index(max(case.vector))} wins"
    return counterexample(max(excess, 0), where)


def _loss(own: Fraction) -> float:
    return math.copysign(math.sqrt(abs(own)), -own)


def cloud(figure: Any) -> None:
    """Draw the margin of random unit features over their loss, for five classes, with both thresholds."""
    classes = 5
    frame = (np.eye(classes) - 1 / classes) * np.sqrt(classes / (classes - 1))
    points = np.random.default_rng(0).standard_normal((6000, classes)) @ frame
    logits = points / np.linalg.norm(points, axis=1, keepdims=True) @ frame
    loss, margin = -logits[:, 0], logits[:, 0] - logits[:, 1:].max(axis=1)
    level, right = np.sqrt((classes - 2) / (2 * (classes - 1))), margin > 0
    axes = figure.add_subplot()
    axes.scatter(loss[right], margin[right], s=3, color="#0072b2", label="correct", rasterized=True)
    axes.scatter(loss[~right], margin[~right], s=3, color="#d55e00", marker="x", label="wrong", rasterized=True)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.axvline(-level, color="black", linestyle="-", label="threshold with the minus")
    axes.axvline(level, color="black", linestyle=":", label="the same without")
    axes.set_xlabel("loss / (1 + gamma)")
    axes.set_ylabel("margin")
    axes.set_title("Left of the minus threshold no sample is wrong (C = 5, random unit features)", fontsize=10)
    axes.legend(loc=(0.47, 0.62), fontsize=8, markerscale=3)


CLAIMS = (
    Claim(
        id="appA.ce-inequalities",
        sentence="For all logits and gamma > 0, the loss is at most the sum of the binary cross-entropies (gamma "
        "times those of the other classes), and at most (gamma (C-1) - 1) times the own logit plus gamma (C-1) times "
        "the cross-entropy.",
        formula=r"L_\gamma \le \log(1 + e^{-z_y}) + \gamma \sum_{j \ne y} \log(1 + e^{z_j}), \quad L_\gamma \le "
        r"(\gamma (C-1) - 1) z_y - \gamma (C-1) \log \frac{e^{z_y}}{\sum_i e^{z_i}}",
        source="Appendix A, p. 20, its second bound read with w_y . h + b_y",
        page=20,
        form="printed",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="eq. (1) for all C; each difference is taken apart into terms that are never negative",
        check=entropies,
        cases=gammas,
        lever=Change("gamma (C-1) - 1 in the second bound", MOVED),
        hypotheses=(Hypothesis("gamma > 0", holds=lambda gamma: gamma.is_positive, broken=lambda rng: -G),),
    ),
    Claim(
        id="appA.threshold",
        sentence="Prototypes that form a simplex ETF of unit vectors, C >= 2, and a unit feature: a loss below "
        "-(1+gamma) sqrt((C-2)/(2(C-1))) means that the own logit is the largest, and if C >= 3 no larger threshold "
        "does that for every feature.",
        formula=r"L_\gamma < -(1+\gamma) \sqrt{\frac{C-2}{2(C-1)}} \Rightarrow w_y^\top h > \max_{i \ne y} w_i^\top h",
        source="Appendix A, p. 20",
        page=20,
        form="printed",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="the largest inner product with w_y + w_j, for all C; eq. (1) on coordinates for C = 3, 4, 7",
        check=threshold,
        cases=frames,
        lever=Change("the threshold", MOVED),
        hypotheses=(
            Hypothesis(
                "the prototypes form a simplex ETF of unit vectors",
                holds=lambda case: sympy.cancel(1 + (case.classes - 1) * case.cosine) == 0,
                broken=lambda rng: Frame(cosine=sympy.Integer(0)),
            ),
            Hypothesis(
                "the feature has unit length",
                holds=lambda case: case.radius == 1,
                broken=lambda rng: Frame(radius=2),
            ),
        ),
        picture=cloud,
    ),
    Claim(
        id="appA.threshold-sign.printed",
        sentence="Prototypes that form a simplex ETF of unit vectors, C >= 3, and a unit feature: a loss below "
        "+(1+gamma) sqrt((C-2)/(2(C-1))) means that the own logit is the largest.",
        formula=r"L_\gamma < (1+\gamma) \sqrt{\frac{C-2}{2(C-1)}} \Rightarrow w_y^\top h > \max_{i \ne y} w_i^\top h",
        source="Appendix A, the sentence after the threshold, p. 20",
        page=20,
        form="printed",
        expected=Verdict.REFUTED,
        strength=Strength.WITNESS,
        reference="the prediction itself, from inner products in exact rationals",
        check=positive_threshold,
        cases=features,
        repair=Change("the sign of the threshold", REVERSED),
        hypotheses=(Hypothesis("there are at least three classes", holds=lambda case: len(case.vector) >= 3),),
    ),
)
