"""Minority collapse: small classes vanish at a predicted rate, and sample weights keep them."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import matplotlib as mpl
import numpy as np

from dynamics.experiment import Experiment
from dynamics.simulation import simulate
from dynamics.trajectory import Trajectory
from theorems.figure import Recipe
from theorems.minority import collapse
from theorems.solution import solve
from theorems.style import BLUE, GREY, ORANGE

SIZES = [100, 100, 56, 32, 18, 10, 6, 3, 2, 1]  # two heads, then a geometric tail
CLASSES = len(SIZES)
END = 2400  # steps
PLAIN, WEIGHTED = "no weights", r"weights $n_c^{-1/2}$"
GAMMAS, QUICK_GAMMAS = (0.03, 0.07, 1 / 9, 0.16, 0.21), (0.07, 0.16)  # where the rate is measured
BEST, TIE = 1 / (CLASSES - 1), 2 / (CLASSES - 2)
LOOKS = {"color": BLUE, "ls": "-", "marker": "o"}, {"color": ORANGE, "ls": "--", "marker": "s"}
LOWEST = 1e-4  # of the shares drawn


def run(points: int = 9, gamma: float | str = "1/(C-1)", weights: str = "none") -> Experiment:
    """Return a descent on the long tail with eta = 1, so that zeta is the step."""
    problem = {"classes": CLASSES, "per_class": SIZES, "features": 64, "gamma": gamma, "sample_weights": weights}
    method = {"steps": END, "eta": 1.0}
    return Experiment(name="minority", problem=problem, method=method, output={"points": points})


class MinorityCollapse(Recipe):
    """Shares of the classes and accuracy, without and with sample weights, and the rate of the collapse."""

    kind: ClassVar[str] = "minority-collapse"
    title: ClassVar[str] = "Minority collapse, and its cure"
    size: ClassVar[tuple[float, float]] = (9.0, 7.0)
    caption: ClassVar[str] = (
        "Unconstrained model, C = 10 classes of 100 to 1 samples, p = 64, descent, eta = 1. Lines are exact, markers "
        "simulated. (a) The contrast of the two heads wins, and no other class has a part in it: all others vanish, "
        "whatever their size, at one rate: that of the label operator's first singular value less that of its second. "
        "Dashes, for the first and the last: rate and height from its singular vectors and the start, nothing fitted. "
        "(b) With weights all contrasts grow alike, and every class keeps its share. (c) Without, only the n1 + n2 "
        "samples of the heads are right in the end: good accuracy is a transient. (d) The rate for other gammas. At "
        "1/(C-1), which is best for balanced classes, minorities vanish at 99.6 % of the highest rate."
    )

    @classmethod
    def experiments(cls, quick: bool) -> tuple[dict[str, Experiment], ...]:
        """See `Recipe.experiments`."""
        points = END // (60 if quick else 15) + 1
        gammas = QUICK_GAMMAS if quick else GAMMAS
        return (
            {PLAIN: run(points), WEIGHTED: run(points, weights="sqrt")},
            {rf"$\gamma = {gamma:.3g}$": run(gamma=gamma) for gamma in gammas},
        )

    @classmethod
    def draw(cls, figure: Any, quick: bool) -> None:
        """Draw the shares above; accuracy and rates below."""
        (plain, weighted), (accuracy, rates) = figure.subplots(2, 2)
        runs, others = cls.experiments(quick)
        points = 60 if quick else 200
        times = np.union1d(np.linspace(0, END, points).astype(int), np.geomspace(1, END, points).astype(int))
        with ThreadPoolExecutor(1) as pool:  # both compile for longer than they run
            waiting = pool.submit(lambda: [[simulate(one) for one in group.values()] for group in (runs, others)])
            exact = [solve(one, times=times) for one in runs.values()]
        simulated, slopes = waiting.result()
        _shares(plain, exact[0], simulated[0])
        _shares(weighted, exact[1], simulated[1])
        _predict(plain, runs[PLAIN])
        _key(weighted)
        for name, *both, look in zip(runs, exact, simulated, LOOKS, strict=True):
            _accuracy(accuracy, name, *both, look)
        _limit(accuracy)
        _rates(rates, slopes)


def _shares(axes: Any, exact: Trajectory, simulated: Trajectory) -> None:
    few = slice(None, None, len(simulated.times) // 8)
    for c, tint in reversed(list(enumerate(_tints()))):
        axes.semilogy(exact.zeta, exact.classes["share_prototypes"][:, c], color=tint, lw=1.8)
        shares = simulated.classes["share_prototypes"][few, c]
        axes.semilogy(simulated.zeta[few], shares, "o", color=tint, ms=3.5, mfc="white")
    axes.set(xlabel=r"$\zeta$", ylabel=r"share of a prototype, $|y_c|/|Y|$", ylim=(LOWEST, 2), xlim=(0, END))


def _tints() -> Any:
    """Return one colour a class, the darker the larger."""
    return mpl.colormaps["viridis"](np.linspace(0, 0.9, CLASSES))


def _predict(axes: Any, experiment: Experiment) -> None:
    found, ends = collapse(experiment), np.array([0, END])
    for height in found.prototypes[found.vanishes][[0, -1]]:
        axes.semilogy(ends, height * np.exp(-found.rate * ends), color="black", lw=0.9, ls=(0, (5, 3)))
    axes.text(0.97, 0.66, rf"predicted: $e^{{-{found.rate:.4g}\,\zeta}}$", transform=axes.transAxes, ha="right")
    axes.set_title(f"(a) {PLAIN}: eight of ten classes vanish")


def _key(axes: Any) -> None:
    """Put the legend of both panels where the second has room."""
    for size, tint in zip(SIZES, _tints(), strict=True):
        axes.plot([], [], color=tint, lw=1.8, label=f"{size}")
    axes.legend(title="samples of the class", fontsize=8, title_fontsize=8, ncols=2, loc="lower left")
    axes.axhline(CLASSES**-0.5, color="black", lw=0.9, ls=(0, (5, 3)))
    axes.text(0.97, 0.66, r"equal shares: $1/\sqrt{C}$", transform=axes.transAxes, ha="right")
    axes.set_title(f"(b) {WEIGHTED}: none does")


def _accuracy(axes: Any, name: str, exact: Trajectory, simulated: Trajectory, look: dict[str, Any]) -> None:
    """Draw one run's accuracy; markers at the saved times 1, 2, 4, ..."""
    few = 2 ** np.arange(int(np.log2(len(simulated.times) - 1)) + 1)
    axes.semilogx(exact.zeta, exact.metrics["accuracy"], label=name, **{**look, "marker": ""})
    axes.semilogx(simulated.zeta[few], simulated.metrics["accuracy"][few], **{**look, "ls": ""}, ms=4.5, mfc="white")


