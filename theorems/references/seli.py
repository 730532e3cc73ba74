r"""Thrampoulidis et al. 2022: cross-entropy with vanishing weight decay, for unequal class sizes: the SELI geometry.

System: class sizes n_k, n samples in all, free features H (p x n), prototypes W (p x K), p >= K - 1; the loss is

    L = mean cross-entropy of W^T H + b 1^T + lW |W|^2/2 + lH |H|^2/2,

ours with lambda_w = lW, lambda_h = lH. There are no biases in the paper. Ours move, and rest at b = (Y - P) 1/(n lb)
under lambda_b = lb = 1 (Y one-hot, P the softmax, both K x n); they vanish with lW lH.

Start: any but for a null set, since every minimum is global. Its gradient flow is followed until it rests.

Formula: let Z = (I - 11^T/K) Y = V D U^T, the singular value 0 left out, and R = -ln sqrt(lW lH). As R -> infinity

    W^T W/R -> sqrt(lH/lW) V D V^T,  H^T H/R -> sqrt(lW/lH) U D U^T,  W^T H - R Z -> Z1,

where Z1 is the matrix of columns adding up to 0 whose margins are ln(1/(-n [V U^T]_ji)), sample i against class j. So
the direction of the logits nears that of Z like 1/R (faster if Z1 is along Z, as for equal sizes). Of all logits whose
margins are at least 1, Z has the least nuclear norm.

Why: W and H rest where H (Y - P)^T = n lW W and W (Y - P) = n lH H. So with W^T H = V D U^T, its own factors,

    (Y - P)/n = sqrt(lW lH) V U^T,  W^T W = sqrt(lH/lW) V D V^T,  H^T H = sqrt(lW/lH) U D U^T

at every decay. Samples of one class rest together, and the first equation is one of K x K matrices: the margins are
R + ln((1 - n e^{-R} [V U^T]_ii)/(-n [V U^T]_ji)), but for biases, where V U^T depends on the direction of the logits
alone. It is solved here by iteration, at decays that no simulation reaches. At Z the logarithms exist for any sizes,

    -[V U^T]_ji = int_0^inf ds/(pi sqrt s) 1/((n_j + s)(n_k + s) sum_l 1/(n_l + s)) > 0,  k the class of i,

and these numbers are multipliers of the margins, all of which are 1, so that Z has the least nuclear norm.

C. Thrampoulidis, G. R. Kini, V. Vakilian, T. Behnia, Imbalance trouble: revisiting neural-collapse geometry,
NeurIPS 2022, arXiv 2208.05512.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import softmax

from dynamics import Experiment, State
from dynamics import loss as losses
from dynamics.errors import must
from theorems.claim import MOVED, Change, Claim, Hypothesis
from theorems.evidence import both, measured
from theorems.reference import Path
from theorems.training import Observable, gram, train
from theorems.verdict import Evidence, Strength, Verdict

SOURCE = "Thrampoulidis, Kini, Vakilian, Behnia, NeurIPS 2022, arXiv 2208.05512"
STEP, MIXED = (5, 5, 1, 1), (6, 3, 2, 1)
BIAS_DECAY = 1.0
REST = 60.0  # of the flow's time, over the smaller decay: by half of it, it rests to 1e-9
TOLERANCE = 1e-9  # relative, of the residuals and of the Gram matrix at rest; measured 2e-10, the error included
LENGTHS = 100.0 * 2.0 ** np.arange(6)  # R = -ln sqrt(lW lH)
LIMIT_TOLERANCE = 1e-9  # of what is extrapolated to 1/R = 0, relative
MOST = 1000  # iterations; where R >= 3.9, 45 are enough
ROUNDING = 1e-14  # relative, of products and singular values of small matrices


class Factors(NamedTuple):
    """The singular value decomposition V D U^T of logits whose columns add up to zero, without the value 0 of that."""

    left: np.ndarray
    values: np.ndarray
    right: np.ndarray

    @property
    def direction(self) -> np.ndarray:
        """The matrix V U^T."""
        return self.left @ self.right.T

    @property
    def grams(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The matrices V D V^T, U D U^T and V D U^T."""
        left, right = (side * np.sqrt(self.values) for side in (self.left, self.right))
        return left @ left.T, right @ right.T, left @ right.T


