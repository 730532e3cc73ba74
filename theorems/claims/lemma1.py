r"""Lemma 1: what minimises the loss under norm bounds.

Prototypes w_c with |w_c| <= E1, features h_{i,c} with |h_{i,c}| <= E2, no biases, L the average loss, a = 1 + g, S =
sum_c w_c, u_c = a w_c - g S. Means run over all samples.

Why the corrected lemma holds. A sample of class c has the loss -u_c . h, and for all C, N and p

    L + a E1 E2 = mean of a E2/(2 E1) (E1^2 - |w_c|^2) + a E1/(2 E2) (E2^2 - |h|^2) + E2/(2 a E1) |u_c - (a E1/E2) h|^2
                  + g (2 - g (C-2)) E2/(2 a C E1) |S|^2.

Below g = 2/(C-2) all four factors are positive, so L >= -a E1 E2, with equality iff |w_c| = E1, |h| = E2, S = 0 and h =
E2 u_c/(a E1) = E2 w_c/E1. Such prototypes exist: a regular polygon for p >= 2, opposite pairs for p = 1 and even C.

Why the printed lemma fails. The set {equal norms, zero sum} is a simplex equiangular tight frame (ETF) for C <= 3 only:
for C = 4 a square does as well. At g = 2/(C-2) the factor of |S|^2 is zero, and prototypes may lean to a common
direction e until all are on it; above, w_c = E1 e with h = -E2 e is lower. The proof's step errs in a square: the mean
of |S - w_c|^2 is mean |w_c|^2 + (C^2 - 2C) |S/C|^2, not mean |w_c|^2 - C^2 |S/C|^2.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import sympy
from sympy import Matrix, Rational, exp, pi, sqrt, symbols

from theorems.claim import MOVED, Change, Claim, Hypothesis
from theorems.evidence import both, counterexample, never_negative, symbolic
from theorems.verdict import Evidence, Strength, Verdict

G, E1, E2, U, A = symbols("g E1 E2 u a", positive=True)
CLASSES, MORE = symbols("C c", integer=True, positive=True)
SPARE = symbols("d", integer=True, nonnegative=True)
# |W|^2 in all, |S|^2, and the means of w_c . h, S . h and |h|^2
SQUARES, TOTAL, ALONG, ACROSS, FEATURE = symbols("Q T X Y K", real=True)
OWN, SUM, H = (Matrix([int(k == m) for k in range(3)]) for m in range(3))  # w_c, S and h of a sample, as coordinates

Vectors = Sequence[Sequence[Fraction]]


@dataclass(frozen=True)
class Setting:
    """C, gamma and p, as numbers or as symbols; with ``per_class`` (N) it is checked on coordinates."""

    classes: Any
    gamma: Any
    dimension: Any
    per_class: int = 0

    @property
    def room(self) -> Any:
        """2 - g (C-2): positive below the critical gamma."""
        return sympy.cancel(2 - self.gamma * (self.classes - 2))


def gram(classes: Any) -> sympy.Matrix:
    """Return the means over samples of all inner products of (w_c, S, h)."""
    return Matrix(
        [[SQUARES / classes, TOTAL / classes, ALONG], [TOTAL / classes, TOTAL, ACROSS], [ALONG, ACROSS, FEATURE]]
    )


def objective(setting: Setting) -> Any:
    """Return the average loss: the mean of -w_c . h + g (S - w_c) . h."""
    logits = -OWN + setting.gamma * (SUM - OWN)
    return (logits.T * gram(setting.classes) * H)[0]


def parts(setting: Setting) -> list[tuple[Any, Any]]:
    """Return the four pairs (factor, what is never negative) of the sum in the docstring."""
    classes, g, a = setting.classes, setting.gamma, 1 + setting.gamma
    off = a * OWN - g * SUM - (a * E1 / E2) * H
    return [
        (a * E2 / (2 * E1), E1**2 - SQUARES / classes),
        (a * E1 / (2 * E2), E2**2 - FEATURE),
        (E2 / (2 * a * E1), (off.T * gram(classes) * off)[0]),
        (g * setting.room * E2 / (2 * a * classes * E1), TOTAL),
    ]


def bound(setting: Setting, x: float) -> Evidence:
    """Judge L >= -``x`` a E1 E2: the identity, for all C and gamma at once, and that the setting's factors are >= 0."""
    anywhere = Setting(CLASSES, G, None)
    clear = 2 * (1 + G) * CLASSES * E1 * E2  # of denominators
    residual = clear * (objective(anywhere) + sympy.nsimplify(x) * (1 + G) * E1 * E2)
    residual -= sum(sympy.expand(clear * factor * part) for factor, part in parts(anywhere))
    return both(symbolic(sympy.expand(residual)), never_negative(*(factor for factor, _ in parts(setting))))


