r"""Section 3: is the convergence exponential in all cases?

No. With fixed prototypes and no feature decay (the case that the paper itself mentions on p. 12) the features move on
straight lines, H = H0 + zeta WM. The direction converges to that of WM, but the tangent of the angle is b/(a + zeta
|WM|), with a and b the parts of H0 along and across WM: zeta times it tends to b/|WM| and not to 0, so no bound
exp(-mu zeta) with mu > 0 can hold. With any decay lambda > 0 the tangent is b/(a + |WM| (exp(lambda zeta) - 1)/lambda)
and the convergence is exponential.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import sympy
from sympy import exp, oo, symbols

from theorems.claim import Change, Claim
from theorems.evidence import counterexample
from theorems.instance import label_operator
from theorems.verdict import Evidence, Strength, Verdict

ZETA = symbols("zeta", positive=True)
DECAY = 0.5  # of the repaired sentence
DECAYS = (0.0, 0.05, 0.2)  # drawn


@dataclass(frozen=True)
class Start:
    """Prototypes and features, one a column, N = 1, and g; ``name`` says which."""

    name: str
    prototypes: list[list[Fraction]]
    features: list[list[Fraction]]
    gamma: Fraction


def cases(rng: np.random.Generator, x: float) -> Iterable[Start]:
    """Yield W = (e1, -e1) with H0 = (e2, e2), then random whole numbers."""
    one, zero = Fraction(1), Fraction(0)
    name = "C = 2, N = 1, g = 1, W = (e1, -e1), H0 = (e2, e2), no decay: h1 = (zeta, 1), tan(angle) = 1/zeta"
    yield Start(name, [[one, -one], [zero, zero]], [[zero, zero], [one, one]], one)
    for classes in (2, 3):
        # The second coordinate is across WM. With g this small and entries 1 to 8 no column of WM is zero.
        line = [Fraction(int(value)) for value in rng.permutation(np.arange(1, 9))[: 2 * classes + 1]]
        features = [line[classes : 2 * classes], [line[-1]] * classes]
        yield Start(f"random, C = {classes}", [line[:classes], [zero] * classes], features, Fraction(1, 17))


def slow(case: Start, x: float) -> Evidence:
    """Judge that zeta exp(lambda zeta/2) tan(angle) -> 0 for the first feature, with lambda = ``x``."""
    classes = len(case.prototypes[0])
    operator = label_operator(range(classes), classes, case.gamma, Fraction(1))
    drive = [sum(row[c] * operator[c][0] for c in range(classes)) for row in case.prototypes]
    tangent = sympy.cancel(_tangent([row[0] for row in case.features], drive, sympy.nsimplify(x)))
    left = sympy.limit(ZETA * exp(sympy.nsimplify(x) * ZETA / 2) * tangent, ZETA, oo)
    return counterexample(left, case.name)


def _tangent(feature: list[Any], drive: list[Any], decay: Any) -> Any:
    """Return the tangent of the angle between WM and a feature in the plane, from eq. (16) solved by SymPy's dsolve."""
    moved = []
    for start, push in zip(feature, drive, strict=True):
        h: Any = sympy.Function("h")
        start, push = sympy.Rational(start), sympy.Rational(push)
        equation = sympy.Eq(h(ZETA).diff(ZETA), push - decay * h(ZETA))
        moved.append(sympy.dsolve(equation, h(ZETA), ics={h(0): start}).rhs)
    along = moved[0] * drive[0] + moved[1] * drive[1]
    return abs(moved[0] * drive[1] - moved[1] * drive[0]) / along


def picture(figure: Any) -> None:
    """Draw the angle over zeta on a logarithmic scale: a straight line is exponential convergence."""
    axes = figure.subplots()
    times = np.linspace(0.1, 100.0, 400)
    for decay, style in zip(DECAYS, ("-", "--", ":"), strict=True):
        tangent = _tangent([Fraction(0), Fraction(1)], [Fraction(1), Fraction(0)], sympy.nsimplify(decay))
        values = sympy.lambdify(ZETA, tangent, "numpy")(times)
        axes.semilogy(times, np.degrees(np.arctan(values)), style, color="black", label=rf"$\lambda$ = {decay:g}")
    axes.set_xlabel(r"$\zeta$")
    axes.set_ylabel("angle of a feature to WM, degrees")
    axes.set_title("A straight line is exponential: without decay it is not")
    axes.legend()


CLAIMS = (
    Claim(
        id="sec3.all-exponential.printed",
        sentence="Read to include the anchored case at lambda = 0, which p. 12 mentions: in every case the direction "
        "of the features converges exponentially in zeta = int eta.",
        formula=r"\exists \mu > 0: \quad \left\| \frac{H}{\|H\|} - \frac{W M}{\|W M\|} \right\| "
        r"= O \left( e^{-\mu \zeta} \right)",
        source="Section 3, its introduction, p. 6, with lambda = 0 of p. 12",
        page=6,
        form="printed",
        expected=Verdict.REFUTED,
        strength=Strength.WITNESS,
        reference="eq. (16) solved by SymPy's dsolve, and the exact limit of zeta times the error",
        check=slow,
        cases=cases,
        repair=Change("lambda, the feature decay", to=DECAY, stated=0.0),
        picture=picture,
    ),
)
