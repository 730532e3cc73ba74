"""The start seen along the modes: coordinates, inner products, and what tells classes apart."""

from typing import Any, NamedTuple, Self

import numpy as np

from dynamics.problem import Problem
from dynamics.state import State
from theorems.closed_form import snap
from theorems.modes import Axes, Modes
from theorems.snapshot import centre


class Coordinates(NamedTuple):
    """The start along the axes: contrasts inside groups (C, p), a row a class, and between groups (G, p)."""

    grow_rows: Any
    fall_rows: Any
    grow_between: Any
    fall_between: Any
    residuals: Any


class Vectors(NamedTuple):
    """Each class's row of the modes between groups, (C, G), and what tells classes apart in it.

    ``left`` carries prototypes, ``right`` class means; ``left_centred``, ``means_centred`` and ``between`` are centred
    for Y, X and the denominator of nc1. They are made outside jit, where a row that is constant gives exact zeros:
    compiled code may fuse operations and leave 1e-17, which a mode 1e300 times larger would turn into everything.
    """

    left: Any
    right: Any
    left_centred: Any
    means_centred: Any
    between: Any

    @classmethod
    def of(cls, modes: Modes, problem: Problem) -> Self:
        """Return the vectors of a problem."""
        left, right = ((v / np.sqrt(modes.count)[:, None])[modes.group] for v in (modes.left, modes.right))
        means = right / np.sqrt(problem.sizes)[:, None]
        return cls(left, means, centre(left), centre(means), centre(means, problem.sizes / problem.samples))


class Gram(NamedTuple):
    """Inner products of the start's parts, per sigma (J,): |grow|^2, |fall|^2, <grow, fall>, |grow ^ fall|; |R|^2."""

    grow: Any
    fall: Any
    cross: Any
    wedge: Any
    residual: Any

    def lifted(self, axis: Axes, ratio: Any) -> "Gram":
        r"""Return the same for the parts lifted to $(H, W) = (\sqrt s F, W)$, where for s != 1 pairs overlap."""
        return self._replace(
            grow=(ratio * axis.sin**2 + axis.cos**2) * self.grow,
            fall=(ratio * axis.cos**2 + axis.sin**2) * self.fall,
            cross=(ratio - 1) * axis.sin * axis.cos * self.cross,
        )

    def product(self, x: Any, y: Any) -> Any:
        """Return <sum x_j e_j, sum y_j e_j> over the modes' parts e_j; x and y are (2J + 1,)."""
        j = self.grow.shape[0]
        a, b, c, d = x[:j], x[j : 2 * j], y[:j], y[j : 2 * j]
        pairs = (self.grow * a * c + self.fall * b * d + self.cross * (a * d + b * c)).sum()
        return pairs + self.residual * x[-1] * y[-1]

    def inner(self, axis: Axes, ratio: Any, sigma: Any, factors: Any) -> Any:
        r"""Return $\langle W, HM'\rangle = \sqrt s\sum_j\sigma_j\langle f_j, w_j\rangle$ for one factor a mode."""
        up, down, mixed = self._weighted(factors)
        diagonal = axis.sin * axis.cos * (up - down)
        return ratio**0.5 * (sigma * (diagonal + (axis.cos**2 - axis.sin**2) * mixed)).sum()

    def squares(self, axis: Axes, ratio: Any, factors: Any) -> tuple[Any, Any]:
        """Return |H|^2 and |W|^2 for one factor a mode."""
        up, down, mixed = self._weighted(factors)
        cross = 2 * axis.sin * axis.cos * mixed
        features = (axis.sin**2 * up + axis.cos**2 * down + cross).sum()
        prototypes = (axis.cos**2 * up + axis.sin**2 * down - cross).sum()
        return ratio * features + factors[-1] ** 2 * self.residual, prototypes

    def _weighted(self, factors: Any) -> tuple[Any, Any, Any]:
        """Return the three inner products of each pair, with the factors."""
        j = self.grow.shape[0]
        up, down = factors[:j], factors[j : 2 * j]
        return up**2 * self.grow, down**2 * self.fall, up * down * self.cross

    def norms(self) -> np.ndarray:
        """Return the norm of each mode's part, (2J + 1,)."""
        return np.sqrt(np.concatenate([self.grow, self.fall, [self.residual]]))


