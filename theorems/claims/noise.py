r"""Label noise: symmetric flips slow the contrasts, and rescale time at one gamma only.

Notation: a label is kept with probability 1 - rho and else becomes each of the C - 1 others with probability
rho/(C - 1); g = gamma, P = I - J, J = 11'/C on classes, M the label operator of the clean labels, M_rho its expectation
over the flips. E1 is what the centred rows of M drive, P M, and E2 what their mean drives, J M. Class sizes are any.

A sample of class y pulls in row c by 1 if its label says c, and by -g otherwise. In expectation its own row has
(1 - rho) - rho g, another row rho/(C - 1) - (1 - rho) g - rho (C - 2)/(C - 1) g. Their difference is f (1 + g) with
f = 1 - rho C/(C - 1), and a column's sum stays 1 + g - g C. So P M_rho = f P M and J M_rho = J M.

Without decay the generator is linear in M, so the motion is the clean one in another clock iff M_rho = k M, k > 0. The
contrasts leave only k = f, and every entry of M_rho - f M is rho (1 + g - g C)/((C - 1) n): zero iff g = 1/(C - 1). And
f > 0 iff rho < (C - 1)/C.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import sympy
from flint import fmpq, fmpq_mat
from sympy import Rational, symbols

from theorems.claim import MOVED, Change, Claim, Hypothesis
from theorems.evidence import both, never_negative, symbolic
from theorems.instance import class_major, label_operator
from theorems.verdict import Evidence, Strength, Verdict

C = symbols("C", integer=True, positive=True)
G, RHO = symbols("g rho", positive=True)

SHAPES = ((3, 1), (2, 2), (4, 2, 1), (1, 3, 2, 2), (5, 1, 1, 2, 1))


@dataclass(frozen=True)
class Flips:
    """Class sizes, gamma, the rate of flips, and the decay of features and prototypes, in rationals."""

    sizes: tuple[int, ...]
    gamma: fmpq
    rate: fmpq
    decay: fmpq | int = 0

    @property
    def classes(self) -> int:
        """The number of classes, C."""
        return len(self.sizes)

    def operator(self, labels: Sequence[int]) -> fmpq_mat:
        """Return M for any labels."""
        return fmpq_mat(label_operator(labels, self.classes, self.gamma, fmpq(1)))


def cases(rng: np.random.Generator, x: float) -> Iterable[Flips | None]:
    """Yield the statement for all C, sizes, g and rho, then exact problems at g = 1/(C - 1) and elsewhere."""
    yield None
    for sizes in SHAPES:
        classes = len(sizes)
        rate = fmpq(int(rng.integers(1, 8)), 8) * fmpq(classes - 1, classes)
        for gamma in (fmpq(1, classes - 1), fmpq(int(rng.integers(1, 8)), 16 * classes), fmpq(int(rng.integers(4, 9)))):
            yield Flips(sizes, gamma, rate)


def symmetric(case: Flips | None, x: float) -> Evidence:
    """Judge the two factors, and when noise is another clock; ``x`` scales C/(C - 1)."""
    scale = sympy.nsimplify(x)
    if case:
        return _dense(case, fmpq(int(scale.p), int(scale.q)))
    own = (1 - RHO) - RHO * G
    other = RHO / (C - 1) - (1 - RHO) * G - RHO * (C - 2) / (C - 1) * G
    factor = 1 - scale * RHO * C / (C - 1)
    factors = symbolic(own - other - factor * (1 + G), own + (C - 1) * other - (1 + G - G * C))
    left = RHO * (1 + G - G * C) / (C - 1)  # of M_rho - f M, n times; linear in g with the one zero 1/(C - 1)
    clock = symbolic(own - factor - left, other + factor * G - left, left.subs(G, 1 / (C - 1)))
    u, c = symbols("u c", positive=True)
    positive = factor.subs(RHO, (C - 1) / C / (1 + u)).subs(C, 1 + c)
    return both(factors, clock, never_negative(positive, -sympy.diff(left, G).subs(C, 1 + c)))


def _dense(case: Flips, scale: fmpq) -> Evidence:
    """Judge the same on dense operators, the expectation taken over all labels that each sample may get."""
    classes, labels = case.classes, class_major(case.sizes)
    clean = case.operator(labels)
    noisy = clean * (1 - case.rate)
    for shift in range(1, classes):
        noisy += case.operator([(label + shift) % classes for label in labels]) * (case.rate / (classes - 1))
    factor = 1 - scale * case.rate * fmpq(classes, classes - 1)
    mean = fmpq_mat([[fmpq(1, classes)] * classes] * classes)
    on_mean, gap = mean * (noisy - clean), noisy - clean * factor
    on_contrasts = gap - mean * gap
    # The generators differ by this factor alone iff the operators do, and the decays, which noise leaves as they are.
    rescaled = factor > 0 and not any(gap.entries()) and case.decay == factor * case.decay
    as_stated = rescaled == (case.gamma == fmpq(1, classes - 1))
    return symbolic(*(_rational(one) for one in (*on_mean.entries(), *on_contrasts.entries())), int(not as_stated))


def _rational(number: fmpq) -> sympy.Rational:
    return Rational(int(number.p), int(number.q))


CLAIMS = (
    Claim(
        id="noise.symmetric",
        sentence="In expectation over symmetric label flips of rate rho, the part of M that drives contrasts between "
        "classes shrinks by 1 - rho C/(C-1) and the part that drives their mean stays; without decay this is the clean "
        "motion on a slower clock if and only if g = 1/(C-1), for any class sizes.",
        formula=r"(I-J) M_\rho = \left(1 - \frac{\rho C}{C-1}\right)(I-J) M, \quad J M_\rho = J M, \quad "
        r"M_\rho \propto M \iff \gamma = \frac{1}{C-1}",
        source="new",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="the expected gradient of one sample, for every C; all flips of dense problems, in rationals",
        check=symmetric,
        cases=cases,
        lever=Change("the factor C/(C-1) of rho", MOVED),
        hypotheses=(
            Hypothesis(
                "0 < rho < (C-1)/C",
                holds=lambda case: case is None or 0 < case.rate < fmpq(case.classes - 1, case.classes),
                broken=lambda rng: Flips((4, 2, 1), fmpq(1, 2), fmpq(3, 4)),
            ),
            Hypothesis(
                "there is no decay",
                holds=lambda case: case is None or case.decay == 0,
                broken=lambda rng: Flips((4, 2, 1), fmpq(1, 2), fmpq(1, 4), decay=fmpq(1, 10)),
            ),
        ),
    ),
)
