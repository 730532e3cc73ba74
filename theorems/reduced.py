r"""The coupled pair by descent, simulated as 2 x 2 matrices: exact whatever the two learning rates do.

A singular mode of M moves its pair (F, W) by $P \leftarrow (I + \eta_1 A + \eta_2 B)P$ with

$$A = \begin{pmatrix}-l_1 & \sigma/\sqrt s\\ 0 & 0\end{pmatrix}, \qquad
B = \begin{pmatrix}0 & 0\\ \sqrt s\,\sigma & -l_2\end{pmatrix}$$

in the coordinates of `theorems.modes`, $F = \sqrt{n_c}\mu_c/\sqrt s$. Where $\eta_1/\eta_2$ varies, these matrices do
not commute and no product formula exists. The residuals within classes and the biases are moved by two more matrices,
so all of it is one array (2, 2, K), whatever p and n are: the start meets it only where it is measured.
"""

import dataclasses
import time
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np

from dynamics.errors import must
from dynamics.experiment import Experiment, changed
from dynamics.measure import METRICS, PER_CLASS
from dynamics.method import Timing
from dynamics.precision import exact
from dynamics.preparation import prepare
from dynamics.problem import Problem
from dynamics.schedule import Numbers, descent_rate
from dynamics.simulation import unsorted
from dynamics.trajectory import Trajectory
from theorems.closed_form import Why
from theorems.closed_forms.modal import Modal
from theorems.modal_pairs import NEVER
from theorems.modes import Modes
from theorems.projection import Reduced
from theorems.relax import Relaxation
from theorems.snapshot import Frame, chord
from theorems.solution import form_metrics, form_state, frame_of, solve
from theorems.unrolled import column

DECAYS = ("lambda_h", "lambda_w", "lambda_b")
FAR = 300.0  # a matrix beyond 2^+-300 is rescaled: one more step stays in float64
VARIES = "eta1/eta2 changes from step to step: no limit of the direction is known"


def simulate_reduced(
    experiment: Experiment, *, ratios: Any = None, names: Iterable[str] = (*METRICS, *PER_CLASS)
) -> Trajectory:
    r"""Simulate a descent step by step as 2 x 2 matrices, or, in the spherical case, as two numbers per sample.

    The same steps as `dynamics.simulate` takes, up to rounding, and in no more time for many samples than for few;
    nothing overflows at any horizon. ``ratios`` (steps,) are $s_k = \eta_1/\eta_2$ of every step, instead of
    ``method.ratio``; if they vary, the two distances are NaN, since their limits are not known. ``names`` are the
    metrics wanted. Small distances end at rounding, as in any simulation.

    Raises:
        InputError: an experiment that cannot be prepared, is no descent, or has a kernel or anchored prototypes; or
            ratios that are not one number >= 0 for every step.
    """
    began = time.perf_counter()
    _check(experiment, ratios)
    if experiment.scenario.kind == "spherical":
        return dataclasses.replace(solve(experiment, names=names), source="simulation", decay=None)
    if ratios is not None and np.ptp(ratios) == 0:
        experiment, ratios = changed(experiment, {"method.ratio": float(ratios[0])}), None
    problem, start = prepare(experiment)
    times = experiment.times()
    with exact():
        form = Stepped.of(experiment, problem, start)
        form = form if ratios is None else form.varied(np.asarray(ratios, dtype=float))
        ticks = form.ticks(experiment, problem, times)
        columns = jax.device_get(form_metrics(tuple(names), frame_of(experiment, problem), form, problem, ticks))
        log_scale, last = jax.device_get(form_state(form, problem, jax.tree.map(lambda x: x[-1], ticks)))
        zeta = experiment.method.zeta(times)
    return Trajectory(
        source="simulation",
        times=times,
        zeta=zeta,
        metrics={name: columns[name] for name in METRICS if name in columns},
        classes={name: columns[name] for name in PER_CLASS if name in columns},
        last=(float(log_scale), unsorted(problem, last)),
        experiment=experiment,
        seconds=time.perf_counter() - began,
        why=form.why,
    )


