r"""Random starts: what Gaussian initialisation leaves in the limit of the unconstrained model.

H0 has independent N(0, sh^2) entries, W0 N(0, sw^2), classes are balanced. For 0 < g < 2/(C-2) the class part of the
limit direction is X = (W0 + h~0/sqrt s)P/2, with P the centring: a p x C Gaussian matrix, centred over classes.

NC2: let X have unit variance before centring, and G = X'X. By Isserlis' theorem the mean of a product of traces tr(G^m)
is a sum over pairings of the X, each of which contributes p to the number of its loops over features times C-1 to the
number of its loops over classes. The relative variances of tr G and tr G^2 tend to 0 as C grows, so
tr G/(sqrt(C-1) |G|) -> sqrt(p/(p+C)), and NC2 = |G/|G| - P/sqrt(C-1)| is sqrt(2 - 2 of that).

Accuracy: in the limit every sample of class y is at x_y, and class c beats y iff x_y.(x_c - x_y) > 0. Entry by entry
x_c - x_y and x_y have the correlation -r, r^2 = C/(2(C-1)). Given |x_y| the inner product is Gaussian, so the
probability is the mean of Q(r |u|/sqrt(1-r^2)) over a standard Gaussian vector u: half a regularised incomplete beta
function at 1 - r^2. A sum over pairs bounds the probability of any error. For C = 3 no two of the six ordered pairs go
wrong at once, since the two inner products sum to a quadratic form that is never positive: the bound is an equality.

Memory: x_c and the centred w_c(0) are Gaussian with correlation rho in each entry. Write the joint density of two such
vectors u and x in |u|, |x| and the angle between them: E cos is a ratio of two integrals.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import sympy
from flint import acb, arb, ctx
from scipy.linalg import expm
from scipy.special import gamma, hyp2f1, roots_legendre

from theorems import balls
from theorems.claim import MOVED, Change, Claim, Hypothesis
from theorems.evidence import both, enclosed, enclosed_at_most, measured, symbolic
from theorems.instance import Instance, class_major, label_operator
from theorems.random_limit import sampled, surely
from theorems.verdict import Evidence, Strength, Verdict

C, F = sympy.symbols("C p", positive=True)  # classes and features

BITS = 160
FOLDS = 40  # by which e-fold the limit has outgrown everything else at the late time
SETTLED = 1e-9  # what is left at the late time is e^-40, the quadratures are exact to 1e-12; a lever is at 1e-3
BEYOND = 45  # standard deviations: what an integral over a chi variable loses there is below e^-900
ROUNDING = 1e-12  # of sums of 240 x 240 float64 terms, and of the dense exponential; measured 1e-14
NODES = 240  # of the quadrature in each direction; half of them give the error


@dataclass(frozen=True)
class Start:
    """Sizes, gamma, s, and the standard deviations of the entries of H0 and W0."""

    classes: int
    per_class: int
    features: int
    gamma: float
    ratio: float
    spread_h: float
    spread_w: float

    @property
    def samples(self) -> int:
        """C N."""
        return self.classes * self.per_class

    @property
    def late(self) -> float:
        """A time at which one pair of modes has outgrown the other by FOLDS e-folds."""
        c, g = self.classes, self.gamma
        gap = abs(1 + g - abs(1 + g - g * c)) / (c * math.sqrt(self.per_class))
        return FOLDS / (gap * math.sqrt(self.ratio))

    @property
    def variances(self) -> list[float]:
        """The variance of every entry of a row of (H0, W0)."""
        return [self.spread_h**2] * self.samples + [self.spread_w**2] * self.classes

    @property
    def labels(self) -> tuple[int, ...]:
        """The class of every sample."""
        return class_major([self.per_class] * self.classes)


def _starts(rng: np.random.Generator, sizes: Iterable[tuple[int, int, int]]) -> Iterable[Start]:
    for classes, per_class, features in sizes:
        share, ratio = rng.uniform(0.2, 0.8), float(rng.choice([0.4, 0.7, 1.6, 2.5]))
        window = 2 / (classes - 2) if classes > 2 else 1.0
        spread_h, spread_w = (float(one) for one in rng.uniform(0.6, 1.5, 2))
        yield Start(classes, per_class, features, float(share * window), ratio, spread_h, spread_w)


def _above(rng: np.random.Generator) -> Start:
    return Start(4, 2, 3, 2.0, float(rng.choice([0.4, 2.5])), 0.7, 1.2)


def pairings(items: Sequence[int]) -> Iterable[list[tuple[int, int]]]:
    """Yield all ways of pairing an even number of things."""
    if not items:
        yield []
        return
    for k in range(1, len(items)):
        rest = [*items[1:k], *items[k + 1 :]]
        yield from ([(items[0], items[k]), *one] for one in pairings(rest))


def moment(traces: Sequence[int]) -> sympy.Expr:
    """Return E prod tr(G^m) over m in ``traces`` for G = P X'X P, X with unit Gaussian entries, by Isserlis' theorem.

    tr(G^m) is a ring of m matrices X', X with P between: X number 2j and 2j+1 share a feature, 2j+1 and the next
    even number of the ring share a P. A pairing of the X joins features with features and classes with classes.
    """
    across, along, first = {}, {}, 0
    for m in traces:
        ring = range(first, first + 2 * m)
        for j in range(m):
            one, other, following = ring[2 * j], ring[2 * j + 1], ring[(2 * j + 2) % (2 * m)]
            across |= {one: other, other: one}
            along |= {other: following, following: other}
        first += 2 * m
    total = sympy.Integer(0)
    for pairing in pairings(range(first)):
        partner = dict(pairing) | {b: a for a, b in pairing}
        # P is a projection: a loop of any number of them has the trace C - 1.
        total += F ** _loops(across, partner) * (C - 1) ** _loops(along, partner)
    return total


def _loops(one: dict[int, int], other: dict[int, int]) -> int:
    """Return how many loops alternate between two pairings."""
    left, count = set(one), 0
    while left:
        count, at = count + 1, next(iter(left))
        while at in left:
            left -= {at, one[at]}
            at = other[one[at]]
    return count


def nc2(case: None, x: float) -> Evidence:
    """Judge the moments, that both traces settle as C grows, and what NC2 then is; ``x`` scales the C in p + C."""
    scale = sympy.nsimplify(x)
    first, second = F * (C - 1), F * (C - 1) * (F + scale * C)
    trace, square = moment([1]), moment([2])
    spreads = [moment([1, 1]) / trace**2 - 1, moment([2, 2]) / square**2 - 1]
    width = sympy.Symbol("k", positive=True)
    settle = [sympy.limit(sympy.cancel(one.subs(F, kind)), C, sympy.oo) for one in spreads for kind in (F, width * C)]
    cosine = trace / sympy.sqrt((C - 1) * square)
    # At C = 2, tr G is a chi-squared variable with p degrees of freedom, and tr G^2 its square.
    chi = F * (F + 2) * (F + 4) * (F + 6) - moment([2, 2]).subs(C, 2)
    return symbolic(trace - first, square - second, chi, *settle, sympy.simplify(cosine**2 - F / (F + scale * C)))


def accuracy_cases(rng: np.random.Generator, x: float) -> Iterable[Start]:
    """Yield several sizes, C = 3 among them."""
    yield from _starts(rng, ((3, 1, 2), (3, 2, 4), (4, 2, 3), (6, 1, 5), (10, 1, 16)))


def accuracy(case: Start, x: float) -> Evidence:
    """Judge the number of wrong pairs by a Gaussian integral at the late time; ``x`` scales the argument of I."""
    c, p = case.classes, case.features
    with ctx.workprec(BITS):
        found = c * (c - 1) * _beaten(p, _late_correlation(case))
        argument = arb(x) * (c - 2) / (2 * (c - 1))
        expected = arb(c * (c - 1)) / 2 * argument.beta_lower(arb(p) / 2, arb(1) / 2, regularized=True)
        where = f"C = {c}, p = {p}: {float(found):.9g} wrong pairs, predicted {float(expected):.9g}"
        pieces = [enclosed(found / expected - 1, SETTLED, where)]
        if c == 3:
            pieces = [enclosed_at_most(arb(one), 0.0, "two wrong pairs at once") for one in _together()] + pieces
        return both(*pieces)


def _late_correlation(case: Start) -> arb:
    """Return the correlation of an entry of the first feature with that of w_1 - w_0, by the dense exponential."""
    n, c, zero = case.samples, case.classes, arb(0)
    operator = label_operator(case.labels, c, arb(case.gamma), arb(1))
    late = (balls.generator(operator, case.ratio) * arb(case.late)).exp()
    feature = [late[k, 0] for k in range(n + c)]
    ahead = [late[k, n + 1] - late[k, n] for k in range(n + c)]
    weights = [arb(one) for one in case.variances]

    def inner(first: list[arb], second: list[arb]) -> arb:
        return sum((w * a * b for w, a, b in zip(weights, first, second, strict=True)), zero)

    return inner(feature, ahead) / (inner(feature, feature) * inner(ahead, ahead)).sqrt()


def _beaten(features: int, correlation: arb) -> arb:
    """Return P(u.v > 0) for vectors of standard Gaussians with a correlation: given |u|, u.v/|u| is Gaussian."""
    slope = acb(-correlation / (1 - correlation**2).sqrt() / arb(2).sqrt())

    def density(r: acb, _: bool) -> acb:
        return r ** (features - 1) * (-r * r / 2).exp() * (slope * r).erfc() / 2

    unit = arb(2) ** (1 - arb(features) / 2) / (arb(features) / 2).gamma()
    return unit * acb.integral(density, 0, BEYOND).real


def _together() -> list[int]:
    """Return numbers that are all <= 0 iff no two of the six pairs of three centred vectors can be wrong at once.

    With x_3 = -x_1 - x_2 everything is a a + b b + c d in a = |x_1|^2, b = |x_2|^2, d = x_1.x_2, and such a form is
    never positive iff its coefficients at a and b are not, and c^2 <= 4 a b.
    """
    vectors = ((1, 0), (0, 1), (-1, -1))

    def inner(u: Sequence[int], v: Sequence[int]) -> np.ndarray:
        return np.array([u[0] * v[0], u[1] * v[1], u[0] * v[1] + u[1] * v[0]])

    wrong = [inner(u, v) - inner(u, u) for u in vectors for v in vectors if u != v]
    found = []
    for one, other in combinations(wrong, 2):
        a, b, d = (int(entry) for entry in one + other)
        found += [a, b, d * d - 4 * a * b]
    return found


def memory_cases(rng: np.random.Generator, x: float) -> Iterable[Start]:
    """Yield several sizes."""
    yield from _starts(rng, ((2, 1, 2), (3, 2, 3), (4, 3, 5), (6, 1, 10), (5, 2, 40)))


def memory(case: Start, x: float) -> Evidence:
    """Judge E cos by a two-dimensional integral with the late correlation; ``x`` scales 2/p."""
    p = case.features
    rho = 1 / math.sqrt(1 + case.spread_h**2 / (case.ratio * case.spread_w**2))
    ratio = gamma((p + 1) / 2) / gamma(p / 2)
    expected = x * rho * 2 / p * ratio**2 * hyp2f1(0.5, 0.5, p / 2 + 1, rho**2)
    found, half = (_mean_cosine(p, _remembered(case), nodes) for nodes in (NODES, NODES // 2))
    where = f"C = {case.classes}, p = {p}: E cos = {found:.9f}, predicted {expected:.9f}"
    return measured(abs(found - expected), abs(found - half) + ROUNDING, SETTLED, where)


def _remembered(case: Start) -> float:
    """Return the correlation of an entry of w_0 at the late time with that of the centred w_0 at the start."""
    n, c = case.samples, case.classes
    nothing = np.zeros((1, n)), np.zeros((1, c)), np.zeros(c)
    instance = Instance(case.labels, case.gamma, case.ratio, *nothing)
    late = expm(instance.generator * case.late)[:, n]
    early = np.concatenate([np.zeros(n), (np.arange(c) == 0) - 1 / c])
    weights = np.array(case.variances)
    return float(weights @ (late * early) / np.sqrt((weights @ late**2) * (weights @ early**2)))


def _mean_cosine(features: int, rho: float, nodes: int) -> float:
    """Return E cos(u, x) for vectors of standard Gaussians with correlation rho.

    The density in the angle psi and in |u| = l cos(t/2), |x| = l sin(t/2), with l integrated out, is
    sin(psi)^(p-2) sin(t)^(p-1)/(1 - rho sin(t) cos(psi))^p; its own integral normalises it.
    """
    at, weight = roots_legendre(nodes)
    psi, t = np.meshgrid(np.pi / 2 * (1 + at), np.pi / 2 * (1 + at))
    density = np.sin(psi) ** (features - 2) * np.sin(t) ** (features - 1)
    density *= ((1 - rho) / (1 - rho * np.sin(t) * np.cos(psi))) ** features * np.outer(weight, weight)
    return float(np.sum(density * np.cos(psi)) / np.sum(density))


def draw_accuracy(figure: Any) -> None:
    """Draw the share of random starts whose limit classifies all samples rightly, beside the bound."""
    rng, draws, axes = np.random.default_rng(0), 4000, figure.subplots()
    for classes, marker, colour in ((3, "o", "#0072B2"), (5, "s", "#D55E00"), (10, "^", "#009E73")):
        sizes = np.array([2, 4, 8, 12, 16, 24, 32])
        shares = [np.mean(sampled(rng, classes, p, draws).wrong == 0) for p in sizes]
        axes.plot(sizes, surely(classes, sizes), "-", color=colour)
        axes.plot(sizes, shares, marker, color=colour, label=f"C = {classes}")
    axes.set(
        xlabel="features p", ylabel="P(accuracy 1)", title=f"Random starts: {draws} draws (marks), lower bound (lines)"
    )
    axes.legend()


def _window(case: Start) -> bool:
    return case.gamma > 0 and (case.classes == 2 or case.gamma < 2 / (case.classes - 2))


WINDOW = Hypothesis("0 < g < 2/(C-2), or C = 2", _window, _above)

CLAIMS = (
    Claim(
        id="random-start.nc2",
        sentence="For a Gaussian p x C matrix X of unit variance, centred over classes, G = X'X has E tr G = p(C-1) "
        "and E tr G^2 = p(C-1)(p+C) exactly; both settle as C grows with p fixed or p/C fixed, so its NC2 is "
        "~ sqrt(2 - 2 sqrt(p/(p+C))). From a Gaussian start with 0 < g < 2/(C-2) at every C, X of the limit of the "
        "unconstrained model (Corollary 3) is such a matrix, but for its scale.",
        formula=r"E\,\text{tr}\,G = p(C-1), \quad E\,\text{tr}\,G^2 = p(C-1)(p+C), \quad "
        r"\text{NC2} \sim \sqrt{2 - 2 \sqrt{\frac{p}{p+C}}}",
        source="not in the paper",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="Isserlis' theorem: all pairings of two, four and eight Gaussian matrices, for all p and C",
        check=nc2,
        lever=Change("the C in p + C", MOVED),
    ),
    Claim(
        id="random-start.accuracy",
        sentence="From a Gaussian start, 0 < g < 2/(C-2), the limit of the unconstrained model gets C(C-1)/2 times "
        "I((C-2)/(2C-2); p/2, 1/2) ordered pairs of classes wrong on average, I the regularised incomplete beta "
        "function; all samples are right with at least one minus that as probability, exactly that if C = 3.",
        formula=r"E[\#\text{wrong pairs}] = \frac{C(C-1)}{2} "
        r"I_{\frac{C-2}{2(C-1)}}\left(\frac{p}{2}, \frac{1}{2}\right) \ge 1 - P(\text{accuracy } 1)",
        source="not in the paper",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.ENCLOSED,
        reference="dense exponential at a late time, a Gaussian integral, and for C = 3 six quadratic forms, in balls",
        check=accuracy,
        cases=accuracy_cases,
        lever=Change("the argument of I", MOVED),
        hypotheses=(WINDOW,),
        picture=draw_accuracy,
    ),
    Claim(
        id="random-start.memory",
        sentence="From a Gaussian start, 0 < g < 2/(C-2) or C = 2, the mean cosine between the limit of a prototype "
        "and its own centred start is the hypergeometric expression below, whatever N.",
        formula=r"E \cos = \frac{2 \rho}{p} \left(\frac{\Gamma(\frac{p+1}{2})}{\Gamma(\frac{p}{2})}\right)^2 "
        r"{}_2F_1\left(\frac{1}{2}, \frac{1}{2}; \frac{p}{2} + 1; \rho^2\right), \quad "
        r"\rho = \frac{1}{\sqrt{1 + \sigma_h^2/(s \sigma_w^2)}}",
        source="not in the paper",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.NUMERICAL,
        reference="dense exponential at a late time, and the joint density of two Gaussian vectors, by quadrature",
        check=memory,
        cases=memory_cases,
        lever=Change("the factor 2/p", MOVED),
        hypotheses=(WINDOW,),
    ),
)
