r"""Corollary 3: where the unconstrained model goes, and how fast.

Notation: h~ = H (I (x) 1_N)/sqrt N, J = 11'/C, P = I - J, q = sqrt s, sigma1 = (1 + g)/(C sqrt N),
sigma2 = (1 + g - g C)/(C sqrt N), p = q sigma1 zeta2; A_1 = (W0 + h~0/q)P and B_1 = (W0 - h~0/q)P, A_2 and B_2 the same
with J, and R the part of H0 within the classes. Zbar = (sqrt(s/N) X (x) 1', X) with X = A_1/2.

Z(t) has a part for each of A_1, B_1, A_2, B_2, R, growing at q times sigma1, -sigma1, sigma2, -sigma2 and 0. After
division by e^p what stays is Zbar, and all else decays for 0 < g < 2/(C-2) or C = 2. The error is at most
2 |e^-p Z - Zbar|/|Zbar|, so the slowest part bounds it: sigma1 - abs(sigma2), which is (10).

Why the printed corollary fails: nothing says that Zbar is not 0. From H0 = -sqrt(s/N) W0 (x) 1', W0 1 = 0, the state is
e^-p Z0: its direction is the opposite of alignment, for ever.

How tight (10) is: a part that is present is seen, as the parts of A_2, B_2 and R are orthogonal to Zbar and that of B_1
is never parallel to it. So the slowest one present decides. A_2 is the slowest below g = 1/(C-1), B_2 above, and R
(sigma1) and B_1 (2 sigma1) are left when both means are 0.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import sympy
from flint import arb, arb_mat, ctx
from sympy import Integer, Matrix, diag, eye, sqrt, symbols, zeros

from theorems import balls
from theorems.algebra import Split, generator, identity
from theorems.claim import MOVED, Change, Claim, Hypothesis
from theorems.evidence import both, counterexample, enclosed, enclosed_at_most, never_negative, positive, symbolic
from theorems.instance import Instance, class_major, random_instance
from theorems.verdict import Evidence, Strength, Verdict

N = symbols("N", integer=True, positive=True)
S, ZETA, MORE, U, K = symbols("s zeta c u k", positive=True)  # C = 2 + c for C >= 3
BIASES = symbols("b_i b_j", real=True)

BITS = 2000  # the slowest case has e^1000 between its parts
FOLDS = 45.0  # e-folds between the slowest part of the error and the next
TOLERANCE = 1e-9  # the parts left out are below e^-45; a lever moves the exponents by at least 1e-4
PRESENT = 1e-3  # Zbar is present if it has at least this share of the start's norm


@dataclass(frozen=True)
class Regime:
    """A range of gamma for all C of a kind; ``branch`` is the larger of (10)'s two.

    ``amplitude`` is W + h~/q of the start, which Zbar is made of. ``turn`` multiplies s at some later time, and
    ``reach`` is what zeta2 tends to.
    """

    classes: Any
    gamma: Any
    branch: Any = None
    amplitude: Any = K
    turn: int = 1
    reach: Any = sympy.oo

    @property
    def branches(self) -> tuple[Any, Any]:
        """The two exponents of (10), times C sqrt N per unit of sqrt(zeta1 zeta2)."""
        return -self.gamma * self.classes, (self.classes - 2) * self.gamma - 2

    @property
    def start(self) -> Matrix:
        """Return a start (h~, W) on the contrasts, with its amplitude."""
        return Matrix([[sqrt(S) * (self.amplitude - 1), 1]])


MANY = 2 + MORE
LOW, HIGH = 1 / (MANY - 1), 2 / (MANY - 2)
RANGES = (  # u from 0 to infinity runs through each
    Regime(MANY, LOW / (1 + U), 0),
    Regime(MANY, LOW, 1),
    Regime(MANY, LOW + (HIGH - LOW) * U / (1 + U), 1),
    Regime(Integer(2), 1 / (1 + U), 0),
    Regime(Integer(2), 1 + U, 1),
)


def parts(case: Regime) -> list[tuple[Any, Split]]:
    """Return (rate, K) with Z(t) = sum of exp(rate q zeta2/(C sqrt N)) Z0 K; `flows` checks that it solves eq. (5)."""
    turn = Matrix([[0, 1 / sqrt(S)], [sqrt(S), 0]])
    grown, fallen, none = (eye(2) + turn) / 2, (eye(2) - turn) / 2, zeros(2)
    contrast, mean = 1 + case.gamma, 1 + case.gamma - case.gamma * case.classes
    return [
        (contrast, Split(grown, none)),
        (-contrast, Split(fallen, none)),
        (mean, Split(none, grown)),
        (-mean, Split(none, fallen)),
        (Integer(0), Split(none, none, (1, 1))),
    ]


def flows(case: Regime) -> Evidence:
    """Judge that the sum solves eq. (5): K rate = K generator for each part, and the K add up to the identity."""
    unit, total, residuals = sqrt(S) / (case.classes * sqrt(N)), identity(), []
    for rate, part in parts(case):
        for turn in {1, case.turn}:
            rates = generator(case.classes, N, case.gamma, turn * S, 0, 0)
            residuals += (part * (rate * unit) - part @ rates).map(sympy.cancel).numbers()
        total -= part
    return symbolic(*residuals, *total.numbers())


def scaled(case: Regime) -> tuple[Split, list[Any]]:
    """Return what stays of e^-p Phi, and the rates of everything else."""
    stays, others = Split(zeros(2), zeros(2)), []
    for rate, part in parts(case):
        lost = sympy.cancel(rate - (1 + case.gamma))
        if lost == 0:
            stays += part
        else:
            others.append(lost)
    return stays, others


def printed_zbar(x: float) -> Split:
    """Return Zbar as printed, from (H1+, W1+) = Pi1+ Z0 and (H1-, W1-) = Pi1- Z0; ``x`` multiplies its first number."""
    q = sqrt(S)
    aligned, opposed = (Matrix([[1, sign], [sign, 1]]) / 2 for sign in (1, -1))
    weights = diag((1 + q) / 2 * sympy.nsimplify(x), (1 + q) / (2 * q)), diag((1 - q) / 2, -(1 - q) / (2 * q))
    return Split(aligned * weights[0] + opposed * weights[1], zeros(2))


def survivor(case: Regime, stays: Split) -> Any:
    """Return the prototypes' part of what stays of the start; if it is 0, so is Zbar: there is no direction."""
    return sympy.cancel((case.start * stays.contrast)[1])


