"""Spherical descent by two numbers a sample, against the whole of the features."""

from typing import ClassVar

from theorems.benchmark import Benchmark, Effort, Line, against, at_least
from theorems.contenders import ours
from theorems.contenders.turning import jax_turning, torch_turning
from theorems.stopwatch import Contender


class Spherical(Benchmark):
    """Descent of normalised features by two numbers a sample."""

    kind: ClassVar[str] = "spherical"
    about: ClassVar[str] = (
        "A step of spherical descent: two numbers a sample against loops over all features, no metrics."
    )
    order: ClassVar[int] = 6

    @classmethod
    def lines(cls, effort: Effort) -> list[Line]:
        """See `Benchmark.lines`."""
        setting = effort.setting(scenario={"kind": "spherical"})
        few, note = effort.loop_steps, f"a share of {effort.loop_steps} steps"
        mine = f"a share of {effort.steps} steps"
        return against(
            "one step",
            Contender("ours", lambda: ours.turned(setting, effort.steps), 1 / effort.steps, mine),
            [
                (Contender("torch loop", torch_turning(setting, few), 1 / few, note), at_least(1_000)),
                (Contender("jax loop", jax_turning(setting, few), 1 / few, note), at_least(150)),
            ],
            effort.turns,
        )


MEMBER = Spherical
