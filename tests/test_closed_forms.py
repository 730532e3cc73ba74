"""Every closed form: its start, its own equation, its limit; then against the simulation and a dense exponential."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from scipy.linalg import expm
from strategies import (
    BALANCED,
    ETA,
    GAMMA,
    LINEAR,
    RATIO,
    SCARCE,
    SCENARIOS,
    UNEQUAL,
    Shape,
    build,
    dense_gap,
    dense_generator,
    dense_limit,
    flatten,
    gap,
    norms,
    operator_of,
    solved,
    true_state,
    walked,
)
from tolerances import ANGLE, ETF, EXPM, FLOW, LIMIT, RESIDUAL, STATE, STEPS_2000

import dynamics
import theorems
from dynamics.errors import InputError
from dynamics.precision import exact
from dynamics.preparation import prepare
from dynamics.schedule import flow_rate, flow_zeta
from dynamics.state import State
from theorems import modal, modal_pairs, modes
from theorems.closed_form import closed_forms, find
from theorems.comparison import Agreement
from theorems.kernel import Tick as KernelTick
from theorems.relax import Relaxation
from theorems.spherical import Plane

CURVED = {"schedule": "cosine", "final": 0.2, "warmup": 7.0}
UNDECAYED = {"kind": "anchored"}
STIFFENED = {"kind": "spherical", "rescale": "norm-squared"}
LOSING = {"kind": "decoupled-decay", "steps": 40, "eta": 0.3, "decay_h": 0.02, "decay_w": 0.01, "decay_b": 0.03}

# Every registered closed form must be here, with the experiments that are tried.
CASES = {
    "modal": [
        build("unconstrained", "flow", **CURVED),
        build("regularized", "flow", problem={"label_smoothing": 0.1, "sample_weights": "inverse"}, **CURVED),
        build("regularized", "flow", BALANCED),
        build("unconstrained", "descent", **CURVED),
        build("regularized", "descent", **CURVED),
    ],
    "stepped": [build("unconstrained", LOSING, **CURVED), build("regularized", LOSING, **CURVED)],  # see test_decay.py
    "anchored": [
        build("anchored", "flow", **CURVED),
        build(UNDECAYED, "flow", **CURVED),
        build("anchored", "descent", **CURVED),
        build(UNDECAYED, "descent", **CURVED),
    ],
    "spherical-flow": [build("spherical", "flow", **CURVED), build(STIFFENED, "flow", **CURVED)],
    "spherical-descent": [build("spherical", "descent", **CURVED), build(STIFFENED, "descent", **CURVED)],
    "kernel-flow": [build("kernel", "flow", **CURVED)],
    "kernel-descent": [build("kernel", "descent", **CURVED)],
}
EVERY = [experiment for experiments in CASES.values() for experiment in experiments]
FLOWS = [experiment for experiment in EVERY if experiment.method.kind == "flow"]
DESCENTS = [experiment for experiment in EVERY if experiment.method.kind == "descent"]


def name(value):
    return f"{value.scenario.kind}-{value.method.kind}" if isinstance(value, dynamics.Experiment) else None


@pytest.fixture(autouse=True, scope="module")
def float64():
    with exact():
        yield


def test_every_registered_closed_form_is_tested():
    assert set(CASES) == set(closed_forms())
    for kind, experiments in CASES.items():
        assert {find(experiment).kind for experiment in experiments} == {kind}


def test_exactly_one_closed_form_covers_an_experiment():
    for experiment in EVERY:
        assert sum(form.covers(experiment) for form in closed_forms().values()) == 1


@pytest.mark.parametrize("experiment", EVERY, ids=name)
def test_the_value_at_time_zero_is_the_start(experiment):
    _, start = prepare(experiment)
    found = jax.tree.map(lambda part: part[0], solved(experiment).at([0.0]))
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(start), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=STATE)


# -- residual of the own equation --------------------------------------------------------------------------------------


def modal_tick(form, experiment, zeta):
    decay = experiment.scenario.numbers()["lambda_b"]
    logs = jnp.where(form.present(), form.exponents * zeta, modal_pairs.NEVER)
    return modal_pairs.Tick(jnp.zeros(()), logs, jnp.ones_like(logs), Relaxation(jnp.zeros(()), *relaxed(-decay, zeta)))


def relaxed(w, zeta):
    return jnp.exp(w * zeta), jnp.expm1(w * zeta) / w if w else zeta


def anchored_tick(form, experiment, zeta):
    return Relaxation(jnp.zeros(()), *relaxed(float(-form.ratio * form.decay_h), zeta))


def spherical_tick(form, experiment, zeta):
    """The angle law, tan(theta/2) = tan(theta0/2) e^(-c zeta), as sin and cos of theta by rational functions of it."""
    radius = jnp.hypot(form.begin.x, form.begin.y)
    half = form.begin.y / (radius + form.begin.x) * jnp.exp(-form.rates * radius ** (form.power - 2) * zeta)
    return Plane(radius * (1 - half**2) / (1 + half**2), radius * 2 * half / (1 + half**2))


def kernel_tick(form, experiment, zeta):
    root = jnp.sqrt(form.ratio) * form.nu
    c, d, e = jnp.cosh(root * zeta), jnp.sinh(root * zeta) / root, (jnp.cosh(root * zeta) - 1) / root**2
    zero = jnp.zeros_like(root)
    return KernelTick(zero, c, d, e, zero, zero, zeta, (jnp.ones(()), zeta))


TICKS = {"modal": modal_tick, "anchored": anchored_tick, "spherical-flow": spherical_tick, "kernel-flow": kernel_tick}


@pytest.mark.parametrize("experiment", FLOWS, ids=name)
def test_a_flow_solves_its_own_differential_equation(experiment):
    """dZ/dt by forward differentiation through the theorem's functions of zeta(t), against eta2(t) times dZ/dzeta."""
    form, _, problem = case = solved(experiment)
    scenario, schedule = type(experiment.scenario), type(experiment.method.schedule)
    timing = experiment.method.numbers()
    numbers = {**experiment.scenario.numbers(), "ratio": np.float64(experiment.method.ratio)}
    times = np.array([1.0, 11.0, 40.0])

    @jax.jit
    def moving(t):
        zeta = flow_zeta(schedule, timing, t)
        return true_state(form, problem, TICKS[form.kind](form, experiment, zeta))

    own = case.at(times)
    for i, t in enumerate(times):
        t = jnp.asarray(t)
        state, slope = jax.jvp(moving, (t,), (jnp.ones_like(t),))
        velocity = scenario.velocity(numbers, problem, state)
        rate = flow_rate(schedule, timing, t)
        size = float(norms(jax.tree.map(lambda part: np.asarray(part)[None], state))[0])
        # The form's own ticks, with their scales and signs, are the same functions.
        for part, wanted in zip(jax.tree.leaves(state), jax.tree.leaves(own), strict=True):
            np.testing.assert_allclose(part, wanted[i], rtol=0, atol=STATE * size)
        for moved, driven in zip(jax.tree.leaves(slope), jax.tree.leaves(velocity), strict=True):
            np.testing.assert_allclose(moved, rate * driven, rtol=0, atol=RESIDUAL * size)