def limit(case: Regime, x: float) -> Evidence:
    """Judge that e^-p Z tends to the printed Zbar, which lies in E and is not 0."""
    stays, others = scaled(case)
    zbar = printed_zbar(x)
    aligned = zbar.contrast[:, 0] - sqrt(S) * zbar.contrast[:, 1]  # H = sqrt(s/N) W (x) 1'
    return both(
        flows(case),
        never_negative(*(-rate for rate in others)),
        symbolic(1 / case.reach),  # what decays is gone only if the clock runs for ever
        positive(survivor(case, stays)),
        symbolic(*(stays - zbar).numbers(), *aligned),
    )


def rate(case: Regime, x: float) -> Evidence:
    """Judge that every part of e^-p Z - Zbar decays at least as (10) says; ``x`` multiplies its exponent."""
    bound, other = case.branches[case.branch], case.branches[1 - case.branch]
    stays, others = scaled(case)
    slack = [sympy.nsimplify(x) * bound - one for one in others]
    return both(flows(case), positive(survivor(case, stays)), never_negative(bound - other, *slack))


def in_range(case: Regime | Instance) -> bool | None:
    """Return whether 0 < gamma < 2/(C-2) or C = 2."""
    if isinstance(case, Instance):
        return case.gamma > 0 and (case.classes - 2) * case.gamma < 2
    return all(sympy.factor(one).is_positive for one in (case.gamma, 2 - (case.classes - 2) * case.gamma))


def printed_starts(rng: np.random.Generator, x: float) -> Iterable[Instance]:
    """Yield the opposite of alignment; with ``x`` = 1 only starts with Zbar not 0."""
    if x != 1:
        yield opposed_start()
        return
    for classes, per_class, features, gamma in ((2, 1, 1, 0.5), (2, 2, 3, 1.75), (4, 2, 5, 0.375), (5, 3, 3, 0.1875)):
        yield random_instance(rng, per_class, classes, features, gamma=gamma)


