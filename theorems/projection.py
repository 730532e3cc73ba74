"""The start seen along the modes: coordinates, inner products, and what tells classes apart."""

from typing import Any, NamedTuple, Self

import numpy as np

from dynamics.problem import Problem
from dynamics.state import State
from theorems.closed_form import snap
from theorems.modes import Axes, Modes
from theorems.snapshot import centre


class Coordinates(NamedTuple):
    r"""The start as (F, W), $F = \tilde h/\sqrt s$: contrasts in groups (C, p), a row a class, and between (G, p)."""

    f_rows: Any
    w_rows: Any
    f_between: Any
    w_between: Any
    residuals: Any


class Vectors(NamedTuple):
    """Each class's row of the modes between groups, (C, G), and what tells classes apart in it.

    ``left`` + ``shared`` (G,) carries prototypes, ``right`` class means; ``left_centred``, ``means_centred`` and
    ``between`` are centred for Y, X and the denominator of nc1. They are made outside jit, where a row that is constant
    gives exact zeros: compiled code may fuse operations and leave 1e-17, which a mode 1e300 times larger would turn
    into everything.
    """

    left: Any
    shared: Any
    right: Any
    left_centred: Any
    means_centred: Any
    between: Any

    @classmethod
    def of(cls, modes: Modes, problem: Problem) -> Self:
        """Return the vectors of a problem."""
        left, right = ((v / np.sqrt(modes.count)[:, None])[modes.group] for v in (modes.left, modes.right))
        means = right / np.sqrt(problem.sizes)[:, None]
        weights = problem.sizes / problem.samples
        return cls(left, modes.shared, means, centre(left), centre(means), centre(means, weights))


class Gram(NamedTuple):
    """Inner products of the start's parts, per sigma (J,).

    Of the parts along the axes: |grow|^2, |fall|^2, <grow, fall>; as given: |F|^2, |W|^2, <F, W>, |F ^ W|; and |R|^2.
    """

    grow: Any
    fall: Any
    cross: Any
    features: Any
    prototypes: Any
    mixed: Any
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

    def inner(self, ratio: Any, sigma: Any, entries: Any) -> Any:
        r"""Return $\langle W, HM'\rangle = \sqrt s\sum_j\sigma_j\langle f_j, w_j\rangle$ for entries (ff, fw, ww)."""
        ff, fw, ww = entries
        moved = ff * fw * self.features + ww * fw * self.prototypes + (ff * ww + fw**2) * self.mixed
        return ratio**0.5 * (sigma * moved).sum()

    def squares(self, ratio: Any, entries: Any, residual: Any) -> tuple[Any, Any]:
        """Return |H|^2 and |W|^2 for propagator entries (ff, fw, ww) and the factor of the residuals."""
        features, prototypes = self.pair_squares(entries)
        return ratio * features.sum() + residual**2 * self.residual, prototypes.sum()

    def pair_squares(self, entries: Any) -> tuple[Any, Any]:
        """Return |f_j|^2 and |w_j|^2 of every pair, (J,) each."""
        ff, fw, ww = entries
        return (
            ff**2 * self.features + fw**2 * self.prototypes + 2 * ff * fw * self.mixed,
            fw**2 * self.features + ww**2 * self.prototypes + 2 * fw * ww * self.mixed,
        )

    def norms(self) -> np.ndarray:
        """Return the norm of each mode's part, (2J + 1,)."""
        return np.sqrt(np.concatenate([self.grow, self.fall, [self.residual]]))


def project(modes: Modes, ratio: Any, problem: Problem, start: State) -> Coordinates:
    """Return the start along the modes. What is no more than rounding of H, or of W, is taken as zero."""
    root = np.sqrt(ratio)
    whole_h, whole_w = np.linalg.norm(start.features), np.linalg.norm(start.prototypes)
    means = np.asarray(problem.class_means(start.features))
    reduced = np.sqrt(problem.sizes)[:, None] * means / root
    f_rows, f_between = _split(modes, reduced, modes.right, whole_h / root)
    w_rows, w_between = _split(modes, start.prototypes, modes.whole_left, whole_w)
    return Coordinates(f_rows, w_rows, f_between, w_between, snap(start.features - means[problem.labels], whole_h))


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


def gram_of(modes: Modes, axis: Axes, start: Coordinates) -> Gram:
    """Return the inner products of the start's parts; a part along an axis that is only rounding counts as zero."""
    groups = len(modes.count)
    blocks = [
        _pair_gram(start.f_rows[modes.group == g], start.w_rows[modes.group == g], axis, g) for g in range(groups)
    ]
    blocks += [_pair_gram(start.f_between[[g]], start.w_between[[g]], axis, groups + g) for g in range(groups)]
    return Gram(*np.array(blocks).T, float(np.sum(start.residuals**2)))


def _pair_gram(f: np.ndarray, w: np.ndarray, axis: Axes, j: int) -> tuple[float, ...]:
    """Return the seven inner products of one pair."""
    cos, sin = axis.cos[j], axis.sin[j]
    whole = np.hypot(np.linalg.norm(f), np.linalg.norm(w))
    grow, fall = snap(sin * f + cos * w, whole), snap(cos * f - sin * w, whole)
    ff, fw = np.sum(f * f), np.sum(f * w)
    rest = w - fw / ff * f if ff > 0 else np.zeros_like(w)
    wedge = np.sqrt(ff) * np.linalg.norm(rest)
    return np.sum(grow**2), np.sum(fall**2), np.sum(grow * fall), ff, np.sum(w * w), fw, wedge


def limit_rows(modes: Modes, axis: Axes, ratio: Any, start: Coordinates, chosen: np.ndarray) -> np.ndarray:
    r"""Return the chosen modes' part of the start, (2, C, p): $\sqrt{n_c}$ class means and prototypes."""
    j = len(axis.cos)
    up, down, groups = chosen[:j].astype(float), chosen[j : 2 * j].astype(float), len(modes.count)
    ff, fw = up * axis.sin**2 + down * axis.cos**2, (up - down) * axis.sin * axis.cos
    ww = up * axis.cos**2 + down * axis.sin**2
    rows = []
    for from_f, from_w, vectors in ((ff, fw, modes.right), (fw, ww, modes.whole_left)):
        inside = from_f[modes.group][:, None] * start.f_rows + from_w[modes.group][:, None] * start.w_rows
        between = from_f[groups:, None] * start.f_between + from_w[groups:, None] * start.w_between
        rows.append(inside + (vectors / np.sqrt(modes.count)[:, None])[modes.group] @ between)
    return np.stack([np.sqrt(ratio) * rows[0], rows[1]])


def share(lifted: Gram, chosen: np.ndarray) -> float:
    """Return the norm of the chosen modes' part of the start over that of the start."""
    mask, ones = chosen.astype(float), np.ones(len(chosen))
    whole = lifted.product(ones, ones)
    return float(np.sqrt(lifted.product(mask, mask) / whole)) if whole > 0 else 0.0


def existing(modes: Modes, samples: int) -> np.ndarray:
    """Return which modes the model has, (2J + 1,): a lone class has no contrasts, lone samples no residuals."""
    pairs = np.concatenate([modes.count > 1, np.ones(len(modes.count), dtype=bool)])
    return np.concatenate([pairs, pairs, [samples > len(modes.group)]])
