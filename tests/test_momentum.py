"""Momentum: the exact motion against a loop written here, against closed forms of its roots, and its limits."""

import jax
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import (
    BALANCED,
    LINEAR,
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
    random_state,
    solved,
    walked,
)
from tolerances import PROPERTY, ROOTS, SHARP, STEPS_2000

import dynamics
import theorems
from dynamics.experiment import changed
from dynamics.method import parse_method
from dynamics.precision import exact
from dynamics.preparation import prepare
from dynamics.simulation import begin
from dynamics.state import State
from theorems import settings as many
from theorems.closed_form import find
from theorems.comparison import Agreement

KINDS = ("heavy-ball", "nesterov")
DECAYING = {"kind": "regularized", "lambda_h": 0.6, "lambda_w": 0.9, "lambda_b": 0.5}  # every exponent is negative


@pytest.fixture(autouse=True, scope="module")
def float64():
    with exact():
        yield


def moving(kind: str, momentum: float = 0.9, steps: int = 2000, **timing):
    return {"kind": kind, "momentum": momentum, "steps": steps, **timing}


def pytorch_step(kind, z, v, gradient, rate, b):
    """One step as PyTorch's SGD is documented, but with the rate inside the velocity; the gradient points upwards."""
    v = b * v + rate * gradient
    return (z + v, v) if kind == "heavy-ball" else (z + rate * gradient + b * v, v)


def plain_path(experiment, etas) -> np.ndarray:
    """The whole state as one long vector, moved by a loop over the dense generator of `strategies`; (steps + 1, d)."""
    problem, start = prepare(experiment)
    generator, z = dense_generator(experiment, problem), flatten(start)
    v, path = np.zeros_like(z), [z]
    for eta in etas:
        z, v = pytorch_step(experiment.method.kind, z, v, generator @ z, eta, experiment.method.momentum)
        path.append(z)
    return np.stack(path)


def plain_gap(experiment, states: State, times, etas) -> float:
    """The largest gap between stacked states and the plain loop at some steps, over the largest norm on its path."""
    path = plain_path(experiment, etas)[times.astype(int)]
    found = [flatten(jax.tree.map(lambda part, i=i: part[i], states)) for i in range(len(times))]
    return np.max(np.linalg.norm(np.stack(found) - path, axis=1)) / np.max(np.linalg.norm(path, axis=1))


# -- against a plain loop ----------------------------------------------------------------------------------------------

STEPPED = {"schedule": "step", "every": 300.0, "factor": 0.6, "warmup": 40.0}


