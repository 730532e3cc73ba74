"""Figure 8 (p. 48): the regularized model for five ratios s of the learning rates."""

from typing import ClassVar

from dynamics.experiment import Experiment
from theorems.paper import ACCURACY_AND_DIRECTIONS, PRINTED, Panel, PaperFigure, critical_decay, regularized

RATIOS = (0.01, 0.05, 0.1, 0.5, 1.0)


class Figure8(PaperFigure):
    """Accuracy, distances and norms for s = eta1/eta2 from 0.01 to 1."""

    kind: ClassVar[str] = "figure8"
    title: ClassVar[str] = "Figure 8. Ratios of the learning rates"
    caption: ClassVar[str] = (
        "Lines: exact; markers: simulated. The printed curves of (b) and (c) are those of gamma = 0.005 (grey), not "
        "of the 1/(C-1) that the caption states: at that gamma the prototypes settle at one rate whatever s is, and "
        "only the features are slowed by a small s. Nothing is drawn below 1e-13: rounding. The caption cites (15) "
        "for (12)."
    )
    panels: ClassVar[tuple[Panel, ...]] = (
        *ACCURACY_AND_DIRECTIONS,
        Panel("(d) norm of the features", "$|H(k)|$", "features_norm"),
        Panel("(e) norm of the prototypes", "$|W(k)|$", "prototypes_norm"),
    )

    @classmethod
    def experiments(cls, quick: bool) -> tuple[dict[str, Experiment], ...]:
        """See `Recipe.experiments`."""

        def at(ratio: float, gamma: float = 1 / 99) -> Experiment:
            return regularized(quick, critical_decay(gamma), gamma, eta=0.5, ratio=ratio)

        curves = {f"$s = {ratio}$": at(ratio) for ratio in RATIOS}
        return curves, {f"as printed for $s = {ratio}$": at(ratio, PRINTED) for ratio in (0.1, 0.5)}


MEMBER = Figure8
