"""Five curve sets of Figure 1, without the accuracy."""

from typing import ClassVar

from theorems.benchmark import Benchmark, Effort, Line, at_least, at_most
from theorems.race import against_loops


class Curves(Benchmark):
    """Loss, norm and distance at every step, for the five gammas of Figure 1."""

    kind: ClassVar[str] = "curves"
    about: ClassVar[str] = (
        "Loss, norm and distance at every step for the five gammas of Figure 1, from H and W in memory. A loop "
        "computes the same at each of its steps. The traffic floor reads H once and writes the curves."
    )
    order: ClassVar[int] = 1

    @classmethod
    def lines(cls, effort: Effort) -> list[Line]:
        """See `Benchmark.lines`."""
        return against_loops(effort, ("loss", "log_norm", "distance"), at_least(200_000), at_most(20))


MEMBER = Curves
