r"""What these tests share: small experiments, the operator written out from the loss, a dense generator, strategies.

Nothing here reads `Problem` or a closed form for a formula: `loss_operator` is the definition of the loss, entry by
entry, and `dense_generator` is the linear motion on one long vector. Defaults are never the easy ones: s is not 1, the
class sizes differ.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st
from scipy.linalg import expm

from dynamics.experiment import Experiment
from dynamics.measure import measure
from dynamics.preparation import prepare
from dynamics.problem import Problem, make_problem
from dynamics.simulation import begin
from dynamics.state import State
from theorems.closed_form import ClosedForm, find

RATIO = 2.3  # s = eta1/eta2 of every experiment that does not say otherwise
GAMMA = 0.35  # at 0.3 the biases of two classes of `UNEQUAL` would not be driven at all
ETA = 0.3


class Shape(NamedTuple):
    """Class sizes and the number of features p."""

    sizes: tuple[int, ...]
    features: int

    @property
    def classes(self) -> int:
        return len(self.sizes)

    @property
    def labels(self) -> np.ndarray:
        return np.repeat(np.arange(len(self.sizes)), self.sizes)


UNEQUAL = Shape((2, 5, 3, 3), 6)  # two classes share a size: contrasts inside a group, and modes between groups
SCARCE = Shape((3, 1, 2), 2)  # p < C, all sizes differ, one class has one sample
BALANCED = Shape((3, 3, 3), 4)
SHAPES = (UNEQUAL, SCARCE, BALANCED)

SCENARIOS: dict[str, dict[str, Any]] = {
    "unconstrained": {"kind": "unconstrained"},
    "regularized": {"kind": "regularized", "lambda_h": 0.05, "lambda_w": 0.2, "lambda_b": 0.1},
    "anchored": {"kind": "anchored", "lambda_h": 0.07},
    "spherical": {"kind": "spherical"},
    "kernel": {"kind": "kernel", "kernel_rank": 3, "kernel_seed": 0},
}
LINEAR = ("unconstrained", "regularized", "anchored", "kernel")
METHODS: dict[str, dict[str, Any]] = {
    "flow": {"kind": "flow", "time": 40.0, "eta": ETA},
    "descent": {"kind": "descent", "steps": 40, "eta": ETA},
}
SCHEDULES: dict[str, dict[str, Any]] = {
    "constant": {},
    "cosine": {"final": 0.1},
    "linear": {"final": 0.2},
    "step": {"every": 9.0, "factor": 0.7},
    "exponential": {"rate": 0.03},
}


def build(
    scenario: str | dict[str, Any] = "unconstrained", method: str | dict[str, Any] = "flow", shape: Shape = UNEQUAL, *,
    problem: dict[str, Any] | None = None, start: dict[str, Any] | None = None, points: int = 5, **timing: Any,
) -> Experiment:  # fmt: skip
    """Return an experiment; ``timing`` goes into [method]."""
    scenario = SCENARIOS[scenario] if isinstance(scenario, str) else scenario
    method = METHODS[method] if isinstance(method, str) else method
    if "file" in (start or {}):
        table = {}
    else:
        table = {"classes": shape.classes, "per_class": list(shape.sizes), "features": shape.features}
    return Experiment(
        problem={**table, "gamma": GAMMA, **(problem or {})},
        scenario=scenario,
        method={"ratio": RATIO, **method, **timing},
        start=start or {},
        output={"points": points},
    )


def sample_weights(labels: np.ndarray, kind: str) -> np.ndarray:
    """Return omega (n,) of the contract: ~ n_c^(-1/2) or n_c^(-1), mean 1 over the samples."""
    sizes = np.array([np.sum(labels == y) for y in labels], dtype=float)
    raw = {"none": np.ones_like(sizes), "sqrt": 1 / np.sqrt(sizes), "inverse": 1 / sizes}[kind]
    return raw / raw.mean()


def loss_operator(
    labels: np.ndarray, classes: int, gamma: float, smoothing: float = 0.0, weighting: str = "none"
) -> np.ndarray:
    """Return M (C, n), columns in the order of ``labels``: minus the derivative of the loss by every logit."""
    n, omega = len(labels), sample_weights(labels, weighting)
    operator = np.zeros((classes, n))
    for i, y in enumerate(labels):
        for c in range(classes):
            target = (1 - smoothing) * (c == y) + smoothing / classes
            operator[c, i] = omega[i] / n * ((1 + gamma) * target - gamma)
    return operator


def operator_of(experiment: Experiment, problem: Problem) -> np.ndarray:
    """Return M of an experiment, columns sorted by class, from its table and its labels alone."""
    table = experiment.problem
    return loss_operator(
        np.asarray(problem.labels),
        problem.classes,
        table.gamma_value(problem.classes),
        table.label_smoothing,
        table.sample_weights,
    )


def flatten(state: State) -> np.ndarray:
    """Return (vec H, vec W, b, 1), vec stacking the columns of the paper's H and W."""
    parts = (state.features, state.prototypes, state.biases)
    return np.concatenate([*(np.asarray(part).reshape(-1) for part in parts), [1.0]])