def opposed_start() -> Instance:
    """Return C = 2, N = p = s = 1, gamma = 1/2, W0 = (1, -1), H0 = -W0."""
    return Instance((0, 1), 0.5, 1.0, np.array([[-1.0, 1.0]]), np.array([[1.0, -1.0]]), np.zeros(2))


def ends_in_cone(case: Instance, x: float) -> Evidence:
    """Judge that the normalised state has reached E when all but Zbar must have decayed."""
    slowest = min(case.gamma * case.classes, 2 - (case.classes - 2) * case.gamma)
    with ctx.workprec(BITS):
        distance = from_cone(case, case.flow_enclosed(_zeta(case, slowest)))
    witness = (
        "C = 2, N = p = s = 1, gamma = 1/2, W0 = (1, -1), H0 = -W0: Z(t) = exp(-3t/4) Z0, and H(t) = -W(t) for ever"
    )
    return counterexample(float(distance.mid()), witness, float(distance.rad()), TOLERANCE)


def from_cone(case: Instance, z: arb_mat) -> arb:
    """Return the distance of Z/|Z| from E = {H = k W (x) 1', k > 0}.

    With k = kappa/sqrt N the best W in E leaves |W|^2 + |h~|^2 - |W + kappa h~|^2/(1 + kappa^2): the largest value of
    the last term is an eigenvalue of the Gram matrix of (W, h~) if <W, h~> > 0, else kappa goes to 0 or infinity.
    """
    h, w = balls.split(z, case.samples)
    means = h * balls.spread(case.labels, case.classes)
    a, b, cross = balls.inner(w, w), balls.inner(means, means), balls.inner(w, means)
    top = a.max(b)
    if cross > 0:
        top = (a + b + ((a - b) ** 2 + 4 * cross**2).sqrt()) / 2
    return balls.root(1 - top / balls.inner(z, z))


def _zeta(case: Instance, gap: float) -> float:
    """Return zeta2 after which two parts whose exponents (times C sqrt N/q) differ by ``gap`` are e^45 apart."""
    return float(FOLDS * case.classes * np.sqrt(case.per_class / case.ratio) / gap)


@dataclass(frozen=True, eq=False)
class Parts:
    """A start made of the parts named in ``present``, out of A1, B1, A2, B2 and R, in numbers without rounding."""

    present: frozenset[str]
    instance: Instance

    @property
    def exponents(self) -> dict[str, float]:
        """What each part that is present loses against A_1, times C sqrt N/q."""
        g, mean = self.instance.gamma, 1 + self.instance.gamma - self.instance.gamma * self.instance.classes
        lost = {"A2": 1 + g - mean, "B2": 1 + g + mean, "R": 1 + g, "B1": 2 + 2 * g}
        return {name: one for name, one in lost.items() if name in self.present}


def made(
    rng: np.random.Generator, present: str, gamma: float, classes: int = 3, per_class: int = 4, ratio: float = 4.0
) -> Parts:
    """Return a start in multiples of 1/8; sqrt N and sqrt s must be powers of 2."""
    features, names = 2, frozenset(present.split())
    q, root = np.sqrt(ratio), np.sqrt(per_class)

    def drawn(name: str, columns: int) -> np.ndarray:
        """Return whole numbers, none 0 but the last column, with rows that add up to 0."""
        first = rng.integers(1, 9, size=(features, columns - 1)).astype(float) * (name in names)
        return np.hstack([first, -first.sum(axis=1, keepdims=True)])

    grow, fall = drawn("A1", classes), drawn("B1", classes)
    for name, part in (("A2", grow), ("B2", fall)):
        part += rng.integers(1, 9, size=(features, 1)) * (name in names)
    within = np.hstack([drawn("R", per_class) for _ in range(classes)])
    h = np.repeat(q * (grow - fall) / (2 * root), per_class, axis=1) + within
    labels = class_major([per_class] * classes)
    return Parts(names, Instance(labels, gamma, ratio, h, (grow + fall) / 2, np.zeros(classes)))


