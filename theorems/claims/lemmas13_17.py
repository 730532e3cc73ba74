r"""Lemmas 13 to 17: the projections onto the five subspaces.

State Z = (H, W), columns of H class by class; h~ = H (I (x) 1_N)/sqrt N; J = 11'/C, P = I - J; epsilon is + or -.

What a projection is: Z -> Z Pi is the orthogonal projection onto a subspace iff Z Pi lies in it and Z - Z Pi is
orthogonal to all of it. Both are checked for the printed formulas, with nothing assumed about how they were found. For
all C and N at once the operators are the pairs of 2 x 2 matrices of `theorems.algebra`; for a few sizes they are
written out densely, and compared with the projection computed from the equations that define the subspace.

Lemmas 13 and 14 are about single matrices: A (I - 11'/n) for W 1 = 0, and the same class by class, A (I - I (x) 11'/N)
for H (I (x) 1_N) = 0. I + b 11' is symmetric, keeps every row that adds up to 0, and sends 1 to 0 iff 1 + b n = 0.
"""

from collections.abc import Iterable

import numpy as np
import sympy
from sympy import Matrix, diag, eye, kronecker_product, ones, sqrt, symbols, zeros

from theorems.algebra import Split
from theorems.claim import MOVED, Change, Claim
from theorems.evidence import symbolic
from theorems.verdict import Evidence, Strength, Verdict

C, N = symbols("C N", integer=True, positive=True)
SIZES = ((2, 4), (3, 1), (3, 2))  # (C, N) written out densely

ON_W = Matrix([[0, 0], [0, 1]])
UP = Matrix([[0, sqrt(N)], [0, 0]])
SUMS, SPREAD = Split(UP, UP), Split(UP.T, UP.T)  # (H, W) -> (0, H (I (x) 1_N)) and -> (W (x) 1_N', 0)
KEEP_W = Split(ON_W, ON_W)
CENTRE, AVERAGE = Split(ON_W, zeros(2)), Split(zeros(2), ON_W)  # (H, W) -> (0, W P) and (0, W J)


def for_all_sizes(x: float) -> list[tuple[Split, Split]]:
    """Return the printed projection and an operator with the subspace as its image, for each of the five."""
    half, found = sympy.nsimplify(x) / 2, []
    for sign in (1, -1):
        beside = KEEP_W + SPREAD * (sign / sqrt(N))  # W -> (epsilon W (x) 1'/sqrt N, W)
        merged = (SUMS * (sign / sqrt(N)) + KEEP_W) * half
        found.append((merged @ CENTRE @ beside, CENTRE @ beside))  # (98)
        found.append((merged @ AVERAGE @ beside, AVERAGE @ beside))  # (100): h 1' with h = (..) 1/C is (..) J
    within = Split(diag(1, 0), diag(1, 0), (1, 1)) - SUMS @ SPREAD * (sympy.nsimplify(x) / N)  # (102)
    return [*found, (within, Split(zeros(2), zeros(2), (1, 1)))]


def dense(classes: int, per_class: int, x: float) -> list[tuple[Matrix, Matrix]]:
    """Return the printed projections as matrices, and the equations that define their subspaces, as Z E = 0."""
    n, half = classes * per_class, sympy.nsimplify(x) / 2
    sums, centre = kronecker_product(eye(classes), ones(per_class, 1)), eye(classes) - ones(classes) / classes
    found = []
    for sign in (1, -1):
        unit = sign / sqrt(sympy.Integer(per_class))
        merged, spread = Matrix.vstack(unit * sums, eye(classes)) * half, Matrix.hstack(unit * sums.T, eye(classes))
        aligned = Matrix.vstack(eye(n), -unit * sums.T)  # H - epsilon W (x) 1'/sqrt N
        for part in (centre, eye(classes) - centre):
            rest = Matrix.vstack(zeros(n, classes), eye(classes) - part)  # W 1 = 0, or W = h 1'
            found.append((merged * part * spread, Matrix.hstack(aligned, rest)))
    found.append((eye(classes) - ones(classes) * sympy.nsimplify(x) / classes, ones(classes, 1)))  # Lemma 13
    found.append((eye(n) - sums * sums.T * sympy.nsimplify(x) / per_class, sums))  # Lemma 14
    within = diag(eye(n) - sums * sums.T * sympy.nsimplify(x) / per_class, zeros(classes))
    return [*found, (within, diag(sums, eye(classes)))]


def cases(rng: np.random.Generator, x: float) -> Iterable[tuple[int, int] | None]:
    """Yield all sizes at once, then a few written out."""
    yield None
    yield from SIZES


def projections(case: tuple[int, int] | None, x: float) -> Evidence:
    """Judge Lemmas 13 to 17 for all sizes, or against dense projections for one."""
    if case:
        return symbolic(*(printed - _onto_kernel(equations) for printed, equations in dense(*case, x)))
    residuals = [1 - sympy.nsimplify(x) / size * size for size in (C, N)]  # Lemmas 13 and 14: what is left of 1
    for printed, image in for_all_sizes(x):
        # The image lies in the subspace, the rest is orthogonal to it, and members stay where they are.
        residuals += (image @ printed - image).numbers()
        residuals += (printed @ _transposed(printed) - printed).numbers()
        residuals += (printed - _transposed(printed)).numbers()
        residuals.append(printed.trace(C, N) - _rank(image))
    return symbolic(*residuals)


def _onto_kernel(equations: Matrix) -> Matrix:
    """Return the orthogonal projection onto {Z: Z E = 0}, from a basis of the rows that solve it."""
    basis = Matrix.hstack(*equations.T.nullspace()).T
    if not basis:
        return zeros(equations.rows)  # N = 1 leaves nothing within the classes
    return (basis.T * (basis * basis.T).inv() * basis).applyfunc(sympy.nsimplify)


def _transposed(operator: Split) -> Split:
    return Split(operator.contrast.T, operator.mean.T, operator.within)


def _rank(image: Split) -> sympy.Expr:
    contrast, mean = image.contrast.rank() * (C - 1), image.mean.rank()
    return contrast + mean + (image.within[0] * (C - 1) + image.within[1]) * (N - 1)


CLAIMS = (
    Claim(
        id="lemmas13-17.projections",
        sentence="With the columns of H listed class by class, (98), (100) and (102) are the orthogonal projections "
        "of (H, W) onto E1+, E1-, E2+, E2- and E3, and those of Lemmas 13 and 14 onto the W with W 1 = 0 and the H "
        "with H (I (x) 1_N) = 0, for all C, N, p.",
        formula=r"\Pi_1^\epsilon Z = \left(\frac{\epsilon}{\sqrt{N}} P \otimes 1_N^\top,\; P\right), \quad "
        r"P = \frac{1}{2}\left(\frac{\epsilon}{\sqrt{N}} H (I_C \otimes 1_N) + W\right)"
        r"\left(I_C - \frac{1}{C} 1_C 1_C^\top\right)",
        source="Lemmas 13 to 17, eq. (98), (100), (102), p. 42 and 43",
        page=42,
        form="printed",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="what an orthogonal projection is, for all C, N, p; the null spaces of eq. (26), for three sizes",
        check=projections,
        cases=cases,
        lever=Change("the factors 1/2 and 1/N", MOVED),
    ),
)