@pytest.mark.parametrize("experiment", DESCENTS, ids=name)
def test_a_descent_solves_its_own_difference_equation(experiment):
    """Z(k+1) - Z(k) against eta_k times the velocity at Z(k), eta_k from the contract's cosine with warm-up."""
    steps = 40
    _, _, problem = case = solved(experiment)
    numbers = {**experiment.scenario.numbers(), "ratio": np.float64(experiment.method.ratio)}
    states = case.at(np.arange(steps + 1))
    for k in range(steps):
        now, then = (State(states.features[j], states.prototypes[j], states.biases[j]) for j in (k, k + 1))
        velocity = type(experiment.scenario).velocity(numbers, problem, now)
        eta = ETA * min(1, (k + 1) / 7) * (0.2 + 0.8 * (1 + np.cos(np.pi * k / steps)) / 2)
        for before, after, driven in zip(*map(jax.tree.leaves, (now, then, velocity)), strict=True):
            np.testing.assert_allclose(after - before, eta * driven, rtol=0, atol=RESIDUAL * norms(states)[k + 1])


# -- limits ------------------------------------------------------------------------------------------------------------

LONG = {"flow": {"time": 4000.0, "eta": 1.0}, "descent": {"steps": 4000, "eta": 1.0}}


@pytest.mark.parametrize("method", ["flow", "descent"])
@pytest.mark.parametrize("kind", ["unconstrained", "regularized", "kernel"])
def test_the_direction_tends_to_the_start_in_the_fastest_modes(kind, method):
    experiment = build(kind, method, **LONG[method])
    problem, start = prepare(experiment)
    (_, state), *_ = theorems.exact_states(experiment, np.array([4000]))
    limit = dense_limit(experiment, problem, start)
    z = flatten(state)[: limit.size]
    assert np.linalg.norm(z / np.linalg.norm(z) - limit / np.linalg.norm(limit)) <= LIMIT
    assert theorems.solve(experiment).metrics["distance"][-1] <= LIMIT


@pytest.mark.parametrize("method", ["flow", "descent"])
def test_anchored_features_tend_to_w_m_over_lambda(method):
    experiment = build({"kind": "anchored", "lambda_h": 0.02}, method, **LONG[method])
    problem, start = prepare(experiment)
    features = solved(experiment).at([4000]).features[0]
    wanted = (start.prototypes.T @ operator_of(experiment, problem)).T / 0.02
    np.testing.assert_allclose(features, wanted, rtol=0, atol=LIMIT)


@pytest.mark.parametrize("method", ["flow", "descent"])
def test_spherical_features_tend_to_the_columns_of_w_m(method):
    experiment = build("spherical", method, **LONG[method])
    problem, start = prepare(experiment)
    features = solved(experiment).at([4000]).features[0]
    targets = (start.prototypes.T @ operator_of(experiment, problem)).T
    np.testing.assert_allclose(unit(features), unit(targets), rtol=0, atol=LIMIT)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


