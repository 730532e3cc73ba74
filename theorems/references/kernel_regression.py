r"""Jacot, Gabriel and Hongler 2018; Lee et al. 2019: squared error with a constant kernel.

System: a model that is linear in its parameters, f = f0 + Phi (theta - theta0) on n samples, with targets y: a network
in the limit of infinite width, linearised. Gradient flow of |f - y|^2/2 with the learning rate eta:

    theta' = -eta Phi^T (f - y).

Start: any outputs f0. The kernel K = Phi Phi^T is positive semidefinite, of any rank.

Formula: the part of f0 - y in an eigenvector of K decays at eta times its eigenvalue, and stays where that is 0:

    f(t) = y + e^(-eta K t) (f0 - y).

Why: f' = Phi theta' = -eta K (f - y), and K does not move.

A. Jacot, F. Gabriel, C. Hongler, Neural tangent kernel: convergence and generalization in neural networks, NeurIPS
2018, arXiv 1806.07572. J. Lee and others, Wide neural networks of any depth evolve as linear models under gradient
descent, NeurIPS 2019, arXiv 1902.06720.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import expm

from theorems.claim import MOVED, Change, Claim
from theorems.reference import Path, integrate, same
from theorems.verdict import Evidence, Strength, Verdict

SOURCE = "Jacot, Gabriel, Hongler, arXiv 1806.07572; Lee et al., arXiv 1902.06720"
SAMPLES = 6
TIMES = np.linspace(0.0, 10.0, 6)
TOLERANCE = 1e-11  # measured 6e-14, the integrators' error included


@dataclass(frozen=True, eq=False)
class Regression:
    """Features Phi (n, parameters) of norm 1, targets y (n,), outputs at the start (n,), learning rate."""

    features: np.ndarray
    targets: np.ndarray
    outputs: np.ndarray
    rate: float


def outputs(kernel: np.ndarray, targets: np.ndarray, start: np.ndarray, rate: float, t: float) -> np.ndarray:
    """Return f(t) = y + e^{-eta K t} (f0 - y), (n,), for the learning rate eta."""
    return targets + expm(-rate * t * kernel) @ (start - targets)


def velocity(t: Any, theta: Any, given: Any) -> Any:
    """Return theta', where theta starts at 0."""
    features, targets, start, rate = given
    return -rate * features.T @ (start + features @ theta - targets)


def cases(rng: np.random.Generator, x: float) -> Iterable[Regression]:
    """Yield fewer parameters than samples, whose kernel is singular, and more."""
    for parameters in (4, 9):
        features = rng.standard_normal((SAMPLES, parameters))
        features /= np.linalg.norm(features, 2)
        yield Regression(features, rng.standard_normal(SAMPLES), rng.standard_normal(SAMPLES), rng.uniform(0.5, 2.0))


def flow(case: Regression, x: float) -> Evidence:
    """Judge the outputs along the flow of the parameters; ``x`` scales the exponent."""
    given = case.features, case.targets, case.outputs, case.rate
    parameters, error = integrate(velocity, given, np.zeros(case.features.shape[1]), TIMES)
    found = Path(case.outputs + parameters @ case.features.T, error)  # the features have norm 1
    kernel = case.features @ case.features.T
    expected = np.stack([outputs(kernel, case.targets, case.outputs, x * case.rate, t) for t in TIMES])
    return same(found, expected, TOLERANCE)


CLAIMS = (
    Claim(
        id="references.kernel-regression.flow",
        sentence="Under gradient flow of the squared error with a constant kernel K, of any rank, the outputs are "
        "y + e^{-eta K t} (f0 - y).",
        formula=r"f(t) = y + e^{-\eta K t} (f_0 - y), \quad K = \Phi \Phi^T",
        source=SOURCE,
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.NUMERICAL,
        reference="the gradient flow of the parameters, by diffrax and by SciPy",
        check=flow,
        cases=cases,
        lever=Change("the exponent", MOVED),
    ),
)
