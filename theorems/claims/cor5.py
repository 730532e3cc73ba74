r"""Corollary 5: where the decaying flow goes, and how fast.

Notation: s = eta1/eta2, zeta = zeta2; sigma1 = (1 + g)/(C sqrt N), sigma2 = (1 + g - g C)/(C sqrt N); w1 < w2 the
eigenvalues of S(sigma) = [[-s lambda1, s sigma], [sigma, -lambda2]]; h~ = sqrt N times the class means, P removes the
mean over the classes. Z_pi is the printed limit: the contrasts' part with the factors pi of eq. (79).

Three cases: on the contrasts the flow is e^(w2 zeta) K + e^(w1 zeta) (I - K), and the printed Z_pi is Z0 K. All other
exponents are smaller than w2(sigma1): on the mean, because its characteristic polynomial and the slope of that are
positive at w2(sigma1) iff sigma1 > |sigma2|; within classes the exponent is -s lambda1. So |Z| behaves as e^(w2 zeta)
|Z_pi| if Z_pi != 0, and w2 has the sign of sigma1 - lambda. The check is free of roots in f = w2 + s lambda1 > 0, with
s = f (f + lambda2)/(lambda1 f + sigma1^2).

Why the printed case fails: nothing excludes Z_pi = 0. Then the growing exponential is absent, and the norm can vanish
although lambda < lambda* = sigma1.

The rate: the slowest error is e^((w2(|sigma2|) - w2(sigma1)) zeta), and it is there iff the start has a part that moves
like e^(w2(|sigma2|) zeta). The page divides this exponent once more by C sqrt N >= 2: a true bound, not the rate. Its
proof also exchanges the signs of omega2.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import sympy
from flint import arb, arb_mat, ctx
from sympy import Matrix, Rational, diag, eye, symbols

from theorems import balls
from theorems.algebra import Split, generator
from theorems.claim import MOVED, REVERSED, Change, Claim, Hypothesis
from theorems.evidence import both, counterexample, enclosed, enclosed_at_most, positive, symbolic
from theorems.instance import Instance, random_instance
from theorems.system import BELOW, BEYOND, SIGMA, TWO, Model, S, determinant
from theorems.verdict import Evidence, Strength, Verdict

Scalar = Any
LAMBDA, V = symbols("lambda v", positive=True)
INSIDE = (TWO, BELOW)  # all (C, g) with C = 2, or C > 2 and 0 < g < 2/(C - 2)

TOLERANCE = 1e-6  # relative, on a rate; what is left of the faster parts at the first time is below e^-45
NATS = 45.0  # by how many powers of e the faster parts have died at the first of the two times
APART = 0.15  # trials have their second slowest error at least this much faster than the slowest
PRESENT = 0.05  # Z_pi and Z0 are compared: below this share Z_pi is too small to be called present
BITS = 200  # of the balls, more where the times are late
SHAPES = ((2, 2, 3), (3, 1, 2), (4, 2, 3), (5, 1, 4))  # C, N, p
STRICTLY = 1.01  # a start without the slow part must be at least this much faster


def on_contrasts(plus: tuple[Scalar, Scalar], minus: tuple[Scalar, Scalar]) -> Matrix:
    """Return (h~, W) -> (sum of a^e H1^e, sum of b^e W1^e) for the factors (a, b) of the two subspaces, e = +, -."""
    total = sympy.zeros(2)
    for sign, factors in ((1, plus), (-1, minus)):
        total += Matrix([[1, sign], [sign, 1]]) * diag(*factors) / 2
    return total


def limit_factors(sigma: Scalar, drift: Scalar, w1: Scalar, w2: Scalar) -> list[tuple[Scalar, Scalar]]:
    """Return (pi_h, pi_w) of eq. (79) for + and -; ``sigma`` is (s sigma, sigma), ``drift`` is s lambda."""
    (strong, weak), gap = sigma, w2 - w1
    return [((e * strong - drift - w1) / gap, (drift + w2 + e * weak) / gap) for e in (1, -1)]


def three_cases(rng: np.random.Generator, x: float) -> Iterator[Model]:
    """Yield all C, g, s, N, lambda > 0, and lambda = 0."""
    for classes, gamma in INSIDE:
        for decay in (LAMBDA, sympy.Integer(0)):
            yield Model(classes, gamma, decay, decay)


def three_limits(case: Model, x: float) -> Evidence:
    """Judge the exponents, the limit Z_pi, and the sign of w2 for one model; ``x`` scales lambda*."""
    w1, w2 = case.exponents
    before, after = case.flow(), case.flow(case.turn)
    factors = limit_factors((case.ratio * SIGMA, SIGMA), case.ratio * case.decay_h, w1, w2)
    grown = on_contrasts(*factors).applyfunc(sympy.cancel)
    # A start with the amplitude k: u.(h~, W) = sigma1 h~ + f W = k.
    start = Matrix([[(case.amplitude - case.root) / SIGMA, 1]])
    ahead = determinant(w2 * eye(2) - before.mean), w2 - w1, w2 - before.within[0], (start * grown)[1]
    signs = [positive(w2)]  # without decay the norm grows
    if case.decay_h != 0:
        below, at, above = (w2.subs(LAMBDA, sympy.nsimplify(x) * SIGMA * share) for share in (1 / (1 + V), 1, 1 + V))
        signs = [symbolic(at), positive(below, -above)]
    return both(*_moves(grown, w1, w2, (before, after)), _for_ever(case), positive(*ahead), *signs)


def _for_ever(case: Model) -> Evidence:
    """Judge that e^(w zeta2) reaches its limit: what decays is gone only if the clock runs for ever."""
    return symbolic(1 / case.reach)


def _moves(grown: Matrix, w1: Scalar, w2: Scalar, flows: tuple[Split, ...]) -> Iterator[Evidence]:
    """Judge that the flow is e^(w2 zeta) grown + e^(w1 zeta) (I - grown) on the contrasts."""
    for part, w in ((grown, w2), (eye(2) - grown, w1)):
        for flow in flows:
            block = w * eye(2) - flow.contrast
            yield symbolic(
                *[sympy.cancel(part[i, 0] * block[0, j] + part[i, 1] * block[1, j]) for i in (0, 1) for j in (0, 1)]
            )


def critical_cases(rng: np.random.Generator, x: float) -> Iterator[Model]:
    """Yield lambda = lambda* for all C, g, s, N: then f = s sigma1."""
    for classes, gamma in INSIDE:
        yield Model(classes, gamma, SIGMA, SIGMA, S * SIGMA)


def critical_limit(case: Model, x: float) -> Evidence:
    """Judge the printed limit at lambda = lambda*; ``x`` scales (1 - s)/(1 + s)."""
    s = case.ratio
    factor = sympy.nsimplify(x) * (1 - s) / (1 + s)
    limit = on_contrasts((1, 1), (factor, -factor))
    flow, later, w1 = case.flow(), case.flow(case.turn), -SIGMA * (1 + s)
    dying = positive(-flow.mean.trace(), determinant(flow.mean), -flow.within[0], -w1)
    return both(*_moves(limit, w1, sympy.Integer(0), (flow, later)), _for_ever(case), dying)


def _allowed(classes: Scalar, gamma: Scalar) -> bool | None:
    return classes == 2 or sympy.cancel(2 - gamma * (classes - 2)).is_positive


SYMBOLIC_GAMMA = Hypothesis(
    "0 < g < 2/(C - 2), or C = 2",
    holds=lambda case: _allowed(case.classes, case.gamma),
    broken=lambda rng: Model(*BEYOND, SIGMA, SIGMA, S * SIGMA),
)
SYMBOLIC_RATIO = Hypothesis(
    "eta1/eta2 is constant",
    holds=lambda case: case.turn == 1,
    broken=lambda rng: Model(*INSIDE[0], SIGMA, SIGMA, S * SIGMA, turn=2),
)
SYMBOLIC_DECAYS = Hypothesis(
    "lambda1 = lambda2",
    holds=lambda case: sympy.cancel(case.decay_h - case.decay_w) == 0,
    broken=lambda rng: Model(*INSIDE[0], SIGMA, 2 * SIGMA, S * SIGMA),
)
SYMBOLIC_START = Hypothesis(
    "Z_pi is not 0",
    holds=lambda case: case.amplitude != 0,
    broken=lambda rng: Model(*INSIDE[0], LAMBDA, LAMBDA, amplitude=sympy.Integer(0)),
)
SYMBOLIC_CLOCK = Hypothesis(
    "zeta1 -> infinity",
    holds=lambda case: case.reach == sympy.oo,
    broken=lambda rng: Model(*INSIDE[0], SIGMA, SIGMA, S * SIGMA, reach=sympy.Integer(1)),
)
CRITICAL = Hypothesis(
    "lambda = (1 + g)/(C sqrt N)",
    holds=lambda case: sympy.cancel(case.decay_h - SIGMA) == 0,
    broken=lambda rng: Model(*INSIDE[0], 2 * SIGMA, 2 * SIGMA, S * SIGMA),
)


@dataclass(frozen=True, eq=False)
class Trial:
    """A start whose flow is followed by balls. ``turn`` multiplies s from zeta = 1 on."""

    instance: Instance
    turn: float = 1.0
    name: str = "a random start"

    @property
    def sigmas(self) -> tuple[arb, arb]:
        """Return (sigma1, |sigma2|)."""
        one = self.instance
        gamma, unit = arb(one.gamma), one.classes * arb(one.per_class).sqrt()
        return (1 + gamma) / unit, abs(1 + gamma - gamma * one.classes) / unit

    def exponents(self, sigma: arb) -> tuple[arb, arb]:
        """Return (w1, w2) of S(sigma)."""
        fall = arb(self.instance.ratio) * arb(self.instance.lambda_h)
        decay = arb(self.instance.lambda_w)
        root = ((fall - decay) ** 2 + 4 * arb(self.instance.ratio) * sigma**2).sqrt()
        return (-fall - decay - root) / 2, (-fall - decay + root) / 2

    @property
    def omega(self) -> arb:
        """Return w2(sigma1) - w2(|sigma2|), the rate under test."""
        strong, weak = self.sigmas
        return self.exponents(strong)[1] - self.exponents(weak)[1]

    def errors(self) -> list[float]:
        """Return how fast each part of the error dies, the slowest first: where to look, not what is judged."""
        strong, weak = self.sigmas
        top = self.exponents(strong)[1]
        others = [*self.exponents(weak), self.exponents(strong)[0]]
        fall = arb(self.instance.ratio) * arb(self.instance.lambda_h)
        return sorted({round(float(top - one), 12) for one in (*others, -fall)})

    def at(self, zeta: float) -> arb_mat:
        """Return Z from the dense generator of eq. (12): (H, W)' = (H, W) G."""
        if self.turn == 1.0:
            return self.instance.flow_enclosed(zeta)
        later = replace(self.instance, ratio=self.turn * self.instance.ratio).generator_enclosed()
        return self.instance.flow_enclosed(1) * (later * arb(zeta - 1)).exp()

    def limit(self) -> arb_mat:
        """Return Z_pi: eq. (79) with s lambda1 for s lambda."""
        one = self.instance
        spread, centre = balls.spread(one.labels, one.classes), balls.centring(one.classes)
        means, prototypes = balls.exact(one.features) * spread * centre, balls.exact(one.prototypes) * centre
        plus, minus = (prototypes + means) * arb(0.5), (prototypes - means) * arb(0.5)  # W1^+ and W1^-
        sigma, drift = self.sigmas[0], arb(one.ratio) * arb(one.lambda_h)
        (h_plus, w_plus), (h_minus, w_minus) = limit_factors((arb(one.ratio) * sigma, sigma), drift, *self.roots)
        features = (plus * h_plus - minus * h_minus) * spread.transpose()
        return balls.beside(features, plus * w_plus + minus * w_minus)

    @property
    def roots(self) -> tuple[arb, arb]:
        """Return (w1, w2) of sigma1."""
        return self.exponents(self.sigmas[0])

    @property
    def slow(self) -> arb:
        """Return the share of the start that moves like e^(w2(|sigma2|) zeta): of its means over the classes (E2).

        The exponent's column eigenvector on (h~, W) is (sigma2, w2 + s lambda1). At sigma2 = 0 the two move alone, and
        what varies within the classes (E3) moves as the features' mean does.
        """
        one = self.instance
        with ctx.workprec(BITS):
            h, w = balls.exact(one.features), balls.exact(one.prototypes)
            spread = balls.spread(one.labels, one.classes)
            mean = balls.identity(one.classes) - balls.centring(one.classes)
            tilde, fall, decay = h * spread, Fraction(one.ratio) * Fraction(one.lambda_h), Fraction(one.lambda_w)
            bias = 1 + Fraction(one.gamma) * (1 - one.classes)
            if bias:
                f = self.exponents(self.sigmas[1])[1] + balls.ball(fall)
                parts = [(tilde * (self.sigmas[1] if bias > 0 else -self.sigmas[1]) + w * f) * mean]
            else:
                features = [tilde * mean, h - tilde * spread.transpose()]
                parts = features * (fall <= decay) + [w * mean] * (decay <= fall)
            return balls.root(sum((balls.inner(part, part) for part in parts), arb(0))) / balls.norm(balls.beside(h, w))

    @property
    def present(self) -> bool:
        """Whether Z_pi, in proportion to Z0, is not small."""
        return bool(balls.norm(self.limit()) > PRESENT * float(np.linalg.norm(self.instance.state)))


