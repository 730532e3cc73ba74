r"""What the two spherical solutions share: every sample moves in the plane of its feature and its target.

With $g_i$ the i-th column of W M, $u_i$ the unit vector of $h_i$ across $g_i$, and
$h_i = x_i\hat g_i + y_i u_i = r_i(\cos\theta_i\,\hat g_i + \sin\theta_i\,u_i)$, only $(x_i, y_i)$ move.
"""

from typing import Any, NamedTuple, Self

import jax.numpy as jnp
import numpy as np

from dynamics.experiment import Experiment
from dynamics.problem import Problem
from dynamics.scenario import NO_ZBAR
from dynamics.state import State
from theorems.closed_form import ABSENT, PRESENT, ClosedForm, Why
from theorems.snapshot import Features, Sizes, Snapshot, centre, log_norm, rows_angle, simplex_angle, whole


def angles(rows: Any, targets: Any) -> np.ndarray:
    """Return the angle between each row and its target, (n, p) both; it keeps its digits near 0 and near pi."""
    unit = targets / np.linalg.norm(targets, axis=1, keepdims=True)
    along = np.sum(rows * unit, axis=1)
    return np.arctan2(np.linalg.norm(rows - along[:, None] * unit, axis=1), along)


class Plane(NamedTuple):
    """The coordinates of every sample in its plane, (n,) each: x along its target, y across."""

    x: Any
    y: Any


class SphericalForm(ClosedForm):
    """Base of the spherical solutions. ``along``, ``across`` (n, p) span the planes; ``rates`` (n,) are s |g_i|.

    A tick is the `Plane` at one time; ``power`` is nu, the power of |h| that rescales the rate.
    """

    along: Any
    across: Any
    lengths: Any
    rates: Any
    power: Any
    begin: Plane
    prototypes: Any
    biases: Any

    @classmethod
    def of(cls, experiment: Experiment, problem: Problem, start: State) -> Self:
        """See `ClosedForm.of`."""
        total = np.sum(start.prototypes, axis=0)
        drive = problem.weights[:, None] * (problem.alpha * start.prototypes + problem.beta * total) / problem.samples
        lengths = np.linalg.norm(drive, axis=1)
        still = lengths <= PRESENT * np.linalg.norm(start.prototypes)
        lengths = np.where(still, 0.0, lengths)
        own = drive / np.where(still, 1.0, lengths)[:, None]
        radius = np.linalg.norm(start.features, axis=1)
        # A sample without a target keeps its own direction, with nothing across.
        along = np.where(still[problem.labels][:, None], start.features / radius[:, None], own[problem.labels])
        x = np.sum(start.features * along, axis=1)
        perpendicular = start.features - x[:, None] * along
        y = np.linalg.norm(perpendicular, axis=1)
        y = np.where(y > ABSENT * radius, y, 0.0)
        across = perpendicular / np.where(y > 0, y, 1.0)[:, None] * (y > 0)[:, None]
        ratio = np.float64(experiment.method.ratio)
        why = Why(distance_zbar=NO_ZBAR)
        if still.any():
            why["distance"] = "a column of W M is zero: its feature has nowhere to turn"
        return cls(
            why,
            along, across, lengths[problem.labels], ratio * lengths[problem.labels],
            experiment.scenario.numbers()["power"], Plane(x, y), start.prototypes, start.biases,
        )  # fmt: skip

    def stuck(self) -> str:
        """Return why the distance does not decay at all, or ""."""
        if "distance" in self.why:
            return self.why["distance"]
        if np.any((self.begin.y == 0) & (self.begin.x < 0)):
            return "a feature starts antipodal to its target and stays there"
        return "" if np.any(self.begin.y > 0) else "every feature starts at its target: nothing is left to decay"

    def state(self, problem: Problem, tick: Plane) -> tuple[Any, State]:
        """See `ClosedForm.state`."""
        del problem
        features = tick.x[:, None] * self.along + tick.y[:, None] * self.across
        return jnp.zeros(()), State(features, jnp.asarray(self.prototypes), jnp.asarray(self.biases))

    def snapshot(self, problem: Problem, tick: Plane) -> Snapshot:
        """See `ClosedForm.snapshot`. The loss and the accuracy see the normalised features."""
        log_scale, state = self.state(problem, tick)
        radius, angle = jnp.hypot(tick.x, tick.y), jnp.arctan2(jnp.abs(tick.y), tick.x)
        means = problem.class_means(state.features)
        between = jnp.sqrt(problem.sizes)[:, None] * centre(means, problem.sizes / problem.samples)
        prototypes = centre(self.prototypes)
        residual = log_norm(state.features - means[problem.labels])
        sizes = Sizes(
            log_scale=log_scale,
            inner=jnp.sum(self.lengths * tick.x / radius),
            log_inner=log_scale,
            squares=(jnp.sum(radius**2), jnp.sum(self.prototypes**2)),
            bias_drive=jnp.sum(state.biases * problem.bias_drive()),
            bias_square=jnp.sum(state.biases**2),
            log_biases=log_scale,
            log_residual=residual,
            log_between=log_norm(between),
            distance=jnp.sqrt(jnp.mean(4 * jnp.sin(angle / 2) ** 2)),
            distance_zbar=jnp.nan,
            alignment=rows_angle(centre(means), prototypes),
            simplex=simplex_angle(centre(means)),
        )
        return Snapshot(
            sizes=sizes,
            biases=state.biases[None],
            features=Features((), state.features / radius[:, None], jnp.zeros(problem.classes)),
            class_parts=(whole(prototypes),),
            resolved=True,
            means=centre(means),
            prototypes=prototypes,
        )