# -- against the simulation --------------------------------------------------------------------------------------------

UNSORTED = np.array([1, 3, 0, 2, 1, 2, 3, 1, 2, 1, 0, 3, 1])  # UNEQUAL in another order
RANKS = {"full": 6 * 13, "low": 4, "one": 1, "zero": 0}


def kernel_start(path, rank: int, labels=UNSORTED, p: int = 6, seed: int = 11) -> dict[str, str]:
    """Write a start with biases, unsorted labels and the kernel K itself, of the rank asked for."""
    rng = np.random.default_rng(seed)
    n, classes = len(labels), labels.max() + 1
    factor = rng.standard_normal((p * n, rank))
    arrays = {"H": rng.standard_normal((p, n)), "W": rng.standard_normal((p, classes))}
    arrays["b"] = rng.standard_normal(classes)
    np.savez(path / "kernel.npz", labels=labels, K=factor @ factor.T / max(rank, 1), **arrays)
    return {"file": str(path / "kernel.npz")}


@pytest.mark.parametrize("eta", [0.02, 0.3])
@pytest.mark.parametrize("kind", LINEAR)
def test_2000_steps_of_descent_agree_to_rounding(kind, eta):
    """S = 2.3, unequal sizes, unequal lambdas, a cosine schedule; relative to the largest norm on the path."""
    experiment = build(kind, "descent", steps=2000, eta=eta, schedule="cosine", points=21)
    assert gap(walked(experiment), solved(experiment).at(experiment.times())) <= STEPS_2000


@pytest.mark.parametrize("rank", RANKS.values(), ids=RANKS)
def test_2000_steps_of_kernel_descent_agree_at_every_rank(rank, tmp_path):
    start = kernel_start(tmp_path, rank)
    experiment = build({"kind": "kernel"}, "descent", start=start, steps=2000, eta=0.02, schedule="cosine", points=21)
    assert gap(walked(experiment), solved(experiment).at(experiment.times())) <= STEPS_2000


@pytest.mark.parametrize("rescale", ["none", "norm", "norm-squared"])
def test_2000_steps_of_spherical_descent_agree_in_every_angle(rescale):
    scenario = {"kind": "spherical", "rescale": rescale}
    experiment = build(scenario, "descent", steps=2000, eta=0.3, schedule="cosine", points=21)
    problem, start = prepare(experiment)
    targets = (start.prototypes.T @ operator_of(experiment, problem)).T
    simulated, exact_states = walked(experiment), solved(experiment).at(experiment.times())
    assert np.max(np.abs(angles(simulated.features, targets) - angles(exact_states.features, targets))) <= ANGLE
    lengths = [np.linalg.norm(states.features, axis=-1) for states in (simulated, exact_states)]
    np.testing.assert_allclose(*lengths, rtol=ANGLE)


def angles(features, targets) -> np.ndarray:
    """The angle of every feature to its target, by atan2: right near 0 and pi."""
    own = unit(targets)
    along = np.sum(features * own, axis=-1)
    return np.arctan2(np.linalg.norm(features - along[..., None] * own, axis=-1), along)


@pytest.mark.parametrize("kind", SCENARIOS)
def test_a_flow_agrees_with_diffrax_at_every_saved_time(kind):
    """One with jumps and a kink for the integrator to land on; a constant rate serves for the others."""
    timing = {"schedule": "step", "every": 9.0, "factor": 0.7, "warmup": 7.0} if kind == "unconstrained" else {}
    experiment = build(kind, "flow", points=6, **timing)
    assert gap(walked(experiment), solved(experiment).at(experiment.times())) <= FLOW


# -- against a dense copy ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["flow", "descent"])
@pytest.mark.parametrize("kind", LINEAR)
def test_the_exact_solution_is_the_dense_exponential(kind, method):
    for problem in ({}, {"gamma": 0.5, "label_smoothing": 0.2, "sample_weights": "sqrt"}):
        assert dense_gap(build(kind, method, SCARCE, problem=problem, **CURVED)) <= EXPM


@pytest.mark.parametrize("method", ["flow", "descent"])
@pytest.mark.parametrize("rank", [2 * 6, 2, 1, 0], ids=RANKS)
def test_a_kernel_of_any_rank_is_the_dense_exponential(rank, method, tmp_path):
    start = kernel_start(tmp_path, rank, labels=np.array([2, 0, 0, 1, 2, 0]), p=2)
    assert dense_gap(build({"kind": "kernel"}, method, start=start, **CURVED)) <= EXPM


