"""How fast a direction is reached: exponentially under the unhinged loss, like 1/ln t under cross-entropy."""

from typing import Any, ClassVar

import numpy as np

from dynamics.experiment import Experiment
from dynamics.state import State
from theorems.figure import Recipe
from theorems.references import garrod, seli, soudry
from theorems.solution import exact_states
from theorems.style import BLACK, BLUE, GREEN, GREY, LINES, ORANGE, PURPLE
from theorems.training import train

STEP = seli.Sizes(seli.STEP)
SMALL = 0.1  # the scale of the start
SOON = 400.0  # by then the unhinged loss has reached 1e-10
LONG = 4 * SOON  # where its exact solution is its limit
LATE, QUICK_LATE = 1e5, 1e3  # the end of the flow of cross-entropy
LOGS = np.append(0.0, np.geomspace(0.1, 360.0, 50))  # of 1 + t, for logistic regression
LENGTHS = np.geomspace(6.0, 360.0, 16)  # R of the minima with decay
STRENGTHS = np.geomspace(1.0, 350.0, 60)  # z of the aligned solution
PRINTED = 0.5887  # |w|/ln t of three samples at soudry.LATE
LOOKS: dict[str, dict[str, Any]] = {
    "unhinged, exact": {"color": BLUE, "ls": LINES[0]},
    "unhinged, simulated": {"color": BLUE, "ls": "", "marker": "o", "mfc": "white"},
    "cross-entropy": {"color": ORANGE, "ls": LINES[1], "marker": "s"},
    "logistic regression": {"color": GREEN, "ls": LINES[2], "marker": "^"},
}
Curve = tuple[np.ndarray, np.ndarray]  # times and errors


def run(loss: str, time: float) -> Experiment:
    """Return a flow without decay but of the biases, from one start whatever the loss."""
    return Experiment(
        name=f"convergence-{loss}",
        problem={"classes": len(STEP.sizes), "per_class": list(STEP.sizes), "features": 6, "loss": loss},
        scenario={"kind": "regularized", "lambda_b": 1.0},
        method={"kind": "flow", "time": time, "eta": 1.0},
        start={"scale_h": SMALL, "scale_w": SMALL},
    )


def apart(array: np.ndarray, other: np.ndarray) -> float:
    """Return the distance of two directions, |a/|a| - b/|b||."""
    return float(np.linalg.norm(seli.unit(array) - seli.unit(other)))


def logits_error(state: State) -> float:
    """Return the distance of the centred logits W^T H from the SELI matrix."""
    logits = state.prototypes @ state.features.T
    return apart(logits - logits.mean(axis=0), np.repeat(seli.encoded(STEP) / STEP.roots, STEP.sizes, axis=1))


def logistic() -> tuple[Curve, np.ndarray]:
    """Return the error of the direction of logistic regression, and what v ln t + r makes of it."""
    case = soudry.random_samples(np.random.default_rng(0))
    late = np.outer(LOGS[1:], case.widest) + case.offset
    found, expected = ([apart(one, case.widest) for one in w] for w in (case.simulate(LOGS).states[1:], late))
    return (np.expm1(LOGS[1:]), np.array(found)), np.array(expected)


def flows(runs: dict[str, Experiment]) -> dict[str, Curve]:
    """Return the errors of the layer-peeled model: of (H, W) under the unhinged loss, else of the logits."""
    linear, curved = runs["unhinged"], runs["cross-entropy"]
    fine, marks = SOON * np.linspace(0.0, 1.0, 81) ** 2, np.linspace(0.0, SOON, 17)
    *exact, (_, limit) = exact_states(linear, np.append(fine, linear.method.horizon))

    def error(state: State) -> float:
        found, wanted = (np.concatenate([one.features, one.prototypes]) for one in (state, limit))
        return apart(found, wanted)

    logarithmic = np.append(0.0, np.geomspace(1.0, curved.method.horizon, 26))
    return {
        "unhinged, exact": (fine, np.array([error(state) for _, state in exact])),
        "unhinged, simulated": (marks, train(linear, marks, error).states),
        "cross-entropy": (logarithmic, train(curved, logarithmic, logits_error).states),
    }


