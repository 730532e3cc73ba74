"""Figure 4 (p. 44): the prototypes' norm for four strengths of decay."""

from typing import ClassVar

from dynamics.experiment import Experiment
from theorems.paper import Panel, PaperFigure, critical_decay, paper

DECAYS = {r"\lambda^*": critical_decay(1 / 99), "10^{-3}": 1e-3, r"2 \cdot 10^{-3}": 2e-3, "0": 0.0}


class Figure4(PaperFigure):
    """Norms under weight decay, and the distance of W from its limit at the critical strength."""

    kind: ClassVar[str] = "figure4"
    title: ClassVar[str] = "Figure 4. Weight decay: the norm of the prototypes"
    caption: ClassVar[str] = (
        "Lines: exact; markers: simulated. Same as printed, with gamma = 1/(C-1), which the caption does not give. "
        "In (b) the printed curve at lambda* levels off at 7e-5 and creeps up to 9e-5: so does our simulation in "
        "float32 (7.0e-5 at step 20 000, 9.1e-5 at 50 000). The exact difference goes on falling."
    )
    size: ClassVar[tuple[float, float]] = (9.0, 3.9)
    panels: ClassVar[tuple[Panel, ...]] = (
        Panel("(a) norm of the prototypes", "$|W(k)|^2$", "prototypes_norm", True, power=2, legend="upper left"),
        Panel("(b) distance from P", "$|W(k) - P|^2$", "prototypes_gap", True, power=2, legend="upper left"),
        Panel("(c) ratio of the norms", r"$\ln|H(k)| - \ln|W(k)|$", "log_ratio", legend="upper right"),
    )

    @classmethod
    def experiments(cls, quick: bool) -> tuple[dict[str, Experiment], ...]:
        """See `Recipe.experiments`."""
        decay = {label: {"kind": "regularized", "lambda_h": one, "lambda_w": one} for label, one in DECAYS.items()}
        return ({rf"$\lambda = {label}$": paper(quick, scenario=one) for label, one in decay.items()},)


MEMBER = Figure4
