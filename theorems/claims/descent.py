r"""Gradient descent and gradient flow: what finite steps change.

Z = (H, W) moves by Z <- Z (I + eta_k G), simultaneously for H and W, with eta1 = s eta2 and eta_k the prototypes' rate.
On a singular mode sigma of M the pair (h, w) sees S = [[-s l1, sigma], [s sigma, -l2]] with exponents w1 < w2, on
what M does not see the exponent is -s l1; sigma1 = (1+g)/(C sqrt N) on the contrasts, sigma2 = (1+g-gC)/(C sqrt N) on
the mean.

Exact: all I + eta_k G have the projections of G, so a mode is multiplied by prod(1 + eta_k w) instead of e^(w zeta).
Gap: log(1 + eta w)/eta = w - eta w^2/2 + ...
Limit: without decay the exponents are q sigma1 and -q sigma1 on the contrasts, q sigma2 and -q sigma2 on the mean, 0
elsewhere, q = sqrt(s). With u = eta q sigma1 and rho = abs(sigma2)/sigma1 < 1, each other multiplier m has
m^2 <= (1+u)^2 - 2u(1-rho), so bounded steps with an infinite sum leave the fastest mode alone: Zbar, as for the flow.
Stability: (1 + eta w)^2 < 1 iff eta < 2/abs(w), for w < 0; the lowest exponent is w1 at the largest sigma.
Direction: (1+eta w2)^2 - (1+eta w1)^2 = eta (w2-w1)(2 + eta (w1+w2)), and w1 + w2 = -(s l1 + l2). Beyond the threshold
the falling mode wins, where h and w have opposite signs. abs(1 + eta w) is convex in w, so which mode wins overall is
decided between w1 and w2 of the largest abs(sigma): of the contrasts for g < 2/(C-2), of the mean above.

At g = 1/(C-1) sigma2 = 0: there S is diag(-s l1, -l2), its modes are h and w alone, and rho = 0. It is checked besides,
as what is written with 1/sigma says nothing about it. Each proof comes with one dense example that must agree.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
import sympy
from sympy import Matrix, Rational, diff, eye, log, series, sqrt, symbols, zeros

from theorems.algebra import Split, generator
from theorems.claim import MOVED, Change, Claim, Hypothesis
from theorems.evidence import both, measured, never_negative, symbolic
from theorems.instance import Instance, random_instance, simulated
from theorems.verdict import Evidence, Strength, Verdict

C, N = symbols("C N", integer=True, positive=True)
G, S, ETA = symbols("g s eta", positive=True)
# A mode: a = s l1, d = l2, and root = sqrt((a-d)^2 + 4 s sigma^2), from which s is eliminated.
A, D = symbols("a d", nonnegative=True)
ROOT = sympy.Symbol("root", positive=True)
SIGMA = sympy.Symbol("sigma", real=True, nonzero=True)
LOW, HIGH = (-(A + D + sign * ROOT) / 2 for sign in (1, -1))  # w1 and w2
DIAGONAL = Matrix([[-A, 0], [0, -D]])  # S at sigma = 0
MODE = Matrix([[-A, SIGMA], [(ROOT**2 - (A - D) ** 2) / (4 * SIGMA), -D]])
SIGMA1, SIGMA2 = (1 + G) / (C * sqrt(N)), (1 + G - G * C) / (C * sqrt(N))

TOLERANCE = 1e-9  # relative, of a direction in float64; a broken hypothesis leaves 1e-2
ROUNDING = 1e-12  # of a few hundred float64 steps on 13 columns, relative to the largest norm; measured 1e-14
COSINE, COSINE_RATE = "the simulator's cosine", 0.5
NEAR = 0.01  # how far from a threshold the two sides of it are tried


@dataclass(frozen=True, eq=False)
class Steps:
    """Descent on one problem with rates eta_k, by a ``law``; ``ratios`` are those of H and W where they vary.

    ``general``: the example that a proof for all sizes comes with.
    """

    instance: Instance
    rates: tuple[float, ...] = ()
    ratios: tuple[float, ...] = ()
    alternating: bool = False
    law: str = "constant"
    general: bool = False

    def loop(self) -> list[np.ndarray]:
        """Return Z after every step, by the gradient: W M - l1 H, H M' - l2 W."""
        one = self.instance
        h, w, found = one.features, one.prototypes, [one.state]
        for rate, ratio in zip(self.rates, self.ratios or [one.ratio] * len(self.rates), strict=True):
            after = h + ratio * rate * (w @ one.operator - one.lambda_h * h)
            w = w + rate * ((after if self.alternating else h) @ one.operator.T - one.lambda_w * w)
            h = after
            found.append(np.hstack([h, w]))
        return found

    def simulated(self) -> np.ndarray:
        """Return Z after the last step, by the public simulator, whose schedule must be this one."""
        schedule = {"kind": "descent", "steps": len(self.rates), "eta": COSINE_RATE, "schedule": "cosine"}
        log_scale, last = simulated(self.instance, {"kind": "unconstrained"}, schedule).last
        return math.exp(log_scale) * np.hstack([last.features.T, last.prototypes.T])

    def products(self, scale: float) -> list[np.ndarray]:
        """Return Z after every step by prod(1 + scale eta_k w)."""
        one = self.instance
        exponents, axes = _eigen(one)
        start, unit = _coordinates(one), _unit(one)
        grown = np.cumprod([np.ones_like(exponents), *(1 + scale * rate * exponents for rate in self.rates)], axis=0)
        return [(start * factor) @ axes.T * unit for factor in grown]