def log_slope(trial: Trial) -> arb:
    """Return the slope of log |Z/|Z| - Z_pi/|Z_pi|| between two late times."""
    slowest, *_, fastest = died = trial.errors()
    first = NATS / min(abs(slowest), died[1] - slowest)
    with ctx.workprec(BITS + int(6 * first * (fastest + abs(float(trial.roots[1]))))):
        limit = balls.unit(trial.limit())
        logs = [balls.norm(balls.unit(trial.at(zeta)) - limit).log() for zeta in (first, 2 * first)]
        return (logs[1] - logs[0]) / arb(first)


def _draw(rng: np.random.Generator, shape: tuple[int, int, int], decays: tuple[float, float]) -> Instance:
    """Return a random start with 0 < g < 2/(C - 2), or C = 2; the decays are in units of sigma1."""
    classes, per_class, features = shape
    gamma = rng.choice([0.3, 2.5]) if classes == 2 else rng.choice([0.15, 0.3, 0.75, 0.9]) * 2 / (classes - 2)
    sigma = (1 + gamma) / (classes * np.sqrt(per_class))
    return random_instance(
        rng, per_class, classes, features, gamma=gamma, lambda_h=decays[0] * sigma, lambda_w=decays[1] * sigma
    )


def random_trials(rng: np.random.Generator, *, equal: bool) -> Iterator[Trial]:
    """Yield a trial of each shape whose errors die at clearly different speeds; lambda1 = lambda2 if ``equal``."""
    for shape in SHAPES:
        while True:
            decays = rng.choice([0.0, 0.3, 0.8, 1.0, 1.4], 2)
            trial = Trial(_draw(rng, shape, (decays[0], decays[0 if equal else 1])))
            died = trial.errors()
            clear = died[1] - died[0] > APART * died[0] and bool(trial.slow > PRESENT * float(trial.sigmas[0]))
            if clear and trial.present:
                yield trial
                break