def excess(setting: Setting, total: Any, x: float, scale: Any = 1) -> Any:
    """Return L + ``x`` a E1 E2 at |w_c| = E1, |S|^2 = ``total`` E1^2 and h = ``scale`` E2 w_c/E1."""
    classes = setting.classes
    point = {SQUARES: classes * E1**2, TOTAL: total * E1**2, FEATURE: scale**2 * E2**2}
    point |= {ALONG: scale * E1 * E2, ACROSS: scale * total * E1 * E2 / classes}
    return sympy.cancel(objective(setting).subs(point) + sympy.nsimplify(x) * (1 + setting.gamma) * E1 * E2)


def remainder(setting: Setting) -> Any:
    """Return |S|^2/E1^2 of a balanced arrangement in p dimensions: opposite pairs on a line, else a regular polygon."""
    if setting.dimension == 1:
        return (1 - (-1) ** setting.classes) / 2  # all pairs cancel, and for odd C one is left
    turn = exp(2 * pi * sympy.I / setting.classes)
    return (1 - turn**setting.classes) / (1 - turn)  # a geometric sum


def simplex_remainder(setting: Setting) -> Any:
    """Return |S|^2/E1^2 of the ETF, C times a row sum of its cosines; below C-1 dimensions, of what there is instead.

    The cosines' matrix has this eigenvalue once and C/(C-1) otherwise: of rank C-1, it exists in C-1 dimensions.
    """
    if not _fits_simplex(setting):
        return remainder(setting)
    cosine = -1 / sympy.sympify(setting.classes - 1)
    return sympy.cancel(setting.classes * (1 + (setting.classes - 1) * cosine))


def all_simplex_sizes(rng: np.random.Generator, x: float) -> Iterable[Setting]:
    """Yield C >= 3 with every gamma below 2/(C-2), C = 2 with every gamma, p >= C - 1; coordinates for some sizes."""
    yield _below(2 + MORE, MORE + 1 + SPARE)
    yield Setting(sympy.Integer(2), G, 1 + SPARE)
    yield from _some_sizes()


def all_sizes(rng: np.random.Generator, x: float) -> Iterable[Setting]:
    """Yield C >= 3 and p >= 2, even C and p = 1, C = 2; coordinates for some sizes."""
    yield _below(2 + MORE, 2 + SPARE)
    yield _below(2 + 2 * MORE, sympy.Integer(1))
    yield Setting(sympy.Integer(2), G, 1 + SPARE)
    yield from _some_sizes()


def value(setting: Setting, x: float) -> Evidence:
    """Judge that the minimum is -``x`` a E1 E2: nothing is below, and the ETF is there."""
    if setting.per_class:
        return _on_coordinates(setting, x)
    return both(bound(setting, x), symbolic(excess(setting, simplex_remainder(setting), x)))


def minimisers(setting: Setting, x: float) -> Evidence:
    """Judge "minimises iff |w_c| = E1, S = 0, h = ``x`` E2 w_c/E1", and that there is such a point."""
    if setting.per_class:
        return _on_coordinates(setting, 1.0)
    if any(factor == 0 for factor, _ in parts(setting)):
        return Evidence(1.0, 0.0, 0.0, Strength.SYMBOLIC, "a factor is zero: what it multiplies is free")
    a, scale = 1 + setting.gamma, sympy.nsimplify(x)
    only_if = E2 / (a * E1) * a - scale * E2 / E1  # S = 0 and the third part: h = E2 a w_c/(a E1)
    return both(
        bound(setting, 1.0),
        symbolic(only_if, excess(setting, sympy.Integer(0), 1.0, scale), remainder(setting)),
    )


