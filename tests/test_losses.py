"""Losses that are not linear: their derivatives, their flows, and what is known of them exactly."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.special import logsumexp
from typer.testing import CliRunner

import theorems
from dynamics import Experiment, prepare, reduction, simulate
from dynamics.errors import InputError
from dynamics.loss import drive, logits, loss_kinds
from dynamics.methods import flow
from dynamics.methods.flow import advance
from dynamics.precision import exact
from dynamics.problem import make_problem
from dynamics.simulation import begin
from theorems.cli import app
from theorems.figure import recipes
from theorems.sweeping import sweep

CURVED = ("cross-entropy", "mse")
SLOPE = 1e-13  # of a derivative, relative to its size: two ways to round it
FLOWN = 1e-9  # of a flow at rtol 1e-12, against another solver
SCENARIOS = (
    {"kind": "unconstrained"},
    {"kind": "regularized", "lambda_h": 0.02, "lambda_w": 0.05, "lambda_b": 0.1},
    {"kind": "anchored", "lambda_h": 0.03},
    {"kind": "spherical"},
)
SIZES, P = [4, 3, 2], 5


def build(loss, scenario, method=None, **problem):
    table = {"classes": 3, "per_class": SIZES, "features": P, "loss": loss, "label_smoothing": 0.2, **problem}
    method = method or {"kind": "flow", "time": 20.0, "eta": 0.3, "ratio": 2.0}
    return Experiment(problem=table, scenario=scenario, method=method, output={"points": 9})


def by_hand(loss, problem, z):
    """The loss as its definition has it, sample by sample."""
    total = 0.0
    for i, y in enumerate(problem.labels):
        t = np.full(problem.classes, problem.smoothing / problem.classes)
        t[y] += 1 - problem.smoothing
        one = -(t @ (z[i] - logsumexp(z[i]))) if loss == "cross-entropy" else np.sum((z[i] - t) ** 2)
        total += problem.weights[y] * one / problem.samples
    return total


@pytest.mark.parametrize("loss", CURVED)
@given(seed=st.integers(0, 2**32 - 1), weights=st.sampled_from(["none", "sqrt", "inverse"]))
def test_a_loss_is_its_definition_and_its_residuals_are_its_slope(loss, seed, weights):
    rng, kind = np.random.default_rng(seed), loss_kinds()[loss]
    labels = np.repeat(np.arange(3), SIZES)
    problem = make_problem(labels, 3, 0.0, label_smoothing=rng.uniform(0, 0.9), sample_weights=weights, loss=kind)
    z = 3 * rng.standard_normal((len(labels), 3))
    with exact():
        assert float(kind.value(problem, z)) == pytest.approx(by_hand(loss, problem, z), rel=SLOPE)
        slope = jax.grad(lambda x: kind.value(problem, x))(jnp.asarray(z))
        np.testing.assert_allclose(kind.residuals(problem, z), -slope, rtol=0, atol=SLOPE * np.abs(slope).max())
        hessian = jax.hessian(lambda x: kind.value(problem, x))(jnp.asarray(z)).reshape(z.size, z.size)
    bound = kind.curvature * problem.weights.max() / problem.samples
    assert np.linalg.norm(hessian, 2) <= bound * (1 + SLOPE)


@pytest.mark.parametrize("loss", CURVED)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one["kind"])
def test_a_scenario_moves_against_the_gradient_of_its_objective(loss, scenario):
    """H' = -s dJ/dH, W' = -dJ/dW, b' = -dJ/db; what is anchored stays."""
    experiment = build(loss, scenario, sample_weights="sqrt")
    problem, state = prepare(experiment)
    decays = [scenario.get(name, 0.0) for name in ("lambda_h", "lambda_w", "lambda_b")]

    def objective(state):
        seen = experiment.scenario.seen(state)
        squares = [jnp.sum(part**2) for part in (state.features, state.prototypes, state.biases)]
        return problem.loss.value(problem, logits(seen)) + sum(x * y for x, y in zip(decays, squares, strict=True)) / 2

    with exact():
        numbers, limits, why = begin(experiment, problem, state, 1.0)
        found = type(experiment.scenario).velocity(numbers, problem, jax.tree.map(jnp.asarray, state))
        slope = jax.device_get(jax.grad(objective)(jax.tree.map(jnp.asarray, state)))
    moves = experiment.scenario.moves_prototypes
    for part, factor in (("features", 2.0), ("prototypes", moves), ("biases", moves)):
        wanted = -factor * getattr(slope, part)
        np.testing.assert_allclose(getattr(found, part), wanted, rtol=0, atol=SLOPE * 10)
    assert set(limits.values()) == {None}
    assert loss in why["distance"]


