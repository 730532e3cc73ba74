r"""Figure 8: does a larger ratio of the rates converge faster?

Setting of the figure: g = 1/(C - 1), so sigma2 = 0, and lambda1 = lambda2 = lambda* = (1 + g)/(C sqrt N);
s = eta1/eta2, and time is zeta2, the prototypes' clock (the figure has eta2 constant).

The exponents are then 0 and -lambda (1 + s) on the contrasts, -s lambda for the features' mean and within classes, and
-lambda for the prototypes' mean. The slowest error of Z/|Z| dies at the rate lambda min(s, 1): proportional to s as far
as the figure goes (s <= 1), and the same for every s >= 1, where the prototypes' mean is the slowest.

What the figure plots, though, is H/|H| and W/|W| separately (panels b and c). With sigma2 = 0 their means do not meet:
the error of H/|H| dies at the rate s lambda for every s, that of W/|W| at lambda whatever s is. Both from one line:
what stays of H is on the contrasts, the part that fades slowest is orthogonal to it, so with u = e^(-s lambda zeta)

    sin^2(H, its limit) = u^2 (|mean part|^2 + |scatter|^2)/|limit|^2 + smaller terms,

and the same for W with e^(-lambda zeta) and without scatter.

The caption gives no lambda; lambda* is inferred from norms that settle. That nothing is gained beyond s = 1 is special
to g = 1/(C - 1): for 0 < |sigma2| < sigma1 the rate at lambda* is (lambda (1 + s) - sqrt(lambda^2 (1 - s)^2 +
4 s sigma2^2))/2, for H, W and Z alike, and rises strictly with s. The plotted curves are of that kind: in panel (c) the
slope depends on s and is, read off per step in 1e-4, about 0.59, 1.2, 5.0 and 8 for s = 0.05, 0.1, 0.5 and 1. With
eta2 = 0.5 the flow of g = 0.005 has 0.59, 1.16, 5.01 and 7.91; that of g = 1/(C - 1) would have 16.0 for all of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import sympy
from flint import arb, arb_mat, ctx
from sympy import Matrix, Rational, symbols

from theorems import balls
from theorems.algebra import Split, generator
from theorems.claim import MOVED, REVERSED, Change, Claim, Hypothesis
from theorems.evidence import both, counterexample, enclosed_at_most, never_negative, positive, symbolic
from theorems.instance import Instance, label_operator, random_instance
from theorems.system import determinant
from theorems.verdict import Evidence, Strength, Verdict

Scalar = Any
C, N = symbols("C N", integer=True, positive=True)
U = symbols("u", positive=True)
STAYS, FALLS, MEAN, SCATTER = symbols("x2 y2 m2 r2", positive=True)  # squared norms of parts of a start
CROSS = symbols("xy", real=True)

RATIOS = (Fraction(1, 100), Fraction(1, 20), Fraction(1, 10), Fraction(1, 2), Fraction(1))  # those of the figure
SOURCE = "Figure 8, p. 48 (read for Z/|Z|; the figure plots H/|H| and W/|W|, and gives no lambda)"
NATS = 40.0  # the distance from the limit has fallen by e^-40 at the first time, e^-80 at the second
BITS = 400
STRICTLY = 1.01  # the smallest factor that counts as faster; neighbours in the figure differ by 2 at least


@dataclass(frozen=True, eq=False)
class Start:
    """A random start, followed with two ratios of the rates; ``gamma`` and ``decay`` are in the figure's units.

    The figure has gamma = 1, meaning 1/(C - 1), and decay = 1, meaning lambda*.
    """

    instance: Instance
    small: Fraction
    large: Fraction
    gamma: int = 1
    decay: int = 1

    @property
    def numbers(self) -> tuple[arb, arb]:
        """Return g and lambda as balls."""
        classes, gamma = self.instance.classes, self.gamma * arb(1) / (self.instance.classes - 1)
        return gamma, self.decay * (1 + gamma) / (classes * arb(self.instance.per_class).sqrt())


def _at(start: Start, ratio: arb, zeta: arb) -> arb_mat:
    """Return Z/|Z| from the dense generator of eq. (12)."""
    instance, (gamma, decay) = start.instance, start.numbers
    operator = label_operator(instance.labels, instance.classes, gamma, arb(1))
    return balls.unit(balls.exact(instance.state) * (balls.generator(operator, ratio, decay, decay) * zeta).exp())


def measured_rate(start: Start, ratio: Fraction) -> arb:
    """Return how fast |Z/|Z| - its limit| dies, from two late times; Z three times as late stands for the limit."""
    with ctx.workprec(BITS):
        s = balls.ball(ratio)
        times = [k * NATS / (start.numbers[1] * min(s, arb(1))) for k in (1, 2, 6)]
        near, far, limit = (_at(start, s, time) for time in times)
        logs = [balls.norm(one - limit).log() for one in (near, far)]
        return (logs[0] - logs[1]) / (times[1] - times[0])


def figure_cases(rng: np.random.Generator, x: float) -> Iterator[Start]:
    """Yield neighbouring ratios of the figure, from random starts of several sizes."""
    for shape, pair in zip(((2, 2, 3), (3, 2, 2), (4, 1, 3), (5, 2, 4)), pairwise(RATIOS), strict=True):
        yield Start(random_instance(rng, shape[1], shape[0], shape[2]), *pair)


def faster(case: Start, x: float) -> Evidence:
    """Judge that the larger ratio has the larger rate; ``x`` = -1 turns the inequality round."""
    slow, fast = measured_rate(case, case.small), measured_rate(case, case.large)
    text = f"s = {case.small}: rate {float(slow.mid()):.5g}; s = {case.large}: rate {float(fast.mid()):.5g}"
    return enclosed_at_most(slow * STRICTLY - fast if x > 0 else fast * STRICTLY - slow, 0.0, text)


@dataclass(frozen=True)
class Exact:
    """Two ratios of the rates in a problem with rational numbers throughout: N = 1."""

    classes: int
    small: Rational
    large: Rational


def extended_cases(rng: np.random.Generator, x: float) -> Iterator[Exact]:
    """Yield pairs of ratios; only those up to 1 at x = 1, beyond that too, and first, at x = 2."""
    one = sympy.Integer(1)
    pairs = [(one, 2 * one), (one / 2, one), (one / 5, one / 3), (one * 2, one * 7)]
    for classes in (2, 3):
        yield from (Exact(classes, *pair) for pair in pairs if x > 1 or pair[1] <= 1)


@cache
def exact_rate(classes: int, ratio: Rational) -> Rational:
    """Return the distance of the largest eigenvalue of the dense generator from the next, in rationals."""
    gamma = Rational(1, classes - 1)
    decay = (1 + gamma) / classes
    operator = Matrix(label_operator(range(classes), classes, gamma, sympy.Integer(1)))
    fall, rest = sympy.eye(classes) * -ratio * decay, sympy.eye(classes) * -decay
    dense = Matrix(sympy.BlockMatrix([[fall, operator.T], [ratio * operator, rest]]))
    top, following, *_ = sorted(dense.eigenvals(), reverse=True)
    return top - following


def strictly_faster(case: Exact, x: float) -> Evidence:
    """Judge that the larger ratio has the strictly larger rate. The gap counts: 1 for a pair that has not."""
    slow, fast = exact_rate(case.classes, case.small), exact_rate(case.classes, case.large)
    text = f"C = {case.classes}, N = 1: the top eigenvalue leads by {slow} at s = {case.small}, "
    return counterexample(int(bool(fast <= slow)), text + f"and by {fast} at s = {case.large}")


@dataclass(frozen=True)
class Model:
    """s, and g and lambda in units of 1/(C - 1) and of lambda*."""

    ratio: Scalar
    gamma: int = 1
    decay: int = 1


def _in_decays(model: Model) -> Split:
    """Return the generator per unit of lambda zeta2."""
    gamma = model.gamma / (C - 1)
    decay = model.decay * (1 + gamma) / (C * sympy.sqrt(N))
    flow = generator(C, N, gamma, model.ratio, decay, decay) * (1 / decay)
    return flow.map(lambda one: sympy.cancel(sympy.powdenest(one)))


def rate_cases(rng: np.random.Generator, x: float) -> Iterator[Model]:
    """Yield all s < 1, s = 1, all s > 1."""
    for ratio in (1 / (1 + U), sympy.Integer(1), 1 + U):
        yield Model(ratio)


def rate(case: Model, x: float) -> Evidence:
    """Judge that the slowest exponent is lambda min(s, 1), for all C and N; ``x`` scales it."""
    s = case.ratio
    below = bool((s - 1).subs(U, 1) < 0)
    claimed = sympy.nsimplify(x) * (s if below else 1)  # in units of lambda
    flow = _in_decays(case)
    contrast, mean = flow.contrast, flow.mean
    # So the contrasts have the exponents 0 and -(1 + s), and each mean and each deviation its own.
    spectrum = symbolic(sympy.simplify(determinant(contrast)), contrast.trace() + 1 + s, mean[0, 1], mean[1, 0])
    slowest = -mean[0, 0] if below else -mean[1, 1]
    lags = [1 + s, -mean[0, 0], -mean[1, 1], *(-one for one in flow.within)]
    return both(spectrum, symbolic(slowest - claimed), never_negative(*[sympy.cancel(lag - slowest) for lag in lags]))


@dataclass(frozen=True)
class Fading:
    """H or W of the model, and the inner products of the start, with h~P = (X + s Y)/(1 + s) and W P = (X - Y)/(1 + s).

    ``stays`` = |X|^2, ``falls`` = |Y|^2, ``cross`` = <X, Y>; ``mean`` and ``scatter`` are the squared norms of the
    part's mean over the classes and of what varies within them (none for W).
    """

    model: Model
    prototypes: bool
    stays: Scalar = STAYS
    falls: Scalar = FALLS
    cross: Scalar = CROSS
    mean: Scalar = MEAN
    scatter: Scalar = SCATTER

    @property
    def gamma(self) -> int:
        """Return g in units of 1/(C - 1)."""
        return self.model.gamma

    @property
    def decay(self) -> int:
        """Return lambda in units of lambda*."""
        return self.model.decay


def panels_cases(rng: np.random.Generator, x: float) -> Iterator[Fading]:
    """Yield H and W, for all s > 0 and all starts with every part."""
    yield Fading(Model(U), prototypes=False)
    yield Fading(Model(U), prototypes=True, scatter=sympy.Integer(0))


def panel(case: Fading, x: float) -> Evidence:
    """Judge that sin^2 of the angle to the limit is fade^2 times a number > 0 in the end; ``x`` scales the rate."""
    s, flow, column = case.model.ratio, _in_decays(case.model), int(case.prototypes)
    slow, quick = symbols("slow quick", positive=True)  # e^(-rate zeta) of this part's mean and of the other's
    # On the contrasts e^(zeta flow) = kept + slow quick (I - kept); on the means it is diagonal.
    kept = Matrix([[1, 1], [s, s]]) / (1 + s)
    solves = symbolic(*(kept * flow.contrast), *((sympy.eye(2) - kept) * (flow.contrast + (1 + s) * sympy.eye(2))))
    apart = symbolic(flow.mean[0, 1], flow.mean[1, 0], flow.mean.trace() + 1 + s, flow.within[0] - flow.mean[0, 0])
    moved = (kept + slow * quick * (sympy.eye(2) - kept))[:, column]
    basis = Matrix([[1, s], [1, -1]]) / (1 + s)  # (h~P, W P) from (X, Y)
    gram = basis * Matrix([[case.stays, case.cross], [case.cross, case.falls]]) * basis.T
    now, end, between = (
        (a.T * gram * b)[0] for a, b in ((moved, moved), (kept[:, column],) * 2, (moved, kept[:, column]))
    )
    square = now + slow**2 * (case.mean + case.scatter)
    sine = sympy.cancel((square * end - between**2) / slow**2)  # sin^2 |part|^2 |limit|^2, without its fade^2
    rate = sympy.nsimplify(x) * (1 if case.prototypes else s)  # in units of lambda
    return both(
        solves,
        apart,
        symbolic(sympy.cancel(-flow.mean[column, column] - rate)),
        positive(end, sine.subs({slow: 0, quick: 0})),
    )


def draw_rates(figure: Any) -> None:
    """Draw the rate against s: lambda min(s, 1), and what is measured on a random start."""
    instance = random_instance(np.random.default_rng(8), 2, 4, 3)
    ratios = [*RATIOS, Fraction(2), Fraction(5), Fraction(20)]
    found = []
    for ratio in ratios:
        start = Start(instance, ratio, ratio)
        found.append(float((measured_rate(start, ratio) / start.numbers[1]).mid()))
    axes, line = figure.subplots(), np.geomspace(0.01, 20, 200)
    axes.loglog(line, np.minimum(line, 1), color="#0072b2", lw=2, label="min(s, 1)")
    axes.loglog(ratios, found, "o", color="black", ms=5, label="measured on a random start")
    axes.axvspan(0.01, 1, color="#e8e8e8", zorder=0, label="range of Figure 8")
    axes.set(xlabel="s = eta1/eta2", ylabel="rate / lambda*", title="A larger s is faster, but only up to s = 1")
    axes.legend(frameon=False)


def _panel_slopes(start: Start) -> list[float]:
    """Return how fast the errors of H/|H| and W/|W| die, in units of lambda*, measured between two late times."""
    with ctx.workprec(BITS):
        s, decay = balls.ball(start.small), start.numbers[1]
        slopes = []
        for part, rate in enumerate((s, arb(1))):
            times = [k * NATS / (decay * rate) for k in (1, 2, 6)]
            near, far, limit = (
                balls.unit(balls.split(_at(start, s, time), start.instance.samples)[part]) for time in times
            )
            logs = [balls.norm(one - limit).log() for one in (near, far)]
            slopes.append(float(((logs[0] - logs[1]) / (times[1] - times[0]) / decay).mid()))
        return slopes


def draw_panels(figure: Any) -> None:
    """Draw the two rates against s, as claimed and as measured on a random start."""
    instance = random_instance(np.random.default_rng(8), 2, 4, 3)
    ratios = [Fraction(1, 10), Fraction(1, 2), Fraction(1), Fraction(2), Fraction(5)]
    found = np.array([_panel_slopes(Start(instance, one, one)) for one in ratios])
    axes, line = figure.subplots(), np.geomspace(0.08, 6, 50)
    for part, (name, rates, style, mark) in enumerate((("H", line, "-", "o"), ("W", line**0, "--", "s"))):
        color = ("#0072b2", "#d55e00")[part]
        axes.loglog(line, rates, style, color=color, lw=2, label=f"{name}/|{name}|")
        axes.loglog(ratios, found[:, part], mark, color=color, ms=6, mec="black")
    axes.set(xlabel="s = eta1/eta2", ylabel="rate / lambda*", title="The features gain from s, the prototypes do not")
    axes.legend(frameon=False, title="lines: claimed, marks: measured")


DECAY = Hypothesis(
    "lambda = lambda*",
    holds=lambda case: case.decay == 1,
    broken=lambda rng: Model(sympy.Integer(2), decay=2),
)
GAMMA = Hypothesis(
    "g = 1/(C - 1)",
    holds=lambda case: case.gamma == 1,
    broken=lambda rng: Model(sympy.Integer(2), gamma=2),
)


def _start(rng: np.random.Generator, **changes: int) -> Start:
    return Start(random_instance(rng, 1, 4, 3), RATIOS[-2], RATIOS[-1], **changes)


CLAIMS = (
    Claim(
        id="fig8.larger-s.range.printed",
        sentence="With g = 1/(C - 1) and lambda1 = lambda2 = lambda*, among s = 0.01, 0.05, 0.1, 0.5 and 1 a larger s "
        "makes the direction of the whole state, Z/|Z|, converge faster in zeta2.",
        formula=r"s < s' \in \{0.01, 0.05, 0.1, 0.5, 1\} \Rightarrow \omega(s) < \omega(s')",
        source=SOURCE,
        page=48,
        form="printed",
        expected=Verdict.SUPPORTED,
        strength=Strength.ENCLOSED,
        reference="the dense generator of eq. (12), exponentiated in balls at three late times",
        check=faster,
        cases=figure_cases,
        lever=Change("the direction of the inequality", REVERSED),
        hypotheses=(
            Hypothesis("g = 1/(C - 1)", lambda case: case.gamma == 1, lambda rng: _start(rng, gamma=2)),
            Hypothesis("lambda = lambda*", lambda case: case.decay == 1, lambda rng: _start(rng, decay=2)),
        ),
    ),
    Claim(
        id="fig8.larger-s.printed",
        sentence="With g = 1/(C - 1) and lambda1 = lambda2 = lambda*, a larger s makes the direction of the whole "
        "state, Z/|Z|, converge strictly faster in zeta2, for every s > 0.",
        formula=r"0 < s < s' \Rightarrow \omega(s) < \omega(s')",
        source=SOURCE + ", and beyond its range of s",
        page=48,
        form="printed",
        expected=Verdict.REFUTED,
        strength=Strength.WITNESS,
        reference="the exact eigenvalues of the dense generator of eq. (12)",
        check=strictly_faster,
        cases=extended_cases,
        repair=Change("the largest s allowed (2 stands for any)", to=1.0, stated=2.0),
        picture=draw_rates,
    ),
    Claim(
        id="fig8.larger-s.corrected",
        sentence="With g = 1/(C - 1) and lambda1 = lambda2 = lambda* = (1 + g)/(C sqrt N), the slowest error of "
        "the direction of the whole state, Z/|Z|, dies at the rate lambda* min(s, 1) in zeta2.",
        formula=r"\omega = \lambda^* \min(s, 1)",
        source=SOURCE,
        page=48,
        form="corrected",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="all exponents of the flow (12), for all C, N, s",
        check=rate,
        cases=rate_cases,
        lever=Change("lambda* min(s, 1)", MOVED),
        hypotheses=(DECAY, GAMMA),
    ),
    Claim(
        id="fig8.panels",
        sentence="With g = 1/(C - 1), lambda1 = lambda2 = lambda* and eta1 = s eta2, the error of H/|H| dies at the "
        "rate s lambda* in zeta2 for every s > 0, and that of W/|W| at lambda* whatever s is, if h~0 P + s W0 P is not "
        "0, nor the mean or scatter of the features, nor the mean of the prototypes.",
        formula=r"\left\| \frac{H}{\|H\|} - \lim \frac{H}{\|H\|} \right\| \sim a e^{-s \lambda^* \zeta_2}, \quad "
        r"\left\| \frac{W}{\|W\|} - \lim \frac{W}{\|W\|} \right\| \sim b e^{-\lambda^* \zeta_2}",
        source="new; what Figure 8, p. 48, plots",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="the flow (12) on the inner products of any start with every part, for all C, N, p, s",
        check=panel,
        cases=panels_cases,
        lever=Change("the rates s lambda* and lambda*", MOVED),
        hypotheses=(
            Hypothesis(DECAY.sentence, DECAY.holds, lambda rng: Fading(Model(U, decay=2), prototypes=False)),
            Hypothesis(GAMMA.sentence, GAMMA.holds, lambda rng: Fading(Model(U, gamma=2), prototypes=False)),
            Hypothesis(
                "h~0 P + s W0 P is not 0",
                holds=lambda case: case.stays != 0,
                broken=lambda rng: Fading(Model(U), False, stays=sympy.Integer(0), cross=sympy.Integer(0)),
            ),
            Hypothesis(
                "the mean of the prototypes is not 0, and the mean or the scatter of the features is not 0",
                holds=lambda case: case.mean + case.scatter != 0,
                broken=lambda rng: Fading(Model(U), False, mean=sympy.Integer(0), scatter=sympy.Integer(0)),
            ),
        ),
        picture=draw_panels,
    ),
)
