r"""Momentum: heavy ball and Nesterov in closed form, and their exact stability limits.

A constant rate eta2 = eta (and eta1 = s eta), momentum 0 <= b < 1, velocity 0 at the start. Written with the velocity V
for features and prototypes together, as PyTorch's SGD does, and with the generator G of eq. (5) and (12):

    V <- b V + eta Z G,  Z <- Z + V                       (heavy ball)
    V <- b V + eta Z G,  Z <- Z + eta Z G + b V           (Nesterov; the new V)

G is diagonalisable with real eigenvalues w (scale the features by sqrt s: symmetric), so along an eigenvector these are
loops of two numbers. Heavy ball: z(k) = A r^k + B q^k, where r, q are the roots of r^2 - (1 + b + eta w) r + b and A, B
follow from z(-1) = z(0). Nesterov: z the same with r^2 - (1 + eta w)(1 + b) r + (1 + eta w) b, and PyTorch's parameters
are (1 + b) z(k) - b z(k-1). Shown by induction over one step of the loop, written in the two roots. They must be
distinct; where they meet, take the limit. A start without velocity excites both if b > 0: neither can hide. At b = 0
q = 0 and there is no z(-1): both loops are plain descent, z(k) = (1 + eta w)^k z(0).

Stability: with r = (1 + y)/(1 - y) the disc |r| < 1 is the half-plane Re y < 0, and P(r) = 0 becomes P(-1) y^2 +
2 (1 - P(0)) y + P(1) = 0: stable iff the three numbers have one sign (Jury, Schur, Cohn). For w < 0 the last two are
positive, b = 0 included; P(-1) falls in eta and is 0 at the limit. So the most negative eigenvalue decides, and the
limit is sharp.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sympy
from sympy import Matrix, symbols

from theorems.claim import MOVED, Change, Claim, Hypothesis
from theorems.evidence import both, never_negative, symbolic
from theorems.instance import label_operator
from theorems.verdict import Evidence, Strength, Verdict

A, B, R, Q, P_R, P_Q = symbols("A B r q p_r p_q", positive=True)  # p_r, p_q: the powers r^k and q^k
ETA, SLOWEST, LESS, BETA, OVER, Y = symbols("eta w d beta o y", positive=True)
V0 = symbols("v0", positive=True)
STEPS = 4  # of the dense loop


@dataclass(frozen=True)
class Mode:
    """Momentum b (unless given any in (0, 1)), the most negative eigenvalue, any other one, the starting velocity."""

    momentum: sympy.Expr = 1 / (1 + BETA)
    lowest: sympy.Expr = -SLOWEST
    other: sympy.Expr = -SLOWEST / (1 + LESS)
    velocity: sympy.Expr = sympy.S.Zero


@dataclass(frozen=True)
class Method:
    """A loop, its polynomial's (trace, product of the roots) in a = eta w and b, the inverse, and the stability limit.

    ``inverse`` gives (a, b) from the roots; ``lookahead`` says whether the parameters are (1 + b) z(k) - b z(k-1).
    """

    step: Callable[[Any, Any, Any, Any], tuple[Any, Any]]
    polynomial: Callable[[Any, Any], tuple[Any, Any]]
    inverse: Callable[[Any, Any], tuple[Any, Any]]
    limit: Callable[[Any], Any]
    lookahead: bool


def heavy_ball(z: Any, v: Any, gradient: Any, b: Any) -> tuple[Any, Any]:
    """Return parameters and velocity after a step; ``gradient`` is the step of plain descent."""
    v = b * v + gradient
    return z + v, v


def nesterov(z: Any, v: Any, gradient: Any, b: Any) -> tuple[Any, Any]:
    """Return parameters and velocity after a step, as PyTorch's SGD does with nesterov=True."""
    v = b * v + gradient
    return z + gradient + b * v, v


HEAVY_BALL = Method(
    step=heavy_ball,
    polynomial=lambda a, b: (1 + b + a, b),
    inverse=lambda r, q: (r + q - 1 - r * q, r * q),
    limit=lambda b: 2 * (1 + b),
    lookahead=False,
)
NESTEROV = Method(
    step=nesterov,
    polynomial=lambda a, b: ((1 + a) * (1 + b), (1 + a) * b),
    inverse=lambda r, q: (r + q - r * q - 1, r * q / (r + q - r * q)),
    limit=lambda b: (2 + 2 * b) / (1 + 2 * b),
    lookahead=True,
)


