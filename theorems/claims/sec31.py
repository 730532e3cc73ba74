r"""Section 3.1: which gamma is fastest, what happens beyond 2/(C-2), and whether aligned means accurate.

Notation: h~ = H (I (x) 1_N)/sqrt N, J = 11'/C, P = I - J, q = sqrt s, sigma1 = (1 + g)/(C sqrt N),
sigma2 = (1 + g - g C)/(C sqrt N). The modes grow like exp(x q zeta2) with x = sigma1, -sigma1 (contrasts), sigma2,
-sigma2 (mean) and 0 (within classes).

Fastest gamma: the slowest error that a start can have comes from the mean, at sigma1 - abs(sigma2), because
abs(sigma2) >= 0. This is min(g C, 2 - (C-2) g)/(C sqrt N): the first rises with g, the second falls (for C = 2 it is
constant), and they meet at g = 1/(C-1).

Beyond 2/(C-2): abs(sigma2) > sigma1, so the state takes the direction of a mean mode, orthogonal to the contrasts,
of which Zbar is one. Two orthogonal unit vectors are sqrt 2 apart.

Aligned is not accurate: with H = k W (x) 1' a sample has the logits k w_y.w_c, and a longer prototype on the same side
beats the own one. Where all prototypes are equally long and distinct, Cauchy-Schwarz makes the own logit the largest.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import sympy
from flint import arb, arb_mat, ctx
from sympy import Integer, sqrt, symbols

from theorems import balls
from theorems.algebra import generator
from theorems.claim import MOVED, Change, Claim, Hypothesis
from theorems.evidence import both, counterexample, enclosed, never_negative, positive, symbolic
from theorems.instance import Instance, random_instance
from theorems.verdict import Evidence, Strength, Verdict

N = symbols("N", integer=True, positive=True)
S, MORE, U = symbols("s c u", positive=True)  # C = 2 + c in the symbolic claim

BITS = 600
FOLDS = 60.0  # e-folds by which the mean has outgrown the contrasts: the distance is sqrt 2 to within e^-60
TOLERANCE = 1e-9  # a lever moves sqrt 2 by 1.4e-3
PRESENT = 1e-3  # a mode is present if it has at least this share of the start's norm


def exponent(classes: sympy.Expr, gamma: sympy.Expr) -> tuple[sympy.Expr, sympy.Expr]:
    """Return the branches g C and 2 - (C-2) g; the smaller one is the guaranteed exponent."""
    return gamma * classes, 2 - (classes - 2) * gamma


def fastest(case: None, x: float) -> Evidence:
    """Judge that the exponent is what the generator says, and largest at 1/(C-1); ``x`` multiplies that gamma."""
    pieces = []
    for classes in (Integer(2), 2 + MORE):  # MORE > 0 is every C >= 3
        best = 1 / (classes - 1)
        below, above = best / (1 + U), best + U  # with g C and 2 - (C-2) g the smaller one
        rising, falling = exponent(classes, below)[0], exponent(classes, above)[1]
        claimed, top = exponent(classes, sympy.nsimplify(x) * best)[1], exponent(classes, best)[0]  # for x >= 1
        pieces += [
            symbolic(guaranteed(classes, below) - rising, guaranteed(classes, above) - falling),
            never_negative(exponent(classes, below)[1] - rising, exponent(classes, above)[0] - falling),
            never_negative(claimed - top, claimed - rising, claimed - falling),
            positive(top - rising),  # strictly less below ...
            symbolic(top - falling) if classes == 2 else positive(top - falling),  # ... and above, unless C = 2
        ]
    return both(*pieces)


def guaranteed(classes: sympy.Expr, gamma: sympy.Expr) -> sympy.Expr:
    """Return C sqrt N (sigma1 - abs(sigma2)) from the determinants of the generator, whose blocks have no trace."""
    blocks = generator(classes, N, gamma, S, 0, 0)
    contrast, mean = (sympy.sqrt(sympy.factor(-block.det())) for block in (blocks.contrast, blocks.mean))
    return sympy.simplify((contrast - mean) * classes * sqrt(N) / sqrt(S))


def late_starts(rng: np.random.Generator, x: float) -> Iterable[Instance]:
    """Yield Gaussian starts above the threshold, of several sizes."""
    for classes, per_class, features, gamma in ((3, 1, 4, 2.5), (4, 2, 5, 1.4), (6, 3, 3, 0.7), (5, 2, 4, 3.0)):
        yield random_instance(rng, per_class, classes, features, gamma=gamma)


def orthogonal(case: Instance, x: float) -> Evidence:
    """Judge the distance to Zbar when the mean has outgrown the contrasts by e^60; ``x`` multiplies sqrt 2."""
    classes, per_class, gamma = case.classes, case.per_class, case.gamma
    outgrown = abs(1 + gamma - gamma * classes) - (1 + gamma)  # C sqrt N (abs(sigma2) - sigma1)
    zeta = FOLDS * classes * np.sqrt(per_class * case.ratio**-1.0) / abs(outgrown)
    with ctx.workprec(BITS):
        distance = balls.norm(balls.unit(case.flow_enclosed(float(zeta))) - balls.unit(zbar(case)))
        return enclosed(distance - x * arb(2).sqrt(), TOLERANCE, f"C = {classes}, gamma = {gamma:.3g}")


def zbar(instance: Instance) -> arb_mat:
    """Return Zbar of Corollary 3: (sqrt(s/N) X (x) 1', X), X = (W0 + h~0/q)P/2, at the precision in force."""
    h, w = balls.exact(instance.features), balls.exact(instance.prototypes)
    q, spread = arb(instance.ratio).sqrt(), balls.spread(instance.labels, instance.classes)
    x = (w + h * spread / q) * balls.centring(instance.classes) / 2
    return balls.beside(x * spread.transpose() * q, x)


def mean_part(instance: Instance) -> float:
    """Return the norm of (W0 - h~0/q)J over the start's."""
    q, root = np.sqrt(instance.ratio), np.sqrt(instance.per_class)
    mean = instance.prototypes.mean(axis=1) - root * instance.features.mean(axis=1) / q
    return float(np.linalg.norm(mean) * np.sqrt(instance.classes) / np.linalg.norm(instance.state))


def contrast_part(instance: Instance) -> float:
    """Return the norm of Zbar over the start's."""
    with ctx.workprec(BITS):
        return float(balls.norm(zbar(instance)).mid()) / float(np.linalg.norm(instance.state))


def centred_start(rng: np.random.Generator) -> Instance:
    """Return a start in pairs of opposite classes, in whole numbers: its mean is exactly 0."""
    v, w = (rng.integers(1, 9, size=(3, 2, 1)).astype(float) for _ in range(2))
    opposite = np.array([1.0, -1.0])
    prototypes, features = ((one * opposite).reshape(3, 4) for one in (v, w))
    return Instance((0, 1, 2, 3), 1.5, 1.6, features, prototypes, np.zeros(4))


def fading_start(rng: np.random.Generator) -> Instance:
    """Return a start with Zbar = 0 exactly: N = s = 1, whole numbers, H0 = -W0 + h 1'."""
    prototypes = rng.integers(-8, 9, size=(3, 4)).astype(float)
    return Instance((0, 1, 2, 3), 1.5, 1.0, 3.0 - prototypes, prototypes, np.zeros(4))


ABOVE = Hypothesis(
    "C >= 3 and gamma > 2/(C-2)",
    holds=lambda case: case.classes >= 3 and case.gamma * (case.classes - 2) > 2,
    broken=lambda rng: random_instance(rng, 2, 4, 5, gamma=0.6),
)
MEAN = Hypothesis(
    "B_2 = (W0 - h~0/q)J is not 0 (it has at least 0.001 of the start's norm)",
    holds=lambda case: mean_part(case) >= PRESENT,
    broken=centred_start,
)
CONTRAST = Hypothesis(
    "Zbar is not 0 (it has at least 0.001 of the start's norm)",
    holds=lambda case: contrast_part(case) >= PRESENT,
    broken=fading_start,
)


@dataclass(frozen=True)
class Aligned:
    """Prototypes, one tuple a class, and k > 0 of H = k W (x) 1'."""

    prototypes: tuple[tuple[int, ...], ...]
    k: Fraction = Fraction(1)


def aligned_states(rng: np.random.Generator, x: float) -> Iterable[Aligned]:
    """Yield states of E1+; with ``x`` = 1 only those whose prototypes are distinct and equally long."""
    if x != 1:
        yield Aligned(((3,), (-1,), (-2,)))
        return
    yield Aligned(((1,), (-1,)))
    for features in (2, 3, 4):
        entries = rng.choice(np.arange(1, 12), size=features, replace=False)
        half = {tuple(int(one) for one in rng.permutation(entries)) for _ in range(4)}
        opposite = {tuple(-one for one in w) for w in half}
        yield Aligned((*sorted(half), *sorted(opposite)), Fraction(int(rng.integers(1, 9)), 7))


def accurate(case: Aligned, x: float) -> Evidence:
    """Judge that the own logit is the largest of all, in whole numbers."""
    wrong, witness = [], "every own logit is the largest"
    for y, own in enumerate(case.prototypes):
        logits = [case.k * sum(a * b for a, b in zip(own, w, strict=True)) for w in case.prototypes]
        if sorted(logits)[-1] != logits[y] or logits.count(logits[y]) > 1:
            listed = ", ".join(str(one) for one in logits)
            witness = f"p = 1, W = (3, -1, -2), H = W: the sample of class {y + 1} has the logits ({listed})"
            wrong.append(y)
    return counterexample(Fraction(len(wrong), len(case.prototypes)), witness)


CLAIMS = (
    Claim(
        id="sec31.fastest-gamma",
        sentence="min(gamma C, 2 - (C-2) gamma), the exponent that eq. (10) guarantees for every start with Zbar not "
        "0, is largest at gamma = 1/(C-1): only there if C >= 3, while for C = 2 every gamma >= 1 ties.",
        formula=r"\text{argmax}_{\gamma \ge 0} \min\left(\gamma C,\; 2 - (C-2)\gamma\right) = \frac{1}{C-1} "
        r"\quad (C \ge 3)",
        source="Section 3.1, after Corollary 3, p. 10",
        page=10,
        form="printed",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="the growth rates from the determinants of the generator of eq. (5), for all C, N, s",
        check=fastest,
        lever=Change("the best gamma", MOVED),
    ),
    Claim(
        id="sec31.orthogonal-limit",
        sentence="If C >= 3, gamma > 2/(C-2), zeta1 -> infinity, and neither Zbar nor B_2 = (W0 - h~0/q)J is 0, the "
        "distance of the normalised state from the normalised Zbar tends to sqrt 2.",
        formula=r"\left\| \frac{Z(t)}{\|Z(t)\|} - \frac{\bar{Z}}{\|\bar{Z}\|} \right\| \to \sqrt{2}",
        source="Section 3.1, caption of Figure 1, p. 9",
        page=9,
        form="corrected",
        expected=Verdict.SUPPORTED,
        strength=Strength.ENCLOSED,
        reference="the dense exponential of eq. (5) in ball arithmetic, 60 e-folds out",
        check=orthogonal,
        cases=late_starts,
        lever=Change("the distance sqrt 2", MOVED),
        hypotheses=(ABOVE, MEAN, CONTRAST),
    ),
    Claim(
        id="sec31.aligned-means-accurate.printed",
        sentence="If every feature is a positive multiple k of its prototype and the prototypes sum to 0, every "
        "training sample is classified correctly.",
        formula=r"H = k W \otimes 1_N^\top, \; W 1_C = 0 \; \Rightarrow \; w_y^\top h > w_c^\top h, \; c \ne y",
        source="Section 3.1, Figures 1(b), p. 9, and 5(a), p. 45 (implied)",
        page=9,
        form="printed",
        expected=Verdict.REFUTED,
        strength=Strength.WITNESS,
        reference="the logits of every sample in whole numbers",
        check=accurate,
        cases=aligned_states,
        repair=Change("the prototypes: from any, to distinct ones of equal length", to=1.0, stated=0.0),
        hypotheses=(
            Hypothesis(
                "H = k W (x) 1' with k > 0 and W 1 = 0: the state lies in E1+ and stays there",
                holds=lambda case: case.k > 0 and all(sum(row) == 0 for row in zip(*case.prototypes, strict=True)),
            ),
        ),
    ),
)
