r"""The phases of the regularized model: which part of the state wins, and what grows, as gamma and the decay change.

Balanced classes and constant rates (eq. (12) of the paper). The C - 1 contrasts between classes and their common mean
move by S(sigma1) and S(sigma2) of `theorems.modes`, with the larger exponent per zeta

    w(sigma) = (-(s l1 + l2) + sqrt((s l1 - l2)^2 + 4 s sigma^2))/2.

It rises with sigma, and is positive if and only if sigma^2 > l1 l2, since S has determinant s (l1 l2 - sigma^2) and a
trace that is not positive. So of s, N and the two decays only one number matters, and in units of 1/(C sqrt N)

    contrasts: 1 + gamma,   mean: |1 + gamma - gamma C|,   decay: C sqrt(N l1 l2):

a part grows if it is above the decay, stands still in the end if it equals it, and the larger of the two wins.
"""

from typing import Any, NamedTuple

import numpy as np

from dynamics.experiment import Experiment
from dynamics.preparation import prepare
from dynamics.simulation import simulate
from dynamics.state import State
from theorems.modes import axes

ROUNDING = 1e-14  # of a strength, relative to 1 + gamma C: closer than this, two strengths are one
RESOLUTION = 0.02  # e-folds over the second half of a run: what changes by less is said to stand still


class Phase(NamedTuple):
    """Three signs, numbers or arrays of -1, 0, 1.

    ``contrasts``, ``mean``: whether that part grows, stands still or decays; ``ahead``: 1 where the contrasts win, -1
    where the mean does, 0 where neither gains on the other.
    """

    contrasts: Any
    mean: Any
    ahead: Any

    @property
    def growing(self) -> Any:
        """How many of the two parts grow."""
        return (np.asarray(self.contrasts) > 0).astype(int) + (np.asarray(self.mean) > 0)


def strengths(gamma: Any, classes: int) -> tuple[Any, Any]:
    """Return C sqrt(N) times sigma1 of the contrasts and |sigma2| of the mean (Lemma 9)."""
    gamma = np.asarray(gamma, dtype=float)
    return 1 + gamma, np.abs(1 + gamma - gamma * classes)


def tie(classes: int) -> float:
    """Return gamma = 2/(C - 2), where sigma1 = |sigma2|; infinite for two classes. They are equal at gamma = 0 too."""
    return 2 / (classes - 2) if classes > 2 else np.inf


def standstill(classes: int) -> float:
    """Return gamma = 1/(C - 1), where sigma2 = 0: the loss does not move the mean at all."""
    return 1 / (classes - 1)


def phase(gamma: Any, decay: Any, classes: int) -> Phase:
    """Return the exact phase at gamma and decay = C sqrt(N l1 l2), numbers or arrays that broadcast."""
    contrasts, mean = strengths(gamma, classes)
    rounding = ROUNDING * (1 + np.asarray(gamma) * classes)
    return Phase(*(_sign(x - y, rounding) for x, y in ((contrasts, decay), (mean, decay), (contrasts, mean))))


def _sign(difference: Any, tolerance: Any) -> Any:
    return np.where(np.abs(difference) <= tolerance, 0, np.sign(difference)).astype(int)


# -- the same from a simulation ----------------------------------------------------------------------------------------


class Growth(NamedTuple):
    """By how many e-folds the norms of the contrasts and of the mean grow over the second half of a run."""

    contrasts: float
    mean: float

    @property
    def phase(self) -> Phase:
        """The phase as it is seen at this resolution."""
        seen = (self.contrasts, self.mean, self.contrasts - self.mean)
        return Phase(*(int(_sign(value, RESOLUTION)) for value in seen))