def project(modes: Modes, axis: Axes, ratio: Any, problem: Problem, start: State) -> Coordinates:
    """Return the start along the axes. What is no more than rounding of the start is taken as zero."""
    root, groups = np.sqrt(ratio), len(modes.count)
    whole_h, whole_w = np.linalg.norm(start.features), np.linalg.norm(start.prototypes)
    means = np.asarray(problem.class_means(start.features))
    reduced = np.sqrt(problem.sizes)[:, None] * means / root
    f_rows, f_between = _split(modes, reduced, modes.right, whole_h / root)
    w_rows, w_between = _split(modes, start.prototypes, modes.left, whole_w)
    rows = _turn(f_rows, w_rows, axis.cos[:groups], axis.sin[:groups], modes.group)
    between = _turn(f_between, w_between, axis.cos[groups:], axis.sin[groups:], np.arange(groups))
    return Coordinates(*rows, *between, snap(start.features - means[problem.labels], whole_h))


def _split(modes: Modes, rows: Any, vectors: np.ndarray, whole: Any) -> tuple[np.ndarray, np.ndarray]:
    """Split class rows (C, p) into contrasts inside the groups (C, p) and coordinates between groups (G, p)."""
    sums = np.zeros((len(modes.count), rows.shape[1]))
    np.add.at(sums, modes.group, rows)
    contrasts = rows - (sums / modes.count[:, None])[modes.group]
    contrasts = np.where(modes.count[modes.group][:, None] > 1, contrasts, 0.0)
    between = vectors.T @ (sums / np.sqrt(modes.count)[:, None])
    for g in range(len(modes.count)):
        inside = modes.group == g
        contrasts[inside] = snap(contrasts[inside], whole)
        between[g] = snap(between[g], whole)
    return contrasts, between


def _turn(f: np.ndarray, w: np.ndarray, cos: Any, sin: Any, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn (F, W) rows to the growing and falling axes, group by group."""
    c, s = cos[group][:, None], sin[group][:, None]
    grow, fall = s * f + c * w, c * f - s * w
    for g in range(len(cos)):
        inside = group == g
        whole = np.hypot(np.linalg.norm(f[inside]), np.linalg.norm(w[inside]))
        grow[inside], fall[inside] = snap(grow[inside], whole), snap(fall[inside], whole)
    return grow, fall


def gram_of(modes: Modes, start: Coordinates) -> Gram:
    """Return the inner products of the start's parts."""

    def pairs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.einsum("cp,cp->c", a, b)

    groups = len(modes.count)
    grow = pairs(start.grow_rows, start.grow_rows)
    scale = np.bincount(modes.group, pairs(start.grow_rows, start.fall_rows), groups)
    square = np.bincount(modes.group, grow, groups)
    scale = np.where(square > 0, scale / np.where(square > 0, square, 1.0), 0.0)
    rest = start.fall_rows - scale[modes.group][:, None] * start.grow_rows
    square_between = pairs(start.grow_between, start.grow_between)
    ones = np.zeros(groups)
    wedge = np.sqrt(square * np.bincount(modes.group, pairs(rest, rest), groups))
    return Gram(
        grow=np.concatenate([square, square_between]),
        fall=np.concatenate(
            [
                np.bincount(modes.group, pairs(start.fall_rows, start.fall_rows), groups),
                pairs(start.fall_between, start.fall_between),
            ]
        ),
        cross=np.concatenate(
            [
                np.bincount(modes.group, pairs(start.grow_rows, start.fall_rows), groups),
                pairs(start.grow_between, start.fall_between),
            ]
        ),
        wedge=np.concatenate([wedge, ones]),
        residual=float(np.sum(start.residuals**2)),
    )


def share(lifted: Gram, chosen: np.ndarray) -> float:
    """Return the norm of the chosen modes' part of the start over that of the start."""
    mask, ones = chosen.astype(float), np.ones(len(chosen))
    whole = lifted.product(ones, ones)
    return float(np.sqrt(lifted.product(mask, mask) / whole)) if whole > 0 else 0.0


def existing(modes: Modes, samples: int) -> np.ndarray:
    """Return which modes the model has, (2J + 1,): a lone class has no contrasts, lone samples no residuals."""
    pairs = np.concatenate([modes.count > 1, np.ones(len(modes.count), dtype=bool)])
    return np.concatenate([pairs, pairs, [samples > len(modes.group)]])
