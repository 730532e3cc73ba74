r"""Equation (69): the two scalars by which a subspace moves under decay.

Notation: S = [[-lambda1 zeta1, sigma zeta1], [sigma zeta2, -lambda2 zeta2]] with eigenvalues theta1 <= theta2, and
(a, b)' = exp(S) (1, 1)'. In units of zeta2, with zeta1 = s zeta2, the eigenvalues are w1 and w2.

Why the printed b fails: its e^theta1 term has lambda1 zeta1 + theta1 with the wrong sign, so b does not start at 1:
b(0+) = (s lambda1 - lambda2)/(w2 - w1). At S = [[-1, 1], [1, -1]] the vector (1, 1) is in the kernel, so b = 1 at all
times; the printed b is 1 - e^(-2 zeta). Eq. (75) repeats the sign. The limits of Corollary 5 only use the e^theta2 term
and are not affected.

Why the repaired b holds: a and b start at 1 and satisfy (a, b)' = (a, b) S'. The eigenvalues are free of roots in
f = w2 + s lambda1, which is positive for sigma != 0 and can be any positive number: w1 = -s lambda1 - s sigma^2/f, and
lambda2 = s lambda1 - f + s sigma^2/f. For sigma = 0 they are -s lambda1 and -lambda2 in either order; only
theta1 = theta2 is left out, where the printed quotients are 0/0.
"""

from typing import Any

import sympy
from sympy import Matrix

from theorems.claim import MOVED, REVERSED, Change, Claim
from theorems.evidence import counterexample
from theorems.system import APART, EVERY, UNIT, System, any_system, solves
from theorems.verdict import Evidence, Strength, Verdict

Scalar = Any


def scalars(system: System, sign: Scalar, scale: Scalar) -> list[Matrix]:
    """Return (a, b) of eq. (69) without the 1/(theta2 - theta1): the factors of e^theta1 and of e^theta2.

    ``sign`` is that of lambda1 zeta1 + theta1 in the e^theta1 term of b, 1 as printed; ``scale`` is on its sigma.
    """
    own, other, coupled = system.w1 + system.ratio * system.decay_h, system.w2, system.ratio * system.sigma
    grown = Matrix([coupled - own, other + system.ratio * system.decay_h + system.sigma])
    fallen = Matrix([-(coupled - system.ratio * system.decay_h - other), sign * own - scale * system.sigma])
    return [fallen, grown]


def b_printed(case: System, x: float) -> Evidence:
    """Judge the printed b: by SymPy's matrix exponential where the case is concrete, else by its equation."""
    sign = sympy.nsimplify(x)
    if case is not UNIT:
        return _moves(case, sign, sympy.Integer(1))
    fallen, grown = scalars(case, sign, sympy.Integer(1))
    formula = (fallen[1] * sympy.exp(case.w1) + grown[1] * sympy.exp(case.w2)) / (case.w2 - case.w1)
    off = sympy.expand((formula - (case.matrix.exp() * Matrix([1, 1]))[1]).rewrite(sympy.exp))
    text = "sigma = s = lambda1 = lambda2 = zeta2 = 1: S (1, 1)' = 0, so b = 1; the printed b is 1 - e^-2"
    return counterexample(off, text)


def b_corrected(case: System, x: float) -> Evidence:
    """Judge a and the repaired b; ``x`` scales sigma in the e^theta1 term of b."""
    return _moves(case, sympy.Integer(-1), sympy.nsimplify(x))


def _moves(system: System, sign: Scalar, scale: Scalar) -> Evidence:
    """Judge (a, b)' = S (a, b) for each exponential, and a = b = 1 at zeta2 = 0."""
    return solves(system, system.matrix, scalars(system, sign, scale), Matrix([1, 1]))


CLAIMS = (
    Claim(
        id="eq69.b.printed",
        sentence="For theta1 != theta2 the prototypes' scalar b, the second entry of exp(S) (1, 1)', is the printed "
        "one.",
        formula=r"b = \frac{e^{\theta_2}}{\theta_2-\theta_1}\left((\lambda_1\zeta_1+\theta_2+\sigma\zeta_2)"
        r"+(\lambda_1\zeta_1+\theta_1-\sigma\zeta_2)e^{\theta_1-\theta_2}\right)",
        source="Proof of Theorem 4, eq. (69), repeated in (75), p. 32 and 34",
        page=32,
        form="printed",
        expected=Verdict.REFUTED,
        strength=Strength.WITNESS,
        reference="SymPy's exponential of the 2 x 2 matrix",
        check=b_printed,
        cases=any_system,
        repair=Change("the sign of lambda1 zeta1 + theta1 in the e^theta1 term", REVERSED),
        hypotheses=(APART,),
    ),
    Claim(
        id="eq69.b.corrected",
        sentence="For theta1 != theta2, any sigma, any decays and any positive zeta1, zeta2, the scalar a is the "
        "printed one, and b the printed one with the sign of lambda1 zeta1 + theta1 in the e^theta1 term reversed; "
        "both start at 1.",
        formula=r"b = \frac{e^{\theta_2}}{\theta_2-\theta_1}\left((\lambda_1\zeta_1+\theta_2+\sigma\zeta_2)"
        r"-(\lambda_1\zeta_1+\theta_1+\sigma\zeta_2)e^{\theta_1-\theta_2}\right)",
        source="Proof of Theorem 4, eq. (69), p. 32",
        page=32,
        form="corrected",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="what defines a and b: (a, b)' = S (a, b) from (1, 1), for all sigma, s, lambda1, lambda2",
        check=b_corrected,
        cases=lambda rng, x: EVERY,
        lever=Change("sigma in the e^theta1 term of b", MOVED),
        hypotheses=(APART,),
    ),
)