def _whole(rng: np.random.Generator, instance: Instance, tie: int) -> Instance:
    """Return the instance with whole numbers for a start, the means over the classes of h~ and W tied: h~ = tie W.

    ``tie`` 0 centres the features and leaves the prototypes; N must be 1 for another.
    """
    h, w = (rng.integers(-9, 10, one.shape).astype(float) for one in (instance.features, instance.prototypes))
    h[:, -1] += tie * w.sum(axis=1) - h.sum(axis=1)
    return replace(instance, features=h, prototypes=w)


def starts_without_slow(rng: np.random.Generator) -> Iterator[Trial]:
    """Yield starts without the part that moves like e^(w2(|sigma2|) zeta), for three reasons."""
    centred = _whole(rng, _draw(rng, (4, 2, 3), (0.8, 0.5)), 0)
    w = centred.prototypes.copy()
    w[:, -1] -= w.sum(axis=1)
    yield Trial(replace(centred, prototypes=w), name="centred")
    # s = 1 and lambda1 = lambda2: the slow direction is h~ = sign(sigma2) W, the other one is tied here.
    for gamma, tie in ((0.25, -1), (0.75, 1)):
        drawn = _draw(rng, (4, 1, 3), (0.5, 0.5))
        drawn = replace(drawn, gamma=gamma, ratio=1.0, lambda_h=0.125, lambda_w=0.125)
        yield Trial(_whole(rng, drawn, tie), name="only the fast half of E2")
    # g = 1/(C - 1) and s lambda1 < lambda2: the slow part is the features' mean (and E3, which N = 1 has not).
    drawn = replace(_draw(rng, (3, 1, 2), (0.5, 0.5)), gamma=0.5, ratio=0.5, lambda_h=0.375, lambda_w=0.375)
    yield Trial(_whole(rng, drawn, 0), name="sigma2 = 0 and centred features")


