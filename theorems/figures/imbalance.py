"""What sample weights, decay and anchored prototypes do to minority collapse on a long tail."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from dynamics.experiment import Experiment
from dynamics.simulation import simulate
from dynamics.state import State
from dynamics.trajectory import Trajectory
from theorems.figure import Recipe
from theorems.minority import collapse
from theorems.solution import solve
from theorems.style import BLUE, GREEN, GREY, LINES, ORANGE, PURPLE, RED

SIZES = [100, 100, 56, 32, 18, 10, 6, 3, 2, 1]  # two heads, then a geometric tail
CLASSES, MINORITY = len(SIZES), 5  # the five smallest classes, 22 of 328 samples
END = 2400  # of zeta
SLOW = 0.1  # eta where rates are compared: a descent adds eta l to the rate of a flow, relative
CURES: dict[str, dict[str, Any]] = {
    "no cure": {},
    r"decay $\lambda_1 = 0.1$": {"lambda_h": 0.1, "lambda_b": 1.0},
    r"weights $n_c^{-1/2}$": {"weights": "sqrt"},
    r"weights $n_c^{-1}$": {"weights": "inverse"},
    "anchored prototypes": {"kind": "anchored", "lambda_h": 0.02},
}
LOOKS = [
    {"color": color, "ls": dashes, "marker": marker}
    for color, dashes, marker in zip((BLUE, PURPLE, ORANGE, RED, GREEN), LINES, "osvD^", strict=False)
]
ONE = ((0.0, 0.0), (0.1, 0.0), (0.2, 0.0), (0.0, 0.1), (0.0, 0.2))  # (l1, l2) of the measured rates
BOTH = ((0.1, 0.1), (0.15, 0.05), (0.05, 0.15))
WIDEST = 0.22  # of the mismatch drawn


def run(
    points: int = 9, weights: str = "none", eta: float = 1.0, kind: str = "regularized", **decays: float
) -> Experiment:
    """Return a descent on the long tail up to zeta = 2400; without decays it is the unconstrained one."""
    return Experiment(
        name="imbalance",
        problem={"classes": CLASSES, "per_class": SIZES, "features": 64, "sample_weights": weights},
        scenario={"kind": kind, **decays},
        method={"steps": round(END / eta), "eta": eta},
        output={"points": points},
    )


def decayed(lambda_h: float, lambda_w: float) -> Experiment:
    """Return the run with decays of features and prototypes, in small steps."""
    return run(eta=SLOW, lambda_h=lambda_h, lambda_w=lambda_w)


def minority_accuracy(labels: Any, log_scale: Any, state: State) -> dict[str, Any]:
    """Return the accuracy on the samples of the five smallest classes, from centred logits, as ``minority``."""
    prototypes = state.prototypes - jnp.mean(state.prototypes, axis=0)
    logits = state.features @ prototypes.T + jnp.exp(-2 * log_scale) * state.biases
    tail = labels >= CLASSES - MINORITY
    return {"minority": jnp.sum(tail & (jnp.argmax(logits, axis=1) == labels)) / jnp.sum(tail)}


class Imbalance(Recipe):
    """The share of the small classes and their accuracy under each cure, the rate against decay, and who is left."""

    kind: ClassVar[str] = "imbalance"
    title: ClassVar[str] = "What weights, decay and anchoring do to minority collapse"
    size: ClassVar[tuple[float, float]] = (9.6, 7.2)
    caption: ClassVar[str] = (
        "C = 10 classes of 100 to 1 samples, p = 64, gamma = 1/(C-1), descent, eta = 1. Lines are exact, markers "
        "simulated. (a) How much of the class means' norm the five smallest classes hold, and (b) how many of their "
        "22 samples are right. Decay of the features alone (and of the biases, lambda_b = 1) lowers the rate at which "
        "they vanish to 56 %. Weights 1/n overdo it: the smallest class outgrows all others. Weights 1/sqrt(n) keep "
        "every class for ever, and so does anchoring. (c) The rate, at eta = 0.1, against the mismatch of the two "
        "decays: decay slows minority collapse by nothing else and never stops it; where s l1 = l2 it changes "
        "nothing. (d) Each class's share at the end, predicted from the label operator and the start alone."
    )

    @classmethod
    def experiments(cls, quick: bool) -> tuple[dict[str, Experiment], ...]:
        """See `Recipe.experiments`."""
        decays = (ONE[0], BOTH[1]) if quick else (*ONE, *BOTH)
        return (
            {name: run(END // 60 + 1, **cure) for name, cure in CURES.items()},
            {rf"$\lambda_1 = {h}, \lambda_2 = {w}$": decayed(h, w) for h, w in decays},
        )

    @classmethod
    def draw(cls, figure: Any, quick: bool) -> None:
        """Draw share and accuracy of the minority above; the rate, and all shares at the end, below."""
        (shares, accuracy), (rates, ends) = figure.subplots(2, 2)
        runs, decays = cls.experiments(quick)
        points = 60 if quick else 200
        times = np.union1d(np.linspace(0, END, points).astype(int), np.geomspace(1, END, points).astype(int))
        labels = jnp.repeat(jnp.arange(CLASSES), jnp.array(SIZES))
        with ThreadPoolExecutor(1) as pool:  # both compile for longer than they run
            waiting = pool.submit(lambda: [[simulated(one) for one in group.values()] for group in (runs, decays)])
            watch = Partial(minority_accuracy, labels)
            exact = [solve(one, times=times, measure=watch, names=("share_means",)) for one in runs.values()]
        marked, slopes = waiting.result()
        for look, name, line, marks in zip(LOOKS, runs, exact, marked, strict=True):
            _both(shares, look, line, marks, name)
            _steps(accuracy, look, line, marks)
            _end(ends, look, runs[name], marks[0])
        shares.set(title="(a) share of the five smallest classes", yscale="log", ylim=(1e-4, 3), xlim=(0, END))
        shares.set(xlabel=r"$\zeta$", ylabel=r"$|X_{\rm minority}|/|X|$")
        shares.legend(loc="lower left", fontsize=8)
        accuracy.set(title="(b) accuracy on them", xlabel=r"$\zeta$", xlim=(1, END), ylim=(-0.04, 1.08))
        ends.set(title=r"(d) share of each class at the end", xlabel="samples of the class", xscale="log", yscale="log")
        ends.set(ylabel=r"$|x_c|/|X|$", ylim=(1e-4, 3))
        _rates(rates, [one for one, _ in slopes])


def simulated(experiment: Experiment) -> tuple[Trajectory, np.ndarray]:
    """Return a simulation and the accuracy on the five smallest classes at its saved times."""
    rows: list[float] = []
    labels = np.repeat(np.arange(CLASSES), SIZES)

    def watch(state: State) -> None:
        rows.append(float(_minority_accuracy(labels, state)))

    return simulate(experiment, watch=watch), np.array(rows)


@jax.jit
def _minority_accuracy(labels: Any, state: State) -> Any:
    return minority_accuracy(labels, 0.0, state)["minority"]


def minority_share(found: Trajectory) -> np.ndarray:
    """Return the norm of the centred means of the five smallest classes, over that of all."""
    return np.linalg.norm(found.classes["share_means"][:, -MINORITY:], axis=1)


def _both(axes: Any, look: dict[str, Any], line: Trajectory, marks: tuple[Trajectory, np.ndarray], name: str) -> None:
    few = slice(None, None, len(marks[0].times) // 8)
    axes.plot(line.zeta, minority_share(line), label=name, **{**look, "marker": ""}, lw=1.8)
    axes.plot(marks[0].zeta[few], minority_share(marks[0])[few], **{**look, "ls": ""}, ms=4.5, mfc="white")


def _steps(axes: Any, look: dict[str, Any], line: Trajectory, marks: tuple[Trajectory, np.ndarray]) -> None:
    few = 2 ** np.arange(int(np.log2(len(marks[0].times) - 1)) + 1)
    axes.semilogx(line.zeta, line.metrics["minority"], **{**look, "marker": ""})
    axes.semilogx(marks[0].zeta[few], marks[1][few], **{**look, "ls": ""}, ms=4.5, mfc="white")


def _end(axes: Any, look: dict[str, Any], experiment: Experiment, simulation: Trajectory) -> None:
    found = collapse(experiment)
    fallen = np.where(found.vanishes, np.exp(-found.rate * simulation.zeta[-1]), 1.0)
    axes.plot(SIZES, found.means * fallen, **{**look, "marker": ""})
    axes.plot(SIZES, simulation.classes["share_means"][-1], **{**look, "ls": ""}, ms=4.5, mfc="white")


def _rates(axes: Any, simulations: list[Trajectory]) -> None:
    mismatch = np.linspace(-WIDEST, WIDEST, 81)
    exact = [collapse(decayed(max(x, 0.0), max(-x, 0.0))).rate for x in mismatch]
    axes.plot(mismatch, 1000 * np.array(exact), color=BLUE)
    for chosen, marker, color, label in ((ONE, "o", BLUE, "one or none decays"), (BOTH, "s", RED, "both decay")):
        found = [one for one in simulations if _decays(one) in chosen]
        gaps = [np.subtract(*_decays(one)) for one in found]
        rates = [1000 * slope(one) for one in found]
        axes.plot(gaps, rates, marker, color=color, mfc="white", ms=5, label=label)
    axes.axvline(0, color=GREY, ls=":")
    axes.set(title="(c) the rate under decay", xlabel=r"$s\lambda_1 - \lambda_2$", ylim=(0, None))
    axes.set(ylabel=r"e-folds per 1000 units of $\zeta$", xlim=(-WIDEST, WIDEST))
    axes.legend(loc="lower left", fontsize=8)


def _decays(simulation: Trajectory) -> tuple[float, float]:
    numbers = simulation.experiment.scenario.numbers()
    return float(numbers["lambda_h"]), float(numbers["lambda_w"])


def slope(simulation: Trajectory) -> float:
    """Return how fast the shares of all classes but the heads fell between the last two saved times."""
    tail = np.log(np.linalg.norm(simulation.classes["share_means"][-2:, 2:], axis=1))
    return float((tail[0] - tail[1]) / (simulation.zeta[-1] - simulation.zeta[-2]))


MEMBER = Imbalance
