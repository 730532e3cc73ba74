r"""The spherical case straight from its gradient, in any number type, as a reference for claims.

A sample's loss is L = -(target . h/|h|) with target = ((1 + g) w_y - g sum_j w_j)/n: eq. (1) with unit features,
averaged, and eq. (18) if the prototypes sum to zero. So

    -dL/dh = (target - h^ (h^ . target))/|h|,   h^ = h/|h|.

Nothing here knows an angle: what is judged against it does.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any


def circle(half: Any) -> tuple[Any, Any]:
    """Return the cosine and the sine of an angle from the tangent of its half: no root, so exact in fractions."""
    return (1 - half**2) / (1 + half**2), 2 * half / (1 + half**2)


def target(prototypes: Sequence[Sequence[Any]], label: int, gamma: Any, samples: int) -> list[Any]:
    """Return ((1 + gamma) w_y - gamma sum_j w_j)/n; ``prototypes`` lists one prototype a row."""
    total = [sum(column) for column in zip(*prototypes, strict=True)]
    return [((1 + gamma) * w - gamma * all_w) / samples for w, all_w in zip(prototypes[label], total, strict=True)]


def push(h: Sequence[Any], toward: Sequence[Any], root: Callable[[Any], Any] = math.sqrt) -> list[Any]:
    """Return -dL/dh of one sample."""
    square, inner = sum(x * x for x in h), sum(x * t for x, t in zip(h, toward, strict=True))
    return [(t - x * inner / square) / root(square) for x, t in zip(h, toward, strict=True)]


def step(h: Sequence[Any], toward: Sequence[Any], rate: Any, root: Callable[[Any], Any] = math.sqrt) -> list[Any]:
    """Return the feature after one step of descent with the learning rate ``rate``."""
    return [x + rate * d for x, d in zip(h, push(h, toward, root), strict=True)]