def rate_trials(rng: np.random.Generator, x: float) -> Iterator[Trial]:
    """Yield starts with the slow part, at g = 1/(C - 1) too, and without it."""
    yield from random_trials(rng, equal=False)
    tied = replace(_draw(rng, (3, 2, 2), (0.5, 0.5)), gamma=0.5, ratio=0.5, lambda_h=0.375, lambda_w=0.375)
    yield Trial(tied, name="sigma2 = 0")
    yield from (one for one in starts_without_slow(rng) if one.present)


def rate(case: Trial, x: float) -> Evidence:
    """Judge that the error's log-slope is -omega iff the slow part is there; ``x`` scales omega."""
    slope, omega = log_slope(case), x * case.omega
    text = f"{case.name}: log-slope {float(slope.mid()):.6g}, omega {float(omega.mid()):.6g}"
    if not case.slow.contains(0):
        return enclosed((slope + omega) / omega, TOLERANCE, text)
    return enclosed_at_most(slope, -STRICTLY * omega, text)


def bound_trials(rng: np.random.Generator, x: float) -> Iterator[Trial]:
    """Yield starts with lambda1 = lambda2, with and without the slow part."""
    yield from random_trials(rng, equal=True)
    yield from (one for one in starts_without_slow(rng) if one.present and _equal(one))


