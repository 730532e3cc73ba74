r"""Mixon, Parshall and Pi 2022: the squared error with free features, on its invariant subspace.

System: free features H (p x CN, class by class), prototypes W (C x p), biases b (C), one-hot Y; gradient flow of

    L = |W H + b 1^T - Y|^2/2,

in our clock with the rate eta = CN/2, since our squared error is a mean without 1/2.

Start: H = (W (x) 1)^T/sqrt N, each sample its own prototype; 1^T W = 0; b = 1/C.

Formula: the flow stays there; the eigenvectors of the Gram matrix W W^T rest, and each eigenvalue moves by itself:

    g(t) = sqrt N/(1 + (sqrt N/g0 - 1) e^(-2 sqrt N t)),

so all tend to sqrt N (a simplex ETF), but for those that are 0, as that of the vector 1 is, and stay 0.

Why: there W H + b 1^T - Y = ((W W^T - sqrt N P)/sqrt N) (x) 1^T with P = I - 11^T/C, so W' = -(W W^T - sqrt N P) W, the
features move alike, b rests, and g' = 2 g (sqrt N - g).

D. G. Mixon, H. Parshall, J. Pi, Neural collapse with unconstrained features, Sampling Theory, Signal Processing, and
Data Analysis 20, 2022, arXiv 2011.11619.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from dynamics import Experiment, State
from theorems.claim import MOVED, Change, Claim, Hypothesis
from theorems.reference import Path, same
from theorems.training import train
from theorems.verdict import Evidence, Strength, Verdict

SOURCE = "Mixon, Parshall, Pi, arXiv 2011.11619"
CLASSES, PER_CLASS, FEATURES = 4, 3, 5
TIMES = np.linspace(0.0, 3.0, 7)
TOLERANCE = 1e-9  # the simulator bounds its own error by 2e-11
ON_SUBSPACE = 1e-12  # what rounding leaves of the conditions on the start


@dataclass(frozen=True, eq=False)
class Start:
    """W (C, p), H (p, CN) and b (C,)."""

    prototypes: np.ndarray
    features: np.ndarray
    biases: np.ndarray

    @property
    def is_on_subspace(self) -> bool:
        """Whether the start satisfies the three conditions, to rounding."""
        classes, samples = len(self.biases), self.features.shape[1]
        away = (
            self.features - on_subspace(self.prototypes, samples // classes),
            self.prototypes.sum(axis=0),
            self.biases - 1 / classes,
        )
        return all(np.abs(one).max() <= ON_SUBSPACE for one in away)


def on_subspace(prototypes: np.ndarray, per_class: int) -> np.ndarray:
    """Return H = (W (x) 1)^T/sqrt N, (p, CN)."""
    return np.repeat(prototypes.T, per_class, axis=1) / np.sqrt(per_class)


def eigenvalue(g0: Any, per_class: int, t: float, rate: float = 1.0) -> Any:
    """Return g(t) of eigenvalues that start at g0 >= 0; ``rate`` multiplies the exponent 2 sqrt N t."""
    end = np.sqrt(per_class)
    return end * g0 / (g0 + (end - g0) * np.exp(-rate * 2 * end * t))


def simulate(start: Start, times: np.ndarray) -> Path:
    """Return the Gram matrix W W^T, (T, C, C), along the gradient flow of L."""
    classes, features = start.prototypes.shape
    samples = start.features.shape[1]
    experiment = Experiment(
        problem=dict(loss="mse", classes=classes, per_class=samples // classes, features=features),
        method=dict(kind="flow", time=float(times[-1]), eta=samples / 2),  # our loss is a mean, without 1/2
    )
    state = State(start.features.T, start.prototypes, start.biases)
    return train(experiment, times, lambda found: found.prototypes @ found.prototypes.T, state)


def random_start(rng: np.random.Generator, rank: int = CLASSES - 1) -> Start:
    """Return a start on the subspace whose Gram matrix has ``rank`` eigenvalues between 0.1 and 3."""
    left = np.linalg.qr(np.column_stack([np.ones(CLASSES), rng.standard_normal((CLASSES, rank))]))[0][:, 1:]
    right = np.linalg.qr(rng.standard_normal((FEATURES, rank)))[0]
    w = left * np.sqrt(rng.uniform(0.1, 3.0, rank)) @ right.T
    return Start(w, on_subspace(w, PER_CLASS), np.full(CLASSES, 1 / CLASSES))


def off_subspace(rng: np.random.Generator) -> Start:
    """Return a start that is off the subspace by its features."""
    start = random_start(rng)
    noise = 0.3 * rng.standard_normal(start.features.shape)
    return Start(start.prototypes, start.features + noise, start.biases)


def flow(case: Start, x: float) -> Evidence:
    """Judge the Gram matrix along the flow; ``x`` scales the exponent."""
    # The Gram matrix itself would have 0 only to its rounding, which grows.
    vectors, singular, _ = np.linalg.svd(case.prototypes)
    per_class = case.features.shape[1] // len(singular)
    expected = [vectors * eigenvalue(singular**2, per_class, t, x) @ vectors.T for t in TIMES]
    return same(simulate(case, TIMES), np.stack(expected), TOLERANCE)


def cases(rng: np.random.Generator, x: float) -> Iterable[Start]:
    """Yield a start of full rank, C - 1, and one of rank 2."""
    yield random_start(rng)
    yield random_start(rng, rank=2)


CLAIMS = (
    Claim(
        id="references.mixon.flow",
        sentence="Under gradient flow of half the summed squared error, with free features at their prototypes over "
        "sqrt N, prototypes that sum to zero and biases 1/C, the eigenvectors of the prototypes' Gram matrix rest and "
        "its eigenvalues grow or fall to sqrt N as below; 0 stays 0.",
        formula=r"g(t) = \frac{\sqrt N}{1 + \left( \sqrt N / g_0 - 1 \right) e^{-2 \sqrt N t}}",
        source=SOURCE,
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.NUMERICAL,
        reference="this package's simulator (gradient flow of features, prototypes and biases)",
        check=flow,
        cases=cases,
        lever=Change("the exponent", MOVED),
        hypotheses=(
            Hypothesis(
                "the start lies on the invariant subspace",
                holds=lambda case: case.is_on_subspace,
                broken=off_subspace,
            ),
        ),
    ),
)
