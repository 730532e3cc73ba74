r"""The coupled pair (H, W): what the unconstrained and the regularized scenario share.

    H' = s (W M - l1 H),   W' = H M' - l2 W,   b' = m - lb b      (per zeta; eq. (4) and (12) of the paper)

Its spectrum and its fastest directions come from a dense eigendecomposition on the class space, of twice the number
of classes. This is on purpose not the way of `theorems.modes`: each checks the other.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np

from dynamics.loss import drive
from dynamics.method import Method
from dynamics.problem import Problem
from dynamics.scenario import NO_ZBAR, PRESENT, TIE, Limit, Spectrum
from dynamics.schedule import Numbers
from dynamics.state import State, norm


def velocity(numbers: Numbers, problem: Problem, state: State) -> State:
    """Return dZ/dzeta of the pair and its biases."""
    driven = drive(problem, state)
    return State(
        features=numbers["ratio"] * (driven.features - numbers["lambda_h"] * state.features),
        prototypes=driven.prototypes - numbers["lambda_w"] * state.prototypes,
        biases=driven.biases - numbers["lambda_b"] * state.biases,
    )


def generator(numbers: Numbers, problem: Problem) -> np.ndarray:
    r"""Return the symmetric (2C, 2C) generator of $(\tilde h/\sqrt s, W)$ with $\tilde h_c = \sqrt{n_c}\mu_c$."""
    classes, root = problem.classes, np.sqrt(numbers["ratio"])
    eye = np.eye(classes)
    mass = np.sqrt(problem.sizes) * problem.weights / problem.samples
    operator = (problem.alpha * eye + problem.beta) * mass
    return np.block(
        [
            [-numbers["ratio"] * numbers["lambda_h"] * eye, root * operator.T],
            [root * operator, -numbers["lambda_w"] * eye],
        ]
    )


def spectrum(numbers: Numbers, problem: Problem) -> Spectrum:
    """Return the exponents, those of the within-class residuals (-s l1) included."""
    values = np.linalg.eigvalsh(generator(numbers, problem))
    exponents = np.append(values, -numbers["ratio"] * numbers["lambda_h"])
    return Spectrum(min(exponents), max(exponents), exponents=exponents)


def limit(numbers: Numbers, problem: Problem, state: State, method: Method) -> Limit:
    """Return the part of the start in the modes that grow most over the whole run."""
    values, vectors = np.linalg.eigh(generator(numbers, problem))
    residual_exponent = -numbers["ratio"] * numbers["lambda_h"]
    exponents = np.append(values, residual_exponent)
    fastest, why = leaders(exponents, method)
    if fastest is None:
        return Limit(None, why)
    root = np.sqrt(numbers["ratio"])
    weight = np.sqrt(problem.sizes)[:, None]
    means = np.asarray(problem.class_means(state.features))
    reduced = np.concatenate([weight * means / root, np.asarray(state.prototypes)])
    chosen = vectors[:, fastest[:-1]]
    kept = chosen @ (chosen.T @ reduced)
    features = (root * kept[: problem.classes] / weight)[problem.labels]
    if fastest[-1]:
        features = features + np.asarray(state.features) - means[problem.labels]
    return present(State(features, kept[problem.classes :], np.zeros(problem.classes)), state)


def zbar(numbers: Numbers, problem: Problem, state: State) -> Limit:
    r"""Return $\bar Z = (\sqrt{s/N}\,X\otimes 1_N', X)$, $X = \tfrac12(W_0 + \tilde h_0/\sqrt s)P$, eq. (9)."""
    if not problem.balanced:
        return Limit(None, NO_ZBAR)
    root, per_class = np.sqrt(numbers["ratio"]), problem.sizes[0]
    grown = (
        np.asarray(state.prototypes) + np.sqrt(per_class) * np.asarray(problem.class_means(state.features)) / root
    ) / 2
    x = grown - np.mean(grown, axis=0)
    return present(State((root / np.sqrt(per_class) * x)[problem.labels], x, np.zeros(problem.classes)), state)


def leaders(exponents: np.ndarray, method: Method) -> tuple[np.ndarray | None, str]:
    """Return which exponents grow fastest over the run, or None and why their direction has no limit."""
    times = np.array([0.0, method.horizon])
    logs = method.growth(exponents, times)[0][-1]
    if not np.any(np.isfinite(logs)):
        return None, "every mode is dead: the state is exactly zero after some step"
    scale = np.max(np.abs(logs[np.isfinite(logs)]))
    fastest = logs >= np.max(logs) - TIE * scale
    if np.any(method.turning(exponents)[fastest]):
        return None, "a fastest mode oscillates about zero (rate or momentum too large): no direction is approached"
    return fastest, ""


def present(candidate: State, start: State) -> Limit:
    """Refuse a limit of which the start holds no more than rounding."""
    both = jnp.hypot(norm(candidate.features), norm(candidate.prototypes))
    whole = jnp.hypot(norm(start.features), norm(start.prototypes))
    if not both > PRESENT * whole:
        return Limit(None, "the start has no part in the fastest-growing modes")
    return Limit(candidate)


def as_state(problem: Problem, features: Any) -> State:
    """Return a state that holds features only."""
    classes, p = problem.classes, features.shape[1]
    return State(features, np.zeros((classes, p)), np.zeros(classes))
