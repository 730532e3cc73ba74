"""Figure 1 (p. 9): the unconstrained model for five gammas."""

from typing import ClassVar

from dynamics.experiment import Experiment
from theorems.paper import Panel, PaperFigure, Zoom, paper

GAMMAS = {"0": 0.0, "0.001": 0.001, "0.005": 0.005, "0.05": 0.05, r"\frac{1}{C-1}": "1/(C-1)"}


class Figure1(PaperFigure):
    """Loss, accuracy, distance to Zbar and norm, without regularization."""

    kind: ClassVar[str] = "figure1"
    title: ClassVar[str] = "Figure 1. Unconstrained features: gamma from 0 to 0.05"
    caption: ClassVar[str] = (
        "Lines: exact; markers: simulated, gamma = 0.05 from end to end. Same as printed but for (b): at gamma = "
        "0.05 the exact accuracy is 1/C = 0.01 from about step 8 000 on. The spikes printed after step 35 000 are "
        "rounding, and come up in grey where accuracy is read off float64 logits: those of all classes agree in "
        "every digit. The size of the random prototypes is not given; 1/16 an entry was read off Figures 4 and 7."
    )
    columns: ClassVar[int] = 2
    whole: ClassVar[int | None] = 3
    panels: ClassVar[tuple[Panel, ...]] = (
        Panel("(a) train loss", "loss", "loss", legend="lower left", zoom=Zoom(48_000, (0.42, 0.3, 0.42, 0.42), (3,))),
        Panel("(b) train accuracy", "accuracy", "accuracy", legend="center"),
        Panel(
            "(c) distance to the limit direction", r"$|\hat Z(k) - \hat{\bar Z}|$", "distance_zbar", True,
            legend="lower left", guide=(2**0.5, r"$\sqrt{2}$"),
        ),
        Panel(
            "(d) norm", "$|Z(k)|$", "norm", True, legend="upper left", zoom=Zoom(48_000, (0.55, 0.28, 0.42, 0.3), (3,))
        ),
    )  # fmt: skip

    @classmethod
    def experiments(cls, quick: bool) -> tuple[dict[str, Experiment], ...]:
        """See `Recipe.experiments`."""
        return ({rf"$\gamma = {label}$": paper(quick, problem={"gamma": gamma}) for label, gamma in GAMMAS.items()},)


MEMBER = Figure1