def critical_sizes(rng: np.random.Generator, x: float) -> Iterable[Setting]:
    """Yield all C >= 3 with p >= C, and coordinates for some; gamma is ``x`` 2/(C-2)."""
    yield _critical(2 + MORE, 2 + MORE + SPARE, x)
    yield _critical(sympy.Integer(3), sympy.Integer(3), x, 2)
    yield _critical(sympy.Integer(4), sympy.Integer(4), x, 1)


def tie(setting: Setting, x: float) -> Evidence:
    """Judge that w_c = E1 (sin v_c + cos e), with their best features, are minimisers at every angle."""
    if setting.per_class:
        return symbolic(*_leaning_on_coordinates(setting))
    classes, g, a = setting.classes, setting.gamma, 1 + setting.gamma
    sine, cosine = _half_angle()
    # u_c = a w_c - g S in the orthonormal pair (v_c, e): the v_c sum to zero, so S = C E1 cos e.
    best = Matrix([a * sine, (a - g * classes) * cosine]) * E1
    loss = -(E2 / (a * E1)) * best.dot(best)  # with h = E2 u_c/(a E1), which must have length E2
    residuals = (best.dot(best) - (a * E1) ** 2, loss + a * E1 * E2)
    return both(symbolic(*map(sympy.cancel, residuals)), bound(setting, 1.0))


def _half_angle() -> tuple[Any, Any]:
    """Return (sin, cos) of every angle between 0 and 180 degrees, as rational functions."""
    return 2 * A / (1 + A**2), (1 - A**2) / (1 + A**2)


def _below(classes: Any, dimension: Any) -> Setting:
    """Return a setting with every gamma between 0 and 2/(C-2), by u > 0."""
    return Setting(sympy.sympify(classes), 2 * U / ((classes - 2) * (1 + U)), sympy.sympify(dimension))


def _critical(classes: Any, dimension: Any, x: float, per_class: int = 0) -> Setting:
    return Setting(classes, sympy.nsimplify(x) * 2 / (classes - 2), dimension, per_class)


def _some_sizes() -> Iterable[Setting]:
    for classes, dimension, per_class in ((2, 1, 3), (3, 2, 2), (4, 3, 1)):
        yield Setting(sympy.Integer(classes), Rational(2, 3), sympy.Integer(dimension), per_class)


def _fits_simplex(setting: Setting) -> bool | None:
    return (setting.dimension - setting.classes + 1).is_nonnegative


def _fits_balance(setting: Setting) -> bool | None:
    return (setting.dimension - 2).is_nonnegative or setting.classes.is_even


def _summed(setting: Setting, prototypes: list[Any], samples: list[tuple[int, Any]]) -> Any:
    """Return the average loss, summed by eq. (2) over (class, feature)."""
    total = 0
    for c, h in samples:
        total += -prototypes[c].dot(h) + setting.gamma * sum(w.dot(h) for j, w in enumerate(prototypes) if j != c)
    return total / len(samples)


def _on_coordinates(setting: Setting, x: float) -> Evidence:
    """Judge the identity on vectors of symbols, the loss summed by eq. (2)."""
    classes, p, g, a = int(setting.classes), int(setting.dimension), setting.gamma, 1 + setting.gamma
    w = [Matrix(symbols(f"w{c}_:{p}", real=True)) for c in range(classes)]
    samples = [
        (c, Matrix(symbols(f"h{i}{c}_:{p}", real=True))) for i in range(setting.per_class) for c in range(classes)
    ]
    total = sum(w, Matrix([0] * p))
    off = [a * w[c] - g * total - a * E1 / E2 * h for c, h in samples]
    found = (
        sum(E1**2 - one.dot(one) for one in w) / classes,
        sum(E2**2 - h.dot(h) for _, h in samples) / len(samples),
        sum(one.dot(one) for one in off) / len(samples),
        total.dot(total),
    )
    slack = sum(factor * part for (factor, _), part in zip(parts(setting), found, strict=True))
    residual = _summed(setting, w, samples) + sympy.nsimplify(x) * a * E1 * E2 - slack
    return symbolic(sympy.expand(residual * E1 * E2))


