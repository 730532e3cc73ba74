r"""Section 2: which expression is the hinge loss without its hinge.

Footnote 4 has the multi-class hinge loss sum_{j != y} max(0, z_j - z_y + m). Without the maximum and the margin m it is
sum_{j != y} (z_j - z_y), and 1/(C-1) of it is eq. (1) at gamma = 1/(C-1).

Why the printed expression fails: it has z_y - z_j. It is minus that loss, so it grows as the sample is classified
better.
"""

from collections.abc import Iterable
from fractions import Fraction

import numpy as np

from theorems.claim import REVERSED, Change, Claim, Hypothesis
from theorems.evidence import counterexample
from theorems.verdict import Evidence, Strength, Verdict

Logits = tuple[Fraction, ...]  # the own class first


def logit_cases(rng: np.random.Generator, x: float) -> Iterable[Logits]:
    """Yield a well classified sample of two classes, then random ones."""
    yield Fraction(1), Fraction(0)
    for classes in (2, 3, 5):
        yield tuple(Fraction(int(z), 7) for z in rng.integers(-30, 30, classes))


def unhinged(case: Logits, x: float) -> Evidence:
    """Judge the printed expression, times ``x``, against the hinge loss of footnote 4 without maximum and margin."""
    own, *others = case
    printed = Fraction(x) * sum(own - other for other in others) / len(others)
    hinge = sum(other - own for other in others) / len(others)
    logits = ", ".join(map(str, case))
    return counterexample(
        printed - hinge,
        f"C = {len(case)}, logits ({logits}), own class first: the expression is {printed}, the loss {hinge}",
    )


CLAIMS = (
    Claim(
        id="sec2.unhinged-hinge.printed",
        sentence="The average over the other classes of own logit minus other logit is the multi-class hinge loss, "
        "divided by C-1, without its maximum and its margin.",
        formula=r"\frac{1}{C-1} \sum_{j \ne y} \left( z_y - z_j \right) = \frac{1}{C-1} \sum_{j \ne y} \left( z_j - "
        r"z_y \right)",
        source="Section 2 and footnote 4, p. 5",
        page=5,
        form="printed",
        expected=Verdict.REFUTED,
        strength=Strength.WITNESS,
        reference="the hinge loss of footnote 4 with its maximum and margin removed, in exact rationals",
        check=unhinged,
        cases=logit_cases,
        repair=Change("the sign of the expression", REVERSED),
        hypotheses=(Hypothesis("there are at least two classes", holds=lambda case: len(case) >= 2),),
    ),
)
