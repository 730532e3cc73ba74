r"""Class imbalance: a few modes decide, minorities collapse, and accuracy is a transient.

Notation: n_c samples of class c, n in all, n_(1) >= n_(2) >= ... their sizes in order, D = diag(n_c), d = sqrt(n_c),
g = gamma, s = eta1/eta2, q = sqrt(s), zeta = int eta2. E is the C x n indicator of the classes, so E E' = D, and
A = (1 + g) I - g 11', so M = A E/n. T = n^2 M'M on class space (the vectors E'D^(-1/2) y).

Modes. n^2 M M' = A D A' = K K' with K = A D^(1/2), so n sigma_k are the singular values of K. If M v = sigma u and
M'u = sigma v, then (H v)' = s (sigma W u - l1 H v) and (W u)' = sigma H v - l2 W u, for any M at all.

Phase boundary. T = K'K = (1 + g)^2 D + tau d d' with tau = g (g (C - 2) - 2), an identity entry by entry, so it holds
for every C. Turn the sign of y on a set S of classes: y'T y changes by -4 tau (sum_S d y)(sum_rest d y). A top vector y
maximises y'T y on the sphere. (i) tau > 0: were both signs present, turning the negative ones would raise y'T y; so y
has one sign, and no zero, since T y is then nonzero everywhere. (ii) tau < 0: were y of one strict sign, turning
one entry would raise y'T y. (iii) tau = 0: T is diagonal, and the unit vector of a largest class, with its zeros, is a
top vector. M's singular vector has y_c/d_c on class c, so the same signs. These steps are reduced to identities and
signs; the maximum property of the top vector (Rayleigh) is the one lemma taken from linear algebra.

Accuracy. Let tau < 0 and the sizes be distinct. Interlacing puts mu = (n sigma_1)^2 strictly between (1 + g)^2 n_(2)
and (1 + g)^2 n_(1), so sigma_1 is simple, and the state becomes A_1 (q v', u') e^(q sigma_1 zeta): rank one, logits
proportional to u_c v_i. The entries v_c ~ d_c/((1 + g)^2 n_c - mu) have one sign but for the largest class, and u_c is
a constant plus a multiple of f(n_c), f(m) = m/((1 + g)^2 m - mu), which falls on both branches: its extremes are the
largest class and the second. So the largest class gets its own samples, and the second largest gets everybody else's.
For tau > 0 all v_c have one sign and u is largest at the largest class, which gets all samples. The biases grow only
linearly. The checks enclose the logits of the dense model at a time when the second mode is below e^-50 of the first.

Minority collapse. m_h heads and m_t tails of one size each: T leaves the contrasts among the heads alone, so they grow
with sigma_head = (1 + g) sqrt(n_h)/n, and the tails are driven only by the 2 x 2 block between the two groups
and by contrasts of their own; for tau < 0 the block's larger singular value lies between sigma_tail and sigma_head.

Weights. omega_c = alpha n_c^(-1/2) makes n^2 M M' = alpha^2 A A', which knows no class size; the class sums
sum_(i in c) h_i/sqrt n_c and W then move as in the balanced model with one sample a class, in the clock alpha C zeta/n.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import sympy
from flint import acb_mat, arb, arb_mat, ctx, fmpq, fmpq_mat
from sympy import Rational, sqrt, symbols

from theorems import balls
from theorems.claim import MOVED, Change, Claim, Hypothesis
from theorems.evidence import both, enclosed, enclosed_at_most, never_negative, symbolic
from theorems.instance import Instance, class_major, label_operator, random_instance
from theorems.verdict import Evidence, Strength, Verdict

C = symbols("C", integer=True, positive=True)
G, S, L1, L2, SIGMA, ALPHA, N_ALL = symbols("g s l1 l2 sigma alpha n", positive=True)
SIZES = dict(zip("ab", symbols("n_a n_b", positive=True), strict=True))
OTHERS = symbols("m", positive=True)  # the samples of all classes but the named ones

LATE = 50.0  # the modes left out are below e^-LATE of those kept, up to the genericity factor
GENERIC = 0.1  # a mode counts as present from this fraction of a typical mode of the start
RATE_TOLERANCE = 1e-6  # of a rate, in units of the head's rate; the modes left out are below e^-50
SAME = 1e-20  # two dense flows that must be one, relative; enclosed at 200 bits
BITS = 200  # beyond those that the exponentials themselves take

UNEQUAL = ((3, 1), (3, 2, 1), (4, 2, 1), (5, 3, 2, 1), (6, 4, 3, 2, 1), (12, 9, 7, 5, 3, 2, 1))
TWO_LEVELS = ((4, 4, 1), (3, 3, 1, 1), (6, 6, 2, 2), (4, 4, 4, 1), (5, 5, 2), (4, 4, 4, 1, 1))
EXAMPLE = (12, 9, 7, 5, 3, 2, 1)


def boundary(classes: int) -> float:
    """Return 2/(C - 2), which is infinite for two classes."""
    return 2 / (classes - 2) if classes > 2 else np.inf


def over_classes(a: str, b: str, summand: Any) -> Any:
    """Return the sum over all classes c of summand(c, n_c), linear in n_c, for the entry (a, b) of a C x C matrix.

    Only a and b are special: the others' summands differ by their sizes alone, which add up to one symbol.
    """
    return sum(summand(c, SIZES[c]) for c in dict.fromkeys((a, b))) + summand("others", OTHERS)


# -- modes -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Exact:
    """Class sizes and a rational gamma."""

    sizes: tuple[int, ...]
    gamma: fmpq

    @property
    def operator(self) -> list[list[fmpq]]:
        """M in rationals, (C, n)."""
        return label_operator(class_major(self.sizes), len(self.sizes), self.gamma, fmpq(1))


def exact_cases(rng: np.random.Generator, x: float) -> Iterable[Exact | None]:
    """Yield the statement for all sizes, then random sizes and gammas of every kind."""
    yield None
    for classes in (2, 3, 4, 5):
        yield Exact(tuple(int(size) for size in rng.integers(1, 6, classes)), fmpq(int(rng.integers(1, 40)), 16))


def modes(case: Exact | None, x: float) -> Evidence:
    """Judge both halves; ``x`` scales the singular values that K and S(sigma) are said to give."""
    scale = sympy.nsimplify(x)
    if case:
        return _same_spectrum(case, fmpq(int(scale.p), int(scale.q)))
    gram = []
    for a, b in ("aa", "ab"):
        dense = over_classes(a, b, lambda c, size, a=a, b=b: size * _label(a, c) * _label(b, c))
        small = over_classes(a, b, lambda c, size, a=a, b=b: _root(a, c, size) * _root(b, c, size))
        gram.append(dense - scale**2 * small)
    return symbolic(*gram, *_pair_residuals(scale * SIGMA))


def _label(a: str, c: str) -> Any:
    """Return n times the entry of M in row a, for a sample of class c: the gradient of the loss, eq. (5)."""
    return 1 if a == c else -G


def _root(a: str, c: str, size: Any) -> Any:
    """Return the entry (a, c) of K = ((1 + g) I - g 11') D^(1/2)."""
    return ((1 + G) * int(a == c) - G) * sqrt(size)


def _pair_residuals(sigma: Any) -> tuple[Any, Any]:
    """Return (H v)' and (W u)' by eq. (12) less what S(sigma) says, for any H, W and M: letters that do not commute."""
    h, w, m, back, u, v = symbols("H W M M' u v", commutative=False)
    singular = {m * v: SIGMA * u, back * u: SIGMA * v}
    features = sympy.expand(S * (w * m - L1 * h) * v).subs(singular)
    prototypes = sympy.expand((h * back - L2 * w) * u).subs(singular)
    said = -S * L1 * h * v + S * sigma * w * u, sigma * h * v - L2 * w * u
    return sympy.expand(features - said[0]), sympy.expand(prototypes - said[1])


def _same_spectrum(case: Exact, scale: fmpq) -> Evidence:
    """Compare the characteristic polynomials of n^2 M'M (n x n, dense) and of A D A', in rationals."""
    n, classes = sum(case.sizes), len(case.sizes)
    dense = fmpq_mat(case.operator)
    a = fmpq_mat(
        [[scale * ((1 + case.gamma) * int(i == j) - case.gamma) for j in range(classes)] for i in range(classes)]
    )
    d = fmpq_mat([[fmpq(size * int(i == j)) for j in range(classes)] for i, size in enumerate(case.sizes)])
    large = (dense.transpose() * dense * fmpq(n**2)).charpoly().coeffs()
    small = [fmpq(0)] * (n - classes) + (a * d * a.transpose()).charpoly().coeffs()
    return symbolic(*(Rational(int(c.p), int(c.q)) for c in map(fmpq.__sub__, large, small)))


# -- phase boundary ----------------------------------------------------------------------------------------------------


def boundary_cases(rng: np.random.Generator, x: float) -> Iterable[Exact | None]:
    """Yield the statement for all sizes, then distinct random sizes on both sides of the boundary, and close to it."""
    yield None
    for sizes in UNEQUAL[1:]:
        for side in (0.5, 0.9995, 1.0005, 2.0):
            gamma = float(boundary(len(sizes)) * side * rng.uniform(0.9999, 1.0001))
            yield Exact(tuple(int(size) for size in rng.permutation(sizes)), _rational(gamma))


def _rational(value: float) -> fmpq:
    numerator, denominator = float(value).as_integer_ratio()
    return fmpq(numerator, denominator)


def phase_boundary(case: Exact | None, x: float) -> Evidence:
    """Judge the sign pattern; ``x`` scales the boundary."""
    if case:
        return _top_signs(case, x)
    return both(_rank_one_update(), _turning(), _sign_of_update(sympy.nsimplify(x)))


def _rank_one_update() -> Evidence:
    """Judge T = (1 + g)^2 D + tau d d' from the inner products of M's columns, for every C."""
    tau, (a, b) = G * (G * (C - 2) - 2), SIZES.values()
    same = a * (1 + (C - 1) * G**2) - (1 + G) ** 2 * a - tau * a
    different = sqrt(a * b) * (-2 * G + (C - 2) * G**2) - tau * sqrt(a * b)
    return symbolic(same, different)


def _turning() -> Evidence:
    """Judge the change of y'T y by turning signs, and that its sign is that of tau; the diagonal part never changes."""
    tau, turned, kept = symbols("tau turned kept", real=True)
    change = tau * (kept - turned) ** 2 - tau * (kept + turned) ** 2 + 4 * tau * turned * kept
    # Of one strict sign and tau = -t < 0; of both signs (turned = -r < 0) and tau = t > 0: both changes are positive.
    t, r, k = symbols("t r k", positive=True)
    return both(symbolic(change), never_negative(-4 * (-t) * r * k, -4 * t * (-r) * k))


def _sign_of_update(scale: Any) -> Evidence:
    """Judge that tau/g has its only zero at scale * 2/(C - 2): it is zero there, and rises with g."""
    extra = symbols("c", positive=True)  # C - 2
    tau = G * (G * extra - 2)
    return both(never_negative(sympy.diff(tau / G, G)), symbolic((tau / G).subs(G, scale * 2 / extra)))


def _top_signs(case: Exact, x: float) -> Evidence:
    """Enclose the top right singular vector of the dense M, and look at its signs."""
    with ctx.workprec(BITS):
        dense = arb_mat(fmpq_mat(case.operator))
        # M'u is the right singular vector of M'M's top eigenvalue, u the left one.
        values, vectors = acb_mat(dense * dense.transpose()).eig(right=True)
        top = max(range(len(values)), key=lambda k: float(values[k].real.mid()))
        right = [entry.real for entry in (acb_mat(dense.transpose()) * vectors).transpose().table()[top]]
        least = right[0] * right[0]
        for entry in right:
            least = least.min(entry * right[0])
        one_sign = float(Rational(int(case.gamma.p), int(case.gamma.q))) > x * boundary(len(case.sizes))
        witness = f"n_c = {case.sizes}, g = {float(case.gamma.p) / float(case.gamma.q):.4g}"
        return enclosed_at_most(-least if one_sign else least, 0.0, witness)


# -- late times --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Late:
    """A random start, and the size of its constant descent steps; None: the flow."""

    sizes: tuple[int, ...]
    instance: Instance
    step: float | None = None

    @property
    def growth(self) -> float:
        """The root q of s: a mode grows with q sigma in zeta."""
        return float(np.sqrt(self.instance.ratio))

    @cached_property
    def spectrum(self) -> tuple[np.ndarray, np.ndarray]:
        """The distinct singular values of M, falling, and how large the growing part of each is in the start.

        In float64, to choose times and to judge genericity by: no verdict rests on their digits.
        """
        u, sigma, vt = np.linalg.svd(self.instance.operator, full_matrices=False)
        growing = (self.instance.prototypes @ u + self.instance.features @ vt.T / self.growth) / 2
        groups = np.concatenate([[0], np.cumsum(-np.diff(sigma) > 1e-9 * sigma[0])])
        values = np.array([sigma[groups == k][0] for k in range(groups[-1] + 1)])
        return values, np.array([np.linalg.norm(growing[:, groups == k]) for k in range(groups[-1] + 1)])

    def present(self, modes: int) -> bool:
        """Return whether the growing parts of the first modes are at least GENERIC of a typical one."""
        typical = np.linalg.norm(self.instance.state) / np.sqrt(self.instance.state.shape[1])
        return bool(np.all(self.spectrum[1][:modes] > GENERIC * typical))

    def propagator(self, zeta: float) -> tuple[arb_mat, float]:
        """Return an enclosure of what moves the state, dense, and the zeta it is for: descent takes whole steps."""
        generator = self.instance.generator_enclosed()
        if self.step is None:
            return (generator * zeta).exp(), zeta
        steps = int(np.ceil(zeta / self.step))
        return (balls.identity(generator.nrows()) + generator * self.step) ** steps, steps * self.step


def accuracy(case: Late, zeta: float) -> tuple[list[int], int]:
    """Return how many samples of each class are certainly right at a time, and of how many that is not known.

    The logits W'h + b are enclosed; W is centred first, which moves all logits of a sample by the same amount.
    """
    instance, classes = case.instance, case.instance.classes
    with ctx.workprec(BITS):
        moves, zeta = case.propagator(zeta)
        h, w = balls.split(balls.exact(instance.state) * moves, instance.samples)
        logits = ((w * balls.centring(classes)).transpose() * h).table()
        operator = label_operator(instance.labels, classes, arb(instance.gamma), arb(1))
        drive = [sum(row, arb(0)) for row in operator]
        right, unknown = [0] * classes, 0
        for i, label in enumerate(instance.labels):
            values = [logits[c][i] + instance.biases[c] + drive[c] * zeta for c in range(classes)]
            others = [value for c, value in enumerate(values) if c != label]
            right[label] += all(values[label] > other for other in others)
            unknown += not (all(values[label] > one for one in others) or any(values[label] < one for one in others))
    return right, unknown


def _limit(case: Late, predicted: int, x: float) -> Evidence:
    """Judge that the accuracy at a late time is x * predicted/n: exact, but for samples on the fence."""
    values = np.append(case.spectrum[0], 0.0)[:2]
    rates = case.growth * values if case.step is None else np.log1p(case.step * case.growth * values) / case.step
    right, unknown = accuracy(case, LATE / float(rates[0] - rates[1]))
    n = case.instance.samples
    gap = abs(sum(right) - x * predicted) / n
    how = "flow" if case.step is None else "descent"
    witness = f"n_c = {case.sizes}, g = {case.instance.gamma:.3g}, {how}: {sum(right)}/{n} are right"
    return Evidence(gap, unknown / n, 1e-12, Strength.ENCLOSED, witness)


def _late_cases(rng: np.random.Generator, shapes: Sequence[Sequence[int]], above: bool) -> Iterable[Late]:
    for sizes in shapes:
        shuffled = tuple(int(size) for size in rng.permutation(sizes))
        for reach in (None, 0.3, 3.0):
            yield _draw(rng, shuffled, rng.uniform(1.1, 3.0) if above else rng.uniform(0.1, 0.9), reach)


def _draw(
    rng: np.random.Generator, sizes: tuple[int, ...], part: float, reach: float | None = None, modes: int = 1
) -> Late:
    """Return a start that holds the first modes; ``part`` is g over the boundary, ``reach`` the step times q sigma_1.

    For two classes, which have no boundary, ``part`` is of 4.
    """
    gamma = part * min(boundary(len(sizes)), 4.0)
    while True:
        features = int(rng.choice([2, 5]))
        case = Late(sizes, random_instance(rng, sizes, features=features, gamma=gamma))
        if case.present(modes):
            step = reach and float(reach / (case.growth * case.spectrum[0][0]))
            return replace(case, step=step)


def rank_one_cases(rng: np.random.Generator, x: float) -> Iterable[Late]:
    """Yield distinct sizes in any order below the boundary, by flow and by descent."""
    return _late_cases(rng, UNEQUAL, above=False)


def rank_one(case: Late, x: float) -> Evidence:
    """Judge the accuracy below the boundary; ``x`` scales it."""
    first, second = sorted(case.sizes, reverse=True)[:2]
    return _limit(case, first + second, x)


def above_cases(rng: np.random.Generator, x: float) -> Iterable[Late]:
    """Yield distinct sizes in any order above the boundary, by flow and by descent."""
    return _late_cases(rng, UNEQUAL[1:], above=True)


def above(case: Late, x: float) -> Evidence:
    """Judge the accuracy above the boundary; ``x`` scales it."""
    return _limit(case, max(case.sizes), x)


def collapse_cases(rng: np.random.Generator, x: float) -> Iterable[Late]:
    """Yield two-level sizes."""
    for sizes in TWO_LEVELS:
        yield _draw(rng, sizes, rng.uniform(0.1, 0.8), modes=2)


def two_rates(sizes: Sequence[int], gamma: float) -> tuple[arb, arb]:
    """Return sigma_head, and the larger singular value of M between the normalised sums over heads and over tails."""
    head, tail, n = max(sizes), min(sizes), sum(sizes)
    heads, tails, g = list(sizes).count(head), list(sizes).count(tail), arb(gamma)
    cross = -g * arb(heads * tails).sqrt()
    block = [
        [(1 + g - g * heads) * arb(head).sqrt(), cross * arb(tail).sqrt()],
        [cross * arb(head).sqrt(), (1 + g - g * tails) * arb(tail).sqrt()],
    ]
    total = sum((entry * entry for row in block for entry in row), arb(0))
    determinant = block[0][0] * block[1][1] - block[0][1] * block[1][0]
    larger = (total + (total * total - 4 * determinant * determinant).sqrt()) / 2
    return (1 + g) * arb(head).sqrt() / n, larger.sqrt() / n


def minority_collapse(case: Late, x: float) -> Evidence:
    """Judge the log-slope of tail/head between two late times, for W and for H; ``x`` scales the rate."""
    values = np.append(case.spectrum[0], [0.0, 0.0])
    slowest = float(min(values[0] - values[1], values[1] - values[2])) * case.growth
    zeta = LATE / slowest
    with ctx.workprec(BITS + int(8 * case.growth * values[0] * zeta)):
        head, between = two_rates(case.sizes, case.instance.gamma)
        unit = arb(case.instance.ratio).sqrt() * head
        rate = x * arb(case.instance.ratio).sqrt() * (head - between)
        early, late = _ratios(case, (zeta, 2 * zeta))
        slopes = [(b / a).log() / zeta for a, b in zip(early, late, strict=True)]
        witness = f"n_c = {case.sizes}, g = {case.instance.gamma:.3g}: slope {float(slopes[0]):.6g}, {-float(rate):.6g}"
        return both(*(enclosed((slope + rate) / unit, RATE_TOLERANCE, witness) for slope in slopes))


def _ratios(case: Late, zetas: Iterable[float]) -> list[tuple[arb, arb]]:
    """Return enclosures of |tail|/|head|, of prototypes and of features, at the first time and its multiples."""
    times = [float(zeta) for zeta in zetas]
    moves, _ = case.propagator(times[0])
    z, found = balls.exact(case.instance.state), []
    large = [size == max(case.sizes) for size in case.sizes]
    for _ in times:
        z = z * moves
        h, w = balls.split(z, case.instance.samples)
        found.append((_tail_share(w, large), _tail_share(h, [large[label] for label in case.instance.labels])))
    return found


def _tail_share(z: arb_mat, large: Sequence[bool]) -> arb:
    """Return the norm of the columns that are not large over that of those that are."""
    tail, head = (balls.columns(z, [j for j, one in enumerate(large) if one is group]) for group in (False, True))
    return balls.norm(tail) / balls.norm(head)


# -- weights and anchors -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Weighted:
    """A problem, its class sizes, and sample weights n_c^(-power)."""

    sizes: tuple[int, ...]
    power: float
    instance: Instance


@dataclass(frozen=True)
class Anchored:
    """Class sizes, and sample weights n_c^(-power), for prototypes that do not move."""

    sizes: tuple[int, ...]
    power: float = 0.0


def weights_cases(rng: np.random.Generator, x: float) -> Iterable[Weighted | None]:
    """Yield the statement for all sizes, then dense problems with one sample a class beside them."""
    yield None
    for sizes in UNEQUAL[1:4]:
        yield Weighted(sizes, 0.5, random_instance(rng, sizes, features=3))


def sqrt_weights(case: Weighted | None, x: float) -> Evidence:
    """Judge the restored balance; ``x`` scales the exponent 1/2."""
    if case:
        return _as_balanced(case, x)
    half = sympy.nsimplify(x) / 2
    return both(_weighted_gram(half), _weighted_motion(half), _not_restored())


def _weight(size: Any, power: Any) -> Any:
    return ALPHA * size**-power


def _weighted_gram(power: Any) -> Evidence:
    """Judge n^2 M M' = alpha^2 ((1 + g)^2 P + (1 + g - g C)^2 J), P = I - J: the singular values, for every C.

    Class by class first: a class weighs n_c omega_c^2 in every entry, which must be alpha^2. Then the C terms add up.
    """
    size = SIZES["a"]
    diagonal = 1 + (C - 1) * G**2
    off = -2 * G + (C - 2) * G**2
    mean = ((1 + G - G * C) ** 2 - (1 + G) ** 2) / C
    return symbolic(
        size * _weight(size, power) ** 2 - ALPHA**2,
        diagonal - (1 + G) ** 2 - mean,
        off - mean,
    )


def _weighted_motion(power: Any) -> Evidence:
    """Judge W' = H M' and (class sum)' = s W M E'D^(-1/2), each class's share of which must not know its size.

    A class has n_c samples with equal drives; its sum is (1/sqrt n_c) times that over the samples. In the balanced
    model with one sample a class the two shares are the label entry over C.
    """
    size, entry = SIZES["a"], symbols("entry")  # the label entry, 1 or -g
    balanced = ALPHA * C / N_ALL * (entry / C)
    to_sum = size * (_weight(size, power) * entry / N_ALL) / sqrt(size)
    to_prototype = _weight(size, power) * entry / N_ALL * sqrt(size)  # of a class sum: sum_i h_i = sqrt(n_c) class sum
    return symbolic(to_sum - balanced, to_prototype - balanced)


def _not_restored() -> Evidence:
    """Judge, by two classes of sizes 4 and 1, that 1/n_c restores no equal shares, and n_c^(-1/2) no equal biases."""
    a, b = 4, 1
    shares = [sqrt(size) * _weight(sympy.Integer(size), 1) / ALPHA for size in (a, b)]
    drives = [size * _weight(sympy.Integer(size), Rational(1, 2)) / ALPHA for size in (a, b)]
    return symbolic(int(shares[0] == shares[1]), int(drives[0] == drives[1]))


def _as_balanced(case: Weighted, x: float) -> Evidence:
    """Compare the dense weighted flow with the dense flow of one sample a class, in the clock alpha C zeta/n."""
    one, n, classes, zeta = case.instance, case.instance.samples, case.instance.classes, 5
    with ctx.workprec(BITS):
        power = [arb(size) ** (-arb(case.power) * arb(x)) for size in case.sizes]
        gamma = fmpq(*float(one.gamma).as_integer_ratio())
        dense = [
            [entry * power[label] for entry, label in zip(row, one.labels, strict=True)]
            for row in label_operator(one.labels, classes, gamma, fmpq(1))
        ]
        small = arb_mat(fmpq_mat(label_operator(range(classes), classes, gamma, fmpq(1)))) * (arb(classes) / n)
        sums, h, w = balls.spread(one.labels, classes), balls.exact(one.features), balls.exact(one.prototypes)
        weighted_h, weighted_w = balls.split(
            balls.beside(h, w) * (balls.generator(dense, one.ratio) * zeta).exp(), one.samples
        )
        balanced = balls.beside(h * sums, w) * (balls.generator(small, one.ratio) * zeta).exp()
        off = balls.norm(balls.beside(weighted_h * sums, weighted_w) - balanced) / balls.norm(balanced)
        return enclosed_at_most(off, SAME, f"n_c = {case.sizes}: off by {float(off.upper()):.2g}")


def anchored_cases(rng: np.random.Generator, x: float) -> Iterable[Anchored | None]:
    """Yield the statement for all sizes, then sizes that share n = 12, dense."""
    yield None
    for sizes in ((6, 6), (11, 1), (4, 4, 4), (7, 3, 2), (5, 4, 2, 1)):
        yield Anchored(sizes)


def anchored(case: Anchored | None, x: float) -> Evidence:
    """Judge the resting point H = WM/lambda of H' = eta (W M - lambda H); ``x`` scales 1 + g."""
    grown, lam = sympy.nsimplify(x) * (1 + G), symbols("lambda", positive=True)
    if case is None:
        own, others = symbols("w_c rest")  # the class's own prototype, and the sum of the C - 1 others
        said = (grown * own - G * (own + others)) / (N_ALL * lam)
        return symbolic((own - G * others) / N_ALL - lam * said)
    classes, n = len(case.sizes), sum(case.sizes)
    labels = class_major(case.sizes)
    w = sympy.Matrix([symbols(f"w:{classes}")])
    total = sympy.Add(*w)
    m = sympy.Matrix(label_operator(labels, classes, G, sympy.Integer(1)))
    m *= sympy.diag(*(Rational(case.sizes[c]) ** -sympy.nsimplify(case.power) for c in labels))
    said = sympy.Matrix([[(grown * w[c] - G * total) / (n * lam) for c in labels]])
    return symbolic(w * m - lam * said)


# -- pictures ----------------------------------------------------------------------------------------------------------


def accuracy_picture(figure: Any) -> None:
    """Draw how the accuracy of seven classes rises and falls to the two largest, in all and class by class."""
    rng = np.random.default_rng(1)
    case = Late(EXAMPLE, random_instance(rng, EXAMPLE, features=64, gamma=0.05, ratio=1.0))
    zetas, sizes = np.geomspace(1, 3000, 40), np.array(EXAMPLE)
    right = np.array([accuracy(case, zeta)[0] for zeta in zetas])
    first, second = sorted(EXAMPLE, reverse=True)[:2]
    limit = (first + second) / sizes.sum()
    whole, each = figure.subplots(1, 2, sharex=True)
    whole.semilogx(zetas, right.sum(axis=1) / sizes.sum(), color="#0072b2", label="exact accuracy")
    whole.axhline(limit, color="black", linestyle="--", linewidth=1, label=f"({first} + {second})/{sizes.sum()}")
    whole.set(xlabel="zeta", ylabel="train accuracy", ylim=(0, 1.05), title="perfect, but not for long")
    whole.legend(loc="lower left", frameon=False)
    drawn = each.pcolormesh(zetas, range(len(sizes)), (right / sizes).T, cmap="cividis", vmin=0, vmax=1)
    each.set(xlabel="zeta", ylabel="samples of the class", title="in the end two classes win")
    each.set_yticks(range(len(sizes)), [str(size) for size in sizes])
    each.invert_yaxis()
    figure.colorbar(drawn, ax=each, label="accuracy of the class")


def collapse_picture(figure: Any) -> None:
    """Draw the tail/head ratio of norms with the predicted slope through its last point."""
    sizes = (6, 6, 2, 2)
    instance = random_instance(np.random.default_rng(0), sizes, features=10, gamma=0.2, ratio=1.0)
    zetas = np.linspace(4, 320, 80)
    with ctx.workprec(4 * BITS):
        ratios = np.array([[float(one) for one in pair] for pair in _ratios(Late(sizes, instance), zetas)])
        head, between = (float(sigma) for sigma in two_rates(sizes, instance.gamma))
    axes = figure.subplots()
    axes.semilogy(zetas, ratios[:, 0], color="#0072b2", label="prototypes, tail/head")
    axes.semilogy(zetas, ratios[:, 1], color="#d55e00", linestyle="-.", label="features, tail/head")
    predicted = ratios[-1, 0] * np.exp((head - between) * (zetas[-1] - zetas))
    axes.semilogy(zetas, predicted, color="black", linestyle=":", label=f"predicted: exp(-{head - between:.4f} zeta)")
    axes.set(xlabel="zeta", ylabel="ratio of norms", title="two heads of 6, two tails of 2: the tails fade")
    axes.legend(frameon=False)


# -- the catalogue's entries -------------------------------------------------------------------------------------------


def _two_level(case: Late) -> bool:
    largest = max(case.sizes)
    return len(set(case.sizes)) == 2 and case.sizes.count(largest) >= 2


def _below(case: Late) -> bool:
    return 0 < case.instance.gamma < boundary(len(case.sizes))


def _empty(rng: np.random.Generator, sizes: tuple[int, ...], part: float) -> Late:
    """Return the start with all features and prototypes zero: no mode is present, and the biases decide."""
    case = _draw(rng, sizes, part)
    nothing = replace(case.instance, features=0 * case.instance.features, prototypes=0 * case.instance.prototypes)
    return replace(case, instance=nothing)


def _equal_heads(rng: np.random.Generator) -> Late:
    """Return a start whose two heads have one prototype and one feature: their contrast is missing."""
    case = _draw(rng, (4, 4, 1), 0.5)
    h, w = case.instance.features.copy(), case.instance.prototypes.copy()
    h[:, :8], w[:, :2] = h[:, :1], w[:, :1]
    return replace(case, instance=replace(case.instance, features=h, prototypes=w))


def _distinct(part: float) -> Hypothesis:
    return Hypothesis(
        "no two classes have one size",
        holds=lambda case: len(set(case.sizes)) == len(case.sizes),
        broken=lambda rng: _draw(rng, (4, 4, 4, 1), part),
    )


def _generic(part: float) -> Hypothesis:
    return Hypothesis(
        f"the start holds the growing mode of sigma_1, by at least {GENERIC} of a typical mode",
        holds=lambda case: case.present(1),
        broken=lambda rng: _empty(rng, (3, 2, 1), part),
    )


CLAIMS = (
    Claim(
        id="imbalance.modes",
        sentence="For any class sizes, n times the singular values of M are those of K = ((1+g)I - g 11')D^(1/2), D = "
        "diag(n_c); and for any M with singular vectors u, v of the value sigma, (Hv, Wu) moves by the 2 x 2 matrix "
        "S(sigma).",
        formula=r"n \, \sigma_k(M) = \sigma_k\left(((1+\gamma) I - \gamma 1 1^T) D^{1/2}\right), \quad "
        r"S(\sigma) = \begin{pmatrix} -s\lambda_1 & s\sigma \\ \sigma & -\lambda_2 \end{pmatrix}",
        source="Sec. 3, eq. (5) and (12), carried over to any class sizes",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="Gram matrices summed over the samples, for every C; exact characteristic polynomials of the dense M",
        check=modes,
        cases=exact_cases,
        lever=Change("the singular values", MOVED),
    ),
    Claim(
        id="imbalance.phase-boundary",
        sentence="For g > 0, C >= 3 and any class sizes, every top right singular vector of M has entries of one "
        "strict sign if and only if g > 2/(C-2).",
        formula=r"n^2 M^T M \cong (1+\gamma)^2 D + \gamma(\gamma(C-2)-2) \, d d^T, \quad "
        r"\pm v_1 > 0 \iff \gamma > \frac{2}{C-2}",
        source="new; Lemma 1 and Corollary 3 know the same boundary for equal sizes",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="inner products of M's columns, for every C; enclosed eigenvectors of the dense M at random sizes",
        check=phase_boundary,
        cases=boundary_cases,
        lever=Change("the boundary 2/(C-2)", MOVED),
        hypotheses=(
            Hypothesis(
                "g > 0",
                holds=lambda case: case is None or case.gamma > 0,
                broken=lambda rng: Exact((3, 2, 1), fmpq(-1, 4)),
            ),
            Hypothesis(
                "C >= 3",
                holds=lambda case: case is None or len(case.sizes) >= 3,
                broken=lambda rng: Exact((3, 1), fmpq(3)),
            ),
        ),
    ),
    Claim(
        id="imbalance.minority-collapse",
        sentence="With at least two classes of the larger of two sizes, 0 < g < 2/(C-2) and no decay, the ratio of the "
        "tail's norm to the head's, of prototypes as of features, falls in the end like exp(-q(sigma_head - "
        "sigma_between)zeta), where sigma_between is the larger singular value of the 2 x 2 block between the groups.",
        formula=r"\frac{|W_\text{tail}|}{|W_\text{head}|} \sim k \, "
        r"e^{-\sqrt{s}(\sigma_\text{head}-\sigma_\text{between})\zeta},"
        r" \quad \sigma_\text{head} = \frac{(1+\gamma)\sqrt{n_h}}{n}",
        source="new; Sec. 3.2, p. 12, speaks of minority collapse",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.ENCLOSED,
        reference="the enclosed exponential of the dense generator, at zeta and 2 zeta",
        check=minority_collapse,
        cases=collapse_cases,
        lever=Change("the rate", MOVED),
        hypotheses=(
            Hypothesis(
                "the sizes are two, and at least two classes have the larger one",
                holds=_two_level,
                broken=lambda rng: _draw(rng, (4, 1, 1), 0.5, modes=2),
            ),
            Hypothesis("0 < g < 2/(C-2)", holds=_below, broken=lambda rng: _draw(rng, (4, 4, 1), 1.5, modes=2)),
            Hypothesis(
                f"the start holds head contrasts and the mode of sigma_between, by {GENERIC} of a typical mode",
                holds=lambda case: case.present(2),
                broken=_equal_heads,
            ),
        ),
        picture=collapse_picture,
    ),
    Claim(
        id="imbalance.rank-one-accuracy",
        sentence="If all class sizes differ, 0 < g < 2/(C-2) (any g > 0 for C = 2) and the start is generic, the "
        "accuracy of the unconstrained model tends to the share of the two largest classes.",
        formula=r"\text{accuracy} \to \frac{n_{(1)} + n_{(2)}}{n}",
        source="new",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.ENCLOSED,
        reference="enclosed logits of the dense flow and of dense descent at a late time",
        check=rank_one,
        cases=rank_one_cases,
        lever=Change("the limiting accuracy", MOVED),
        hypotheses=(
            _distinct(0.5),
            Hypothesis("0 < g < 2/(C-2)", holds=_below, broken=lambda rng: _draw(rng, (3, 2, 1), 2.0)),
            _generic(0.5),
        ),
        picture=accuracy_picture,
    ),
    Claim(
        id="imbalance.above-threshold-accuracy",
        sentence="If all class sizes differ, g > 2/(C-2) and the start is generic, every sample is in the end given to "
        "the largest class: the accuracy of the unconstrained model tends to its share.",
        formula=r"\gamma > \frac{2}{C-2}: \quad \text{accuracy} \to \frac{n_{(1)}}{n}",
        source="new",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.ENCLOSED,
        reference="enclosed logits of the dense flow and of dense descent at a late time",
        check=above,
        cases=above_cases,
        lever=Change("the limiting accuracy", MOVED),
        hypotheses=(
            _distinct(2.0),
            Hypothesis(
                "g > 2/(C-2)",
                holds=lambda case: case.instance.gamma > boundary(len(case.sizes)),
                broken=lambda rng: _draw(rng, (3, 2, 1), 0.5),
            ),
            _generic(2.0),
        ),
    ),
    Claim(
        id="imbalance.sqrt-weights",
        sentence="Sample weights alpha n_c^(-1/2) give M the singular values alpha(1+g)/n (C-1 times) and "
        "alpha|1+g-gC|/n, so W and the class sums sqrt(n_c) mean_c move exactly as in the balanced model, though b "
        "does not; weights 1/n_c do not restore it.",
        formula=r"\omega_c = \alpha n_c^{-1/2}: \quad n^2 M M^T = \alpha^2 \left((1+\gamma)^2 (I-J) "
        r"+ (1+\gamma-\gamma C)^2 J\right)",
        source="new",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="each class's share in eq. (5), for every C; the dense weighted flow and the balanced one, enclosed",
        check=sqrt_weights,
        cases=weights_cases,
        lever=Change("the exponent 1/2", MOVED),
        hypotheses=(
            Hypothesis(
                "the sample weights are proportional to n_c^(-1/2)",
                holds=lambda case: case is None or case.power == 0.5,
                broken=lambda rng: Weighted((4, 2, 1), 1.0, random_instance(rng, (4, 2, 1), features=3)),
            ),
        ),
    ),
    Claim(
        id="imbalance.anchored",
        sentence="With fixed prototypes and no sample weights, the features of class c rest at ((1+g)w_c - g sum_j "
        "w_j)/(n lambda): at given n the class sizes do not enter.",
        formula=r"\frac{(W M)_i}{\lambda} = \frac{(1+\gamma) w_c - \gamma \sum_j w_j}{n \lambda}, \quad y_i = c",
        source="new; the limit of Theorem 6, p. 12, for any class sizes",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="the gradient's resting point, entry by entry for every C; dense M with letters for prototypes",
        check=anchored,
        cases=anchored_cases,
        lever=Change("the factor 1+g", MOVED),
        hypotheses=(
            Hypothesis(
                "there are no sample weights",
                holds=lambda case: case is None or case.power == 0,
                broken=lambda rng: Anchored((4, 1), 0.5),
            ),
        ),
    ),
)
