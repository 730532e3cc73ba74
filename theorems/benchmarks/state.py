"""The state of a gradient flow at one time."""

from typing import ClassVar

import numpy as np

from theorems.benchmark import Benchmark, Effort, Line, against, at_least, at_most
from theorems.contenders import ours
from theorems.contenders.flowing import dop853, dopri8, exponential
from theorems.stopwatch import Contender


class StateAtOnce(Benchmark):
    """H and W of a gradient flow at one time."""

    kind: ClassVar[str] = "state"
    about: ClassVar[str] = (
        "H and W of a gradient flow at its last time, against copies of H in memory, SciPy's expm_multiply on an "
        "operator applied in O(np), and DOP853 and diffrax at rtol 1e-8."
    )
    order: ClassVar[int] = 4

    @classmethod
    def lines(cls, effort: Effort) -> list[Line]:
        """See `Benchmark.lines`."""
        setting, time = effort.flow(), float(effort.steps)
        source, target = setting.start.features, np.empty_like(setting.start.features)
        return against(
            f"t = {effort.steps}",
            Contender("ours", lambda: ours.state(setting, time)),
            [
                (Contender("copy of H", lambda: np.copyto(target, source)), at_most(5)),
                (Contender("expm_multiply", exponential(setting, time)), at_least(80)),
                (Contender("DOP853", dop853(setting, time)), at_least(500)),
                (Contender("diffrax Dopri8", dopri8(setting, time)), None),
            ],
            effort.turns,
        )


MEMBER = StateAtOnce
