"""Spherical descent by two numbers a sample, against the whole of the features."""

from typing import ClassVar

from theorems.benchmark import Benchmark, Effort, Line, at_least
from theorems.contenders import ours
from theorems.contenders.turning import jax_turning, torch_turning
from theorems.stopwatch import Contender, in_turns


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
        found = in_turns(
            [
                Contender(
                    "ours",
                    lambda: ours.turned(setting, effort.steps),
                    1 / effort.steps,
                    f"a share of {effort.steps} steps",
                ),
                Contender("torch loop", torch_turning(setting, few), 1 / few, note),
                Contender("jax loop", jax_turning(setting, few), 1 / few, note),
            ],
            effort.rounds,
        )
        mine = found["ours"]
        assert mine is not None
        asked = {"torch loop": at_least(1_000), "jax loop": at_least(150)}
        return [Line("one step", mine, name, found[name], one) for name, one in asked.items()]


MEMBER = Spherical
