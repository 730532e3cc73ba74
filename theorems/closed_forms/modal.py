"""The coupled pair (H, W) whose modes move alone: Theorems 2 and 4, flow and descent."""

from typing import ClassVar

from dynamics.experiment import Experiment
from theorems.modal import Modal


class Coupled(Modal):
    """The coupled pair, mode by mode: Theorems 2 and 4, flow and descent."""

    kind: ClassVar[str] = "modal"

    @classmethod
    def covers(cls, experiment: Experiment) -> bool:
        """See `ClosedForm.covers`."""
        return experiment.scenario.kind in ("unconstrained", "regularized") and experiment.method.shares_modes


MEMBER = Coupled
