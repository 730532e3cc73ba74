"""How many margins the exact accuracy evaluates, and whether it is right where it changes."""

from typing import ClassVar

import numpy as np

from theorems.benchmark import GAMMAS, Benchmark, Effort, Line, at_least, at_most
from theorems.contenders import ours
from theorems.stopwatch import COUNT, Amount

CHECKED = 200  # times for each gamma, at most: half of them where the accuracy changes, and the one before


class Refinement(Benchmark):
    """Margins that the exact accuracy evaluates, of all samples, classes and steps."""

    kind: ClassVar[str] = "refinement"
    about: ClassVar[str] = (
        "Margins evaluated for the accuracy of five curve sets, against one for each step, sample and other class. "
        "A mismatch is a step where it differs from the accuracy of that step alone: at changes, "
        "before them and between."
    )
    order: ClassVar[int] = 3

    @classmethod
    def lines(cls, effort: Effort) -> list[Line]:
        """See `Benchmark.lines`."""
        setting = effort.setting()
        classes, per_class, _ = setting.shape
        brute = len(GAMMAS) * (effort.steps + 1) * classes * per_class * (classes - 1)
        wrong, checked = 0, 0
        for gamma in GAMMAS:
            found = ours.accuracy(setting, gamma)
            times = checked_times(found)
            differs = found[times] != ours.accuracy_alone(setting, gamma, times)
            wrong += len(set(times[differs]))
            checked += len(set(times))
        evaluated = Amount.of([ours.margin_evaluations(setting, GAMMAS)], COUNT)
        return [
            Line("margins evaluated", evaluated, "brute force", Amount.of([brute], COUNT), at_least(500)),
            Line("mismatches", Amount.of([wrong], COUNT), "steps compared", Amount.of([checked], COUNT), at_most(0)),
        ]


def checked_times(accuracy: np.ndarray) -> np.ndarray:
    """Return CHECKED times, ascending: some changes of the accuracy and the times before them, and others.

    The last one is repeated where there are fewer: one compilation serves every number of changes.
    """
    changes = np.flatnonzero(np.diff(accuracy)) + 1
    few = changes[np.linspace(0, len(changes) - 1, min(len(changes), CHECKED // 4)).astype(int)]
    between = np.linspace(0, len(accuracy) - 1, CHECKED // 2).astype(int)
    times = np.unique(np.concatenate([few, few - 1, between]))
    return np.pad(times, (0, CHECKED - len(times)), mode="edge")


MEMBER = Refinement