def _unit(one: Instance) -> np.ndarray:
    """Return the units in which G is symmetric: sqrt s for H, 1 for W."""
    return np.array([math.sqrt(one.ratio)] * one.samples + [1.0] * one.classes)


def _eigen(one: Instance) -> tuple[np.ndarray, np.ndarray]:
    """Return the exponents of G and its orthonormal axes in those units."""
    return np.linalg.eigh(one.generator * _unit(one)[:, None] / _unit(one))


def _blocks() -> Split:
    """Return G of the balanced model with l1 = a/s and l2 = d."""
    return generator(C, N, G, S, A / S, D)


def _generic() -> list[sympy.Expr]:
    """Return what is zero if MODE, with s sigma^2 put back, is what G is on contrasts, mean and within classes.

    At g = 1/(C-1) the mean's sigma is 0, and its block must be DIAGONAL, whose modes are the unit vectors.
    """
    blocks, found = _blocks(), []
    for block, sigma in ((blocks.contrast, SIGMA1), (blocks.mean, SIGMA2)):
        found += list(block - Matrix([[-A, sigma], [S * sigma, -D]]))
    back = MODE.subs(ROOT, sqrt((A - D) ** 2 + 4 * S * SIGMA**2)) - Matrix([[-A, SIGMA], [S * SIGMA, -D]])
    flat = (blocks.mean - DIAGONAL).subs(G, 1 / (C - 1)).applyfunc(sympy.cancel)
    return [*found, *back, *flat, blocks.within[0] + A, blocks.within[1] + A]


def _example(case: Steps, example: Evidence, proof: Callable[[], Evidence]) -> Evidence:
    """Return the proof's evidence unless the example contradicts it; the example alone where a hypothesis fails."""
    if not case.general:
        return example
    general = proof()
    return both(general, example, general)


def exact_cases(rng: np.random.Generator, x: float) -> Iterable[Steps]:
    """Yield the proof, with descent under decay on a balanced problem; every third step is zero."""
    instance = random_instance(rng, 2, 3, 4, lambda_h=0.3, lambda_w=0.5)
    yield Steps(instance, (0.5, 0.3, 0.0) * 10, general=True)


def exact(case: Steps, x: float) -> Evidence:
    """Judge the products of 1 + eta w, step by step from any coefficients; ``x`` scales the exponents."""
    return _example(case, _agree(case, x, ROUNDING), lambda: _exact(x))


def _exact(x: float) -> Evidence:
    scale, grown, fallen = sympy.nsimplify(x), *symbols("alpha beta", real=True)
    high = (MODE - LOW * eye(2)) / ROOT  # the projections on the two modes
    low = eye(2) - high
    after = (grown * high + fallen * low) * (eye(2) + ETA * MODE)
    claimed = grown * (1 + scale * ETA * HIGH) * high + fallen * (1 + scale * ETA * LOW) * low
    apart = sympy.diag(grown, fallen) * (eye(2) + ETA * DIAGONAL)
    apart -= sympy.diag(grown * (1 - scale * ETA * A), fallen * (1 - scale * ETA * D))
    return symbolic(
        *_generic(), (after - claimed).applyfunc(sympy.cancel), (high * low).applyfunc(sympy.cancel), apart.expand()
    )


