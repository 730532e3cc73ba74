"""Simulation against exact solution: gap, error bound, verdict for every metric, and the decay rate."""

import platform
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib.metadata import version
from typing import Any

import numpy as np

from dynamics.measure import METRICS, ON_REQUEST
from dynamics.trajectory import Trajectory

TOLERANCE = dict.fromkeys(METRICS, 1e-8)  # in each metric's unit; measured gaps are 1e-16 to 1e-12
TOLERANCE_FLOAT32 = dict.fromkeys(METRICS, 1e-3)
RELATIVE_FLOOR = 1e-6  # distance and nc1 are compared relative to themselves, down to this
UNBOUNDED = "on request: its rounding in a simulation has no bound"
WINDOW_BELOW = 0.1  # a distance above this is transient
WINDOW_ABOVE_ERROR = 100.0  # a distance below this many times its error is rounding
WINDOW_POINTS = 10


class Agreement(StrEnum):
    """What a comparison can come to."""

    AGREES = "AGREES"
    DISAGREES = "DISAGREES"
    INCONCLUSIVE = "INCONCLUSIVE"
    NOT_COMPARED = "NOT COMPARED"


@dataclass(frozen=True)
class Comparison:
    """One metric: the worst gap and error over the judged times, in the metric's unit.

    ``until`` is the last judged time (the method's clock), ``compared`` how many were judged; ``why`` explains a
    verdict that is not AGREES, or a window that ends early.
    """

    verdict: Agreement
    gap: float | None
    error: float | None
    tolerance: float
    until: float | None
    compared: int
    why: str | None = None


