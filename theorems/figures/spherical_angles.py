r"""The spherical case, feature by feature: the exact law of the angle, what rescaling does to it, and Theorem 7's rate.

theta is the angle between a feature and its column g of W M, r its norm, nu = 0, 1, 2 for a rate of eta, eta |h|,
eta |h|^2. The laws are those of the claims spherical.flow and spherical.descent-step:

    flow:     tan(theta/2) = tan(theta_0/2) e^(-k zeta), r constant, k = s |g| r^(nu-2);
    descent:  theta' = theta - arctan(kappa sin theta), r' = r sqrt(1 + kappa^2 sin^2 theta), kappa = eta k.

So tan(theta/2) falls exponentially under a flow with any rescaling, and only nu = 2 gives all features one rate (where
the |g| are equal). A descent multiplies a small angle by 1 - kappa, which depends on the last norm unless nu = 2.
Theorem 7 says only that there is a rate; its proof (p. 40, above eq. (93)) gives mu = -2 ln(1 - kappa), kappa the least
limit. That is the rate of the squared error.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from dynamics.experiment import Experiment
from dynamics.precision import exact
from dynamics.preparation import prepare
from dynamics.simulation import simulate
from theorems.closed_form import find
from theorems.figure import Recipe
from theorems.spherical import angles
from theorems.style import BLUE, GREEN, GREY, LINES, MARKERS, ORANGE, RED

RESCALED = {"none": r"$\eta$", "norm": r"$\eta\,|h|$", "norm-squared": r"$\eta\,|h|^2$"}
SLOPES = ("slopes $-|g|/r^2$", "slopes $-|g|/r$", "one slope, $-|g|$")
SEED = 23_857  # found by search: spread norms and angles, one angle within 0.03 of pi, every kappa below 1
TIME, STEPS = 75.0, 120  # of the flow and of the descent
EARLY = 30.0  # by then the angles themselves are too small to be seen
MARKS = 6  # of a simulation
LOWEST = 1e-6  # the angles' panels end here
FLOOR = 1e-14  # the error's panel ends here


def setting(rescale: str, **method: Any) -> Experiment:
    """Return six features in a plane, two a class, with a simplex ETF of three unit prototypes: every |g| is 1/4."""
    return Experiment(
        problem={"classes": 3, "per_class": 2, "features": 2},
        scenario={"kind": "spherical", "prototypes": "etf", "rescale": rescale},
        method={"eta": 1.0, **method},
        start={"seed": SEED},
        name="spherical-angles",
    )


@dataclass(frozen=True)
class Turning:
    """How the features of one experiment turn. Times are t of a flow or steps k of a descent."""

    experiment: Experiment

    @cached_property
    def targets(self) -> np.ndarray:
        """Return g, the columns of W M, as rows (n, p)."""
        problem, start = prepare(self.experiment)
        with exact():
            return np.asarray(problem.push(start.prototypes))

    def exact(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (theta, r) of the exact solution, (times, n); angles keep all their digits as they fall."""
        problem, start = prepare(self.experiment)
        with exact():
            plane = find(self.experiment).of(self.experiment, problem, start).ticks(self.experiment, problem, times)
        return np.arctan2(np.abs(plane.y), plane.x), np.hypot(plane.x, plane.y)

    def simulated(self, points: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (times, theta) of a simulation at ``points`` times, theta (times, n), from the features alone."""
        rows: list[np.ndarray] = []
        experiment = Experiment.from_dict(self.experiment.to_dict() | {"output": {"points": points}})
        found = simulate(experiment, watch=lambda state: rows.append(angles(np.asarray(state.features), self.targets)))
        return found.times, np.array(rows)

    def kappa(self, radius: np.ndarray) -> np.ndarray:
        r"""Return kappa = eta_1 |g| r^(nu-2) of every feature; of a flow, where eta = 1, it is the rate k."""
        numbers, method = self.experiment.scenario.numbers(), self.experiment.method
        return method.eta * method.ratio * np.linalg.norm(self.targets, axis=1) * radius ** (numbers["power"] - 2)


def error(theta: np.ndarray) -> np.ndarray:
    r"""Return $|\hat H - \hat G|$ from the angles (times, n): the error of Theorem 7, eq. (20)."""
    return np.sqrt(np.sum(4 * np.sin(theta / 2) ** 2, axis=-1))


class SphericalAngles(Recipe):
    """Angles under the flow for three rescalings above and beside; errors and rates of descent below."""

    kind: ClassVar[str] = "spherical-angles"
    size: ClassVar[tuple[float, float]] = (9.0, 7.2)
    title: ClassVar[str] = "Spherical features: the law of the angle, and the rate of Theorem 7"
    caption: ClassVar[str] = (
        "Six features in a plane (C = 3, N = 2, p = 2, gamma = 1/2, eta = 1, unit ETF prototypes; a seed with spread "
        "norms and angles, one angle 0.03 short of pi). Lines in (a) to (d): the exact flow; marks: the flow "
        "integrated numerically. Without rescaling a feature near pi waits, and tan(theta/2) falls at |g|/r^2: "
        "exponentially already, at a rate that the norm decides. The paper's rescaling, eta |h|, gives |g|/r: it "
        "slows features with r < 1 down. Only eta |h|^2 gives all features one rate. (e) Exact descent, simulated "
        "marks, and in grey (1 - kappa)^k of the slowest feature. (f) Descent without rescaling: Theorem 7 prints no "
        "rate, but its proof gives mu = -2 ln(1 - kappa), drawn for its epsilon and delta at their largest; the error "
        "falls at half of it, -ln(1 - kappa) of the slowest feature, since what was bounded is the squared error."
    )

    @classmethod
    def experiments(cls, quick: bool) -> tuple[dict[str, Experiment], ...]:
        """See `Recipe.experiments`: the three flows, the three descents."""
        flows = {f"flow, {name}": setting(name, kind="flow", time=TIME) for name in RESCALED}
        return flows, {f"descent, {name}": setting(name, kind="descent", steps=STEPS) for name in RESCALED}

    @classmethod
    def draw(cls, figure: Any, quick: bool) -> None:
        """See `Recipe.draw`. A quick figure integrates no flow."""
        flows, descents = ([Turning(one) for one in group.values()] for group in cls.experiments(quick))
        grid = figure.subplots(2, 3).ravel()
        draw_waiting(grid[0], flows[0], quick)
        for axes, letter, flow, rate, slope in zip(grid[1:4], "bcd", flows, RESCALED.values(), SLOPES, strict=True):
            draw_flow(axes, flow, quick)
            axes.set_title(f"({letter}) flow, rate {rate}")
            axes.text(0.97, 0.95, slope, transform=axes.transAxes, ha="right", va="top", fontsize=8)
        draw_errors(grid[4], descents)
        draw_rates(grid[5], descents[0])


def draw_waiting(axes: Any, flow: Turning, quick: bool) -> None:
    """Draw the angles against time."""
    _draw_features(axes, flow, EARLY, quick, lambda theta: theta)
    axes.set(title=r"(a) flow, rate $\eta$: angles", ylabel=r"angle $\theta$ to the target", xlabel=r"time $t$")
    axes.set_yticks([0, np.pi / 2, np.pi], ["0", r"$\pi/2$", r"$\pi$"])
    axes.legend(fontsize=7, loc="upper right", handlelength=2.6, labelspacing=0.25)


def draw_flow(axes: Any, flow: Turning, quick: bool) -> None:
    """Draw tan(theta/2) on a logarithmic axis, where the law is a straight line."""
    _draw_features(axes, flow, TIME, quick, lambda theta: np.tan(theta / 2))
    axes.set(yscale="log", ylim=(LOWEST, 200), ylabel=r"$\tan(\theta/2)$", xlabel=r"time $t$")


def _draw_features(axes: Any, flow: Turning, until: float, quick: bool, shown: Callable[[Any], Any]) -> None:
    times = np.linspace(0, until, 301)
    theta, radius = flow.exact(times)
    marked, found = (times[:0], theta[:0]) if quick else flow.simulated(int(MARKS * TIME / until) + 1)
    for i in np.argsort(radius[0]):
        style = {"color": f"C{i}", "label": f"$r = {radius[0, i]:.2f}$"}
        axes.plot(times, shown(theta[:, i]), ls=LINES[i], lw=1.3, **style)
        seen = (marked <= until) & (found[:, i] > LOWEST)
        axes.plot(marked[seen], shown(found[seen, i]), MARKERS[i], color=f"C{i}", ms=3.5, mfc="white", mew=0.9)


def draw_errors(axes: Any, descents: list[Turning]) -> None:
    """Draw the error of descent for the three rescalings, and the slope of the slowest feature beside its end."""
    steps = np.arange(STEPS + 1)
    styles = zip(descents, RESCALED.values(), (BLUE, ORANGE, GREEN), LINES, MARKERS, strict=False)
    for descent, rate, colour, line, marker in styles:
        theta, radius = descent.exact(steps)
        values = error(theta)
        axes.plot(steps, values, color=colour, ls=line, lw=1.4, label=f"rate {rate}")
        marked, found = descent.simulated(2 * MARKS + 1)
        axes.plot(marked, error(found), marker, color=colour, ms=3.5, mfc="white", mew=0.9)
        late = steps[steps >= STEPS // 3]
        slope = (1 - descent.kappa(radius[-1]).min()) ** (late - STEPS)
        axes.plot(late, 4 * values[-1] * slope, color=GREY, ls=":", lw=1.1)
    axes.plot([], [], color=GREY, ls=":", lw=1.1, label=r"$\propto (1-\kappa)^k$")
    axes.set(
        title="(e) descent: error", yscale="log", ylim=(FLOOR, 10), xlabel="step $k$", ylabel=r"$|\hat H - \hat G|$"
    )
    axes.legend(fontsize=7, loc="lower left")


def draw_rates(axes: Any, descent: Turning) -> None:
    """Draw what the error loses per step, between what Theorem 7's proof says and half of it."""
    steps = np.arange(STEPS + 1)
    theta, radius = descent.exact(steps)
    slowest = np.argmin(descent.kappa(radius[-1]))
    true = -np.log1p(-descent.kappa(radius[-1])[slowest])
    axes.plot(steps[1:], -np.diff(np.log(error(theta))), color="black", lw=1.6, label="the error, exact")
    axes.plot(steps[1:], -np.diff(np.log(theta[:, slowest])), color=f"C{slowest}", ls=":", lw=1.6,
              label=f"its slowest feature, $r = {radius[0, slowest]:.2f}$")  # fmt: skip
    axes.axhline(2 * true, color=RED, ls="--", lw=1.2, label=r"proof: $\mu = -2\ln(1-\kappa)$")
    axes.axhline(true, color=GREY, ls="--", lw=1.2, label=r"half of it: $-\ln(1-\kappa)$")
    axes.set(title="(f) descent: rate", ylim=(0, None), xlabel="step $k$", ylabel=r"fall of $\ln$ error per step")
    axes.legend(fontsize=7)


MEMBER = SphericalAngles
