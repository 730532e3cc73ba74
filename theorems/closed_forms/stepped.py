r"""The coupled pair moved by 2 x 2 matrices, step by step: exact where no mode of the pair moves alone.

A singular mode of M moves its pair (F, W) by $P \leftarrow (I + \eta_1 A + \eta_2 B - D)P$ with

$$A = \begin{pmatrix}-l_1 & \sigma/\sqrt s\\ 0 & 0\end{pmatrix}, \qquad
B = \begin{pmatrix}0 & 0\\ \sqrt s\,\sigma & -l_2\end{pmatrix}, \qquad
D = \begin{pmatrix}d_H & 0\\ 0 & d_W\end{pmatrix}$$

in the coordinates of `theorems.modes`, $F = \sqrt{n_c}\mu_c/\sqrt s$. Where $\eta_1/\eta_2$ varies, or the rates do and
$d_H \ne d_W$, these matrices do not commute and no product formula exists. The residuals within classes and the biases
are moved by two more matrices, so all of it is one array (2, 2, K), whatever p and n are: the start meets it only where
it is measured.
"""

import dataclasses
from typing import Any, ClassVar, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np

from dynamics.experiment import Experiment
from dynamics.method import Timing
from dynamics.methods.decoupled_decay import APART
from dynamics.problem import Problem
from dynamics.schedule import Numbers, descent_rate
from dynamics.state import State
from theorems.closed_form import ClosedForm, Why
from theorems.modal import Modal
from theorems.modal_pairs import NEVER
from theorems.modes import Modes
from theorems.ordered import ordered_products
from theorems.projection import Reduced
from theorems.relax import Relaxation
from theorems.snapshot import Frame, chord
from theorems.unrolled import column

LAMBDAS, DECAYS = ("lambda_h", "lambda_w", "lambda_b"), ("decay_h", "decay_w", "decay_b")
VARIES = "eta1/eta2 changes from step to step: no limit of the direction is known"


class Walk(NamedTuple):
    """Where the walk is, as `theorems.modal_pairs.Tick`; time is the last axis, if there are many.

    ``logs`` (J + 1, ...), beside ``log_scale``: the scale of each pair, and ln|residual multiplier|; ``signs`` (1, ...)
    of the latter; ``entries``: ff, fw, wf and ww of each pair, (J, ...) each, over e^log.
    """

    log_scale: Any
    logs: Any
    signs: Any
    biases: Relaxation
    entries: tuple[Any, Any, Any, Any]


class Stepped(Modal):
    """The coupled pair where no mode moves alone: 2 x 2 matrices, step by step; measured as the modal solution is.

    ``lambdas`` are (l1, l2, lb), ``decays`` (d_h, d_w, d_b); ``ratios`` (steps,) the $s_k$, or None where all are
    ``ratio``. ``alike`` says that all steps have the same modes after all: only then the direction has a known limit.
    Small distances end at rounding.
    """

    kind: ClassVar[str] = "stepped"
    lambdas: Any = None
    decays: Any = None
    alike: Any = None
    ratios: Any = None

    @classmethod
    def covers(cls, experiment: Experiment) -> bool:
        """See `ClosedForm.covers`."""
        return experiment.scenario.kind in ("unconstrained", "regularized") and not experiment.method.shares_modes

    @classmethod
    def _built(
        cls, even: bool, modes: Modes, problem: Problem, reduced: Reduced, numbers: Numbers, timing: Timing
    ) -> Self:
        folded = timing.method.folded(timing.numbers, numbers)
        form = super()._built(even, modes, problem, reduced, folded, timing)
        decays = tuple(timing.numbers.get(name, 0.0) for name in DECAYS)
        alike = timing.steady | (decays[0] == decays[1])
        lambdas = tuple(numbers.get(name, 0.0) for name in LAMBDAS)
        limit = form.has_limit & alike
        return dataclasses.replace(form, lambdas=lambdas, decays=decays, alike=alike, has_limit=limit)

    def _reasons(self, problem: Problem, timing: Timing) -> Why:
        """Return why distances have no value, if so."""
        return Why(super()._reasons(problem, timing) | ({} if self.alike else {"distance": APART}))

    @classmethod
    def states(
        cls, experiment: Experiment, problem: Problem, start: State, times: np.ndarray
    ) -> tuple[Any, State] | None:
        """See `ClosedForm.states`: they are asked for one by one."""
        return ClosedForm.states(experiment, problem, start, times)

    def varied(self, ratios: np.ndarray) -> Self:
        """Return this form with a ratio of its own for every step; then it has no limits."""
        why = Why(self.why | dict.fromkeys(("distance", "distance_zbar"), VARIES))
        no = np.asarray(False)
        return dataclasses.replace(self, ratios=ratios, alike=no, has_limit=no, has_zbar=no, why=why)

    def moving(self, timing: Timing, times: Any) -> Any:
        """See `ClosedForm.moving`. Times that do not differ between settings keep a batch of them fast."""
        first, second, lost = self._generators()
        pairs, (grow, fall) = len(self.axis.cos), self.pairs.lengths()
        # A start in the falling part stays there, as a scalar: in a matrix, rounding would grow into all there is.
        falls = self.alike & (grow == 0)
        one = jnp.eye(2)[:, :, None]
        along = jnp.stack([self.axis.cos, -self.axis.sin])

        def moves(k: Any) -> Any:
            eta = descent_rate(timing.schedule, timing.numbers, k.astype(float))
            move = eta * (self.ratio if self.ratios is None else self.ratios[k]) * first + eta * second - lost
            alone = (eta * self.axis.fall - jnp.minimum(*self.decays[:2])) * one
            return move.at[:, :, :pairs].set(jnp.where(falls, alone, move[:, :, :pairs]))

        start = jnp.zeros((2, 2, pairs + 2)).at[0, 0].set(1.0).at[1, 1].set(1.0).at[1, 1, pairs].set(0.0)
        start = start.at[:, :, :pairs].set(jnp.where(falls, along[:, None] * along, one))
        entries, logs = ordered_products(moves, start, times.astype(int))
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

    def _generators(self) -> tuple[Any, Any, Any]:
        """Return A, B and D, (2, 2, J + 2) each: of the pairs, of the residuals, and of (b, 1) for the biases."""
        sigma, root = jnp.concatenate([self.modes.contrast, self.modes.sigma]), jnp.sqrt(self.ratio)
        (l1, l2, lb), (d1, d2, db), j = self.lambdas, self.decays, len(sigma)
        zeros = jnp.zeros((2, 2, j + 2))
        first = zeros.at[0, 0, : j + 1].set(-l1).at[0, 1, :j].set(sigma / root)
        second = zeros.at[1, 0, :j].set(root * sigma).at[1, 1, :j].set(-l2)
        second = second.at[0, 0, -1].set(-lb).at[0, 1, -1].set(1.0)
        return first, second, zeros.at[0, 0, : j + 1].set(d1).at[1, 1, :j].set(d2).at[0, 0, -1].set(db)

    def at_once(self, frame: Frame, problem: Problem, ticks: Any) -> dict[str, Any]:
        """See `ClosedForm.at_once`."""
        return self.measured(frame, problem, jax.tree.map(jnp.transpose, ticks))

    def motions(self, problem: Problem, ticks: Any) -> Any:
        """See `ClosedForm.motions`: there are none, since what multiplies a row is no single mode."""

    def _last_logs(self, experiment: Experiment, ticks: Any) -> Any:
        """See `Modal._last_logs`: those of the modes that all steps share."""
        del ticks
        return experiment.method.growth(self.exponents, np.array([experiment.method.horizon]))[0][-1]

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


MEMBER = Stepped
