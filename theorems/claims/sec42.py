r"""Section 4.2: feature decay turns the features faster towards WM.

With fixed prototypes, H = exp(-lambda zeta) (H0 + k WM), k = (exp(lambda zeta) - 1)/lambda = int_0^zeta exp(lambda u)
du. The factor in front does not turn H. In the plane of WM and H0, with a and b > 0 the parts of H0 along and across
WM, the cotangent of the angle to WM is (a + k |WM|)/b: it grows with k. And k grows with lambda, since the integrand
does. So at equal zeta the angle falls strictly as lambda grows, from lambda = 0 on; for the matrix H as a whole and for
every feature by itself.
"""

from dataclasses import dataclass

import sympy
from sympy import exp, symbols

from theorems.claim import REVERSED, Change, Claim, Hypothesis
from theorems.evidence import both, never_negative, positive, symbolic
from theorems.verdict import Evidence, Strength, Verdict

LAMBDA, ZETA, K = symbols("lambda zeta k", positive=True)
ALONG = symbols("a", real=True)
ACROSS, SIZE, GROWN = symbols("b mu E", positive=True)


@dataclass(frozen=True)
class Plane:
    """The size of WM, and the part of H0 across WM; the part along WM is any real number."""

    size: sympy.Expr = SIZE
    across: sympy.Expr = ACROSS


def decay_turns(case: Plane, x: float) -> Evidence:
    """Judge that the cotangent of the angle grows with lambda at equal zeta; ``x`` = -1 says that it falls."""
    k = (exp(LAMBDA * ZETA) - 1) / LAMBDA
    features = [exp(-LAMBDA * ZETA) * (ALONG + k * case.size), exp(-LAMBDA * ZETA) * case.across]
    drive = [case.size, 0]
    moves = [sympy.diff(h, ZETA) - (m - LAMBDA * h) for h, m in zip(features, drive, strict=True)]
    # dk/dlambda is 0 at zeta = 0, and its derivative in zeta is zeta exp(lambda zeta), here zeta E > 0.
    growth = sympy.diff(k, LAMBDA)
    more = sympy.expand(sympy.diff(growth, ZETA)).subs(exp(LAMBDA * ZETA), GROWN)
    # The cotangent is first/second; its derivative in k times second^2. Where that is 0 the direction stays the same.
    first, second = ALONG + K * case.size, case.across
    turn = sympy.diff(first, K) * second - first * sympy.diff(second, K)
    same = features[0] * second - features[1] * first.subs(K, k)
    return both(
        symbolic(*moves, features[0].subs(ZETA, 0) - ALONG, same, sympy.limit(growth, ZETA, 0)),
        never_negative(more),
        positive(sympy.nsimplify(x) * turn),
    )


CLAIMS = (
    Claim(
        id="sec42.decay-speeds-direction.printed",
        sentence="With fixed prototypes and a start not parallel to WM, at equal zeta = int eta a larger feature decay "
        "lambda >= 0 brings the direction of the features closer to that of WM.",
        formula=r"\lambda \mapsto \cot \angle \left( H(\zeta), W M \right) = "
        r"\frac{a + \frac{e^{\lambda \zeta} - 1}{\lambda} \| W M \|}{b} \quad \text{increases}",
        source="Section 4.2, last remark on Theorem 6, p. 16",
        page=16,
        form="printed",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="eq. (16), and the signs of the derivatives of the exact angle",
        check=decay_turns,
        cases=lambda rng, x: (Plane(),),
        lever=Change("closer", REVERSED),
        hypotheses=(
            Hypothesis(
                "WM != 0",
                holds=lambda case: case.size != 0,
                broken=lambda rng: Plane(size=sympy.Integer(0)),
            ),
            Hypothesis(
                "H0 is not parallel to WM",
                holds=lambda case: case.across != 0,
                broken=lambda rng: Plane(across=sympy.Integer(0)),
            ),
        ),
    ),
)
