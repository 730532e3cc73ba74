"""What must hold for every instance: semigroup, clocks, symmetries, linearity, conservation, rates, error bounds."""

import jax
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import (
    LINEAR,
    SHAPES,
    UNEQUAL,
    build,
    cases,
    gap,
    loss_operator,
    random_case,
    random_state,
    solved,
)
from test_schedules import contract_zeta
from tolerances import CONSERVED, EXACT_ROUNDING, PROPERTY, RATE, RATE_MEASURED, SINGULAR

import dynamics
import theorems
from dynamics.precision import exact
from dynamics.problem import make_problem
from dynamics.state import State
from theorems.comparison import Agreement
from theorems.modes import label_modes

PAIRS = ("unconstrained", "regularized")
ROTATED = ("unconstrained", "regularized", "anchored", "spherical")  # a kernel would have to turn along


@pytest.fixture(autouse=True, scope="module")
def float64():
    with exact():
        yield


def only(states: State, index: int = 0) -> State:
    return jax.tree.map(lambda part: part[index], states)


def stack(*states: State) -> State:
    return jax.tree.map(lambda *parts: np.stack(parts), *states)


def with_method(case, **method):
    """The same experiment with another method."""
    tables = case.experiment.to_dict()
    return dynamics.Experiment.from_dict({**tables, "method": {**tables["method"], **method}})


# -- semigroup and clocks ----------------------------------------------------------------------------------------------


@given(cases(schedules=("constant",)), st.integers(0, 40))
def test_to_go_on_from_a_state_is_to_go_on(case, middle):
    """Solve to t1, start again there, go on to t2: the same as to solve to t2 (constant rate)."""
    whole = solved(case.experiment, case.problem, case.start)
    first = only(whole.at([middle]))
    again = solved(case.experiment, case.problem, first).at([0, 40 - middle])
    assert gap(again, whole.at([middle, 40])) <= PROPERTY


@pytest.mark.parametrize("method", ["flow", "descent"])
def test_to_go_on_from_a_file_is_to_go_on(method, tmp_path):
    """The same through files, with biases and unsorted labels, as a user would do it."""
    labels = np.random.default_rng(0).permutation(UNEQUAL.labels)
    rng = np.random.default_rng(1)
    arrays = {"H": rng.standard_normal((6, 13)), "W": rng.standard_normal((6, 4)), "b": rng.standard_normal(4)}
    np.savez(tmp_path / "one.npz", labels=labels, **arrays)
    (_, middle), (_, last) = theorems.exact_states(
        build("regularized", method, start={"file": str(tmp_path / "one.npz")}), np.array([15, 40])
    )
    np.savez(tmp_path / "two.npz", labels=labels, H=middle.features.T, W=middle.prototypes.T, b=middle.biases)
    second = build("regularized", method, start={"file": str(tmp_path / "two.npz")})
    ((_, found),) = theorems.exact_states(second, np.array([25]))
    assert gap(stack(found), stack(last)) <= PROPERTY


@given(cases(methods=("flow",)), st.floats(0.1, 40.0))
def test_a_flow_knows_time_only_through_zeta(case, t):
    """Any schedule and warm-up at t equals a constant rate of one at the time zeta(t), by the contract's quadrature."""
    method = case.experiment.method
    zeta = method.eta * contract_zeta(method.schedule.kind, method.schedule.model_dump(), method.warmup, 40.0, t)
    timing = {"kind": "flow", "eta": 1.0, "time": zeta, "ratio": method.ratio}
    plain = dynamics.Experiment.from_dict({**case.experiment.to_dict(), "method": timing})
    scheduled = solved(case.experiment, case.problem, case.start).at([t])
    assert gap(solved(plain, case.problem, case.start).at([zeta]), scheduled) <= PROPERTY


@given(cases(methods=("descent",), scenarios=LINEAR))
def test_a_descent_of_small_steps_is_a_flow(case):
    """The gap falls in proportion to the step (n steps of zeta/n): the two exact solutions are of the same thing."""
    total = 1.0
    flow = solved(with_constant(case, "flow", total), case.problem, case.start).at([total])
    gaps = [
        gap(solved(with_constant(case, "descent", total, steps), case.problem, case.start).at([steps]), flow)
        for steps in (1000, 2000)
    ]
    assume(gaps[0] > 1e-9)  # else nothing moves, and there is no slope
    assert gaps[0] / gaps[1] == pytest.approx(2, rel=0.02)