@pytest.mark.parametrize("tilt", [0.0, 2e-14])
def test_the_identity_as_a_kernel_is_the_unconstrained_pair(tmp_path, monkeypatch, tilt):
    """Also long after the mean mode has outgrown the contrasts by more than 36 e-folds (gamma > 2/(C-2)).

    And with singular vectors that mix the first and the last mode, as by the rounding of a worse LAPACK.
    """

    def tilted(*args, svd=np.linalg.svd, **options):
        left, values, right = svd(*args, **options)
        turn = np.eye(len(values))
        turn[0, -1], turn[-1, 0] = tilt, -tilt
        return left @ turn, values, turn.T @ right

    monkeypatch.setattr(np.linalg, "svd", tilted)
    rng = np.random.default_rng(1)
    arrays = {"H": rng.standard_normal((5, 8)), "W": rng.standard_normal((5, 4)), "labels": np.arange(8) // 2}
    np.savez(tmp_path / "pair.npz", **arrays)
    np.savez(tmp_path / "kernel.npz", K=np.eye(40), **arrays)
    pair, kernel = (
        theorems.solve(
            build({"kind": kind}, "flow", problem={"gamma": 2.0}, time=200.0, eta=1.0, points=11,
                  start={"file": str(tmp_path / file)})
        )
        for kind, file in (("unconstrained", "pair.npz"), ("kernel", "kernel.npz"))
    )  # fmt: skip
    for metric in ("log_norm", "accuracy", "alignment", "nc1", "nc2", "nc3", "distance"):
        np.testing.assert_allclose(kernel.metrics[metric], pair.metrics[metric], rtol=0, atol=1e-9, err_msg=metric)


# -- modes of any operator ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("decays", [(0.0, 0.0), (0.05, 0.2), (0.3, 0.0)])
def test_the_modes_of_any_operator_solve_its_pair(decays, monkeypatch):
    """A random dense C x C operator instead of labels: F' = -s l1 F + sqrt(s) B'W, W' = sqrt(s) B F - l2 W."""
    classes, p, zeta = 4, 3, 7.0
    rng = np.random.default_rng(2)
    operator = rng.standard_normal((classes, classes)) / 3
    scenario = {"kind": "regularized", "lambda_h": decays[0], "lambda_w": decays[1]}
    experiment = build(scenario, {"kind": "flow", "time": zeta, "eta": 1.0}, Shape((1,) * classes, p))
    monkeypatch.setattr(modal, "label_modes", lambda *_: modes.matrix_modes(operator))
    _, start = prepare(experiment)
    found = solved(experiment).at([zeta])
    root, (l1, l2) = np.sqrt(RATIO), decays
    eye = np.eye(classes)
    generator = np.block([[-RATIO * l1 * eye, root * operator.T], [root * operator, -l2 * eye]])
    wanted = expm(generator * zeta) @ np.vstack([start.features / root, start.prototypes])
    size = np.linalg.norm(wanted)
    assert np.linalg.norm(found.features[0] / root - wanted[:classes]) <= EXPM * size
    assert np.linalg.norm(found.prototypes[0] - wanted[classes:]) <= EXPM * size


@pytest.mark.parametrize("shape", [UNEQUAL, SCARCE, BALANCED], ids=str)
@pytest.mark.parametrize("weighting", ["none", "sqrt", "inverse"])
@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0, 4.0])
def test_the_singular_values_by_groups_are_those_of_the_dense_operator(shape, weighting, gamma):
    experiment = build("unconstrained", "flow", shape, problem={"gamma": gamma, "sample_weights": weighting})
    problem, _ = prepare(experiment)
    found = modes.label_modes(problem)
    contrasts = np.repeat(found.contrast, found.count.astype(int) - 1)
    wanted = np.linalg.svd(operator_of(experiment, problem), compute_uv=False)[: shape.classes]
    np.testing.assert_allclose(np.sort([*contrasts, *found.sigma]), np.sort(wanted), rtol=0, atol=ETF)


# -- edges -------------------------------------------------------------------------------------------------------------


def judged(experiment):
    return theorems.compare(dynamics.simulate(experiment), theorems.solve(experiment))


def say(report) -> None:
    """Print how far each metric was judged: it is in the output of a failing test, and of pytest -rP."""
    for metric, one in report.metrics.items():
        print(f"{metric:14} {one.verdict!s:13} gap {one.gap}, error {one.error}, until {one.until}  {one.why or ''}")  # noqa: T201


