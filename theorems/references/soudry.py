r"""Soudry et al. 2018: logistic regression turns towards the largest margin, but only like 1/ln t.

System: linearly separable samples x_n, each times its label 1 or -1, no bias. Gradient flow of the summed logistic
loss, sum ln(1 + e^(-w.x_n)):

    w' = sum_n x_n / (1 + e^(w.x_n)).

Start: w = 0; the limits are the same from any.

Formula: let v be the shortest vector with v.x_n >= 1 for all n. The support vectors, those with v.x_n = 1, are a basis
of the space, and v = sum a_n x_n over them, all a_n > 0. Then

    w(t) = v ln t + r + o(1),  e^(-r.x_n) = a_n for every support vector.

Hence |w|/ln t -> |v|, and the error of the direction times ln t stays bounded: it tends to |part of r across v|/|v|.
The directions of the unhinged loss converge exponentially.

Why: with w = v ln t + r a support vector adds x_n e^(-r.x_n)/t to w', and these sum to v/t; every other sample has
v.x_n > 1 and adds a higher power of 1/t. Times are so long that the flow is integrated in tau = ln(1 + t), in which it
is not stiff: dw/d tau = sum x_n e^tau/(1 + e^(w.x_n)) has rates of order one.

D. Soudry, E. Hoffer, M. S. Nacson, S. Gunasekar, N. Srebro, The implicit bias of gradient descent on separable data,
JMLR 19(70), 2018, arXiv 1710.10345.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from theorems.claim import MOVED, Change, Claim, Hypothesis
from theorems.evidence import both, measured
from theorems.reference import Path, digits, integrate
from theorems.verdict import Evidence, Strength, Verdict

SOURCE = "Soudry, Hoffer, Nacson, Gunasekar, Srebro, arXiv 1710.10345"
SAMPLES = np.array([[2.0, 1.0], [1.0, 2.0], [3.0, 0.5]])
SUPPORT = np.array([True, True, False])
LATE = 1e4
DIGITS = {"|v|": "0.47140452", "|w|/ln t at t = 1e4": "0.5887"}
LOGS = np.linspace(0.0, 360.0, 10)  # of 1 + t: for the samples above the rest falls like t^(-1/9), to 4e-18
TOLERANCE = 1e-9  # absolute, where w is up to 700 long; measured 6e-11, the integrators' error included
MARGIN = 1e-9  # by which a sample that is no support vector must lie beyond the margin


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples (n, d) times their labels, and which of them (n,) are the support vectors."""

    samples: np.ndarray
    support: np.ndarray

    @property
    def weights(self) -> np.ndarray:
        """The a_n: the combination of support vectors whose product with each of them is 1."""
        vectors = self.samples[self.support]
        return np.linalg.solve(vectors @ vectors.T, np.ones(len(vectors)))

    @property
    def widest(self) -> np.ndarray:
        """The vector v of the largest margin, (d,)."""
        return self.weights @ self.samples[self.support]

    @property
    def offset(self) -> np.ndarray:
        """The vector r, (d,)."""
        vectors = self.samples[self.support]
        return np.linalg.solve(vectors @ vectors.T, -np.log(np.abs(self.weights))) @ vectors

    @property
    def has_widest(self) -> bool:
        """Whether the support vectors are those of the largest margin (Karush, Kuhn and Tucker), and a basis."""
        others = self.samples[~self.support] @ self.widest
        is_basis = self.support.sum() == self.samples.shape[1]
        return bool(is_basis and np.all(self.weights > 0) and np.all(others > 1 + MARGIN))

    def simulate(self, logs: np.ndarray) -> Path:
        """Return w, (T, d), at times whose ln(1 + t) are given; the first is 0, where w = 0."""
        return integrate(velocity, self.samples, np.zeros(self.samples.shape[1]), logs)


def velocity(tau: Any, w: Any, samples: Any) -> Any:
    """Return dw/d tau at t = e^tau - 1, without an overflow at any time."""
    return jnp.exp(tau - jnp.logaddexp(0.0, samples @ w)) @ samples


def random_samples(rng: np.random.Generator) -> Samples:
    """Return three nearly orthogonal support vectors in space, and two samples at twice the margin."""
    vectors = np.eye(3) + rng.uniform(-0.1, 0.1, (3, 3))  # so little that all a_n > 0
    support = Samples(vectors, np.full(3, True))
    widest = support.widest
    far = rng.standard_normal((2, 3))
    far += np.outer(2 - far @ widest, widest) / (widest @ widest)
    return Samples(np.vstack([vectors, far]), np.array([True, True, True, False, False]))


