"""The simulator under losses that have no exact solution, against training loops."""

from typing import ClassVar

from theorems.benchmark import Benchmark, Effort, Line, against, at_least
from theorems.contenders import ours
from theorems.contenders.curved import numpy_curved, torch_curved
from theorems.stopwatch import Contender

ASKED = {"float32": 2.3, "float64": 1.7}


class Losses(Benchmark):
    """A step of descent under cross-entropy and the mean squared error."""

    kind: ClassVar[str] = "losses"
    about: ClassVar[str] = (
        "A step of our simulator under cross-entropy and the mean squared error, in both precisions, against "
        "PyTorch's autograd and gradients written out in NumPy."
    )
    order: ClassVar[int] = 8

    @classmethod
    def lines(cls, effort: Effort) -> list[Line]:
        """See `Benchmark.lines`."""
        return [line for loss in ("cross-entropy", "mse") for dtype in ASKED for line in _one(effort, loss, dtype)]


def _one(effort: Effort, loss: str, dtype: str) -> list[Line]:
    setting, steps = effort.setting(problem={"loss": loss}), effort.loop_steps
    share, note = 1 / steps, f"a share of {steps} steps"
    return against(
        f"{loss}, {dtype}",
        Contender("ours", lambda: ours.simulated(setting, steps, dtype), share, note),
        [
            (Contender("torch loop", torch_curved(setting, steps, dtype), share, note), at_least(ASKED[dtype])),
            (Contender("numpy loop", numpy_curved(setting, steps, dtype), share, note), None),
        ],
        effort.turns,
    )


MEMBER = Losses