TWO = Shape((2, 3), 3)
ONE_EACH = Shape((1, 1, 1, 1), 6)
LINE = Shape((2, 5, 3, 3), 1)
CRITICAL = {"kind": "regularized", "lambda_h": 0.1, "lambda_w": RATIO * 0.1}  # s l1 = l2: at sigma = 0 they coincide
ONE_SIDED = {"kind": "regularized", "lambda_h": 0.0, "lambda_w": 0.2}
OSCILLATING = {"kind": "regularized", "lambda_h": 0.4, "lambda_w": 0.3, "lambda_b": 0.2}
EDGES = {
    "gamma 0, flow": build("unconstrained", "flow", problem={"gamma": 0.0}),
    "gamma 0, descent": build("unconstrained", "descent", problem={"gamma": 0.0}),
    "gamma 1/(C-1), flow": build("unconstrained", "flow", problem={"gamma": "1/(C-1)"}),
    "gamma 1/(C-1), descent": build("unconstrained", "descent", problem={"gamma": "1/(C-1)"}),
    "gamma 1/(C-1), balanced": build("unconstrained", "descent", BALANCED, problem={"gamma": "1/(C-1)"}),
    "gamma 2/(C-2), flow": build("unconstrained", "flow", problem={"gamma": 1.0}),
    "gamma 2/(C-2), descent": build("unconstrained", "descent", problem={"gamma": 1.0}),
    "gamma 2/(C-2), balanced": build("unconstrained", "descent", BALANCED, problem={"gamma": 2.0}),
    "C = 2, gamma 0": build("unconstrained", "descent", TWO, problem={"gamma": 0.0}),
    "C = 2, gamma 1": build("unconstrained", "descent", TWO, problem={"gamma": 1.0}),
    "C = 2, gamma 5": build("unconstrained", "descent", TWO, problem={"gamma": 5.0}),
    "N = 1": build("regularized", "descent", ONE_EACH),
    "N = 1, kernel": build("kernel", "descent", ONE_EACH),
    "p = 1": build("unconstrained", "descent", LINE),
    "p = 1, spherical": build("spherical", "descent", LINE),
    "p < C": build("unconstrained", "descent", SCARCE),
    "lambda_h = 0 < lambda_w, flow": build(ONE_SIDED, "flow"),
    "lambda_h = 0 < lambda_w, descent": build(ONE_SIDED, "descent", problem={"gamma": "1/(C-1)"}),
    "s lambda_h = lambda_w, flow": build(CRITICAL, "flow", problem={"gamma": "1/(C-1)"}),
    "s lambda_h = lambda_w, balanced": build(CRITICAL, "descent", BALANCED, problem={"gamma": "1/(C-1)"}),
    "oscillating": build(OSCILLATING, "descent", eta=2.6, steps=30, points=31),
    "oscillating, unconstrained": build("unconstrained", "descent", eta=30.0, steps=30, points=31),
    "oscillating, anchored": build("anchored", "descent", eta=13.0, steps=30, points=31),
}
UNSTABLE = ("p = 1, spherical",)  # on a line half of the features are antipodal, where a rounding grows


@pytest.mark.parametrize("edge", EDGES)
def test_an_edge_agrees_as_far_as_the_rounding_allows(edge):
    report = judged(EDGES[edge])
    say(report)
    assert report.verdict is Agreement.AGREES
    for metric, one in report.metrics.items():
        if one.verdict is Agreement.NOT_COMPARED:
            assert metric in report.closed_form.why, metric  # a reason is given, never a mere NaN
        elif edge not in UNSTABLE and metric != "distance":  # which falls below its rounding
            assert one.until == EDGES[edge].times()[-1], metric
        else:
            assert one.until >= EDGES[edge].times()[-1] / 4, metric


@pytest.mark.parametrize("edge", ["oscillating", "oscillating, unconstrained", "oscillating, anchored"])
def test_the_oscillating_edges_oscillate(edge):
    """1 + eta w < -1 for the most negative exponent w: else the test above would not try what it says."""
    experiment = EDGES[edge]
    problem, _ = prepare(experiment)
    h = problem.samples * experiment.problem.features
    size = h + problem.classes * experiment.problem.features
    lowest = np.linalg.eigvals(dense_generator(experiment, problem)[:size, :size]).real.min()
    assert 1 + experiment.method.eta * lowest < -1


@pytest.mark.parametrize("method", ["flow", "descent"])
@pytest.mark.parametrize("signs", [(1.0,), (-1.0,), (1.0, -1.0, 1.0, 1.0)], ids=["aligned", "antipodal", "mixed"])
def test_features_aligned_or_antipodal_stay(signs, method, tmp_path):
    """The exact solution keeps them for ever; the simulation may leave an antipode, by rounding alone."""
    rng = np.random.default_rng(5)
    w = rng.standard_normal((6, 4))
    targets = w @ operator_of(build("spherical"), prepare(build("spherical"))[0])
    sides = np.resize(signs, targets.shape[1])
    features = 0.7 * sides * targets / np.linalg.norm(targets, axis=0)
    np.savez(tmp_path / "start.npz", H=features, W=w, labels=UNEQUAL.labels)
    experiment = build("spherical", method, start={"file": str(tmp_path / "start.npz")}, points=6)
    found = solved(experiment).at(experiment.times()).features
    np.testing.assert_allclose(found, np.broadcast_to(found[0], found.shape), rtol=0, atol=ETF)
    report = judged(experiment)
    say(report)
    assert report.verdict is not Agreement.DISAGREES
    if signs == (1.0,):
        assert report.metrics["loss"].verdict is Agreement.AGREES
        assert report.closed_form.decay.predicted is None


