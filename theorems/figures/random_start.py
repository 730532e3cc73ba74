r"""Random starts: how often the limit gets every sample right, and how far it is from a simplex ETF.

From Gaussian H0 and W0 with balanced classes and 0 < gamma < 2/(C-2), class means and prototypes of the unconstrained
model tend in direction to one matrix X (Corollary 3): Gaussian, p x C, centred over classes, whatever N, s and the two
spreads are. So (the claims random-start.accuracy and random-start.nc2), with I the regularised incomplete beta
function and a pair (y, c) of classes wrong if x_y . x_c > |x_y|^2,

    E #wrong = C(C-1)/2 I((C-2)/(2C-2); p/2, 1/2),   P(accuracy 1) >= 1 - E #wrong,
    NC2 = |X'X/|X'X| - P/sqrt(C-1)| ~ sqrt(2 - 2 sqrt(p/(p+C))) as C grows.

The first is exact. The bound adds up pairs; for C = 3 it is an equality, as no two pairs are wrong at once.
"""

import math
from typing import Any, ClassVar

import numpy as np

from dynamics.experiment import Experiment
from theorems.figure import Recipe
from theorems.random_limit import Drawn, judged, sampled, surely, typical_nc2, wrong_pairs
from theorems.solution import exact_states
from theorems.style import LINES, MARKERS

CLASSES = (3, 5, 10, 30)
FEATURES = (1, 2, 4, 6, 8, 12, 16, 20, 24, 28, 32)  # p of the first two panels
WIDE = (2, 4, 8, 16, 32, 64, 128, 256, 512)  # p of the third
MANY = (3, 5, 10, 20, 50, 100)  # C of the last
DRAWS, QUICK_DRAWS = 4000, 400  # of X, a point
FEW = 200  # of X where p or C is large
LEVELS = (0.999, 0.99, 0.9)  # probabilities of the last panel; the last one is sampled too
SOLVED = ((3, 2), (3, 6), (5, 6), (10, 12))  # (C, p) of the exact solutions
STARTS, QUICK_STARTS = 100, 30  # of each
FOLDS = 40  # by how many e-folds X leads when the exact solution is read
QUANTILE = 1.96  # of error bars: 95 %
FEWEST = 10  # wrong pairs of which a mean is drawn: fewer have no error bar


def setting(classes: int, features: int, seed: int) -> Experiment:
    """Return a flow with N = 2, s = 2, spreads 0.7 and 1.2, gamma = 1/(C-1), until X leads by `FOLDS`.

    At this gamma sigma2 = 0, so X leads by sqrt(s) sigma1 zeta, sigma1 = (1 + gamma)/(C sqrt N) = 1/((C-1) sqrt N).
    """
    return Experiment(
        problem={"classes": classes, "per_class": 2, "features": features, "gamma": "1/(C-1)"},
        method={"kind": "flow", "eta": 1.0, "ratio": 2.0, "time": FOLDS * (classes - 1.0)},
        start={"seed": seed, "scale_h": 0.7, "scale_w": 1.2},
        name="random-start",
    )


def enough(classes: int, level: float) -> int:
    """Return the least p at which all samples are right with probability ``level`` by the bound."""
    features = 1
    while surely(classes, features) < level:
        features += 1
    return features


def solved(classes: int, features: int, starts: int) -> Drawn:
    """Return late exact solutions from random starts: their class means and prototypes, centred."""
    found = []
    for seed in range(starts):
        experiment = setting(classes, features, seed)
        (_, state), *_ = exact_states(experiment, np.array([experiment.method.horizon]))
        means = np.asarray(state.features).reshape(classes, -1, features).mean(axis=1)
        found.append([part - part.mean(axis=0) for part in (means, np.asarray(state.prototypes))])
    return judged(*np.swapaxes(found, 0, 1))


