"""Figure 9 (p. 49): spherical features on anchored prototypes, with and without rescaled rates."""

from typing import ClassVar

from dynamics.experiment import Experiment
from theorems.paper import Effort, Panel, PaperFigure, paper

RATES = (0.1, 0.5, 1.0, 5.0, 10.0)
SAMPLES = 1000
DISTANCE = r"$|\hat H(k) - \hat G|$"


def _row(group: int, letters: str, words: str) -> tuple[Panel, ...]:
    accuracy, distance, norm = letters
    return (
        Panel(f"({accuracy}) train accuracy{words}", "accuracy", "accuracy", group=group, legend="lower right"),
        Panel(
            f"({distance}) distance{words}", DISTANCE, "distance", True, factor=SAMPLES**0.5, group=group,
            legend=None if group else "lower left", floor=1e-13,
        ),
        Panel(f"({norm}) norm{words}", "$|H(k)|$", "features_norm", group=group, legend="center right"),
    )  # fmt: skip


class Figure9(PaperFigure):
    """Accuracy, distance to the prototypes and norm, for eta from 0.1 to 10: eta above, eta |h| below."""

    kind: ClassVar[str] = "figure9"
    title: ClassVar[str] = "Figure 9. Spherical features: learning rates, without and with rescaling"
    caption: ClassVar[str] = (
        "Lines: exact; markers: simulated. Same as printed; the floors printed in (e) at 1e-12 are rounding, and "
        "nothing is drawn below 1e-13. The caption cites (18) for (19). Random prototypes of unit entries, read off "
        "the slopes; G holds the unit columns of W M, which is what the features turn to: the prototypes less their "
        "mean. The rescaled rate is eta |h|. The norms start at 716.4, at 715.6 in print: another draw of the same "
        "start."
    )
    full: ClassVar[Effort] = Effort(101, 200)
    panels: ClassVar[tuple[Panel, ...]] = (*_row(0, "abc", ""), *_row(1, "def", ", rescaled"))

    @classmethod
    def experiments(cls, quick: bool) -> tuple[dict[str, Experiment], ...]:
        """See `Recipe.experiments`."""

        def at(eta: float, rescale: str) -> Experiment:
            table = {"kind": "spherical", "rescale": rescale}
            method = {"eta": eta, "steps": 5_000 if quick else 50_000}
            return paper(quick, scenario=table, method=method, start={"scale_w": 1.0})

        return tuple({rf"$\eta = {eta:g}$": at(eta, rescale) for eta in RATES} for rescale in ("none", "norm"))


MEMBER = Figure9
