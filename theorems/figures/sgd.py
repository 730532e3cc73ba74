r"""Mini-batch SGD: paths, their exact means, and what shuffled epochs change.

With batches that are independent over the steps the mean state is full-batch descent, and the means of |Z|^2 and of the
loss are exact too (`theorems.moments`); both grow faster than those of the mean state, since noise multiplies. Shuffled
batches depend on each other, and the mean of an epoch differs from descent in second order of the rate.
"""

import itertools
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from dynamics.experiment import Experiment, changed
from dynamics.methods.sgd import Sgd
from dynamics.precision import ROUNDING, exact
from dynamics.preparation import prepare
from dynamics.problem import Problem
from dynamics.scenario import Scenario
from dynamics.simulation import begin
from dynamics.state import State
from theorems.figure import Recipe
from theorems.moments import Second, class_matrix, epoch_bias, second_moments

STEPS, QUICK_STEPS = 300, 60
PATHS, QUICK_PATHS = 12, 3  # of each sampling
COLOURS = {"independent": "0.6", "shuffle": "C1"}
RATES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
LATE = 50  # from this step on the loss is far from zero
EPOCH = 3  # batches of two samples in the small epoch


def path(sampling: str, seed: int, quick: bool) -> Experiment:
    """Return the preset `sgd`, with a sampling and a seed of its batches."""
    steps = QUICK_STEPS if quick else STEPS
    return Experiment(
        problem={"classes": 5, "per_class": 8, "features": 16, "gamma": 0.1},
        method={"kind": "sgd", "batch": 4, "eta": 0.3, "steps": steps, "sampling": sampling, "batch_seed": seed},
        output={"points": 61},
        name="sgd",
    )


def small(eta: float) -> Experiment:
    """Return an epoch of three batches of two samples, so few that all its orders can be run."""
    return Experiment(
        problem={"classes": 3, "per_class": 2, "features": 4, "gamma": 0.1},
        method={"kind": "sgd", "batch": 2, "eta": eta, "steps": EPOCH, "sampling": "shuffle"},
        name="sgd-epoch",
    )


def all_orders(samples: int) -> np.ndarray:
    """Return the batches of every order of the samples, (orders, batches, 2), each batch ascending."""
    orders = np.array(list(itertools.permutations(range(samples)))).reshape(-1, EPOCH, 2)
    return np.unique(np.sort(orders, axis=2), axis=0)


def enumerated(experiment: Experiment) -> float:
    """Return |E Z - Z of descent| after an epoch of `small`, over |Z_0|, from all its orders."""
    problem, start = prepare(experiment)
    with exact():
        numbers, _, _ = begin(experiment, problem, start, experiment.method.eta * EPOCH)
        given = type(experiment.scenario), *jax.tree.map(jnp.asarray, (numbers, problem, start, experiment.method.eta))
        ends = jax.device_get(_ends(*given, all_orders(problem.samples)))
        descent = jax.device_get(_ends(*given, np.tile(np.arange(problem.samples), (1, EPOCH, 1))))
    mean, full = (jax.tree.map(lambda part: np.mean(part, axis=0), one) for one in (ends, descent))
    return _size(jax.tree.map(np.subtract, mean, full)) / _size(start)


@partial(jax.jit, static_argnums=0)
def _ends(scenario: type[Scenario], numbers: Any, problem: Problem, start: State, eta: Any, orders: Any) -> State:
    """Return the states after the batches (orders, EPOCH, B)."""

    def run(batches: Any) -> State:
        state = start
        for k in range(EPOCH):
            state = Sgd.moved(scenario, numbers, problem, state, eta, batches[k])
        return state

    return jax.vmap(run)(orders)


def followed(experiment: Experiment) -> tuple[np.ndarray, np.ndarray]:
    """Return |Z|^2 and the loss of one simulated path, (T,) each; all metrics would take longer to compile."""
    problem, start = prepare(experiment)
    with exact():
        numbers, _, _ = begin(experiment, problem, start, 1.0)
        arrays = jax.tree.map(jnp.asarray, ({**numbers, "rounding": ROUNDING["float64"]}, problem, start))
        points = experiment.method.walk(type(experiment.scenario), *arrays, experiment.times())
        states = [jax.device_get(point.state) for point in points]
    matrix = class_matrix(problem)
    squares = [_size(state) ** 2 for state in states]
    losses = [Second.of(problem, one).data_loss(matrix) - one.biases @ matrix @ problem.sizes for one in states]
    return np.array(squares), np.array(losses)