def test_the_label_operator_drives_what_has_no_logits_yet():
    """At zero logits the residuals of cross-entropy are (C - 1)/C times M at gamma = 1/(C - 1)."""
    labels, rng = np.repeat(np.arange(3), SIZES), np.random.default_rng(0)
    start = prepare(build("mse", SCENARIOS[0]))[1]
    zero = jax.tree.map(lambda part: np.zeros_like(part), start)
    curved = make_problem(labels, 3, 0.5, loss=loss_kinds()["cross-entropy"])
    linear = make_problem(labels, 3, 0.5)
    prototypes = rng.standard_normal(start.prototypes.shape)
    with exact():
        g = curved.loss.residuals(curved, logits(zero))
        np.testing.assert_allclose(g @ prototypes, 2 / 3 * linear.push(prototypes), rtol=0, atol=SLOPE)
        np.testing.assert_allclose(g.T @ start.features, 2 / 3 * linear.pull(start.features), rtol=0, atol=SLOPE)
        np.testing.assert_allclose(g.sum(0), 2 / 3 * linear.bias_drive(), rtol=0, atol=SLOPE)


@pytest.mark.parametrize(("scenario", "loss"), [*zip(SCENARIOS, 2 * CURVED, strict=True)])
def test_a_flow_is_that_of_another_solver(scenario, loss):
    experiment = build(loss, scenario)
    problem, start = prepare(experiment)
    with exact():
        numbers, _, _ = begin(experiment, problem, start, 1.0)
        velocity = jax.jit(lambda state: type(experiment.scenario).velocity(numbers, problem, state))
        flat, back = jax.flatten_util.ravel_pytree(jax.tree.map(jnp.asarray, start))

        def field(_, z):
            return 0.3 * np.asarray(jax.flatten_util.ravel_pytree(velocity(back(z)))[0])

        wanted = back(solve_ivp(field, (0, 20.0), flat, method="DOP853", rtol=1e-12, atol=1e-12).y[:, -1])
        found = simulate(experiment).last[1]
        np.testing.assert_allclose(found.features, wanted.features, rtol=0, atol=FLOWN)
        np.testing.assert_allclose(found.prototypes, wanted.prototypes, rtol=0, atol=FLOWN)
        np.testing.assert_allclose(found.biases, wanted.biases, rtol=0, atol=FLOWN)


@pytest.mark.parametrize("loss", CURVED)
def test_every_loss_conserves_the_difference_of_the_second_moments(loss):
    """H H'/s - W W' (p x p) stays: both move by the same G."""
    experiment = build(loss, SCENARIOS[0])
    problem, start = prepare(experiment)
    last = simulate(experiment).last[1]

    def difference(state):
        return state.features.T @ state.features / 2.0 - state.prototypes.T @ state.prototypes

    np.testing.assert_allclose(difference(last), difference(start), rtol=0, atol=FLOWN)
    assert np.linalg.norm(last.features - start.features) > 0.1
    with exact():
        driven = jax.device_get(drive(problem, jax.tree.map(jnp.asarray, start)))
    wrong = start.features.T @ (1.001 * driven.features) - driven.prototypes.T @ start.prototypes
    assert np.abs(wrong + wrong.T).max() > 1e3 * FLOWN  # so a drive that is off by 0.1 % would be seen


