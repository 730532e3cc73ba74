"""Figure 6 (p. 46): the regularized model at the critical decay, for five learning rates."""

from typing import ClassVar

from dynamics.experiment import Experiment
from theorems.paper import ACCURACY_AND_DIRECTIONS, PRINTED, Panel, PaperFigure, critical_decay, regularized

RATES = (0.001, 0.01, 0.1, 0.2, 0.5)


class Figure6(PaperFigure):
    """Accuracy, distances and norms for eta from 0.001 to 0.5."""

    kind: ClassVar[str] = "figure6"
    title: ClassVar[str] = "Figure 6. Critical decay: learning rates"
    caption: ClassVar[str] = (
        "Lines: exact; markers: simulated. In (b) and (c) the printed curves are those of gamma = 0.005 (grey), not "
        "of the 1/(C-1) that the caption states: at that gamma they fall faster, and do not bend. Nothing is drawn "
        "below 1e-13, where the printed curves level off: that is rounding."
    )
    panels: ClassVar[tuple[Panel, ...]] = (
        *ACCURACY_AND_DIRECTIONS,
        Panel("(d) norm of the features", "$|H(k)|$", "features_norm", True),
        Panel("(e) norm of the prototypes", "$|W(k)|$", "prototypes_norm", True),
    )

    @classmethod
    def experiments(cls, quick: bool) -> tuple[dict[str, Experiment], ...]:
        """See `Recipe.experiments`."""
        curves = {rf"$\eta = {eta}$": regularized(quick, critical_decay(1 / 99), eta=eta) for eta in RATES}
        printed = {
            rf"as printed for $\eta = {eta}$": regularized(quick, critical_decay(PRINTED), PRINTED, eta=eta)
            for eta in (0.1, 0.5)
        }
        return curves, printed


MEMBER = Figure6
