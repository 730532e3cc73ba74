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

from typing import Any, NamedTuple

import numpy as np

from dynamics.problem import Problem

SAME = 1e-13  # relative difference below which two d_c are one number that was rounded twice
UNMIXED = 2.0**-50  # a coupling of classes below this, relative to alpha, is the rounding of alpha and beta


class Modes(NamedTuple):
    """Singular modes of B by groups: ``group`` (C,) of each class, ``count`` (G,) classes in each group.

    ``contrast`` (G,) is the sigma of the contrasts inside each group; ``sigma`` (G,), ``whole_left`` and ``right``
    (G, G), columns the vectors, are the SVD between groups, in the basis of normalised group indicators. ``left`` is
    ``whole_left`` up to what adds ``shared`` (G,) to every class alike: where a mode belongs to one group, all others
    have exact zeros in it.
    """

    group: np.ndarray
    count: np.ndarray
    contrast: np.ndarray
    sigma: np.ndarray
    left: np.ndarray
    right: np.ndarray
    shared: np.ndarray

    @property
    def whole_left(self) -> np.ndarray:
        """The left singular vectors, (G, G)."""
        return self.left + np.outer(np.sqrt(self.count), self.shared)


def label_modes(problem: Problem) -> Modes:
    r"""Return the modes of the label operator of a problem.

    $B'B = D(\alpha^2 I + \beta(2\alpha + C\beta)11')D/n^2$ is diagonal for gamma = 0 and gamma = 2/(C - 2) (without
    smoothing): then the classes do not mix, and every group is a mode of its own, with exact zeros elsewhere.
    """
    scale = np.sqrt(problem.sizes) * problem.weights / problem.samples
    order = np.argsort(scale, kind="stable")
    jumps = np.diff(scale[order]) > SAME * scale[order][1:]
    group = np.empty(len(scale), dtype=np.int32)
    group[order] = np.concatenate([[0], np.cumsum(jumps)])
    count = np.bincount(group).astype(float)
    mass = np.bincount(group, scale) / count
    alpha, total, eye = problem.alpha, problem.beta * problem.classes, np.eye(len(count))
    if min(abs(total), abs(2 * alpha + total)) <= UNMIXED * alpha:
        shared = problem.beta / alpha * np.sqrt(count)
        return Modes(group, count, alpha * mass, alpha * mass, eye, eye, shared)
    left, sigma, right = np.linalg.svd((alpha * eye + problem.beta * np.sqrt(np.outer(count, count))) * mass)
    return Modes(group, count, alpha * mass, sigma, left, right.T, np.zeros(len(count)))


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


def axes(sigma: Any, ratio: float, lambda_h: float, lambda_w: float) -> Axes:
    r"""Return the exponents $w = (-(s l_1+l_2) \pm \sqrt{(s l_1-l_2)^2 + 4 s\sigma^2})/2$ and axes of S(sigma).

    The larger exponent is the product of both, $s(l_1 l_2 - \sigma^2)$, over the smaller: it does not cancel.
    """
    decay, root = ratio * lambda_h, np.sqrt(ratio)
    gap = np.hypot(decay - lambda_w, 2 * root * sigma)
    fall = -(decay + lambda_w + gap) / 2
    grow = np.where(fall < 0, ratio * (lambda_h * lambda_w - sigma**2) / np.where(fall < 0, fall, 1.0), 0.0)
    # cos and sin of half the angle of (decay - lambda_w, 2 root sigma): the smaller from their product, digits kept.
    safe = np.where(gap > 0, gap, 1.0)
    larger = np.sqrt((1 + np.abs(decay - lambda_w) / safe) / 2)
    smaller = np.where(gap > 0, root * sigma / safe, 0.5) / larger
    ahead = decay >= lambda_w
    return Axes(grow, fall, np.where(ahead, larger, smaller), np.where(ahead, smaller, larger))