def factors(logits: np.ndarray) -> Factors:
    """Return the factors of logits (K, n)."""
    left, values, right = np.linalg.svd(logits, full_matrices=False)
    return Factors(left[:, :-1], values[:-1], right[:-1].T)


@dataclass(frozen=True)
class Sizes:
    """The class sizes. All matrices are K x K, a column for each class: that of a sample times sqrt n_k."""

    sizes: tuple[int, ...]

    @property
    def roots(self) -> np.ndarray:
        """The sqrt n_k, (K,)."""
        return np.sqrt(self.sizes)


@dataclass(frozen=True)
class Decays:
    """Class sizes, the decays of W and of H, and the seed of the start."""

    of: Sizes
    prototypes: float
    features: float
    seed: int = 0

    @property
    def length(self) -> float:
        """R = -ln sqrt(lW lH)."""
        return -np.log(self.prototypes * self.features) / 2

    @property
    def has_all(self) -> bool:
        """Whether no class vanishes."""
        return bool(np.exp(-self.length) < self.of.roots.min() / sum(self.of.sizes))

    def simulate(self, observe: Observable) -> Path:
        """Return what is observed at the start, at half the time, and where the gradient flow rests."""
        sizes, time = self.of.sizes, REST / min(self.prototypes, self.features)
        experiment = Experiment(
            problem=dict(loss="cross-entropy", classes=len(sizes), per_class=list(sizes), features=len(sizes)),
            scenario=dict(
                kind="regularized", lambda_w=self.prototypes, lambda_h=self.features, lambda_b=BIAS_DECAY
            ),
            method=dict(kind="flow", time=time, eta=1.0),
            start=dict(seed=self.seed),
        )  # fmt: skip
        return train(experiment, np.array([0.0, time / 2, time]), observe)

    def residuals(self, state: State, x: float) -> np.ndarray:
        """Return (Y - P)/n of a state and x sqrt(lW lH) V U^T of its own logits W^T H, (2, K, n)."""
        one_hot = np.repeat(np.eye(len(self.of.sizes)), self.of.sizes, axis=1)
        found = (one_hot - softmax(losses.logits(state).T, axis=0)) / sum(self.of.sizes)
        direction = factors(state.prototypes @ state.features.T).direction
        return np.stack([found, x * np.exp(-self.length) * direction])


def encoded(case: Sizes, x: float = 1.0) -> np.ndarray:
    """Return the simplex-encoded labels (I - 11^T/K) Y; ``x`` scales 1/K."""
    classes = len(case.sizes)
    return (np.eye(classes) - x / classes) * case.roots


def beside(direction: np.ndarray, case: Sizes, decay: float) -> np.ndarray:
    """Return W^T H - R Z of logits with the ``direction`` V U^T at sqrt(lW lH) = ``decay``; Z1 where that is 0."""
    per_sample = sum(case.sizes) * direction / case.roots  # n V U^T
    biases = decay / BIAS_DECAY * direction @ case.roots
    with np.errstate(invalid="ignore"):  # of the own class, which has no margin against itself
        margins = np.log((1 - decay * np.diag(per_sample)) / -per_sample) + biases[:, None] - biases
    np.fill_diagonal(margins, 0.0)
    return (margins.mean(axis=0) - margins) * case.roots


def minimum_logits(case: Sizes, length: float) -> np.ndarray:
    """Return W^T H at the minimum, R = ``length``.

    Raises:
        InputError: an R so small that the iteration does not settle.
    """
    logits = length * encoded(case)
    for _ in range(MOST):
        target = length * encoded(case) + beside(factors(logits).direction, case, np.exp(-length))
        if not np.isfinite(target).all():
            break
        logits, change = (logits + target) / 2, np.abs(target - logits).max()
        if change <= ROUNDING * length:
            return logits
    raise must("R = -ln(lW lH)/2", "be large enough for the iteration to settle", float(length), "Take weaker decays.")


def minimum_gram(case: Decays, logits: np.ndarray) -> np.ndarray:
    """Return the scalar products of all features and prototypes, (n + K, n + K), from the classes' logits."""
    sizes, found = case.of.sizes, factors(logits)
    right = np.repeat(found.right / case.of.roots[:, None], sizes, axis=0)
    longer = (case.features / case.prototypes) ** 0.25
    rows = np.vstack([right / longer, longer * found.left]) * np.sqrt(found.values)
    return rows @ rows.T


