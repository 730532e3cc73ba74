r"""Equation (1): the loss at gamma = 1/(C-1) never exceeds minus the sample margin.

A sample of class y has the logits z_1, ..., z_C, biases included. Its margin is z_y minus the largest other logit t.
Write the C - 1 other logits as t - d_j with shortfalls d_j >= 0, at least one of them 0.

Why it holds: loss + margin = (g (C-1) - 1) t - g sum d_j, and t is any real number. At g = 1/(C-1) the first term is
gone and the second is not positive: the loss averages the margins to all other classes, and the average is at least the
smallest. With any other g the first term has both signs, so no other g has this bound.
"""

import sympy
from sympy import symbols

from theorems.claim import MOVED, Change, Claim
from theorems.evidence import both, never_negative, symbolic
from theorems.verdict import Evidence, Strength, Verdict

K = symbols("k", integer=True, positive=True)  # C - 1, the number of other classes
OWN, TOP = symbols("z_y t", real=True)
SHORTFALL = symbols("D", positive=True)  # sum d_j


def margin_bound(case: None, x: float) -> Evidence:
    """Judge loss + margin <= 0 for all logits and all C; ``x`` scales gamma."""
    gamma, others = sympy.nsimplify(x) / K, K * TOP - SHORTFALL  # the sum of the other logits
    excess = sympy.expand(-OWN + gamma * others + (OWN - TOP))
    # Linear: never positive for all real z_y and t and all D >= 0 iff only D is left, with a negative number.
    free = [sympy.diff(excess, symbol) for symbol in (OWN, TOP)]
    return both(symbolic(*free), never_negative(-excess))


CLAIMS = (
    Claim(
        id="eq1.margin-bound",
        sentence="At gamma = 1/(C-1) and for all logits, the loss of a sample is at most minus its margin, the "
        "distance of its own logit from the largest other one.",
        formula=r"-z_y + \frac{1}{C-1} \sum_{j \ne y} z_j \le -\left( z_y - \max_{j \ne y} z_j \right)",
        source="Section 2, below eq. (1), p. 5",
        page=5,
        form="printed",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="the two definitions, written in shortfalls from the largest other logit, for all C",
        check=margin_bound,
        lever=Change("gamma = 1/(C-1)", MOVED),
    ),
)
