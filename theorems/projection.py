r"""The start seen by groups of classes: all that the coupled pair needs of it, found in one or two passes over H.

Rows are $\sqrt{n_c}\mu_c$ for features and $w_c$ for prototypes. In a group they split into the contrasts (what is left
once the group's mean is taken away) and one row for the group. What is only measured, and not a state, needs no more
than inner products; they are kept as coordinates, which lose nothing where two parts almost cancel: two vectors f, w in
the plane that they span are $f = (f_1, 0)$, $w = (w_1, w_2)$, and the rows of groups are coordinates in their own span.
Nothing here depends on gamma, on a decay or on a rate.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Self

import numpy as np

from dynamics.precision import namespace
from dynamics.problem import Problem
from dynamics.state import State
from theorems.closed_form import resolved
from theorems.modes import Axes, Groups, Modes

BLOCKS = 8


class Rows(NamedTuple):
    r"""A start by rows. ``rows`` (C, p): contrasts inside groups; ``group`` (G, p): one row for each.

    A name's end says of which: ``_h`` of $\sqrt{n_c}\mu_c$, ``_w`` of prototypes. ``means`` (C, p): $\mu_c$;
    ``residuals`` (n, p): R, which is H less its class means.
    """

    rows_h: Any
    rows_w: Any
    group_h: Any
    group_w: Any
    means: Any
    residuals: Any


class Reduced(NamedTuple):
    r"""A start as coordinates, named as in `Rows`: all that sizes are made of, and small.

    ``inside`` (G, 2) the contrasts of each group, ``between`` (G, r) the groups' rows, r = min(p, 2G), ``own``
    (C, r + 2) each class's contrast beside the groups' rows. ``residual`` is |R|, ``size`` |H| and |W|.
    ``simplex_perp`` (3, 3), ``simplex_par`` (3,) hold FF', FW' + WF', WW' of all contrasts across and along the simplex
    I - 11'/C. ``biases`` (C,).
    """

    inside_h: Any
    inside_w: Any
    between_h: Any
    between_w: Any
    own_h: Any
    own_w: Any
    residual: Any
    size_h: Any
    size_w: Any
    simplex_perp: Any
    simplex_par: Any
    biases: Any

    def scaled(self, features: Any, prototypes: Any) -> Self:
        """Return the reduction of a start whose H and W are multiplied by numbers."""
        a, b = features, prototypes
        weights = namespace(a).stack([a * a, a * b, b * b])
        return self._replace(
            **{name: a * getattr(self, name) for name in ("inside_h", "between_h", "own_h")},
            **{name: b * getattr(self, name) for name in ("inside_w", "between_w", "own_w")},
            size_h=abs(a) * self.size_h, size_w=abs(b) * self.size_w,
            residual=abs(a) * self.residual,
            simplex_perp=self.simplex_perp * weights, simplex_par=self.simplex_par * weights,
        )  # fmt: skip


def reduce(groups: Groups | Modes, problem: Problem, start: State) -> tuple[Reduced, Rows]:
    """Reduce a start. What is no more than rounding of H, or of W, is taken as zero."""
    xp = namespace(start.features)
    means = xp.asarray(problem.class_means(start.features))
    residuals = start.features - means[problem.labels]
    residual = _size(residuals)
    h = _split(groups, problem.sizes[:, None] ** 0.5 * means, residual)
    w = _split(groups, start.prototypes, 0.0)
    kept = resolved(residual, h.size)
    basis, upper = xp.linalg.qr(xp.concatenate([h.group, w.group]).T)
    between = upper.T  # as products with the basis they would not be exactly zero where they are
    own = [part.rows @ basis for part in (h, w)]
    planes = plane(*(part.rows - one @ basis.T for part, one in zip((h, w), own, strict=True)))
    reduced = Reduced(
        *_inside(groups, h, w), *xp.split(between, 2),
        *(xp.concatenate([part, rest], axis=1) for part, rest in zip(own, planes, strict=True)),
        xp.where(kept, residual, 0.0), h.size, w.size, *_simplex(h.rows, w.rows), start.biases,
    )  # fmt: skip
    return reduced, Rows(h.rows, w.rows, h.group, w.group, means, xp.where(kept, residuals, 0.0))


def _size(rows: Any) -> Any:
    """Return the Frobenius norm."""
    return namespace(rows).sqrt(_row_sums(rows * rows).sum())


def _row_sums(rows: Any) -> Any:
    """Return the sum of each row, blocks of columns added first: compiled, a sum of all at once is not vectorised."""
    width = rows.shape[1] // BLOCKS
    blocks = sum(rows[:, k * width : (k + 1) * width] for k in range(BLOCKS))
    return blocks.sum(1) + rows[:, BLOCKS * width :].sum(1)


def plane(f: Any, w: Any) -> tuple[Any, Any]:
    """Return two vectors, along the last axis, in the plane that they span: (f1, 0) and (w1, w2), f1 and w2 >= 0."""
    return _plane(f, w, namespace(f).sqrt((f * f).sum(-1)), lambda products: products.sum(-1))


def _plane(
    f: Any, w: Any, length: Any, total: Callable[[Any], Any], spread: Callable[[Any], Any] = lambda x: x
) -> tuple[Any, Any]:
    """Return `plane`, ``length`` being |f|; ``total`` sums products of entries, ``spread`` puts a sum beside them."""
    xp = namespace(f)
    safe = xp.where(length > 0, length, 1.0)
    along = total(w * f) / safe
    rest = w - spread(along / safe)[..., None] * f
    across = xp.sqrt(total(rest * rest))
    return xp.stack([length, xp.zeros_like(length)], -1), xp.stack([along, across], -1)


class Split(NamedTuple):
    """Rows of classes as contrasts inside groups ``rows`` (C, p), ``lengths`` (G,) of them, and ``group`` rows (G, p).

    ``size`` is the norm of all.
    """

    rows: Any
    lengths: Any
    group: Any
    size: Any


def _split(groups: Groups | Modes, rows: Any, others: Any) -> Split:
    """Split class rows (C, p), contrasts that are rounding taken as zero; ``others`` is the norm of what is beside."""
    xp, sums = namespace(rows), _sums(groups, rows)
    contrasts = rows - (sums / groups.count[:, None])[groups.group]
    group = sums / groups.count[:, None] ** 0.5
    squares = _sums(groups, _row_sums(contrasts * contrasts))
    size = xp.sqrt(squares.sum() + (group**2).sum() + others**2)
    lengths = xp.sqrt(squares)
    kept = resolved(lengths, size) & (groups.count > 1)
    return Split(xp.where(kept[groups.group][:, None], contrasts, 0.0), xp.where(kept, lengths, 0.0), group, size)


def _inside(groups: Groups | Modes, h: Split, w: Split) -> tuple[Any, Any]:
    """Return `plane` of the contrasts of each group, (G, 2)."""
    return _plane(
        h.rows, w.rows, h.lengths, lambda products: _sums(groups, _row_sums(products)), lambda sums: sums[groups.group]
    )


def _sums(groups: Groups | Modes, rows: Any) -> Any:
    """Return the sums of class rows (C, ...) over each group."""
    return (np.arange(len(groups.count))[:, None] == groups.group).astype(float) @ rows


def _simplex(f: Any, w: Any) -> tuple[Any, Any]:
    """Return FF', FW' + WF', WW' as (coordinates (3, 3) of their parts across, (3,) along) the unit simplex."""
    xp, classes = namespace(f), len(f)
    products = xp.stack([f @ f.T, f @ w.T + w @ f.T, w @ w.T])
    simplex = (np.eye(classes) - 1 / classes) / np.sqrt(classes - 1.0)
    along = (products * simplex).sum((1, 2))
    across = products - along[:, None, None] * simplex
    return xp.linalg.qr(across.reshape(3, -1).T, mode="r"), along


class Pairs(NamedTuple):
    """The start's part in each pair (F v, W u), (J, 2) each, in the plane of the pair: as given, and along the axes."""

    f: Any
    w: Any
    grow: Any
    fall: Any

    @classmethod
    def of(cls, axis: Axes, f: Any, w: Any) -> Self:
        """Turn pairs onto their axes; a part along an axis that is only rounding counts as zero."""
        cos, sin = axis.cos[:, None], axis.sin[:, None]
        xp = namespace(f)
        whole = xp.sqrt((f * f + w * w).sum(1))
        parts = (sin * f + cos * w, cos * f - sin * w)
        return cls(f, w, *(xp.where(_kept(part, whole), part, 0.0) for part in parts))

    def lengths(self) -> tuple[Any, Any]:
        """Return the lengths of the growing and the falling parts, (J,) each."""
        xp = namespace(self.grow)
        return xp.linalg.norm(self.grow, axis=1), xp.linalg.norm(self.fall, axis=1)