def _leaning_on_coordinates(setting: Setting) -> list[Any]:
    """Return |w_c| - E1, |h| - E2 and L + a E1 E2, in squares, of the leaning prototypes, from their coordinates."""
    classes, a = int(setting.classes), 1 + setting.gamma
    frame = (sympy.eye(classes) - sympy.ones(classes) / classes) * sqrt(Rational(classes, classes - 1))
    # With fewer than C dimensions no direction is orthogonal to the ETF: take one of its own.
    common = sympy.ones(classes, 1) / sqrt(classes) if setting.dimension >= classes else frame[:, 0]
    sine, cosine = _half_angle()
    w = [E1 * (sine * frame[:, c] + cosine * common) for c in range(classes)]
    total = sum(w, sympy.zeros(classes, 1))
    h = [E2 / (a * E1) * (a * one - setting.gamma * total) for one in w]
    samples = [(c, h[c]) for _ in range(setting.per_class) for c in range(classes)]
    residuals = [one.dot(one) - E1**2 for one in w] + [one.dot(one) - E2**2 for one in h]
    return [sympy.cancel(one) for one in (*residuals, _summed(setting, w, samples) + a * E1 * E2)]


@dataclass(frozen=True)
class Configuration:
    """One feature for each class, E1 = E2 = 1, in exact rationals."""

    name: str
    gamma: Fraction
    prototypes: Vectors
    features: Vectors

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.prototypes)

    @property
    def dimension(self) -> int:
        """The number of coordinates."""
        return len(self.prototypes[0])

    @property
    def below(self) -> bool:
        """Whether gamma is below 2/(C-2)."""
        return self.gamma * (self.classes - 2) < 2

    def loss(self) -> Fraction:
        """Return the average loss of eq. (2)."""
        total = Fraction(0)
        for c, h in enumerate(self.features):
            logits = [_dot(w, h) for w in self.prototypes]
            total += -logits[c] + self.gamma * (sum(logits) - logits[c])
        return total / self.classes


def large_gammas(rng: np.random.Generator, x: float) -> Iterable[Configuration]:
    """Yield aligned prototypes and random unit vectors at several gammas; ``x`` = 1 keeps those below 2/(C-2)."""
    for classes, gamma in ((3, 3), (2, 3), (3, 1), (3, Fraction(3, 2)), (5, 1), (5, Fraction(1, 2))):
        unit = [Fraction(int(k == 0)) for k in range(classes - 1)]
        aligned = [unit] * classes, [[-one for one in unit]] * classes
        drawn = [[_unit(rng, classes - 1) for _ in range(classes)] for _ in range(2)]
        for name, (w, h) in (("w_c = e, h_c = -e", aligned), ("random unit vectors", drawn)):
            case = Configuration(name, Fraction(gamma), w, h)
            if case.below or not x:
                yield case


def large_gamma(case: Configuration, x: float) -> Evidence:
    """Judge that no loss is below -(1 + gamma)."""
    loss, least = case.loss(), -(1 + case.gamma)
    where = f"C = {case.classes}, g = {case.gamma}, p = {case.dimension}, E1 = E2 = 1: {case.name} has loss {loss}"
    return counterexample(max(least - loss, 0), f"{where}, the ETF {least}")


def rivals(rng: np.random.Generator, x: float) -> Iterable[Configuration]:
    """Yield features on their prototypes: a square, pairs on a line, random ones; ``x`` = 1 keeps C <= 3."""
    yield from (case for case in _shapes() if case.classes <= 3 or not x)
    for classes in (2, 3, 3, 3) if x else (4, 5):
        w = [_unit(rng, classes - 1) for _ in range(classes)]
        yield Configuration("random unit vectors", Fraction(1, 2), w, w)