def dense_generator(experiment: Experiment, problem: Problem) -> np.ndarray:
    """Return A with z' = A z per zeta for z = `flatten(state)`, of the linear scenarios, from `loss_operator`."""
    operator = operator_of(experiment, problem)
    classes, samples = operator.shape
    p = experiment.problem.features if problem.kernel_factor is None else problem.kernel_factor.shape[1]
    p = np.asarray(p).item()
    eye, ratio, numbers = np.eye(p), experiment.method.ratio, experiment.scenario.numbers()
    kernel = np.eye(p * samples)
    if problem.kernel_factor is not None:
        factor = np.asarray(problem.kernel_factor).reshape(p * samples, -1)
        kernel = factor @ factor.T / factor.shape[1]
    h, w = p * samples, p * classes
    generator = np.zeros((h + w + classes + 1,) * 2)
    generator[:h, h : h + w] = ratio * kernel @ np.kron(operator.T, eye)
    generator[:h, :h] = -ratio * numbers["lambda_h"] * np.eye(h)
    if experiment.scenario.kind != "anchored":
        generator[h : h + w, :h] = np.kron(operator, eye)
        generator[h : h + w, h : h + w] = -numbers["lambda_w"] * np.eye(w)
        generator[h + w : -1, -1] = operator.sum(axis=1)
        generator[h + w : -1, h + w : -1] = -numbers["lambda_b"] * np.eye(classes)
    return generator


def dense_limit(experiment: Experiment, problem: Problem, start: State) -> np.ndarray:
    """The part of the start in the fastest-growing modes (flow): a spectral projection of the dense generator."""
    s, h = experiment.method.ratio, start.features.size
    size = h + start.prototypes.size
    generator, z = dense_generator(experiment, problem)[:size, :size], flatten(start)[:size]
    if experiment.scenario.kind == "kernel":
        # [[0, B], [G', 0]] with T = G'B symmetric: the eigenvectors of sqrt(tau) are (B v/sqrt(tau), v) and (G v, v).
        push, pull = generator[:h, h:], generator[h:, :h]
        values, vectors = np.linalg.eigh(pull @ push)
        root, v = np.sqrt(values[-1]), vectors[:, -1]
        weight = v @ (z[h:] + pull @ z[:h] / root) / 2
        return weight * np.concatenate([push @ v / root, v])
    scale = np.concatenate([np.full(h, np.sqrt(s)), np.ones(size - h)])
    symmetric = generator / scale[:, None] * scale
    assert np.max(np.abs(symmetric - symmetric.T)) < 1e-15
    values, vectors = np.linalg.eigh(symmetric)
    fastest = vectors[:, values > values[-1] - 1e-9 * np.abs(values).max()]
    return scale * (fastest @ (fastest.T @ (z / scale)))


class Exact(NamedTuple):
    """A closed form with what it was built from; `at` gives true states, stacked over times, rows sorted by class."""

    form: ClosedForm
    experiment: Experiment
    problem: Problem

    def at(self, times: Any) -> State:
        times = np.atleast_1d(np.asarray(times, dtype=float))
        ticks = self.form.ticks(self.experiment, self.problem, times)
        # One compilation for any number of times.
        found = [at_tick(self.form, self.problem, jax.tree.map(lambda x, i=i: x[i], ticks)) for i in range(len(times))]
        return jax.tree.map(lambda *parts: np.stack(parts), *jax.device_get(found))


