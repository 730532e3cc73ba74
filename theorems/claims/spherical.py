r"""The spherical case: each feature's angle and norm, exactly, for descent and for flow.

With prototypes of zero sum, eq. (18) and (19) push a feature h of class y along (w - h^ h^'w)(1 + g)/(C N |h|), with
w = w_y and h^ = h/|h|. The push is orthogonal to h and lies in the plane of h and w: only the norm r and the angle
theta to w move.

One step of descent adds (r kappa sin theta) at a right angle to h, towards w, kappa = (1 + g) eta |w|/(C N r^2). So h
turns by arctan(kappa sin theta), and by Pythagoras r' = r sqrt(1 + kappa^2 sin^2 theta). The angle is signed: a step
that is too long passes w.

Under the flow, zeta = int eta, the norm stays and dtheta/dzeta = -k sin theta, k = (1 + g)|w|/(C N r^2). Then
u = tan(theta/2) obeys du/dzeta = -k u.

Below u = tan(theta/2) > 0 parametrises every angle 0 < theta < pi without roots; w lies along the first axis.
"""

from dataclasses import dataclass

import sympy
from sympy import Matrix, atan, exp, sqrt, symbols

from theorems.claim import MOVED, Change, Claim, Hypothesis
from theorems.evidence import symbolic
from theorems.sphere import circle, push, step, target
from theorems.verdict import Evidence, Strength, Verdict

C, N = symbols("C N", integer=True, positive=True)
G, ETA, ZETA, U, R, W = symbols("g eta zeta u r w", positive=True)
EXTRA = symbols("q", positive=True)


@dataclass(frozen=True)
class Prototypes:
    """The sample's prototype lies along the first axis; ``rest`` is the sum of all others."""

    rest: tuple[sympy.Expr, sympy.Expr] = (-W, sympy.Integer(0))

    def toward(self) -> list[sympy.Expr]:
        """Return the vector that a sample of the first prototype is drawn along: eq. (18) where the sum is zero."""
        return target([[W, 0], self.rest], 0, G, C * N)


def norm(square: sympy.Expr) -> sympy.Expr:
    """Return the root of a square that SymPy can factor."""
    return sqrt(sympy.factor(square))


def descent_step(case: Prototypes, x: float) -> Evidence:
    """Judge the new feature against its claimed norm and angle; ``x`` scales kappa."""
    cosine, sine = circle(U)
    found = step([R * cosine, R * sine], case.toward(), ETA, norm)
    kappa = sympy.nsimplify(x) * (1 + G) * ETA * W / (C * N * R**2)
    turn = atan(kappa * sine)
    length = R * sqrt(1 + kappa**2 * sine**2)
    claimed = (
        length * (cosine * sympy.cos(turn) + sine * sympy.sin(turn)),
        length * (sine * sympy.cos(turn) - cosine * sympy.sin(turn)),
    )
    return symbolic(*(sympy.cancel(one - other) for one, other in zip(found, claimed, strict=True)))


def flow(case: Prototypes, x: float) -> Evidence:
    """Judge that the claimed motion solves dh/dzeta = push and keeps the norm; ``x`` scales the exponent."""
    rate = sympy.nsimplify(x) * (1 + G) * W / (C * N * R**2)
    half = U * exp(-rate * ZETA)
    h = Matrix([R * one for one in circle(half)])
    now = symbols("v", positive=True)  # tan(theta/2) at zeta
    at = Matrix([R * one for one in circle(now)])
    wanted = Matrix(push([at[0], at[1]], case.toward(), norm))
    velocity = h.diff(ZETA).subs(half, now)
    return symbolic(
        (velocity - wanted).applyfunc(sympy.cancel), sympy.cancel(at.dot(at) - R**2), half.subs(ZETA, 0) - U
    )


ZERO_SUM = Hypothesis(
    "the prototypes sum to zero",
    holds=lambda case: case.rest == (-W, 0),
    broken=lambda rng: Prototypes((-W, EXTRA)),
)

CLAIMS = (
    Claim(
        id="spherical.descent-step",
        sentence="With prototypes of zero sum a step of eq. (19) turns a feature at the angle theta and the distance r "
        "by arctan(kappa sin theta) towards its prototype (or past it) and multiplies r by the root of "
        "1 + kappa^2 sin^2 theta, where kappa = (1 + g) eta |w|/(C N r^2).",
        formula=r"\theta' = \theta - \arctan \left( \kappa \sin \theta \right), \quad "
        r"r' = r \sqrt{1 + \kappa^2 \sin^2 \theta}, \quad \kappa = \frac{(1+\gamma)\,\eta\,\|w\|}{C N r^2}",
        source="follows from eq. (19), p. 13",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="a step along the gradient of eq. (1) with unit features, for all C, N, g, angles and norms",
        check=descent_step,
        cases=lambda rng, x: (Prototypes(),),
        lever=Change("kappa", MOVED),
        hypotheses=(ZERO_SUM,),
    ),
    Claim(
        id="spherical.flow",
        sentence="With prototypes of zero sum, under the gradient flow of eq. (18) a feature keeps its norm r, and the "
        "tangent of half its angle falls by the factor exp(-(1 + g) |w| zeta/(C N r^2)), zeta = int eta.",
        formula=r"\tan \frac{\theta}{2} = \tan \frac{\theta_0}{2} \,"
        r"e^{-\frac{(1+\gamma)\|w\|}{C N r^2} \zeta}, \quad \|h\| = r",
        source="the flow of eq. (18), p. 13",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="its own equation: its derivative against the gradient of eq. (1) with unit features",
        check=flow,
        cases=lambda rng, x: (Prototypes(),),
        lever=Change("the exponent", MOVED),
        hypotheses=(ZERO_SUM,),
    ),
)