def rate_bound(case: Trial, x: float) -> Evidence:
    """Judge that the error's log-slope is at most the page's exponent; ``x`` = -1 turns the inequality round."""
    bound = -case.omega / (case.instance.classes * arb(case.instance.per_class).sqrt())
    slope = log_slope(case)
    text = f"{case.name}: log-slope {float(slope.mid()):.6g}, printed {float(bound.mid()):.6g}"
    return enclosed_at_most(x * (slope - bound), 0.0, text)


def _by_hand(gamma: float, decay: float, features: list[list[float]], prototypes: list[list[float]]) -> Instance:
    """Return an instance with C = 2, N = 1, s = 1."""
    biases = np.zeros(2)
    return Instance((0, 1), gamma, 1.0, np.array(features), np.array(prototypes), biases, decay, decay)


BOTH_PARTS = Trial(
    _by_hand(0.5, 0.25, [[1.0, -1.0], [1.0, 1.0]], [[1.0, -1.0], [1.0, 1.0]]),
    name="C=2, N=1, g=1/2, s=1, lambda=1/4, H0=W0=[[1,-1],[1,1]]: error ~ e^(-zeta/2), printed e^(-zeta/4)",
)
ONLY_FALLING = Trial(
    _by_hand(1.0, 0.5, [[-1.0, 1.0]], [[1.0, -1.0]]),
    name="C=2, N=1, g=1, s=1, lambda=1/2 < 1: W0=(1,-1)=-H0 gives Z(t) = e^(-3 zeta/2) Z0 -> 0",
)


def attained_trials(rng: np.random.Generator, x: float) -> Iterator[Trial]:
    """Yield a start by hand, and random ones with the slow part and lambda1 = lambda2."""
    yield BOTH_PARTS
    yield from random_trials(rng, equal=True)


