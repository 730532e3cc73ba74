"""Five curve sets of Figure 1, with the exact accuracy."""

from typing import ClassVar

from theorems.benchmark import Benchmark, Effort, Line, at_least
from theorems.race import against_loops


class Accuracy(Benchmark):
    """The same with the exact accuracy at every step."""

    kind: ClassVar[str] = "accuracy"
    about: ClassVar[str] = "The same with the exact accuracy at every step."
    order: ClassVar[int] = 2

    @classmethod
    def lines(cls, effort: Effort) -> list[Line]:
        """See `Benchmark.lines`."""
        return against_loops(effort, ("loss", "log_norm", "distance", "accuracy"), at_least(5_000), None)


MEMBER = Accuracy