def judge_method(method: Method, case: Mode, x: float) -> Evidence:
    """Judge the closed form, the dense loop, and both sides of the limit; ``x`` scales the limit."""
    moves = _plain(method, case.velocity) if case.momentum == 0 else _induction(method, case.velocity)
    return both(
        symbolic(*moves, *_dense(method)),
        _stability(method, case, sympy.nsimplify(x)),
    )


def _plain(method: Method, velocity: sympy.Expr) -> list[sympy.Expr]:
    """Return what one step from any velocity leaves of plain descent at b = 0, and the starting velocity."""
    z, v, a = symbols("z v a", real=True)
    return [sympy.expand(method.step(z, v, a * z, 0)[0] - (1 + a) * z), velocity]


def _induction(method: Method, velocity: sympy.Expr) -> list[sympy.Expr]:
    """Return what one step of the loop leaves of the closed form, from any k on, and at the start."""
    a, b = method.inverse(R, Q)
    trace, product = method.polynomial(a, b)

    def closed(k: int) -> sympy.Expr:
        return A * P_R * R**k + B * P_Q * Q**k

    def loop_state(k: int) -> tuple[sympy.Expr, sympy.Expr]:
        v = closed(k) - closed(k - 1)
        return (closed(k) + b * v if method.lookahead else closed(k)), v

    z, v = loop_state(0)
    moved = method.step(z, v, a * z, b)
    # z(-1) = z(0) is the same as no velocity; then the parameters are z(0).
    at_rest = {A: (1 - 1 / Q) / P_R, B: -(1 - 1 / R) / P_Q}
    start = [v.subs(at_rest) - velocity, (z - closed(0)).subs(at_rest)]
    residuals = [trace - R - Q, product - R * Q, *start]
    residuals += [one - other for one, other in zip(moved, loop_state(1), strict=True)]
    return [sympy.cancel(one) for one in residuals]


def _dense(method: Method) -> list[sympy.Expr]:
    """Return what loops on whole features and prototypes leave of the recurrence, in exact fractions."""
    eta, s, b, decay_h, decay_w = (sympy.Rational(*one) for one in ((1, 3), (2, 1), (4, 5), (1, 7), (2, 5)))
    m = Matrix(label_operator((0, 0, 1), 2, sympy.Rational(1, 4), sympy.Integer(1)))
    h, w = Matrix([[1, -2, 3], [0, 1, 2]]), Matrix([[2, 1], [-1, 3]])
    v_h, v_w = h * 0, w * 0
    top = Matrix.hstack(-s * decay_h * sympy.eye(3), m.T)
    generator = eta * Matrix.vstack(top, Matrix.hstack(s * m, -decay_w * sympy.eye(2)))
    path = [Matrix.hstack(h, w)]
    for _ in range(STEPS):
        pull_h, pull_w = s * eta * (w * m - decay_h * h), eta * (h * m.T - decay_w * w)
        (h, v_h), (w, v_w) = method.step(h, v_h, pull_h, b), method.step(w, v_w, pull_w, b)
        path.append(Matrix.hstack(h, w))
    one = sympy.eye(5)
    trace, product = _of_matrix(method, generator, b, one)
    return [entry for k in range(2, STEPS) for entry in path[k + 1] - path[k] * trace + path[k - 1] * product]


def _of_matrix(method: Method, a: sympy.Matrix, b: sympy.Expr, one: sympy.Matrix) -> tuple[Any, Any]:
    """Return trace and product, both linear in a, with a matrix for a."""
    at_zero = method.polynomial(sympy.Integer(0), b)
    slope = [high - low for high, low in zip(method.polynomial(sympy.Integer(1), b), at_zero, strict=True)]
    trace, product = (low * one + rise * a for low, rise in zip(at_zero, slope, strict=True))
    return trace, product


