r"""A deep linear network with one hidden layer: the system of Saxe et al. (2014), Fukumizu (1998), Braun et al. (2022).

W1 (h x d) and W2 (o x h) learn S (o x d), the correlation of outputs with whitened inputs, by the gradient flow of
$\frac12\|S - W_2 W_1\|^2$: $W_1' = W_2^T(S - W_2 W_1)$ and $W_2' = (S - W_2 W_1)W_1^T$. Both are kept in one array
$Q = (W_1^T; W_2)$, (d + o) x h.
"""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from theorems.reference import Path, integrate, sizes

BALANCED = 1e-12  # what rounding leaves of a balance between layers of size one


@dataclass(frozen=True, eq=False)
class Network:
    """What is learnt, S (o, d), and the start Q (d + o, h)."""

    target: np.ndarray
    start: np.ndarray

    @classmethod
    def balanced(cls, target: np.ndarray, left: np.ndarray, strengths: Any, right: np.ndarray, turn: Any) -> "Network":
        """Return the start W2 W1 = left diag(strengths) right^T that both layers share: W1 W1^T = W2^T W2.

        ``left`` (o, k), ``right`` (d, k) and ``turn`` (h, k) have orthonormal columns.
        """
        half = np.sqrt(strengths) * np.asarray(turn)
        return cls(target, np.vstack([right @ half.T, left @ half.T]))

    @property
    def layers(self) -> tuple[np.ndarray, np.ndarray]:
        """W1 (h, d) and W2 (o, h) at the start."""
        inputs = self.target.shape[1]
        return self.start[:inputs].T, self.start[inputs:]

    @property
    def is_balanced(self) -> bool:
        """Whether W1 W1^T = W2^T W2 at the start, to rounding."""
        first, second = self.layers
        return bool(np.abs(first @ first.T - second.T @ second).max() <= BALANCED)

    def simulate(self, times: np.ndarray) -> Path:
        """Return Q Q^T at ``times``, (T, d + o, d + o); its lower left block, o x d, is W2 W1."""
        states, error = integrate(velocity, self.target, self.start, times)
        return Path(states @ states.transpose(0, 2, 1), 2 * error * sizes(states))


def velocity(t: Any, q: Any, target: Any) -> Any:
    """Return Q', (d + o, h), under gradient flow."""
    first, second = q[: target.shape[1]], q[target.shape[1] :]
    residual = target - second @ first.T
    return jnp.concatenate([residual.T @ second, residual @ first])


def frame(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Return random orthonormal columns, (rows, columns)."""
    return np.linalg.qr(rng.standard_normal((rows, columns)))[0]
