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


def refuse_too_large(features: int, samples: int, classes: int, *, copies: float, rank: int, modes: int) -> None:
    """Refuse a problem that cannot fit, before anything large is allocated.

    ``copies`` of the state live at once, with four arrays of logits, the kernel's factor (three copies), and the
    dense generator on twice the classes (``modes`` squared, four copies).

    Raises:
        InputError: the estimate in GiB, and what there is.
    """
    state = features * (samples + classes)
    numbers = copies * state + 4 * samples * classes + 3 * features * samples * rank + 4 * modes**2
    need, there = 8 * numbers / GIB, SHARE * available() / GIB
    if need > there:
        raise InputError(
            f"the problem must fit into memory ({there:.1f} GiB), but needs about {need:.1f} GiB. "
            "Lower problem.features, problem.per_class, problem.classes or scenario.kernel_rank."
        )
