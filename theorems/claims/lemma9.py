r"""Lemma 9: five orthogonal subspaces that span the state space.

State Z = (H, W), rows of length C N + C; h~ = H (I (x) 1_N)/sqrt N; J = 11'/C, P = I - J. Each subspace of eq. (26) is
the image of an operator that acts from the right on an arbitrary state: for E1 take any W, centre it and put
epsilon W (x) 1'/sqrt N beside it; for E2 average W over the classes first; for E3 keep what is left of H within
the classes.

Proof: the images of two such operators are orthogonal iff A B' = 0, and A A' is a multiple of a projection, so A'A is
one too, with the dimension as its trace. Five projections that are orthogonal in pairs and add up to the identity leave
nothing out. On the contrasts, and on the mean, this is (epsilon, 1).(-epsilon, 1) = 0 in the plane.
"""

from dataclasses import dataclass

import sympy
from sympy import Matrix, eye, sqrt, symbols, zeros

from theorems.algebra import Split, identity
from theorems.claim import MOVED, Change, Claim
from theorems.evidence import symbolic
from theorems.verdict import Evidence, Strength, Verdict

C, N = symbols("C N", integer=True, positive=True)

ONLY_W = Matrix([[0, 0], [0, 1]])  # (H, W) -> (0, W), on the contrasts or on the mean
NOTHING = zeros(2)
BESIDE = Matrix([[0, 0], [sqrt(N), 0]])
SPREAD = Split(BESIDE, BESIDE)  # (H, W) -> (W (x) 1_N', 0): its h~ is sqrt N W


@dataclass(frozen=True)
class Subspace:
    """A subspace as the image of A = ``onto``; A A' is ``scale`` times a projection; ``dimension`` is for p = 1."""

    onto: Split
    scale: int
    dimension: sympy.Expr


def subspaces(scale: float) -> list[Subspace]:
    """Return the five of eq. (26); ``scale`` multiplies the 1/sqrt N between H and W."""
    found = [Subspace(Split(NOTHING, NOTHING, (1, 1)), 1, C * (N - 1))]  # E3: H (I (x) 1_N) = 0, W = 0
    both = Split(eye(2), eye(2))
    for sign in (1, -1):
        beside = both + SPREAD * (sympy.nsimplify(scale) * sign / sqrt(N))
        found.append(Subspace(Split(ONLY_W, NOTHING) @ beside, 2, C - 1))  # E1: W 1 = 0
        found.append(Subspace(Split(NOTHING, ONLY_W) @ beside, 2, sympy.Integer(1)))  # E2: W = h 1'
    return found


def orthogonality(case: None, x: float) -> Evidence:
    """Judge that the spaces are orthogonal, have the dimensions that they should, and add up to everything."""
    spaces = subspaces(x)
    residuals = []
    for i, one in enumerate(spaces):
        for other in spaces[:i]:
            residuals += (one.onto @ transposed(other.onto)).numbers()
    projections = [(transposed(one.onto) @ one.onto) * sympy.Rational(1, one.scale) for one in spaces]
    for one, projection in zip(spaces, projections, strict=True):
        residuals += (projection @ projection - projection).numbers()
        residuals.append(projection.trace(C, N) - one.dimension)
    residuals += (sum(projections[1:], projections[0]) - identity()).numbers()
    residuals.append(sum(one.dimension for one in spaces) - C * (N + 1))
    return symbolic(*residuals)


def transposed(operator: Split) -> Split:
    """Return the transpose."""
    return Split(operator.contrast.T, operator.mean.T, operator.within)


CLAIMS = (
    Claim(
        id="lemma9.orthogonality",
        sentence="The five subspaces E1+, E1-, E2+, E2-, E3 of eq. (26) are orthogonal in pairs, have the dimensions "
        "p(C-1), p(C-1), p, p, pC(N-1), and together span all pairs (H, W), for all C, N, p.",
        formula=r"\mathbb{R}^{p \times C(N+1)} = E_1^+ \oplus E_1^- \oplus E_2^+ \oplus E_2^- \oplus E_3, \quad "
        r"2p(C-1) + 2p + pC(N-1) = pC(N+1)",
        source="Lemma 9, eq. (26), p. 22",
        page=22,
        form="printed",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="products and traces of operators built from the definitions, for all C, N, p",
        check=orthogonality,
        lever=Change("the 1/sqrt N between features and prototypes", MOVED),
    ),
)