class Vectors(NamedTuple):
    """Each class's row of the modes between groups, (C, G), and what tells classes apart in it.

    ``left`` + ``shared`` (G,) carries prototypes, ``right`` class means; ``left_centred``, ``means_centred`` and
    ``between`` are centred for Y, X and the denominator of nc1. ``groups_left``, ``groups_means``, ``groups_between``
    (G, G) are these in the orthonormal basis of the groups, the last for sqrt(n_c) mu_c.

    A group that is alone has exact zeros in what is centred: rounding would leave 1e-17, which a mode 1e300 times
    larger would turn into everything.
    """

    left: Any
    shared: Any
    right: Any
    left_centred: Any
    means_centred: Any
    between: Any
    groups_left: Any
    groups_means: Any
    groups_between: Any

    @classmethod
    def of(cls, modes: Modes, problem: Problem, even: bool) -> Self:
        """Return the vectors of a problem; ``even`` says that the classes of each group have one size."""
        group, count, root = modes.group, modes.count, problem.sizes[:, None] ** 0.5
        size = problem.sizes[modes.first]
        mean, share = (count / problem.classes) ** 0.5, (count * size / problem.samples) ** 0.5
        means = modes.right / size[:, None] ** 0.5
        centred = [_without(mean, modes.left), _without(mean, means), _without(share, modes.right)]
        left, right = ((v / count[:, None] ** 0.5)[group] for v in (modes.left, modes.right))
        spread = [(v / count[:, None] ** 0.5)[group] for v in centred]
        if even:
            return cls(left, modes.shared, right / root, spread[0], spread[1], spread[2] / root, *centred)
        right = right / root
        between = right - problem.sizes / problem.samples @ right
        return cls(left, modes.shared, right, spread[0], right - right.mean(0), between, *centred)


