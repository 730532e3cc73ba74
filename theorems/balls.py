"""Matrices of balls (python-flint's, with proved error bounds), as the claims use them; all at the precision in force.

Entries that go in are exact: whole numbers, fractions, or float64 values, which are dyadic. A state is p x (n + C), the
features beside the prototypes.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from flint import arb, arb_mat, fmpq


def ball(number: Fraction) -> arb:
    """Return an enclosure of a fraction."""
    return arb(fmpq(number.numerator, number.denominator))


def exact(array: np.ndarray) -> arb_mat:
    """Return a matrix of float64 values as it is."""
    return arb_mat(array.tolist())


def identity(size: int) -> arb_mat:
    """Return I."""
    return arb_mat([[int(i == j) for j in range(size)] for i in range(size)])


def centring(size: int) -> arb_mat:
    """Return P = I - 11'/C: on the right it takes each row's mean away."""
    return arb_mat([[int(i == j) - arb(1) / size for j in range(size)] for i in range(size)])


def spread(labels: Sequence[int], classes: int) -> arb_mat:
    """Return E, n x C with 1/sqrt(n_c) at the own class: H E is h~, and X E' gives each sample its class's column."""
    entries = [1 / arb(max(labels.count(c), 1)).sqrt() for c in range(classes)]
    return arb_mat([[entries[c] if c == label else arb(0) for c in range(classes)] for label in labels])


def columns(z: arb_mat, which: Iterable[int]) -> arb_mat:
    """Return some of the columns."""
    wanted = list(which)
    return arb_mat([[row[j] for j in wanted] for row in z.tolist()])


def split(z: arb_mat, at: int) -> tuple[arb_mat, arb_mat]:
    """Return the first columns, and the rest: (H, W) of a state, at n."""
    return columns(z, range(at)), columns(z, range(at, z.ncols()))


def beside(left: arb_mat, right: arb_mat) -> arb_mat:
    """Return one matrix of two, side by side."""
    return arb_mat([a + b for a, b in zip(left.tolist(), right.tolist(), strict=True)])


def above(top: arb_mat, bottom: arb_mat) -> arb_mat:
    """Return one matrix of two, the first on top."""
    return arb_mat(top.tolist() + bottom.tolist())


def inner(z: arb_mat, other: arb_mat) -> arb:
    """Return the sum of the products of the entries."""
    return sum((a * b for a, b in zip(z.entries(), other.entries(), strict=True)), arb(0))


def root(square: arb) -> arb:
    """Return the square root of a number that is known to be >= 0, even where its ball reaches below 0."""
    return arb(0).union(square.abs_upper().sqrt()) if square.contains(0) else square.sqrt()


def norm(z: arb_mat) -> arb:
    """Return the Frobenius norm."""
    return root(inner(z, z))


def unit(z: arb_mat) -> arb_mat:
    """Return Z/|Z|."""
    return z / norm(z)


def generator(operator: Any, ratio: Any = 1, decay_h: Any = 0, decay_w: Any = 0) -> arb_mat:
    """Return G of d(H, W)/d zeta = (H, W) G, eq. (12), from M (C x n) and balls or exact numbers."""
    m, s = arb_mat(operator), arb(ratio)
    features = beside(identity(m.ncols()) * (-s * decay_h), m.transpose())
    return above(features, beside(m * s, identity(m.nrows()) * -arb(decay_w)))