class Convergence(Recipe):
    """Errors of directions against t and against ln t, and norms that grow like ln t."""

    kind: ClassVar[str] = "convergence"
    title: ClassVar[str] = "How fast a direction is reached: exponential against logarithmic"
    size: ClassVar[tuple[float, float]] = (9.0, 7.2)
    caption: ClassVar[str] = (
        "Gradient flows. Unhinged loss and cross-entropy: classes of 5, 5, 1 and 1 samples, one small start, no decay "
        "but of the biases; error of the direction of (H, W) from its fastest mode, and of that of the logits from the "
        "SELI matrix. Logistic regression: five samples in space, error from the largest margin. (a) All on one plot. "
        "(b) What is straight here is exponential. (c) What falls along the grey lines, c/ln t, is of order 1/ln t. "
        "Diamonds: exact minima of cross-entropy with decays, sqrt(lW lH) = e^-R, against R; the flow is on its way. "
        "(d) Norms over ln t, in units of their limits: aligned cross-entropy with K = 4, exact, and logistic "
        "regression on three samples in the plane, with the known 0.5887 over 0.4714 at t = 10 000."
    )

    @classmethod
    def experiments(cls, quick: bool) -> tuple[dict[str, Experiment], ...]:
        """See `Recipe.experiments`."""
        late = QUICK_LATE if quick else LATE
        return ({"unhinged": run("unhinged", LONG), "cross-entropy": run("cross-entropy", late)},)

    @classmethod
    def draw(cls, figure: Any, quick: bool) -> None:
        """See `Recipe.draw`."""
        (runs,) = cls.experiments(quick)
        known, asymptote = logistic()
        every, soon, logs, norms = figure.subplots(2, 2).ravel()
        for label, (times, errors) in (flows(runs) | {"logistic regression": known}).items():
            look = LOOKS[label] | {"ms": 4, "label": label}
            every.plot(times[1:], errors[1:], **look)
            soon.plot(times, errors, **look)
            logs.plot(np.log1p(times), errors, **look)
        shape = seli.encoded(STEP)
        minima = [apart(seli.minimum_logits(STEP, length), shape) for length in LENGTHS]
        logs.plot(LENGTHS, minima, "D", color=BLACK, ms=3, label="minima with decay")
        logs.plot(LENGTHS, constant() / LENGTHS, color=GREY, lw=0.8, zorder=0)
        logs.plot(LOGS[1:], asymptote, color=GREY, lw=0.8, zorder=0)
        draw_norms(norms)
        every.set(title="(a) exponential against 1/ln t", xlabel="$t$", xscale="log", xlim=(1, LATE), ylim=(1e-11, 3))
        soon.set(title="(b) exponential: straight", xlabel="$t$", xlim=(0, SOON), ylim=(1e-11, 3))
        logs.set(
            title="(c) 1/ln t: straight", xlabel=r"$\ln(1 + t)$, or $R$", xscale="log", xlim=(1, 400), ylim=(1e-4, 3)
        )
        for axes in (every, soon, logs):
            axes.set(yscale="log", ylabel="error of the direction")
        every.legend(loc="lower left")
        logs.legend(loc="upper right", fontsize=7)


def constant() -> float:
    """Return R times the error of the minimum at sqrt(lW lH) = e^-R, as R -> infinity."""
    shape = seli.encoded(STEP)
    offset = seli.beside(seli.factors(shape).direction, STEP, 0.0)
    return float(np.linalg.norm(soudry.across(offset.ravel(), shape.ravel())) / np.linalg.norm(shape))


def draw_norms(axes: Any) -> None:
    """Draw norms over ln t, in units of their limits."""
    case, others = soudry.GIVEN, garrod.CLASSES - 1
    v = float(np.linalg.norm(case.widest))
    times = garrod.duration(STRENGTHS, garrod.SMALL, garrod.CLASSES, others)
    late = times > 2.0  # before, ln t says nothing
    axes.plot(
        np.log(times[late]),
        STRENGTHS[late] / np.log(times[late]),
        color=PURPLE,
        ls=LINES[1],
        label="aligned cross-entropy",
    )
    norms, logs = np.linalg.norm(case.simulate(LOGS).states, axis=1), np.log(np.maximum(np.expm1(LOGS), 1.0))
    late = logs > np.log(2.0)
    axes.plot(logs[late], norms[late] / logs[late] / v, color=GREEN, ls=LINES[2], label="logistic regression")
    axes.plot(np.log(soudry.LATE), PRINTED / v, "*", color=BLACK, ms=9, label="known: 0.5887/0.4714")
    axes.axhline(1.0, color=GREY, lw=0.8, zorder=0)
    axes.set(title="(d) norms grow like ln t", xlabel=r"$\ln t$", ylabel=r"norm$/\ln t$, over its limit", xscale="log")
    axes.set_ylim(0.5, 2.5)
    axes.legend(loc="upper right")


MEMBER = Convergence
