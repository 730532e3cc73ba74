r"""Decoupled weight decay: when it equals L2 regularization, and what it is when it does not.

With constant rates this is descent with the decays l1 = d1/eta1 and l2 = d2/eta2: the same numbers, sorted otherwise.
With rates that vary (eta1 = s eta2 throughout) those would have to vary too. But if features and prototypes decay by
the same d(k), the step is (1 - d(k)) I + eta2(k) G with the undecayed generator G: all steps commute, and each mode of
eigenvalue w of G gets prod (1 - d(k) + eta2(k) w). On contrasts and means w = +- sqrt(s) sigma, within classes w = 0.
"""

from dataclasses import dataclass

import sympy
from sympy import Matrix, diag, eye, sqrt, symbols

from theorems.algebra import Split, generator, identity
from theorems.claim import MOVED, Change, Claim, Hypothesis
from theorems.evidence import symbolic
from theorems.verdict import Evidence, Strength, Verdict

C, N = symbols("C N", integer=True, positive=True)
G, S = symbols("g s", positive=True)
ETA, ETA2, D1, D2, D3 = symbols("eta eta_2 d_1 d_2 d_3", positive=True)
Steps = tuple[tuple[sympy.Expr, sympy.Expr, sympy.Expr], ...]


@dataclass(frozen=True)
class Run:
    """Two steps: each the prototypes' rate and the decays of features and prototypes, the features' rate is s times."""

    steps: Steps

    @property
    def constant(self) -> bool:
        """Whether both steps have the same rate and decays."""
        return self.steps[0] == self.steps[1]

    @property
    def equal(self) -> bool:
        """Whether features and prototypes decay equally in each step."""
        return all(step[1] == step[2] for step in self.steps)


CONSTANT = Run(((ETA, D1, D2), (ETA, D1, D2)))
SCHEDULE = Run(((ETA, D1, D1), (ETA2, D2, D2)))
NEITHER = Run(((ETA, D1, D2), (ETA2, D1, D2)))


def decoupled(case: Run, x: float) -> Evidence:
    """Judge the formula for the case; ``x`` scales the decay l1, or the eigenvalues."""
    factor = sympy.nsimplify(x)
    if case.equal:
        return _products(case, factor)
    eta, d_h, d_w = case.steps[0]
    step = identity() + generator(C, N, G, S, factor * d_h / (S * eta), d_w / eta) * eta
    return _same(_loop(case), step @ step)


def _loop(case: Run) -> Split:
    """Return the product of the steps as they are defined: shrink, and add the undecayed descent."""
    state = identity()
    for eta, d_h, d_w in case.steps:
        shrink = diag(1 - d_h, 1 - d_w)
        state = state @ (Split(shrink, shrink, (1 - d_h, 1 - d_h)) + generator(C, N, G, S, 0, 0) * eta)
    return state


def _products(case: Run, factor: sympy.Expr) -> Evidence:
    """Judge two steps, and one more step from any number of them: by induction, every schedule."""

    def multiplier(w: sympy.Expr) -> sympy.Expr:
        return sympy.Mul(*(1 - d + eta * factor * w for eta, d, _ in case.steps))

    two = _by_modes([multiplier(w) for w in _eigenvalues()])
    before = symbols("P1:6", positive=True)  # the products so far, one for each eigenvalue
    eta, d, _ = case.steps[0]
    step = _loop(Run(case.steps[:1]))
    after = [one * (1 - d + eta * factor * w) for one, w in zip(before, _eigenvalues(), strict=True)]
    first, second = _loop(case) - two, _by_modes(list(before)) @ step - _by_modes(after)
    return symbolic(*(sympy.expand(one) for one in (*first.numbers(), *second.numbers())))


def _eigenvalues() -> tuple[sympy.Expr, ...]:
    """Return the eigenvalues without decay: contrasts, means (two each), and within classes."""
    one, two = (q * sqrt(S) / (C * sqrt(N)) for q in (1 + G, 1 + G - G * C))
    return one, -one, two, -two, sympy.Integer(0)


def _by_modes(factors: list[sympy.Expr]) -> Split:
    """Return the operator with a factor on each mode; the modes' projections are (I +- T)/2, T = G/w, free of sigma."""
    turn = Matrix([[0, 1 / sqrt(S)], [sqrt(S), 0]])
    blocks = [factors[i] * (eye(2) + turn) / 2 + factors[i + 1] * (eye(2) - turn) / 2 for i in (0, 2)]
    return Split(blocks[0], blocks[1], (factors[4], factors[4]))


def _same(first: Split, second: Split) -> Evidence:
    return symbolic(*(sympy.expand(one) for one in (first - second).numbers()))


CLAIMS = (
    Claim(
        id="decay.decoupled",
        sentence="Decoupled decay by d1, d2 at constant rates equals descent with lambda1 = d1/eta1, lambda2 = "
        "d2/eta2; with rates that vary, eta1 = s eta2, and equal decays d of features and prototypes, each mode of "
        "the balanced model is multiplied by the product of 1 - d + eta2 w, w its eigenvalue without decay.",
        formula=r"\lambda_1 = \frac{d_1}{\eta_1}, \quad \lambda_2 = \frac{d_2}{\eta_2}; \quad "
        r"d_H = d_W: \quad \prod_k \left( 1 - d_k + \eta_k w \right)",
        source="beyond the paper",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="the steps multiplied as they are defined, for all C, N, p; induction over the steps",
        check=decoupled,
        cases=lambda rng, x: (CONSTANT, SCHEDULE),
        lever=Change("lambda1, and the eigenvalues", MOVED),
        hypotheses=(
            Hypothesis(
                "the rates and decays are constant, or features and prototypes decay equally",
                holds=lambda case: case.constant or case.equal,
                broken=lambda rng: NEITHER,
            ),
        ),
    ),
)