def tight_starts(rng: np.random.Generator, x: float) -> Iterable[Parts]:
    """Yield starts with and without each part, below, at and above gamma = 1/(C-1), and beyond 2/(C-2)."""
    for present in ("A1 B1 A2 B2 R", "A1 A2", "A1 B1 B2 R", "A1 B1 R", "A1 B1"):
        yield made(rng, present, 0.375)
        yield made(rng, present, 1.0, ratio=0.25)
    for present in ("A1 B1 A2 B2 R", "A1 B1 R", "A1 B1"):
        yield made(rng, present, 0.5)
    yield made(rng, "A1 B1 A2", 1.0)
    yield made(rng, "A1 B1", 0.75, classes=4, per_class=1)
    yield made(rng, "A1 B1 R", 5.0)
    yield made(rng, "A1 B1 R", 0.0)
    yield made(rng, "A1 B1 A2 B2", 1.75, classes=2, per_class=1)


def tightness(case: Parts, x: float) -> Evidence:
    """Judge the slope of the log-error between two late times; ``x`` multiplies the exponent that is claimed."""
    gamma, classes = case.instance.gamma, case.instance.classes
    bound = min(gamma * classes, 2 - (classes - 2) * gamma)
    turning = (classes - 1) * gamma - 1
    leading = {"A2"} if turning < 0 else {"B2"} if turning > 0 else {"A2", "B2", "R"}
    slope = _slope(case)
    witness = f"{', '.join(sorted(case.present))} present, C = {classes}, gamma = {gamma}"
    if case.present & leading:
        return enclosed(slope - x * bound, TOLERANCE, witness)
    if not case.present & {"A2", "B2"}:
        return enclosed(slope - x * (1 + gamma) * (1 if "R" in case.present else 2), TOLERANCE, witness)
    return enclosed_at_most(bound * (1 + 10 * TOLERANCE) - slope, 0.0, witness)  # faster than the bound


def _slope(case: Parts) -> arb:
    """Enclose the fall of the log-error per q zeta/(C sqrt N), between two times far out."""
    instance, lost = case.instance, sorted(set(case.exponents.values()))
    gap = min([abs(lost[0]), *(later - first for first, later in pairwise(lost))])
    zeta = _zeta(instance, gap) if gap > 0 else 1.0
    with ctx.workprec(BITS):
        step = (instance.generator_enclosed() * arb(zeta)).exp()
        first = balls.exact(instance.state) * step
        limit = balls.unit(_zbar(instance))
        errors = [balls.norm(balls.unit(z) - limit) for z in (first, first * step)]
        return (errors[0] / errors[1]).log() * classes_root(instance) / zeta


def classes_root(instance: Instance) -> arb:
    """Return C sqrt N/q."""
    return instance.classes * (arb(instance.per_class) / instance.ratio).sqrt()


def _zbar(instance: Instance) -> arb_mat:
    """Return Zbar = (sqrt(s/N) X (x) 1', X) with X = (W0 + h~0/q)P/2."""
    h, w = balls.split(balls.exact(instance.state), instance.samples)
    q, spread = arb(instance.ratio).sqrt(), balls.spread(instance.labels, instance.classes)
    x = (w + h * spread / q) * balls.centring(instance.classes) / 2
    return balls.beside(x * spread.transpose() * q, x)


def bias_ratio(case: Regime, x: float) -> Evidence:
    """Judge the limit of b_i/b_j, with b' the row sums of M; ``x`` multiplies the limit 1."""
    n = case.classes * N
    slope = sympy.cancel(N / n - case.gamma * (n - N) / n)  # M has 1/n for the own class, -gamma/n for the others
    first, second = (start + slope * ZETA for start in BIASES)
    return symbolic(sympy.limit(first / second, ZETA, case.reach) - sympy.nsimplify(x))


def bias_ranges(rng: np.random.Generator, x: float) -> Iterable[Regime]:
    """Yield gamma below and above 1/(C-1), for C >= 3 and for C = 2."""
    yield from (RANGES[0], Regime(MANY, LOW + U), *RANGES[3:])


