r"""Conservation: a matrix that never changes, H H' - s W W' under the flow, for any label operator M.

With eta1 = s eta2 and the decays l1, l2, in the clock zeta = int eta2: H' = s (W M - l1 H), W' = H M' - l2 W. So

    (H H' - s W W')' = -2 s l1 H H' + 2 s l2 W W',

where M has cancelled. That is zero without decay, and -2 l (H H' - s W W') if s l1 = l2 = l. One step of descent adds
the squares of the increments: eta^2 s (s W M M' W' - H M' M H') without decay, which does not vanish in general.

The products do not commute here, and the transposes are SymPy's own, so nothing is assumed of M or of the sizes.
"""

from dataclasses import dataclass
from typing import Any

import sympy
from sympy import exp, symbols

from theorems.claim import MOVED, Change, Claim, Hypothesis
from theorems.evidence import symbolic
from theorems.verdict import Evidence, Strength, Verdict

H, W, M = symbols("H W M", commutative=False)
S, ETA, DECAY, ZETA = symbols("s eta l zeta", positive=True)


@dataclass(frozen=True)
class Rates:
    """The decays l1, l2 and the derivative of s = eta1/eta2."""

    decay_h: Any
    decay_w: Any
    drift: Any = 0


def velocities(rates: Rates) -> tuple[Any, Any]:
    """Return the derivatives of H and W in zeta."""
    return S * (W * M - rates.decay_h * H), H * M.transpose() - rates.decay_w * W


def invariant(h: Any, w: Any, weight: Any) -> Any:
    """Return H H' - weight W W'."""
    return h * h.transpose() - weight * w * w.transpose()


def conservation(case: Rates, x: float) -> Evidence:
    """Judge the law of the flow, and what a step of descent adds to it; ``x`` multiplies s in the invariant."""
    weight = sympy.nsimplify(x) * S
    h, w = velocities(case)
    slope = h * H.transpose() + H * h.transpose()
    slope -= weight * (w * W.transpose() + W * w.transpose()) + case.drift * W * W.transpose()
    decayed = exp(2 * case.decay_w * ZETA)  # times the invariant: constant
    residual = (sympy.diff(decayed, ZETA) * invariant(H, W, weight) + decayed * slope) / decayed

    h, w = velocities(Rates(0, 0))
    added = invariant(H + ETA * h, W + ETA * w, S) - invariant(H, W, S)
    left = ETA**2 * S * (S * W * M * M.transpose() * W.transpose() - H * M.transpose() * M * H.transpose())
    return symbolic(sympy.expand(residual), sympy.expand(added - left))


CONSTANT_RATIO = Hypothesis(
    "s = eta1/eta2 is constant",
    holds=lambda case: case.drift == 0,
    broken=lambda rng: Rates(0, 0, symbols("s_prime", positive=True)),
)
EQUAL_DECAY = Hypothesis(
    "s lambda1 = lambda2 (both may be 0)",
    holds=lambda case: sympy.simplify(S * case.decay_h - case.decay_w) == 0,
    broken=lambda rng: Rates(DECAY, 0),
)

CLAIMS = (
    Claim(
        id="conservation",
        sentence="Under the flow with constant s = eta1/eta2, H H' - s W W' is constant without decay, and multiplied "
        "by exp(-2 l zeta2) if s lambda1 = lambda2 = l, for any label operator M and all sizes; a step of descent "
        "without decay changes it by eta^2 s (s W M M' W' - H M' M H').",
        formula=r"H H^\top - s W W^\top = e^{-2 l \zeta_2(t)} \left(H_0 H_0^\top - s W_0 W_0^\top\right), "
        r"\quad s \lambda_1 = \lambda_2 = l",
        source="new; the flow of eq. (5) and (12)",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="the derivative along eq. (12), in products that do not commute",
        check=conservation,
        cases=lambda rng, x: (Rates(0, 0), Rates(DECAY / S, DECAY)),
        lever=Change("s in the conserved matrix", MOVED),
        hypotheses=(CONSTANT_RATIO, EQUAL_DECAY),
    ),
)