def _limit(axes: Any) -> None:
    limit = sum(SIZES[:2]) / sum(SIZES)
    axes.axhline(limit, color="black", lw=1, ls=":")
    axes.text(1.2, limit + 0.02, rf"$(n_1+n_2)/n = {limit:.3f}$")
    axes.set(title="(c) accuracy", xlabel=r"$\zeta$", ylabel="train accuracy", xlim=(1, END), ylim=(0, 1.04))
    axes.legend(loc="lower right")


def _rates(axes: Any, simulated: list[Trajectory]) -> None:
    gammas = np.linspace(0, TIE, 61)
    rates = [0, *(collapse(run(gamma=float(gamma))).rate for gamma in gammas[1:-1]), 0]
    axes.plot(gammas, 1000 * np.array(rates), color=BLUE)
    for one in simulated:
        axes.plot(one.experiment.problem.gamma, 1000 * _slope(one), "o", color=BLUE, mfc="white", ms=5)
    for gamma, text in ((BEST, r" $\frac{1}{C-1}$"), (TIE, r"$\frac{2}{C-2}$ ")):
        axes.axvline(gamma, color=GREY, ls=":")
        axes.text(gamma, 0.1, text, ha="left" if gamma == BEST else "right", fontsize=13)
    axes.set(title="(d) how fast they vanish", xlabel=r"$\gamma$", ylabel=r"e-folds per 1000 units of $\zeta$")
    axes.set(xlim=(0, 1.02 * TIE), ylim=(0, None))


def _slope(simulated: Trajectory) -> float:
    """Return how fast the shares of all classes but the heads fell between the last two saved times."""
    tail = np.log(np.linalg.norm(simulated.classes["share_prototypes"][-2:, 2:], axis=1))
    return float((tail[0] - tail[1]) / (simulated.zeta[-1] - simulated.zeta[-2]))


MEMBER = MinorityCollapse
