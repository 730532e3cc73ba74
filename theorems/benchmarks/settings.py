"""Many settings at once against one."""

from typing import ClassVar

import numpy as np

from theorems.benchmark import GAMMA, Benchmark, Effort, Line, against, at_most
from theorems.contenders import ours
from theorems.stopwatch import Contender

LARGEST = 0.06  # of the gammas
NAMES = ("loss", "log_norm", "distance")


class Settings(Benchmark):
    """Curves of many settings at once, against those of one."""

    kind: ClassVar[str] = "settings"
    about: ClassVar[str] = "Loss, norm and distance of many gammas at once, against one gamma."
    order: ClassVar[int] = 5

    @classmethod
    def lines(cls, effort: Effort) -> list[Line]:
        """See `Benchmark.lines`."""
        setting = effort.setting(output={"points": effort.times})
        start, gammas = setting.given, np.linspace(0.0, LARGEST, effort.settings).tolist()
        many, one = {"problem.gamma": gammas}, {"problem.gamma": [GAMMA]}
        return against(
            f"{effort.settings} x {effort.times} times",
            Contender("ours", lambda: ours.curves(setting.experiment, many, NAMES, start)),
            [(Contender("one setting", lambda: ours.curves(setting.experiment, one, NAMES, start)), at_most(25))],
            effort.turns,
        )


MEMBER = Settings