@dataclass(frozen=True)
class DecayRate:
    """Predicted and measured rate per unit of zeta; ``window`` is the range of zeta of the fit. None has a ``why``."""

    predicted: float | None
    measured: float | None
    window: tuple[float, float] | None
    kind: str | None
    why: str | None
    clock: str = "zeta"


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """The whole comparison; `to_dict` is what `report.json` holds."""

    verdict: Agreement
    metrics: dict[str, Comparison]
    decay_rate: DecayRate
    simulation: Trajectory
    closed_form: Trajectory
    residuals: dict[str, np.ndarray]
    bounds: dict[str, np.ndarray]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values: numbers are finite, or None with a reason beside them."""
        simulation, closed_form = self.simulation, self.closed_form
        return {
            "verdict": str(self.verdict),
            "metrics": {name: {**asdict(one), "verdict": str(one.verdict)} for name, one in self.metrics.items()},
            "decay_rate": asdict(self.decay_rate),
            "final": {source.source: final(source) for source in (simulation, closed_form)},
            "diverged_at": simulation.diverged_at,
            "clock": simulation.experiment.method.clock,
            "notes": list(closed_form.notes),
            "name": simulation.experiment.name,
            "device": simulation.device,
            "dtype": simulation.dtype,
            "seconds": {source.source: round(source.seconds, 3) for source in (simulation, closed_form)},
            "versions": versions(),
        }

    def __repr__(self) -> str:
        return f"<Report on {self.simulation.experiment.name}: {self.verdict}>"

    def _repr_html_(self) -> str:
        """Return a table for a notebook: the last values of both, the gap, its bound, and until when it was judged."""
        clock = self.simulation.experiment.method.clock
        names = ("metric", "simulated, last", "exact, last", "gap", "bound", f"until {clock}", "verdict")
        head = "".join(f"<th>{name}</th>" for name in names)
        rows = "".join(f"<tr>{self._cells(name)}</tr>" for name in self.metrics)
        return f"<table><tr>{head}</tr>{rows}</table>"

    def _cells(self, name: str) -> str:
        one = self.metrics[name]
        last = [f"{source.metrics[name][-1]:.4g}" for source in (self.simulation, self.closed_form)]
        numbers = ((one.gap, ".0e"), (one.error, ".0e"), (one.until, ".6g"))
        judged = ["-" if number is None else format(number, form) for number, form in numbers]
        cells = (f"<code>{name}</code>", *last, *judged, f"<b>{one.verdict}</b>")
        return "".join(f"<td>{cell}</td>" for cell in cells)


def compare(first: Trajectory, second: Trajectory) -> Report:
    """Compare a simulation with the exact solution of the same experiment, in either order.

    gap = |simulated - exact|/unit: unit 1 for accuracy, alignment, log-norm, log|loss|, nc2, nc3; |HM'||W| + |b||m|
    (plus the decay terms for the objective) for losses; max(|exact|, 1e-6) for distances and nc1. Only saved times with
    an error of at most half the tolerance, and finite values, are judged.

    Raises:
        ValueError: not one simulation and one exact solution at the same times, with all metrics.
    """
    sources = {first.source: first, second.source: second}
    if set(sources) != {"simulation", "closed_form"}:
        raise ValueError(
            f"compare must get one simulation and one closed_form, but gets {[first.source, second.source]}."
        )
    simulation, closed_form = sources["simulation"], sources["closed_form"]
    if not np.array_equal(simulation.times, closed_form.times):
        raise ValueError("compare must get two trajectories with the same saved times, but they differ.")
    shared = simulation.metrics.keys() & closed_form.metrics.keys()
    if lacking := [name for name in METRICS if name not in shared]:
        raise ValueError(f"compare must get every metric, but {', '.join(lacking)} is missing: solve without names=.")
    tolerances = TOLERANCE_FLOAT32 if simulation.dtype == "float32" else TOLERANCE
    metrics, residuals, bounds = {}, {}, {}
    for name in METRICS:
        unit = _unit(name, simulation, closed_form)
        with np.errstate(invalid="ignore", over="ignore"):
            residuals[name] = np.abs(simulation.metrics[name] - closed_form.metrics[name]) / unit
            bounds[name] = simulation.error[name] / unit
        metrics[name] = _judge_metric(name, residuals[name], bounds[name], tolerances[name], simulation, closed_form)
    for name in [name for name in ON_REQUEST if name in shared]:
        defined = np.isfinite(closed_form.metrics[name]).any()
        why = UNBOUNDED if defined else closed_form.why.get(name) or UNBOUNDED
        metrics[name] = Comparison(Agreement.NOT_COMPARED, None, None, tolerances["nc1"], None, 0, why)
    return Report(
        verdict=overall([one.verdict for one in metrics.values()]),
        metrics=metrics,
        decay_rate=decay_rate(simulation, closed_form),
        simulation=simulation,
        closed_form=closed_form,
        residuals=residuals,
        bounds=bounds,
    )


def overall(verdicts: list[Agreement]) -> Agreement:
    """Return the worst verdict of a list: DISAGREES, then INCONCLUSIVE, then AGREES."""
    for verdict in (Agreement.DISAGREES, Agreement.INCONCLUSIVE, Agreement.AGREES):
        if verdict in verdicts:
            return verdict
    return Agreement.NOT_COMPARED


def judge(gap: np.ndarray, error: np.ndarray, tolerance: float) -> Agreement:
    """Return the verdict over judged times: all gap + error <= tolerance, any gap - error > tolerance, or neither."""
    if np.all(gap + error <= tolerance):
        return Agreement.AGREES
    if np.any(gap - error > tolerance):
        return Agreement.DISAGREES
    return Agreement.INCONCLUSIVE


def _unit(name: str, simulation: Trajectory, closed_form: Trajectory) -> np.ndarray:
    exact = closed_form.metrics[name]
    if name in ("distance", "distance_zbar", "nc1"):
        return np.maximum(np.abs(exact), RELATIVE_FLOOR)
    if name in simulation.unit:
        unit = simulation.unit[name]
        return np.where(unit > 0, unit, 1.0)  # no unit: both losses are zero
    return np.ones_like(exact)


def _judge_metric(
    name: str, gap: np.ndarray, error: np.ndarray, tolerance: float, simulation: Trajectory, closed_form: Trajectory
) -> Comparison:
    exact = np.isfinite(closed_form.metrics[name])
    named = closed_form.why.get(name) or simulation.why.get(name)
    judgeable = np.isfinite(simulation.metrics[name]) & (error <= tolerance / 2)
    lost = np.flatnonzero(judgeable & ~exact)
    if not exact.any() and (named or not lost[lost > 0].size):
        why = named or "its denominator is zero: it is not defined here"
        return Comparison(Agreement.NOT_COMPARED, None, None, tolerance, None, 0, why)
    if lost[lost > 0].size:  # at the start no bound tells a zero denominator from its rounding
        clock, time = simulation.experiment.method.clock, simulation.times[lost[lost > 0][0]]
        why = f"the exact solution has no finite value at {clock} {time:g}, where the simulation has one"
        return Comparison(Agreement.INCONCLUSIVE, None, None, tolerance, None, 0, why)
    judged = np.isfinite(gap) & np.isfinite(error) & (error <= tolerance / 2)
    if not judged[1:].any():
        why = "the simulation's own error is above half the tolerance at every saved time after the start"
        if simulation.diverged_at is not None:
            why = "the simulation overflows before it can be judged"
        return Comparison(Agreement.INCONCLUSIVE, None, None, tolerance, None, 0, why)
    verdict = judge(gap[judged], error[judged], tolerance)
    last = np.flatnonzero(judged)[-1]
    return Comparison(
        verdict,
        float(gap[judged].max()),
        float(error[judged].max()),
        tolerance,
        float(simulation.times[last]),
        int(judged.sum()),
        _explain(verdict, last, gap, error, judged, simulation),
    )


def _explain(
    verdict: Agreement, last: int, gap: np.ndarray, error: np.ndarray, judged: np.ndarray, simulation: Trajectory
) -> str | None:
    clock = simulation.experiment.method.clock
    if verdict is not Agreement.AGREES:
        worst = np.flatnonzero(judged)[np.argmax((gap + error)[judged])]
        return f"worst at {clock} {simulation.times[worst]:g}"
    if last == len(simulation.times) - 1:
        return None
    if simulation.diverged_at is not None and simulation.times[last + 1] >= simulation.diverged_at:
        return f"the simulation overflows at {clock} {simulation.diverged_at:g}"
    return f"after {clock} {simulation.times[last]:g} the simulation's own rounding is too large to judge by"


def decay_rate(simulation: Trajectory, closed_form: Trajectory) -> DecayRate:
    """Return the predicted rate and the slope of the simulated distance in its window, by least squares.

    The window: distance below 0.1, above 100 times its error, at least 10 points and one e-fold.
    """
    decay = closed_form.decay
    if decay is None or decay.kind is None:
        why = decay.why if decay else "the exact solution predicts none"
        return DecayRate(None, None, None, None, why)
    distance, error = simulation.metrics["distance"], simulation.error["distance"]
    with np.errstate(invalid="ignore"):
        inside = (distance < WINDOW_BELOW) & (distance > WINDOW_ABOVE_ERROR * error) & (distance > 0)
    inside &= simulation.zeta > 0
    zeta, values = simulation.zeta[inside], distance[inside]
    if len(values) < WINDOW_POINTS or values.max() < np.e * values.min():
        why = "no window: the distance has fewer than 10 saved points, or no whole e-fold, between 0.1 and its rounding"
        return DecayRate(decay.predicted, None, None, decay.kind, why)
    abscissa = zeta if decay.kind == "exponential" else np.log(zeta)
    slope = np.polyfit(abscissa - abscissa.mean(), np.log(values), 1)[0]
    return DecayRate(decay.predicted, float(-slope), (float(zeta[0]), float(zeta[-1])), decay.kind, None)


def final(trajectory: Trajectory) -> dict[str, Any]:
    """Return the last value of every metric, finite or null, and why each null is one."""
    index = len(trajectory.times) - 1
    if trajectory.diverged_at is not None:
        index = int(np.searchsorted(trajectory.times, trajectory.diverged_at)) - 1
    values: dict[str, Any] = {"time": float(trajectory.times[index])}
    why = {}
    for name, column in trajectory.metrics.items():
        value = float(column[index])
        values[name] = value if np.isfinite(value) else None
        if values[name] is None:
            undefined = "undefined: a denominator is zero" if np.isnan(value) else "beyond the range of float64"
            why[name] = trajectory.why.get(name, undefined)
    return {**values, "why": why}


def versions() -> dict[str, str]:
    """Return the versions that a result rests on."""
    names = ("dynamics-sim", "jax", "jaxlib", "diffrax", "equinox", "numpy", "scipy")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}
