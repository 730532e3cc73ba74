r"""Label smoothing: it slows the contrasts alone, and so moves the window in which they win.

Notation: targets (1 - a) e_y + a/C, a in (0, 1); C classes of N samples, n = C N, g = gamma, s = eta1/eta2,
q = sqrt(s); sigma1 = (1 + g)/(C sqrt N), sigma2 = (1 + g - g C)/(C sqrt N); E1+ is the set of states
H = k W (x) 1', k > 0, W 1 = 0.

A column of n M is (1 + g) target - g 1: (1 + g)(1 - a + a/C) - g in the own row and (1 + g) a/C - g in the others. On a
contrast it acts as the difference of the two, (1 + g)(1 - a), and on 1 as own + (C - 1) others = 1 + g - g C.

The state is a sum of modes e^(+-q sigma zeta) and of a constant within the classes. So the contrasts that grow, which
are E1+, are left alone in the limit if (1 - a) sigma1 > |sigma2|, and are lost beside the mean if it is less and the
start holds the mean's growing mode. The squares differ by

    (1 - a)^2 (1 + g)^2 - (1 + g - g C)^2 = ((C - a) g - a) ((2 - a) - (C - 2 + a) g),

where C - a and C - 2 + a are positive and the lower edge a/(C - a) is below the upper one, so the product is positive
exactly between the two.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sympy
from flint import arb, arb_mat, ctx
from sympy import symbols

from theorems import balls
from theorems.claim import MOVED, Change, Claim, Hypothesis
from theorems.evidence import both, enclosed_at_most, never_negative, symbolic
from theorems.instance import Instance, random_instance
from theorems.verdict import Evidence, Strength, Verdict

C = symbols("C", integer=True, positive=True)
G, A = symbols("g a", positive=True)

LATE = 40.0  # the modes left out are below e^-LATE of those kept, up to the genericity factor
ARRIVED = 1e-12  # the distance to E1+, of the whole state, that counts as there; e^-40 is 4e-18
APART = 0.5  # and the distance that counts as elsewhere: it tends to 1
GENERIC = 0.1  # a mode counts as present from this fraction of a typical mode of the start
BITS = 200

SHAPES = ((2, 3), (3, 2), (4, 2), (6, 1))  # C, N


@dataclass(frozen=True, eq=False)
class Smoothed:
    """A random start and a smoothing a; gamma is the instance's."""

    instance: Instance
    smoothing: float

    @property
    def growing(self) -> tuple[np.ndarray, np.ndarray]:
        """The growing parts of contrasts and mean in the start, p x C each, by the class sums over sqrt N."""
        one = self.instance
        spread = np.eye(one.classes)[list(one.labels)] / np.sqrt(one.per_class)
        sums = one.features @ spread / np.sqrt(one.ratio)
        sign = np.sign(1 + one.gamma - one.gamma * one.classes)
        mean = (one.prototypes + sign * sums).mean(axis=1, keepdims=True) * np.ones(one.classes)
        contrasts = one.prototypes + sums
        return contrasts - contrasts.mean(axis=1, keepdims=True), mean


def _edges(classes: Any, smoothing: Any, x: Any) -> tuple[Any, Any]:
    """Return the window that is judged; ``x`` scales its upper edge."""
    return smoothing / (classes - smoothing), x * (2 - smoothing) / (classes - 2 + smoothing)


def cases(rng: np.random.Generator, x: float) -> Iterable[Smoothed | None]:
    """Yield the statement for all C, N, a and g, then dense problems around both edges of the window."""
    yield None
    for classes, per_class in SHAPES:
        smoothing = float(rng.uniform(0.05, 0.8))
        lower, upper = _edges(classes, smoothing, 1.0)
        for gamma in (0.3 * lower, 0.9995 * lower, 1.0005 * lower, (lower + upper) / 2, 0.9995 * upper, 1.0005 * upper):
            yield _draw(rng, [per_class] * classes, smoothing, gamma)


def _draw(rng: np.random.Generator, sizes: list[int], smoothing: float, gamma: float) -> Smoothed:
    while True:
        case = Smoothed(random_instance(rng, sizes, features=4, gamma=gamma), smoothing)
        if _generic(case):
            return case


def window(case: Smoothed | None, x: float) -> Evidence:
    """Judge the two singular values and the window; ``x`` scales its upper edge."""
    if case:
        return _dense(case, x)
    own, others = (1 + G) * (1 - A + A / C) - G, (1 + G) * A / C - G
    values = symbolic(own - others - (1 - A) * (1 + G), own + (C - 1) * others - (1 + G - G * C))
    lower, upper = _edges(C, A, sympy.nsimplify(x))
    squares = ((1 - A) * (1 + G)) ** 2 - (1 + G - G * C) ** 2
    factors = symbolic(squares - (C - A) * (C - 2 + A) * (G - lower) * (upper - G))
    u, c = symbols("u c", positive=True)
    ranges = [{A: 1 / (1 + u), C: classes} for classes in (2, 2 + c)]  # 0 < a < 1 and C >= 2
    signs = never_negative(
        *(term.subs(where) for where in ranges for term in (C - A, C - 2 + A, _width())),
    )
    return both(values, factors, signs)


