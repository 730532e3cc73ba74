r"""Features that move through a fixed neural tangent kernel."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from pydantic import Field

from dynamics.loss import drive
from dynamics.method import Method
from dynamics.pair import leaders, present
from dynamics.problem import Problem
from dynamics.scenario import Limit, Scenario, Spectrum
from dynamics.schedule import Numbers
from dynamics.state import State


class Kernel(Scenario):
    r"""Features move through a fixed kernel, of any rank (Theorem 8, repaired).

    vec(H)' = s K vec(W M), W' = H M', b' = m per zeta, K (pn x pn) any positive semi-definite matrix. vec stacks the
    columns of H. Only a factor of $K = A A'/r$ is stored and K is never formed: ``kernel_rank`` is r, ``kernel_seed``
    draws A (pn x r) from the standard normal distribution.
    """

    kind: ClassVar[str] = "kernel"
    mixes: ClassVar[bool] = False
    uses_kernel: ClassVar[bool] = True
    kernel_rank: int = Field(10, ge=1)
    kernel_seed: int = Field(0, ge=0)

    def draw_factor(self, size: int) -> np.ndarray:
        """See `Scenario.draw_factor`."""
        return np.random.default_rng(self.kernel_seed).standard_normal((size, self.kernel_rank))

    @staticmethod
    def velocity(numbers: Numbers, problem: Problem, state: State) -> State:
        """See `Scenario.velocity`."""
        factor, driven = flat_factor(problem), drive(problem, state)
        smoothed = factor @ (factor.T @ driven.features.reshape(-1))
        return State(numbers["ratio"] * smoothed.reshape(state.features.shape), driven.prototypes, driven.biases)

    @staticmethod
    def spectrum(numbers: Numbers, problem: Problem) -> Spectrum:
        r"""See `Scenario.spectrum`: exponents $\pm\sqrt\tau$, tau the eigenvalues of $T = s G'KG$, $G = M'\otimes I$.

        The motion is not symmetric, so a perturbation may first be amplified: with $a = |G|$, $c = s|KG|$, by at most
        $1 + (a + c)/\sqrt{\tau_1} + ac/\tau_1$, the norms of its four blocks. With momentum too the motion is a
        polynomial of positive coefficients in the exponent, so the largest one bounds them all.
        """
        values, _ = eigen(numbers, problem)
        top = max(values[-1], 0.0)
        factor = flat_factor(problem)
        push = problem.operator_norm()
        smooth = numbers["ratio"] * np.sqrt(np.linalg.norm(factor.T @ factor, 2) * top / numbers["ratio"])
        reach = 1 / np.sqrt(top) if top > 0 else numbers["zeta"]
        transient = 1 + (push + smooth) * reach + push * smooth * reach**2
        return Spectrum(-np.sqrt(top), np.sqrt(top), transient, np.sqrt(top))

    @staticmethod
    def limit(numbers: Numbers, problem: Problem, state: State, method: Method) -> Limit:
        """See `Scenario.limit`: the growing part of the start along the top eigenvectors of T."""
        values, vectors = eigen(numbers, problem)
        values = np.maximum(values, 0.0)
        if (
            not values[-1]
            > 1e-13 * numbers["ratio"] * np.linalg.norm(flat_factor(problem)) ** 2 * problem.operator_norm() ** 2
        ):
            return Limit(None, "T = s G'KG is zero: nothing grows exponentially")
        fastest, why = leaders(np.sqrt(values), method)
        if fastest is None:
            return Limit(None, why)
        # Right singular vectors of N = Q'G from the left ones; the growing part of w is (w0 + G'h0/sqrt(tau))/2.
        coupling = couplings(problem).reshape(len(values), -1)
        right = (vectors[:, fastest].T @ coupling) * np.sqrt(numbers["ratio"] / values[fastest])[:, None]
        start = np.asarray(state.prototypes).reshape(-1)
        driven = np.asarray(problem.pull(state.features)).reshape(-1)
        weight = (right @ start + (right @ driven) / np.sqrt(values[fastest])) / 2
        along = flat_factor(problem) @ (vectors[:, fastest] @ weight) * np.sqrt(numbers["ratio"])
        candidate = State(
            along.reshape(state.features.shape),
            (right.T @ weight).reshape(state.prototypes.shape),
            np.zeros(problem.classes),
        )
        return present(candidate, state)


def flat_factor(problem: Problem) -> Any:
    r"""Return $Q = A/\sqrt r$, shape (n p, r), so that K = Q Q'."""
    factor = problem.kernel_factor
    return factor.reshape(-1, factor.shape[-1]) / factor.shape[-1] ** 0.5  # no float64 of NumPy: float32 stays float32


def couplings(problem: Problem) -> np.ndarray:
    """Return N = Q'G, shape (r, C, p): the pull of every column of Q on the prototypes."""
    rank = problem.kernel_factor.shape[-1]
    columns = jnp.moveaxis(jnp.asarray(problem.kernel_factor), -1, 0) / np.sqrt(rank)
    return np.asarray(jax.lax.map(problem.pull, columns))


def eigen(numbers: Numbers, problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Return the eigenvalues tau of s N N' (r, r), ascending, and its eigenvectors."""
    coupling = couplings(problem).reshape(problem.kernel_factor.shape[-1], -1)
    return np.linalg.eigh(numbers["ratio"] * coupling @ coupling.T)


MEMBER = Kernel