def _check(experiment: Experiment, ratios: Any) -> None:
    """Refuse what has no reduction, and ratios that do not fit."""
    scenario, method = experiment.scenario.kind, experiment.method
    if method.kind != "descent" or scenario not in ("unconstrained", "regularized", "spherical"):
        covered = "be a descent of the unconstrained, regularized or spherical kind"
        raise must("a reduced simulation", covered, f"{scenario} by {method.kind}", "Use dynamics.simulate.")
    if ratios is None:
        return
    if scenario == "spherical":
        raise must("ratios", "not be given in the spherical case", scenario, "Only eta1 moves it: set a schedule.")
    ratios, steps = np.asarray(ratios, dtype=float), int(method.horizon)
    if ratios.shape != (steps,):
        raise must("ratios", f"have the shape ({steps},), one for every step", ratios.shape)
    wrong = ratios[~((ratios >= 0) & np.isfinite(ratios))]
    if wrong.size:
        raise must("ratios", "be finite numbers >= 0", float(wrong[0]))


class Walk(NamedTuple):
    """Where the walk is, as `modal_pairs.Tick`; time is the last axis, if there are many.

    ``logs`` (J + 1, ...), beside ``log_scale``: the scale of each pair, and ln|residual multiplier|; ``signs`` (1, ...)
    of the latter; ``entries``: ff, fw, wf and ww of each pair, (J, ...) each, over e^log.
    """

    log_scale: Any
    logs: Any
    signs: Any
    biases: Relaxation
    entries: tuple[Any, Any, Any, Any]


class Stepped(Modal):
    """The coupled pair by descent, whose ticks are found step by step; measured as the exact solution is.

    ``decays`` are (l1, l2, lb); ``ratios`` (steps,) the $s_k$, or None where all are ``ratio``.
    """

    kind: ClassVar[str] = "stepped"
    decays: Any = None
    ratios: Any = None

    @classmethod
    def covers(cls, experiment: Experiment) -> bool:
        """See `ClosedForm.covers`."""
        covered = super().covers(experiment) and experiment.problem.linear
        return covered and experiment.method.kind == "descent"

    @classmethod
    def _built(
        cls, even: bool, modes: Modes, problem: Problem, reduced: Reduced, numbers: Numbers, timing: Timing
    ) -> Self:
        form = super()._built(even, modes, problem, reduced, numbers, timing)
        return dataclasses.replace(form, decays=tuple(numbers.get(name, 0.0) for name in DECAYS))

    def varied(self, ratios: np.ndarray) -> Self:
        """Return this form with a ratio of its own for every step; then it has no limits."""
        why = Why(self.why | dict.fromkeys(("distance", "distance_zbar"), VARIES))
        no = np.asarray(False)
        return dataclasses.replace(self, ratios=ratios, has_limit=no, has_zbar=no, why=why)

    def moving(self, timing: Timing, times: Any) -> Any:
        """See `ClosedForm.moving`. Times that do not differ between settings keep a batch of them fast."""

        def rates(k: Any) -> tuple[Any, Any]:
            eta = descent_rate(timing.schedule, timing.numbers, k.astype(float))
            return eta * (self.ratio if self.ratios is None else self.ratios[k]), eta

        pairs = len(self.axis.cos)
        start = jnp.zeros((2, 2, pairs + 2)).at[0, 0].set(1.0).at[1, 1].set(1.0).at[1, 1, pairs].set(0.0)
        entries, logs = walk(start, *self._generators(), rates, times.astype(int))
        grow, fall = self.pairs.lengths()
        present = jnp.append((grow > 0) | (fall > 0), self.reduced.residual > 0)
        scales = jnp.where(present[:, None], jnp.maximum(logs[:-1], NEVER), NEVER)
        top = jnp.max(scales, axis=0)
        return Walk(
            log_scale=top,
            logs=scales - top,
            signs=jnp.sign(entries[0, 0, pairs])[None],
            biases=Relaxation(logs[-1], entries[0, 0, -1], entries[0, 1, -1]),
            entries=(*entries[0, :, :pairs], *entries[1, :, :pairs]),
        )

    def _generators(self) -> tuple[Any, Any]:
        """Return A and B, (2, 2, J + 2) each: of the pairs, of the residuals, and of (b, 1) for the biases."""
        sigma, root = jnp.concatenate([self.modes.contrast, self.modes.sigma]), jnp.sqrt(self.ratio)
        (l1, l2, lb), j = self.decays, len(sigma)
        zeros = jnp.zeros((2, 2, j + 2))
        first = zeros.at[0, 0, : j + 1].set(-l1).at[0, 1, :j].set(sigma / root)
        second = zeros.at[1, 0, :j].set(root * sigma).at[1, 1, :j].set(-l2)
        return first, second.at[0, 0, -1].set(-lb).at[0, 1, -1].set(1.0)

    def at_once(self, frame: Frame, problem: Problem, ticks: Any) -> dict[str, Any]:
        """See `ClosedForm.at_once`."""
        return self.measured(frame, problem, jax.tree.map(jnp.transpose, ticks))

    def _factors(self, tick: Any) -> Any:
        return self._residual(tick)[None]

    def _propagators(self, tick: Any, factors: Any) -> Any:
        del factors
        return self._entries(tick, 0.0)

    def _entries(self, tick: Any, scale: Any) -> Any:
        lift = jnp.exp(tick.logs[:-1] - scale)
        return tuple(entry * lift for entry in tick.entries)

    def _pair_logs(self, tick: Any) -> tuple[Any, Any]:
        groups = len(self.modes.count)
        return tick.logs[:groups], tick.logs[groups:-1]

    def _log_wedge(self, tick: Any) -> Any:
        ff, fw, wf, ww = (entry[0] for entry in tick.entries)
        return 2 * tick.logs[0] + jnp.log(jnp.abs(ff * ww - fw * wf))

    def _distance(self, tick: Any, factors: Any, chosen: Any, sign: Any = 1.0) -> Any:
        r"""Return $|Z/|Z| - L/|L||$ with L the chosen modes' part of the start."""
        del sign
        (f1, f2), (w1, w2) = self._moved(tick, factors)
        root, residual = jnp.sqrt(self.ratio), self.reduced.residual * factors[-1]
        z = jnp.concatenate([root * f1, root * f2, w1, w2, residual[None]])
        limit = jnp.concatenate(self._lifted(1.0 * chosen))
        unit = column(limit / jnp.linalg.norm(limit), z)
        along = jnp.sum(unit * z, axis=0)
        return chord(jnp.linalg.norm(z - along * unit, axis=0), along)


