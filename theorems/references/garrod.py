r"""Garrod, Keating and Thrampoulidis 2025: cross-entropy with free features, exactly in time.

System: one sample per class, K of them, free features H (K x K, a column a sample) and prototypes W (K x K, a column a
class), no decay; P = softmax(W^T H) column by column. Gradient flow of the summed cross-entropy, in our clock with the
rate eta = K since our loss is a mean:

    W' = H (I - P)^T,  H' = W (I - P).

Our biases are free too, and rest: here P is symmetric, so what drives them, (I - P) 1, is zero.

Start: W = H = sqrt(z) V^T with z = diag(z_k), b = 0, so the logits are V z V^T; V is orthogonal with a constant column,
its first.

Formula: if K = 2^m and V is a Hadamard matrix over sqrt K, V rests and, with P the softmax of V z V^T,

    z_k' = 2 z_k (1 - [V^T P V]_kk);

the constant column adds one number to all logits of a sample, and its z rests. If all other z_k are equal, this holds
for any K and any such V, and their common z is reached at

    t = [Ei(z) - Ei(z0) + (K-1) ln(z/z0)]/(2K).

Why: V z V^T commutes with the shifts of (Z/2)^m, its softmax too, so V diagonalises P. With equal z_k the logits are
z (I - 11^T/K) up to a constant, 1 - [V^T P V]_kk = K/(e^z + K - 1), and dt = (e^z + K - 1) dz/(2 K z). So z grows like
ln t, where the unhinged loss grows exponentially.

C. Garrod, J. P. Keating, C. Thrampoulidis, 2025, arXiv 2512.04006.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.linalg import hadamard
from scipy.optimize import brentq
from scipy.special import expi

from dynamics import Experiment, State
from dynamics.loss import logits
from theorems.claim import MOVED, Change, Claim, Hypothesis
from theorems.evidence import both, measured
from theorems.reference import Path, digits, integrate, same
from theorems.training import train
from theorems.verdict import Evidence, Strength, Verdict

SOURCE = "Garrod, Keating, Thrampoulidis, arXiv 2512.04006"
TIMES = np.array([0.0, 0.3, 1.0, 3.0, 10.0])
LATE = np.array([0.0, 1.0, 30.0, 1000.0])
CLASSES, SMALL = 4, 0.1  # of the stated numbers
DIGITS = {"z(1)": "0.62940859", "z(1000)": "11.30491552"}
TOLERANCE = 1e-9
TIES = 1e-12  # what rounding leaves of products of entries of V


@dataclass(frozen=True, eq=False)
class Start:
    """V (K, K), orthogonal with a constant first column, and z (K,)."""

    vectors: np.ndarray
    strengths: np.ndarray

    @property
    def is_hadamard(self) -> bool:
        """Whether the columns of sqrt K V are closed under products entry by entry, as those of the shifts are."""
        size = len(self.vectors)
        columns = np.sqrt(size) * self.vectors.T
        products = (columns[:, None] * columns).reshape(-1, size) @ columns.T / size
        return bool(np.abs(np.abs(products).max(axis=1) - 1).max() <= TIES)

    @property
    def has_equal(self) -> bool:
        """Whether all z_k but the constant column's are equal."""
        return bool(np.ptp(self.strengths[1:]) == 0)

    def simulate(self, times: np.ndarray) -> Path:
        """Return the logits (T, K, K) along the flow of the summed cross-entropy."""
        size = len(self.vectors)
        rows = self.vectors * np.sqrt(self.strengths)
        experiment = Experiment(
            problem=dict(loss="cross-entropy", classes=size, per_class=1, features=size),
            method=dict(kind="flow", time=float(times[-1]), eta=float(size)),
        )
        return train(experiment, times, logits, State(rows, rows, np.zeros(size)))


def strengths(t: Any, z: Any, given: Any) -> Any:
    """Return z' (K,) of the frozen singular vectors ``given`` = (V, rate); the rate is 2."""
    vectors, rate = given
    softmax = jax.nn.softmax((vectors * z) @ vectors.T, axis=1)
    return rate * z * (1 - jnp.sum(vectors * (softmax @ vectors), axis=0))


def duration(z: Any, z0: float, classes: int, others: float) -> Any:
    """Return the time from z0 to z, where all are equal; ``others`` is the number before ln(z/z0), K - 1."""
    return (expi(z) - expi(z0) + others * np.log(z / z0)) / (2 * classes)


def basis(rng: np.random.Generator, size: int) -> np.ndarray:
    """Return a random orthogonal V (K, K) whose first column is constant."""
    return np.linalg.qr(np.column_stack([np.ones(size), rng.standard_normal((size, size - 1))]))[0]


def drawn(rng: np.random.Generator, vectors: np.ndarray) -> Start:
    """Return a start in V with random z from 0.1 to 1."""
    return Start(vectors, rng.uniform(0.1, 1.0, len(vectors)))