def uniqueness(case: Configuration, x: float) -> Evidence:
    """Judge that whatever is as low as the ETF has its cosines, -1/(C-1)."""
    cosine, n = Fraction(-1, case.classes - 1), case.classes
    frame = -1 + case.gamma * (n - 1) * cosine  # the ETF's loss, features on prototypes
    loss = case.loss()
    cosines = [_dot(v, w) for k, v in enumerate(case.prototypes) for w in case.prototypes[:k]]
    gap = max(abs(one - cosine) for one in cosines) if loss <= frame else 0
    where = f"C = {n}, p = {case.dimension}, g = {case.gamma}, h_c = w_c = {case.name}"
    return counterexample(gap, f"{where}: loss {loss}, ETF {frame}; cosines {min(cosines)} to {max(cosines)}")


def means(rng: np.random.Generator, x: float) -> Iterable[Configuration]:
    """Yield two equal prototypes on a line, then random ones."""
    one = [[Fraction(1)]] * 2
    yield Configuration("w = (1, 1)", Fraction(1), one, one)
    for classes, p in ((2, 2), (3, 2), (5, 4)):
        w = [[Fraction(int(n), 4) for n in rng.integers(-8, 9, p)] for _ in range(classes)]
        yield Configuration("random w", Fraction(1), w, w)


def proof_identity(case: Configuration, x: float) -> Evidence:
    """Judge the mean of |C mean - w_c|^2; ``x`` = 0 subtracts C^2 |mean|^2 as printed, 1 adds (C^2 - 2C) |mean|^2."""
    n, w = case.classes, case.prototypes
    mean = [sum(column) / n for column in zip(*w, strict=True)]
    off = [[n * m - one for m, one in zip(mean, vector, strict=True)] for vector in w]
    left = sum(_dot(one, one) for one in off) / n
    factor = n * n - 2 * n if x else -n * n
    right = sum(_dot(one, one) for one in w) / n + factor * _dot(mean, mean)
    return counterexample(
        left - right, f"C = {n}, p = {case.dimension}, {case.name}: left side {left}, right side {right}"
    )


def _shapes() -> list[Configuration]:
    """Return arrangements of four, three and two unit prototypes with their features on them."""
    shapes = {
        "(e1, -e1, e2, -e2)": [(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0)],
        "(e1, e1, -e1, -e1)": [(1, 0, 0), (1, 0, 0), (-1, 0, 0), (-1, 0, 0)],
        "(e1, -e1, e2)": [(1, 0), (-1, 0), (0, 1)],
        "(e1, -e1)": [(1, 0), (-1, 0)],
    }
    exact = {name: [[Fraction(one) for one in vector] for vector in shape] for name, shape in shapes.items()}
    return [Configuration(name, Fraction(1, 2), shape, shape) for name, shape in exact.items()]


def _dot(first: Sequence[Fraction], second: Sequence[Fraction]) -> Fraction:
    return sum((a * b for a, b in zip(first, second, strict=True)), Fraction(0))


def _unit(rng: np.random.Generator, p: int) -> list[Fraction]:
    """Return a rational point of the unit sphere, by stereographic projection."""
    y = [Fraction(int(n), 7) for n in rng.integers(-20, 21, p - 1)]
    square = _dot(y, y)
    return [*(2 * one / (square + 1) for one in y), (square - 1) / (square + 1)]


