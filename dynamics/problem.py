r"""The problem: labels, weights and gamma, seen by the dynamics only through the label operator M.

The unhinged loss of the layer-peeled model is linear in the logits, eq. (2) of the paper:

    L = -(1/n) sum_i omega_i [ z_i . t_i (1 + g) - g sum_c z_ic ] = -<W, H M'> - b . m,

with logits $z_i = W'h_i + b$, targets $t_i = (1-a)e_{y_i} + a/C$, and one fixed C x n matrix

    M[:, i] = omega_i (alpha e_{y_i} + beta 1)/n,   alpha = (1+g)(1-a),   beta = (1+g)a/C - g,   m = M 1.

Dictionary: the paper's H (p x n) is `features` transposed (n x p, a row a sample), its W (p x C) is
`prototypes` transposed (C x p), b is `biases`, gamma is g, the smoothing is a.
"""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

Array = Any


class Problem(eqx.Module):
    """Labels and the numbers of the loss; columns sorted by class. All fields are arrays and cross jit.

    ``labels`` (n,) ascending; ``sizes`` (C,) samples of each class; ``weights`` (C,) the sample weight omega of a
    class, mean 1 over the samples; ``gamma``, ``smoothing`` scalars; ``order`` (n,) the input column that each
    sorted row came from; ``kernel_factor`` (n, p, r) or None: the NTK is K = A A'/r with A its (np, r) view. ``loss``
    is the kind of loss (`dynamics.loss`), or None for the unhinged one, of which M says all.
    """

    labels: Array
    sizes: Array
    weights: Array
    gamma: Array
    smoothing: Array
    order: Array
    kernel_factor: Array = None
    loss: Any = eqx.field(static=True, default=None)

    @property
    def classes(self) -> int:
        """C."""
        return self.sizes.shape[0]

    @property
    def samples(self) -> int:
        """N."""
        return self.labels.shape[0]

    @property
    def alpha(self) -> Array:
        """The coefficient of the own class, (1+g)(1-a)."""
        return (1 + self.gamma) * (1 - self.smoothing)

    @property
    def beta(self) -> Array:
        """The coefficient of every class, (1+g)a/C - g."""
        return (1 + self.gamma) * self.smoothing / self.classes - self.gamma

    @property
    def balanced(self) -> bool:
        """Whether all classes have one size and one weight."""
        return bool(np.all(self.sizes == self.sizes[0]) and np.all(self.weights == self.weights[0]))

    @property
    def ones(self) -> Any:
        """How often each row has the biases: once."""
        return 1.0

    def push(self, prototypes: Array) -> Array:
        """Return (W M)', shape (n, p), in O(n p): the direction in which the loss drives each feature."""
        return self.class_push(prototypes)[self.labels]

    def class_push(self, prototypes: Array) -> Array:
        """Return the column of W M of each class, shape (C, p): samples of one class share it."""
        drive = self.alpha * prototypes + self.beta * prototypes.sum(axis=0)
        return self.weights[:, None] * drive / self.samples

    def pull(self, features: Array) -> Array:
        """Return (H M')', shape (C, p), in O(n p): the direction in which the loss drives each prototype."""
        sums = self.weights[:, None] * self._class_sums(features) / self.samples
        return self.alpha * sums + self.beta * jnp.sum(sums, axis=0)

    def bias_drive(self) -> Array:
        """Return m = M 1, shape (C,): the direction in which the loss drives the biases."""
        mass = self.weights * self.sizes / self.samples
        return self.alpha * mass + self.beta * jnp.sum(mass)

    def targets(self) -> Array:
        """Return the smoothed one-hot targets $(1-a)e_y + a/C$ of every row, (n, C)."""
        own = self.labels[:, None] == jnp.arange(self.classes)
        return (1 - self.smoothing) * own + self.smoothing / self.classes

    def sample_weights(self) -> Array:
        r"""Return $\omega_i/n$ of every row, (n, 1)."""
        return (self.weights / self.samples)[self.labels][:, None]

    def batch(self, rows: Array) -> "Problem":
        """Return the problem of some samples, ``rows`` (B,) ascending, whose loss is their mean, for jit."""
        labels = self.labels[rows]
        return dataclasses.replace(self, labels=labels, sizes=jnp.zeros_like(self.sizes).at[labels].add(1))

    def operator_norm(self) -> float:
        """Return |M|, the largest singular value of the label operator, from a C x C matrix. Not for jit."""
        mass = np.sqrt(self.sizes) * self.weights / self.samples
        return float(np.linalg.norm((self.alpha * np.eye(self.classes) + self.beta) * mass, 2))

    def class_means(self, features: Array) -> Array:
        """Return the class means mu_c, shape (C, p)."""
        if isinstance(features, np.ndarray):
            ends = np.cumsum(self.sizes).astype(int)
            return np.stack([part.mean(0) for part in np.split(features, ends[:-1])])
        return self._class_sums(features) / self.sizes[:, None]

    def _class_sums(self, features: Array) -> Array:
        """Return the sum of each class's features (C, p), for jit: twice as fast where all classes have one size."""

        def scattered() -> Array:
            return jax.ops.segment_sum(features, self.labels, self.classes, indices_are_sorted=True)

        size = self.samples // self.classes
        if size * self.classes != self.samples:
            return scattered()
        blocks = (self.classes, size, *features.shape[1:])
        return jax.lax.cond(jnp.all(self.sizes == size), lambda: features.reshape(blocks).sum(axis=1), scattered)

    def restore(self, features: np.ndarray) -> np.ndarray:
        """Return sorted feature rows in the order of the input."""
        if (self.order[1:] > self.order[:-1]).all():
            return features
        restored = np.empty_like(features)
        restored[self.order] = features
        return restored


WEIGHT_POWER = {"none": 0.0, "sqrt": -0.5, "inverse": -1.0}


def make_problem(
    labels: np.ndarray,
    classes: int,
    gamma: float,
    *,
    label_smoothing: float = 0.0,
    sample_weights: str = "none",
    kernel_factor: np.ndarray | None = None,
    loss: Any = None,
) -> Problem:
    """Build a problem from integer labels (n,) in any order; every class of 0 .. classes - 1 must occur.

    ``kernel_factor`` (n, p, r) is given in the same order as the labels.
    """
    order = np.argsort(labels, kind="stable")
    sizes = np.bincount(labels, minlength=classes)
    weights = sizes.astype(float) ** WEIGHT_POWER[sample_weights]
    return Problem(
        labels=labels[order].astype(np.int32),
        sizes=sizes.astype(np.float64),
        weights=weights / (np.sum(weights * sizes) / len(labels)),
        gamma=np.float64(gamma),
        smoothing=np.float64(label_smoothing),
        order=order,
        kernel_factor=None if kernel_factor is None else kernel_factor[order],
        loss=loss,
    )