def rate_printed(case: Trial, x: float) -> Evidence:
    """Judge the page's exponent as the attained rate; ``x`` is the power of C sqrt N that divides omega."""
    stretch = case.instance.classes * case.instance.per_class**0.5
    off = (log_slope(case) + case.omega / stretch**x) / case.omega
    return counterexample(off.mid(), case.name, float(off.rad()), TOLERANCE)


def growth_trials(rng: np.random.Generator, x: float) -> Iterator[Trial]:
    """Yield starts with lambda < lambda*: at x = 1 one with Z_pi = 0 first, at x = 0 only those with Z_pi != 0."""
    if x:
        yield ONLY_FALLING
    for shape in SHAPES:
        trial = Trial(_draw(rng, shape, (0.5, 0.5)))
        while not trial.present:
            trial = Trial(_draw(rng, shape, (0.5, 0.5)))
        yield trial


def growth(case: Trial, x: float) -> Evidence:
    """Judge that the norm keeps growing: by how much log |Z| falls from one late time to twice that time."""
    late = NATS / float(case.sigmas[0])
    with ctx.workprec(BITS + int(20 * NATS)):
        fallen = balls.norm(case.at(late)).log() - balls.norm(case.at(2 * late)).log()
    return counterexample(max(0.0, float(fallen.mid())), case.name, float(fallen.rad()))


@dataclass(frozen=True)
class Numbers:
    """A balanced model in rationals, with lambda1 = lambda2 = decay; N = root^2."""

    classes: int
    root: int
    gamma: Rational
    ratio: Rational
    decay: Rational

    @property
    def threshold(self) -> Rational:
        """Return lambda*."""
        return (1 + self.gamma) / (self.classes * self.root)


def sign_cases(rng: np.random.Generator, x: float) -> Iterator[Numbers]:
    """Yield decays above and below lambda*, one by hand first."""
    one = sympy.Integer(1)
    yield Numbers(2, 1, one, one, 2 * one)
    for classes, root in ((2, 2), (3, 1), (5, 3)):
        ratio, share = (Rational(int(rng.integers(1, 20)), 7) for _ in range(2))
        gamma = Rational(1, 3) if classes == 2 else Rational(3, 4) * 2 / (classes - 2)
        case = Numbers(classes, root, gamma, ratio, one)
        for decay in (case.threshold * (1 + share), case.threshold / (1 + share)):
            yield replace(case, decay=decay)


def omega2_sign(case: Numbers, x: float) -> Evidence:
    """Judge that omega2 > 0 above lambda* and < 0 below; ``x`` multiplies it. The gap is how far it is beyond zero."""
    block = generator(case.classes, case.root**2, case.gamma, case.ratio, case.decay, case.decay).contrast
    omega2 = max(block.eigenvals())
    claimed = sympy.nsimplify(x) * sympy.sign(case.decay - case.threshold) * omega2
    return counterexample(max(0.0, -float(claimed)), "C=2, N=1, g=1, s=1: lambda* = 1, lambda = 2, omega2 = 1 - 2 = -1")


def _equal(case: Trial) -> bool:
    return case.instance.lambda_h == case.instance.lambda_w


def _broken_trial(rng: np.random.Generator, **changes: Any) -> Trial:
    """Return a trial with s = 1 and equal decays, changed."""
    drawn = replace(_draw(rng, (4, 1, 3), (0.5, 0.5)), gamma=0.25, ratio=1.0, lambda_h=0.125, lambda_w=0.125)
    turn = changes.pop("turn", 1.0)
    return Trial(replace(drawn, **changes), turn=turn, name="a broken hypothesis")


def _fallen_trial(rng: np.random.Generator) -> Trial:
    """Return a start with h~ P = -W P at s = 1, lambda1 = lambda2: Z_pi = 0; its means are any, in whole numbers."""
    trial = _broken_trial(rng)
    w = rng.integers(-9, 10, trial.instance.prototypes.shape).astype(float)
    h = rng.integers(1, 10, (len(w), 1)) - w
    return replace(trial, instance=replace(trial.instance, features=h, prototypes=w))


