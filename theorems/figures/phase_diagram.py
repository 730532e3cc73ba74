"""The phase diagram of the regularized model: which part wins, and what grows."""

from collections import Counter
from typing import Any, ClassVar, NamedTuple

import numpy as np
from matplotlib.transforms import ScaledTranslation
from scipy.stats import qmc

from dynamics.experiment import Experiment
from theorems.figure import Recipe
from theorems.phases import (
    RESOLUTION,
    Phase,
    phase_of,
    predicted_growth,
    sample,
    simulated_growth,
    standstill,
    strengths,
    tie,
)
from theorems.style import BLUE, ORANGE, RED

CLASSES = 5
GAMMA, DECAY = 1.1, 3.6  # the ends of the axes
SPREAD = 4.0  # s and l1/l2 lie between its inverse and it
SAMPLES, QUICK_SAMPLES = 300, 40
SHIFT = 2**0.5  # of Halton's points, whose fractions would fall on the lines
ON_CURVE, ON_TIE = 11, 5  # samples exactly on the critical curve and on gamma = 2/(C - 2)
SHADES = (0.07, 0.22, 0.45)  # opacity of a region by how many parts grow
RINGS = {
    "too close to call": {"marker": "o", "ms": 9, "mfc": "none", "mec": RED, "mew": 1.5, "ls": ""},
    "differs": {"marker": "x", "ms": 9, "mec": RED, "mew": 2, "ls": ""},
}
SHAPES = {1: "o", -1: "s", 0: "D"}
LEAD = {1: "contrasts", 0: "neither", -1: "mean"}
WORDS = {1: "grow", 0: "bounded", -1: "decay"}
REGIONS = (
    (0.46, 2.5, "all decays,\ncontrasts last"),
    (0.375, 1.04, "contrasts grow,\nmean decays"),
    (0.08, 0.28, "both\ngrow"),
    (0.53, 0.32, "both grow,\ncontrasts win"),
    (0.89, 0.8, "both grow,\nmean wins"),
    (0.99, 2.35, "mean grows,\ncontrasts\ndecay"),
    (0.8, 3.1, "all decays,\nmean last"),
)
# (gamma, the curve's slope and height there, where the text stands, text)
CURVES = (
    (0.33, 1, 1.33, "bottom", r"critical: $\lambda_1\lambda_2 = \sigma_1^2$"),
    (0.87, 4, 2.48, "bottom", r"critical: $\lambda_1\lambda_2 = \sigma_2^2$"),
    (0.51, 4, 1.04, "top", r"$\lambda_1\lambda_2 = \sigma_2^2$"),
    (0.93, 1, 1.93, "top", r"$\lambda_1\lambda_2 = \sigma_1^2$"),
)


class Seen(NamedTuple):
    """A sample: where it lies, the phase seen in its simulation, and whether that is the exact one.

    ``verdict``: "agrees"; "too close to call", if each sign that differs is of a growth within the resolution and lag;
    else "differs".
    """

    gamma: float
    decay: float
    phase: Phase
    verdict: str

    @classmethod
    def of(cls, experiment: Experiment, decay: float) -> "Seen":
        """Simulate a sample and judge it."""
        seen, true = simulated_growth(experiment).phase, phase_of(experiment)
        growth, lag = predicted_growth(experiment)
        values = (growth.contrasts, growth.mean, growth.contrasts - growth.mean)
        margins = (lag.contrasts, lag.mean, max(lag))
        wrong = [abs(v) - m for v, m, x, y in zip(values, margins, seen, true, strict=True) if x != y]
        verdict = "agrees" if not wrong else "too close to call" if max(wrong) <= RESOLUTION else "differs"
        return cls(float(experiment.problem.gamma), decay, seen, verdict)


def samples(quick: bool) -> list[tuple[Experiment, float]]:
    """Return (experiment, decay): points spread evenly, then some exactly on the critical curve and on the tie.

    s and l1/l2 differ from sample to sample, and so does the start.
    """
    count = QUICK_SAMPLES if quick else SAMPLES
    numbers = (qmc.Halton(4, scramble=False).random(count + ON_CURVE + ON_TIE) + SHIFT) % 1
    gammas, decays = np.round(GAMMA * numbers[:, 0], 4), np.round(DECAY * numbers[:, 1], 4)
    on_curve, on_tie = slice(count, count + ON_CURVE), slice(count + ON_CURVE, None)
    gammas[on_curve] = np.linspace(0.05, 1.05, ON_CURVE)
    decays[on_curve] = np.maximum(*strengths(gammas[on_curve], CLASSES))
    gammas[on_tie], decays[on_tie] = tie(CLASSES), np.linspace(0.3, 3.3, ON_TIE)
    ratios, odds = np.round(SPREAD ** (2 * numbers[:, 2:] - 1), 3).T
    return [
        (sample(gamma, decay, classes=CLASSES, ratio=ratio, odds=one, seed=seed), decay)
        for seed, (gamma, decay, ratio, one) in enumerate(zip(gammas, decays, ratios, odds, strict=True))
    ]


