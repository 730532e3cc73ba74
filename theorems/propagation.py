r"""How a pair (F v, W u) of a singular mode moves, and sums over the coordinates of all pairs.

A pair is two vectors in the plane that they span, so it has two coordinates (`theorems.projection`); values by pair are
a tuple or an array (`theorems.unrolled`), and time, if there is any, is the last axis.
"""

import math
from typing import Any

import jax.numpy as jnp

from dynamics.precision import namespace
from theorems.modes import Axes
from theorems.projection import Pairs
from theorems.unrolled import each, like, several, total

CLOSE = 2.0**-6  # logarithms closer than this: the difference of their exponentials is summed as a series
SERIES = [1 / math.factorial(k) for k in range(1, 9)]


def lifted(axis: Axes, ratio: Any, pairs: Pairs, residual: Any, weights: Any) -> tuple[Any, ...]:
    r"""Return $(\sqrt s F, W, R)$ of the sum of all modes' parts times ``weights``, coordinates by pair."""
    j, root = len(axis.cos), namespace(ratio).sqrt(ratio)
    up, down, parts = weights[:j], weights[j : 2 * j], (*pairs.grow.T, *pairs.fall.T)
    cos, sin, *parts = (like(part, up) for part in (axis.cos, axis.sin, *parts))

    def lift(up: Any, down: Any, cos: Any, sin: Any, g1: Any, g2: Any, d1: Any, d2: Any) -> tuple[Any, ...]:
        a, b, c, d = root * sin * up, root * cos * down, cos * up, sin * down
        return a * g1 + b * d1, a * g2 + b * d2, c * g1 - d * d1, c * g2 - d * d2

    return *several(lift, up, down, cos, sin, *parts), each(lambda x: residual * x, weights[2 * j :])


def products(x: tuple[Any, Any], y: tuple[Any, Any]) -> Any:
    """Return the inner products, by pair, of what is given as two coordinates."""
    return each(lambda a, b, c, d: a * c + b * d, *x, *y)


def length(parts: Any) -> Any:
    """Return the norm of what several coordinates hold, each by mode."""
    squares = sum(total(each(lambda x: x * x, part)) for part in parts)
    return namespace(squares).sqrt(squares)


def propagator(cos: Any, sin: Any, grown: Any, fallen: Any, up: Any, down: Any) -> tuple[Any, Any, Any]:
    r"""Return how a pair (F, W) moves, entries (ff, fw, ww), from its multipliers and their logarithms.

    $ff = \sin^2 g_+ + \cos^2 g_-$, $fw = \sin\cos\,(g_+ - g_-)$, $ww = \cos^2 g_+ + \sin^2 g_-$ at the angle of the
    axes, g the multipliers ``grown`` and ``fallen`` at any scale: F and W are never mixed, so each keeps its digits
    where the other is far larger.
    """
    apart = jnp.where(grown * fallen < 0, grown - fallen, difference(grown, fallen, up - down))
    return sin**2 * grown + cos**2 * fallen, sin * cos * apart, cos**2 * grown + sin**2 * fallen


def difference(one: Any, other: Any, gap: Any) -> Any:
    """Return e^a - e^b of numbers of one sign, with ``gap`` = a - b: its digits are kept where they are close."""
    series = SERIES[-1]
    for coefficient in SERIES[-2::-1]:
        series = series * gap + coefficient
    return jnp.where(jnp.abs(gap) < CLOSE, other * gap * series, one - other)


def norm_of(rows: Any) -> Any:
    """Return the norm over the first axis of rows (D, ...)."""
    return jnp.sqrt(jnp.sum(rows * rows, axis=0))