def _stability(method: Method, case: Mode, x: sympy.Expr) -> Evidence:
    """Judge that all roots lie in the disc below the limit, one on it at the limit, one outside above it."""
    b = case.momentum
    limit = sympy.cancel(x * method.limit(b) / -case.lowest)
    trace, product, root = symbols("T D R")
    transformed = sympy.expand((root**2 - trace * root + product).subs(root, (1 + Y) / (1 - Y)) * (1 - Y) ** 2)
    three = sympy.Poly(sympy.cancel(transformed), Y).all_coeffs()  # P(-1), 2 (1 - P(0)), P(1)

    def numbers(eta: sympy.Expr, w: sympy.Expr) -> list[sympy.Expr]:
        at = dict(zip((trace, product), method.polynomial(sympy.cancel(eta * w), b), strict=True))
        return [sympy.cancel(one.subs(at)) for one in three]

    below = [one for w in (case.lowest, case.other) for one in numbers(limit / (1 + OVER), w)]
    here, above = numbers(limit, case.lowest), numbers(limit * (1 + OVER), case.lowest)
    return both(symbolic(here[0]), never_negative(*below, -above[0]))


def heavy_ball_claim(case: Mode, x: float) -> Evidence:
    """Judge heavy ball."""
    return judge_method(HEAVY_BALL, case, x)


def nesterov_claim(case: Mode, x: float) -> Evidence:
    """Judge Nesterov's momentum."""
    return judge_method(NESTEROV, case, x)


HYPOTHESES = (
    Hypothesis(
        "0 <= b < 1",
        holds=lambda case: case.momentum.is_nonnegative and sympy.factor(1 - case.momentum).is_positive,
        broken=lambda rng: Mode(momentum=1 + BETA),
    ),
    Hypothesis(
        "all eigenvalues are negative",
        holds=lambda case: case.lowest.is_negative and case.other.is_negative,
        broken=lambda rng: Mode(other=SLOWEST),
    ),
    Hypothesis(
        "the velocity is zero at the start",
        holds=lambda case: case.velocity == 0,
        broken=lambda rng: Mode(velocity=V0),
    ),
)

CLAIMS = (
    Claim(
        id="momentum.heavy-ball",
        sentence="Heavy ball with a constant rate eta, 0 < b < 1 and zero starting velocity moves each mode of "
        "eigenvalue w as A r^k + B q^k, with r, q the (distinct) roots below; b = 0 is plain descent. For 0 <= b < 1, "
        "all w < 0, w1 the lowest, all modes decay iff eta < 2 (1 + b)/|w1|.",
        formula=r"r^2 - (1 + b + \eta w) r + b = 0, \quad z_{-1} = z_0, \quad \eta < \frac{2(1+b)}{|w_1|}",
        source="beyond the paper",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="one step of the plain loop, from any k; the dense loop in fractions; the half-plane criterion",
        check=heavy_ball_claim,
        cases=lambda rng, x: (Mode(), Mode(momentum=sympy.S.Zero)),
        lever=Change("the stability limit", MOVED),
        hypotheses=HYPOTHESES,
    ),
    Claim(
        id="momentum.nesterov",
        sentence="Nesterov's momentum as in PyTorch, with a constant rate eta, 0 < b < 1 and zero starting velocity, "
        "moves each mode as (1 + b) z(k) - b z(k-1), with z(k) = A r^k + B q^k and r, q the (distinct) roots below; "
        "b = 0 is plain descent. For 0 <= b < 1, all w < 0, w1 the lowest, all modes decay iff "
        "eta < (2 + 2b)/((1 + 2b)|w1|).",
        formula=r"r^2 - (1 + \eta w)(1 + b) r + (1 + \eta w) b = 0, \quad z_{-1} = z_0, \quad "
        r"\eta < \frac{2 + 2b}{(1 + 2b)|w_1|}",
        source="beyond the paper",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="one step of the plain loop, from any k; the dense loop in fractions; the half-plane criterion",
        check=nesterov_claim,
        cases=lambda rng, x: (Mode(), Mode(momentum=sympy.S.Zero)),
        lever=Change("the stability limit", MOVED),
        hypotheses=HYPOTHESES,
    ),
)
