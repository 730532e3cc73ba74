r"""Gradient flow against gradient descent at one zeta: how far apart they are, and what of that stays.

With a constant rate eta and zeta = k eta, descent multiplies a mode by (1 + eta w)^k where the flow has e^(w zeta), and
ln(1 + eta w)/eta = w - eta w^2/2 + ... (the claim descent.flow-gap). So where Z = (H, W) moves linearly, Z' = Z G,

    Z_descent - Z_flow = -(eta zeta/2) Z_flow G^2 + O(eta^2).

A spherical step is theta' = theta - arctan(kappa sin theta), r' = r sqrt(1 + kappa^2 sin^2 theta), kappa = eta k with
k = s |g| r^(nu-2). Euler's method on x' = f(x) follows x' = f - (eta/2) f'f to first order; so theta has the rate
-k sin theta - (eta/2) k^2 sin theta cos theta, and ln r, which the flow keeps, (eta/2) k^2 sin^2 theta. Along the flow
d zeta = -d theta/(k sin theta), with which both integrate to first order in eta:

    ln r_descent - ln r_flow   = (eta/2) k (cos theta - cos theta_0),
    theta_descent - theta_flow = (eta/2) k sin theta [(1-nu) ln(sin theta_0/sin theta) - (2-nu) k zeta cos theta_0].
"""

from typing import Any, ClassVar

import numpy as np

from dynamics.experiment import Experiment
from dynamics.precision import exact
from dynamics.preparation import prepare
from dynamics.simulation import simulate
from dynamics.state import State
from theorems.figure import Recipe
from theorems.solution import exact_states
from theorems.spherical import angles
from theorems.style import LINES, MARKERS

SCENARIOS: dict[str, dict[str, Any]] = {
    "unconstrained": {"kind": "unconstrained"},
    "regularized": {"kind": "regularized", "lambda_h": 0.03, "lambda_w": 0.1},
    "spherical": {"kind": "spherical"},
}
ZETA = 20.0  # where the gaps are taken
FEWEST, DOUBLINGS, QUICK_DOUBLINGS = 20, 10, 3  # steps of the coarsest descent, and how often they are doubled
SIMULATED = (0, 4)  # the doublings that are simulated too, unless it must be quick: each compiles anew
LATE, ETA = 100.0, 0.1  # zeta and the rate of the last panel
TIMES, QUICK_TIMES = 40, 10  # of the last panel
DASHES: Any = (0, (5, 3))
THICK, THIN = 2.0, 0.9


def setting(scenario: dict[str, Any], method: dict[str, Any]) -> Experiment:
    """Return an experiment with C = 4, N = 3, p = 5, gamma = 0.2, s = 2."""
    return Experiment(
        problem={"classes": 4, "per_class": 3, "features": 5, "gamma": 0.2},
        scenario=scenario,
        method={"ratio": 2.0, **method},
        output={"points": 21},
        name="flow-versus-descent",
    )


def flow(scenario: dict[str, Any], zeta: float = ZETA) -> Experiment:
    """Return the flow up to ``zeta``, which is its time."""
    return setting(scenario, {"kind": "flow", "eta": 1.0, "time": zeta})


def descent(scenario: dict[str, Any], steps: int, zeta: float = ZETA) -> Experiment:
    """Return a descent that is at ``zeta`` after so many equal steps."""
    return setting(scenario, {"kind": "descent", "eta": zeta / steps, "steps": steps})


def moving(experiment: Experiment, scaled: tuple[float, State]) -> np.ndarray:
    """Return what moves, in rows: features, and prototypes unless they are fixed. ``scaled`` is (log_scale, State)."""
    log_scale, state = scaled
    prototypes = [np.asarray(state.prototypes)] if experiment.scenario.moves_prototypes else []
    return np.exp(log_scale) * np.concatenate([np.asarray(state.features), *prototypes])


def exact_at(experiment: Experiment, times: np.ndarray) -> np.ndarray:
    """Return what moves, exactly, at the given t or k, (times, rows, p)."""
    return np.array([moving(experiment, scaled) for scaled in exact_states(experiment, times)])