def share(right: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the share of true entries, and how far its 95 % interval (Wilson) reaches below and above, (2, 1)."""
    n, part = len(right), float(np.mean(right))
    z = QUANTILE**2 / n
    centre = (part + z / 2) / (1 + z)
    half = math.sqrt(part * (1 - part) * z + z * z / 4) / (1 + z)
    return part, np.maximum([[part - (centre - half)], [centre + half - part]], 0.0)  # rounding, at 0 and 1


class RandomStart(Recipe):
    """Probability of accuracy 1, mean number of wrong pairs, NC2, and how many features are enough."""

    kind: ClassVar[str] = "random-start"
    size: ClassVar[tuple[float, float]] = (9.0, 7.2)
    title: ClassVar[str] = "Random starts: accuracy and neural collapse of the limit"
    caption: ClassVar[str] = (
        "Limits of the unconstrained model from Gaussian starts, 0 < gamma < 2/(C-2). Small marks: 4000 draws of the "
        "limit X, with 95 % intervals. Large squares: exact solutions from 100 random starts each (N = 2, s = 2, gamma "
        "= 1/(C-1)), read when X leads by 40 e-folds. (a) Lines: one minus the expected number of wrong pairs, a lower "
        "bound on the probability, and the probability itself for C = 3. (b) That expected number, exact for every C. "
        "(c) NC2; lines: sqrt(2 - 2 sqrt(p/(p + C))), its limit as C grows; bars: the middle 90 % of 200 draws. Only "
        "p much larger than C makes the limit a simplex ETF. (d) Features that are enough by the bound for a "
        "probability: their number grows like ln C. Circles: the fewest at which 90 % of 1000 draws are right."
    )

    @classmethod
    def experiments(cls, quick: bool) -> tuple[dict[str, Experiment], ...]:
        """See `Recipe.experiments`: the first start of each size; the others differ in start.seed alone."""
        return ({f"C = {c}, p = {p}": setting(c, p, 0) for c, p in (SOLVED[:1] if quick else SOLVED)},)

    @classmethod
    def draw(cls, figure: Any, quick: bool) -> None:
        """See `Recipe.draw`."""
        rng, grid = np.random.default_rng(0), figure.subplots(2, 2).ravel()
        for index, classes in enumerate(CLASSES):
            draw_accuracy(grid[0], grid[1], rng, classes, index, QUICK_DRAWS if quick else DRAWS)
            draw_nc2(grid[2], rng, classes, index)
        for classes, features in SOLVED[:1] if quick else SOLVED:
            draw_solved(grid[0], grid[2], classes, features, QUICK_STARTS if quick else STARTS)
        draw_enough(grid[3], rng, MANY[:3] if quick else MANY)
        grid[0].plot([], [], "ko", ms=3.5, mfc="white", mew=0.9, label="draws of the limit")
        grid[0].plot([], [], "ks", ms=8, mfc="none", label="exact solutions")
        grid[0].set(title="(a) all samples right", xlabel="features $p$", ylabel="probability", ylim=(-0.03, 1.03))
        grid[0].legend(loc="lower right", fontsize=7)
        grid[1].set(title="(b) wrong pairs of classes", xlabel="features $p$", ylabel="mean number", yscale="log")
        grid[1].set_ylim(1e-3, 1e3)
        grid[2].set(title="(c) distance to a simplex ETF", xlabel="features $p$", xscale="log", ylabel="NC2")
        grid[3].set(title="(d) features that are enough", xlabel="classes $C$", xscale="log", ylabel="features $p$")
        grid[3].legend(fontsize=7)


def draw_accuracy(axes: Any, pairs: Any, rng: np.random.Generator, classes: int, index: int, draws: int) -> None:
    """Draw the bound on the probability and the exact mean number of wrong pairs, and samples of both."""
    fine = np.linspace(FEATURES[0], FEATURES[-1], 200)
    style: dict[str, Any] = {"color": f"C{index}", "ls": LINES[index], "lw": 1.4}
    axes.plot(fine, surely(classes, fine), **style, label=f"C = {classes}" + (", bound" if classes > 3 else ", exact"))
    pairs.plot(fine, wrong_pairs(classes, fine), **style)
    mark: dict[str, Any] = {"color": f"C{index}", "fmt": MARKERS[index], "ms": 3.5, "mfc": "white", "lw": 0.9}
    for features in FEATURES:
        wrong = sampled(rng, classes, features, draws).wrong
        part, reach = share(wrong == 0)
        axes.errorbar(features, part, reach, **mark)
        if wrong.sum() >= FEWEST:
            pairs.errorbar(features, wrong.mean(), QUANTILE * wrong.std() / math.sqrt(draws), **mark)


def draw_nc2(axes: Any, rng: np.random.Generator, classes: int, index: int) -> None:
    """Draw what NC2 tends to, and samples of it."""
    fine = np.geomspace(WIDE[0], WIDE[-1], 200)
    axes.plot(fine, typical_nc2(classes, fine), color=f"C{index}", ls=LINES[index], lw=1.4)
    for features in WIDE:
        low, middle, high = np.quantile(sampled(rng, classes, features, FEW).nc2, (0.05, 0.5, 0.95))
        axes.errorbar(features, middle, [[middle - low], [high - middle]], color=f"C{index}", fmt=MARKERS[index],
                      ms=3.5, mfc="white", lw=0.9)  # fmt: skip


def draw_solved(axes: Any, collapse: Any, classes: int, features: int, starts: int) -> None:
    """Draw what late exact solutions are."""
    found = solved(classes, features, starts)
    colour = f"C{CLASSES.index(classes)}"
    part, reach = share(found.wrong == 0)
    axes.errorbar(features, part, reach, color=colour, fmt="s", ms=8, mfc="none", lw=1.2, capsize=4)
    collapse.plot(features, np.median(found.nc2), "s", color=colour, ms=8, mfc="none")


def draw_enough(axes: Any, rng: np.random.Generator, many: tuple[int, ...]) -> None:
    """Draw how many features are enough by the bound, and how many are in samples, for the last level."""
    fine = np.unique(np.rint(np.geomspace(MANY[0], MANY[-1], 60))).astype(int)
    for index, level in enumerate(LEVELS):
        needed = [enough(int(classes), level) for classes in fine]
        axes.plot(fine, needed, color=f"C{index}", ls=LINES[index], lw=1.4, drawstyle="steps-mid",
                  label=f"probability {level:g}")  # fmt: skip
    axes.plot(many, [_seen(rng, classes, LEVELS[-1]) for classes in many], "o", color=f"C{index}", ms=5, mfc="white")


def _seen(rng: np.random.Generator, classes: int, level: float) -> int:
    """Return the least p from which on at least a share ``level`` of the samples is right."""
    features = enough(classes, level)
    while features > 1 and np.mean(sampled(rng, classes, features - 1, 1000).wrong == 0) >= level:
        features -= 1
    return features


MEMBER = RandomStart