def _agree(case: Steps, x: float, tolerance: float) -> Evidence:
    """Judge the products in float64, relative to the largest norm along the path."""
    found, claimed = case.loop(), case.products(x)
    largest = np.maximum.accumulate([np.linalg.norm(z) for z in found])
    gaps = [np.linalg.norm(a - b) / size for a, b, size in zip(found, claimed, largest, strict=True)]
    return measured(
        max(gaps), np.finfo(float).eps, tolerance, f"after {len(case.rates)} steps: {max(gaps):.2g} of the largest norm"
    )


def rounding_cases(rng: np.random.Generator, x: float) -> Iterable[Steps]:
    """Yield the simulator's run, then constant, cosine, warm-up and pausing rates, with decay and without."""
    k = np.arange(200)
    shapes = (np.ones(200), np.cos(np.pi * k / 400) ** 2, np.minimum(1, k / 20), (k % 3 > 0).astype(float))
    yield _simulation(rng)
    for shape in shapes:
        for decay in (0.0, 0.3):
            instance = random_instance(rng, [1, 2, 4], 3, 4, lambda_h=decay, lambda_w=2 * decay)
            yield Steps(instance, tuple((0.5 * shape).tolist()))


def _simulation(rng: np.random.Generator) -> Steps:
    """Return the problem that the simulator runs; no shape depends on the seed, so that it compiles one program."""
    halves = np.cos(np.pi * np.arange(300) / 600) ** 2
    return Steps(random_instance(rng, [1, 2, 4], 3, 4, ratio=1.6), tuple((COSINE_RATE * halves).tolist()), law=COSINE)


def rounding(case: Steps, x: float) -> Evidence:
    """Judge float64 descent against the products: a plain loop, or the last state of the public simulator."""
    if case.law != COSINE:
        return _agree(case, x, ROUNDING)
    claimed, found = case.products(x), case.simulated()
    gap = float(np.linalg.norm(found - claimed[-1]) / max(np.linalg.norm(z) for z in claimed))
    where = f"the simulator after {len(case.rates)} cosine steps: {gap:.2g} of the largest norm"
    return measured(gap, np.finfo(float).eps, ROUNDING, where)


def _falling(rng: np.random.Generator) -> Steps:
    """Return a start without the growing contrasts, W0 P = -h~0 P/q, and without a mean."""
    instance = random_instance(rng, 2, 4, 5, gamma=0.4)
    w = instance.prototypes - instance.prototypes.mean(axis=1, keepdims=True)
    h = -math.sqrt(instance.ratio / 2) * np.repeat(w, 2, axis=1)
    return Steps(replace(instance, features=h, prototypes=w), (1.0,) * 400)


def _grows(case: Steps) -> bool:
    """Return whether the start holds 1/1000 or more of the fastest mode."""
    exponents, _ = _eigen(case.instance)
    start, fastest = _coordinates(case.instance), exponents > exponents.max() - TOLERANCE
    return bool(np.linalg.norm(start[:, fastest]) > 1e-3 * np.linalg.norm(start))


def _coordinates(one: Instance) -> np.ndarray:
    """Return the start along every mode: one column each."""
    return one.state / _unit(one) @ _eigen(one)[1]


def flow_gap(case: None, x: float) -> Evidence:
    """Judge the first two orders of log(1 + eta w)/eta - w, for an exponent w of S; ``x`` scales the first."""
    along = Matrix([[(ROOT**2 - (A - D) ** 2) / (4 * SIGMA), HIGH + A]])  # a mode: along S = w along
    multiplied = along * (eye(2) + ETA * MODE) - (1 + ETA * HIGH) * along
    gap = series(log(1 + ETA * HIGH) / ETA - HIGH, ETA, 0, 2).removeO()
    claimed = -sympy.nsimplify(x) * ETA * HIGH**2 / 2
    # At sigma = 0 the modes are the unit vectors, and HIGH is either exponent: all of w is in the series.
    apart = eye(2) * (eye(2) + ETA * DIAGONAL) - sympy.diag(1 - ETA * A, 1 - ETA * D)
    return symbolic(*_generic(), apart, multiplied.applyfunc(sympy.cancel), sympy.expand(gap - claimed))