def walk(start: Any, first: Any, second: Any, rates: Callable[[Any], tuple[Any, Any]], stops: Any) -> tuple[Any, Any]:
    r"""Return (P e^-log (2, 2, K, T), log (K, T)) of $\prod_k(I + \eta_1 A + \eta_2 B)$ after ``stops`` (T,) steps.

    ``first`` and ``second`` are A and B, (2, 2, K); ``rates(k)`` gives the two rates of step k. Each matrix is rescaled
    by powers of two, which round nothing.
    """

    def step(k: Any, carry: tuple[Any, Any]) -> tuple[Any, Any]:
        p, shift = carry
        eta1, eta2 = rates(k)
        move = eta1 * first + eta2 * second
        p = p + move[:, 0, None] * p[0] + move[:, 1, None] * p[1]
        size = jnp.max(jnp.abs(p), axis=(0, 1))
        up = jnp.where(size < 2.0**-FAR, 1.0, 0.0) - jnp.where(size > 2.0**FAR, 1.0, 0.0)
        return p * jnp.where(up > 0, 2.0**FAR, jnp.where(up < 0, 2.0**-FAR, 1.0)), shift - up

    def span(carry: tuple[Any, Any], ends: tuple[Any, Any]) -> tuple[Any, Any]:
        carry = jax.lax.fori_loop(*ends, step, carry)
        return carry, carry

    begins = jnp.concatenate([jnp.zeros(1, stops.dtype), stops[:-1]])
    p, shift = jax.lax.scan(span, (start, jnp.zeros(start.shape[2])), (begins, stops))[1]
    size = jnp.max(jnp.abs(p), axis=(1, 2))
    logs = jnp.where(size > 0, FAR * np.log(2) * shift + jnp.log(size), -jnp.inf)
    return jnp.moveaxis(p / jnp.where(size > 0, size, 1.0)[:, None, None], 0, -1), logs.T
