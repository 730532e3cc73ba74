"""How much memory a problem needs, and how much there is."""

import os
from pathlib import Path

from dynamics.errors import InputError

GIB = 2**30
SHARE = 0.9  # of the memory found; the rest is the system's
LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def available() -> int:
    """Return the bytes of memory that this process may use."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for name in LIMITS:
        text = Path(name).read_text().strip() if Path(name).exists() else ""
        if text.isdigit():
            total = min(total, int(text))
    return total


def refuse_too_large(
    features: int, samples: int, classes: int, *, copies: int, rank: int, modes: int, steps: int, points: int
) -> None:
    """Refuse a problem that cannot fit, before anything large is allocated.

    ``copies`` of the state live at once, with four arrays of logits, the kernel's factor (three copies) and what it
    pulls, and the dense generator on twice the classes (``modes`` squared, four copies). The rates of all ``steps``
    live about ten times, and each of the saved ``points`` is a row of Python objects.

    Raises:
        InputError: the estimate in GiB, and what there is.
    """
    needs = {
        "problem.features, problem.per_class or problem.classes": copies * features * (samples + classes)
        + 4 * samples * classes
        + 4 * modes**2,
        "scenario.kernel_rank": rank * (3 * features * samples + 3 * features * classes + 4 * rank),
        "method.steps": 10 * steps,
        "output.points": points * (1000 + 16 * classes),
    }
    refuse_bytes(8 * sum(needs.values()), "the problem", f"Lower {max(needs, key=lambda name: needs[name])}.")


def refuse_bytes(need: int, subject: str, cure: str) -> None:
    """Refuse what needs more bytes than there are. ``need`` is an exact int: it may exceed the largest float."""
    there = int(SHARE * available())
    if need > there:
        shown = f"about {need / GIB:.1f}" if need < 2**100 else "more than 1e21"
        raise InputError(f"{subject} must fit into memory ({there / GIB:.1f} GiB), but needs {shown} GiB. {cure}")
