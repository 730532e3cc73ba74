"""Decoupled weight decay: the exact motion against a loop written here, against regularization, and its limits."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import (
    BALANCED,
    RATIO,
    SCARCE,
    UNEQUAL,
    bounded_walk,
    build,
    dense_generator,
    flatten,
    gap,
    norms,
    random_case,
    solved,
    walked,
)
from tolerances import PROPERTY, SHARP, STEPS_2000

import dynamics
import theorems
from dynamics.experiment import Experiment, changed
from dynamics.precision import exact
from dynamics.preparation import prepare
from dynamics.simulation import begin
from dynamics.state import State
from theorems import settings as many
from theorems.closed_form import find
from theorems.comparison import Agreement

LOST = {"decay_h": 0.003, "decay_w": 0.01, "decay_b": 0.02}
FEATURES_ONLY = {"decay_h": 0.003}
ALIKE = {"decay_h": 0.004, "decay_w": 0.004, "decay_b": 0.02}
DECAYING = {"kind": "regularized", "lambda_h": 0.6, "lambda_w": 0.9, "lambda_b": 0.5}  # every exponent is negative
STEPPED = {"schedule": "step", "every": 300.0, "factor": 0.6, "warmup": 40.0}


@pytest.fixture(autouse=True, scope="module")
def float64():
    with exact():
        yield


def losing(lost=LOST, steps: int = 2000, **timing):
    return {"kind": "decoupled-decay", "steps": steps, **lost, **timing}


def plain_gap(experiment, states: State, etas) -> float:
    """The largest gap to a loop over the dense generator of `strategies`, over the largest norm on its path."""
    problem, start = prepare(experiment)
    generator, z, method = dense_generator(experiment, problem), flatten(start), experiment.method
    sizes = start.features.size, start.prototypes.size, start.biases.size, 1
    lost = np.repeat([method.decay_h, method.decay_w, method.decay_b, 0.0], sizes)
    path = [z]
    for eta in etas:
        z = (1 - lost) * z + eta * (generator @ z)
        path.append(z)
    found = [flatten(jax.tree.map(lambda part, i=i: part[i], states)) for i in range(len(states.biases))]
    at = np.stack(path)[experiment.times().astype(int)]
    return np.max(np.linalg.norm(np.stack(found) - at, axis=1)) / np.max(np.linalg.norm(path, axis=1))


# -- against a plain loop, and against the simulation ------------------------------------------------------------------

RUNS = {
    "grows": ("unconstrained", UNEQUAL, LOST, 0.1),
    "vanishes": ("unconstrained", SCARCE, {"decay_h": 0.02, "decay_w": 0.01, "decay_b": 0.001}, 0.01),
    "equal decays": ("unconstrained", BALANCED, ALIKE, 0.1),
    "two decays": ("regularized", UNEQUAL, LOST, 0.06),
    "in turns": (DECAYING, SCARCE, {"decay_h": 0.3, "decay_w": 0.1, "decay_b": 1.0}, 1.0),
    "anchored": ("anchored", UNEQUAL, FEATURES_ONLY, 0.3),
}


def stepped_rates(eta: float) -> np.ndarray:
    return np.array([eta * min(1, (k + 1) / 40) * 0.6 ** (k // 300) for k in range(2000)])


@pytest.mark.parametrize("timing", [{}, STEPPED], ids=["constant", "schedule"])
@pytest.mark.parametrize("run", RUNS)
def test_2000_steps_agree_with_a_plain_loop_and_with_the_simulation(run, timing):
    """At s = 2.3. The schedule multiplies the rate, not the decay."""
    scenario, shape, lost, eta = RUNS[run]
    experiment = build(scenario, losing(lost, eta=eta, **timing), shape, points=21)
    found = solved(experiment).at(experiment.times())
    assert plain_gap(experiment, found, stepped_rates(eta) if timing else np.full(2000, eta)) <= STEPS_2000
    assert gap(walked(experiment), found) <= STEPS_2000


@pytest.mark.parametrize(("scenario", "lost"), [("unconstrained", LOST), ("anchored", FEATURES_ONLY)], ids=str)
def test_a_number_wrong_by_a_thousandth_is_caught(scenario, lost):
    experiment = build(scenario, losing(lost, steps=60, eta=0.1, schedule="cosine"), points=6)
    states = walked(experiment)
    assert gap(states, solved(experiment).at(experiment.times())) <= STEPS_2000
    for key in (*lost, "eta", "ratio"):
        harmed = changed(experiment, {f"method.{key}": 1.001 * getattr(experiment.method, key)})
        assert gap(states, solved(harmed).at(experiment.times())) > 1e-6, key


def test_a_run_is_compared():
    experiment = build("unconstrained", losing(steps=60, eta=0.1, schedule="cosine"), points=6)
    harmed = changed(experiment, {"method.decay_w": 1.001 * LOST["decay_w"]})
    simulation = dynamics.simulate(experiment)
    assert theorems.compare(simulation, theorems.solve(experiment)).verdict is Agreement.AGREES
    assert theorems.compare(simulation, theorems.solve(harmed)).verdict is Agreement.DISAGREES


@pytest.mark.parametrize(("scenario", "eta"), [("unconstrained", 0.3), (DECAYING, 0.3), ("anchored", 0.3)], ids=str)
def test_the_rounding_of_a_simulation_is_bounded(scenario, eta):
    """In single precision, where it can be seen, from a start that is exact in it."""
    lost = FEATURES_ONLY if scenario == "anchored" else LOST
    experiment = build(scenario, losing(lost, steps=400, eta=eta, schedule="cosine"), points=9)
    problem, start = prepare(experiment)
    narrow = jax.tree.map(lambda x: np.asarray(x, np.float32), start)
    wanted = solved(experiment, problem, jax.tree.map(lambda x: x.astype(np.float64), narrow)).at(experiment.times())
    states, errors = bounded_walk(experiment, narrow, np.float32)
    moved = State((states.features - wanted.features) / np.sqrt(RATIO), states.prototypes - wanted.prototypes, None)
    assert errors[0] == 0
    assert np.all((errors[1:] >= norms(moved)[1:]) & (norms(moved)[1:] > 0))
    assert errors[-1] < 0.02 * norms(wanted).max()  # of which 400 steps make six roundings each


# -- what it equals ----------------------------------------------------------------------------------------------------


def test_at_a_constant_rate_it_is_regularization():
    """With lambda = d/eta of each. The objective has no term for what is decoupled."""
    eta, own = 0.1, {"kind": "regularized", "lambda_h": 0.02, "lambda_w": 0.01, "lambda_b": 0.03}
    more = {"h": LOST["decay_h"] / (RATIO * eta), "w": LOST["decay_w"] / eta, "b": LOST["decay_b"] / eta}
    both = own | {f"lambda_{key}": own[f"lambda_{key}"] + value for key, value in more.items()}
    tables = (own, losing(steps=600, eta=eta)), (both, {"kind": "descent", "steps": 600, "eta": eta})
    names = ("loss", "log_norm", "distance", "nc1", "objective")
    decoupled, coupled = (theorems.solve(build(*table, points=31), names=names) for table in tables)
    for name in names[:-1]:
        np.testing.assert_allclose(decoupled.metrics[name], coupled.metrics[name], rtol=1e-10, atol=1e-13)
    assert np.all(decoupled.metrics["objective"] < coupled.metrics["objective"])
    assert decoupled.decay.predicted == pytest.approx(coupled.decay.predicted, rel=1e-9)


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["unconstrained", "regularized"]), st.floats(0, 0.5))
def test_equal_decays_under_a_schedule_multiply_each_mode(seed, scenario, lost):
    """A mode of the undecayed motion gets prod (1 - d + eta_k w); the biases do not count."""
    method = losing({"decay_h": lost, "decay_w": lost}, steps=40)
    case = random_case(seed, scenario, method, "cosine")
    size, s = case.start.features.size + case.start.prototypes.size, case.experiment.method.ratio
    generator = dense_generator(case.experiment, case.problem)[:size, :size]
    scale = np.repeat([np.sqrt(s), 1.0], [case.start.features.size, case.start.prototypes.size])
    values, vectors = np.linalg.eigh(generator / scale[:, None] * scale)
    factors = np.prod(1 - lost + np.outer(case.experiment.method.rates(), values), axis=0)
    wanted = scale * (vectors @ (factors * (vectors.T @ (flatten(case.start)[:size] / scale))))
    end = jax.tree.map(lambda part: part[0], solved(case.experiment, case.problem, case.start).at([40]))
    size_on_path = max(np.linalg.norm(wanted), np.linalg.norm(flatten(case.start)))
    assert np.linalg.norm(flatten(end)[:size] - wanted) <= PROPERTY * size_on_path
    logs, signs = case.experiment.method.growth(values, np.array([40.0]))
    np.testing.assert_allclose(signs[0] * np.exp(logs[0]), factors, rtol=1e-11, atol=1e-14)


@settings(max_examples=6)
@given(st.integers(0, 2**32 - 1))
def test_17_steps_and_then_23_are_40(seed):
    case = random_case(seed, "regularized", losing(steps=40, eta=0.2))
    whole = solved(case.experiment, case.problem, case.start).at([17, 40])
    middle = jax.tree.map(lambda part: part[0], whole)
    rest = solved(case.experiment, case.problem, middle).at([0, 23])
    assert gap(rest, whole) <= PROPERTY


def test_no_decay_is_descent():
    experiment = build("regularized", losing({}, steps=40, schedule="cosine"))
    plain = build("regularized", {"kind": "descent", "steps": 40, "schedule": "cosine"})
    assert gap(*(solved(one).at([0, 7, 40]) for one in (experiment, plain))) <= PROPERTY


# -- limits of the direction, and of stability -------------------------------------------------------------------------


def test_unequal_decays_under_a_schedule_have_no_limit():
    """Both halves say so; at a constant rate, or with equal decays, there is one, and its rate is predicted."""
    for lost, timing, known in ((LOST, {}, True), (ALIKE, STEPPED, True), (LOST, STEPPED, False)):
        experiment = build("regularized", losing(lost, eta=0.1, **timing))
        _, _, why = begin(experiment, *prepare(experiment), 1.0)
        solution = theorems.solve(experiment, names=("distance",))
        assert np.isfinite(solution.metrics["distance"]).all() == known
        assert (solution.decay.kind is not None) == known
        for reasons in (why, solution.why):
            assert ("decay differently" in reasons.get("distance", "")) != known


def test_anchored_features_approach_w_m_at_any_schedule_but_have_a_rate_per_zeta_only_at_a_constant_one():
    for timing, kind in (({}, "exponential"), ({"schedule": "cosine"}, None)):
        solution = theorems.solve(build("anchored", losing(FEATURES_ONLY, eta=0.3, **timing)), names=("distance",))
        assert solution.metrics["distance"][-1] < 1e-2 * solution.metrics["distance"][0]
        assert solution.decay.kind == kind


STABLE = {
    "pair": (DECAYING, {"decay_h": 0.3, "decay_w": 0.1}),
    "features decay less": (DECAYING, {"decay_h": 0.05, "decay_w": 0.6}),
    "anchored": ({"kind": "anchored", "lambda_h": 0.5}, {"decay_h": 0.3}),
}


@pytest.mark.parametrize("case", STABLE)
def test_the_stability_limit_is_sharp(case):
    """A thousandth below it the simulation settles, a thousandth above it it grows."""
    scenario, lost = STABLE[case]
    experiment = build(scenario, losing(lost, steps=8000), SCARCE, points=5)
    limit = theorems.stability_limit(experiment)
    for factor, sign in ((1 - SHARP, -1), (1 + SHARP, 1)):
        states = walked(changed(experiment, {"method.eta": factor * limit}))
        moves = np.linalg.norm(np.diff(states.features, axis=0), axis=(1, 2))
        assert sign * np.log(moves[-1] / moves[-2]) > 1, factor


def test_without_other_decay_the_stability_limit_is_that_of_the_step_matrix():
    experiment = build("unconstrained", losing({"decay_h": 0.3, "decay_w": 0.1}))
    problem, _ = prepare(experiment)
    limit = np.sqrt(1.7 * 1.9 / RATIO) / problem.operator_norm()
    assert theorems.stability_limit(experiment) == pytest.approx(limit, rel=1e-12)


def test_everything_vanishes_below_the_geometric_mean_of_the_decays():
    """Growth is told from extinction by eta sqrt(s) sigma_1 = sqrt(d_h d_w)."""
    experiment = build("unconstrained", losing({"decay_h": 0.3, "decay_w": 0.2}, steps=20_000), SCARCE, points=3)
    threshold = np.sqrt(0.3 * 0.2 / RATIO) / prepare(experiment)[0].operator_norm()
    for factor, sign in ((1 - SHARP, -1), (1 + SHARP, 1)):
        _, middle, last = norms(walked(changed(experiment, {"method.eta": factor * threshold})))
        assert sign * np.log(last / middle) > 1, factor


# -- many settings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", ["regularized", "anchored"])
def test_sweeps_over_decays_compile_once(monkeypatch, scenario):
    lost = FEATURES_ONLY if scenario == "anchored" else LOST
    experiment, names = build(scenario, losing(lost, steps=50, schedule="linear")), ("loss", "distance", "log_norm")
    form, traces = find(experiment), []
    original = form.measured
    values = {key: [0.0, 0.02, 0.3] for key in lost} | {"eta": [0.2, 0.02, 1.2]}
    changes = {f"method.{key}": value for key, value in values.items()}
    with monkeypatch.context() as patch:
        patch.setattr(form, "measured", lambda *args: (traces.append(1), original(*args))[1])
        found = many.curves(experiment, changes, names)
        many.curves(experiment, {"method.decay_h": [0.1, 0.2, 0.3]}, names)
    assert len(traces) == 1
    for k in range(3):
        wanted = theorems.solve(changed(experiment, {key: values[k] for key, values in changes.items()}), names=names)
        for name in names:
            np.testing.assert_allclose(found[name][k], wanted.metrics[name], rtol=1e-11, atol=1e-14, err_msg=name)


def test_exact_states_are_those_of_the_simulation():
    experiment = build("unconstrained", losing(steps=60, eta=0.1, schedule="cosine"))
    ((_, state),) = theorems.exact_states(experiment, [60])
    _, last = dynamics.simulate(experiment).last
    np.testing.assert_allclose(state.features, last.features, rtol=0, atol=1e-13)


@pytest.mark.parametrize("decays", [(0.0, 0.0), (0.01, 0.01)])
def test_a_start_in_the_falling_part_stays_there(decays, tmp_path):
    """W = -F: by matrices its rounding would outgrow it, to e^68 where it is e^-107."""
    prototypes = np.random.default_rng(1).standard_normal((3, 4))
    prototypes -= prototypes.mean(axis=0)
    features = np.repeat(-prototypes / np.sqrt(2), 2, axis=0)
    np.savez(tmp_path / "falling.npz", H=features.T, W=prototypes.T, labels=np.repeat(np.arange(3), 2))
    found = theorems.solve(
        Experiment(
            problem={"gamma": 0.5},
            method={"kind": "decoupled-decay", "steps": 3000, "decay_h": decays[0], "decay_w": decays[1]},
            start={"file": str(tmp_path / "falling.npz")},
            output={"points": 4},
        )
    )
    sigma = 1.5 / 6 * np.sqrt(2)
    wanted = np.log(np.hypot(*(np.linalg.norm(part) for part in (features, prototypes))))
    wanted += np.log1p(-0.1 * sigma - decays[0]) * found.times
    np.testing.assert_allclose(found.metrics["log_norm"], wanted, rtol=1e-13)
    np.testing.assert_allclose(found.metrics["alignment"], -1, rtol=1e-13)
