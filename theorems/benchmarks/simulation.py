"""The full-state simulator against a plain loop."""

from typing import ClassVar

from theorems.benchmark import Benchmark, Effort, Line, against
from theorems.contenders import ours
from theorems.contenders.stepping import jax_steps
from theorems.stopwatch import Contender

LONGER = 10  # times the steps of a loop with metrics


class Simulation(Benchmark):
    """A step of the simulator, which serves as the independent check."""

    kind: ClassVar[str] = "simulation"
    about: ClassVar[str] = "A step of our simulator of the whole state, against a bare compiled loop that knows M."
    order: ClassVar[int] = 7

    @classmethod
    def lines(cls, effort: Effort) -> list[Line]:
        """See `Benchmark.lines`."""
        setting, steps = effort.setting(), min(LONGER * effort.loop_steps, effort.steps)
        note = f"a share of {steps} steps"
        return against(
            "one step",
            Contender("ours", lambda: ours.simulated(setting, steps), 1 / steps, note),
            [(Contender("jax loop", jax_steps(setting, steps), 1 / steps, note), None)],
            effort.turns,
        )


MEMBER = Simulation