def with_constant(case, kind: str, total: float, steps: int = 1):
    timing = {"kind": kind, "ratio": case.experiment.method.ratio}
    timing |= {"eta": 1.0, "time": total} if kind == "flow" else {"eta": total / steps, "steps": steps}
    return dynamics.Experiment.from_dict({**case.experiment.to_dict(), "method": timing})


# -- symmetries --------------------------------------------------------------------------------------------------------


@given(cases(scenarios=ROTATED))
def test_a_rotation_of_the_feature_space_commutes_with_the_motion(case):
    turn = np.linalg.qr(case.rng.standard_normal((case.shape.features,) * 2))[0]

    def turned(state: State) -> State:
        return State(state.features @ turn, state.prototypes @ turn, state.biases)

    moved = solved(case.experiment, case.problem, case.start).at([17, 40])
    assert gap(solved(case.experiment, case.problem, turned(case.start)).at([17, 40]), turned(moved)) <= PROPERTY


@given(cases())
def test_other_names_of_the_classes_commute_with_the_motion(case):
    """Class c becomes names[c], and the samples come in another order: the same motion under the new names."""
    names, order = case.rng.permutation(case.shape.classes), case.rng.permutation(len(case.shape.labels))
    table = case.experiment.problem
    factor = case.problem.kernel_factor
    renamed = make_problem(
        names[case.problem.labels][order],
        case.shape.classes,
        table.gamma,
        label_smoothing=table.label_smoothing,
        sample_weights=table.sample_weights,
        kernel_factor=None if factor is None else factor[order],
    )
    rows, columns = order[renamed.order], np.argsort(names)

    def named(state: State) -> State:
        return State(state.features[..., rows, :], state.prototypes[..., columns, :], state.biases[..., columns])

    moved = solved(case.experiment, case.problem, case.start).at([17, 40])
    assert gap(solved(case.experiment, renamed, named(case.start)).at([17, 40]), named(moved)) <= PROPERTY


@given(cases(scenarios=LINEAR), st.floats(-3, 3), st.floats(-3, 3))
def test_the_motion_of_features_and_prototypes_is_linear_in_the_start(case, x, y):
    other = random_state(case.rng, case.problem, case.shape.features)

    def mixed(first: State, second: State) -> State:
        mix = jax.tree.map(lambda a, b: x * a + y * b, first, second)
        return State(mix.features, mix.prototypes, np.zeros_like(mix.biases))  # the biases are affine

    both = [solved(case.experiment, case.problem, start).at([17, 40]) for start in (case.start, other)]
    found = solved(case.experiment, case.problem, mixed(case.start, other)).at([17, 40])
    found = State(found.features, found.prototypes, np.zeros_like(found.biases))
    size = max(gap(jax.tree.map(np.zeros_like, part), part) for part in both)
    assert size == pytest.approx(1)  # the unit below: the larger of the two motions
    largest = max(np.linalg.norm(part.features) + np.linalg.norm(part.prototypes) for part in both)
    difference = jax.tree.map(np.subtract, found, mixed(*both))
    assert np.linalg.norm(difference.features) <= PROPERTY * largest
    assert np.linalg.norm(difference.prototypes) <= PROPERTY * largest


# -- conservation ------------------------------------------------------------------------------------------------------


def moment(state: State, ratio: float) -> np.ndarray:
    """H H' - s W W', (times, p, p)."""
    h, w = np.asarray(state.features), np.asarray(state.prototypes)
    return np.einsum("tip,tiq->tpq", h, h) - ratio * np.einsum("tcp,tcq->tpq", w, w)


@given(cases(scenarios=PAIRS, methods=("flow",)))
def test_a_flow_conserves_the_difference_of_moments_up_to_equal_decay(case):
    """H H' - s W W' is constant without decay, and falls as e^(-2 l zeta) with s l1 = l2 = l, for any M."""
    s, l2 = case.experiment.method.ratio, 0.0
    experiment = case.experiment
    if experiment.scenario.kind == "regularized":
        l2 = float(case.rng.uniform(0, 0.3))
        scenario = {"kind": "regularized", "lambda_h": l2 / s, "lambda_w": l2}
        experiment = dynamics.Experiment.from_dict({**experiment.to_dict(), "scenario": scenario})
    times = np.array([0.0, 11.0, 40.0])
    states = solved(experiment, case.problem, case.start).at(times)
    found = moment(states, s) * np.exp(2 * l2 * experiment.method.zeta(times))[:, None, None]
    parts = np.sum(states.features**2, axis=(1, 2)) + s * np.sum(states.prototypes**2, axis=(1, 2))
    size = np.max(parts * np.exp(2 * l2 * experiment.method.zeta(times)))
    assert np.max(np.abs(found - found[0])) <= CONSERVED * size