def limit_direction(case: Steps, x: float) -> Evidence:
    """Judge that steps keep Zbar and outgrow the rest; in numbers on one path. ``x`` scales the H part of Zbar."""
    return _example(case, _approach(case, x), lambda: _limit_direction(x))


def _limit_direction(x: float) -> Evidence:
    scale, q = sympy.nsimplify(x), sqrt(S)
    zbar = Split(Matrix([[scale / 2, 1 / (2 * q)], [scale * q / 2, Rational(1, 2)]]), zeros(2))
    free = generator(C, N, G, S, 0, 0)
    kept = zbar @ free - q * SIGMA1 * zbar
    twice = zbar @ zbar - zbar
    before = free @ zbar - q * SIGMA1 * zbar
    others = eye(2) - zbar.contrast
    fallen = (free.contrast + q * SIGMA1 * eye(2)) * others
    mean = free.mean**2 - S * SIGMA2**2 * eye(2)
    rest = [sympy.expand(entry) for entry in (*fallen, *mean, *free.within)]
    algebra = symbolic(*kept.numbers(), *twice.numbers(), *before.numbers(), *rest)
    u, v, c = symbols("u v c", positive=True)
    slower = [
        (1 + u) ** 2 - m**2 - 2 * u * (1 - rho)
        for rho in (1 / (1 + v), 0)  # abs(sigma2)/sigma1
        for m in (1 - u, 1 + rho * u, 1 - rho * u, 1)
    ]
    inside = ((1 + G) ** 2 - (1 + G - G * C) ** 2).subs(G, 2 * u / (c * (1 + u))).subs(C, c + 2)  # g < 2/(C-2)
    pair = ((1 + G) ** 2 - (1 + G - G * C) ** 2).subs(C, 2)
    return both(algebra, never_negative(*slower, inside, pair))


def _approach(case: Steps, x: float) -> Evidence:
    """Judge one path by the distance of its direction from that of Zbar."""
    one, end = case.instance, case.loop()[-1]
    means = np.kron(np.eye(one.classes), np.ones((one.per_class, 1))) / math.sqrt(one.per_class)
    centre = np.eye(one.classes) - 1 / one.classes
    limit = (one.prototypes + one.features @ means / math.sqrt(one.ratio)) @ centre / 2
    spread = x * math.sqrt(one.ratio / one.per_class) * np.repeat(limit, one.per_class, axis=1)
    zbar = np.hstack([spread, limit])
    gap = float(np.linalg.norm(end / np.linalg.norm(end) - zbar / np.linalg.norm(zbar)))
    return measured(gap, ROUNDING, TOLERANCE, f"the direction ends {gap:.2g} from Zbar")


LAWS = {  # in units of 1/(q sigma1)
    "constant": [0.7] * 200,
    "growing without bound": [0.3 * 4.0**k for k in range(20)],
    "of a finite sum": [0.7 * 0.5**k for k in range(60)],
}


def _path(rng: np.random.Generator, law: str, gamma: float = 0.4, general: bool = False) -> Steps:
    """Return descent of a free problem by a law."""
    one = random_instance(rng, 2, 4, 5, gamma=gamma)
    unit = math.sqrt(one.ratio) * (1 + gamma) / (4 * math.sqrt(2))
    return Steps(one, tuple(rate / unit for rate in LAWS[law]), law=law, general=general)


def _modes(one: Instance) -> tuple[float, float]:
    """Return the lowest and the highest exponent of a problem's largest singular value."""
    exponents, _ = _eigen(one)
    return float(exponents[0]), float(exponents[-1])


def stability(case: Steps, x: float) -> Evidence:
    """Judge the threshold 2/abs(w1) at the largest sigma; in numbers by the spectral radius. ``x`` scales it."""
    edge = x * 2 / abs(_modes(case.instance)[0])
    below, above = (_radius(case.instance, factor * edge) for factor in (1 - NEAR, 1 + NEAR))
    gap = max(below - 1, 0.0) + max(1 - above, 0.0)
    where = f"spectral radius {below:.6g} below the threshold, {above:.6g} above"
    return _example(case, measured(gap, ROUNDING, TOLERANCE, where), lambda: _stability(x))


