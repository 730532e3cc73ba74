"""The simulator under losses that have no exact solution, against training loops."""

from typing import Any, ClassVar

from theorems.benchmark import Benchmark, Effort, Line, against, at_least
from theorems.contenders import ours
from theorems.contenders.curved import numpy_curved, numpy_products, torch_curved
from theorems.stopwatch import Contender

LONGER = 5  # times the steps of a loop, since what is moved is first reduced
SHORT = {"float32": "f32", "float64": "f64"}
ASKED = {"float32": 2.3, "float64": 1.7}
SMALLER = {
    "cross-entropy": ("C = 10", {"classes": 10}),
    "mse": ("N = 100", {"per_class": 100}),
}  # moved in fewer numbers


class Losses(Benchmark):
    """A step of descent under cross-entropy and the mean squared error."""

    kind: ClassVar[str] = "losses"
    about: ClassVar[str] = (
        "A step of our simulator under cross-entropy and the mean squared error, in both precisions, against "
        "PyTorch's autograd, gradients written out in NumPy, and the three matrix products of a step alone, of the "
        "rows that we move: XLA's, which we stand on, and NumPy's, by BLAS."
    )
    order: ClassVar[int] = 8

    @classmethod
    def lines(cls, effort: Effort) -> list[Line]:
        """See `Benchmark.lines`."""
        found = []
        for loss, (size, change) in SMALLER.items():
            for dtype, asked in ASKED.items():
                found += _one(effort, f"{loss}, {SHORT[dtype]}", {"loss": loss}, dtype, asked)
            found += _one(effort, f"{loss}, f64, {size}", {"loss": loss, **change}, "float64", None)
        return found


def _one(effort: Effort, label: str, problem: dict[str, Any], dtype: str, asked: float | None) -> list[Line]:
    setting, steps = effort.setting(problem=problem), effort.loop_steps
    share, note = 1 / steps, f"a share of {steps} steps"
    longer = LONGER * steps
    torch = Contender("torch loop", torch_curved(setting, steps, dtype), share, note)
    numpy = Contender("numpy loop", numpy_curved(setting, steps, dtype), share, note)
    state = ours.moved(setting, longer, dtype)
    xla = Contender("bare XLA", ours.products(state, steps), share, note)
    blas = Contender("bare BLAS", numpy_products(state, steps), share, note)
    return against(
        label,
        Contender("ours", lambda: ours.simulated(setting, longer, dtype), 1 / longer, f"a share of {longer} steps"),
        [(torch, at_least(asked) if asked else None), (numpy, None), (xla, None), (blas, None)],
        effort.turns,
    )


MEMBER = Losses