def arrangements(figure: Any) -> None:
    """Draw three minimisers for C = 4 on the unit sphere, seen from the same side, with their losses."""
    gamma, (square, pairs) = Fraction(1, 2), _shapes()[:2]
    corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)
    panels = {"simplex ETF": corners.tolist(), "square": square.prototypes, "two pairs": pairs.prototypes}
    azimuth, height = np.radians(-65), np.radians(35)
    view = np.array(
        [
            [-np.sin(azimuth), np.cos(azimuth), 0],
            [-np.sin(height) * np.cos(azimuth), -np.sin(height) * np.sin(azimuth), np.cos(height)],
        ]
    )
    turn = np.linspace(0, 2 * np.pi, 100)
    circle = np.array([np.cos(turn), np.sin(turn)])
    for (name, w), axes in zip(panels.items(), figure.subplots(1, 3), strict=True):
        loss, seen = Configuration(name, gamma, w, w).loss(), np.array(w, dtype=float) @ view.T
        axes.plot(*circle, color="0.75")
        axes.plot(*view[:, :2] @ circle, color="0.75", linestyle=":")
        for k, (x, y) in enumerate(seen):
            axes.annotate("", (x, y), (0, 0), arrowprops={"arrowstyle": "-|>", "color": "#0072b2", "linewidth": 1.8})
            shared = sum(np.allclose(seen[k], other) for other in seen[:k])
            axes.text(1.2 * x, 1.2 * y - 0.22 * shared, f"w{k + 1}", ha="center", va="center", fontsize=9)
        axes.set(xlim=(-1.35, 1.35), ylim=(-1.35, 1.35), aspect="equal")
        axes.set_axis_off()
        axes.set_title(f"{name}\nloss {float(loss):.3f} E1 E2", fontsize=10)
    figure.suptitle(f"C = 4, gamma = {float(gamma)}: equally low, and only the first is a simplex ETF", fontsize=10)


ABOVE = Setting(2 + MORE, 2 * (1 + U) / MORE, MORE + 1 + SPARE)
FEW_DIMENSIONS = _below(3, 1)
WINDOW = Hypothesis(
    "0 < gamma < 2/(C-2), or C = 2",
    holds=lambda case: case.gamma.is_positive and case.room.is_positive,
    broken=lambda rng: ABOVE,
)
POSITIVE = Hypothesis("gamma > 0", holds=lambda case: case.gamma > 0)
UNIT = Hypothesis(
    "the norms of prototypes and features are at most E1 = 1 and E2 = 1",
    holds=lambda case: all(_dot(v, v) <= 1 for v in (*case.prototypes, *case.features)),
)
ENOUGH = Hypothesis("p >= C - 1", holds=lambda case: case.dimension >= case.classes - 1)

