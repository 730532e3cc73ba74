r"""The singular modes of the label operator, and the two exponents of each.

On the class space, features reduce to $F_c = \sqrt{n_c}\,\mu_c/\sqrt s$ and M to a C x C matrix
$B = (\alpha I + \beta 11')D/n$, $D = \operatorname{diag}(d_c)$, $d_c = \sqrt{n_c}\,\omega_c$. Classes with equal $d_c$
form a group. Inside a group of m classes the m - 1 contrasts are singular vectors of B on both sides, with
$\sigma = \alpha d/n$, exactly; what is left lives on the group means, one small matrix over groups, whose SVD is taken.
Balanced classes are one group: $\sigma_1 = (1+\gamma)/(C\sqrt N)$ for C - 1 contrasts, and one mean mode with
$|\sigma_2| = |1+\gamma-\gamma C|/(C\sqrt N)$, the five subspaces of the paper (Lemma 9).

Every pair (F v, W u) of a singular mode obeys $z' = S z$ per zeta with the symmetric
$S = \begin{pmatrix}-s l_1 & \sqrt s\,\sigma\\ \sqrt s\,\sigma & -l_2\end{pmatrix}$, so it splits into two scalar
modes along orthonormal axes at the angle $\vartheta$: no divided difference is needed where the exponents coincide.
"""

from typing import Any, NamedTuple, Self

import numpy as np

from dynamics.precision import namespace
from dynamics.problem import Problem

SAME = 1e-13  # relative difference below which two d_c are one number that was rounded twice
UNMIXED = 2.0**-50  # a coupling of classes below this, relative to alpha, is the rounding of alpha and beta


class Groups(NamedTuple):
    """Classes by equal d_c: ``group`` (C,) of each class, ``count`` (G,) classes and ``mass`` (G,) d/n of each group.

    They depend on class sizes and weights, not on gamma.
    """

    group: Any
    count: Any
    mass: Any

    @classmethod
    def of(cls, problem: Problem) -> Self:
        """Return the groups of a problem. Not for jit."""
        scale = np.sqrt(problem.sizes) * problem.weights / problem.samples
        order = np.argsort(scale, kind="stable")
        jumps = np.diff(scale[order]) > SAME * scale[order][1:]
        group = np.empty(len(scale), dtype=np.int32)
        group[order] = np.concatenate([[0], np.cumsum(jumps)])
        count = np.bincount(group).astype(float)
        return cls(group, count, np.bincount(group, scale) / count)


class Modes(NamedTuple):
    """Singular modes of B by groups: ``group`` (C,) of each class, ``count`` (G,) classes in each group.

    ``contrast`` (G,) is the sigma of the contrasts inside each group; ``sigma`` (G,), ``whole_left`` and ``right``
    (G, G), columns the vectors, are the SVD between groups, in the basis of normalised group indicators. ``left`` is
    ``whole_left`` up to what adds ``shared`` (G,) to every class alike: where a mode belongs to one group, all others
    have exact zeros in it.
    """

    group: Any
    count: Any
    contrast: Any
    sigma: Any
    left: Any
    right: Any
    shared: Any

    @property
    def first(self) -> Any:
        """The first class of each group, (G,)."""
        return namespace(self.group).argmax(np.arange(len(self.count))[:, None] == self.group, axis=1)

    @property
    def whole_left(self) -> Any:
        """The left singular vectors, (G, G)."""
        return self.left + self.count[:, None] ** 0.5 * self.shared


def label_modes(problem: Problem, groups: Groups | None = None) -> Modes:
    r"""Return the modes of the label operator of a problem; under jit, the ``groups`` must be given.

    $B'B = D(\alpha^2 I + \beta(2\alpha + C\beta)11')D/n^2$ is diagonal for gamma = 0 and gamma = 2/(C - 2) (without
    smoothing): then the classes do not mix, and every group is a mode of its own, with exact zeros elsewhere.
    """
    group, count, mass = Groups.of(problem) if groups is None else groups
    xp = namespace(problem.gamma)
    alpha, total, eye = problem.alpha, problem.beta * problem.classes, np.eye(len(count))
    left, sigma, right = _svd((alpha * eye + problem.beta * (count[:, None] * count) ** 0.5) * mass)
    unmixed = xp.minimum(abs(total), abs(2 * alpha + total)) <= UNMIXED * alpha
    alone = alpha * mass, eye, eye, problem.beta / alpha * count**0.5
    mixed = sigma, left, right, np.zeros(len(count))
    return Modes(group, count, alpha * mass, *(xp.where(unmixed, x, y) for x, y in zip(alone, mixed, strict=True)))


def _svd(matrix: Any) -> tuple[Any, Any, Any]:
    """Return (left, sigma, right), columns the vectors; of a number, without rounding."""
    xp = namespace(matrix)
    if len(matrix) == 1:
        return xp.where(matrix < 0, -1.0, 1.0), abs(matrix[0]), xp.ones_like(matrix)
    left, sigma, right = xp.linalg.svd(matrix)
    return left, sigma, right.T


def matrix_modes(operator: np.ndarray) -> Modes:
    """Return the modes of any C x C operator B: every class is a group of its own, with no contrasts."""
    classes = len(operator)
    left, sigma, right = np.linalg.svd(operator)
    zeros = np.zeros(classes)
    return Modes(np.arange(classes), np.ones(classes), zeros, sigma, left, right.T, zeros)


class Axes(NamedTuple):
    r"""The two scalar modes of each sigma: exponents ``grow`` >= ``fall`` per zeta; cos and sin of $\vartheta$.

    The growing axis is (F, W) = (sin, cos), the falling one (cos, -sin).
    """

    grow: np.ndarray
    fall: np.ndarray
    cos: np.ndarray
    sin: np.ndarray


def axes(sigma: Any, ratio: Any, lambda_h: Any, lambda_w: Any) -> Axes:
    r"""Return the exponents $w = (-(s l_1+l_2) \pm \sqrt{(s l_1-l_2)^2 + 4 s\sigma^2})/2$ and axes of S(sigma).

    The larger exponent is the product of both, $s(l_1 l_2 - \sigma^2)$, over the smaller: it does not cancel. NumPy for
    NumPy's numbers, JAX for its own.
    """
    xp = namespace(sigma)
    decay, root = ratio * lambda_h, xp.sqrt(ratio)
    gap = xp.hypot(decay - lambda_w, 2 * root * sigma)
    fall = -(decay + lambda_w + gap) / 2
    grow = xp.where(fall < 0, ratio * (lambda_h * lambda_w - sigma**2) / xp.where(fall < 0, fall, 1.0), 0.0)
    # cos and sin of half the angle of (decay - lambda_w, 2 root sigma): the smaller from their product, digits kept.
    safe = xp.where(gap > 0, gap, 1.0)
    larger = xp.sqrt((1 + xp.abs(decay - lambda_w) / safe) / 2)
    smaller = xp.where(gap > 0, root * sigma / safe, 0.5) / larger
    ahead = decay >= lambda_w
    return Axes(grow, fall, xp.where(ahead, larger, smaller), xp.where(ahead, smaller, larger))