def test_a_loss_that_cancels_at_the_start_is_not_judged_beyond_its_rounding(tmp_path):
    """Features at 4, 68, 112 and 176 degrees from the vertices of an ETF: the cosines sum to zero, each way rounded."""
    vertex = 2 * np.pi * np.arange(3) / 3
    angles = (vertex[:, None] + np.radians([4.0, 68.0, 112.0, 176.0])).ravel()
    w, h = (np.stack([np.cos(x), np.sin(x)]) for x in (vertex, angles))
    np.savez(tmp_path / "start.npz", H=h, W=w, labels=np.repeat(np.arange(3), 4))
    experiment = build("spherical", "descent", start={"file": str(tmp_path / "start.npz")}, points=6, steps=20)
    report = judged(experiment)
    say(report)
    assert abs(report.simulation.metrics["loss"][0]) < 1e-15
    assert report.verdict is Agreement.AGREES


@pytest.mark.parametrize("times", [[0, 41], [-1], [np.nan]])
def test_states_are_given_within_the_experiment_only(times):
    experiment = build("unconstrained", "descent", steps=40)
    with pytest.raises(InputError, match="times must lie between 0 and the experiment's steps, 40, but is"):
        theorems.exact_states(experiment, np.array(times))


@pytest.mark.parametrize("short", [1e-6, 1e-8, 1e-10])
@pytest.mark.parametrize("method", ["flow", "descent"])
def test_a_feature_that_leaves_its_antipode_is_not_judged_beyond_its_error(method, short, tmp_path):
    """Next to pi a rounding of the angle grows as e^(c zeta), by 1/short in all: the error bound must know."""
    rng = np.random.default_rng(5)
    h, w = rng.standard_normal((6, 13)), rng.standard_normal((6, 4))
    target = unit((w @ operator_of(build("spherical"), prepare(build("spherical"))[0])).T)[0]
    across = unit((h[:, 0] - h[:, 0] @ target * target)[None])[0]
    h[:, 0] = 1.3 * (across * np.sin(short) - target * np.cos(short))
    np.savez(tmp_path / "start.npz", H=h, W=w, labels=UNEQUAL.labels)
    length = {"time": 400.0} if method == "flow" else {"steps": 400}
    experiment = build("spherical", method, start={"file": str(tmp_path / "start.npz")}, points=6, **length)
    report = judged(experiment)
    say(report)
    assert report.verdict is not Agreement.DISAGREES


@pytest.mark.parametrize("kind", SCENARIOS)
def test_an_overflow_of_the_simulation_is_a_normal_result(kind):
    """No warning, no disagreement, and the exact logarithm goes on."""
    report = judged(build(kind, "descent", steps=3000, eta=200.0, points=4))
    say(report)
    assert report.verdict is not Agreement.DISAGREES
    assert np.isfinite(report.closed_form.metrics["log_norm"]).all()
    if kind != "spherical":  # where nothing can overflow
        assert report.simulation.diverged_at is not None
        assert report.closed_form.metrics["log_norm"][-1] > 710


@pytest.mark.parametrize("start", [{"scale_h": 0.0}, {"scale_w": 0.0}], ids=str)
@pytest.mark.parametrize("kind", LINEAR)
def test_a_start_that_is_half_zero_is_a_normal_result(kind, start):
    report = judged(build(kind, "descent", start=start))
    say(report)
    assert report.verdict is not Agreement.DISAGREES
    assert report.metrics["log_norm"].verdict is Agreement.AGREES
    assert report.metrics["loss"].verdict is Agreement.AGREES


