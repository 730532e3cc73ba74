r"""Section 3.2, beyond equal decays: self-duality, the threshold of the norm, and minority collapse.

Notation: s = eta1/eta2, q = sqrt s; w1 < w2 the eigenvalues of S(sigma) = [[-s l1, s sigma], [sigma, -l2]] for the
decays l1 of the features and l2 of the prototypes; sigma1 = (1 + g)/(C sqrt N), sigma2 = (1 + g - g C)/(C sqrt N); h~
is sqrt N times the class means; P removes the mean over the classes, J = I - P keeps it.

Self-duality: on one subspace pair the flow is e^(w2 zeta) K + e^(w1 zeta) (I - K), and K has rank one, with the row
space (s sigma, s l1 + w2). So whatever survives has h~ = kappa W with kappa = s sigma/(s l1 + w2): nothing has to be
asked of the decays. The ratio condition of the page is an identity. The contrasts win for |sigma2| < sigma1
(g < 2/(C - 2)), the means over the classes beyond, with sigma2 < 0 and so kappa < 0.

Threshold: w1 + w2 <= 0 and w1 w2 = s (l1 l2 - sigma^2), so w2 has the sign of sigma^2 - l1 l2. The checks are free of
roots in f = w2 + s l1 > 0, with s = f (f + l2)/(l1 f + sigma^2).

Minority collapse: with m_h >= 2 large classes and 0 < g < 2/(C - 2) the contrasts among the large classes have the
largest sigma ("head"); the small classes move with the next ("between"), and vanish in proportion at the rate
gap = w2(head) - w2(between). With d = s l1 - l2 this is (sqrt(d^2 + 4 s head^2) - sqrt(d^2 + 4 s between^2))/2, which
falls as |d| grows. From l1 = 0 up to l2/s feature decay therefore speeds the collapse up; it slows it only beyond
2 l2/s, and never stops it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import sympy
from flint import arb, ctx
from sympy import Matrix, eye, sqrt, symbols

from theorems import balls
from theorems.claim import MOVED, Change, Claim, Hypothesis
from theorems.evidence import both, counterexample, never_negative, positive, symbolic
from theorems.instance import class_major, label_operator
from theorems.system import BELOW, BEYOND, EXTRA, SIGMA, TWO, F, Model, S, determinant
from theorems.verdict import Evidence, Strength, Verdict

Scalar = Any
L1, L2, V, BETWEEN, MORE = symbols("l1 l2 v between more", positive=True)
TIE = (2 + EXTRA, 2 / EXTRA)  # C > 2 and g = 2/(C - 2)

NATS = 35.0  # by how many powers of e the faster parts have died at the first of two late times
BITS = 300
TOLERANCE = 1e-9  # of a measured rate; the parts that have not died yet are below e^-35


@dataclass(frozen=True)
class Winner:
    """What survives: K of e^(w2 zeta) on the winning pair of subspaces, and how far ahead of all else it is."""

    grown: Matrix
    evidence: Evidence
    ahead: tuple[Scalar, ...]
    part: tuple[Scalar, Scalar]


@cache
def winner(case: Model) -> Winner:
    """Return K, the evidence that the flow on the pair is e^(w2 zeta) K + e^(w1 zeta) (I - K), and the leads.

    Both exponents of the other pair are below w2 iff its characteristic polynomial and the slope of that are positive
    at w2. ``part`` is what is left of a start with the given amplitude: k = sigma h~ + f W.
    """
    (w1, w2), flow = case.exponents, case.flow()
    own, other = (flow.mean, flow.contrast) if case.means else (flow.contrast, flow.mean)
    grown = ((own - w1 * eye(2)) / (w2 - w1)).applyfunc(sympy.cancel)
    # With this trace and determinant (own - w1)(own - w2) = 0, so K and I - K move each with its own exponential.
    moves = [sympy.cancel(one) for one in (own.trace() - w1 - w2, determinant(own) - w1 * w2)]
    ahead = determinant(w2 * eye(2) - other), w2 - w1, w2 - flow.within[0]
    start = (case.amplitude - F) / case.sigma, sympy.Integer(1)
    part = [sympy.cancel(start[0] * grown[0, j] + start[1] * grown[1, j]) for j in (0, 1)]
    return Winner(grown, symbolic(*moves), tuple(sympy.cancel(one) for one in ahead), (part[0], part[1]))


def decaying_cases(rng: np.random.Generator, x: float) -> Iterator[Model]:
    """Yield all C, g, s, N on both sides of g = 2/(C - 2), with both decays, one, and none."""
    for classes, gamma in (TWO, BELOW, BEYOND):
        for h, w in ((L1, L2), (L1, 0), (0, L2), (0, 0)):
            yield Model(classes, gamma, sympy.sympify(h), sympy.sympify(w), means=gamma == BEYOND[1])


def self_duality(case: Model, x: float) -> Evidence:
    """Judge that the part that survives has h~ = kappa W, the sign of kappa, and the identity; ``x`` scales kappa."""
    found, (w1, w2), s, sigma = winner(case), case.exponents, case.ratio, case.sigma
    kappa = sympy.nsimplify(x) * s * sigma / (s * case.decay_h + w2)
    pi_h = [(e * s * sigma - s * case.decay_h - w1) / (w2 - w1) for e in (1, -1)]
    pi_w = [(s * case.decay_h + w2 + e * sigma) / (w2 - w1) for e in (1, -1)]
    return both(
        found.evidence,
        symbolic(1 / case.reach),  # what lags behind is gone only if the clock runs for ever
        positive(*found.ahead, found.part[1], -kappa if case.means else kappa),
        symbolic(*[sympy.cancel(found.grown[i, 0] - kappa * found.grown[i, 1]) for i in (0, 1)]),
        symbolic(sympy.cancel(pi_h[0] * pi_w[1] + pi_h[1] * pi_w[0])),
    )


def threshold(case: Model, x: float) -> Evidence:
    """Judge that w2 has the sign of x sigma^2 - l1 l2, that nothing grows faster, and that its part is there."""
    found, w2, square = winner(case), case.exponents[1], sympy.nsimplify(x) * SIGMA**2
    if case.decay_h * case.decay_w == 0:
        signs = (positive(w2),)
    else:
        below, at, above = (w2.subs(L2, square * share / L1) for share in (1 / (1 + V), 1, 1 + V))
        signs = (symbolic(at), positive(below, -above))
    # Another part as fast as this one would not change whether the norm vanishes or grows.
    lasting = symbolic(1 / case.reach)
    return both(found.evidence, lasting, positive(found.part[1]), never_negative(*found.ahead), *signs)


@dataclass(frozen=True)
class Imbalanced:
    """A problem with class sizes, all in rationals, its start, and two strengths of feature decay to compare."""

    sizes: tuple[int, ...]
    gamma: Fraction
    ratio: Fraction
    decay_w: Fraction
    before: Fraction
    after: Fraction
    start: int  # the seed of the whole numbers that the features and prototypes start from

    @property
    def heads(self) -> int:
        """Return how many classes have the largest size."""
        return self.sizes.count(max(self.sizes))


def _exponents(case: Imbalanced, decay_h: Fraction) -> list[float]:
    """Return all exponents, the largest first, from a decomposition in doubles: where to look, not what is judged."""
    labels = class_major(case.sizes)
    values = np.linalg.svd(np.array(label_operator(labels, len(case.sizes), float(case.gamma)), float))[1]
    fall, decay = float(case.ratio * decay_h), float(case.decay_w)
    roots = np.sqrt((fall - decay) ** 2 + 4 * float(case.ratio) * values**2)
    found = {round(float(w), 9) for sign in (1, -1) for w in (-fall - decay + sign * roots) / 2}
    return sorted(found | {-fall}, reverse=True)


def collapse_rate(case: Imbalanced, decay_h: Fraction) -> arb:
    """Return how fast |class means of the small classes|/|those of the large ones| falls, from two late times.

    From the dense flow in balls; class means, because what varies within a class only decays.
    """
    labels = class_major(case.sizes)
    size = len(labels) + len(case.sizes)
    top, following, third, *_ = _exponents(case, decay_h)
    first = Fraction(NATS / min(top - following, following - third))
    with ctx.workprec(BITS):
        operator = label_operator(labels, len(case.sizes), balls.ball(case.gamma), arb(1))
        dense = balls.generator(operator, *map(balls.ball, (case.ratio, decay_h, case.decay_w)))
        move, spread = (dense * balls.ball(first)).exp(), balls.spread(labels, len(case.sizes))
        early = balls.exact(np.random.default_rng(case.start).integers(-9, 10, (3, size))) * move
        logs = []
        for state in (early, early * move):
            # h~ weighs a mean by sqrt n_c: constant factors, as the large classes have one size and the small ones too.
            large, small = balls.split(balls.split(state, len(labels))[0] * spread, case.heads)
            logs.append((balls.norm(small) / balls.norm(large)).log())
        return (logs[0] - logs[1]) / balls.ball(first)


BY_HAND = Imbalanced(
    (7, 7, 7, 7, 1, 1, 1), Fraction(1, 6), Fraction(7), Fraction(140, 279), Fraction(0), Fraction(20, 279), 5
)
RISES = (
    "classes 4 x 7 and 3 x 1, g = 1/6: sigma = (7/6) sqrt7/31 and (5/6) sqrt7/31; s = 7, l2 = 140/279: "
    "gap 14/279 at l1 = 0, 21/279 at l1 = 20/279"
)


def collapse_cases(rng: np.random.Generator, x: float) -> Iterator[Imbalanced]:
    """Yield problems and two strengths l1, the first at least x l2/s."""
    if not x:
        yield BY_HAND
    for sizes in ((3, 3, 1), (4, 4, 1, 1), (4, 4, 4, 2)):
        ratio, share = (Fraction(int(rng.integers(4, 20)), 8) for _ in range(2))
        gamma = Fraction(3, 5) * Fraction(2, len(sizes) - 2)
        decay = share * (1 + gamma) / sum(sizes)
        before = decay / ratio * Fraction(int(rng.integers(9, 13)), 8)
        yield Imbalanced(sizes, gamma, ratio, decay, before, 2 * before, int(rng.integers(1 << 30)))


def collapse_printed(case: Imbalanced, x: float) -> Evidence:
    """Judge that more feature decay does not make the small classes vanish faster."""
    faster = collapse_rate(case, case.after) - collapse_rate(case, case.before)
    text = RISES if case is BY_HAND else f"sizes {case.sizes}: the rate changes by {float(faster.mid()):.4g}"
    return counterexample(max(0.0, float(faster.mid())), text, float(faster.rad()), TOLERANCE)


@dataclass(frozen=True)
class Pair:
    """Two singular values of M."""

    head: Scalar
    between: Scalar


def collapse_corrected(case: Pair, x: float) -> Evidence:
    """Judge the gap as a function of s l1 - l2; ``x`` scales its value at s l1 = l2."""
    apart = symbols("d", positive=True)  # |s l1 - l2|: the gap is even in it
    roots, w2 = {}, {}
    residuals = []
    for sigma in (case.head, case.between):
        system = Matrix([[-S * L1, S * sigma], [sigma, -L2]])
        exact = (system.trace() + sqrt((S * L1 - L2) ** 2 + 4 * S * sigma**2)) / 2
        residuals.append(determinant(system - exact * eye(2)))
        roots[sigma] = sqrt(apart**2 + 4 * S * sigma**2)
        w2[sigma] = roots[sigma] / 2  # up to the trace, which the two share
    gap, (big, small) = w2[case.head] - w2[case.between], (roots[case.head], roots[case.between])
    rise = S * (case.head**2 - case.between**2)
    # gap = 2 rise/(big + small) > 0, and gap' = -d gap/(big small) < 0.
    residuals += [gap * (big + small) - 2 * rise, sympy.diff(gap, apart) * big * small + apart * gap]
    equal = gap.subs(apart, 0) - sympy.nsimplify(x) * sqrt(S) * (case.head - case.between)
    return both(symbolic(*residuals), positive(sympy.expand(rise)), symbolic(equal))


def draw_collapse(figure: Any) -> None:
    """Draw the gap against l1 at fixed l2, from the dense flow, and from the two singular values of M."""
    labels = class_major(BY_HAND.sizes)
    values = np.linalg.svd(np.array(label_operator(labels, 7, float(BY_HAND.gamma)), float))[1]
    head, between = values[0], values[BY_HAND.heads - 1]
    s, decay_w = float(BY_HAND.ratio), float(BY_HAND.decay_w)
    line = np.linspace(0, 3 * decay_w / s, 200)
    roots = [np.sqrt((s * line - decay_w) ** 2 + 4 * s * sigma**2) for sigma in (head, between)]
    strengths = [Fraction(k, 4) * BY_HAND.decay_w / BY_HAND.ratio for k in (0, 2, 4, 6, 8, 10, 12)]
    found = [float(collapse_rate(replace(BY_HAND, after=one), one).mid()) for one in strengths]
    axes = figure.subplots()
    axes.plot(line, (roots[0] - roots[1]) / 2, color="#0072b2", lw=2, label="w2(head) - w2(between)")
    axes.plot([float(one) for one in strengths], found, "o", color="black", ms=5, label="dense flow, measured")
    axes.axhline(found[0], color="#d55e00", ls="--", label="no feature decay")
    axes.axvline(decay_w / s, color="#888888", ls=":", label="l1 = l2/s")
    axes.set(
        xlabel="feature decay l1 (l2 fixed)",
        ylabel="rate of collapse",
        title="Feature decay first speeds minority collapse up (classes 4 x 7 and 3 x 1)",
    )
    axes.legend(frameon=False, fontsize="small")


def _away(case: Model) -> bool:
    return case.classes == 2 or sympy.cancel(case.gamma * (case.classes - 2) - 2) != 0


PRESENT = Hypothesis(
    "the part of the start that grows fastest is not 0",
    holds=lambda case: case.amplitude != 0,
    broken=lambda rng: Model(*BELOW, L1, L2, amplitude=sympy.Integer(0)),
)
FOR_EVER = Hypothesis(
    "zeta1 -> infinity",
    holds=lambda case: case.reach == sympy.oo,
    broken=lambda rng: Model(*TWO, sympy.Integer(0), sympy.Integer(0), reach=sympy.Integer(1)),
)
UNTIED = Hypothesis("g is not 2/(C - 2)", holds=_away, broken=lambda rng: Model(*TIE, L1, L2))

CLAIMS = (
    Claim(
        id="sec32.self-duality-automatic",
        sentence="For all l1, l2 >= 0, s > 0 and zeta1 -> infinity, the limits of the normalised h~ and W are "
        "proportional: h~ = kappa W, kappa = s sigma/(s l1 + w2(sigma)). sigma = sigma1 > 0 for 0 < g < 2/(C - 2) or "
        "C = 2, and sigma = sigma2 < 0 for larger g, if the start has the part that grows fastest. And pi_h^+ pi_w^- "
        "+ pi_h^- pi_w^+ = 0 always.",
        formula=r"\tilde{H} \to \kappa W, \quad \kappa = \frac{s\sigma}{s\lambda_1 + w_2(\sigma)}, \quad "
        r"\pi_h^+ \pi_w^- + \pi_h^- \pi_w^+ = 0",
        source="against the condition after Corollary 5, p. 11",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="the flow's equation (12) and the order of all exponents, for all C, N, p, g, s, l1, l2",
        check=self_duality,
        cases=decaying_cases,
        lever=Change("kappa", MOVED),
        hypotheses=(PRESENT, UNTIED, FOR_EVER),
    ),
    Claim(
        id="sec32.threshold-general",
        sentence="For all l1, l2 >= 0, every s > 0 and zeta1 -> infinity, the norm of Z tends to 0, to a finite "
        "value > 0, or to infinity as l1 l2 is above, at, or below sigma1^2, if 0 < g < 2/(C - 2) or C = 2, the last "
        "two from starts with sigma1 h~ P + (s l1 + w2) W P != 0; for g > 2/(C - 2) with sigma2 and J instead of "
        "sigma1 and P.",
        formula=r"\|Z(t)\| \to 0, \; \text{finite}, \; \infty \quad \text{as} \quad "
        r"\lambda_1 \lambda_2 >, =, < \max(\sigma_1, |\sigma_2|)^2",
        source="Corollary 5 without lambda1 = lambda2",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="the flow's equation (12) and the signs of all exponents, for all C, N, p, g, s, l1, l2",
        check=threshold,
        cases=decaying_cases,
        lever=Change("the threshold sigma^2", MOVED),
        hypotheses=(PRESENT, UNTIED, FOR_EVER),
    ),
    Claim(
        id="sec32.minority-collapse.printed",
        sentence="With two or more classes of the largest size and 0 < g < 2/(C - 2), more feature decay l1 at fixed "
        "l2 never makes the features of the small classes vanish faster, in proportion to those of the large ones.",
        formula=r"\lambda_1 < \lambda_1' \Rightarrow \left(w_2(\sigma_h) - w_2(\sigma_b)\right)(\lambda_1') \leq "
        r"\left(w_2(\sigma_h) - w_2(\sigma_b)\right)(\lambda_1)",
        source="Section 3.2, p. 12 (mitigation, read as a rate)",
        page=12,
        form="printed",
        expected=Verdict.REFUTED,
        strength=Strength.WITNESS,
        reference="the dense flow of the imbalanced problem, exponentiated in balls at two late times",
        check=collapse_printed,
        cases=collapse_cases,
        repair=Change("the least s l1/l2 that feature decay is increased from", to=1.0, stated=0.0),
        hypotheses=(
            Hypothesis("two or more classes have the largest size", holds=lambda case: case.heads >= 2),
            Hypothesis("0 < g < 2/(C - 2)", holds=lambda case: 0 < case.gamma * (len(case.sizes) - 2) < 2),
        ),
        picture=draw_collapse,
    ),
    Claim(
        id="sec32.minority-collapse.corrected",
        sentence="For singular values head > between > 0 of M, the gap w2(head) - w2(between) is positive for all "
        "l1, l2 >= 0, falls strictly as |s l1 - l2| grows, and is sqrt(s) (head - between) at s l1 = l2.",
        formula=r"w_2(\sigma_h) - w_2(\sigma_b) = \frac{\sqrt{d^2 + 4s\sigma_h^2} - \sqrt{d^2 + 4s\sigma_b^2}}{2}, "
        r"\quad d = s\lambda_1 - \lambda_2",
        source="Section 3.2, p. 12",
        page=12,
        form="corrected",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="the characteristic polynomials of the two 2 x 2 systems, for all s, l1, l2, head, between",
        check=collapse_corrected,
        cases=lambda rng, x: (Pair(BETWEEN + MORE, BETWEEN),),
        lever=Change("the value at s l1 = l2", MOVED),
        hypotheses=(
            Hypothesis(
                "head > between",
                holds=lambda case: (case.head - case.between).is_positive,
                broken=lambda rng: Pair(BETWEEN, BETWEEN),
            ),
        ),
    ),
)
