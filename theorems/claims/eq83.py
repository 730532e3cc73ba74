r"""Equation (83): a step of the spherical case as a combination of the feature and its prototype.

The step of Lemma 10 is h' = h + (eta/|h|)(w - h^ h^'w) with h^ = h/|h|. The term along h is -(eta/|h|)(w.h^) h^, and
h^ = h/|h| brings a second power of the norm:

    h' = (1 - eta w.h^/|h|^2) h + (eta/|h|) w.

The printed coefficient of h has one power of |h| only. It is positive under the printed condition eta |w| < |h|; the
right one is >= 0 iff kappa cos theta <= 1, with kappa = eta |w|/|h|^2 and theta the angle between h and w.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import sympy
from sympy import sqrt, symbols

from theorems.claim import MOVED, Change, Claim, Hypothesis
from theorems.evidence import counterexample, symbolic
from theorems.sphere import circle, step
from theorems.verdict import Evidence, Strength, Verdict

ETA, U, R, W = symbols("eta u r w", positive=True)
TRIPLES = ((3, 4, 5), (5, 12, 13), (8, 15, 17), (20, 21, 29))
Vector = list[Fraction]


@dataclass(frozen=True)
class Step:
    """A feature of a rational norm, the prototype, and the learning rate."""

    feature: Vector
    prototype: Vector
    rate: Fraction
    name: str = "a random step"

    @property
    def norm(self) -> Fraction:
        """The norm of the feature."""
        return exact_root(sum((x * x for x in self.feature), Fraction(0)))


def exact_root(square: Fraction) -> Fraction:
    """Return the root of the square of a fraction."""
    root = Fraction(sympy.integer_nthroot(square.numerator, 2)[0], sympy.integer_nthroot(square.denominator, 2)[0])
    if root * root != square:
        raise ValueError(f"{square} is not the square of a fraction.")
    return root


def cases(rng: np.random.Generator, x: float) -> Iterable[Step]:
    """Yield the witness, then random steps within the printed condition."""
    witness = "h = (.3, .4), w = e1, eta = .2: the step gives (.556, .208), the printed formula (.628, .304)"
    yield Step([Fraction(3, 10), Fraction(4, 10)], [Fraction(1), Fraction(0)], Fraction(1, 5), witness)
    for first, second, hypotenuse in TRIPLES:
        norm = Fraction(int(rng.integers(1, 30)), 10)
        prototype = [Fraction(int(value), 7) for value in rng.integers(1, 9, size=2)]
        largest = norm / sum(prototype)  # |w| is at most the sum of its entries
        rate = largest * Fraction(int(rng.integers(1, 10)), 10)
        yield Step([norm * Fraction(first, hypotenuse), norm * Fraction(second, hypotenuse)], prototype, rate)


def printed(case: Step, x: float) -> Evidence:
    """Judge eq. (83) with the power ``x`` of the norm in the coefficient of h, in exact fractions."""
    true = step(case.feature, case.prototype, case.rate, exact_root)
    inner = sum(a * b for a, b in zip(case.feature, case.prototype, strict=True)) / case.norm
    kept, added = 1 - case.rate * inner / case.norm ** int(x), case.rate / case.norm
    claimed = [kept * h + added * w for h, w in zip(case.feature, case.prototype, strict=True)]
    return counterexample(max(abs(a - b) for a, b in zip(true, claimed, strict=True)), case.name)


def corrected(case: None, x: float) -> Evidence:
    """Judge the identity and its first coefficient, for all norms and angles; ``x`` scales the latter.

    U is the tangent of theta/2 for 0 < theta < pi, and w lies along the first axis.
    """
    one, zero = sympy.Integer(1), sympy.Integer(0)
    angles = circle(U), (one, zero), (-one, zero)
    return symbolic(*(entry for angle in angles for entry in _residuals(*angle, sympy.nsimplify(x))))


def _residuals(cosine: sympy.Expr, sine: sympy.Expr, scale: sympy.Expr) -> list[sympy.Expr]:
    h, w = [R * cosine, R * sine], [W, 0]
    true = step(h, w, ETA, lambda square: sqrt(sympy.factor(square)))
    kept = 1 - scale * ETA * (W * cosine) / R**2
    moves = [sympy.cancel(a - (kept * b + ETA / R * c)) for a, b, c in zip(true, h, w, strict=True)]
    # The sign: both sides of kappa cos theta <= 1, kappa from its definition, cos theta from w.h.
    kappa, angle = ETA * W / R**2, (h[0] * w[0] + h[1] * w[1]) / (R * W)
    return [*moves, sympy.cancel(kept - (1 - kappa * angle))]


def _inside(case: Step) -> bool:
    return case.rate**2 * sum(w * w for w in case.prototype) < case.norm**2


def _not_opposite(case: Step) -> bool:
    (a, b), (c, d) = case.feature, case.prototype
    return a * d != b * c or a * c + b * d > 0


CLAIMS = (
    Claim(
        id="eq83.recursion.printed",
        sentence="A step of Lemma 10 is h' = (1 - eta w.h^/|h|) h + (eta/|h|) w, with h^ = h/|h|, if eta |w| < |h| and "
        "h is not opposite to w.",
        formula=r"h' = \left( 1 - \frac{\eta\, w^T \hat h}{\| h \|} \right) h + \frac{\eta}{\| h \|} w",
        source="proof of Lemma 10, eq. (83), p. 36",
        page=36,
        form="printed",
        expected=Verdict.REFUTED,
        strength=Strength.WITNESS,
        reference="a step along the gradient, in exact fractions",
        check=printed,
        cases=cases,
        repair=Change("the power of the norm in the coefficient of h", to=2.0),
        hypotheses=(
            Hypothesis("eta |w| < |h|", holds=_inside),
            Hypothesis("h is not opposite to w", holds=_not_opposite),
        ),
    ),
    Claim(
        id="eq83.recursion.corrected",
        sentence="A step of Lemma 10 is h' = (1 - eta w.h^/|h|^2) h + (eta/|h|) w, with h^ = h/|h|, for every h != 0; "
        "the first coefficient is 1 - kappa cos theta, so it is >= 0 iff kappa cos theta <= 1.",
        formula=r"h' = \left( 1 - \frac{\eta\, w^T \hat h}{\| h \|^2} \right) h + \frac{\eta}{\| h \|} w, \quad "
        r"1 - \frac{\eta\, w^T \hat h}{\| h \|^2} = 1 - \kappa \cos \theta",
        source="repairs eq. (83), p. 36",
        page=36,
        form="corrected",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="a step along the gradient, in the plane of h and w",
        check=corrected,
        lever=Change("the term that is taken off the coefficient of h", MOVED),
    ),
)