@given(cases(scenarios=("spherical",), methods=("flow",)))
def test_a_spherical_flow_conserves_every_norm(case):
    lengths = np.linalg.norm(solved(case.experiment, case.problem, case.start).at([0.0, 11.0, 40.0]).features, axis=-1)
    np.testing.assert_allclose(lengths, np.broadcast_to(lengths[0], lengths.shape), rtol=PROPERTY)


@given(cases(scenarios=("spherical",), methods=("flow", "descent")))
def test_a_spherical_angle_never_grows_while_kappa_is_at_most_one(case):
    """cos(theta) is non-decreasing in a flow, and in a descent while eta s |g| r^(nu-2) <= 1 (theory, section 7)."""
    table = case.experiment.problem
    operator = loss_operator(
        case.problem.labels, case.shape.classes, table.gamma, table.label_smoothing, table.sample_weights
    )
    targets = (case.start.prototypes.T @ operator).T
    features = solved(case.experiment, case.problem, case.start).at(np.arange(41)).features
    length, radius = np.linalg.norm(targets, axis=1), np.linalg.norm(features, axis=2)
    eta = 0.0 if case.experiment.method.kind == "flow" else np.max(case.experiment.method.rates())
    kappa = eta * case.experiment.method.ratio * length * radius ** (case.experiment.scenario.numbers()["power"] - 2)
    cos = np.einsum("tip,ip->ti", features, targets) / (radius * length)
    slow = np.all(kappa <= 1, axis=0)
    assert np.all(np.diff(cos, axis=0)[:, slow] >= -PROPERTY)


# -- modes -------------------------------------------------------------------------------------------------------------


@given(st.sampled_from(SHAPES), st.integers(0, 2**32 - 1))
def test_square_root_weights_restore_balanced_singular_values(shape, seed):
    """All C - 1 contrasts (1 + g) and the mean |1 + g - gC|, up to one factor, for any sizes; so has the dense M."""
    gamma, classes = float(np.random.default_rng(seed).uniform(0, 3)), shape.classes
    found = label_modes(make_problem(shape.labels, classes, gamma, sample_weights="sqrt"))
    assert len(found.count) == 1
    ratio = abs(1 + gamma - gamma * classes) / (1 + gamma)
    assert found.sigma[0] / found.contrast[0] == pytest.approx(ratio, abs=SINGULAR)
    dense = np.linalg.svd(loss_operator(shape.labels, classes, gamma, weighting="sqrt"), compute_uv=False)
    wanted = np.sort([found.sigma[0], *np.repeat(found.contrast, classes - 1)])
    np.testing.assert_allclose(np.sort(dense[:classes]), wanted, rtol=0, atol=SINGULAR)


@given(cases(scenarios=("anchored",), methods=("flow", "descent"), weightings=("none",)))
def test_the_anchored_limit_of_a_class_does_not_depend_on_its_size(case):
    """W M/lambda has the column (alpha w_c + beta sum w)/(n lambda): no n_c in it, so no minority collapse."""
    assume(case.experiment.scenario.numbers()["lambda_h"] > 0.01)
    long = {"time": 1e5} if case.experiment.method.kind == "flow" else {"steps": 20_000}
    timing = {"kind": case.experiment.method.kind, "eta": 0.3, "ratio": case.experiment.method.ratio, **long}
    experiment = dynamics.Experiment.from_dict({**case.experiment.to_dict(), "method": timing})
    limits = []
    for sizes in (case.shape.sizes, tuple(1 + case.rng.permutation(case.shape.classes) * 4)):
        labels = np.repeat(np.arange(case.shape.classes), sizes)
        table = experiment.problem
        problem = make_problem(labels, case.shape.classes, table.gamma, label_smoothing=table.label_smoothing)
        start = random_state(case.rng, problem, case.shape.features)
        start = State(start.features, case.start.prototypes, start.biases)
        features = solved(experiment, problem, start).at([experiment.method.horizon]).features[0]
        limits.append(len(labels) * np.array([features[labels == c][0] for c in range(case.shape.classes)]))
    np.testing.assert_allclose(limits[0], limits[1], rtol=0, atol=PROPERTY * np.max(np.abs(limits[0])))