def _without(unit: Any, vectors: Any) -> Any:
    """Return vectors (G, K) less their part along a unit vector (G,)."""
    return vectors - unit[:, None] * (unit @ vectors)


class Between(NamedTuple):
    """The start's modes between groups, F = sqrt(n_c) mu_c/sqrt s and W, as coordinates (G, r) in their common span."""

    f: Any
    w: Any


def project(modes: Modes, ratio: Any, start: Reduced) -> tuple[Between, Any, Any]:
    """Return a start along the modes, and the pairs f, w (2G, 2): contrasts of each group, then modes between them."""
    root = ratio**0.5
    f = _turned(modes.right, start.between_h / root, start.size_h / root)
    w = _turned(modes.whole_left, start.between_w, start.size_w)
    inside = start.inside_h / root, start.inside_w
    return Between(f, w), *(namespace(f).concatenate(parts) for parts in zip(inside, plane(f, w), strict=True))


class Coordinates(NamedTuple):
    """The start as (F, W): contrasts in groups (C, p), along the modes between (G, p), residuals (n, p) of H."""

    f_rows: Any
    w_rows: Any
    f_between: Any
    w_between: Any
    residuals: Any


def project_rows(modes: Modes, ratio: Any, between: Between, rows: Rows) -> Coordinates:
    """Return the rows of a start along the modes; those that are zero in ``between`` are zero."""
    scale = 1 / ratio**0.5  # not a quotient of rows: it takes twice the time of a product
    f, w = modes.right.T @ rows.group_h * scale, modes.whole_left.T @ rows.group_w
    kept = [namespace(part).any(part != 0, axis=1, keepdims=True) for part in between]
    return Coordinates(rows.rows_h * scale, rows.rows_w, kept[0] * f, kept[1] * w, rows.residuals)


def _turned(vectors: Any, rows: Any, whole: Any) -> Any:
    """Return the coordinates of rows along modes, (G, r); what is no more than rounding is zero."""
    turned = vectors.T @ rows
    return namespace(turned).where(_kept(turned, whole), turned, 0.0)


def _kept(rows: Any, whole: Any) -> Any:
    """Return whether each row is more than rounding, (rows, 1)."""
    return resolved(namespace(rows).linalg.norm(rows, axis=1), whole)[:, None]


def existing(modes: Modes, samples: int) -> Any:
    """Return which modes the model has, (2J + 1,): a lone class has no contrasts, lone samples no residuals."""
    xp = namespace(modes.count)
    pairs = xp.concatenate([modes.count > 1, xp.ones(len(modes.count), dtype=bool)])
    return xp.concatenate([pairs, pairs, xp.asarray([samples > len(modes.group)])])