def gap(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return |found - wanted|/|wanted| of arrays (..., rows, p)."""
    return np.linalg.norm(found - wanted, axis=(-2, -1)) / np.linalg.norm(wanted, axis=(-2, -1))


def turned(experiment: Experiment, found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the distance of directions: of Z as a whole, or of each spherical feature, in the mean square."""
    axes: Any = (-2, -1) if experiment.scenario.moves_prototypes else -1
    units = [x / np.linalg.norm(x, axis=axes, keepdims=True) for x in (found, wanted)]
    parts = 1 if experiment.scenario.moves_prototypes else found.shape[-2]
    return np.linalg.norm(units[0] - units[1], axis=(-2, -1)) / np.sqrt(parts)


def predicted(experiment: Experiment) -> float:
    """Return the limit of gap/eta as eta falls, at the end of a flow with eta = 1."""
    return _spherical(experiment) if experiment.scenario.kind == "spherical" else _linear(experiment)


def _linear(experiment: Experiment) -> float:
    """Return (zeta/2) |Z G^2|/|Z|: G applied by the scenario's own velocity."""
    problem, _ = prepare(experiment)
    scenario = type(experiment.scenario)
    numbers = {**experiment.scenario.numbers(), "ratio": np.float64(experiment.method.ratio)}
    zeta = float(experiment.method.horizon)
    log_scale, state = exact_states(experiment, np.array([zeta]))[0]
    with exact():
        twice = scenario.velocity(numbers, problem, scenario.velocity(numbers, problem, state))
    size = np.linalg.norm(moving(experiment, (log_scale, state)))
    return float(zeta / 2 * np.linalg.norm(moving(experiment, (log_scale, twice))) / size)


def _spherical(experiment: Experiment) -> float:
    """Return the first order of the module's docstring, over all features."""
    problem, start = prepare(experiment)
    zeta = float(experiment.method.horizon)
    nu = float(experiment.scenario.numbers()["power"])
    (_, state), *_ = exact_states(experiment, np.array([zeta]))
    with exact():
        target = np.asarray(problem.push(start.prototypes))
    before, after = (angles(np.asarray(one.features), target) for one in (start, state))
    radius = np.linalg.norm(start.features, axis=1)
    k = experiment.method.ratio * np.linalg.norm(target, axis=1) * radius ** (nu - 2)
    waiting = (1 - nu) * np.log(np.sin(before) / np.sin(after)) - (2 - nu) * k * zeta * np.cos(before)
    turn, growth = k / 2 * np.sin(after) * waiting, k / 2 * (np.cos(after) - np.cos(before))
    return float(np.linalg.norm(radius * np.hypot(turn, growth)) / np.linalg.norm(radius))


def gaps(scenario: dict[str, Any], doublings: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (eta, gap at `ZETA`) of exact descents, the coarsest first."""
    counts = FEWEST * 2 ** np.arange(doublings + 1)
    wanted = exact_at(flow(scenario), np.array([ZETA]))[0]
    ends = [exact_at(descent(scenario, int(count)), np.array([count]))[0] for count in counts]
    return ZETA / counts, gap(np.array(ends), wanted)


def simulated_gaps(scenario: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return (eta, gap at `ZETA`) of two simulated descents from the exact flow."""
    counts = FEWEST * 2 ** np.array(SIMULATED)
    wanted = exact_at(flow(scenario), np.array([ZETA]))[0]
    runs = [descent(scenario, int(count)) for count in counts]
    return ZETA / counts, np.array([gap(moving(run, simulate(run).last), wanted) for run in runs])


class FlowVersusDescent(Recipe):
    """The gap against eta, over its prediction, and along zeta: of the states and of their directions."""

    kind: ClassVar[str] = "flow-versus-descent"
    size: ClassVar[tuple[float, float]] = (9.0, 7.2)
    title: ClassVar[str] = "Gradient flow and gradient descent at one zeta"
    caption: ClassVar[str] = (
        "C = 4, N = 3, p = 5, gamma = 0.2, s = 2; decays 0.03 of H and 0.1 of W. The gap is |difference|/|flow| of "
        "what moves: (H, W), or H in the spherical case. Lines: between exact solutions of both; no integrator. Marks: "
        "simulated descent against the exact flow. (a) At zeta = 20 the gap is of first order in eta; dashed, with no "
        "fit: eta times (zeta/2)|Z G^2|/|Z|, and the like for angles and norms. (b) The same over its prediction. "
        "(c) At eta = 0.1, along zeta: states drift apart where they grow, and stay apart where norms settle, but the "
        "directions (thin) find each other again: flow and descent have one limit."
    )

    @classmethod
    def experiments(cls, quick: bool) -> tuple[dict[str, Experiment], ...]:
        """See `Recipe.experiments`: the flows, and the coarsest and the finest descents."""
        finest = FEWEST * 2 ** (QUICK_DOUBLINGS if quick else DOUBLINGS)
        ends = {f"{name}, {steps} steps": descent(one, steps) for name, one in SCENARIOS.items()
                for steps in (FEWEST, finest)}  # fmt: skip
        return {f"{name}, flow": flow(one) for name, one in SCENARIOS.items()}, ends

    @classmethod
    def draw(cls, figure: Any, quick: bool) -> None:
        """See `Recipe.draw`."""
        panels = figure.subplot_mosaic([["gap", "ratio"], ["gap", "zeta"]], width_ratios=(1.1, 1))
        for index, (name, scenario) in enumerate(SCENARIOS.items()):
            draw_gaps(panels["gap"], panels["ratio"], scenario, quick, index, name)
            draw_along(panels["zeta"], scenario, quick, index)
        dash: dict[str, Any] = {"color": "black", "lw": 0.9, "ls": DASHES}
        panels["gap"].plot([], [], **dash, label="predicted, slope 1")
        panels["gap"].set(
            title=rf"(a) gap at $\zeta = {ZETA:g}$", xlabel=r"step size $\eta$", xscale="log", yscale="log"
        )
        panels["gap"].set_ylabel("|descent $-$ flow| / |flow|")
        panels["gap"].legend(fontsize=8, loc="upper left")
        panels["ratio"].axhline(1.0, **dash)
        panels["ratio"].set(
            title="(b) gap over its prediction", xlabel=r"step size $\eta$", xscale="log", ylabel="ratio"
        )
        panels["zeta"].plot([], [], "k-", lw=THICK, label="of states")
        panels["zeta"].plot([], [], "k-", lw=THIN, label="of directions")
        panels["zeta"].set(title=rf"(c) along $\zeta$, $\eta = {ETA:g}$", xlabel=r"$\zeta$", yscale="log", ylabel="gap")
        panels["zeta"].legend(fontsize=7)


def draw_gaps(axes: Any, ratios: Any, scenario: dict[str, Any], quick: bool, index: int, name: str) -> None:
    """Draw one scenario's gap, its prediction, the simulated marks, and the ratio of the first two."""
    eta, found = gaps(scenario, QUICK_DOUBLINGS if quick else DOUBLINGS)
    guide = eta * predicted(flow(scenario))
    axes.plot(eta, found, color=f"C{index}", ls=LINES[index], lw=1.5, label=name)
    axes.plot(eta, guide, color=f"C{index}", ls=DASHES, lw=0.9)
    ratios.plot(eta, found / guide, color=f"C{index}", ls=LINES[index], lw=1.5)
    if not quick:
        marked, simulated = simulated_gaps(scenario)
        axes.plot(marked, simulated, MARKERS[index], color=f"C{index}", ms=4.5, mfc="white", mew=1.0)


def draw_along(axes: Any, scenario: dict[str, Any], quick: bool, index: int) -> None:
    """Draw one scenario's gaps of states and of directions along zeta, at one step size."""
    every = int(LATE / ETA / (QUICK_TIMES if quick else TIMES))
    steps = np.arange(every, int(LATE / ETA) + 1, every)
    run = descent(scenario, int(LATE / ETA), LATE)
    found, wanted = exact_at(run, steps), exact_at(flow(scenario, LATE), ETA * steps)
    axes.plot(ETA * steps, gap(found, wanted), color=f"C{index}", ls=LINES[index], lw=THICK)
    axes.plot(ETA * steps, turned(run, found, wanted), color=f"C{index}", ls=LINES[index], lw=THIN)


MEMBER = FlowVersusDescent
