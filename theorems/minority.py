r"""Minority collapse: which classes vanish, how fast, where each one's share ends, and what decay and anchoring change.

With the singular value decomposition of the label operator on class space, $B = \sum_k \sigma_k u_k v_k'$ (any class
sizes and sample weights, see `theorems.modes`), and $F_c = \sqrt{n_c}\,\mu_c/\sqrt s$, Theorems 2 and 4 go over to

    W = sum_k u_k cos_k a_k g_k + falling parts,   F = sum_k v_k sin_k a_k g_k + falling parts,
    a_k = cos_k u_k' W_0 + sin_k v_k' F_0,

where g_k = e^(w_k zeta) in a flow, prod(1 + eta_k w_k) in a descent, with the larger exponent of S(sigma_k),

    w(sigma) = (-(s l1 + l2) + sqrt((s l1 - l2)^2 + 4 s sigma^2))/2,

and (cos, sin) its axis. It rises with sigma, so the modes of the largest sigma win; but at a rate so large that factors
of the falling parts are below -1, these count too, by their size. A mode that all classes share alike never counts. Two
classes of the same largest size, below gamma = 2/(C - 2): the winner is their contrast, in which no other class has a
part; all others vanish against it at the pace of the second sigma, whatever their size is.

- Weights n_c^(-1/2) give all contrasts one sigma: nothing vanishes. Weights 1/n_c turn the order of the sigmas around:
  the smallest classes win.
- Decay: the gap of two exponents depends on the decays only through \|s l1 - l2\|. It is largest, as without decay,
  where s l1 = l2, falls as the two are further apart, and is never zero.
- Anchored prototypes: H tends to W M/l1, whose columns know no class size but for the weights. Nothing vanishes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dynamics.errors import must
from dynamics.experiment import Experiment
from dynamics.method import Method
from dynamics.precision import exact
from dynamics.preparation import prepare
from theorems.modes import axes
from theorems.snapshot import centre

TIE = 1e-9  # relative difference below which two growths are one
ABSENT = 1e-12  # a share below this is the rounding of a class that the winning modes do not hold


class Collapse(NamedTuple):
    """What the shares of the classes tend to: a constant, or ``constant`` e^(-``rate`` zeta) where ``vanishes``.

    ``vanishes`` (C,); ``prototypes`` and ``means`` (C,): the constants of |y_c|/|Y| and of |x_c|/|X|, with Y the
    prototypes less their mean, X the class means less theirs (the metrics `share_prototypes` and `share_means`).
    ``rate`` is that of the first modes over the second, whether or not anything vanishes; of anchored prototypes, that
    of the limit over what is left of the start, 0 without decay, where the start is left behind only like 1/zeta.
    """

    rate: float
    vanishes: np.ndarray
    prototypes: np.ndarray
    means: np.ndarray


def collapse(experiment: Experiment) -> Collapse:
    """Return how the classes of an experiment end; with a schedule the rate is the mean over the run.

    Raises:
        InputError: an experiment that cannot be prepared, whose loss or scenario is another than unhinged and
            unconstrained, regularized or anchored, whose method approaches no known direction, or whose start has no
            part in what wins.
    """
    if not experiment.problem.linear:
        raise must("problem.loss", "be linear for its classes' shares to have a known end", experiment.problem.loss)
    kind, method = experiment.scenario.kind, experiment.method.felt_by(experiment.scenario)
    if why := method.no_limit():
        relation = "be a motion with a known limit for its classes' shares to be known"
        raise must("method.kind", relation, method.kind, f"{why[0].upper()}{why[1:]}.")
    if kind == "anchored":
        return _anchored(experiment, method)
    if kind not in ("unconstrained", "regularized"):
        raise must(
            "scenario.kind", "be unconstrained, regularized or anchored for its classes' shares to be known", kind
        )
    growth, vectors, grown = _modes(experiment, method)
    tie, alive = TIE * np.max(abs(growth[np.isfinite(growth)]), initial=0.0), growth > -np.inf
    winners = alive & (growth >= growth.max() - tie)
    behind = np.max(growth[~winners], initial=-np.inf)
    second = alive & ~winners & (growth >= behind - tie)
    first, rest = ([one[:, part] @ grown[part] for one in vectors] for part in (winners, second))
    shares = _shares(first)
    vanishes = shares[0] < ABSENT
    heights = [_rows(y) / np.linalg.norm(x) for x, y in zip(first, rest, strict=True)]
    constants = (np.where(vanishes, y, x) for x, y in zip(shares, heights, strict=True))
    return Collapse(float(growth.max() - behind), vanishes, *constants)


def _modes(experiment: Experiment, method: Method) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Return, growing modes first, then falling: e-folds per zeta (2C,), columns of Y and X (C, 2C), the start (2C, p).

    A mode that all classes share alike tells none apart: -inf, whatever it grows by.
    """
    problem, start = prepare(experiment)
    classes, weight = problem.classes, np.sqrt(problem.sizes)
    operator = (problem.alpha * np.eye(classes) + problem.beta) * weight * problem.weights / problem.samples
    left, sigma, right = np.linalg.svd(operator)
    numbers = method.folded(method.numbers(), {**experiment.scenario.numbers(), "ratio": method.ratio})
    axis = axes(sigma, method.ratio, numbers["lambda_h"], numbers["lambda_w"])
    with exact():
        means = np.asarray(problem.class_means(start.features))
    in_w, in_h = np.concatenate([axis.cos, -axis.sin]), np.concatenate([axis.sin, axis.cos])
    along_w, along_h = left.T @ start.prototypes, right @ (weight[:, None] * means / np.sqrt(method.ratio))
    grown = in_w[:, None] * np.tile(along_w, (2, 1)) + in_h[:, None] * np.tile(along_h, (2, 1))
    vectors = centre(np.tile(left, 2) * in_w), centre(np.tile(right.T / weight[:, None], 2) * in_h)
    seen = np.hypot(*(np.linalg.norm(one, axis=0) for one in vectors)) > ABSENT * np.hypot(1, 1 / weight.max())
    growth = _growth(method, np.concatenate([axis.grow, axis.fall]))
    return np.where(seen, growth, -np.inf), vectors, grown


def _anchored(experiment: Experiment, method: Method) -> Collapse:
    problem, start = prepare(experiment)
    limits = centre(start.prototypes), centre(problem.class_push(start.prototypes))
    decay = np.array([-method.ratio * experiment.scenario.numbers()["lambda_h"]])
    nothing = np.zeros(problem.classes, dtype=bool)
    return Collapse(abs(float(_growth(method, decay)[0])), nothing, *_shares(limits))


def _growth(method: Method, exponents: np.ndarray) -> np.ndarray:
    """Return the e-folds per zeta of scalar modes with these exponents."""
    ends = np.array([0.0, method.horizon])
    return method.growth(exponents, ends)[0][-1] / method.zeta(ends)[-1]


def _shares(limits: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return each class's share of limits (C, p), (C,) each."""
    if not all(np.linalg.norm(rows) > 0 for rows in limits):
        raise must("the start", "have a part in what wins, for its classes' shares to be known", 0.0)
    return [_rows(rows) / np.linalg.norm(rows) for rows in limits]


def _rows(rows: np.ndarray) -> np.ndarray:
    return np.linalg.norm(rows, axis=1)
