r"""Neural collapse along the unconstrained flow: how fast NC1 and NC3 come, and where NC2 goes.

Notation: h~ = H (I (x) 1_N)/sqrt N, P = I - 11'/C, q = sqrt s, sigma1 = (1 + g)/(C sqrt N), p = q sigma1 zeta2,
A = (W0 + h~0/q) P, B = (W0 - h~0/q) P, and R the part of H0 within the classes: each sample less its class mean.

    h~P = (q/2)(A e^p - B e^-p),   WP = (1/2)(A e^p + B e^-p),   R constant.

Within-class over between-class scatter is |R|^2/|h~P|^2, because h~ is sqrt N times the class means. Everything else
is the limit of these two lines. For the rate of NC3: |h~P|^2 |WP|^2 - <h~P, WP>^2 is constant, (s/4)(|A|^2 |B|^2 -
<A, B>^2), because the 2 x 2 propagator has determinant 1; divide by |h~P|^2 |WP|^2, which is s |A|^4 e^{4p}/16 at the
end, and by 1 + cos.

The reference is the exponential of the 2 x 2 generator, applied to the inner products of the start. Inner products are
all that enters, so the result holds for all C, N, p and every g.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy
from sympy import Matrix, sqrt, symbols

from theorems.algebra import generator
from theorems.claim import MOVED, Change, Claim, Hypothesis
from theorems.evidence import symbolic
from theorems.verdict import Evidence, Strength, Verdict

C, N = symbols("C N", integer=True, positive=True)
GAMMA = symbols("gamma", nonnegative=True)
S, WITHIN, E = symbols("s R2 e", positive=True)  # |R|^2, and e = exp(-p)
GROWN, FALLEN, CROSS = symbols("a b d", positive=True)  # |A|^2, |B|^2 and <A, B>, whose sign does not matter
ENTRY = symbols("a_ij d_ij d_ji b_ij", real=True)  # A_i.A_j, A_i.B_j, B_i.A_j, B_i.B_j of two columns


@dataclass(frozen=True)
class Start:
    """The inner products of A and B: of all of them, or ``entry`` of two columns; ``end`` is what exp(-p) tends to."""

    total: tuple[Any, Any, Any, Any] = (GROWN, CROSS, CROSS, FALLEN)
    entry: tuple[Any, Any, Any, Any] = ENTRY
    end: Any = 0


def gram(products: tuple[Any, Any, Any, Any]) -> Matrix:
    """Return the inner products of (h~0 P, W0 P), from those of A and B: h~0 P = q (A - B)/2, W0 P = (A + B)/2."""
    part = Matrix([[sqrt(S), -sqrt(S)], [1, 1]]) / 2
    return (part * Matrix(2, 2, products) * part.T).applyfunc(sympy.expand)


def moved(products: tuple[Any, Any, Any, Any]) -> Matrix:
    """Return the inner products of (h~P, WP) when e^-p = e, from the exponential of the generator."""
    time = -sympy.log(E) * C * sqrt(N) / (sqrt(S) * (1 + GAMMA))
    propagator = (generator(C, N, GAMMA, S, 0, 0).contrast * time).applyfunc(sympy.cancel).exp()
    return (propagator.T * gram(products) * propagator).applyfunc(lambda entry: sympy.cancel(sympy.expand(entry)))


def at_the_end(expression: Any, end: Any) -> Any:
    """Return the limit e -> ``end`` of a quotient of polynomials in e."""
    numerator, denominator = sympy.fraction(sympy.cancel(sympy.together(expression)))
    bottom = denominator.subs(E, end)
    return numerator.subs(E, end) / bottom if bottom != 0 else sympy.oo


def nc1(case: Start, x: float) -> Evidence:
    """Judge the formula of NC1, and that it goes to 0; ``x`` multiplies its 4."""
    a, d, _, b = case.total
    formula = 4 * sympy.nsimplify(x) * WITHIN / (S * (a / E**2 - 2 * d + b * E**2))  # |A e^p - B e^-p|^2
    change_within = generator(C, N, GAMMA, S, 0, 0).within[0]
    return symbolic(WITHIN / moved(case.total)[0, 0] - formula, at_the_end(formula, case.end), change_within)


def nc2(case: Start, x: float) -> Evidence:
    """Judge the limit of an entry of the Gram matrix over its trace; ``x`` multiplies h~0/q in A."""
    weights = Matrix([sympy.nsimplify(x) / sqrt(S), 1])
    of_entry, of_trace = ((weights.T * gram(one) * weights)[0] for one in (case.entry, case.total))
    limit = at_the_end(moved(case.entry)[0, 0] / moved(case.total)[0, 0], case.end)
    return symbolic(limit - of_entry / of_trace)


def nc3(case: Start, x: float) -> Evidence:
    """Judge that the cosine goes to 1, and e^{4p} (1 - cos); ``x`` multiplies its 2."""
    (a, d, _, b), now = case.total, moved(case.total)
    square = now[0, 1] ** 2 / (now[0, 0] * now[1, 1])
    limit = 2 * sympy.nsimplify(x) * (a * b - d**2) / a**2
    return symbolic(
        at_the_end(square, case.end) - 1,
        sqrt(S) * at_the_end(now[0, 1] / now[0, 0], case.end) - 1,  # its sign: the cosine is not -1
        at_the_end((1 - square) / E**4, case.end) / 2 - limit,  # 1 - cos = (1 - cos^2)/(1 + cos)
    )


def without_growth(rng: np.random.Generator) -> Start:
    """Return a start with A = 0."""
    return Start((0, 0, 0, FALLEN), (0, 0, 0, ENTRY[3]))


GROWS = Hypothesis("A = (W0 + h~0/q)P is not 0", holds=lambda case: case.total[0] != 0, broken=without_growth)


FOR_EVER = Hypothesis(
    "zeta1 -> infinity", holds=lambda case: case.end == 0, broken=lambda rng: Start(end=sympy.Rational(1, 2))
)


def starts(rng: np.random.Generator, x: float) -> tuple[Start, ...]:
    """Return the one general start."""
    return (Start(),)


CLAIMS = (
    Claim(
        id="collapse.nc1",
        sentence="With A, B = (W0 +- h~0/q)P and p = q sigma1 zeta2: if A is not 0, the ratio of within-class to "
        "between-class scatter under the unconstrained flow is 4|R|^2/(s |A e^p - B e^-p|^2), which goes to 0 as "
        "zeta1 -> infinity, for every gamma >= 0.",
        formula=r"\text{NC1} = \frac{\text{tr} S_W}{\text{tr} S_B} "
        r"= \frac{4 \|R\|^2}{s \|A e^{p} - B e^{-p}\|^2} \to 0, \quad p = \sqrt{s}\, \sigma_1 \zeta_2",
        source="new; the flow of eq. (5)",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="the exponential of the generator of eq. (5), on inner products of any start",
        check=nc1,
        cases=starts,
        lever=Change("the factor 4", MOVED),
        hypotheses=(GROWS, FOR_EVER),
    ),
    Claim(
        id="collapse.nc2-limit",
        sentence="If A = (W0 + h~0/q)P is not 0, the normalised Gram matrix of the centred class means tends to that "
        "of A under the unconstrained flow as zeta1 -> infinity, for every gamma >= 0: the start decides it.",
        formula=r"\frac{(\tilde{h} P)^\top (\tilde{h} P)}{\text{tr}(\tilde{h} P)^\top (\tilde{h} P)} \to "
        r"\frac{A^\top A}{\text{tr} A^\top A}, \quad A = \left(W_0 + \frac{\tilde{h}_0}{\sqrt{s}}\right) P",
        source="new; the flow of eq. (5)",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="the exponential of the generator of eq. (5), on inner products of any two columns",
        check=nc2,
        cases=starts,
        lever=Change("the weight 1/q of h~0 in A", MOVED),
        hypotheses=(GROWS, FOR_EVER),
    ),
    Claim(
        id="collapse.nc3",
        sentence="With A, B = (W0 +- h~0/q)P and p = q sigma1 zeta2: if A is not 0, the cosine between the centred "
        "class means and the centred prototypes goes to 1 under the unconstrained flow as zeta1 -> infinity, and "
        "e^{4p} (1 - cos) to 2(|A|^2 |B|^2 - <A, B>^2)/|A|^4.",
        formula=r"e^{4p} \left(1 - \cos(\tilde{h} P, W P)\right) \to "
        r"\frac{2 \left(\|A\|^2 \|B\|^2 - \langle A, B \rangle^2\right)}{\|A\|^4}",
        source="new; the flow of eq. (5)",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="the exponential of the generator of eq. (5), on inner products of any start",
        check=nc3,
        cases=starts,
        lever=Change("the factor 2", MOVED),
        hypotheses=(GROWS, FOR_EVER),
    ),
)
