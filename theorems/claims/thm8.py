r"""Theorem 8: a constant neural tangent kernel.

With a constant kernel K (p n x p n) the features move as h' = K w_M, where h and w_M are H and W M as one vector (here
row by row: index = feature * n + sample), and W' = H M'. The learning rate of the features is s times that of W.

As printed the sizes do not fit: K has p n rows, the block beside it C, and the two inverses multiplied in C = U_B^-1
U_A^-1 (x) I belong to matrices of sizes 2p and n + C. Read as kindly as possible (K = K_p (x) I_n, A made of K_p and
I_p, n + C = 2 p) it is still wrong: with Y = diag(H, W) the flow is Y' = A Y B', that is z' = (A (x) B) z, and (24) as
an identity in z would need X A (x) B = Lambda_A X (x) Lambda_B with X = U_B^-1 U_A^-1, so a diagonal B, but B has zeros
there. From H0 = 0, say, Y has only its last C columns, so Y B' has none of them, while those of Lambda_A X Y Lambda_B
are not 0 if K_p, M and W0 are nonsingular, whatever the eigenbases. It is U_A^-1 (x) U_B^-1 that diagonalises A (x) B.
A must have an eigenbasis: K_p nonsingular.

The general case, any K: G maps w to w_M. Then w' = G' h and h' = s K G w give w'' = T w with T = s G' K G, so

    w = cosh(sqrt T z) w0 + [sinh(sqrt T z)/sqrt T] G' h0,
    h = h0 + s K G ([sinh(sqrt T z)/sqrt T] w0 + [(cosh(sqrt T z) - 1)/T] G' h0).

The brackets are power series in T, so nothing needs an inverse or an eigenbasis.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import sympy
from flint import arb, arb_mat, ctx
from scipy.linalg import expm
from sympy import Matrix, Rational, diag, eye, kronecker_product, zeros

from theorems import balls
from theorems.claim import MOVED, Change, Claim, Hypothesis
from theorems.evidence import counterexample, enclosed, measured
from theorems.instance import class_major, label_operator
from theorems.verdict import Evidence, Strength, Verdict

ROUNDING = 2.0**-53
TOLERANCE = 1e-8  # relative; a lever moves the state by about 1e-3
WORST_BASIS = 1e7  # an eigenbasis with a larger condition number is none
BITS = 200
TERMS = 60
PROVED = 1e-25  # of numbers of size 1 to 1e4, at 200 bits; a lever moves them by more than 1e-5


@dataclass(frozen=True, eq=False)
class Kernel:
    """A start (p x n and p x C), labels, gamma, s and the kernel, (p n)-square, row-first; ``time`` is zeta2."""

    labels: tuple[int, ...]
    gamma: float
    ratio: float
    features: np.ndarray
    prototypes: np.ndarray
    kernel: np.ndarray
    time: float = 1.5

    @property
    def operator(self) -> np.ndarray:
        """M, C x n."""
        return np.array(label_operator(self.labels, self.prototypes.shape[1], self.gamma), dtype=float)

    @property
    def feature_kernel(self) -> np.ndarray:
        """K_p: the kernel averaged over the samples, which is all of it if it is K_p (x) I_n."""
        p, n = self.features.shape
        return np.einsum("aibi->ab", self.kernel.reshape(p, n, p, n)) / n


def random_kernel(rng: np.random.Generator, kernel: np.ndarray, features: int, ratio: float, classes: int) -> Kernel:
    """Return a start in whole numbers with two samples a class."""
    labels = class_major([2] * classes)
    h, w = (rng.integers(-4, 5, size=(features, size)) + 0.0 for size in (len(labels), classes))
    return Kernel(labels, float(rng.choice([0.125, 0.375, 0.75])), ratio, h, w, kernel)


def definite(rng: np.random.Generator, size: int) -> np.ndarray:
    """Return a positive definite matrix in whole numbers, with eigenvalues from 1 to about 10."""
    factor = rng.integers(-1, 2, size=(size, size))
    return factor @ factor.T + np.eye(size) + np.diag(np.arange(size))


def printed_cases(rng: np.random.Generator, x: float) -> Iterable[tuple[Matrix, Matrix]]:
    """Yield K_p and (H, W) for C = p = 2, N = 1, where the sizes fit; more if the repaired formula is judged."""
    yield diag(1, 4), Matrix([[0, 0, 1, 0], [0, 0, 0, 1]])
    if x == 1:
        for squares in ((1, 4), (4, 9), (9, 1)):
            turn = Matrix([[3, -4], [4, 3]]) / 5
            yield turn * diag(*squares) * turn.T, Matrix(2, 4, [int(one) for one in rng.integers(-9, 10, size=8)])


def printed(case: tuple[Matrix, Matrix], x: float) -> Evidence:
    """Judge eq. (24) at t = 0: the derivative of C z is (Lambda_A (x) Lambda_B) C z, in exact numbers.

    As printed, on the last two columns, where the left side is 0: the gap is then 1, whatever the eigenbases.
    """
    kernel, start = case
    h, w, m = start[:, :2], start[:, 2:], Matrix(label_operator((0, 1), 2, Rational(1, 2), Rational(1)))
    a = Matrix(sympy.BlockMatrix([[zeros(2), kernel], [eye(2), zeros(2)]]))
    b = Matrix(sympy.BlockMatrix([[zeros(2), m.T], [m, zeros(2)]]))
    (u_a, l_a), (u_b, l_b) = a.diagonalize(), b.diagonalize()
    combined = kronecker_product(u_b.inv() * u_a.inv(), eye(4))  # C of eq. (24)
    if x == 1:
        combined = kronecker_product(u_a.inv(), u_b.inv())
    velocity = combined * _rows(kernel * w * m, h * m.T)  # H' and W' of eq. (22) and (23)
    claimed = kronecker_product(l_a, l_b) * combined * _rows(h, w)
    judged = slice(0 if x == 1 else 2, None)
    left, right = (side.reshape(4, 4)[:, judged] for side in (velocity, claimed))
    gap = max(abs(one) for one in left - right) / max(abs(one) for one in right)
    setting = "C = p = 2, N = 1, gamma = 1/2, K_p = diag(1, 4), H0 = 0, W0 = I"
    text = f"{setting}: X A Y B' ends in 2 zero columns, Lambda_A X Y Lambda_B does not (any U_A, U_B)"
    return counterexample(gap, text)


def _rows(h: Matrix, w: Matrix) -> Matrix:
    """Return diag(H, W) row by row."""
    return diag(h, w).reshape(16, 1)


def product_cases(rng: np.random.Generator, x: float) -> Iterable[Kernel]:
    """Yield kernels K_p (x) I_n of several sizes, none with n + C = 2 p."""
    for features, classes in ((2, 3), (3, 4), (4, 2)):
        kernel = np.kron(definite(rng, features), np.eye(2 * classes))
        yield random_kernel(rng, kernel, features, 1.0, classes)


def product(case: Kernel, x: float) -> Evidence:
    """Judge the repaired (24) against the dense exponential of the flow; ``x`` multiplies the exponent."""
    (p, n), classes, m = case.features.shape, case.prototypes.shape[1], case.operator
    a = np.block([[np.zeros((p, p)), case.feature_kernel], [np.eye(p), np.zeros((p, p))]])
    b = np.block([[np.zeros((n, n)), m.T], [m, np.zeros((classes, classes))]])
    (l_a, u_a), (l_b, u_b) = np.linalg.eig(a), np.linalg.eigh(b)
    basis = np.linalg.cond(u_a)
    if not basis < WORST_BASIS:
        return measured(math.nan, 0.0, TOLERANCE, "A has no eigenbasis")

    def modes(h: np.ndarray, w: np.ndarray) -> np.ndarray:
        y = np.block([[h, np.zeros((p, classes))], [np.zeros((p, n)), w]])
        return np.linalg.solve(u_a, y) @ u_b  # (U_A^-1 (x) U_B^-1) z, row by row; U_B is orthogonal

    moved = modes(*_flow(case))
    claimed = np.exp(x * np.outer(l_a, l_b) * case.time) * modes(case.features, case.prototypes)
    size = np.linalg.norm(moved)
    # An estimate, not a bound: both sides are products of at most five matrices, the exponents carry the rounding of
    # the eigenvalues, and SciPy's exponential is taken to be as exact as a product.
    error = 100 * (p + n + classes) * ROUNDING * basis * (1 + case.time * np.abs(l_a).max() * np.abs(l_b).max())
    return measured(float(np.linalg.norm(moved - claimed) / size), float(error), TOLERANCE, f"p = {p}, C = {classes}")


def _generator(case: Kernel) -> np.ndarray:
    """Return the matrix of d(h, w)/d zeta2 = A (h, w), both row by row: eq. (22) and (23), s beside the kernel."""
    p, m = case.features.shape[0], case.operator
    down = np.kron(np.eye(p), m)  # h -> H M'
    return np.block(
        [
            [np.zeros_like(case.kernel), case.ratio * case.kernel @ down.T],
            [down, np.zeros((len(down), len(down)))],
        ]
    )


def _flow(case: Kernel) -> tuple[np.ndarray, np.ndarray]:
    h, w = case.features, case.prototypes
    moved = expm(case.time * _generator(case)) @ np.concatenate([h.ravel(), w.ravel()])
    return moved[: h.size].reshape(h.shape), moved[h.size :].reshape(w.shape)


def general_cases(rng: np.random.Generator, x: float) -> Iterable[Kernel]:
    """Yield positive semidefinite kernels of full, low and no rank, in whole numbers, with s != 1."""
    for features, classes, rank, ratio in ((2, 2, 8, 2.5), (2, 3, 3, 0.5), (3, 2, 1, 1.5), (2, 2, 0, 2.0)):
        factor = rng.integers(-2, 3, size=(2 * features * classes, rank)).astype(float)
        yield random_kernel(rng, factor @ factor.T / 2, features, ratio, classes)


def general(case: Kernel, x: float) -> Evidence:
    """Judge the series in T against the dense exponential; ``x`` multiplies T."""
    with ctx.workprec(BITS):
        h0, w0 = (balls.exact(start.reshape(-1, 1)) for start in (case.features, case.prototypes))
        down = balls.exact(np.kron(np.eye(case.features.shape[0]), case.operator))  # G'
        force = balls.exact(case.ratio * case.kernel) * down.transpose()  # s K G
        t = down * force * arb(x)
        even, odd, rest = (_series(t, case.time, shift) for shift in range(3))
        w = even * w0 + odd * (down * h0)
        h = h0 + force * (odd * w0 + rest * (down * h0))
        moved = (_joined(force, down) * arb(case.time)).exp() * balls.above(h0, w0)
        differences = [abs(one) for one in (moved - balls.above(h, w)).entries()]
        rank = np.linalg.matrix_rank(case.kernel)
        return enclosed(max(differences, key=lambda one: float(one.upper())), PROVED, f"rank {rank}")


def _joined(force: arb_mat, down: arb_mat) -> arb_mat:
    """Return the matrix of d(h, w)/d zeta2: h' = force w, w' = down h."""
    n, c = force.nrows(), force.ncols()
    return balls.above(balls.beside(arb_mat(n, n), force), balls.beside(down, arb_mat(c, c)))


def _series(t: arb_mat, z: float, shift: int) -> arb_mat:
    """Enclose sum_k T^k z^(2k + shift)/(2k + shift)!: cosh, sinh/sqrt T, (cosh - 1)/T for shift 0, 1, 2."""
    size, time = t.nrows(), arb(z)
    power, found = balls.identity(size), arb_mat(size, size)
    for k in range(TERMS):
        found += power * (time ** (2 * k + shift) / arb.fac_ui(2 * k + shift))
        power = power * t
    # What is left is at most norm^K z^(2K + shift)/(2K + shift)! e^(sqrt(norm) z), as (a + b)! >= a! b!.
    norm = sum((abs(entry) for entry in t.entries()), arb(0))
    tail = norm.abs_upper() ** TERMS * time ** (2 * TERMS + shift) / arb.fac_ui(2 * TERMS + shift)
    tail = (tail * (norm.abs_upper().sqrt() * time).exp()).abs_upper()
    return found + arb_mat([[arb(0, tail) for _ in range(size)] for _ in range(size)])


def singular(rng: np.random.Generator) -> Kernel:
    """Return a kernel K_p (x) I_n with K_p = diag(1, 2, 0): A has a Jordan block."""
    return random_kernel(rng, np.kron(np.diag([1.0, 2.0, 0.0]), np.eye(6)), 3, 1.0, 3)


def mixing(rng: np.random.Generator) -> Kernel:
    """Return a positive definite kernel that is no product."""
    return random_kernel(rng, definite(rng, 12), 2, 1.0, 3)


def is_product(case: Kernel) -> bool:
    """Return whether the kernel is K_p (x) I_n."""
    return bool(np.array_equal(case.kernel, np.kron(case.feature_kernel, np.eye(case.features.shape[1]))))


PRODUCT = Hypothesis("the kernel is K_p (x) I_n", holds=is_product, broken=mixing)
SAME_RATES = Hypothesis(
    "eta1 = eta2",
    holds=lambda case: case.ratio == 1,
    broken=lambda rng: random_kernel(rng, np.kron(definite(rng, 2), np.eye(6)), 2, 2.0, 3),
)
NONSINGULAR = Hypothesis(
    "K_p is nonsingular",
    holds=lambda case: bool(np.linalg.eigvalsh(case.feature_kernel)[0] > 1e-6),
    broken=singular,
)

CLAIMS = (
    Claim(
        id="thm8.printed",
        sentence="With a constant kernel K_p (x) I_n and sizes that fit (p = C, n + C = 2p), the flow obeys eq. (24) "
        "with the matrix C = U_B^-1 U_A^-1 (x) I.",
        formula=r"(U_B^{-1} U_A^{-1} \otimes I)\, z(t) = e^{(\Lambda_A \otimes \Lambda_B) t} "
        r"(U_B^{-1} U_A^{-1} \otimes I)\, z(0)",
        source="Theorems 8 and 12, eq. (24), (95), p. 14 and 40",
        page=14,
        form="printed",
        expected=Verdict.REFUTED,
        strength=Strength.WITNESS,
        reference="H' and W' of eq. (22) and (23), in exact numbers",
        check=printed,
        cases=printed_cases,
        repair=Change("C, from U_B^-1 U_A^-1 (x) I to U_A^-1 (x) U_B^-1", to=1.0, stated=0.0),
        hypotheses=(
            Hypothesis(
                "the kernel is constant, K_p (x) I_n with K_p positive definite, and p = C, n + C = 2 p",
                holds=lambda case: case[0].is_positive_definite and case[1].shape == (2, 4),
            ),
        ),
    ),
    Claim(
        id="thm8.kronecker.corrected",
        sentence="With a constant kernel K_p (x) I_n, K_p nonsingular, eta1 = eta2, and I_p in A, eq. (24) holds "
        "with C = U_A^-1 (x) U_B^-1.",
        formula=r"(U_A^{-1} \otimes U_B^{-1})\, z(t) = e^{(\Lambda_A \otimes \Lambda_B) t} "
        r"(U_A^{-1} \otimes U_B^{-1})\, z(0)",
        source="Theorems 8 and 12, eq. (24), (95), p. 14 and 40",
        page=14,
        form="corrected",
        expected=Verdict.SUPPORTED,
        strength=Strength.NUMERICAL,
        reference="SciPy's exponential of the dense generator of the flow with the kernel; the error is estimated",
        check=product,
        cases=product_cases,
        lever=Change("the exponent", MOVED),
        hypotheses=(PRODUCT, NONSINGULAR, SAME_RATES),
    ),
    Claim(
        id="thm8.general",
        sentence="With any constant kernel K, of any rank, and T = s G' K G, where G maps W to W M, the prototypes "
        "are cosh(sqrt T zeta) w0 + [sinh(sqrt T zeta)/sqrt T] G' h0, and the features follow by integration.",
        formula=r"w = \cosh(\sqrt{T} \zeta) w_0 + \frac{\sinh(\sqrt{T} \zeta)}{\sqrt{T}} G^\top h_0, \quad "
        r"h = h_0 + s K G \left(\frac{\sinh(\sqrt{T} \zeta)}{\sqrt{T}} w_0 "
        r"+ \frac{\cosh(\sqrt{T} \zeta) - 1}{T} G^\top h_0\right)",
        source="new; the flow of Theorem 8",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.ENCLOSED,
        reference="the dense exponential of the flow with the kernel, in ball arithmetic",
        check=general,
        cases=general_cases,
        lever=Change("T", MOVED),
    ),
)
