"""Figure 5 (p. 45): the regularized model at the critical decay, for five gammas."""

from typing import ClassVar

from dynamics.experiment import Experiment
from theorems.paper import ACCURACY_AND_DIRECTIONS, PRINTED, Panel, PaperFigure, critical_decay, regularized

GAMMAS = {"0": 0.0, "0.1": 0.1, "0.01": 0.01, "0.001": 0.001, r"\frac{1}{C-1}": 1 / 99}


class Figure5(PaperFigure):
    """Accuracy, distances and norms at lambda = (1 + gamma)/(C sqrt N)."""

    kind: ClassVar[str] = "figure5"
    title: ClassVar[str] = "Figure 5. Critical decay: gamma from 0 to 0.1"
    caption: ClassVar[str] = (
        "Lines: exact; markers: simulated. In (a) the exact accuracy at gamma = 0.1 is 1/C after step 4 000; the "
        "spikes printed after step 13 000 are rounding, like those of Figure 1. In (b) and (c) the curves printed "
        "for gamma = 1/(C-1) are those of gamma = 0.005 (grey). (d) and (e) leave gamma = 0.1 out, as printed: there "
        "|H| ends at 1e55."
    )
    panels: ClassVar[tuple[Panel, ...]] = (
        *ACCURACY_AND_DIRECTIONS,
        Panel("(d) norm of the features", "$|H(k)|^2$", "features_norm", True, power=2, without=(1,)),
        Panel("(e) norm of the prototypes", "$|W(k)|^2$", "prototypes_norm", True, power=2, without=(1,)),
    )

    @classmethod
    def experiments(cls, quick: bool) -> tuple[dict[str, Experiment], ...]:
        """See `Recipe.experiments`."""

        def at(gamma: float) -> Experiment:
            return regularized(quick, critical_decay(gamma), gamma)

        curves = {rf"$\gamma = {label}$": at(gamma) for label, gamma in GAMMAS.items()}
        return curves, {r"as printed for $\gamma = \frac{1}{C-1}$": at(PRINTED)}


MEMBER = Figure5
