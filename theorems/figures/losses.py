"""Three losses from one start: exponential under the unhinged loss, logarithmic under cross-entropy."""

from typing import Any, ClassVar

from dynamics.experiment import Experiment
from dynamics.simulation import simulate
from theorems.figure import Recipe
from theorems.solution import solve
from theorems.style import BLUE, GREEN, ORANGE

END = 4000  # of zeta
ETA = 0.5  # at 1 the biases of the mean squared error, whose curvature is 2, would not settle
SMALL = 0.1  # the scale of the start: all three losses begin alike
LOOKS: dict[str, dict[str, Any]] = {
    "unhinged": {"color": BLUE, "ls": "-"},
    "cross-entropy": {"color": ORANGE, "ls": "--"},
    "mse": {"color": GREEN, "ls": "-."},
}
# title, metric, label, limits of what is drawn: the unhinged loss leaves them
PANELS = (
    ("(a) loss", "loss", "L", "symlog", (-1e3, 1e1)),
    ("(b) norm", "log_norm", r"$\ln|(H, W)|_F$", "linear", (2, 6)),
    ("(c) accuracy", "accuracy", "train accuracy", "linear", (0, 1.04)),
    ("(d) within-class variability", "nc1", "NC1", "log", (1e-6, 1e2)),
    ("(e) distance to a simplex ETF", "nc2", "NC2", "linear", (0, 0.4)),
    ("(f) self-duality", "nc3", "NC3", "log", (1e-6, 1e1)),
)
SYMLOG = {"linthresh": 1e-3}


def run(loss: str, quick: bool) -> Experiment:
    """Return a descent on balanced classes without decay; all losses have the same start."""
    problem = {"classes": 10, "per_class": 10, "features": 16 if quick else 64, "loss": loss}
    method = {"steps": int(END / ETA), "eta": ETA}
    start, points = {"scale_h": SMALL, "scale_w": SMALL}, END // (40 if quick else 10) + 1
    return Experiment(name=f"losses-{loss}", problem=problem, method=method, start=start, output={"points": points})


class Losses(Recipe):
    """Loss, norm, accuracy and neural collapse of the unhinged loss, cross-entropy and the mean squared error."""

    kind: ClassVar[str] = "losses"
    title: ClassVar[str] = "Three losses from one start"
    size: ClassVar[tuple[float, float]] = (10.5, 6.4)
    caption: ClassVar[str] = (
        "Unconstrained model, C = 10, N = 10, gradient descent, eta = 0.5, from one small Gaussian start, gamma = "
        "1/(C-1). The unhinged loss is solved exactly, the two others are simulated. The three begin alike. Then NC1 "
        "and NC3 fall exponentially under the unhinged loss, whose norm and loss leave the panels, while NC2 keeps a "
        "value that the start decides. Under cross-entropy all three go on falling, ever more slowly: logits "
        "that are right grow like the logarithm of time. Under the mean squared error all motion ends where the loss "
        "is zero, with NC1 and NC3 as they are then. The losses have units of their own."
    )

    @classmethod
    def experiments(cls, quick: bool) -> tuple[dict[str, Experiment], ...]:
        """See `Recipe.experiments`."""
        return ({loss: run(loss, quick) for loss in LOOKS},)

    @classmethod
    def draw(cls, figure: Any, quick: bool) -> None:
        """Draw a panel for each metric, with a curve for each loss."""
        (runs,) = cls.experiments(quick)
        found = {loss: solve(one) if one.problem.linear else simulate(one) for loss, one in runs.items()}
        panels = figure.subplots(2, 3).ravel()
        for axes, (title, name, label, scale, limits) in zip(panels, PANELS, strict=True):
            for loss, curve in found.items():
                axes.plot(curve.zeta[1:], curve.metrics[name][1:], **LOOKS[loss], label=loss)
            axes.set_yscale(scale, **(SYMLOG if scale == "symlog" else {}))
            axes.set(title=title, xlabel=r"$\zeta$", ylabel=label, xscale="log", xlim=(curve.zeta[1], END), ylim=limits)
        panels[2].legend(loc="lower right")


MEMBER = Losses