class PhaseDiagram(Recipe):
    """Regions of the (gamma, decay) plane, exact and as simulations see them."""

    kind: ClassVar[str] = "phase-diagram"
    title: ClassVar[str] = "Phases of the regularized model: who wins, and what grows"
    size: ClassVar[tuple[float, float]] = (9.0, 7.0)
    caption: ClassVar[str] = (
        "Balanced classes, C = 5. The state is C - 1 contrasts between classes, driven by sigma1, and their mean, "
        "driven by sigma2. The larger sigma wins, whatever the decays are: the contrasts below gamma = 2/(C-2), the "
        "mean above, neither on the line and at gamma = 0. A part grows if and only if its sigma^2 > lambda1 lambda2, "
        "whatever s and lambda1/lambda2 are. So the critical curve, where the norm neither vanishes nor grows without "
        "bound, bends up at 2/(C-2), where the mean takes over. At gamma = 1/(C-1) sigma2 = 0: the mean only decays. "
        "(b): descents with N = 2, p = 6, and s and lambda1/lambda2 from 1/4 to 4, some of them exactly on the lines. "
        "Each is classified from its states at zeta = 30 and 60 alone; what changes by less than 0.02 e-folds between "
        "them stands still. It is too close to call where the exact rate times 30 is below 0.02 plus the lag of the "
        "start's falling modes (theorems/phases.py). Everywhere else it must agree with (a), and does."
    )

    @classmethod
    def experiments(cls, quick: bool) -> tuple[dict[str, Experiment], ...]:
        """See `Recipe.experiments`: the first of the samples, one for each phase."""
        first: dict[str, Experiment] = {}
        for experiment, _ in samples(quick):
            true = phase_of(experiment)
            first.setdefault(
                f"contrasts: {WORDS[true.contrasts]}, mean: {WORDS[true.mean]}, ahead: {LEAD[true.ahead]}", experiment
            )
        return (first,)

    @classmethod
    def draw(cls, figure: Any, quick: bool) -> None:
        """Draw the exact regions, and the samples over them."""
        exact, seen, key = figure.subplot_mosaic([["exact", "seen"], ["key", "key"]], height_ratios=(9, 1)).values()
        _regions(exact)
        _regions(seen)
        exact.set(title="(a) exact", ylabel=r"decay $C\,\sqrt{N\lambda_1\lambda_2}$")
        _name(exact)
        found = [Seen.of(*one) for one in samples(quick)]
        seen.set_title(f"(b) as {len(found)} simulations see it")
        seen.tick_params(labelleft=False)
        _mark(seen, found)
        _legend(key, found)


def _regions(axes: Any) -> None:
    """Fill the regions and draw their boundaries; all are straight between these gammas, so nothing is sampled."""
    gamma = np.array([0, standstill(CLASSES), tie(CLASSES), GAMMA])
    contrasts, mean = strengths(gamma, CLASSES)
    low, high = np.minimum(contrasts, mean), np.maximum(contrasts, mean)
    floor, top = np.zeros_like(gamma), np.full_like(gamma, DECAY)
    for color, part in ((BLUE, slice(0, 3)), (ORANGE, slice(2, 4))):
        for shade, lower, upper in zip(SHADES, (high, low, floor), (top, high, low), strict=True):
            axes.fill_between(gamma[part], lower[part], upper[part], color=color, alpha=shade, lw=0)
    axes.plot(gamma, high, color="black", lw=2)
    axes.plot(gamma, low, color="black", lw=1, ls="--")
    axes.axvline(tie(CLASSES), color="black", lw=1.4, ls="-.")
    axes.axvline(standstill(CLASSES), color="black", lw=0.9, ls=":")
    axes.set(xlim=(0, GAMMA), ylim=(0, DECAY), xlabel=r"$\gamma$")
    axes.grid(visible=False)
    above = axes.secondary_xaxis("top")
    above.set_xticks([standstill(CLASSES), tie(CLASSES)], [r"$\frac{1}{C-1}$", r"$\frac{2}{C-2}$"], fontsize=12)


def _name(axes: Any) -> None:
    """Write the regions' and the curves' names."""
    for x, y, text in REGIONS:
        axes.text(x, y, text, ha="center", va="center", fontsize=8)
    for x, slope, y, side, text in CURVES:
        away = ScaledTranslation(0, (5 if side == "bottom" else -7) / 72, axes.figure.dpi_scale_trans)
        axes.text(
            x, y, text, ha="center", va=side, fontsize=8, rotation=np.degrees(np.arctan(slope)),
            rotation_mode="anchor", transform=axes.transData + away, transform_rotates_text=True,
        )  # fmt: skip


def _mark(axes: Any, found: list[Seen]) -> None:
    for one in found:
        axes.plot(one.gamma, one.decay, clip_on=False, zorder=3, **_style(one.phase))
        if one.verdict in RINGS:
            axes.plot(one.gamma, one.decay, clip_on=False, zorder=4, **RINGS[one.verdict])


def _style(phase: Phase) -> dict[str, Any]:
    """Return the marker of a phase: its shape says who is ahead, its filling what grows."""
    most = max(phase.contrasts, phase.mean)
    face = "white" if most < 0 else "0.65" if most == 0 else "black"
    filling = "bottom" if phase.growing == 1 else "full"
    return {
        "marker": SHAPES[phase.ahead], "ms": 4.2, "mew": 0.7, "ls": "", "fillstyle": filling,
        "markerfacecolor": face, "markeredgecolor": "black", "markerfacecoloralt": "white",
    }  # fmt: skip


def _legend(axes: Any, found: list[Seen]) -> None:
    counts = Counter(one.verdict for one in found)
    keys = {
        "both parts grow": _style(Phase(1, 1, 1)),
        "one part grows": _style(Phase(1, -1, 1)),
        "bounded: one stands still": _style(Phase(0, -1, 1)),
        "all decays": _style(Phase(-1, -1, 1)),
        "contrasts ahead": _style(Phase(-1, -1, 1)),
        "mean ahead": _style(Phase(-1, -1, -1)),
        "neither ahead": _style(Phase(-1, -1, 0)),
    }
    keys |= {f"{verdict}: {counts[verdict]}": style for verdict, style in RINGS.items()}
    handles = [axes.plot([], [], label=text, **style)[0] for text, style in keys.items()]
    axes.legend(handles=handles, loc="center", ncols=3, fontsize=8, borderaxespad=0)
    axes.set_axis_off()


MEMBER = PhaseDiagram
