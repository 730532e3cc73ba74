r"""Prototype-anchored features: Theorem 6, for flow and descent, lambda = 0 included.

$H = g H_0 + s\,d\,WM$ with $g$ the multiplier of the exponent $w = -s l_1$ and $d = (g - 1)/w$ (zeta at w = 0).
"""

from typing import Any, ClassVar, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np

from dynamics.experiment import Experiment
from dynamics.problem import Problem
from dynamics.scenario import NO_ZBAR
from dynamics.state import State
from dynamics.trajectory import Decay
from theorems.closed_form import PRESENT, ClosedForm, Why, snap
from theorems.relax import Relaxation, relaxation
from theorems.snapshot import Features, Sizes, Snapshot, centre, chord, log_norm, rows_angle, simplex_angle, whole


class Parts(NamedTuple):
    """Norms of the start: |H0 perpendicular to WM|, <H0, WM>/|WM|, |WM|, |W|."""

    across: Any
    along: Any
    target: Any
    prototypes: Any


class Anchored(ClosedForm):
    """Anchored features: Theorem 6, flow and descent.

    ``means`` and ``drive`` (C, p) are the class means of H0 and of WM; a tick is (log, g, d).
    """

    kind: ClassVar[str] = "anchored"
    ratio: Any
    decay_h: Any
    means: Any
    residuals: Any
    drive: Any
    prototypes: Any
    biases: Any
    parts: Parts

    @classmethod
    def covers(cls, experiment: Experiment) -> bool:
        """See `ClosedForm.covers`."""
        return experiment.scenario.kind == "anchored"

    @classmethod
    def of(cls, experiment: Experiment, problem: Problem, start: State) -> Self:
        """See `ClosedForm.of`."""
        ratio, decay_h = np.float64(experiment.method.ratio), experiment.scenario.numbers()["lambda_h"]
        total = np.sum(start.prototypes, axis=0)
        drive = problem.weights[:, None] * (problem.alpha * start.prototypes + problem.beta * total) / problem.samples
        means = np.asarray(problem.class_means(start.features))
        target = np.sqrt(np.sum(problem.sizes * np.sum(drive**2, axis=1)))
        unit = drive[problem.labels] / target if target > 0 else np.zeros_like(start.features)
        along = np.sum(start.features * unit)
        whole = np.linalg.norm(start.features)
        parts = Parts(
            np.linalg.norm(snap(start.features - along * unit, whole)), along, target, np.linalg.norm(start.prototypes)
        )
        reason, timing = "", experiment.method.timing()
        if not target > PRESENT * np.linalg.norm(start.prototypes):
            reason = "W M is zero: the prototypes drive no feature"
        elif relaxation(timing, ratio * decay_h, timing.ends).log[-1] > 0:
            reason = "the learning rate is above 2/(s lambda_h): the features oscillate and diverge"
        residuals = snap(start.features - means[problem.labels], whole)
        why = Why(distance_zbar=NO_ZBAR) | (Why(distance=reason) if reason else Why())
        return cls(Why(why), ratio, decay_h, means, residuals, drive, start.prototypes, start.biases, parts)

    def ticks(self, experiment: Experiment, problem: Problem, times: np.ndarray) -> Relaxation:
        """See `ClosedForm.ticks`."""
        return jax.device_get(relaxation(experiment.method.timing(), self.ratio * self.decay_h, times))

    def state(self, problem: Problem, tick: Relaxation) -> tuple[Any, State]:
        """See `ClosedForm.state`."""
        means = tick.grown * self.means + self.ratio * tick.driven * self.drive
        features = means[problem.labels] + tick.grown * self.residuals
        return tick.log, State(features, jnp.exp(-tick.log) * self.prototypes, self.biases)

    def snapshot(self, problem: Problem, tick: Relaxation) -> Snapshot:
        """See `ClosedForm.snapshot`."""
        log_scale, state = self.state(problem, tick)
        means = tick.grown * self.means + self.ratio * tick.driven * self.drive
        between = jnp.sqrt(problem.sizes)[:, None] * centre(means, problem.sizes / problem.samples)
        parts, driven = self.parts, self.ratio * tick.driven
        along, across = tick.grown * parts.along + driven * parts.target, jnp.abs(tick.grown) * parts.across
        prototypes = centre(self.prototypes)
        drive = problem.bias_drive()
        sizes = Sizes(
            log_scale=log_scale,
            inner=along * parts.target,
            log_inner=log_scale,
            squares=(along**2 + across**2, (jnp.exp(-log_scale) * parts.prototypes) ** 2),
            bias_drive=jnp.sum(self.biases * drive),
            bias_square=jnp.sum(self.biases**2),
            log_biases=jnp.zeros(()),
            log_residual=jnp.log(jnp.abs(tick.grown)) + log_norm(self.residuals),
            log_between=log_norm(between),
            distance=chord(across, along),
            distance_zbar=jnp.nan,
            alignment=rows_angle(centre(means), prototypes),
            simplex=simplex_angle(centre(means)),
        )
        return Snapshot(
            sizes=sizes,
            biases=state.biases[None],
            features=Features((), state.features, jnp.full(problem.classes, log_scale)),
            class_parts=(whole(prototypes),),
            resolved=True,
            means=centre(means),
            prototypes=prototypes,
        )

    def decay(self, experiment: Experiment, ticks: Relaxation) -> Decay:
        """See `ClosedForm.decay`: s l1 for a flow; without decay the direction settles only like 1/zeta."""
        if "distance" in self.why:
            return Decay(None, None, self.why["distance"])
        if self.parts.across == 0:
            return Decay(None, None, "H0 is parallel to W M: nothing is left to decay")
        if self.decay_h == 0:
            return Decay(1.0, "algebraic")
        zeta = experiment.method.zeta(np.array([experiment.method.horizon]))[-1]
        multiplier = abs(ticks.grown[-1])
        if multiplier == 0:
            return Decay(None, None, "the decay is below the smallest number, or one step removes all of it")
        return Decay(float(-np.log(multiplier) / zeta), "exponential")


MEMBER = Anchored