def residuals(case: Decays, x: float) -> Evidence:
    """Judge the equation of the residuals on the trained state, relative to their norm; ``x`` scales sqrt(lW lH)."""
    states, error = case.simulate(lambda state: case.residuals(state, x))
    found, expected = states[-1]
    size, gap = (float(np.linalg.norm(one)) for one in (found, found - expected))
    return measured(gap / size, error[-1] / size, TOLERANCE, f"the residuals are {gap / size:.2g} off")


def minimum(case: Decays, x: float) -> Evidence:
    """Judge the trained state's scalar products by the equation's solution; ``x`` scales sqrt(lW lH)."""
    expected = minimum_gram(case, minimum_logits(case.of, case.length - np.log(x)))
    states, error = case.simulate(gram)
    size = float(np.linalg.norm(expected))
    gap, unrest = (float(np.linalg.norm(states[-1] - other)) / size for other in (expected, states[-2]))
    return measured(gap, error[-1] / size + unrest, TOLERANCE, f"the Gram matrix is {gap:.2g} off")


def extrapolated(values: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the limit of values at all `LENGTHS`, by the polynomial in 1/R through them, and its error."""
    limits = []
    for first in (0, 1):
        steps = 1 / LENGTHS[first:]
        others = [np.delete(steps, j) for j in range(len(steps))]
        weights = [np.prod(other / (other - step)) for step, other in zip(steps, others, strict=True)]
        limits.append(np.tensordot(weights, values[first:], 1))
    return limits[0], float(np.linalg.norm(limits[0] - limits[1]))


def unit(matrix: np.ndarray) -> np.ndarray:
    """Return a matrix over its norm."""
    return matrix / np.linalg.norm(matrix)


def limit(case: Sizes, x: float) -> Evidence:
    """Judge the directions of W^T W, H^T H and W^T H as the decays vanish; ``x`` scales 1/K."""
    grams = [factors(minimum_logits(case, length)).grams for length in LENGTHS]
    pieces = []
    for name, found, expected in zip("WHZ", zip(*grams, strict=True), factors(encoded(case, x)).grams, strict=True):
        value, error = extrapolated(np.stack([unit(one) for one in found]))
        gap, near = (float(np.linalg.norm(one - unit(expected))) for one in (value, unit(found[-1])))
        pieces.append(measured(gap, error, LIMIT_TOLERANCE, f"{name}: {near:.2g} off at the last R, {gap:.2g} beyond"))
    return both(*pieces)


def rate(case: Sizes, x: float) -> Evidence:
    """Judge R times the error of the logits' direction as the decays vanish; ``x`` scales its limit."""
    shape = encoded(case)
    errors = np.stack([R * (unit(minimum_logits(case, R)) - unit(shape)) for R in LENGTHS])
    value, error = extrapolated(errors)
    offset = beside(factors(shape).direction, case, 0.0) / np.linalg.norm(shape)
    expected = offset - np.sum(offset * unit(shape)) * unit(shape)
    gap, size = (float(np.linalg.norm(one)) for one in (value - x * expected, expected))
    error += ROUNDING * LENGTHS[-1]
    return measured(gap / size, error / size, LIMIT_TOLERANCE, f"R times the error tends to {size:.6g}")


def margins(case: Sizes, x: float) -> Evidence:
    """Judge that the nuclear norm of SELI is that of the dual problem; ``x`` scales it.

    The dual is: the most of all sums of numbers a_ji >= 0, a sample i and another class j, for which the matrix of
    columns sum_j a_ji (e_i - e_j) has no singular value above 1. Here a = -V U^T.
    """
    found = factors(encoded(case))
    multipliers = -found.direction * case.roots  # of all samples of a class together
    np.fill_diagonal(multipliers, 0.0)
    excess = max(0.0, np.linalg.norm(found.direction, 2) - 1)
    wrong = np.linalg.norm(found.direction * case.roots - (np.diag(multipliers.sum(axis=0)) - multipliers))
    negative = max(0.0, -multipliers.min())
    norm, dual = found.values.sum(), multipliers.sum()
    gap = abs(x * norm / dual - 1) + excess + wrong + negative
    return measured(gap, ROUNDING, LIMIT_TOLERANCE, f"nuclear norm {x * norm:.10g}, dual {dual:.10g}")


def moderate(rng: np.random.Generator, x: float) -> Iterable[Decays]:
    """Yield decays at which all classes stand, a step of class sizes and a mixture."""
    for sizes in (STEP, MIXED):
        decay, ratio = rng.uniform(3e-3, 2e-2), rng.uniform(0.5, 2.0)
        yield Decays(Sizes(sizes), decay * ratio, decay / ratio, int(rng.integers(100)))


def unequal(rng: np.random.Generator, x: float) -> Iterable[Sizes]:
    """Yield a step of class sizes, and random ones from 1 to 100."""
    yield Sizes(STEP)
    yield Sizes(tuple(int(10**power) for power in rng.uniform(0.0, 2.0, 6)))


CLAIMS = (
    Claim(
        id="references.seli.residuals",
        sentence="Where the gradient flow of cross-entropy with decays rests, for any class sizes, the residuals of "
        "all samples are sqrt(lW lH) V U^T with the singular vectors of its own logits W^T H, to 1e-9 relative.",
        formula=r"\frac{1}{n} (Y - P) = \sqrt{\lambda_W \lambda_H} \, V U^T, \quad W^T H = V D U^T",
        source=SOURCE,
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.NUMERICAL,
        reference="this package's simulator (regularized gradient flow until it rests)",
        check=residuals,
        cases=moderate,
        lever=Change("the number sqrt(lW lH)", MOVED),
        hypotheses=(
            Hypothesis(
                "no class vanishes: sqrt(lW lH) is below the least sqrt(n_k)/n",
                holds=lambda case: case.has_all,
                broken=lambda rng: Decays(Sizes(STEP), 0.1, 0.1),
            ),
        ),
    ),
    Claim(
        id="references.seli.minimum",
        sentence="All scalar products of the prototypes and features that rest there are those of the solution of "
        "this equation, to 1e-9 relative.",
        formula=r"W^T W = \sqrt{\lambda_H / \lambda_W} \, V D V^T, \quad "
        r"H^T H = \sqrt{\lambda_W / \lambda_H} \, U D U^T",
        source=SOURCE,
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.NUMERICAL,
        reference="this package's simulator (regularized gradient flow until it rests)",
        check=minimum,
        cases=moderate,
        lever=Change("the number sqrt(lW lH)", MOVED),
    ),
    Claim(
        id="references.seli.limit",
        sentence="As the decays vanish, prototypes, features and logits of the minimum tend in direction to the SELI "
        "geometry, for any class sizes: extrapolated from sqrt(lW lH) = e^-100 to e^-3200, to 1e-9.",
        formula=r"W^T W \sim V D V^T, \quad H^T H \sim U D U^T, \quad W^T H \sim V D U^T = (I - 11^T/K) Y",
        source=SOURCE,
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.NUMERICAL,
        reference="the equation of the residuals, solved at each decay",
        check=limit,
        cases=unequal,
        lever=Change("the number 1/K", MOVED),
    ),
    Claim(
        id="references.seli.rate",
        sentence="The logits' direction nears its limit like 1/R, R = -ln sqrt(lW lH): R times its error tends to "
        "the part of Z1 across Z over the norm of Z, extrapolated to 1e-9 relative.",
        formula=r"R \left( \frac{W^T H}{\| W^T H \|} - \frac{Z}{\| Z \|} \right) \to \frac{Z_{1 \perp}}{\| Z \|}, "
        r"\quad \text{margins of } Z_1 = -\ln (-n [V U^T]_{ji})",
        source=SOURCE,
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.NUMERICAL,
        reference="the equation of the residuals, solved at each decay",
        check=rate,
        cases=unequal,
        lever=Change("the limit", MOVED),
    ),
    Claim(
        id="references.seli.margins",
        sentence="The SELI logits have the least nuclear norm of all whose margins are at least 1, for any class "
        "sizes: the numbers -V U^T off the labels are multipliers >= 0 that prove it.",
        formula=r"\| Z \|_* = \max_{a \ge 0} \Big\{ \sum_{i, j} a_{ji} : "
        r"\Big\| \sum_{i, j} a_{ji} (e_{y_i} - e_j) e_i^T \Big\|_2 \le 1 \Big\}",
        source=SOURCE,
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.NUMERICAL,
        reference="the dual problem of the nuclear norm under margins, at a = -V U^T",
        check=margins,
        cases=unequal,
        lever=Change("the nuclear norm", MOVED),
    ),
)
