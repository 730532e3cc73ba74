r"""The coupled pair (H, W), solved mode by mode: Theorems 2 and 4 for any class sizes, weights, lambdas and s.

Dictionary to the paper, balanced and unregularized: the growing contrasts are $E_1^+$, the falling ones $E_1^-$, the
mean mode's two are $E_2^\pm$, the residuals $E_3$; $A = W_0 + \tilde h_0/\sqrt s$ is $\sqrt 2$ times the growing
coordinate.

A solution is built here from a start. How it moves is in `theorems.modal_pairs`, what inner products tell at all times
at once in `theorems.modal_curves`, and what only rows of classes and samples do, at one time, in `theorems.modal_rows`.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from dynamics.experiment import Experiment
from dynamics.method import Timing
from dynamics.precision import namespace
from dynamics.problem import Problem
from dynamics.scenario import NO_ZBAR
from dynamics.schedule import Numbers
from dynamics.state import State, rescaled
from dynamics.trajectory import Decay
from theorems.closed_form import PRESENT, SWINGS, Why, leading, numbers_of, swinging
from theorems.modal_pairs import Tick, stacked
from theorems.modal_rows import ModalRows
from theorems.modes import Groups, Modes, axes, label_modes
from theorems.projection import Pairs, Reduced, Vectors, existing, project, project_rows, reduce
from theorems.propagation import length, lifted


class Kept(eqx.Module):
    """A start reduced to what every setting of gamma, decays and rates reads of it."""

    even: bool = eqx.field(static=True)
    groups: Groups
    reduced: Reduced


class Modal(ModalRows):
    """Base of the solutions of the coupled pair, mode by mode."""

    @classmethod
    def of(cls, experiment: Experiment, problem: Problem, start: State) -> Self:
        """See `ClosedForm.of`."""
        return cls.builder(problem, start)(experiment, problem)

    @classmethod
    def builder(cls, problem: Problem, start: State) -> Callable[[Experiment, Problem], Self]:
        """See `ClosedForm.builder`."""
        groups = label_modes(problem)
        even, (reduced, rows) = _even(groups, problem), reduce(groups, problem, start)

        def build(experiment: Experiment, problem: Problem) -> Self:
            modes, timing = label_modes(problem), experiment.method.timing()
            form = cls._built(even, modes, problem, reduced, numbers_of(experiment), timing)
            coordinates = project_rows(modes, form.ratio, form.between, rows)
            return dataclasses.replace(form, why=form._reasons(problem, timing), start=coordinates)

        return build

    def _reasons(self, problem: Problem, timing: Timing) -> Why:
        """Return why distances have no value, if so."""
        reasons = Why()
        if not self.has_limit:
            leaders = leading(timing, self.exponents, existing(self.modes, problem.samples))
            reasons["distance"] = leaders.why() or "the start has no part in the fastest-growing modes"
        if not self.balanced:
            reasons["distance_zbar"] = NO_ZBAR
        elif not self.has_zbar:
            reasons["distance_zbar"] = "Zbar is zero: the start has no part in the growing contrasts (E1+)"
        return reasons

    @classmethod
    def states(
        cls, experiment: Experiment, problem: Problem, start: State, times: np.ndarray
    ) -> tuple[Any, State] | None:
        """See `ClosedForm.states`."""
        groups, numbers, timing = Groups.of(problem), numbers_of(experiment), experiment.method.timing()
        return _states(cls, _even(groups, problem), groups, problem, start, numbers, timing, times)

    @classmethod
    def keep(cls, problem: Problem, start: State, names: tuple[str, ...] = ()) -> "Kept":
        """See `ClosedForm.keep`."""
        groups = Groups.of(problem)
        wanted = "nc2" in names, any(name.startswith("share") for name in names)
        return Kept(_even(groups, problem), groups, _reduced(wanted, groups, problem, start))

    @classmethod
    def setting(cls, kept: "Kept", problem: Problem, numbers: Numbers, timing: Timing) -> Self:
        """See `ClosedForm.setting`."""
        reduced = kept.reduced.scaled(numbers["scale_h"], numbers["scale_w"])
        return cls._built(kept.even, label_modes(problem, kept.groups), problem, reduced, numbers, timing)

    @classmethod
    def _built(
        cls, even: bool, modes: Modes, problem: Problem, reduced: Reduced, numbers: Numbers, timing: Timing
    ) -> Self:
        """Build the solution from a reduced start, all but the rows that a state is made of."""
        xp, ratio = namespace(reduced.size_h), numbers["ratio"]
        lambda_h, lambda_w = (numbers.get(name, 0.0) for name in ("lambda_h", "lambda_w"))
        axis = axes(xp.concatenate([modes.contrast, modes.sigma]), ratio, lambda_h, lambda_w)
        exponents = xp.concatenate([axis.grow, axis.fall, xp.reshape(-ratio * lambda_h, (1,))])
        between, f, w = project(modes, ratio, reduced)
        pairs = Pairs.of(axis, f, w)
        leaders = leading(timing, exponents, existing(modes, problem.samples))
        limit, whole = (
            length(lifted(axis, ratio, pairs, reduced.residual, 1.0 * chosen))
            for chosen in (leaders.fastest, xp.ones(len(exponents), dtype=bool))
        )
        zbar = xp.linalg.norm(pairs.f[0] + pairs.w[0]) / 2 * (1 + ratio) ** 0.5
        return cls(
            why=Why(),
            even=even,
            modes=modes,
            vectors=Vectors.of(modes, problem, even),
            axis=axis,
            ratio=ratio,
            exponents=exponents,
            reduced=reduced,
            between=between,
            pairs=pairs,
            decay_b=numbers.get("lambda_b"),
            fastest=leaders.fastest,
            has_limit=~leaders.dead & ~leaders.oscillates & (limit > PRESENT * whole),
            has_zbar=zbar > PRESENT * xp.hypot(reduced.size_h, reduced.size_w),
            zbar_grows=xp.asarray(ratio * lambda_h == lambda_w),
        )

    def notes(self) -> tuple[str, ...]:
        """See `ClosedForm.notes`: what is no more than rounding of the start, or of gamma, was taken as absent."""
        exists = existing(self.modes, len(self.start.residuals))
        absent = int(np.sum(exists & ~np.asarray(self.present())))
        notes = []
        if absent:
            notes.append(
                f"the start has no part, beyond its rounding, in {absent} of {exists.sum()} modes: the exact solution "
                "stays out of them for ever, while a simulation drifts into those that grow"
            )
        if len(self.modes.count) > 1 and np.any(self.modes.shared != 0):
            notes.append(
                "gamma = 2/(C - 2) up to its rounding, where classes of different size do not mix: the exact solution "
                "keeps them apart for ever, while a simulation mixes them"
            )
        return tuple(notes)

    def ticks(self, experiment: Experiment, problem: Problem, times: np.ndarray) -> Tick:
        """See `ClosedForm.ticks`."""
        del problem
        return jax.tree.map(lambda x: np.asarray(x).T, _moving(self, experiment.method.timing(), times))

    def decay(self, experiment: Experiment, ticks: Tick) -> Decay:
        """See `ClosedForm.decay`: the gap, per zeta, to the slowest mode of the start outside L."""
        if "distance" in self.why:
            return Decay(None, None, self.why["distance"])
        grow, fall = self.pairs.lengths()
        cos, sin = self.axis.cos, self.axis.sin
        lengths = np.sqrt(self.ratio * sin**2 + cos**2) * grow, np.sqrt(self.ratio * cos**2 + sin**2) * fall
        parts = np.concatenate([*lengths, [self.reduced.residual]])
        whole = length(lifted(self.axis, self.ratio, self.pairs, self.reduced.residual, np.ones(len(parts))))
        logs = np.where(parts > PRESENT * whole, self._last_logs(experiment, ticks), -np.inf)
        zeta = experiment.method.zeta(np.array([experiment.method.horizon]))[-1]
        slower = np.where(self.fastest, -np.inf, logs)
        if not np.isfinite(slower).any():
            return Decay(None, None, "the start lies in its limit: nothing is left to decay")
        if swinging(experiment.method, np.asarray(self.exponents))[np.argmax(slower)]:
            return Decay(None, None, SWINGS)
        return Decay(float((logs[self.fastest].max() - slower.max()) / zeta), "exponential")

    def _last_logs(self, experiment: Experiment, ticks: Tick) -> Any:
        """Return the logarithms of all multipliers at the last tick, at any scale."""
        del experiment
        return ticks.logs[-1]


def _even(groups: Groups | Modes, problem: Problem) -> bool:
    """Return whether the classes of each group have one size. Not for jit."""
    return all(len(np.unique(problem.sizes[groups.group == g])) == 1 for g in range(len(groups.count)))


@partial(jax.jit, static_argnums=0)
def _reduced(wanted: tuple[bool, bool], groups: Groups, problem: Problem, start: State) -> Reduced:
    """Return a reduced start; what holds the simplex, and what each class's own share, only if wanted."""
    found = reduce(groups, problem, start)[0]
    parts = (("simplex_perp", "simplex_par"), ("own_h", "own_w"))
    unread = [name for want, names in zip(wanted, parts, strict=True) if not want for name in names]
    return found._replace(**{name: jnp.zeros_like(getattr(found, name)) for name in unread})