def _stability(x: float) -> Evidence:
    edge = -2 * sympy.nsimplify(x) / LOW
    boundary = sympy.cancel((2 * eye(2) + edge * MODE).det())  # 1 + eta w = -1 for one of the exponents
    w = sympy.Symbol("omega", positive=True)
    product = sympy.expand(LOW * HIGH - (A * D - (ROOT**2 - (A - D) ** 2) / 4))  # = s (l1 l2 - sigma^2), so w2 < 0
    decay = sympy.expand(1 - (1 - ETA * w) ** 2 - ETA * w * (2 - ETA * w))
    spread = (A - D) ** 2 + 4 * S * w**2  # root^2 at sigma = w: it rises with sigma, and is at least (a - d)^2
    algebra = symbolic(*_generic(), boundary, product, decay)
    return both(algebra, never_negative(diff(spread, w), sympy.expand(spread - (A - D) ** 2), HIGH - LOW))


def _radius(one: Instance, rate: float) -> float:
    """Return the spectral radius of a step."""
    return float(abs(np.linalg.eigvals(np.eye(len(one.generator)) + rate * one.generator)).max())


def anti_alignment(case: Steps, x: float) -> Evidence:
    """Judge the threshold 2/(s l1 + l2) of the cosines; in numbers by long runs on both sides. ``x`` scales it."""
    return _example(case, _cosines(case.instance, x), lambda: _anti_alignment(x))


def _anti_alignment(x: float) -> Evidence:
    edge, blocks = 2 * sympy.nsimplify(x) / (A + D), _blocks()
    ties = [2 + edge * block.trace() for block in (blocks.contrast, blocks.mean)]  # (1+eta w1) + (1+eta w2)
    wins = (1 + ETA * HIGH) ** 2 - (1 + ETA * LOW) ** 2 - ETA * (HIGH - LOW) * (2 - ETA * (A + D))
    # A mode has h/w = s sigma/(a + w): of the sign of sigma at w2, of the other at w1, as the product is negative.
    signs = (A + LOW) * (A + HIGH) + (ROOT**2 - (A - D) ** 2) / 4
    along = [Matrix([[MODE[1, 0], A + w]]) * (MODE - w * eye(2)) for w in (LOW, HIGH)]
    modes = [entry for one in along for entry in one.applyfunc(sympy.cancel)]
    algebra = symbolic(*_generic(), *ties, sympy.expand(wins), sympy.expand(signs), *modes)
    u, c = symbols("u c", positive=True)
    larger = (1 + G) ** 2 - (1 + G - G * C) ** 2
    below = larger.subs(G, 2 * u / (c * (1 + u))).subs(C, c + 2)  # sigma1 > abs(sigma2) for g < 2/(C-2)
    above = [one.subs(G, 2 / c + u).subs(C, c + 2) for one in (-larger, -(1 + G - G * C))]  # and sigma2 < 0 beyond
    return both(algebra, never_negative(HIGH - LOW, below, larger.subs(C, 2), *above))


def _cosines(case: Instance, x: float) -> Evidence:
    """Judge the centred and the plain cosine after a run on either side of the threshold (or at rate 1 without one)."""
    total, gap = case.ratio * case.lambda_h + case.lambda_w, 0.0
    outside = case.gamma > 2 / (case.classes - 2)
    for factor, sign in ((0.7, 1.0), (1.3, -1.0)) if total else ((1.0, 1.0),):
        rate = factor * x * 2 / total if total else 1.0
        end = Steps(case, (rate,) * _enough(case, rate)).loop()[-1]
        h, w = case.split(end / np.linalg.norm(end))
        h = h.reshape(len(h), case.classes, -1).sum(axis=2)
        centred = [part - part.mean(axis=1, keepdims=True) for part in (h, w)]
        for (first, second), expected in ((centred, sign), ((h, w), -sign if outside else sign)):
            cosine = np.sum(first * second) / np.linalg.norm(first) / np.linalg.norm(second)
            gap = max(gap, abs(cosine - expected))
    return measured(gap, ROUNDING, 1e-3, f"a cosine ends {gap:.2g} from its limit")


