r"""Minority collapse: which classes vanish from the unconstrained model, how fast, and where each one's share ends.

With the singular value decomposition of the label operator on class space, $B = \sum_k \sigma_k u_k v_k'$ (any class
sizes and sample weights, see `theorems.modes`), and $F_c = \sqrt{n_c}\,\mu_c/\sqrt s$, Theorem 2 goes over to

    W = sum_k u_k a_k g_k + falling parts,   F = sum_k v_k a_k g_k + falling parts,   a_k = (u_k' W_0 + v_k' F_0)/2,

where g_k = e^(sqrt(s) sigma_k zeta) in a flow, prod(1 + eta_k sqrt(s) sigma_k) in a descent. The modes of the largest
sigma win. Two classes of the same largest size, below gamma = 2/(C - 2): the winner is their contrast, in which no
other class has a part; all others vanish against it at the pace of the second sigma, whatever their size is.
"""

from typing import NamedTuple

import numpy as np

from dynamics.experiment import Experiment
from dynamics.precision import exact
from dynamics.preparation import prepare
from theorems.snapshot import centre

TIE = 1e-9  # relative difference below which two growths are one
ABSENT = 1e-12  # a share below this is the rounding of a class that the winning modes do not hold


class Collapse(NamedTuple):
    """What the shares of the classes tend to: a constant, or ``constant`` e^(-``rate`` zeta) where ``vanishes``.

    ``vanishes`` (C,); ``prototypes`` and ``means`` (C,): the constants of |y_c|/|Y| and of |x_c|/|X|, with Y the
    prototypes less their mean, X the class means less theirs (the metrics `share_prototypes` and `share_means`).
    ``rate`` is that of the first modes over the second, whether or not anything vanishes.
    """

    rate: float
    vanishes: np.ndarray
    prototypes: np.ndarray
    means: np.ndarray


def collapse(experiment: Experiment) -> Collapse:
    """Return how the classes of an unconstrained experiment end; with a schedule the rate is the mean over the run."""
    problem, start = prepare(experiment)
    classes, root = problem.classes, np.sqrt(experiment.method.ratio)
    weight = np.sqrt(problem.sizes)
    operator = (problem.alpha * np.eye(classes) + problem.beta) * weight * problem.weights / problem.samples
    left, sigma, right = np.linalg.svd(operator)
    with exact():
        means = np.asarray(problem.class_means(start.features))
    grown = (left.T @ start.prototypes + right @ (weight[:, None] * means / root)) / 2
    growth = _growth(experiment, root * sigma)
    winners = growth >= (1 - TIE) * growth.max()
    behind = np.max(growth[~winners], initial=-np.inf)
    second = ~winners & (growth >= (1 - TIE) * behind)
    vectors = left, right.T / weight[:, None]
    first, rest = ([centre(one[:, part] @ grown[part]) for one in vectors] for part in (winners, second))
    shares = [_rows(x) / np.linalg.norm(x) for x in first]
    vanishes = shares[0] < ABSENT
    heights = [_rows(y) / np.linalg.norm(x) for x, y in zip(first, rest, strict=True)]
    constants = (np.where(vanishes, y, x) for x, y in zip(shares, heights, strict=True))
    return Collapse(float(growth.max() - behind), vanishes, *constants)


def _growth(experiment: Experiment, exponents: np.ndarray) -> np.ndarray:
    """Return the e-folds per zeta of scalar modes with these exponents."""
    method, ends = experiment.method, np.array([0.0, experiment.method.horizon])
    return method.growth(exponents, ends)[0][-1] / method.zeta(ends)[-1]


def _rows(rows: np.ndarray) -> np.ndarray:
    return np.linalg.norm(rows, axis=1)