def draw(figure: Any) -> None:
    """Draw the distance from E along the flow, from the counterexample and from a Gaussian start."""
    axes = figure.subplots()
    gaussian = random_instance(np.random.default_rng(3), 2, 4, 5, gamma=0.375, ratio=1.6)
    zetas = np.linspace(0.0, 60.0, 31)
    for case, style, label in (
        (opposed_start(), "-", "$H_0 = -W_0$: stays opposed to alignment"),
        (gaussian, "--", r"Gaussian start, $\bar{Z} \neq 0$"),
    ):
        with ctx.workprec(400):
            values = [float(from_cone(case, case.flow_enclosed(float(zeta))).mid()) for zeta in zetas]
        axes.semilogy(zetas, values, style, label=label)
    axes.set(xlabel=r"$\zeta_2$", ylabel="distance of $Z/|Z|$ from E", title="Without the hypothesis, no limit in E")
    axes.legend()


RANGE = Hypothesis(
    "0 < gamma < 2/(C-2), or C = 2 and gamma > 0",
    holds=in_range,
    broken=lambda rng: Regime(MANY, HIGH + U, 1),
)
ZBAR = Hypothesis(
    "Zbar is not 0",
    holds=lambda case: case.amplitude != 0,
    broken=lambda rng: Regime(MANY, LOW / (1 + U), 0, amplitude=Integer(0)),
)
RATIO = Hypothesis(
    "eta1 = s eta2", holds=lambda case: case.turn == 1, broken=lambda rng: Regime(MANY, LOW / (1 + U), 0, turn=2)
)
FOR_EVER = Hypothesis(
    "the integral of eta2 diverges",
    holds=lambda case: case.reach == sympy.oo,
    broken=lambda rng: Regime(MANY, LOW / (1 + U), 0, reach=Integer(1)),
)