def solved(experiment: Experiment, problem: Problem | None = None, start: State | None = None) -> Exact:
    """Return the exact solution, from the experiment's own start or from another."""
    own_problem, own_start = prepare(experiment) if problem is None or start is None else (problem, start)
    problem, start = own_problem if problem is None else problem, own_start if start is None else start
    return Exact(find(experiment).of(experiment, problem, start), experiment, problem)


@jax.jit
def at_tick(form: ClosedForm, problem: Problem, tick: Any) -> State:
    """Return `true_state`, compiled."""
    return true_state(form, problem, tick)


def true_state(form: ClosedForm, problem: Problem, tick: Any) -> State:
    """Return the state at a tick with its scale multiplied out; the biases are the true ones as they are."""
    log_scale, state = form.state(problem, tick)
    lift = jnp.exp(log_scale)
    return State(state.features * lift, state.prototypes * lift, jnp.asarray(state.biases))


def walked(experiment: Experiment) -> State:
    """Return the simulated states at every saved time, stacked: the simulation without its metrics."""
    problem, state = prepare(experiment)
    times = experiment.times()
    numbers, _, _ = begin(experiment, problem, state, experiment.method.zeta(times)[-1])
    numbers["rounding"] = np.float64(2.0**-53)
    problem, state, numbers = jax.tree.map(jnp.asarray, (problem, state, numbers))
    points = experiment.method.walk(type(experiment.scenario), numbers, problem, state, times)
    return jax.tree.map(lambda *parts: np.stack(parts), *(jax.device_get(point.state) for point in points))


def bounded_walk(experiment, start: State, dtype) -> tuple[State, np.ndarray]:
    """Return the simulated states in float64, stacked, and the bounds on what rounding did to them."""
    problem, _ = prepare(experiment)
    times = experiment.times()
    numbers, _, _ = begin(experiment, problem, start, experiment.method.zeta(times)[-1])
    numbers["rounding"] = np.finfo(dtype).eps / 2
    everything = problem, start, numbers
    everything = jax.tree.map(lambda x: x.astype(dtype) if np.asarray(x).dtype == np.float64 else x, everything)
    problem, start, numbers = jax.tree.map(jnp.asarray, everything)
    points = list(experiment.method.walk(type(experiment.scenario), numbers, problem, start, times))
    states = jax.tree.map(lambda *parts: np.stack(parts).astype(np.float64), *(point.state for point in points))
    return states, np.stack([np.max(jax.tree.leaves(point.error)[0]) for point in points])


def norms(states: State) -> np.ndarray:
    """Return |(H, W)| of stacked states, (times,)."""
    return np.sqrt(sum(np.sum(np.asarray(part) ** 2, axis=(1, 2)) for part in (states.features, states.prototypes)))


def gap(first: State, second: State) -> float:
    """Return the largest |Z - Z'| over stacked states, relative to the largest norm on the path, and the same of b."""
    difference = jax.tree.map(np.subtract, first, second)
    biases = np.max(np.abs(difference.biases)) / max(1.0, np.max(np.abs(second.biases)))
    return max(np.max(norms(difference)) / np.max(norms(second)), biases)


def random_state(rng: np.random.Generator, problem: Problem, features: int, scale: float = 1.0) -> State:
    """Return Gaussian features, prototypes and biases."""
    return State(
        scale * rng.standard_normal((problem.samples, features)),
        rng.standard_normal((problem.classes, features)),
        rng.standard_normal(problem.classes),
    )


def dense_path(experiment: Experiment, times: np.ndarray) -> np.ndarray:
    """The linear motion on one long vector: by `scipy.linalg.expm` for a flow, by its steps for a descent."""
    problem, start = prepare(experiment)
    generator, z = dense_generator(experiment, problem), flatten(start)
    zeta = experiment.method.zeta(times)
    if experiment.method.kind == "flow":
        return np.stack([expm(generator * x) @ z for x in zeta])
    path = [z]
    for eta in experiment.method.rates():
        path.append(path[-1] + eta * (generator @ path[-1]))
    return np.stack(path)[times.astype(int)]