# -- rates -------------------------------------------------------------------------------------------------------------

CASES_WITH_A_WINDOW = {
    "unconstrained flow": build("unconstrained", "flow", time=300.0, points=61),
    "unconstrained descent": build("unconstrained", "descent", steps=300, points=61),
    "regularized flow": build("regularized", "flow", time=300.0, points=61),
    "regularized descent": build("regularized", "descent", steps=300, points=61),
    "anchored flow": build({"kind": "anchored", "lambda_h": 0.2}, "flow", time=120.0, points=61),
    "anchored descent": build({"kind": "anchored", "lambda_h": 0.2}, "descent", steps=120, points=61),
    "anchored flow without decay": build({"kind": "anchored"}, "flow", time=20_000.0, points=61),
    "spherical flow": build("spherical", "flow", time=900.0, points=61, problem={"gamma": 0.6}),
    "spherical descent": build("spherical", "descent", steps=900, points=61, problem={"gamma": 0.6}),
    "kernel flow": build("kernel", "flow", time=900.0, points=61),
    "kernel descent": build("kernel", "descent", steps=900, points=61),
}


@pytest.mark.parametrize("experiment", CASES_WITH_A_WINDOW.values(), ids=CASES_WITH_A_WINDOW)
def test_the_measured_decay_rate_is_the_predicted_one(experiment):
    rate = theorems.compare(dynamics.simulate(experiment), theorems.solve(experiment)).decay_rate
    assert rate.window is not None, rate.why
    assert rate.measured == pytest.approx(rate.predicted, rel=RATE_MEASURED)


LATE = {  # horizons of the exact solution alone, for which no simulation waits
    "unconstrained": 8_000,
    "regularized": 8_000,
    "anchored": 400,
    "spherical": 20_000,
    "kernel": 1_000,
}


@pytest.mark.parametrize("method", ["flow", "descent"])
@pytest.mark.parametrize("kind", LATE)
def test_the_predicted_rate_is_the_late_slope_of_the_exact_distance(kind, method):
    """Without noise the slope can be read as late as one likes; so a rate that is wrong by 0.1 % is caught."""
    late = {"time": float(LATE[kind])} if method == "flow" else {"steps": LATE[kind]}
    found = theorems.solve(build(kind, method, points=61, **late))
    assert late_slope(found.zeta, found.metrics["distance"]) == pytest.approx(found.decay.predicted, rel=RATE)


def test_without_decay_an_anchored_direction_settles_like_one_over_zeta():
    """Theory, section 4: no exponential convergence at lambda = 0."""
    found = theorems.solve(build({"kind": "anchored"}, "flow", time=1e9, points=11))
    assert found.decay.kind == "algebraic"
    zeta = np.log(np.maximum(found.zeta, 1e-300))
    assert late_slope(zeta, found.metrics["distance"]) == pytest.approx(found.decay.predicted, rel=RATE)


def late_slope(clock, distance) -> float:
    """The slope of -ln distance over the last four saved intervals."""
    return -np.log(distance[-1] / distance[-5]) / (clock[-1] - clock[-5])


# -- the simulation and its error bound --------------------------------------------------------------------------------

SEEDS = range(6)


@pytest.mark.parametrize("kind", ["unconstrained", "regularized", "anchored", "spherical", "kernel"])
@pytest.mark.parametrize("method", ["flow", "descent"])
def test_the_gap_is_within_the_error_bound_and_the_rounding_of_the_exact_solution(kind, method):
    """Random instances of one shape: every metric at every saved time, however large its error bound has become."""
    for seed in SEEDS:
        case = random_case(seed, kind, method, "constant", UNEQUAL, ("none", "sqrt", "inverse")[seed % 3])
        tables = case.experiment.to_dict()
        experiment = dynamics.Experiment.from_dict({**tables, "start": {"seed": seed}})
        report = theorems.compare(dynamics.simulate(experiment), theorems.solve(experiment))
        assert report.verdict is Agreement.AGREES, seed
        for metric, residual in report.residuals.items():
            with np.errstate(invalid="ignore"):
                excess = residual - report.bounds[metric]
            assert not np.any(excess > EXACT_ROUNDING), (seed, metric, excess)
            known = metric not in report.closed_form.why
            assert known == np.isfinite(report.closed_form.metrics[metric]).all(), (seed, metric)
