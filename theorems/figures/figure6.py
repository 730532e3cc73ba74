"""Figure 6 (p. 46): the regularized model at the critical decay, for five learning rates."""

from typing import ClassVar

from dynamics.experiment import Experiment
from theorems.paper import FLOOR, PRINTED, Panel, PaperFigure, critical_decay, paper

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
        Panel("(a) train accuracy", "accuracy", "accuracy"),
        Panel("(b) features", r"$|\hat H(k) - \hat{\bar H}|$", "features_distance", True, printed=True, floor=FLOOR),
        Panel(
            "(c) prototypes", r"$|\hat W(k) - \hat{\bar W}|$", "prototypes_distance", True, printed=True, floor=FLOOR
        ),
        Panel("(d) norm of the features", "$|H(k)|$", "features_norm", True),
        Panel("(e) norm of the prototypes", "$|W(k)|$", "prototypes_norm", True),
    )

    @classmethod
    def experiments(cls, quick: bool) -> tuple[dict[str, Experiment], ...]:
        """See `Recipe.experiments`."""

        def at(eta: float, gamma: float = 1 / 99) -> Experiment:
            decay = critical_decay(gamma)
            table = {"kind": "regularized", "lambda_h": decay, "lambda_w": decay}
            return paper(quick, problem={"gamma": gamma}, scenario=table, method={"eta": eta})

        curves = {rf"$\eta = {eta}$": at(eta) for eta in RATES}
        return curves, {
            r"as printed for $\eta = 0.1$": at(0.1, PRINTED),
            r"as printed for $\eta = 0.5$": at(0.5, PRINTED),
        }


MEMBER = Figure6