def cases(rng: np.random.Generator, x: float) -> Iterable[Samples]:
    """Yield the samples of the stated numbers, whose r is along v, and random ones."""
    yield GIVEN
    yield random_samples(rng)


def limit(case: Samples, x: float) -> Evidence:
    """Judge w(t) - v ln t - r at the last time; ``x`` scales v."""
    path = case.simulate(LOGS)
    last, log = path.states[-1], LOGS[-1]
    gap = float(np.linalg.norm(last - x * case.widest * log - case.offset))
    return measured(gap, path.error[-1], TOLERANCE, f"at ln t = {log:g} w is {gap:.2g} from v ln t + r")


def direction(case: Samples, x: float) -> Evidence:
    """Judge ln t times the sine between w and v at the last time; ``x`` scales the part of r across v."""
    path = case.simulate(LOGS)
    last, log = path.states[-1], LOGS[-1]
    found, constant = (np.linalg.norm(across(one, case.widest)) for one in (last, case.offset))
    expected = x * constant * log / np.linalg.norm(case.widest * log + case.offset)
    product = found * log / np.linalg.norm(last)
    error = path.error[-1] / np.linalg.norm(case.widest)
    return measured(abs(product - expected), error, TOLERANCE, f"at ln t = {log:g} the product is {product:.6g}")


def across(vector: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Return the part of a vector that is orthogonal to an axis."""
    return vector - (vector @ axis) / (axis @ axis) * axis


def numbers(case: Samples, x: float) -> Evidence:
    """Judge the stated numbers: the first by the formula, ``x`` scaling v; the second by the simulation."""
    path = case.simulate(np.array([0.0, math.log1p(LATE)]))
    ratio = np.linalg.norm(path.states[-1]) / math.log(LATE)
    return both(
        digits(DIGITS, {"|v|": x * float(np.linalg.norm(case.widest))}),
        digits(DIGITS, {"|w|/ln t at t = 1e4": float(ratio)}, path.error[-1]),
    )


GIVEN = Samples(SAMPLES, SUPPORT)
HYPOTHESES = (
    Hypothesis(
        "the samples are separable, and the support vectors of their largest margin are a basis",
        holds=lambda case: case.has_widest,
        broken=lambda rng: Samples(SAMPLES, np.array([True, False, True])),
    ),
)
CLAIMS = (
    Claim(
        id="references.soudry.limit",
        sentence="Gradient flow of the logistic loss on separable samples tends to v ln t + r: v is the vector of "
        "the largest margin, a sum of support vectors (a basis) with weights a_n > 0, and e^{-r.x_n} = a_n for each.",
        formula=r"w(t) - v \ln t \to r, \quad v = \sum_n a_n x_n, \quad e^{-r \cdot x_n} = a_n",
        source=SOURCE,
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.NUMERICAL,
        reference="the gradient flow in ln(1 + t) up to t = e^360, by diffrax and by SciPy",
        check=limit,
        cases=cases,
        lever=Change("v", MOVED),
        hypotheses=HYPOTHESES,
    ),
    Claim(
        id="references.soudry.direction",
        sentence="The error of the direction is of order 1/ln t: times ln t it stays bounded, and tends to the part of "
        "r across v, over the norm of v.",
        formula=r"\left\| \frac{w}{\| w \|} - \frac{v}{\| v \|} \right\| \ln t \to "
        r"\frac{\| r_\perp \|}{\| v \|}",
        source=SOURCE,
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.NUMERICAL,
        reference="the gradient flow in ln(1 + t) up to t = e^360, by diffrax and by SciPy",
        check=direction,
        cases=cases,
        lever=Change("the part of r across v", MOVED),
        hypotheses=HYPOTHESES,
    ),
    Claim(
        id="references.soudry.numbers",
        sentence="For the samples (2, 1), (1, 2), (3, 0.5) the norm of v is 0.47140452, and from w = 0 the norm of w "
        "over ln t is 0.5887 at t = 10^4.",
        formula=r"\| v \| = 0.47140452, \quad \frac{\| w(10^4) \|}{\ln 10^4} = 0.5887",
        source=f"evaluated from {SOURCE}",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.NUMERICAL,
        reference="the formula for the norm of v, the gradient flow for the ratio; unit: the last digit",
        check=numbers,
        cases=lambda rng, x: (GIVEN,),
        lever=Change("v", MOVED),
    ),
)