def dense_gap(experiment: Experiment) -> float:
    """Return the gap between the exact solution and the dense one, relative to the largest norm on the path."""
    times = experiment.times()
    found, wanted = solved(experiment).at(times), dense_path(experiment, times)
    size = np.max(np.linalg.norm(wanted, axis=1))
    states = [State(found.features[i], found.prototypes[i], found.biases[i]) for i in range(len(times))]
    return max(np.linalg.norm(flatten(state) - z) for state, z in zip(states, wanted, strict=True)) / size


class Case(NamedTuple):
    """A random experiment with its problem and start, and the generator that made it, for further draws."""

    experiment: Experiment
    problem: Problem
    start: State
    rng: np.random.Generator
    shape: Shape


@st.composite
def cases(
    draw: st.DrawFn,
    scenarios: tuple[str, ...] = tuple(SCENARIOS),
    methods: tuple[str, ...] = tuple(METHODS),
    schedules: tuple[str, ...] = tuple(SCHEDULES),
    shapes: tuple[Shape, ...] = (UNEQUAL, BALANCED),
    weightings: tuple[str, ...] = ("none", "sqrt", "inverse"),
) -> Case:
    """Draw a case: the choices from short lists, so that few shapes compile; every number from one integer seed."""
    scenario, method, schedule = (draw(st.sampled_from(choices)) for choices in (scenarios, methods, schedules))
    shape, weighting = draw(st.sampled_from(shapes)), draw(st.sampled_from(weightings))
    return random_case(draw(st.integers(0, 2**32 - 1)), scenario, method, schedule, shape, weighting)


def random_case(
    seed: int, scenario: str, method: str, schedule: str = "constant", shape: Shape = UNEQUAL, weighting: str = "none"
) -> Case:
    """Return the case of an integer seed."""
    rng = np.random.default_rng(seed)
    classes = shape.classes
    gamma = float(rng.choice([0.0, 1 / (classes - 1), 2 / (classes - 2), rng.uniform(0, 2)]))
    table = dict(SCENARIOS[scenario])
    for name in ("lambda_h", "lambda_w", "lambda_b"):
        if name in table:
            table[name] = float(rng.choice([0.0, rng.uniform(0, 0.3)]))
    if scenario == "spherical":
        table["rescale"] = str(rng.choice(["none", "norm", "norm-squared"]))
    smoothing = float(rng.choice([0.0, rng.uniform(0, 0.5)]))
    timing: dict[str, Any] = {"schedule": schedule}
    timing |= {"ratio": float(rng.uniform(0.3, 3)), "eta": float(rng.uniform(0.05, 0.5))}
    if schedule in ("cosine", "linear"):
        timing["final"] = float(rng.uniform(0, 1.5))
    elif schedule == "step":
        timing |= {"every": float(rng.uniform(4, 30)), "factor": float(rng.uniform(0.4, 1.2))}
    elif schedule == "exponential":
        timing["rate"] = float(rng.choice([0.0, rng.uniform(0, 0.1)]))
    if schedule != "constant":
        timing["warmup"] = float(rng.choice([0.0, rng.uniform(1, 60)]))
    experiment = build(
        table, method, shape,
        problem={"gamma": gamma, "label_smoothing": smoothing, "sample_weights": weighting}, **timing,
    )  # fmt: skip
    factor = None
    if scenario == "kernel":
        factor = rng.standard_normal((len(shape.labels), shape.features, table["kernel_rank"]))
    problem = make_problem(
        shape.labels, classes, gamma, label_smoothing=smoothing, sample_weights=weighting, kernel_factor=factor
    )
    return Case(experiment, problem, random_state(rng, problem, shape.features, float(rng.uniform(0.2, 3))), rng, shape)


def measured(experiment: Experiment, problem: Problem, start: State, states: State) -> dict[str, np.ndarray]:
    """Return every metric of `dynamics` at stacked states, rows sorted by class, as if nothing had been rounded."""
    scenario = type(experiment.scenario)
    numbers, limits, _ = begin(experiment, problem, start, experiment.method.zeta(experiment.times())[-1])
    numbers["rounding"] = np.float64(2.0**-53)
    count = len(states.biases)
    rows = []
    for i in range(count):
        state = jax.tree.map(lambda part, i=i: jnp.asarray(part[i]), states)
        rows.append(jax.device_get(measure(scenario, numbers, problem, limits, state, scenario.no_error(problem))))
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}
