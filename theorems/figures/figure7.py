"""Figure 7 (p. 47): the regularized model for five strengths of decay."""

from typing import ClassVar

from dynamics.experiment import Experiment
from theorems.paper import ACCURACY_AND_DIRECTIONS, PRINTED, Panel, PaperFigure, critical_decay, regularized

DECAYS = {
    "10^{-5}": 1e-5,
    "10^{-4}": 1e-4,
    "10^{-3}": 1e-3,
    r"5 \cdot 10^{-3}": 5e-3,
    r"\frac{1+\gamma}{C\sqrt{N}}": critical_decay(1 / 99),
}


class Figure7(PaperFigure):
    """Accuracy, distances and norms for lambda from 1e-5 to 5e-3."""

    kind: ClassVar[str] = "figure7"
    title: ClassVar[str] = "Figure 7. Strengths of decay"
    caption: ClassVar[str] = (
        "Lines: exact; markers: simulated. Decay changes norms (d, e) and no direction (b, c): the curves of all "
        "strengths agree. The curves printed in (b) and (c) are those of gamma = 0.005 (grey), not of the 1/(C-1) "
        "that the caption states. The caption cites (15) for (12), and explains the panels of Figure 4 in place of "
        "these."
    )
    panels: ClassVar[tuple[Panel, ...]] = (
        *ACCURACY_AND_DIRECTIONS,
        Panel("(d) norm of the features", "$|H(k)|$", "features_norm", True),
        Panel("(e) norm of the prototypes", "$|W(k)|$", "prototypes_norm", True),
    )

    @classmethod
    def experiments(cls, quick: bool) -> tuple[dict[str, Experiment], ...]:
        """See `Recipe.experiments`."""
        curves = {rf"$\lambda = {label}$": regularized(quick, decay) for label, decay in DECAYS.items()}
        return curves, {"as printed, every strength": regularized(quick, critical_decay(PRINTED), PRINTED)}


MEMBER = Figure7
