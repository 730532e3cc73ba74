r"""Saxe, McClelland and Ganguli 2014: a deep linear network that starts small and aligned.

System: two layers W1, W2, whitened inputs, S the correlation of outputs with inputs, S = U diag(s) V^T. Gradient flow
of |S - W2 W1|^2/2:

    W1' = W2^T (S - W2 W1),  W2' = (S - W2 W1) W1^T.

Start: W1 = R diag(u0)^(1/2) V^T and W2 = U diag(u0)^(1/2) R^T with an orthogonal R: aligned with S, and balanced.

Formula: at all times W2 W1 = U diag(u) V^T, each mode by itself, in a time of about ln(s/u0)/(2s):

    u(t) = s e^(2st) / (e^(2st) - 1 + s/u0).

Why: on such states W1 W1^T = W2^T W2 = R diag(u) R^T, so u' = 2 u (s - u), which is logistic.

A. M. Saxe, J. L. McClelland, S. Ganguli, Exact solutions to the nonlinear dynamics of learning in deep linear neural
networks, ICLR 2014, arXiv 1312.6120.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from theorems.claim import MOVED, Change, Claim, Hypothesis
from theorems.deep_linear import BALANCED, Network, frame
from theorems.evidence import both
from theorems.reference import Path, digits, same
from theorems.verdict import Evidence, Strength, Verdict

SOURCE = "Saxe, McClelland, Ganguli, arXiv 1312.6120"
TIMES = np.array([0.0, 0.5, 1.0, 2.0, 3.0, 6.0])
STRENGTHS, SMALL = np.array([3.0, 2.0, 1.0]), 1e-3  # the stated numbers are of this start
DIGITS = {
    "u1(0.5)": "0.01995856", "u2(0.5)": "0.00736553", "u3(0.5)": "0.00271362",
    "u1(3)": "2.99986298", "u2(3)": "1.97573349", "u3(3)": "0.28766437",
}  # fmt: skip
INPUTS = 5  # of the network
TOLERANCE = 1e-11  # measured 1.4e-12, the integrators' error: relative to modes that are small at first


def growth(s: Any, u0: Any, t: Any, rate: float = 1.0) -> Any:
    """Return the strength u(t) of a mode that starts at u0 and ends at s; ``rate`` multiplies the exponent 2st."""
    return s / (1 + (s / u0 - 1) * np.exp(-rate * 2 * s * t))


def network(rng: np.random.Generator, s: np.ndarray, u0: Any, aligned: bool = True) -> Network:
    """Return a network of INPUTS inputs, with as many outputs and hidden units as modes, in random directions."""
    k = len(s)
    left, right = frame(rng, k, k), frame(rng, INPUTS, k)
    target = (left * s) @ right.T
    return Network.balanced(target, left if aligned else frame(rng, k, k), u0, right, frame(rng, k, k))


def cases(rng: np.random.Generator, x: float) -> Iterable[Network]:
    """Yield the start of the stated numbers, and one of random strengths."""
    yield network(rng, STRENGTHS, SMALL)
    yield network(rng, np.sort(rng.uniform(0.5, 3.0, 3))[::-1], rng.uniform(1e-3, 0.1, 3))


def flow(case: Network, x: float) -> Evidence:
    """Judge W2 W1 along the flow; ``x`` scales the exponent."""
    left, s, right = np.linalg.svd(case.target, full_matrices=False)
    first, second = case.layers
    u0 = np.diagonal(left.T @ second @ first @ right.T)
    expected = np.stack([(left * growth(s, u0, t, x)) @ right for t in TIMES])
    gram, error = case.simulate(TIMES)
    return same(Path(gram[:, INPUTS:, :INPUTS], error), expected, TOLERANCE)


def numbers(case: Network, x: float) -> Evidence:
    """Judge the stated numbers by the formula, ``x`` scaling its exponent, and by the simulation."""
    gram, error = case.simulate(np.array([0.0, 0.5, 3.0]))
    modes = np.linalg.svd(gram[1:, INPUTS:, :INPUTS], compute_uv=False)  # those at t = 0.5, then those at t = 3
    exact = np.stack([growth(STRENGTHS, SMALL, t, x) for t in (0.5, 3.0)])
    formula, simulated = (dict(zip(DIGITS, one.ravel(), strict=True)) for one in (exact, modes))
    return both(digits(DIGITS, formula), digits(DIGITS, simulated, error.max()))


def is_aligned(case: Network) -> bool:
    """Return whether the start has the singular vectors of S, to rounding."""
    left, _, right = np.linalg.svd(case.target, full_matrices=False)
    first, second = case.layers
    inner = left.T @ second @ first @ right.T
    return case.is_balanced and bool(np.abs(inner - np.diag(np.diagonal(inner))).max() <= BALANCED)


CLAIMS = (
    Claim(
        id="references.saxe.flow",
        sentence="In a deep linear network with one hidden layer and an aligned, balanced start, every mode of W2 W1 "
        "grows by itself from u0 to s, as s e^{2st}/(e^{2st} - 1 + s/u0).",
        formula=r"u(t) = \frac{s\, e^{2st}}{e^{2st} - 1 + s/u_0}",
        source=SOURCE,
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.NUMERICAL,
        reference="the gradient flow of both matrices, by diffrax and by SciPy",
        check=flow,
        cases=cases,
        lever=Change("the exponent 2st", MOVED),
        hypotheses=(
            Hypothesis(
                "the start is balanced, and has the singular vectors of S",
                holds=is_aligned,
                broken=lambda rng: network(rng, STRENGTHS, np.array([0.3, 0.2, 0.1]), aligned=False),
            ),
        ),
    ),
    Claim(
        id="references.saxe.numbers",
        sentence="With s = (3, 2, 1) and u0 = 0.001 the modes are at t = 0.5 (0.01995856, 0.00736553, 0.00271362), "
        "and at t = 3 (2.99986298, 1.97573349, 0.28766437).",
        formula=r"u(0.5) = (0.01995856,\ 0.00736553,\ 0.00271362), \quad u(3) = (2.99986298,\ 1.97573349,\ 0.28766437)",
        source=f"evaluated from {SOURCE}",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.NUMERICAL,
        reference="the formula, and the gradient flow of both matrices; unit: the last digit",
        check=numbers,
        cases=lambda rng, x: (network(rng, STRENGTHS, SMALL),),
        lever=Change("the exponent 2st", MOVED),
    ),
)
