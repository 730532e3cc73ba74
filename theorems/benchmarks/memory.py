"""How much memory the curves take, each contender in a process of its own."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any, ClassVar

from theorems.benchmark import FULL, GAMMAS, QUICK, Benchmark, Effort, Line, at_most
from theorems.contenders import ours
from theorems.contenders.flowing import dop853
from theorems.contenders.training import jax_loop, torch_loop
from theorems.machine import give_back_memory, peak_memory
from theorems.stopwatch import BYTES, Amount

CURVES = ("loss", "log_norm", "distance")
WITH_ACCURACY = (*CURVES, "accuracy")
NOTHING = "nothing"  # what a child says of a contender that is not installed, or on a system that cannot tell


def _exact(effort: Effort, names: tuple[str, ...]) -> Callable[[], Any]:
    setting = effort.setting()
    start = setting.given
    return lambda: ours.curves(setting.experiment, {"problem.gamma": list(GAMMAS)}, names, start)


def _state(effort: Effort) -> Callable[[], Any]:
    setting = effort.flow()
    return lambda: ours.state(setting, float(effort.steps))


CONTENDERS: dict[str, Callable[[Effort], Callable[[], Any] | None]] = {
    "curves": lambda effort: _exact(effort, CURVES),
    "with accuracy": lambda effort: _exact(effort, WITH_ACCURACY),
    "state": _state,
    "torch loop": lambda effort: torch_loop(effort.setting(), effort.loop_steps, WITH_ACCURACY),
    "jax scan": lambda effort: jax_loop(effort.setting(), effort.loop_steps, WITH_ACCURACY),
    "DOP853": lambda effort: dop853(effort.flow(), float(effort.steps)),
}


class Memory(Benchmark):
    """The memory that a contender takes at most, beyond its imports and the start."""

    kind: ClassVar[str] = "memory"
    about: ClassVar[str] = (
        "The most memory that a call takes beyond its imports and H and W, in a process of its own; it has done the "
        "same before, so that compilation does not count, and given back what it freed."
    )
    order: ClassVar[int] = 9

    @classmethod
    def lines(cls, effort: Effort) -> list[Line]:
        """See `Benchmark.lines`."""
        size = Amount.of([8.0 * effort.features * effort.classes * effort.per_class], BYTES)
        found = {name: _measured(name, effort) for name in CONTENDERS}
        against = [
            ("curves", "size of H", size, at_most(4)),
            ("with accuracy", "size of H", size, at_most(40)),
            ("with accuracy", "torch loop", found["torch loop"], None),
            ("with accuracy", "jax scan", found["jax scan"], None),
            ("state", "DOP853", found["DOP853"], None),
        ]
        return [
            Line(name, mine, rival, other, asked)
            for name, rival, other, asked in against
            if (mine := found[name]) is not None
        ]


def _measured(name: str, effort: Effort) -> Amount | None:
    code = f"from theorems.benchmarks.memory import child; child({name!r}, quick={effort.quick})"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()[-1]
    return None if said == NOTHING else Amount.of([float(said)], BYTES)


def child(name: str, *, quick: bool) -> None:
    """Print how many bytes one contender takes: what a process of its own runs."""
    call, found = CONTENDERS[name](QUICK if quick else FULL), None
    if call:
        call()
        give_back_memory()
        found = peak_memory(call)
    sys.stdout.write(f"{NOTHING if found is None else found.median}\n")


MEMBER = Memory