@partial(jax.jit, static_argnums=(0, 1))
def _states(
    solution: type[Modal], even: bool, groups: Groups, problem: Problem, start: State, numbers: Numbers, timing: Timing,
    times: Any,
) -> tuple[Any, State]:  # fmt: skip
    modes = label_modes(problem, groups)
    reduced, rows = reduce(groups, problem, start)
    form = solution._built(even, modes, problem, reduced, numbers, timing)
    form = dataclasses.replace(form, start=project_rows(modes, form.ratio, form.between, rows))

    def at(tick: Tick) -> tuple[Any, State]:
        squares = form.sizes(problem, tick).squares
        log_norm = tick.log_scale + jnp.log(squares[0] + squares[1]) / 2
        kept, classes = rescaled(tick.log_scale, log_norm, form.by_class(problem, tick))
        factor = jnp.exp(tick.log_scale - kept) * form._residual(tick)

        def spread() -> Any:
            return classes.features[problem.labels] + factor * (start.features - rows.means[problem.labels])

        # A branch of its own: XLA would compute a class mean anew for each entry of its samples.
        features = jax.lax.cond(reduced.residual > 0, spread, lambda: classes.features[problem.labels])
        return kept, State(features, classes.prototypes, classes.biases)

    ticks = jax.tree.map(jnp.transpose, stacked(form.moving(timing, times)))
    if len(times) > 1:
        return jax.lax.map(at, ticks)
    return jax.tree.map(lambda x: x[None], at(jax.tree.map(lambda x: x[0], ticks)))  # spares a copy of the state


@jax.jit
def _moving(form: Modal, timing: Timing, times: Any) -> Tick:
    return stacked(form.moving(timing, times))
