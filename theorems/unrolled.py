"""Arithmetic on many modes at many times, written out mode by mode where the modes are few.

A compiler turns an array (modes, times) with a short first axis into loops that it cannot vectorise, and keeps all of
it in memory. A tuple with one array of times for each mode becomes one loop over times. So values by mode are either: a
tuple, or one array whose first axis is the mode, and the functions here take both.
"""

import functools
import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

FEW = 17  # modes that are written out, of four groups of classes; more would only make compilation slow


def each(function: Callable[..., Any], *modes: Any) -> Any:
    """Return a function of every mode."""
    return tuple(map(function, *modes)) if isinstance(modes[0], tuple) else function(*modes)


def several(function: Callable[..., tuple[Any, ...]], *modes: Any) -> tuple[Any, ...]:
    """Return every one of the values that a function has for each mode, by mode."""
    return tuple(zip(*map(function, *modes), strict=True)) if isinstance(modes[0], tuple) else function(*modes)


def like(values: Any, modes: Any) -> Any:
    """Return one number for each mode so that it meets what ``modes`` holds."""
    return tuple(values) if isinstance(modes, tuple) else column(values, modes)


def column(values: Any, array: Any) -> Any:
    """Return values with further axes behind, so that they meet an array whose last axis is time."""
    return values.reshape(values.shape + (1,) * (array.ndim - values.ndim))


def total(terms: Any) -> Any:
    """Return the sum over modes."""
    return functools.reduce(operator.add, terms) if isinstance(terms, tuple) else terms.sum(0)


def largest(terms: Any) -> Any:
    """Return the maximum over modes."""
    return functools.reduce(jnp.maximum, terms) if isinstance(terms, tuple) else terms.max(0)


def in_blocks(function: Callable[[Any], Any], tree: Any, size: int) -> Any:
    """Return a function of times, last axis of all arrays in ``tree``, applied to ``size`` of them after the other.

    Its results have the times as their first axis.
    """
    count = jax.tree.leaves(tree)[0].shape[-1]
    blocks = -(-count // size)
    if blocks == 1:
        return function(tree)

    def cut(array: Any) -> Any:
        beyond = [(0, 0)] * (array.ndim - 1) + [(0, blocks * size - count)]
        padded = jnp.pad(array, beyond, mode="edge")
        return jnp.moveaxis(padded.reshape(*array.shape[:-1], blocks, size), -2, 0)

    found = jax.lax.map(function, jax.tree.map(cut, tree))
    return jax.tree.map(lambda part: part.reshape(blocks * size, *part.shape[2:])[:count], found)
