"""Figure 15 (p. 54): anchored prototypes for six strengths of feature decay."""

from typing import ClassVar

from dynamics.experiment import Experiment
from theorems.paper import Panel, PaperFigure, paper

DECAYS = (0.0, 0.001, 0.005, 0.01, 0.05, 0.1)


class Figure15(PaperFigure):
    """Loss, accuracy, distance to W M and norm, for lambda from 0 to 0.1."""

    kind: ClassVar[str] = "figure15"
    title: ClassVar[str] = "Figure 15. Anchored prototypes: strengths of feature decay"
    caption: ClassVar[str] = (
        "Lines: exact; markers: simulated. Same as printed; the floors printed in (c) at 1e-14 are rounding, and "
        "nothing is drawn below. The legend of (d) calls two curves 1/(C-1); they are 0.01 and 0.1, as in the other "
        "panels. Random prototypes of unit entries, read off (a) and (d)."
    )
    columns: ClassVar[int] = 2
    panels: ClassVar[tuple[Panel, ...]] = (
        Panel("(a) train loss", "loss", "loss", legend="lower left"),
        Panel("(b) train accuracy", "accuracy", "accuracy", group=1, legend="lower right"),
        Panel(
            "(c) distance to the limit direction",
            r"$|\hat H(k) - \widehat{WM}|$",
            "distance",
            True,
            floor=1e-14,
            legend=None,
        ),
        Panel("(d) norm of the features", "$|H(k)|$", "features_norm", legend="upper left"),
    )

    @classmethod
    def experiments(cls, quick: bool) -> tuple[dict[str, Experiment], ...]:
        """See `Recipe.experiments`."""

        def at(decay: float, steps: int) -> Experiment:
            table = {"kind": "anchored", "lambda_h": decay}
            return paper(quick, scenario=table, start={"scale_w": 1.0}, method={"steps": steps})

        return tuple({rf"$\lambda = {one:g}$": at(one, steps) for one in DECAYS} for steps in (50_000, 3_500))


MEMBER = Figure15
