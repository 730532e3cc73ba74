r"""Zhu et al. 2021: cross-entropy with weight decay, whose global minimum is a simplex ETF.

System: K classes of n samples, free features H (p x Kn), prototypes W (p x K), biases b (K), p >= K - 1; the loss is

    L = mean cross-entropy of W^T H + b 1^T + lW |W|^2/2 + lH |H|^2/2,

which is ours with lambda_w = lW, lambda_h = lH, lambda_b = 0: our cross-entropy is a mean too.

Start: any but for a null set, since every minimum is global. Its gradient flow is followed until it rests.

Formula: with beta = sqrt(n lH/lW) and q = (K-1) sqrt(n lW lH), if K sqrt(n lW lH) < 1 the prototypes are a simplex ETF,

    W^T W = |W|^2/(K-1) (I - 11^T/K),  |W|^2 = (K-1) beta ln((1-q)(K-1)/q),

every feature is h = w/beta with the prototype w of its class, and b = 0. Otherwise W = 0 and H = 0, and in the end

    |(H, W)| ~ e^{-rt},  r = (lW + lH)/2 - sqrt((lW - lH)^2/4 + 1/(K^2 n)),

or (1 - eta r)^k by descent at the rate eta.

Why: on such states q is the probability that a sample misses its class, and W rests when all of it does: the wrong
classes' q/(K-1) each, times h, balance lW w. It is 1 - 1/K at zero, which is where K sqrt(n lW lH) = 1. At zero
the residuals are (Y - 11^T/K)/(Kn), of singular value sigma = 1/(K sqrt n), and contrasts between classes move in
pairs, by [[-lH, sigma], [sigma, -lW]]: r > 0 if lW lH > sigma^2. All else of H and W falls faster.

Z. Zhu, T. Ding, J. Zhou, X. Li, C. You, J. Sulam, Q. Qu, A geometric analysis of neural collapse with unconstrained
features, NeurIPS 2021, arXiv 2105.02375.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import log_softmax

from dynamics import Experiment, State, simulate
from dynamics.loss import logits
from theorems.claim import MOVED, Change, Claim, Hypothesis
from theorems.evidence import both, measured
from theorems.reference import Path, digits
from theorems.training import Observable, gram, train
from theorems.verdict import Evidence, Strength, Verdict

SOURCE = "Zhu, Ding, Zhou, Li, You, Sulam, Qu, NeurIPS 2021, arXiv 2105.02375"
CLASSES, PER_CLASS = 4, 3
DIGITS = {"|W|^2": "17.05801417", "loss": "0.1018582449"}
REST = 120.0  # of the flow's time, over the smaller decay: by half of it, it rests to 1e-7
TOLERANCE = 1e-6  # of the Gram matrix, whose entries are of order 1 to 10
FOLDS = 40  # e-folds by which zero is approached; in the second half all but the slowest modes are gone
RATE_TOLERANCE = 1e-8  # relative, of the rate
STEPS = 4000  # of the descent over as many e-folds
ROUNDINGS = 16  # of a step of it, at most


@dataclass(frozen=True)
class Decays:
    """The decays of W and of H, the class sizes, and the seed of the start."""

    prototypes: float
    features: float
    sizes: tuple[int, ...] = (PER_CLASS,) * CLASSES
    seed: int = 0

    @property
    def is_balanced(self) -> bool:
        """Whether all classes have one size."""
        return len(set(self.sizes)) == 1

    @property
    def has_zero(self) -> bool:
        """Whether the decays are so strong that zero is the minimum."""
        return rate(self) > 0

    def experiment(self, **method: Any) -> Experiment:
        """Return the experiment, moved by a method."""
        return Experiment(
            problem=dict(
                loss="cross-entropy", classes=len(self.sizes), per_class=list(self.sizes), features=len(self.sizes)
            ),
            scenario=dict(kind="regularized", lambda_w=self.prototypes, lambda_h=self.features),
            method=method,
            start=dict(seed=self.seed),
            output=dict(points=3),
        )

    def simulate(self, observe: Observable) -> Path:
        """Return what is observed at the start, at half the time, and where the gradient flow rests."""
        time = REST / min(self.prototypes, self.features, 2 * abs(rate(self)))
        return train(self.experiment(kind="flow", time=time, eta=1.0), np.array([0.0, time / 2, time]), observe)

    def loss(self, state: State) -> float:
        """Return the loss with its decays."""
        labels = np.repeat(np.arange(len(self.sizes)), self.sizes)
        own = log_softmax(logits(state), axis=1)[np.arange(len(labels)), labels]
        w, h = np.sum(state.prototypes**2), np.sum(state.features**2)
        return float(-own.mean() + (self.prototypes * w + self.features * h) / 2)


def stretch(decays: Decays, per_class: int) -> float:
    """Return beta = sqrt(n lH/lW), by how much prototypes are longer than features."""
    return float(np.sqrt(per_class * decays.features / decays.prototypes))


def length(decays: Decays, classes: int, per_class: int, x: float = 1.0) -> float:
    """Return |W|^2 at the global minimum; ``x`` scales q."""
    q = x * (classes - 1) * np.sqrt(per_class * decays.prototypes * decays.features)
    return float((classes - 1) * stretch(decays, per_class) * np.log((1 - q) * (classes - 1) / q))


def rate(decays: Decays, x: float = 1.0) -> float:
    """Return the rate r at which a state near zero falls, or grows if r < 0; ``x`` scales 1/(K sqrt n)."""
    mean, half = (decays.prototypes + decays.features) / 2, (decays.prototypes - decays.features) / 2
    return float(mean - np.hypot(half, x / (CLASSES * np.sqrt(PER_CLASS))))


def cases(rng: np.random.Generator, x: float) -> Iterable[Decays]:
    """Yield the decays of the stated numbers, and random ones that let an ETF stand."""
    yield GIVEN
    decay, ratio = rng.uniform(0.05, 0.5) / (CLASSES * np.sqrt(PER_CLASS)), rng.uniform(0.5, 2.0)
    yield Decays(decay * ratio, decay / ratio, seed=int(rng.integers(100)))


def minimum(case: Decays, x: float) -> Evidence:
    """Judge the scalar products of all prototypes and features, and the biases, at rest; ``x`` scales q."""
    classes = len(case.sizes)
    etf = length(case, classes, PER_CLASS, x) / (classes - 1) * (np.eye(classes) - 1 / classes)
    features = np.repeat(np.eye(classes), case.sizes, axis=0) / stretch(case, PER_CLASS)
    rows = np.vstack([features, np.eye(classes)])
    expected = np.append(rows @ etf @ rows.T, np.zeros(classes))
    states, error = case.simulate(lambda state: np.append(gram(state), state.biases))
    gap, unrest = (float(np.linalg.norm(states[-1] - other)) for other in (expected, states[-2]))
    return measured(gap, error[-1] + unrest, TOLERANCE, f"the Gram matrix and the biases are {gap:.2g} off")


def strong(rng: np.random.Generator, x: float) -> Iterable[Decays]:
    """Yield random decays that let nothing stand."""
    decay, ratio = rng.uniform(1.05, 1.5) / (CLASSES * np.sqrt(PER_CLASS)), rng.uniform(0.5, 2.0)
    yield Decays(decay * ratio, decay / ratio, seed=int(rng.integers(100)))


def log_norm(state: State) -> float:
    """Return ln |(H, W)|."""
    return float(np.log(np.hypot(np.linalg.norm(state.features), np.linalg.norm(state.prototypes))))


def zero(case: Decays, x: float) -> Evidence:
    """Judge the rate of the fall to zero by flow and by descent, relative; ``x`` scales 1/(K sqrt n)."""
    expected, time = rate(case, x), FOLDS / abs(rate(case))
    times = np.linspace(0.0, time, FOLDS + 1)  # so often that the tolerance falls with the state
    logs, errors = train(case.experiment(kind="flow", time=time, eta=1.0), times, log_norm)
    flow = (logs[FOLDS // 2] - logs[-1]) / (time / 2)
    pieces = [_fall(flow / expected, 2 * errors.max() / (FOLDS / 2), "flow")]
    eta = time / STEPS
    logs = simulate(case.experiment(kind="descent", steps=STEPS, eta=eta)).metrics["log_norm"]
    descent = (logs[1] - logs[2]) / (STEPS / 2)
    rounding = ROUNDINGS * np.finfo(float).eps * STEPS / (FOLDS / 2)
    return both(*pieces, _fall(descent / -np.log1p(-eta * expected), rounding, "descent"))


def _fall(ratio: float, error: float, method: str) -> Evidence:
    return measured(abs(ratio - 1), error, RATE_TOLERANCE, f"{method}: the rate is {ratio:.12g} of the expected one")


def numbers(case: Decays, x: float) -> Evidence:
    """Judge the stated numbers by the formula, ``x`` scaling q, and by the simulation."""
    squared = length(case, CLASSES, PER_CLASS, x)
    margin = squared / (CLASSES - 1) / stretch(case, PER_CLASS)  # of every sample
    loss = np.log1p((CLASSES - 1) * np.exp(-margin)) + case.prototypes * squared
    pieces = [digits(DIGITS, dict(zip(DIGITS, (squared, loss), strict=True)))]
    observed = (lambda state: np.sum(state.prototypes**2), case.loss)
    for (name, stated), observe in zip(DIGITS.items(), observed, strict=True):
        states, error = case.simulate(observe)
        pieces.append(digits({name: stated}, {name: states[-1]}, error[-1] + abs(states[-1] - states[-2])))
    return both(*pieces)


GIVEN = Decays(5e-3, 2e-3)
CLAIMS = (
    Claim(
        id="references.zhu.minimum",
        sentence="The gradient flow of cross-entropy with decay lW of the prototypes and lH of free features, n to a "
        "class and K sqrt(n lW lH) < 1, ends at a simplex ETF of the length below, with every feature at its prototype "
        "over beta and biases 0.",
        formula=r"\| W \|^2 = (K-1) \beta \ln \frac{(1-q)(K-1)}{q}, \quad \beta = \sqrt{n \lambda_H / \lambda_W}, "
        r"\quad q = (K-1) \sqrt{n \lambda_W \lambda_H}",
        source=SOURCE,
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.NUMERICAL,
        reference="this package's simulator (regularized gradient flow until it rests)",
        check=minimum,
        cases=cases,
        lever=Change("the number q", MOVED),
        hypotheses=(
            Hypothesis(
                "all classes have one size",
                holds=lambda case: case.is_balanced,
                broken=lambda rng: Decays(5e-3, 2e-3, sizes=(5, 4, 2, 1)),
            ),
        ),
    ),
    Claim(
        id="references.zhu.zero",
        sentence="If K sqrt(n lW lH) > 1, gradient flow and descent end at zero: the norm of (H, W) falls "
        "as e^{-rt}, or as (1 - eta r)^k, with r to 1e-8 relative.",
        formula=r"r = \frac{\lambda_W + \lambda_H}{2} - "
        r"\sqrt{\frac{(\lambda_W - \lambda_H)^2}{4} + \frac{1}{K^2 n}}",
        source=SOURCE,
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.NUMERICAL,
        reference="this package's simulator (regularized gradient flow and descent over 40 e-folds)",
        check=zero,
        cases=strong,
        lever=Change("the number 1/(K sqrt n)", MOVED),
        hypotheses=(
            Hypothesis(
                "all classes have one size",
                holds=lambda case: case.is_balanced,
                broken=lambda rng: Decays(0.2, 0.2, sizes=(5, 4, 2, 1)),
            ),
            Hypothesis(
                "K sqrt(n lW lH) > 1",
                holds=lambda case: case.has_zero,
                broken=lambda rng: GIVEN,
            ),
        ),
    ),
    Claim(
        id="references.zhu.numbers",
        sentence="With K = 4, n = 3, lW = 0.005 and lH = 0.002 the minimum has |W|^2 = 17.05801417, and the loss with "
        "its decays is 0.1018582449.",
        formula=r"\| W \|^2 = 17.05801417, \quad L = 0.1018582449",
        source=f"evaluated from {SOURCE}",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.NUMERICAL,
        reference="the formula, and this package's simulator; unit: the last digit",
        check=numbers,
        cases=lambda rng, x: (GIVEN,),
        lever=Change("the number q", MOVED),
    ),
)