def sample(
    gamma: float,
    decay: float,
    *,
    classes: int,
    per_class: int = 2,
    ratio: float = 1.0,
    odds: float = 1.0,
    seed: int = 0,
) -> Experiment:
    """Return a small descent at a point of the diagram: s = ``ratio``, l1/l2 = ``odds``, l1 l2 = decay^2/(C^2 N).

    It is saved three times, zeta = 0, 30 and 60: long enough for the falling modes to leave, and short enough for the
    loser not to drown in the rounding of the winner.
    """
    strength = decay / (classes * np.sqrt(per_class))
    return Experiment(
        name="phase",
        problem={"classes": classes, "per_class": per_class, "features": 6, "gamma": float(gamma)},
        scenario={
            "kind": "regularized",
            "lambda_h": float(strength * np.sqrt(odds)),
            "lambda_w": float(strength / np.sqrt(odds)),
        },
        method={"steps": 300, "eta": 0.2, "ratio": float(ratio)},
        start={"seed": seed},
        output={"points": 3},
    )


def decay_of(experiment: Experiment) -> float:
    """Return the decay C sqrt(N l1 l2) of an experiment."""
    table, numbers = experiment.problem, experiment.scenario.numbers()
    per_class = table.samples() // table.classes
    return float(table.classes * np.sqrt(per_class * numbers["lambda_h"] * numbers["lambda_w"]))


def phase_of(experiment: Experiment) -> Phase:
    """Return the exact phase of an experiment."""
    table = experiment.problem
    return Phase(*map(int, phase(table.gamma_value(table.classes), decay_of(experiment), table.classes)))


def simulated_growth(experiment: Experiment) -> Growth:
    """Simulate a `sample`, and return what its last two saved states say: no formula is used."""
    logs: list[np.ndarray] = []
    root = np.sqrt(experiment.method.ratio)
    simulate(experiment, watch=lambda state: logs.append(np.log(np.linalg.norm(_parts(state, root), axis=1))))
    return Growth(*map(float, logs[-1] - logs[-2]))


def predicted_growth(experiment: Experiment) -> tuple[Growth, Growth]:
    r"""Return (growth, lag): each part's final rate times the second half, and how far it is behind at most.

    A part has the squared norm $a^2 g_+^{2k} + b^2 g_-^{2k}$ after k steps, $g_\pm = 1 + \eta w_\pm$ of its two modes.
    Over the second half of K steps its norm grows by $\ln g_+^{K/2}$ less a lag between 0 and
    $\tfrac12 \ln(1 + b^2/a^2\,(g_-/g_+)^K)$. So a seen sign is right wherever the growth exceeds `RESOLUTION` + lag.
    """
    problem, start = prepare(experiment)
    method, numbers = experiment.method, experiment.scenario.numbers()
    contrasts, unit = 1 + problem.gamma, np.sqrt(problem.classes * problem.samples)  # C sqrt N
    sigma = np.array([contrasts, contrasts - problem.gamma * problem.classes]) / unit
    axis = axes(sigma, method.ratio, numbers["lambda_h"], numbers["lambda_w"])
    features, prototypes = np.split(_parts(start, np.sqrt(method.ratio)), 2, axis=1)
    cos, sin = axis.cos[:, None], axis.sin[:, None]
    grown = np.sum((sin * features + cos * prototypes) ** 2, axis=1)
    fallen = np.sum((cos * features - sin * prototypes) ** 2, axis=1)
    up, down = np.log1p(method.eta * axis.grow), np.log1p(method.eta * axis.fall)
    lag = np.log1p(fallen / grown * np.exp(method.horizon * (down - up))) / 2
    return Growth(*map(float, method.horizon / 2 * up)), Growth(*map(float, lag))


def _parts(state: State, root: Any) -> np.ndarray:
    r"""Return the contrasts and the mean of $(\sqrt{N}\mu_c/\sqrt s, w_c)$ over classes of equal size, (2, 2Cp)."""
    classes, p = state.prototypes.shape
    rows = np.asarray(state.features).reshape(classes, -1, p)
    pair = np.stack([rows.mean(axis=1) * np.sqrt(rows.shape[1]) / root, np.asarray(state.prototypes)])
    mean = np.broadcast_to(pair.mean(axis=1, keepdims=True), pair.shape)
    return np.stack([pair - mean, mean]).reshape(2, -1)