CLAIMS = (
    Claim(
        id="cor3.limit.printed",
        sentence="For 0 < gamma < 2/(C-2) or C = 2, eta1 = s eta2 and zeta1 -> infinity, from every Z0 that is not 0 "
        "the normalised state of the unconstrained flow tends to a point of E, where every feature is a positive "
        "multiple of its prototype.",
        formula=r"\lim_{t \to \infty} \frac{Z(t)}{\|Z(t)\|} \in E = \{H = k W \otimes 1_N^\top,\; k > 0\}",
        source="Corollary 3, eq. (10), p. 8",
        page=8,
        form="printed",
        expected=Verdict.REFUTED,
        strength=Strength.WITNESS,
        reference="the dense exponential of eq. (5) in ball arithmetic, and the distance from E",
        check=ends_in_cone,
        cases=printed_starts,
        repair=Change("the missing hypothesis that Zbar is not 0", to=1.0, stated=0.0),
        hypotheses=(
            Hypothesis("0 < gamma < 2/(C-2), or C = 2 and gamma > 0", holds=in_range),
            Hypothesis("Z0 is not 0", holds=lambda case: bool(case.state.any())),
            Hypothesis("eta1 = s eta2 with s > 0, constant for ever", holds=lambda case: case.ratio > 0),
        ),
        picture=draw,
    ),
    Claim(
        id="cor3.limit.corrected",
        sentence="For 0 < gamma < 2/(C-2) or C = 2, eta1 = s eta2 and zeta1 -> infinity, exp(-sigma1 sqrt(zeta1 "
        "zeta2)) Z(t) tends to Zbar; if Zbar is not 0, the normalised state tends to Zbar/|Zbar|, a point of E.",
        formula=r"e^{-\sigma_1 \sqrt{\zeta_1 \zeta_2}} Z(t) \to \bar{Z} = \left(\frac{1+\sqrt{s}}{2} H_1^+ "
        r"+ \frac{1-\sqrt{s}}{2} H_1^-,\; \frac{1+\sqrt{s}}{2\sqrt{s}} W_1^+ "
        r"- \frac{1-\sqrt{s}}{2\sqrt{s}} W_1^-\right)",
        source="Corollary 3, eq. (9) and (10), p. 8",
        page=8,
        form="corrected",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="the exponents and coefficients of a propagator that solves eq. (5), for all C, N, p, s",
        check=limit,
        cases=lambda rng, x: RANGES,
        lever=Change("(1 + sqrt s)/2 before H1+", MOVED),
        hypotheses=(RANGE, ZBAR, RATIO, FOR_EVER),
    ),
    Claim(
        id="cor3.rate",
        sentence="If Zbar is not 0, eta1 = s eta2, and 0 < gamma < 2/(C-2) or C = 2, the normalised state converges "
        "at least as fast as exp(max(-gamma C, (C-2) gamma - 2) sqrt(zeta1 zeta2)/(C sqrt N)).",
        formula=r"\left\| \frac{Z(t)}{\|Z(t)\|} - \frac{\bar{Z}}{\|\bar{Z}\|} \right\| = "
        r"O\left(e^{\frac{\sqrt{\zeta_1 \zeta_2}}{C \sqrt{N}} \max\{-\gamma C,\, (C-2)\gamma - 2\}}\right)",
        source="Corollary 3, eq. (10), p. 8",
        page=8,
        form="printed",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="every exponent of a propagator that solves eq. (5), for all C, N, p, s",
        check=rate,
        cases=lambda rng, x: RANGES,
        lever=Change("the exponent", MOVED),
        hypotheses=(RANGE, ZBAR, RATIO),
    ),
    Claim(
        id="cor3.rate-tight",
        sentence="If Zbar is not 0, eta1 = s eta2 and zeta1 -> infinity, the error decays exactly as eq. (10) says "
        "iff A_2 = (W0 + h~0/q)J is not 0 (gamma < 1/(C-1)), B_2 = (W0 - h~0/q)J is not 0 (gamma > 1/(C-1)), or one "
        "of A_2, B_2 and the scatter R within the classes is not 0 (gamma = 1/(C-1)); with A_2 = B_2 = 0 it decays "
        "at sigma1 if R is not 0, and at 2 sigma1 if only B_1 = (W0 - h~0/q)P is left, for every gamma >= 0.",
        formula=r"-\frac{d \log \text{error}}{d \sqrt{\zeta_1 \zeta_2}} \to \frac{\min(\gamma C,\, 2 - (C-2)\gamma)}"
        r"{C \sqrt{N}}, \quad \sigma_1 = \frac{1+\gamma}{C \sqrt{N}}, \quad \text{or } 2 \sigma_1",
        source="new; sharpens Corollary 3, eq. (10)",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.ENCLOSED,
        reference="the dense exponential of eq. (5) in ball arithmetic, at two times 45 e-folds out",
        check=tightness,
        cases=tight_starts,
        lever=Change("the exponent that is attained", MOVED),
        hypotheses=(
            Hypothesis(
                "0 < gamma < 2/(C-2) or C = 2, or else A_2 = B_2 = 0",
                holds=lambda case: in_range(case.instance) or not case.present & {"A2", "B2"},
                broken=lambda rng: made(rng, "A1 B1 A2 B2 R", 2.5),
            ),
            Hypothesis(
                "Zbar is not 0",
                holds=lambda case: "A1" in case.present,
                broken=lambda rng: made(rng, "B1 A2 R", 0.375),
            ),
        ),
    ),
    Claim(
        id="cor3.bias-ratio",
        sentence="If gamma is not 1/(C-1) and the integral of eta2 diverges, the ratio of any two biases, so of the "
        "largest to the smallest, tends to 1.",
        formula=r"\gamma \ne \frac{1}{C-1} \; \Rightarrow \; \frac{\max_i b_i(t)}{\min_i b_i(t)} \to 1",
        source="Corollary 3, its last sentence, p. 8",
        page=8,
        form="printed",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="b' as the row sums of M, for all C, N and every start",
        check=bias_ratio,
        cases=bias_ranges,
        lever=Change("the limit 1", MOVED),
        hypotheses=(
            Hypothesis(
                "gamma is not 1/(C-1)",
                holds=lambda case: sympy.cancel(case.gamma - 1 / (case.classes - 1)) != 0,
                broken=lambda rng: RANGES[1],
            ),
            FOR_EVER,
        ),
    ),
)
