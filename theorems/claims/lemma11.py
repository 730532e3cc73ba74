r"""Lemma 11: the two identities behind it, equations (86) and (89).

beta is the cosine between h and w, alpha = eta |w|/|h|^2, xi = eta(t+1)/eta(t); primes are the next step. From a step
along the gradient, in the plane of h and w,

    (1 - beta'^2)/alpha' = (1 - beta^2)/alpha (1 - alpha beta)^2/xi
    alpha' (1 - beta'^2) = xi alpha (1 - beta^2) (1 - alpha v/(1 + alpha^2 (1 - beta^2)))^2

with v = alpha + beta - alpha beta^2. Eq. (86) is the product of the first over all steps: if it holds up to t with the
product Q, the first identity multiplies Q by (1 - alpha beta)^2, and the xi multiply to eta(t+1)/eta(0). Eq. (89)
follows from the second where v < 0, that is while the next cosine is negative: then the bracket is more than 1. No
hypothesis of the lemma is needed.
"""

import sympy
from sympy import sqrt, symbols

from theorems.claim import MOVED, Change, Claim
from theorems.evidence import both, never_negative, symbolic
from theorems.sphere import circle, step
from theorems.verdict import Evidence, Strength, Verdict

ETA, XI, U, R, W = symbols("eta xi u r w", positive=True)
ALPHA, BEHIND, SQUARE, FIRST = symbols("alpha d m eta0", positive=True)


def identity(case: None, x: float) -> Evidence:
    """Judge both identities on a true step, and the step of the induction; ``x`` scales alpha beta in eq. (86).

    U is the tangent of half the angle, and w lies along the first axis.
    """
    beta, sine = circle(U)
    moved = step([R * beta, R * sine], [W, 0], ETA, lambda square: sqrt(sympy.factor(square)))
    length, alpha = sympy.factor(moved[0] ** 2 + moved[1] ** 2), ETA * W / R**2
    next_alpha, left = XI * ETA * W / length, moved[1] ** 2 / length  # left: 1 - beta'^2
    shrunk = (1 - sympy.nsimplify(x) * alpha * beta) ** 2
    # Eq. (86) up to here, 1 - beta^2 = alpha eta0 product/eta (the constant part of the product left out).
    product = sine**2 * ETA / (alpha * FIRST)
    ahead = left - next_alpha * FIRST / (XI * ETA) * product * shrunk
    v = alpha + beta - alpha * beta**2
    bracket = 1 - alpha * v / (1 + alpha**2 * (1 - beta**2))
    return both(
        symbolic(
            sympy.cancel(left / next_alpha - sine**2 / alpha * shrunk / XI),
            sympy.cancel(ahead),
            sympy.cancel(next_alpha * left - XI * alpha * sine**2 * bracket**2),
            sympy.cancel(moved[0] - R * v),  # the next cosine has the sign of v
        ),
        never_negative(ALPHA * BEHIND / (1 + ALPHA**2 * SQUARE)),  # the bracket less 1, where v = -d < 0
    )


CLAIMS = (
    Claim(
        id="lemma11.identity",
        sentence="The identities (86) and (89) for 1 - beta^2 and alpha (1 - beta^2), with beta the cosine between h "
        "and w and alpha = eta |w|/|h|^2, hold in every step from every h not parallel to w, with any rates; the "
        "inequality in (89) holds while the next cosine is negative.",
        formula=r"1 - \beta_{t+1}^2 = \alpha_{t+1} \frac{\eta(0)(1 - \beta_0^2)}{\alpha_0 \eta(t+1)} "
        r"\prod_{i=0}^{t} (1 - \alpha_i \beta_i)^2, \quad \alpha_{t+1}(1 - \beta_{t+1}^2) = \xi_t \alpha_t "
        r"(1 - \beta_t^2) \left( \frac{1 - \alpha_t \beta_t}{1 + \alpha_t^2 (1 - \beta_t^2)} \right)^2",
        source="proof of Lemma 11 and after it, eq. (86) and (89), p. 38 and 39",
        page=38,
        form="printed",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="a step along the gradient, for all norms, angles and rates",
        check=identity,
        lever=Change("alpha beta in eq. (86)", MOVED),
    ),
)
