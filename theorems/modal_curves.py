r"""What inner products tell of the coupled pair, at all times at once: a run's curves, without a row of its state.

Sizes, angles and distances are made of the start's coordinates (`theorems.projection`) and the multipliers. Time is the
last axis of all that is computed here, if there is any.
"""

import operator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynamics.problem import Problem
from theorems.modal_pairs import ModalPairs, Tick, stacked, written_out
from theorems.projection import plane
from theorems.propagation import length, norm_of, products
from theorems.snapshot import Frame, Sizes, chord, measured
from theorems.unrolled import column, each, in_blocks, largest, like, total

BLOCK = 2**16  # coordinates of classes at all the times that are in memory at once
LIFT = 2.0**400  # squares of what is lifted by it are numbers from 1e-280 to 1e30


class ModalCurves(ModalPairs):
    """The metrics of the coupled pair that need no rows of classes or samples."""

    def at_once(self, frame: Frame, problem: Problem, ticks: Tick) -> dict[str, Any]:
        """See `ClosedForm.at_once`: from inner products."""
        return self.measured(frame, problem, written_out(jax.tree.map(jnp.transpose, ticks)))

    def measured(self, frame: Frame, problem: Problem, moving: Tick) -> dict[str, Any]:
        """Return the metrics that need no rows of classes, (T,) each, and the shares (T, C)."""
        few = isinstance(moving.logs, tuple)

        def part(tick: Tick) -> dict[str, Any]:
            times = written_out(tick) if few else tick
            return measured(frame, self.sizes(problem, times)) | self._shares(problem, tick)

        if len(self.modes.count) == 1:
            return part(stacked(moving))
        return in_blocks(part, stacked(moving), max(1, BLOCK // self.reduced.own_h.size))

    def sizes(self, problem: Problem, tick: Tick) -> Sizes:
        """Return `Sizes` at one time, or at many if the last axis of the tick is time."""
        log_scale = tick.log_scale
        factors = self._factors(tick)
        f, w = self._moved(tick, factors)
        residual = self.reduced.residual * factors[-1]
        sigma = like(jnp.concatenate([self.modes.contrast, self.modes.sigma]), f[0])
        start, drive = plane(self.reduced.biases, problem.bias_drive())
        bias = [x * tick.biases.grown + y * tick.biases.driven for x, y in zip(start, drive, strict=True)]
        log_between, alignment = self._alignment(problem, stacked(tick))
        return Sizes(
            log_scale=log_scale,
            inner=jnp.sqrt(self.ratio) * total(each(operator.mul, sigma, products(f, w))),
            log_inner=2 * log_scale,
            squares=(self.ratio * total(products(f, f)) + residual**2, total(products(w, w))),
            bias_drive=drive[0] * bias[0] + drive[1] * bias[1],
            bias_square=bias[0] ** 2 + bias[1] ** 2,
            log_biases=tick.biases.log,
            log_residual=log_scale + tick.logs[-1] + jnp.log(self.reduced.residual),
            distance=jnp.where(self.has_limit, self._distance(tick, factors, self.fastest), jnp.nan),
            distance_zbar=self._distance_zbar(tick, factors, f, w),
            log_between=log_between,
            alignment=alignment,
            simplex=self._simplex(stacked(tick)),
        )

    def _distance(self, tick: Tick, factors: Any, chosen: Any, sign: Any = 1.0) -> Any:
        r"""Return $|Z/|Z| - L/|L||$ with L the chosen modes' part of the start, with all digits however small it is.

        Z = k L + Q with k the largest multiplier of the chosen modes, which all have one ``sign``: Q is small where the
        distance is.
        """
        mask = like(chosen, factors)
        k = sign * largest(each(lambda m, x: jnp.where(m, jnp.abs(x), 0.0), mask, factors))
        limit = self._lifted(1.0 * chosen)
        whole = length(limit)
        unit = LIFT / whole  # Q may be so small that its square is nothing
        q = self._lifted(each(lambda m, x: jnp.where(m, x - k, x) * unit, mask, factors))
        direction = [like(part / whole, x) for part, x in zip(limit, q, strict=True)]
        along = sum(total(each(operator.mul, x, y)) for x, y in zip(q, direction, strict=True))
        across = length([each(lambda x, y: x - along * y, x, y) for x, y in zip(q, direction, strict=True)])
        return chord(across / LIFT, k + along / LIFT)

    def _distance_zbar(self, tick: Tick, factors: Any, f: Any, w: Any) -> Any:
        r"""Return the distance to $\bar Z = (\sqrt s X, X)$, eq. (9); it is a mode, and so gets small, if s l1 = l2."""
        residual = self.reduced.residual * factors[-1]
        if not self.balanced:
            return jnp.full_like(residual, jnp.nan)
        x, root = (self.pairs.f[0] + self.pairs.w[0]) / 2, jnp.sqrt(self.ratio)
        x = x / (jnp.linalg.norm(x) * jnp.sqrt(1 + self.ratio))
        h = [each(lambda part: root * part, part) for part in f]
        along = sum(x[k] * (root * h[k][0] + w[k][0]) for k in range(2))
        own = [part for k in range(2) for part in (h[k][0] - root * x[k] * along, w[k][0] - x[k] * along)]
        others = sum(part[1] ** 2 for part in (*h, *w))
        far = chord(jnp.sqrt(sum(part**2 for part in own) + others + residual**2), along)
        near = self._distance(tick, factors, np.arange(len(self.exponents)) == 0, tick.signs[0])
        return jnp.where(self.has_zbar, jnp.where(self.zbar_grows, near, far), jnp.nan)

    def _alignment(self, problem: Problem, tick: Tick) -> tuple[Any, Any]:
        r"""Return (ln of the norm that nc1 divides by, Y across and along X), or None where only the rows tell.

        With one group X and Y are the contrasts of F and W, moved by one 2 x 2 propagator, so
        $|X \wedge Y| = |g_+ g_-||F_0 \wedge W_0|$: exact down to underflow.
        """
        if not self.even:
            return None, None
        vectors, sizes = self.vectors, problem.sizes[self.modes.first]
        (ff, fw, _, _), log_x = self._differing(tick, vectors.groups_means)
        x = self._image(ff, fw, 1 / jnp.sqrt(sizes), vectors.groups_means)
        (_, _, wf, ww), log_y = self._differing(tick, vectors.groups_left)
        y = self._image(wf, ww, jnp.ones_like(sizes), vectors.groups_left)
        (ff, fw, _, _), log = self._differing(tick, vectors.groups_between)
        between = jnp.sqrt(self.ratio) * norm_of(self._image(ff, fw, jnp.ones_like(sizes), vectors.groups_between))
        size_x, size_y = norm_of(x), norm_of(y)
        along = jnp.sum(x * y, axis=0) / (size_x * size_y)
        if self.balanced:
            (f1, _), (_, w2) = self.pairs.f[0], self.pairs.w[0]
            rise = self._log_wedge(tick) - log_x - log_y
            across = jnp.exp(rise) * f1 * w2 / jnp.sqrt(sizes[0]) / (size_x * size_y)
        else:
            across = norm_of(y / size_y - along * x / size_x)
        return jnp.log(between) + log + tick.log_scale, (across, along)

    def _image(self, from_f: Any, from_w: Any, unit: Any, vectors: Any) -> Any:
        """Return from_f F0 + from_w W0 as coordinates (D, ...): contrasts times ``unit`` (G,), and modes between."""
        groups, (a, b) = len(self.modes.count), (from_f[:, None], from_w[:, None])
        f, w = column(self.pairs.f, a), column(self.pairs.w, a)
        inside = column(unit[:, None], a) * (a[:groups] * f[:groups] + b[:groups] * w[:groups])
        inside = inside.reshape(-1, *inside.shape[2:])
        if groups == 1:  # a lone group has no modes between that tell classes apart
            return inside
        between = jnp.tensordot(vectors, self._common(from_f, from_w), 1)
        return jnp.concatenate([inside, between.reshape(-1, *between.shape[2:])])

    def _common(self, from_f: Any, from_w: Any) -> Any:
        """Return from_f F0 + from_w W0 along the modes between, as coordinates (G, r, ...) in their common span."""
        a, b = (entry[len(self.modes.count) :, None] for entry in (from_f, from_w))
        return a * column(self.between.f, a) + b * column(self.between.w, a)

    def _simplex(self, tick: Tick) -> tuple[Any, Any] | None:
        """Return X'X across and along the simplex: of one group, three fixed matrices tell; else only the rows do."""
        if not self.balanced:
            return None
        (ff, fw, _, _), _ = self._differing(tick, self.vectors.groups_means)
        a, b = ff[0] / jnp.sqrt(self.ratio), fw[0]
        weights = jnp.stack([a * a, a * b, b * b])
        along = jnp.tensordot(self.reduced.simplex_par, weights, 1)
        return norm_of(jnp.tensordot(self.reduced.simplex_perp, weights, 1)), along

    def _shares(self, problem: Problem, tick: Tick) -> dict[str, Any]:
        """Return each class's share of |Y| and of |X|, (..., C)."""
        if not self.even:
            return {}
        root, vectors, found = jnp.sqrt(self.ratio), self.vectors, {}
        (_, _, wf, ww), _ = self._differing(tick, vectors.groups_left)
        found["share_prototypes"] = self._lengths(wf, ww, jnp.ones_like(problem.sizes), vectors.left_centred)
        (ff, fw, _, _), _ = self._differing(tick, vectors.groups_means)
        found["share_means"] = root * self._lengths(ff, fw, 1 / jnp.sqrt(problem.sizes), vectors.means_centred)
        return {name: jnp.moveaxis(rows / norm_of(rows), 0, -1) for name, rows in found.items()}

    def _lengths(self, from_f: Any, from_w: Any, unit: Any, vectors: Any) -> Any:
        """Return the lengths (C, ...) of the rows that `_lift` gives, through coordinates."""
        group, groups = self.modes.group, len(self.modes.count)
        a, b = from_f[group][:, None] / jnp.sqrt(self.ratio), from_w[group][:, None]
        rows = a * column(self.reduced.own_h, a) + b * column(self.reduced.own_w, a)
        rows = column(unit[:, None], a) * rows
        if groups > 1:
            between = jnp.tensordot(vectors, self._common(from_f, from_w), 1)
            rows = rows.at[:, : between.shape[1]].add(between)
        return jnp.sqrt(jnp.sum(rows * rows, axis=1))
