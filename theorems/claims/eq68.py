r"""Equation (68): the exponential of the 2 x 2 system, its second row.

Notation: S = [[-lambda1 zeta1, sigma zeta1], [sigma zeta2, -lambda2 zeta2]], with eigenvalues theta1 <= theta2; with
zeta1 = s zeta2 they are w1 zeta2 and w2 zeta2.

Why the printed row fails: it lists its two entries in the wrong order. (Its second column also has a theta2 where zeta2
must stand; it is read as zeta2 here, which is the kinder reading.) At S = [[-1, 1], [1, -1]] the exponential is
((1 + e^-2)/2 on the diagonal, (1 - e^-2)/2 off it), the printed row has the two the other way round.

Why the repaired row holds: the row r(zeta) of an exponential satisfies r' = r S and starts at (0, 1). The eigenvalues
are free of roots in f = w2 + s lambda1, which is positive for sigma != 0 and can be any positive number:
w1 = -s lambda1 - s sigma^2/f, and lambda2 = s lambda1 - f + s sigma^2/f. For sigma = 0 they are -s lambda1 and -lambda2
in either order; only theta1 = theta2 is left out, where the printed quotient is 0/0.
"""

from typing import Any

import sympy
from sympy import Matrix

from theorems.claim import MOVED, REVERSED, Change, Claim
from theorems.evidence import counterexample
from theorems.system import APART, EVERY, UNIT, System, any_system, solves
from theorems.verdict import Evidence, Strength, Verdict

Scalar = Any


def second_row(system: System, order: Scalar, scale: Scalar) -> list[Matrix]:
    """Return the second row of eq. (68) without its 1/(theta2 - theta1): the factors of e^theta1 and of e^theta2.

    ``order`` 1 lists the entries as printed, -1 the other way round; ``scale`` is on sigma zeta2.
    """
    here, there = (1 + order) / 2, (1 - order) / 2
    rows = []
    for own, other in ((-1, system.w1), (1, system.w2)):
        power = own * (system.ratio * system.decay_h + other)
        coupling = own * scale * system.sigma  # sigma zeta2, per unit of zeta2
        rows.append(Matrix([[here * power + there * coupling, here * coupling + there * power]]))
    return rows


def row_printed(case: System, x: float) -> Evidence:
    """Judge the printed row: by SymPy's matrix exponential where the case is concrete, by r' = r S where it is not."""
    order = sympy.nsimplify(x)
    if case is not UNIT:
        return _moves(case, order, sympy.Integer(1))
    rows = second_row(case, order, sympy.Integer(1))
    formula = (rows[0] * sympy.exp(case.w1) + rows[1] * sympy.exp(case.w2)) / (case.w2 - case.w1)
    off = (formula - case.matrix.exp()[1, :]).applyfunc(lambda one: sympy.expand(one.rewrite(sympy.exp)))
    text = "sigma = s = lambda1 = lambda2 = zeta2 = 1: first entry (1 + e^-2)/2, must be (1 - e^-2)/2"
    return counterexample(max(abs(float(one)) for one in off), text)


def row_corrected(case: System, x: float) -> Evidence:
    """Judge the row in the right order; ``x`` scales sigma zeta2."""
    return _moves(case, sympy.Integer(-1), sympy.nsimplify(x))


def _moves(system: System, order: Scalar, scale: Scalar) -> Evidence:
    """Judge r' = r S for each exponential, and r = (0, 1) at zeta2 = 0."""
    return solves(system, system.matrix.T, [row.T for row in second_row(system, order, scale)], Matrix([0, 1]))


CLAIMS = (
    Claim(
        id="eq68.second-row.printed",
        sentence="For theta1 != theta2 the second row of exp(S) is the printed one, with its theta2(t) read as "
        "zeta2(t).",
        formula=r"\left(e^S\right)_{2} = \frac{1}{\theta_2-\theta_1}\left((\lambda_1\zeta_1+\theta_2)e^{\theta_2}"
        r"-(\lambda_1\zeta_1+\theta_1)e^{\theta_1},\; \sigma\zeta_2 e^{\theta_2}-\sigma\zeta_2 e^{\theta_1}\right)",
        source="Proof of Theorem 4, eq. (68), p. 32",
        page=32,
        form="printed",
        expected=Verdict.REFUTED,
        strength=Strength.WITNESS,
        reference="SymPy's exponential of the 2 x 2 matrix",
        check=row_printed,
        cases=any_system,
        repair=Change("the order of the two entries", REVERSED),
        hypotheses=(APART,),
    ),
    Claim(
        id="eq68.second-row.corrected",
        sentence="For theta1 != theta2, any sigma, any decays and any positive zeta1, zeta2, the second row of "
        "exp(S) is the printed one with its two entries exchanged.",
        formula=r"\left(e^S\right)_{2} = \frac{1}{\theta_2-\theta_1}\left(\sigma\zeta_2 (e^{\theta_2}-e^{\theta_1}),\; "
        r"(\lambda_1\zeta_1+\theta_2)e^{\theta_2}-(\lambda_1\zeta_1+\theta_1)e^{\theta_1}\right)",
        source="Proof of Theorem 4, eq. (68), p. 32",
        page=32,
        form="corrected",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="what defines the row: r' = r S and r = (0, 1) at the start, for all sigma, s, lambda1, lambda2",
        check=row_corrected,
        cases=lambda rng, x: EVERY,
        lever=Change("sigma zeta2", MOVED),
        hypotheses=(APART,),
    ),
)