def _enough(one: Instance, rate: float) -> int:
    """Return after how many steps the slowest contest, inside a pair or between the pairs, stands 10^6 to 1."""
    a, d, gaps, tops = one.ratio * one.lambda_h, one.lambda_w, [], []
    for sigma in np.linalg.svd(one.operator, compute_uv=False)[[0, -1]]:  # of contrasts and mean, in either order
        root = math.hypot(a - d, 2 * math.sqrt(one.ratio) * sigma)
        low, high = (math.log(abs(1 - rate * (a + d + sign * root) / 2)) for sign in (1, -1))
        gaps.append(abs(high - low))
        tops.append(max(high, low))
    return math.ceil(math.log(1e6) / min(*gaps, abs(tops[0] - tops[1])))


def _decaying(
    rng: np.random.Generator, lambda_h: float, lambda_w: float, gamma: float = 0.3, general: bool = False
) -> Steps:
    return Steps(random_instance(rng, 2, 4, 5, gamma=gamma, lambda_h=lambda_h, lambda_w=lambda_w), general=general)


def _both_sides(rng: np.random.Generator, x: float) -> Iterable[Steps]:
    """Yield the proof twice: with an example for g below 2/(C-2), and with one above."""
    for gamma in (0.3, 1.3):  # so near to 1 that the weaker pair stays far above rounding
        yield _decaying(rng, 0.4, 0.2, gamma, general=True)


def _lower_mode(rng: np.random.Generator) -> Steps:
    """Return a start in the mode w1 of the contrasts alone."""
    one = _decaying(rng, 0.4, 0.2).instance
    w = one.prototypes - one.prototypes.mean(axis=1, keepdims=True)
    sigma = (1 + one.gamma) / (4 * math.sqrt(2))
    ratio = one.ratio * sigma / (one.ratio * one.lambda_h + _modes(one)[0])
    return Steps(replace(one, features=ratio * np.repeat(w, 2, axis=1) / math.sqrt(2), prototypes=w))


SIMULTANEOUS = Hypothesis(
    "H and W are updated simultaneously",
    lambda case: not case.alternating,
    lambda rng: Steps(random_instance(rng, 2, 3, 4), (0.5,) * 20, alternating=True),
)
CONSTANT = Hypothesis(
    "eta1/eta2 is constant",
    lambda case: not case.ratios,
    lambda rng: Steps(random_instance(rng, 2, 3, 4), (0.5,) * 20, tuple(rng.uniform(0.5, 2, 20).tolist())),
)

