r"""Theorem 6: the exact motion of the features when the prototypes are anchored.

With fixed prototypes eq. (16) is H' = eta (WM - lambda H): in every entry the same scalar equation with a constant
drive. By the chain rule its clock is zeta = int eta, so d/dzeta h = m - lambda h for an entry h of H and m of WM.

Why eq. (17) holds: its derivative is the right-hand side and its value at zeta = 0 is h0. The difference D = H -
WM/lambda obeys dD/dzeta = -lambda D, so the printed O(exp(-lambda zeta)) is an equality, for every start and any rates.

Without decay (lambda = 0) there is no limit: H = H0 + zeta WM. Only the direction converges, and slowly. In the plane
of WM and H0, with a and b the parts of H0 along and across WM, the direction is that of (a + zeta |WM|, b): its angle
to WM is about b/(zeta |WM|), so zeta times the error tends to |b|/|WM|.
"""

from dataclasses import dataclass

import sympy
from sympy import exp, oo, sqrt, symbols

from theorems.claim import MOVED, Change, Claim, Hypothesis
from theorems.evidence import symbolic
from theorems.verdict import Evidence, Strength, Verdict

LAMBDA, ZETA, ETA = symbols("lambda zeta eta", positive=True)
H0, M, H = symbols("h0 m h", real=True)
ALONG, ACROSS, SIZE = symbols("a b mu", positive=True)
DECAY = sympy.Rational(1, 2)


@dataclass(frozen=True)
class Entry:
    """One entry of eq. (16): the decay lambda, and the entry of WM, which moves only if the prototypes do."""

    decay: sympy.Expr = LAMBDA
    drive: sympy.Expr = M

    def velocity(self, h: sympy.Expr) -> sympy.Expr:
        """Return dh/dt of eq. (16)."""
        return ETA * self.drive - self.decay * ETA * h


def state(case: Entry, x: float) -> Evidence:
    """Judge eq. (17): its start is h0, and its derivative is what eq. (16) says; ``x`` scales the term in WM."""
    decay, factor = case.decay, sympy.nsimplify(x)
    moved = exp(-decay * ZETA) * H0 + factor * (1 - exp(-decay * ZETA)) / decay * case.drive
    return symbolic(ETA * sympy.diff(moved, ZETA) - case.velocity(moved), moved.subs(ZETA, 0) - H0)


def rate_equality(case: Entry, x: float) -> Evidence:
    """Judge d/dt of (h - m/lambda)^2 along eq. (16), at any h, against the square of the claimed factor."""
    distance = H - case.drive / case.decay
    slope = 2 * distance * (case.velocity(H) - ETA * sympy.diff(case.drive / case.decay, ZETA))
    claimed = exp(-sympy.nsimplify(x) * case.decay * ZETA) ** 2
    return symbolic(slope - ETA * sympy.diff(claimed, ZETA) / claimed * distance**2, claimed.subs(ZETA, 0) - 1)


@dataclass(frozen=True)
class Plane:
    """The plane of WM and H0: the decay, the size of WM, and the part of H0 across WM; that along it is free."""

    decay: sympy.Expr = sympy.S.Zero
    size: sympy.Expr = SIZE
    across: sympy.Expr = ACROSS

    def features(self, along: sympy.Expr) -> tuple[sympy.Expr, sympy.Expr]:
        """Return H(zeta), by variation of constants."""
        u = sympy.Dummy("u", positive=True)
        fallen = exp(-self.decay * ZETA)
        driven = sympy.integrate(exp(-self.decay * (ZETA - u)) * self.size, (u, 0, ZETA))
        return along * fallen + driven, self.across * fallen


def lambda_zero(case: Plane, x: float) -> Evidence:
    """Judge the limit of zeta times the distance of the two directions, for H0 along, across and against WM.

    With t = tan(angle) the squared distance 2 - 2 cos is t^2 f(t), f continuous with f(0) = 1, so zeta times the
    distance and zeta t have one limit if t -> 0.
    """
    t = symbols("t", positive=True)
    root = sqrt(1 + t**2)
    factor = 2 / (root * (root + 1))
    residuals = [2 - 2 / root - factor * t**2, factor.subs(t, 0) - 1]
    for along in (ALONG, sympy.S.Zero, -ALONG):
        first, second = case.features(along)
        tangent = sympy.cancel(second / first)
        claimed = sympy.nsimplify(x) * case.across / case.size
        residuals += [sympy.limit(tangent, ZETA, oo), sympy.limit(ZETA * tangent, ZETA, oo) - claimed]
        residuals.append(sympy.sign(sympy.limit(first, ZETA, oo)) - 1)  # on WM's side in the end: cos > 0
    return symbolic(*residuals)


DECAYS = Hypothesis(
    "lambda > 0",
    holds=lambda case: case.decay.is_positive,
    broken=lambda rng: Entry(decay=sympy.Integer(0)),
)
FIXED = Hypothesis(
    "the prototypes are fixed",
    holds=lambda case: not case.drive.has(ZETA),
    broken=lambda rng: Entry(drive=M * (1 + ZETA)),
)

CLAIMS = (
    Claim(
        id="thm6.state",
        sentence="With fixed prototypes and lambda > 0 the features follow eq. (17), for any rates eta(t).",
        formula=r"H(t) = e^{-\lambda \zeta} H_0 + \frac{1 - e^{-\lambda \zeta}}{\lambda} W M, \quad "
        r"\zeta = \int_0^t \eta",
        source="Theorem 6, eq. (17), p. 12",
        page=12,
        form="printed",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="its own equation: the derivative of the printed formula against eq. (16), entry by entry",
        check=state,
        cases=lambda rng, x: (Entry(),),
        lever=Change("the coefficient of WM", MOVED),
        hypotheses=(DECAYS, FIXED),
    ),
    Claim(
        id="thm6.rate-equality",
        sentence="With fixed prototypes and lambda > 0 the distance of H from WM/lambda is exactly "
        "exp(-lambda zeta) times its start: the printed O() is an equality.",
        formula=r"\left\| H(t) - \frac{1}{\lambda} W M \right\| "
        r"= e^{-\lambda \zeta} \left\| H_0 - \frac{1}{\lambda} W M \right\|",
        source="sharpens Theorem 6, p. 12",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="the derivative of the squared distance along eq. (16), at any point",
        check=rate_equality,
        cases=lambda rng, x: (Entry(),),
        lever=Change("the exponent", MOVED),
        hypotheses=(DECAYS, FIXED),
    ),
    Claim(
        id="thm6.lambda-zero",
        sentence="With fixed prototypes, no decay, WM != 0 and H0 not parallel to WM, zeta times the distance between "
        "the directions of H and WM tends to the size of the part of H0 orthogonal to WM over the size of WM.",
        formula=r"\lambda = 0: \quad \zeta \left\| \frac{H}{\|H\|} - \frac{W M}{\|W M\|} \right\| "
        r"\to \frac{\| H_0^{\perp} \|}{\| W M \|}",
        source="completes the remark on lambda = 0 after Theorem 6, p. 12",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="the limit, by SymPy, of the motion by variation of constants in the plane of WM and H0",
        check=lambda_zero,
        cases=lambda rng, x: (Plane(),),
        lever=Change("the limit", MOVED),
        hypotheses=(
            Hypothesis(
                "lambda = 0",
                holds=lambda case: case.decay == 0,
                broken=lambda rng: Plane(decay=DECAY),
            ),
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