def equal(vectors: np.ndarray, z0: float) -> Start:
    """Return a start in V with equal z."""
    return Start(vectors, np.full(len(vectors), z0))


def walsh(size: int) -> np.ndarray:
    """Return a Hadamard matrix over the root of its size, a power of two."""
    return hadamard(size) / np.sqrt(size)


def modes(case: Start, x: float) -> Evidence:
    """Judge the logits V z V^T along the flow; ``x`` is the number before z_k."""
    vectors = case.vectors
    found = integrate(strengths, (vectors, np.float64(x)), case.strengths, TIMES)
    expected = np.stack([(vectors * z) @ vectors.T for z in found.states])
    states, error = case.simulate(TIMES)
    return same(Path(states, error + found.error), expected, TOLERANCE)


def common(case: Start, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean z (T,) of the columns that are not constant along the flow, and its error."""
    states, error = case.simulate(times)
    others = case.vectors[:, 1:]
    return np.einsum("ik,tij,jk->t", others, states, others) / others.shape[1], error


def time(case: Start, x: float) -> Evidence:
    """Judge the times at which the flow has its z, relative to the time; ``x`` scales K - 1."""
    size = len(case.vectors)
    z, error = common(case, LATE)
    others, z0 = x * (size - 1), case.strengths[1]
    steepness = (np.exp(z) + others) / (2 * size * z)
    gaps = np.abs(duration(z, z0, size, others) - LATE)[1:] / LATE[1:]
    errors = (steepness * error)[1:] / LATE[1:]
    worst = int(np.argmax(gaps + errors))
    return measured(gaps[worst], errors[worst], TOLERANCE, f"at t = {LATE[1 + worst]:g} it is {gaps[worst]:.2g} off")


def numbers(case: Start, x: float) -> Evidence:
    """Judge the stated numbers by the formula, ``x`` scaling its K - 1, and by the simulation."""
    size, z0 = len(case.vectors), case.strengths[1]
    exact = [brentq(lambda z, t=t: duration(z, z0, size, x * (size - 1)) - t, z0, 20.0, xtol=1e-13) for t in (1, 1000)]
    simulated, error = common(case, np.array([0.0, 1.0, 1000.0]))
    formula, flow = (dict(zip(DIGITS, one, strict=True)) for one in (exact, simulated[1:]))
    return both(digits(DIGITS, formula), digits(DIGITS, flow, error.max()))


GIVEN = equal(walsh(CLASSES), SMALL)
CLAIMS = (
    Claim(
        id="references.garrod.modes",
        sentence="Under gradient flow of cross-entropy with one free feature per class, logits that start as V z V^T "
        "with a Hadamard matrix V keep their singular vectors, and the strengths follow K equations alone.",
        formula=r"z_k' = 2 z_k \left( 1 - [V^T P V]_{kk} \right), \quad P = \operatorname{softmax}(V z V^T)",
        source=SOURCE,
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.NUMERICAL,
        reference="this package's simulator (gradient flow of all entries, and of the biases)",
        check=modes,
        cases=lambda rng, x: (drawn(rng, walsh(CLASSES)), drawn(rng, walsh(CLASSES))),
        lever=Change("the number 2", stated=2.0, to=2.0 * MOVED),
        hypotheses=(
            Hypothesis(
                "V is a Hadamard matrix of the shifts of (Z/2)^m",
                holds=lambda case: case.is_hadamard,
                broken=lambda rng: drawn(rng, basis(rng, CLASSES)),
            ),
        ),
    ),
    Claim(
        id="references.garrod.time",
        sentence="If all strengths are equal, for any number of classes and any orthogonal V with a constant column, "
        "their common z is reached at the time below: it grows like ln t.",
        formula=r"t = \frac{\operatorname{Ei}(z) - \operatorname{Ei}(z_0) + (K-1) \ln(z/z_0)}{2K}",
        source=SOURCE,
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.NUMERICAL,
        reference="this package's simulator (gradient flow of all entries, and of the biases)",
        check=time,
        cases=lambda rng, x: (GIVEN, equal(basis(rng, 5), rng.uniform(0.1, 1.0))),
        lever=Change("the number K - 1", MOVED),
        hypotheses=(
            Hypothesis(
                "all strengths but that of the constant column are equal",
                holds=lambda case: case.has_equal,
                broken=lambda rng: drawn(rng, walsh(CLASSES)),
            ),
        ),
    ),
    Claim(
        id="references.garrod.numbers",
        sentence="With K = 4 and z0 = 0.1 the strength is z(1) = 0.62940859 and z(1000) = 11.30491552.",
        formula=r"z(1) = 0.62940859, \quad z(1000) = 11.30491552",
        source=f"evaluated from {SOURCE}",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.NUMERICAL,
        reference="the formula, and this package's simulator; unit: the last digit",
        check=numbers,
        cases=lambda rng, x: (GIVEN,),
        lever=Change("the number K - 1", MOVED),
    ),
)
