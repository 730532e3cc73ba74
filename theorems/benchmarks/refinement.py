"""How many margins the exact accuracy evaluates, and whether it is right where it changes."""

from typing import ClassVar

import numpy as np

from theorems.benchmark import GAMMAS, Benchmark, Effort, Line, at_least, at_most
from theorems.contenders import ours
from theorems.stopwatch import COUNT, Amount

CHECKED = 200  # times for each gamma: half of them where the accuracy changes, with the step before it
NAMES = ("accuracy",)


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
            wrong += int(np.sum(found[times] != ours.accuracy_alone(setting, gamma, times)))
            checked += len(times)
        evaluated = Amount.of([ours.margin_evaluations(setting, GAMMAS)], COUNT)
        return [
            Line("margins evaluated", evaluated, "brute force", Amount.of([brute], COUNT), at_least(500)),
            Line("mismatches", Amount.of([wrong], COUNT), "steps compared", Amount.of([checked], COUNT), at_most(0)),
        ]


def checked_times(accuracy: np.ndarray) -> np.ndarray:
    """Return times, ascending: where the accuracy changes and the one before (evenly chosen if many), and others."""
    changes = np.flatnonzero(np.diff(accuracy)) + 1
    few = changes[np.unique(np.linspace(0, len(changes) - 1, CHECKED // 4).astype(int))] if len(changes) else changes
    between = np.linspace(0, len(accuracy) - 1, CHECKED // 2).astype(int)
    return np.unique(np.concatenate([few, few - 1, between]))


MEMBER = Refinement