def _size(state: State) -> float:
    return float(np.hypot(np.linalg.norm(state.features), np.linalg.norm(state.prototypes)))


class SgdPaths(Recipe):
    """Paths of SGD with their exact means, and the bias of a shuffled epoch."""

    kind: ClassVar[str] = "sgd"
    title: ClassVar[str] = "Mini-batch SGD: paths, exact means, and shuffling"
    size: ClassVar[tuple[float, float]] = (10.5, 3.9)
    caption: ClassVar[str] = (
        "Unconstrained model, C = 5, N = 8, p = 16, gamma = 0.1, batches of 4 samples, eta = 0.3, one start. (a), (b) "
        "Paths of independent batches (grey) and of shuffled epochs (orange), over the value of full-batch descent, "
        "which is their mean state; dashed: the exact mean over independent batches. Noise multiplies: the mean of "
        "|Z|^2 is more than that of the mean state. Shuffled paths fall behind, almost alike. (c) How far the mean "
        "after one shuffled epoch is from full-batch descent, C = 3, N = 2, three batches of two: all 90 orders "
        "(circles), and the exact term of second order in eta (line). With independent batches it is zero."
    )

    @classmethod
    def experiments(cls, quick: bool) -> tuple[dict[str, Experiment], ...]:
        """See `Recipe.experiments`: the first path of each sampling; the others differ in method.batch_seed alone."""
        return ({sampling: path(sampling, 0, quick) for sampling in COLOURS},)

    @classmethod
    def draw(cls, figure: Any, quick: bool) -> None:
        """See `Recipe.draw`."""
        first, panels = path("independent", 0, quick), figure.subplots(1, 3)
        mean, second = (second_moments(one) for one in (changed(first, {"method.batch": 40}), first))  # 40: of all
        late = mean.times >= LATE
        for sampling, seed in itertools.product(COLOURS, range(QUICK_PATHS if quick else PATHS)):
            squares, losses = followed(path(sampling, seed, quick))
            look = {"color": COLOURS[sampling], "lw": 0.8, "label": sampling if seed == 0 else None}
            panels[0].plot(mean.times, squares / mean.square_norm, **look)
            panels[1].plot(mean.times[late], (losses / mean.loss)[late], **look)
        panels[0].plot(mean.times, second.square_norm / mean.square_norm, "k--", lw=1.6, label="exact mean")
        panels[1].plot(mean.times[late], (second.loss / mean.loss)[late], "k--", lw=1.6)
        panels[0].set(
            title="(a) squared norm", xlabel="step $k$", ylabel=r"$|Z|^2\,/\,|\mathrm{E}\,Z|^2$", ylim=(0, None)
        )
        panels[1].set(title="(b) loss", xlabel="step $k$", ylabel=r"loss / loss of $\mathrm{E}\,Z$", ylim=(0, None))
        panels[0].legend(fontsize=7)
        draw_bias(panels[2], RATES[::3] if quick else RATES)


def draw_bias(axes: Any, rates: tuple[float, ...]) -> None:
    """Draw the bias of a shuffled epoch over the rate: its second order, and all of it."""
    lines = [_size(epoch_bias(small(eta))) / _size(prepare(small(eta))[1]) for eta in rates]
    axes.plot(rates, lines, "k-", lw=1.2, label="second order")
    axes.plot(rates, [enumerated(small(eta)) for eta in rates], "o", color="C1", mfc="white", label="all orders")
    axes.set(title="(c) bias of a shuffled epoch", xlabel=r"rate $\eta$", xscale="log", yscale="log")
    axes.set_ylabel(r"$|\mathrm{E}\,Z - Z_{\mathrm{descent}}|\,/\,|Z_0|$")
    axes.legend(fontsize=7)


MEMBER = SgdPaths