CLAIMS = (
    Claim(
        id="lemma1.value",
        sentence="If p >= C-1 and 0 < gamma < 2/(C-2), or C = 2, the smallest average loss of prototypes bounded by "
        "E1 and features bounded by E2 is -(1+gamma) E1 E2.",
        formula=r"\min_{\|w_c\| \le E_1, \|h_{i,c}\| \le E_2} \frac{1}{CN} \sum_{i,c} L_\gamma(W h_{i,c}, c) = "
        r"-(1+\gamma) E_1 E_2",
        source="Lemma 1, p. 5, and its proof, p. 21",
        page=5,
        form="printed",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="eq. (2): loss minus bound as a sum of squares and slacks, for all C, N, p; on coordinates for two "
        "sizes",
        check=value,
        cases=all_simplex_sizes,
        lever=Change("the value", MOVED),
        hypotheses=(
            WINDOW,
            Hypothesis("p >= C - 1", holds=_fits_simplex, broken=lambda rng: FEW_DIMENSIONS),
        ),
    ),
    Claim(
        id="lemma1.large-gamma.printed",
        sentence="If p >= C-1, the smallest average loss of prototypes bounded by E1 and features bounded by E2 is "
        "-(1+gamma) E1 E2 for every gamma > 0.",
        formula=r"\min_{\|w_c\| \le E_1, \|h_{i,c}\| \le E_2} \frac{1}{CN} \sum_{i,c} L_\gamma(W h_{i,c}, c) = "
        r"-(1+\gamma) E_1 E_2 \quad \text{for all } \gamma > 0",
        source="Lemma 1, p. 5, and its proof, p. 21",
        page=5,
        form="printed",
        expected=Verdict.REFUTED,
        strength=Strength.WITNESS,
        reference="eq. (2) of one configuration in exact rationals",
        check=large_gamma,
        cases=large_gammas,
        repair=Change("whether gamma < 2/(C-2) is required", to=1.0, stated=0.0),
        hypotheses=(ENOUGH, POSITIVE, UNIT),
    ),
    Claim(
        id="lemma1.uniqueness.printed",
        sentence="If p >= C-1, the prototypes of every minimiser of the average loss under the norm bounds form a "
        "simplex ETF.",
        formula=r"\text{minimal} \Rightarrow \frac{w_i^\top w_j}{\|w_i\| \|w_j\|} = -\frac{1}{C-1} \quad (i \ne j)",
        source="Lemma 1 and the sentence after it, p. 5",
        page=5,
        form="printed",
        expected=Verdict.REFUTED,
        strength=Strength.WITNESS,
        reference="eq. (2) of one configuration in exact rationals, beside that of the ETF",
        check=uniqueness,
        cases=rivals,
        repair=Change("whether C <= 3 is required", to=1.0, stated=0.0),
        hypotheses=(ENOUGH, POSITIVE, UNIT),
        picture=arrangements,
    ),
    Claim(
        id="lemma1.corrected",
        sentence="If 0 < gamma < 2/(C-2), or C = 2, and p >= 2 or C is even, then prototypes and features minimise "
        "the average loss under the norm bounds if and only if all prototypes have norm E1, they sum to zero, and "
        "every feature is E2/E1 times its prototype.",
        formula=r"\text{minimal} \iff \|w_c\| = E_1, \; \sum_c w_c = 0, \; h_{i,c} = \frac{E_2}{E_1} w_c",
        source="Lemma 1, p. 5",
        page=5,
        form="corrected",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="eq. (2): loss minus bound as a sum of squares and slacks, for all C, N, p; on coordinates for two "
        "sizes",
        check=minimisers,
        cases=all_sizes,
        lever=Change("E2/E1, the length of the features", MOVED),
        hypotheses=(
            WINDOW,
            Hypothesis("p >= 2 or C is even", holds=_fits_balance, broken=lambda rng: FEW_DIMENSIONS),
        ),
    ),
    Claim(
        id="lemma1.critical-tie",
        sentence="At gamma = 2/(C-2), C >= 3, p >= C, the prototypes that lean from a simplex ETF towards a "
        "direction orthogonal to it all reach the minimum -(1+gamma) E1 E2 with their best features, at every angle "
        "from the ETF to all aligned.",
        formula=r"\gamma = \frac{2}{C-2}: \quad w_c = E_1 (\sin \phi \, v_c + \cos \phi \, e), \; V^\top V = "
        r"\frac{C}{C-1} I - \frac{1}{C-1} 1 1^\top, \; e \perp V \Rightarrow \min_H L = -(1+\gamma) E_1 E_2",
        source="Lemma 1, at the edge of its corrected form",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="eq. (2) in the pair (v_c, e) for all C, N, p; on coordinates for C = 3, 4",
        check=tie,
        cases=critical_sizes,
        lever=Change("gamma = 2/(C-2)", MOVED),
        hypotheses=(
            Hypothesis(
                "p >= C, so that a direction is orthogonal to the ETF",
                holds=lambda case: (case.dimension - case.classes).is_nonnegative,
                broken=lambda rng: _critical(sympy.Integer(3), sympy.Integer(2), 1.0, 1),
            ),
        ),
    ),
    Claim(
        id="lemma1.proof-identity.printed",
        sentence="The mean over the classes of the squared norm of the sum of the other prototypes is the mean "
        "squared norm of the prototypes minus C^2 times the squared norm of their mean.",
        formula=r"\frac{1}{C} \sum_c \| C \hat w - w_c \|^2 = \frac{1}{C} \sum_c \|w_c\|^2 - C^2 \|\hat w\|^2, \quad "
        r"\hat w = \frac{1}{C} \sum_c w_c",
        source="Proof of Lemma 1, p. 21",
        page=21,
        form="printed",
        expected=Verdict.REFUTED,
        strength=Strength.WITNESS,
        reference="both sides on coordinates, in exact rationals",
        check=proof_identity,
        cases=means,
        repair=Change("the factor of the mean's square: -C^2 (0) or C^2 - 2C (1)", to=1.0, stated=0.0),
    ),
)