def _width() -> Any:
    lower, upper = _edges(C, A, 1)
    return sympy.factor(upper - lower)


def _dense(case: Smoothed, x: float) -> Evidence:
    """Judge, by the enclosed distance of a late state from E1+, whether that limit wins where the window says so."""
    one, a = case.instance, case.smoothing
    lower, upper = _edges(one.classes, a, x)
    rates = abs((1 - a) * (1 + one.gamma)), abs(1 + one.gamma - one.gamma * one.classes)
    zeta = LATE * one.samples / np.sqrt(one.ratio * one.per_class) / max(abs(rates[0] - rates[1]), 1e-6)
    with ctx.workprec(BITS):
        distance = _distance(one, balls.exact(one.state) * (_generator(case) * zeta).exp())
        wins = lower < one.gamma < upper
        witness = f"C = {one.classes}, a = {a:.3g}, g = {one.gamma:.5g}: {float(distance.mid()):.2g} from E1+"
        return enclosed_at_most(distance, ARRIVED, witness) if wins else enclosed_at_most(APART - distance, 0, witness)


def _generator(case: Smoothed) -> arb_mat:
    """Return dZ = Z G of the smoothed problem, from the gradient of each sample's loss: (1 + g) target - g 1."""
    one = case.instance
    g, a, n, classes = arb(one.gamma), arb(case.smoothing), one.samples, one.classes
    m = [[((1 + g) * ((1 - a) * (y == c) + a / classes) - g) / n for y in one.labels] for c in range(classes)]
    return balls.generator(m, one.ratio)


def _distance(one: Instance, z: arb_mat) -> arb:
    """Return the distance of Z from (sqrt(s/N) X (x) 1', X), X the centred prototypes of Z, over the norm of Z."""
    _, w = balls.split(z, one.samples)
    x = w * balls.centring(one.classes)
    features = x * balls.spread(one.labels, one.classes).transpose() * arb(one.ratio).sqrt()
    return balls.norm(z - balls.beside(features, x)) / balls.norm(z)


def _generic(case: Smoothed) -> bool:
    typical = np.linalg.norm(case.instance.state) / np.sqrt(case.instance.state.shape[1])
    return all(np.linalg.norm(part) > GENERIC * typical for part in case.growing)


def _centred(rng: np.random.Generator) -> Smoothed:
    """Return a start without a mean, whose contrasts win even outside the window."""
    case = _draw(rng, [2] * 4, 0.5, 3.0)
    h, w = case.instance.features, case.instance.prototypes
    middle = replace(case.instance, features=np.hstack([h[:, :4], -h[:, :4]]), prototypes=w - w[:, ::-1])
    return replace(case, instance=middle)


CLAIMS = (
    Claim(
        id="smoothing.window",
        sentence="With equal class sizes and targets (1-a)e_y + a/C, 0 < a < 1, sigma1 becomes (1-a) sigma1 and sigma2 "
        "stays; from a generic start the limit is in E1+ if and only if a/(C-a) < g < (2-a)/(C-2+a), edges excepted.",
        formula=r"\sigma_1 \to (1-a)\sigma_1, \quad \sigma_2 \to \sigma_2, \quad "
        r"\text{E1+ wins} \iff \frac{a}{C-a} < \gamma < \frac{2-a}{C-2+a}",
        source="new; Corollary 3, eq. (9), is a = 0",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="the gradient of the smoothed loss, for all C, N, a, g; the dense flow, enclosed, around both edges",
        check=window,
        cases=cases,
        lever=Change("the upper edge", MOVED),
        hypotheses=(
            Hypothesis(
                "all classes have one size",
                holds=lambda case: case is None or len(set(np.bincount(case.instance.labels))) == 1,
                broken=lambda rng: _draw(rng, [5, 2, 1, 1], 0.3, 0.4),
            ),
            Hypothesis(
                "0 < a < 1",
                holds=lambda case: case is None or 0 < case.smoothing < 1,
                broken=lambda rng: _draw(rng, [2] * 4, 1.8, 0.34),
            ),
            Hypothesis(
                "g >= 0",
                holds=lambda case: case is None or case.instance.gamma >= 0,
                broken=lambda rng: _draw(rng, [2] * 4, 0.3, -1.5),
            ),
            Hypothesis(
                f"the start holds the growing contrasts and the growing mean, by {GENERIC} of a typical mode",
                holds=lambda case: case is None or _generic(case),
                broken=_centred,
            ),
        ),
    ),
)