def stepped_rates(eta: float, steps: int) -> np.ndarray:
    return np.array([eta * min(1, (k + 1) / 40) * 0.6 ** (k // 300) for k in range(steps)])


# Exponents of DECAYING reach to about -1.5: its modes are real at the first rate, complex at the second, and at the
# third some change their sign at every step.
RUNS = {
    "grows": ("unconstrained", 0.02),
    "some modes fall": ("regularized", 0.05),
    "all fall": (DECAYING, 0.001),
    "all swing": (DECAYING, 0.3),
    "all but unstable": (DECAYING, 1.3),
    "anchored": ("anchored", 0.3),
    "kernel": ("kernel", 0.01),
}


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("kind", KINDS)
def test_2000_steps_agree_with_a_plain_loop_and_with_the_simulation(kind, run):
    """Unequal sizes, s = 2.3, decays that differ."""
    scenario, eta = RUNS[run]
    eta = 0.5 * eta if kind == "nesterov" else eta
    experiment = build(scenario, moving(kind, eta=eta), points=21)
    found = solved(experiment).at(experiment.times())
    assert plain_gap(experiment, found, experiment.times(), np.full(2000, eta)) <= STEPS_2000
    assert gap(walked(experiment), found) <= STEPS_2000


@pytest.mark.parametrize(
    ("kind", "shape"), [("heavy-ball", UNEQUAL), ("heavy-ball", BALANCED), ("nesterov", SCARCE)], ids=str
)
def test_2000_steps_of_a_schedule_agree_for_all_class_sizes(kind, shape):
    scenario = {"kind": "regularized", "lambda_h": 0.01, "lambda_w": 0.8, "lambda_b": 0.3}
    experiment = build(scenario, moving(kind, eta=0.06, **STEPPED), shape, points=21)
    found = solved(experiment).at(experiment.times())
    assert plain_gap(experiment, found, experiment.times(), stepped_rates(0.06, 2000)) <= STEPS_2000
    assert gap(walked(experiment), found) <= STEPS_2000


@pytest.mark.parametrize("key", ["momentum", "eta", "ratio"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_number_wrong_by_a_thousandth_is_caught(kind, key):
    experiment = build("regularized", moving(kind, steps=60, eta=0.1), points=6)
    harmed = changed(experiment, {f"method.{key}": 1.001 * getattr(experiment.method, key)})
    simulation = dynamics.simulate(experiment)
    assert theorems.compare(simulation, theorems.solve(experiment)).verdict is Agreement.AGREES
    assert theorems.compare(simulation, theorems.solve(harmed)).verdict is Agreement.DISAGREES


@pytest.mark.parametrize("kind", LINEAR)
def test_one_kind_of_momentum_is_not_taken_for_the_other(kind):
    states = [solved(build(kind, moving(method, steps=20, eta=0.1))).at([20]) for method in KINDS]
    assert gap(*states) > 1e-3


# -- scalar modes ------------------------------------------------------------------------------------------------------


def by_roots(kind: str, b: float, move: float, k: int):
    """z(k) from the two roots of the recurrence, in 60 digits; where they all but meet the digits still suffice."""
    a, b = mpmath.mpf(move), mpmath.mpf(b)
    trace, product = (1 + b + a, b) if kind == "heavy-ball" else ((1 + a) * (1 + b), (1 + a) * b)
    root = mpmath.sqrt(trace**2 - 4 * product)
    r, q = (trace + root) / 2, (trace - root) / 2
    one, other = r * (q - 1) / (q - r), q * (r - 1) / (r - q)  # from z(-1) = z(0) = 1

    def z(k):
        return mpmath.re(one * r**k + other * q**k)

    return z(k) if kind == "heavy-ball" else (1 + b) * z(k) - b * z(k - 1)


def meeting(kind: str, b: float) -> float:
    """-eta w at which the roots meet."""
    return (1 - np.sqrt(b)) ** 2 if kind == "heavy-ball" else ((1 - b) / (1 + b)) ** 2


MOVES = {
    "grows": lambda kind, b: 0.03,
    "falls": lambda kind, b: -meeting(kind, b) / 2,
    "roots all but meet": lambda kind, b: -meeting(kind, b) * (1 - 1e-11),
    "roots have all but met": lambda kind, b: -meeting(kind, b) * (1 + 1e-11),
    "swings": lambda kind, b: -0.37,
    "grows in turns": lambda kind, b: -5.0,
}


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("b", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("kind", KINDS)
def test_a_mode_moves_by_the_roots_of_its_recurrence(kind, b, move):
    """At any horizon, through zeros, and where the roots meet."""
    eta, times = 0.25, np.array([0, 1, 2, 17, 2000, 100_000])
    w = MOVES[move](kind, b) / eta
    method = parse_method(moving(kind, b, steps=100_000, eta=eta))
    logs, signs = (part[:, 0] for part in method.growth(np.array([w]), times))
    with mpmath.workdps(60):
        wanted = [by_roots(kind, b, mpmath.mpf(eta) * mpmath.mpf(w), int(k)) for k in times]
        np.testing.assert_allclose(logs, [float(mpmath.log(abs(g))) for g in wanted], rtol=ROOTS, atol=ROOTS)
    np.testing.assert_array_equal(signs, [float(mpmath.sign(g)) for g in wanted])


@pytest.mark.parametrize("w", [0.0, 1e-13, -1e-9, 0.01])
@pytest.mark.parametrize("kind", KINDS)
def test_zeta_and_slow_modes_have_all_their_digits(kind, w):
    """Zeta is what a drive of one moves at w = 0; the biases need (g - 1)/w, whose digits 1 + w zeta would lose."""
    b, eta, steps = 0.9, 0.25, 30
    method = parse_method(moving(kind, b, steps=steps, eta=eta))
    times = np.arange(steps + 1.0)
    ages = np.arange(1, steps + 1) if kind == "heavy-ball" else np.arange(2, steps + 2)
    zeta = np.concatenate([[0.0], np.cumsum(eta * (1 - b**ages) / (1 - b))])
    np.testing.assert_allclose(method.zeta(times), zeta, rtol=ROOTS)
    logs, _ = method.growth(np.array([w]), times)
    with mpmath.workdps(60):
        wanted = [float(mpmath.log(by_roots(kind, b, mpmath.mpf(eta) * mpmath.mpf(w), k))) for k in range(steps + 1)]
    np.testing.assert_allclose(logs[:, 0], wanted, rtol=ROOTS, atol=1e-30)


# -- properties --------------------------------------------------------------------------------------------------------

FEW = ("regularized", "kernel")  # what is left holds part of these, and each kind compiles anew
CHOICES = st.tuples(st.integers(0, 2**32 - 1), st.sampled_from(FEW), st.sampled_from(KINDS), st.just("cosine"))


def drawn(choice):
    seed, scenario, kind, schedule = choice
    return random_case(seed, scenario, moving(kind, steps=40), schedule)


@settings(max_examples=8)
@given(CHOICES, st.sampled_from([1.0, -2.5]))
def test_the_motion_is_affine_in_the_start(choice, scale):
    """Of three starts, a z + (1 - a) z' moves as its parts do, drives included; a velocity would add its own."""
    case = drawn(choice)
    other = random_state(case.rng, case.problem, case.shape.features)
    mixed = jax.tree.map(lambda x, y: scale * x + (1 - scale) * y, case.start, other)
    ends = [solved(case.experiment, case.problem, start).at([7, 40]) for start in (case.start, other, mixed)]
    wanted = jax.tree.map(lambda x, y: scale * x + (1 - scale) * y, *ends[:2])
    assert gap(ends[2], wanted) <= PROPERTY


@settings(max_examples=8)
@given(CHOICES)
def test_no_momentum_is_descent(choice):
    case = drawn(choice)
    still, plain = (
        dynamics.Experiment.from_dict({**case.experiment.to_dict(), "method": {**timing, **change}})
        for timing in [{k: v for k, v in case.experiment.to_dict()["method"].items() if k != "momentum"}]
        for change in ({"momentum": 0.0}, {"kind": "descent"})
    )
    states = [solved(one, case.problem, case.start).at([0, 7, 40]) for one in (still, plain)]
    assert gap(*states) <= PROPERTY
    np.testing.assert_allclose(still.method.zeta(np.arange(41.0)), plain.method.zeta(np.arange(41.0)), rtol=PROPERTY)


BOUNDED = [
    ("heavy-ball", "unconstrained", 0.02),
    ("heavy-ball", DECAYING, 0.8),
    ("heavy-ball", "kernel", 0.01),
    ("nesterov", DECAYING, 0.3),
    ("nesterov", "anchored", 1.0),
]


@pytest.mark.parametrize(("kind", "scenario", "eta"), BOUNDED, ids=str)
def test_the_rounding_of_a_simulation_is_bounded(kind, scenario, eta):
    """In single precision (a kernel: double), where it can be seen, from a start that is exact in it."""
    experiment = build(scenario, moving(kind, steps=400, eta=eta, schedule="cosine"), points=9)
    problem, start = prepare(experiment)
    narrow = jax.tree.map(lambda x: np.asarray(x, np.float32), start)
    wide = jax.tree.map(lambda x: np.asarray(x, np.float64), narrow)
    wanted = solved(experiment, problem, wide).at(experiment.times())
    dtype = np.float64 if scenario == "kernel" else np.float32
    states, errors = bounded_walk(experiment, jax.tree.map(lambda x: x.astype(dtype), narrow), dtype)
    root = np.sqrt(RATIO)
    gaps = norms(State((states.features - wanted.features) / root, states.prototypes - wanted.prototypes, None))
    assert errors[0] == 0
    assert np.all((errors[1:] >= gaps[1:]) & (gaps[1:] > 0))


# -- limits of the direction -------------------------------------------------------------------------------------------


def test_a_fastest_mode_that_swings_has_no_direction():
    """Both halves say so; at a rate at which no mode swings there is one."""
    for eta, swings in ((0.002, False), (0.3, True)):
        experiment = build(DECAYING, moving("heavy-ball", eta=eta))
        _, _, why = begin(experiment, *prepare(experiment), 1.0)
        solution = theorems.solve(experiment, names=("distance",))
        assert np.isnan(solution.metrics["distance"]).all() == swings
        for reasons in (why, solution.why):
            assert ("oscillates about zero" in reasons.get("distance", "")) == swings


def test_the_rate_of_the_distance_is_per_zeta():
    experiment = build("unconstrained", moving("nesterov", eta=0.05, steps=1200), points=301)
    solution = theorems.solve(experiment, names=("distance",))
    late = slice(200, None)
    slope = np.polyfit(solution.zeta[late], np.log(solution.metrics["distance"][late]), 1)[0]
    assert -slope == pytest.approx(solution.decay.predicted, rel=0.01)


def test_what_decays_last_in_swings_has_no_rate():
    """The anchored features swing about W M/lambda, which they do approach."""
    experiment = build({"kind": "anchored", "lambda_h": 0.5}, moving("heavy-ball", steps=300, eta=0.3))
    solution = theorems.solve(experiment, names=("distance",))
    assert solution.metrics["distance"][-1] < 1e-5
    assert solution.decay.kind is None
    assert "swings" in solution.decay.why


def test_the_accuracy_survives_changes_of_sign():
    experiment = build(DECAYING, moving("heavy-ball", steps=60, eta=0.9), points=61)
    _, signs = experiment.method.growth(np.array([-1.5]), experiment.times())
    assert np.ptp(signs) > 0
    found = theorems.solve(experiment, names=("accuracy",)).metrics["accuracy"]
    assert np.ptp(found) > 0
    np.testing.assert_array_equal(found, dynamics.simulate(experiment).metrics["accuracy"])


# -- stability ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("b", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("kind", KINDS)
def test_the_stability_limit_is_sharp(kind, b):
    """A thousandth below it the simulation falls, a thousandth above it it grows."""
    experiment = build(DECAYING, moving(kind, b, steps=4000), SCARCE, points=3)
    limit = theorems.stability_limit(experiment)
    for factor, sign in ((1 - SHARP, -1), (1 + SHARP, 1)):
        _, middle, last = norms(walked(changed(experiment, {"method.eta": factor * limit})))
        assert sign * np.log(last / middle) > 1, factor


@pytest.mark.parametrize("kind", ["descent", *KINDS])
def test_the_stability_limit_has_the_exponent_of_the_dense_generator(kind):
    experiment = build(DECAYING, {"kind": kind})
    problem, start = prepare(experiment)
    size = start.features.size + start.prototypes.size
    lowest = np.linalg.eigvals(dense_generator(experiment, problem)[:size, :size]).real.min()
    factor = {"descent": 2.0, "heavy-ball": 3.8, "nesterov": 3.8 / 2.8}[kind]
    assert theorems.stability_limit(experiment) == pytest.approx(factor / -lowest, rel=1e-12)


def test_what_has_no_stability_limit_is_refused():
    with pytest.raises(dynamics.InputError, match=r"method\.kind must take steps to have a stability limit"):
        theorems.stability_limit(build("unconstrained", "flow"))
    with pytest.raises(dynamics.InputError, match=r"scenario\.kind must move linearly"):
        theorems.stability_limit(build("spherical", "descent"))
    with pytest.raises(
        dynamics.InputError, match=r"problem\.loss must be linear to have a stability limit, but is 'mse'"
    ):
        theorems.stability_limit(build("unconstrained", "descent", problem={"loss": "mse"}))
    assert build("unconstrained", "descent").method.stability_limit(0.0) == np.inf


# -- many settings, and what cannot be solved --------------------------------------------------------------------------


def test_sweeps_over_momentum_and_rate_compile_once(monkeypatch):
    experiment, names = build("regularized", moving("nesterov", steps=50, schedule="linear")), ("loss", "distance")
    form, traces = find(experiment), []
    original = form.measured
    with monkeypatch.context() as patch:
        patch.setattr(form, "measured", lambda *args: (traces.append(1), original(*args))[1])
        for changes in ({"momentum": [0.0, 0.5, 0.99], "eta": [0.1, 0.1, 0.01]}, {"momentum": [0.2] * 3}):
            changes = {"method.eta": [0.2, 0.02, 1.2]} | {f"method.{key}": value for key, value in changes.items()}
            found = many.curves(experiment, changes, names) | many.clocks(experiment, changes)
    assert len(traces) == 1
    for k in range(3):
        wanted = theorems.solve(changed(experiment, {key: values[k] for key, values in changes.items()}), names=names)
        np.testing.assert_allclose(found["zeta"][k], wanted.zeta, rtol=1e-12)
        for name in names:
            np.testing.assert_allclose(found[name][k], wanted.metrics[name], rtol=1e-12, err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_spherical_features_are_simulated_but_not_solved_nor_bounded(kind):
    experiment = build("spherical", moving(kind, steps=10, eta=0.1))
    problem, start = prepare(experiment)
    w_m = np.asarray(problem.push(start.prototypes))
    h, v = np.array(start.features), np.zeros_like(start.features)
    for _ in range(10):
        radius = np.linalg.norm(h, axis=1, keepdims=True)
        drive = RATIO / radius * (w_m - h * np.sum(h * w_m, axis=1, keepdims=True) / radius**2)
        h, v = pytorch_step(kind, h, v, drive, 0.1, 0.9)
    np.testing.assert_allclose(walked(experiment).features[-1], h, rtol=1e-12)
    assert np.isinf(bounded_walk(experiment, start, np.float64)[1][1:]).all()
    with pytest.raises(LookupError, match=f"none is known of spherical with {kind}"):
        theorems.solve(experiment)