def test_a_start_that_is_zero_does_not_hang_a_flow():
    """The tolerance of the integrator is relative to the state: of nothing, it must not ask for ever smaller steps."""
    script = (
        "import dynamics\n"
        "table = dict(classes=3, per_class=[1, 2, 2], features=2)\n"
        "flow, zero = dict(kind='flow', time=1.0), dict(scale_h=0.0, scale_w=0.0)\n"
        "experiment = dynamics.Experiment(problem=table, method=flow, start=zero, output=dict(points=2))\n"
        "found = dynamics.simulate(experiment)\n"
        "assert abs(found.metrics['loss'][-1]) > 0 and found.diverged_at is None\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, timeout=60)


@pytest.mark.parametrize(("method", "length"), [("flow", {"time": 150.0}), ("descent", {"steps": 150})])
def test_a_start_inside_the_falling_contrasts_stays_there(method, length, tmp_path):
    """H0 = -sqrt(s/N) W0 (x) 1, W0 centred: the norm falls as e^(-p) for ever, but rounding makes a simulation grow."""
    classes, per_class, p, eta, s = 3, 2, 4, 0.6, RATIO
    w = np.random.default_rng(0).standard_normal((p, classes))
    w -= w.mean(axis=1, keepdims=True)
    np.savez(tmp_path / "start.npz", H=-np.sqrt(s / per_class) * np.repeat(w, per_class, axis=1), W=w)
    start = {"file": str(tmp_path / "start.npz")}
    experiment = build("unconstrained", method, start=start, eta=eta, points=16, **length)
    report = judged(experiment)
    say(report)
    assert report.verdict is not Agreement.DISAGREES
    sigma = (1 + GAMMA) / (classes * np.sqrt(per_class))
    times = experiment.times()
    fall = -np.sqrt(s) * sigma * eta * times if method == "flow" else times * np.log1p(-np.sqrt(s) * sigma * eta)
    log_norm = report.closed_form.metrics["log_norm"]
    np.testing.assert_allclose(log_norm - log_norm[0], fall, rtol=STATE, atol=STATE)
    assert np.isnan(report.closed_form.metrics["distance"]).all()
    assert "distance" in report.closed_form.why
    one = report.metrics["log_norm"]
    assert one.verdict is Agreement.AGREES
    assert 0 < one.until < times[-1]
    assert one.why
    simulated = report.simulation.metrics["log_norm"]
    assert simulated[-1] > log_norm[-1] + 10
    assert report.closed_form.notes


@pytest.mark.parametrize("method", ["flow", "descent"])
def test_a_start_inside_a_falling_mode_of_unequal_classes_stays_there(method, tmp_path):
    """The same for unequal sizes: the start is the eigenvector of the most negative exponent of the dense generator."""
    base = build("unconstrained", method)
    problem, _ = prepare(base)
    p, h = UNEQUAL.features, problem.samples * UNEQUAL.features
    size = h + problem.classes * p
    values, vectors = np.linalg.eig(dense_generator(base, problem)[:size, :size])
    z = vectors[:, np.argmin(values.real)].real
    np.savez(tmp_path / "start.npz", H=z[:h].reshape(-1, p).T, W=z[h:].reshape(-1, p).T, labels=problem.labels)
    length = {"time": 400.0} if method == "flow" else {"steps": 400}
    experiment = build("unconstrained", method, start={"file": str(tmp_path / "start.npz")}, points=9, **length)
    log_norm = theorems.solve(experiment).metrics["log_norm"]
    zeta = experiment.method.zeta(experiment.times())
    w = values.real.min()
    fall = w * zeta if method == "flow" else experiment.times() * np.log1p(ETA * w)
    np.testing.assert_allclose(log_norm - log_norm[0], fall, rtol=1e-11, atol=1e-11)


def accuracies_with_400_digits(experiment, problem, start) -> list[float]:
    """Descent by powers of the dense (n + C)-square step, in arithmetic that nothing can drown in."""
    labels, (samples, classes) = list(problem.labels), (problem.samples, problem.classes)
    operator = mpmath.matrix(operator_of(experiment, problem).tolist())
    eta, s = mpmath.mpf(experiment.method.eta), mpmath.mpf(experiment.method.ratio)
    step = mpmath.eye(samples + classes)
    for i in range(samples):
        for c in range(classes):
            step[samples + c, i], step[i, samples + c] = eta * s * operator[c, i], eta * operator[c, i]
    z = mpmath.matrix(np.hstack([start.features.T, start.prototypes.T]).tolist())
    drive, found, times = operator * mpmath.ones(samples, 1), [], experiment.times().astype(int)
    stride = step ** int(times[1])
    for t in times:
        logits = z[:, samples:].T * z[:, :samples]
        chosen = [
            max(range(classes), key=lambda c, i=i: logits[c, i] + start.biases[c] + eta * int(t) * drive[c])
            for i in range(samples)
        ]
        found.append(float(np.mean(np.equal(chosen, labels))))
        z = z * stride
    return found


@pytest.mark.parametrize("gamma", [0.0, 2.0, 0.3], ids=["0", "2/(C-2)", "0.3"])
def test_the_accuracy_stays_right_where_the_classes_come_apart(gamma, tmp_path):
    """Unequal sizes at gamma = 0 and 2/(C-2): M'M is diagonal, a class goes at its own rate, and the slow ones drown.

    Their features, or the differences between their prototypes, are e^-36 of the largest long before the end.
    """
    for seed in range(4):
        rng = np.random.default_rng(seed)
        shape = (SCARCE, Shape((4, 2, 3), 4))[seed % 2]
        h, w = (rng.standard_normal((shape.features, k)) for k in (len(shape.labels), shape.classes))
        np.savez(tmp_path / "start.npz", H=h, W=w, b=(seed // 2) * rng.standard_normal(3), labels=shape.labels)
        start = {"file": str(tmp_path / "start.npz")}
        experiment = build(
            "unconstrained", "descent", problem={"gamma": gamma}, start=start, steps=1000, eta=1.0, points=6
        )
        found = theorems.solve(experiment).metrics["accuracy"]
        with mpmath.workdps(400):
            wanted = accuracies_with_400_digits(experiment, *prepare(experiment))
        np.testing.assert_allclose(found, wanted, rtol=0, atol=ETF, err_msg=str(shape))


def test_a_kernel_that_does_not_mix_the_classes_gives_no_accuracy_that_it_cannot_know(tmp_path):
    """K = 1 is the unconstrained pair, but nothing tells its modes which class they belong to."""
    shape = Shape((4, 2, 3), 4)
    rng = np.random.default_rng(3)
    h, w = (rng.standard_normal((shape.features, k)) for k in (len(shape.labels), shape.classes))
    runs = []
    for kind, arrays in (("kernel", {"K": np.eye(h.size)}), ("unconstrained", {})):
        path = tmp_path / f"{kind}.npz"
        np.savez(path, H=h, W=w, labels=shape.labels, **arrays)
        table, start = {"gamma": 2.0}, {"file": str(path)}
        experiment = build({"kind": kind}, "descent", problem=table, start=start, steps=1000, eta=1.0, points=51)
        runs.append(theorems.solve(experiment))
    kernel, pair = runs
    found, wanted = (run.metrics["accuracy"] for run in (kernel, pair))
    known = np.isfinite(found)
    assert known[0]
    assert not known[-1]
    assert "accuracy" in kernel.why
    np.testing.assert_allclose(found[known], wanted[known], rtol=0, atol=ETF)
    assert np.isfinite(wanted).all()
    assert "accuracy" not in pair.why


def test_biases_that_differ_by_less_than_a_rounding_of_what_they_share_decide(tmp_path):
    """Weights ~ 1/n_c drive every bias alike; their start decays, but logits decay faster with these lambdas."""
    rng = np.random.default_rng(0)
    h, w = (rng.standard_normal((UNEQUAL.features, k)) for k in (len(UNEQUAL.labels), UNEQUAL.classes))
    biases = np.array([0.2, 0.5, -0.9, 0.1])
    np.savez(tmp_path / "start.npz", H=h, W=w, b=biases, labels=UNEQUAL.labels)
    scenario = {"kind": "regularized", "lambda_h": 1.0, "lambda_w": 1.0, "lambda_b": 0.5}
    table, start = {"gamma": 0.0, "sample_weights": "inverse"}, {"file": str(tmp_path / "start.npz")}
    experiment = build(scenario, "flow", problem=table, start=start, eta=1.0, time=200.0, points=5)
    found = theorems.solve(experiment).metrics["accuracy"]
    share = UNEQUAL.sizes[1] / sum(UNEQUAL.sizes)  # of the class whose bias started highest
    np.testing.assert_allclose(found[1:], share, rtol=0, atol=ETF)


def test_a_mean_at_right_angles_to_the_classes_does_not_drown_them(tmp_path):
    """Collapsed features and prototypes, and a mean of all features that grows far faster and is seen by no class."""
    classes, p = 4, 6
    rng = np.random.default_rng(1)
    turn = np.linalg.qr(rng.standard_normal((p, p)))[0]
    w = turn[:, :classes] @ (np.eye(classes) - 1 / classes)
    h = np.repeat(w, 3, axis=1) + turn[:, [classes]]
    np.savez(tmp_path / "start.npz", H=h, W=w, labels=np.repeat(np.arange(classes), 3))
    start = {"file": str(tmp_path / "start.npz")}
    experiment = build("unconstrained", "flow", problem={"gamma": 3.0}, start=start, eta=1.0, time=2000.0, points=9)
    np.testing.assert_array_equal(theorems.solve(experiment).metrics["accuracy"], 1.0)


SMOOTH = [
    (shape, gamma, decays)
    for shape in (BALANCED, UNEQUAL)
    for gamma in (0.0, "1/(C-1)", 1.0, 2.0)
    for decays in ((0.0, 0.0), (0.1, RATIO * 0.1), (0.0, 0.2), (0.2, 0.0), (0.3, 0.3))
]


@pytest.mark.parametrize(("shape", "gamma", "decays"), SMOOTH, ids=str)
def test_no_nan_where_eigenvalues_coincide_or_vanish(shape, gamma, decays):
    """sigma2 = 0, lambda = 0, s l1 = l2, sigma1 = |sigma2|: each 2 x 2 formula of the paper is 0/0 at one of these."""
    scenario = {"kind": "regularized", "lambda_h": decays[0], "lambda_w": decays[1]}
    for method, length in (("flow", {"time": 5000.0}), ("descent", {"steps": 5000})):
        experiment = build(scenario, method, shape, problem={"gamma": gamma}, eta=1.0, points=5, **length)
        found = theorems.solve(experiment)
        for metric in ("log_norm", "log_abs_loss", "alignment", "nc1", "nc2", "nc3"):
            assert np.isfinite(found.metrics[metric]).all(), metric
        assert not np.isnan(found.metrics["loss"]).any()
        assert not np.isnan(found.metrics["objective"]).any()


def test_the_helper_of_these_tests_adds_nothing_to_a_form():
    form, experiment, problem = exact_solution = solved(CASES["modal"][1])
    log_scale, state = form.state(
        problem, jax.tree.map(lambda x: x[0], form.ticks(experiment, problem, np.array([13.0])))
    )
    found = exact_solution.at([2.0, 13.0]).features[1]
    np.testing.assert_allclose(found, np.exp(log_scale) * np.asarray(state.features), rtol=0, atol=ETF * np.max(found))