def test_a_flow_that_falls_to_zero_keeps_its_relative_accuracy_and_takes_few_steps(monkeypatch):
    """Biases stay at what a softmax rounds: no tolerance may ask for less, however small H and W."""
    taken = []

    def counted(*arguments):
        state, steps = advance(*arguments)
        taken.append(int(steps))
        return state, steps

    monkeypatch.setattr(flow, "advance", counted)
    drive, folds = 1 / (3 * np.sqrt(3)), 20  # of contrasts between three classes of three: 1/(K sqrt n)
    experiment = Experiment(
        problem={"classes": 3, "per_class": 3, "features": P, "loss": "cross-entropy"},
        scenario={"kind": "regularized", "lambda_h": 1.4 * drive, "lambda_w": 1.4 * drive},
        method={"kind": "flow", "time": folds / (0.4 * drive), "eta": 1.0},
        output={"points": folds + 1},
    )
    found = simulate(experiment)
    logs = found.metrics["log_norm"]
    np.testing.assert_allclose(logs[folds // 2] - logs[-1], folds / 2, rtol=1e-6)  # all else has fallen so far
    np.testing.assert_allclose(found.last[1].biases, 0, rtol=0, atol=1e-12)
    assert sum(taken) < 2000, sum(taken)


def test_the_squared_error_of_a_small_start_is_the_unhinged_flow_to_second_order(tmp_path):
    """At scale e with b = 1/C, gamma = 1/(C-1): up to O(e^2) it is where that one is after 2 (C-1)/C of its time."""
    classes, each, p, span = 4, 3, 6, 3.0
    rng, apart = np.random.default_rng(3), []
    h, w = rng.standard_normal((p, classes * each)), rng.standard_normal((p, classes))
    for scale in (1e-2, 1e-3):
        b, labels = np.full(classes, 1 / classes), np.repeat(np.arange(classes), each)
        np.savez(tmp_path / "start.npz", H=scale * h, W=scale * w, b=b, labels=labels)
        runs = []
        for loss, time in (("mse", span), ("unhinged", 2 * (classes - 1) / classes * span)):
            method = {"kind": "flow", "time": time, "eta": 1.0}
            start = {"file": str(tmp_path / "start.npz")}
            one = Experiment(
                problem={"loss": loss, "gamma": "1/(C-1)"}, method=method, start=start, output={"points": 2}
            )
            last = simulate(one).last[1]
            runs.append(np.concatenate([last.features, last.prototypes]))
        apart.append(np.linalg.norm(runs[0] - runs[1]) / np.linalg.norm(runs[1]))
    assert np.log10(apart[0] / apart[1]) == pytest.approx(2, abs=0.01)
    assert apart[0] < 1e-2


def both_ways(monkeypatch, experiment, *ways):
    """Simulate an experiment as it is, and without some ``ways`` of moving fewer numbers."""
    found = simulate(experiment)
    for name, never in ways:
        monkeypatch.setattr(reduction, name, lambda *_, answer=never: answer)
    wanted = simulate(experiment)
    for name in ("loss", "objective", "log_norm", "accuracy", "nc1", "nc2", "nc3", "alignment"):
        np.testing.assert_allclose(found.metrics[name], wanted.metrics[name], rtol=FLOWN, err_msg=name)
    for part, same in zip(jax.tree.leaves(found.last[1]), jax.tree.leaves(wanted.last[1]), strict=True):
        np.testing.assert_allclose(part, same, rtol=0, atol=FLOWN)


def test_few_rows_are_moved_in_their_own_span(monkeypatch):
    """Twelve rows of 40 numbers: the same motion, and the same state at its end, in p dimensions."""
    experiment, seen = build("cross-entropy", SCENARIOS[1], {"steps": 60, "eta": 0.05, "ratio": 2.0}, features=40), []
    found = simulate(experiment, watch=lambda state: seen.append(np.array(state.features)))
    np.testing.assert_allclose(seen[-1], found.last[1].features, rtol=0, atol=FLOWN)
    assert reduction.spanned(*prepare(experiment)).shape == (40, 12)
    assert reduction.spanned(*prepare(build("unhinged", SCENARIOS[1], features=40))) is None
    both_ways(monkeypatch, experiment, ("spanned", None))


@pytest.mark.parametrize(
    "method",
    [{"kind": "nesterov", "steps": 60, "eta": 0.05, "momentum": 0.8}, {"kind": "flow", "time": 5.0, "eta": 0.5}],
    ids=["nesterov", "flow"],
)
def test_many_samples_are_moved_as_few_mixed_ones(monkeypatch, method):
    """Under the squared error C + p = 8 rows do for 39 samples, biases, smoothing and unequal sizes included."""
    experiment = build("mse", SCENARIOS[1], {**method, "ratio": 2.0}, per_class=[20, 7, 12], label_smoothing=0.1)
    problem, state = prepare(experiment)
    small = reduction.reduced(type(experiment.scenario), experiment.method, problem, state, np.array([0.0, 60.0]))
    assert small.state.features.shape == (8, 5)
    with exact():
        np.testing.assert_allclose(small.unmixed(small.state).features, state.features, rtol=0, atol=SLOPE)
    both_ways(monkeypatch, experiment, ("mixes", False))


def test_samples_that_are_drawn_are_not_mixed():
    experiment = build("mse", SCENARIOS[1], {"kind": "sgd", "steps": 60, "batch": 5}, per_class=[20, 7, 12])
    problem, state = prepare(experiment)
    small = reduction.reduced(type(experiment.scenario), experiment.method, problem, state, np.array([0.0, 60.0]))
    assert small.mixing is None and small.state is state


@pytest.mark.parametrize(
    ("loss", "scenario", "problem", "steps"),
    [
        ("cross-entropy", SCENARIOS[1], {}, 60.0),
        ("mse", {"kind": "spherical"}, {}, 60.0),
        ("mse", SCENARIOS[1], {"sample_weights": "sqrt"}, 60.0),
        ("mse", SCENARIOS[1], {"per_class": 2}, 60.0),
        ("mse", SCENARIOS[1], {}, 1.0),
    ],
    ids=["another loss", "normalised", "unequal weights", "few samples", "looked at after every step"],
)
def test_samples_are_mixed_only_where_it_changes_nothing_and_pays(loss, scenario, problem, steps):
    experiment = build(loss, scenario, **{"per_class": [20, 7, 12], **problem})
    assert not reduction.mixes(type(experiment.scenario), *prepare(experiment), steps)


def test_what_has_no_exact_solution_is_simulated_and_not_compared(tmp_path):
    loss = "cross-entropy"
    path = tmp_path / "curved.toml"
    values = {
        "problem": {"classes": 3, "per_class": 2, "features": 4, "loss": loss},
        "method": {"steps": 30},
        "output": {"points": 4, "states": True},
    }
    path.write_text(tomli_w.dumps(values))
    result = CliRunner().invoke(app, ["run", str(path), "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert f"no exact solution is known of {loss}" in " ".join(result.output.split())
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["verdict"] == "NOT COMPARED"
    assert report["final"]["simulation"]["loss"] > 0
    assert report["final"]["closed_form"]["loss"] is None
    with np.load(tmp_path / "out" / "final_state.npz") as stored:
        assert sorted(stored) == ["H", "W", "b", "log_scale"]
    with pytest.raises(LookupError, match=f"none is known of {loss}"):
        theorems.solve(Experiment.from_dict(values))


def test_a_sweep_over_losses_is_simulated_or_refused():
    experiment = Experiment(
        problem={"classes": 3, "per_class": 2, "features": 4}, method={"steps": 20}, output={"points": 3}
    )
    grid = {"problem.loss": ["unhinged", "mse"], "method.eta": [0.1, 0.2]}
    with pytest.raises(InputError, match="must have an exact solution to be solved, but none is known of mse"):
        sweep(experiment, grid, metrics=["loss"])
    found = sweep(experiment, grid, metrics=["loss"], simulated=True)
    for loss in ("unhinged", "mse"):
        one = Experiment.from_dict(
            experiment.to_dict() | {"problem": {**experiment.to_dict()["problem"], "loss": loss}}
        )
        np.testing.assert_allclose(
            found.loss.sel({"problem.loss": loss, "method.eta": 0.1}), simulate(one).metrics["loss"]
        )


def test_a_kernel_has_no_other_loss():
    with pytest.raises(
        InputError, match=r"problem.loss must be 'unhinged' with scenario.kind = 'kernel', but is 'mse'"
    ):
        Experiment(problem={"loss": "mse"}, scenario={"kind": "kernel"})


def test_the_three_losses_of_the_figure_start_alike_and_end_apart():
    """Exponential, logarithmic, at rest: what the caption says, in numbers."""
    (runs,) = recipes()["losses"].experiments(quick=True)
    starts = [prepare(one)[1] for one in runs.values()]
    for start in starts[1:]:
        np.testing.assert_array_equal(start.features, starts[0].features)
    found = {loss: simulate(one) if loss in CURVED else theorems.solve(one) for loss, one in runs.items()}
    half = len(found["mse"].times) // 2
    fell = {loss: one.metrics["nc1"][half] / one.metrics["nc1"][-1] for loss, one in found.items()}
    assert fell["unhinged"] > 1e20
    assert 1.02 < fell["cross-entropy"] < 2
    assert fell["mse"] == pytest.approx(1, abs=1e-3)
    assert found["mse"].metrics["loss"][-1] < 1e-6
    logs = np.log(found["cross-entropy"].metrics["loss"])
    assert np.log(2) < logs[half] - logs[-1] < 1.5 * np.log(2)  # it falls a little faster than 1/t, as the norm grows


@pytest.mark.parametrize("scenario", [*SCENARIOS, {"kind": "kernel"}], ids=lambda one: one["kind"])
@pytest.mark.parametrize("loss", ["unhinged", *CURVED])
def test_a_float32_state_is_moved_in_float32(scenario, loss):
    if scenario["kind"] == "kernel" and loss != "unhinged":
        return
    experiment = build(loss, scenario)
    problem, start = prepare(experiment)
    with exact():
        numbers, _, _ = begin(experiment, problem, start, 1.0)
        narrow = jax.tree.map(lambda x: x.astype(np.float32) if x.dtype == np.float64 else x, (numbers, problem, start))
        found = type(experiment.scenario).velocity(*jax.tree.map(jnp.asarray, narrow))
    assert {part.dtype for part in jax.tree.leaves(found)} == {np.dtype(np.float32)}
