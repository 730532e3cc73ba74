"""The coupled pair at one time, as rows of classes and samples: states, and what only rows tell.

Parts at different scales stay apart (`theorems.snapshot.Part`): what tells two classes apart may be smaller than what
they share by any power.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynamics.problem import Problem
from dynamics.state import State
from theorems.margins import Motion, Motions
from theorems.modal_curves import ModalCurves
from theorems.modal_pairs import Tick
from theorems.scatter import Scatter, by_mode
from theorems.snapshot import (
    Features,
    Part,
    Snapshot,
    bias_parts,
    centre,
    log_norm,
    rows_angle,
    simplex_angle,
    times_exp,
)


class ModalRows(ModalCurves):
    """The state of the coupled pair at one tick, by samples or by classes, and its snapshot."""

    start: Any = None  # `Coordinates`; without them, there is no state

    def state(self, problem: Problem, tick: Tick) -> tuple[Any, State]:
        """See `ClosedForm.state`."""
        classes = self.by_class(problem, tick)
        features = classes.features[problem.labels] + self._residual(tick) * self.start.residuals
        return tick.log_scale, State(features, classes.prototypes, classes.biases)

    def by_class(self, problem: Problem, tick: Tick) -> State:
        """Return the state with the class means (C, p) instead of features, its biases as they are."""
        entries = self._entries(tick, 0.0)
        means = self._means(problem, entries, self.vectors.right)
        biases = times_exp(jnp.sum(self._biases(problem, tick), axis=0), tick.biases.log)
        return State(means, self._prototypes(entries, self.vectors.left + self.vectors.shared), biases)

    def motions(self, problem: Problem, ticks: Tick) -> Motions:
        r"""See `ClosedForm.motions`: $F = \sin g_+\gamma + \cos g_-\varphi$ of every pair, and W alike."""
        groups, group, j = len(self.modes.count), self.modes.group, len(self.axis.cos)
        cos, sin, start = self.axis.cos[:, None], self.axis.sin[:, None], self.start
        logs = (ticks.logs + ticks.log_scale[:, None]).T
        root = np.sqrt(self.ratio / problem.sizes)[:, None]
        present, prototypes, means = np.asarray(self.present()), [], []
        for k in range(j):
            inside = (group == k)[:, None]
            f = start.f_rows * inside if k < groups else start.f_between[k - groups]
            w = start.w_rows * inside if k < groups else start.w_between[k - groups]
            left = 1.0 if k < groups else self.vectors.left[:, [k - groups]]
            right = root if k < groups else np.sqrt(self.ratio) * self.vectors.right[:, [k - groups]]
            parts = (sin[k] * f + cos[k] * w, (cos[k], sin[k])), (cos[k] * f - sin[k] * w, (-sin[k], cos[k]))
            for m, (part, (to_w, to_f)) in zip((k, j + k), parts, strict=True):
                here = part * present[m]
                means.append(Motion(right * to_f * here, logs[m], ticks.signs[:, m]))
                if k < groups or groups > 1:  # what a lone group adds to every prototype tells no class from another
                    prototypes.append(Motion(left * to_w * here, logs[m], ticks.signs[:, m]))
        relaxed = ticks.biases
        own, driven = self.reduced.biases, problem.alpha * problem.weights * problem.sizes / problem.samples
        with np.errstate(divide="ignore"):
            biases = [
                Motion(rows, relaxed.log + np.log(np.abs(by)), np.where(by < 0, -1.0, 1.0))
                for rows, by in ((own, relaxed.grown), (driven, relaxed.driven))
            ]
        residuals = Motion(start.residuals, logs[-1], ticks.signs[:, -1])
        return Motions(prototypes, means, residuals, biases)

    def snapshot(self, problem: Problem, tick: Tick) -> Snapshot:
        """See `ClosedForm.snapshot`."""
        left, right = self.vectors.left_centred, self.vectors.means_centred
        y = self._prototypes(self._differing(tick, left)[0], left)
        x = centre(self._means(problem, self._differing(tick, right)[0], right))
        sizes = self.sizes(problem, tick)
        if not self.even:
            entries, log = self._differing(tick, self.vectors.between)
            between = centre(self._means(problem, entries, self.vectors.between), problem.sizes / problem.samples)
            between = jnp.sqrt(problem.sizes)[:, None] * between
            sizes = sizes._replace(log_between=log_norm(between) + log + tick.log_scale, alignment=rows_angle(x, y))
        return Snapshot(
            sizes=sizes if self.balanced else sizes._replace(simplex=simplex_angle(x)),
            biases=self._biases(problem, tick),
            features=self._features(problem, tick),
            class_parts=self._class_parts(tick),
            resolved=True,
            means=x,
            prototypes=y,
        )

    def scatter(self, problem: Problem, tick: Tick) -> Scatter:
        """See `ClosedForm.scatter`."""
        modes, log_residual = self.modes, float(tick.logs[-1] + tick.log_scale)
        parts = by_mode(modes.group, modes.right, problem.sizes, self.ratio, *_by_mode(self, tick))
        return Scatter(*parts, self.start.residuals, log_residual)

    def _biases(self, problem: Problem, tick: Tick) -> Any:
        """Return $b = g b_0 + m (g - 1)/w$, $w = -l_b$, over e^log, as a sum: Theorem 4, with psi integrating eta2."""
        return bias_parts(problem, self.reduced.biases, tick.biases.grown, tick.biases.driven)

    def _prototypes(self, entries: Any, vectors: Any) -> Any:
        """Return the prototypes (C, p); ``vectors`` (C, G) carry the modes between groups."""
        return self._lift(*entries[2:], vectors)

    def _means(self, problem: Problem, entries: Any, vectors: Any) -> Any:
        """Return the class means (C, p); ``vectors`` (C, G) carry the modes between groups, divided by sqrt(n_c)."""
        return jnp.sqrt(self.ratio) * self._lift(*entries[:2], vectors, 1 / jnp.sqrt(problem.sizes)[:, None])

    def _lift(self, from_f: Any, from_w: Any, vectors: Any, unit: Any = 1.0) -> Any:
        """Return (C, p) rows of from_f F0 + from_w W0, mode by mode; ``unit`` multiplies the contrasts."""
        inside, between = self._parts(from_f, from_w)
        return unit * inside + vectors @ between

    def _parts(self, from_f: Any, from_w: Any) -> tuple[Any, Any]:
        """Return from_f F0 + from_w W0: the contrasts inside groups (C, p), the modes between groups (G, p)."""
        groups, group, start = len(self.modes.count), self.modes.group, self.start
        rows = from_f[group][:, None] * start.f_rows + from_w[group][:, None] * start.w_rows
        between = from_f[groups:, None] * start.f_between + from_w[groups:, None] * start.w_between
        return rows, between

    def _own(self, tick: Tick) -> tuple[Any, Any, tuple[Any, Any, Any, Any]]:
        """Return (logs of the groups' contrasts (G,), of the modes between (G,), entries), each pair at its own."""
        log_group, log_mode = self._pair_logs(tick)
        entries = self._entries(tick, jnp.concatenate([log_group, log_mode]))
        return log_group + tick.log_scale, log_mode + tick.log_scale, entries

    def _features(self, problem: Problem, tick: Tick) -> Features:
        """Return the features by parts: contrasts inside groups, modes between groups, residuals."""
        log_group, log_mode, (ff, fw, _, _) = self._own(tick)
        inside, between = self._parts(ff, fw)
        rows, log = _spread(self.vectors.right, between, log_mode)
        root, index = jnp.sqrt(self.ratio), jnp.arange(problem.classes)
        inside = root / jnp.sqrt(problem.sizes)[:, None] * inside
        parts = (Part(inside, log_group[self.modes.group], index), Part(root * rows, log, index))
        log_rest = jnp.where(
            problem.sizes > 1, tick.logs[-1] + tick.log_scale, -jnp.inf
        )  # one sample is its class's mean
        return Features(parts, tick.signs[-1] * self.start.residuals, log_rest)

    def _class_parts(self, tick: Tick) -> tuple[Part, ...]:
        """Return the parts of the prototypes that can differ: contrasts inside groups, modes between groups."""
        group, groups = self.modes.group, len(self.modes.count)
        log_group, log_mode, (_, _, wf, ww) = self._own(tick)
        inside, between = self._parts(wf, ww)
        contrasts = Part(inside, log_group[group], jnp.arange(len(group)))
        rows, log = _spread(self.vectors.left, between, log_mode)
        first = jnp.argmax(group[:, None] == group, axis=1)  # one row for a group: its classes are equal to the bit
        return (contrasts, Part(rows, log, first))[: min(groups, 2)]


@jax.jit
def _by_mode(form: ModalRows, tick: Tick) -> tuple[Any, Any, Any, Any]:
    """Return F by mode, contrasts (C, p) and modes between (G, p), and ln of what each group's and mode's is times."""
    log_group, log_mode, (ff, fw, _, _) = form._own(tick)
    return *form._parts(ff, fw), log_group, log_mode


def _spread(vectors: Any, modes: Any, logs: Any) -> tuple[Any, Any]:
    """Return (rows (C, p), logs (C,)) of vectors (C, G) @ modes (G, p) e^logs: each at its largest mode's scale."""
    present = vectors != 0
    top = jnp.max(jnp.where(present, logs, -jnp.inf), axis=1)
    top = jnp.where(jnp.isfinite(top), top, 0.0)
    return jnp.where(present, vectors * jnp.exp(logs - top[:, None]), 0.0) @ modes, top