PRESENT_START = Hypothesis(
    "Z_pi is not 0 (it has at least 0.05 of the start's norm)", holds=lambda case: case.present, broken=_fallen_trial
)
EQUAL_DECAYS = Hypothesis(
    "lambda1 = lambda2", holds=_equal, broken=lambda rng: _broken_trial(rng, lambda_h=0.5, lambda_w=0.125)
)
SMALL_GAMMA = Hypothesis(
    "0 < g < 2/(C - 2), or C = 2",
    holds=lambda case: bool(_allowed(case.instance.classes, sympy.Rational(case.instance.gamma))),
    broken=lambda rng: _broken_trial(rng, gamma=1.5),
)
CONSTANT_RATIO = Hypothesis(
    "eta1/eta2 is constant", holds=lambda case: case.turn == 1.0, broken=lambda rng: _broken_trial(rng, turn=2.0)
)
SETTING = (SMALL_GAMMA, EQUAL_DECAYS, CONSTANT_RATIO)

CLAIMS = (
    Claim(
        id="cor5.cases.printed",
        sentence="With lambda1 = lambda2 = lambda < (1 + g)/(C sqrt N), eta1 = s eta2, zeta1 -> infinity and 0 < g < "
        "2/(C - 2) or C = 2, the norm of Z tends to infinity from every start Z0 != 0.",
        formula=r"\lambda < \frac{1+\gamma}{C\sqrt{N}} \Rightarrow \lim_{t\to\infty} \|Z(t)\| = \infty",
        source="Corollary 5, third case, p. 11",
        page=11,
        form="printed",
        expected=Verdict.REFUTED,
        strength=Strength.WITNESS,
        reference="the dense generator of eq. (12), exponentiated in balls",
        check=growth,
        cases=growth_trials,
        repair=Change("starts with Z_pi = 0 are allowed (1) or not (0)", to=0.0),
        hypotheses=SETTING,
    ),
    Claim(
        id="cor5.cases.corrected",
        sentence="With lambda1 = lambda2 = lambda >= 0, eta1 = s eta2, zeta1 -> infinity, 0 < g < 2/(C - 2) or C = "
        "2, and Z_pi != 0, the norm of Z tends to 0, to that of Z_pi, or to infinity as lambda is above, at, or "
        "below (1 + g)/(C sqrt N).",
        formula=r"Z_\pi \neq 0: \quad \|Z(t)\| \to 0, \; \|Z_\pi\|, \; \infty \quad \text{as} \quad "
        r"\lambda >, =, < \frac{1+\gamma}{C\sqrt{N}}",
        source="Corollary 5, its three cases, p. 11",
        page=11,
        form="corrected",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="the flow's equation (12) and the signs of all exponents, for all C, N, p, g, s, lambda",
        check=three_limits,
        cases=three_cases,
        lever=Change("lambda*", MOVED),
        hypotheses=(SYMBOLIC_GAMMA, SYMBOLIC_DECAYS, SYMBOLIC_RATIO, SYMBOLIC_START, SYMBOLIC_CLOCK),
    ),
    Claim(
        id="cor5.omega2-sign.printed",
        sentence="With lambda1 = lambda2 = lambda, the larger exponent omega2 of the contrasts is positive for "
        "lambda above lambda* = (1 + g)/(C sqrt N), and negative below.",
        formula=r"\lambda > \frac{1+\gamma}{C\sqrt{N}} \Rightarrow \omega_2 > 0, \quad "
        r"\lambda < \frac{1+\gamma}{C\sqrt{N}} \Rightarrow \omega_2 < 0",
        source="Proof of Corollary 5, p. 35",
        page=35,
        form="printed",
        expected=Verdict.REFUTED,
        strength=Strength.WITNESS,
        reference="the exact eigenvalues of the 2 x 2 system of the contrasts",
        check=omega2_sign,
        cases=sign_cases,
        repair=Change("the sign of omega2", REVERSED),
        hypotheses=(
            Hypothesis("0 < g < 2/(C - 2), or C = 2", holds=lambda case: bool(_allowed(case.classes, case.gamma))),
        ),
    ),
    Claim(
        id="cor5.rate.printed",
        sentence="With lambda1 = lambda2, eta1 = s eta2, 0 < g < 2/(C - 2) or C = 2, and a start with every part, "
        "the logarithm of the distance of Z/|Z| from its limit falls with slope omega/(C sqrt N) in zeta2.",
        formula=r"\lim \frac{1}{\zeta_2} \log \left\| \frac{Z}{\|Z\|} - \frac{Z_\pi}{\|Z_\pi\|} \right\| = "
        r"-\frac{\omega_2(\sigma_1) - \omega_2(|\sigma_2|)}{C\sqrt{N}}",
        source="Proof of Corollary 5, the exponent read as attained, p. 35",
        page=35,
        form="printed",
        expected=Verdict.REFUTED,
        strength=Strength.WITNESS,
        reference="the dense generator of eq. (12), exponentiated in balls at two late times",
        check=rate_printed,
        cases=attained_trials,
        repair=Change("the power of C sqrt N that divides omega", to=0.0),
        hypotheses=(PRESENT_START, *SETTING),
    ),
    Claim(
        id="cor5.rate-bound.printed",
        sentence="With lambda1 = lambda2, eta1 = s eta2, 0 < g < 2/(C - 2) or C = 2, and Z_pi != 0, the distance of "
        "Z/|Z| from its limit is at most a constant times exp(-omega zeta2/(C sqrt N)).",
        formula=r"\left\| \frac{Z}{\|Z\|} - \frac{Z_\pi}{\|Z_\pi\|} \right\| = "
        r"O\left(e^{-(\omega_2(\sigma_1) - \omega_2(|\sigma_2|)) \zeta_2 / (C\sqrt{N})}\right)",
        source="Proof of Corollary 5, p. 35",
        page=35,
        form="printed",
        expected=Verdict.SUPPORTED,
        strength=Strength.ENCLOSED,
        reference="the dense generator of eq. (12), exponentiated in balls at two late times",
        check=rate_bound,
        cases=bound_trials,
        lever=Change("the direction of the inequality", REVERSED),
        hypotheses=(PRESENT_START, *SETTING),
    ),
    Claim(
        id="cor5.rate.corrected",
        sentence="For all decays, eta1 = s eta2, 0 < g < 2/(C - 2) or C = 2, and Z_pi != 0, the distance of Z/|Z| "
        "from its limit falls with exponent omega = w2(sigma1) - w2(|sigma2|) if the start has a part that moves "
        "like exp(w2(|sigma2|) zeta2), and with a larger one if not.",
        formula=r"\lim \frac{1}{\zeta_2} \log \left\| \frac{Z}{\|Z\|} - \frac{Z_\pi}{\|Z_\pi\|} \right\| = "
        r"-\omega, \quad \omega = w_2(\sigma_1) - w_2(|\sigma_2|)",
        source="Corollary 5, eq. (15), p. 11",
        page=11,
        form="corrected",
        expected=Verdict.SUPPORTED,
        strength=Strength.ENCLOSED,
        reference="the dense generator of eq. (12), exponentiated in balls at two late times",
        check=rate,
        cases=rate_trials,
        lever=Change("omega", MOVED),
        hypotheses=(PRESENT_START, SMALL_GAMMA, CONSTANT_RATIO),
    ),
    Claim(
        id="cor5.critical-limit",
        sentence="With lambda1 = lambda2 = (1 + g)/(C sqrt N), eta1 = s eta2, zeta1 -> infinity, and 0 < g < 2/(C - "
        "2) or C = 2, Z tends to the E1^+ part of the start plus (1 - s)/(1 + s) times its E1^- part, with the "
        "prototypes' sign reversed.",
        formula=r"\lambda = \frac{1+\gamma}{C\sqrt{N}} \Rightarrow Z(t) \to "
        r"\left(H_1^+ + \frac{1-s}{1+s} H_1^-,\; W_1^+ - \frac{1-s}{1+s} W_1^-\right)",
        source="Corollary 5, second case, and eq. (81), p. 11 and 35",
        page=11,
        form="printed",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="the flow's equation (12) and the signs of all other exponents, for all C, N, p, g, s",
        check=critical_limit,
        cases=critical_cases,
        lever=Change("(1 - s)/(1 + s)", MOVED),
        hypotheses=(SYMBOLIC_GAMMA, SYMBOLIC_DECAYS, SYMBOLIC_RATIO, CRITICAL, SYMBOLIC_CLOCK),
    ),
)