CLAIMS = (
    Claim(
        id="descent.exact",
        sentence="Gradient descent with simultaneous updates and eta1 = s eta2 multiplies each mode of the balanced "
        "model by the product of 1 + eta_k w over all steps, exactly, for every sequence of steps, zeros included.",
        formula=r"Z_k = \sum_w \prod_{j<k} (1 + \eta_j w)\, \Pi_w Z_0",
        source="not in the paper, whose figures are descent and whose theorems are flow",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="one step of descent from any coefficients, for all C, N, p and decays; a loop of 30 steps",
        check=exact,
        cases=exact_cases,
        lever=Change("the exponents w", MOVED),
        hypotheses=(CONSTANT, SIMULTANEOUS),
    ),
    Claim(
        id="descent.rounding",
        sentence="Descent in float64 agrees with the products of 1 + eta_k w to rounding, relative to the largest norm "
        "along the path, if the start holds some of the fastest mode.",
        formula=r"\max_k \frac{\| Z_k^{\text{float64}} - \sum_w \prod_{j<k} (1 + \eta_j w)\, \Pi_w Z_0 \|}"
        r"{\max_{j \le k} \| Z_j \|} \le 10^{-12}",
        source="not in the paper",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.NUMERICAL,
        reference="200 steps of a plain loop on the gradient, any class sizes and schedules; the public simulator",
        check=rounding,
        cases=rounding_cases,
        lever=Change("the exponents w", MOVED),
        hypotheses=(
            CONSTANT,
            SIMULTANEOUS,
            Hypothesis("the start holds 1/1000 of the fastest mode", _grows, _falling),
        ),
    ),
    Claim(
        id="descent.flow-gap",
        sentence="With a constant rate, the logarithm of a mode's coefficient in descent, per unit of zeta, differs "
        "from the flow's w by -eta w^2/2 + O(eta^2).",
        formula=r"\frac{\log(1 + \eta w)}{\eta} = w - \frac{\eta w^2}{2} + O(\eta^2)",
        source="not in the paper, whose figures are descent and whose theorems are flow",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="one step of descent on a mode, and the series of its logarithm",
        check=flow_gap,
        lever=Change("the factor 1/2", MOVED),
    ),
    Claim(
        id="descent.limit-direction",
        sentence="Unconstrained descent with 0 < g < 2/(C-2) (or C = 2) tends in direction to the same Zbar as the "
        "flow, for every bounded sequence of steps with an infinite sum, if Zbar is not zero.",
        formula=r"\sum_k \eta_k = \infty,\ \sup_k \eta_k < \infty \Rightarrow \frac{Z_k}{\|Z_k\|} \to "
        r"\frac{\bar Z}{\|\bar Z\|}, \quad \bar Z = \left( \sqrt{\frac{s}{N}}\, X \otimes 1_N^T,\ X \right)",
        source="Corollary 3, eq. (10), for descent",
        page=0,
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="one step of descent with any rate, for all C, N, p, s and gamma; a loop of 200 steps",
        check=limit_direction,
        cases=lambda rng, x: (_path(rng, "constant", general=True),),
        lever=Change("the factor sqrt(s/N) of Zbar", MOVED),
        hypotheses=(
            Hypothesis(
                "0 < g < 2/(C-2), or C = 2",
                lambda case: 0 < case.instance.gamma < 2 / (case.instance.classes - 2),
                lambda rng: _path(rng, "constant", gamma=3.0),
            ),
            Hypothesis(
                "the steps are bounded",
                lambda case: case.law != "growing without bound",
                lambda rng: _path(rng, "growing without bound"),
            ),
            Hypothesis(
                "their sum is infinite",
                lambda case: case.law != "of a finite sum",
                lambda rng: _path(rng, "of a finite sum"),
            ),
            Hypothesis("Zbar is not zero", _grows, _falling),
        ),
    ),
    Claim(
        id="descent.stability",
        sentence="With a constant step and l1 l2 > sigma_max^2, all modes of descent decay if and only if "
        "eta2 < 2/|w1(sigma_max)|, where w1 is the lower exponent and sigma_max the larger of sigma1 and |sigma2|.",
        formula=r"\eta_2 < \frac{2}{|\omega_1(\sigma_{\max})|}, \quad \omega_1(\sigma) = "
        r"-\frac{s \lambda_1 + \lambda_2 + \sqrt{(s \lambda_1 - \lambda_2)^2 + 4 s \sigma^2}}{2}",
        source="not in the paper, whose figures are descent and whose theorems are flow",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="det(2I + eta S) = 0 and inequalities, for all sizes, s, gamma, decays; a dense spectral radius",
        check=stability,
        cases=lambda rng, x: (_decaying(rng, 0.6, 0.5, general=True),),
        lever=Change("the threshold", MOVED),
        hypotheses=(
            Hypothesis(
                "l1 l2 > sigma_max^2",
                lambda case: (
                    case.instance.lambda_h * case.instance.lambda_w > np.linalg.norm(case.instance.operator, 2) ** 2
                ),
                lambda rng: _decaying(rng, 0.1, 0.1),
            ),
        ),
    ),
    Claim(
        id="descent.anti-alignment",
        sentence="With a constant step, s l1 + l2 > 0 and a generic start, the cosine between centred features and "
        "prototypes tends to 1 for eta2 < 2/(s l1 + l2) and to -1 above, for every g; the plain cosine does the same "
        "for g < 2/(C-2) or C = 2, and the opposite for g > 2/(C-2).",
        formula=r"\cos(\tilde h P, W P) \to 1 \text{ for } \eta_2 < \frac{2}{s \lambda_1 + \lambda_2}, \quad "
        r"\to -1 \text{ for } \eta_2 > \frac{2}{s \lambda_1 + \lambda_2}",
        source="not in the paper, whose figures are descent and whose theorems are flow",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="traces and modes of one step, and polynomial inequalities, for all sizes; loops on both sides",
        check=anti_alignment,
        cases=_both_sides,
        lever=Change("the threshold", MOVED),
        hypotheses=(
            Hypothesis(
                "s l1 + l2 > 0",
                lambda case: case.instance.ratio * case.instance.lambda_h + case.instance.lambda_w > 0,
                lambda rng: _decaying(rng, 0.0, 0.0),
            ),
            Hypothesis(
                "the start holds some of every mode",
                lambda case: min(np.linalg.norm(_coordinates(case.instance), axis=0)) > TOLERANCE,
                _lower_mode,
            ),
        ),
    ),
)
