"""Mini-batch SGD: a path against a plain loop, exact moments against all batches and against simulated paths."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from strategies import BALANCED, RATIO, UNEQUAL, Shape, build, operator_of, sample_weights, walked
from tolerances import PROPERTY, STEPS_2000

import dynamics
import theorems
from dynamics.experiment import changed
from dynamics.methods.sgd import Sgd
from dynamics.precision import exact
from dynamics.preparation import prepare
from dynamics.simulation import begin
from dynamics.state import State
from theorems.comparison import Agreement

TINY = Shape((2, 1, 2), 3)
SCENARIOS = ("unconstrained", "regularized", "anchored")


@pytest.fixture(autouse=True, scope="module")
def float64():
    with exact():
        yield


def batches(size: int = 2, steps: int = 3, **timing):
    return {"kind": "sgd", "batch": size, "steps": steps, "eta": 0.4, **timing}


def plain_step(experiment, problem, state: State, rows, eta: float) -> State:
    """One step on the mean loss over ``rows``, from the definition of the loss, entry by entry."""
    scenario, n = experiment.scenario, problem.samples
    operator = np.zeros((problem.classes, n))
    operator[:, rows] = operator_of(experiment, problem)[:, rows] * n / len(rows)
    lost, moves = scenario.numbers(), scenario.moves_prototypes
    h, w, b = (np.asarray(part) for part in (state.features, state.prototypes, state.biases))
    return State(
        h + RATIO * eta * (operator.T @ w - lost["lambda_h"] * h),
        w + moves * eta * (operator @ h - lost["lambda_w"] * w),
        b + moves * eta * (operator.sum(axis=1) - lost["lambda_b"] * b),
    )


def stepper(experiment):
    """Return the problem, the start, and the simulator's own step on given rows."""
    problem, start = prepare(experiment)
    numbers, _, _ = begin(experiment, problem, start, 1.0)
    inner, scenario = jax.tree.map(jnp.asarray, (numbers, problem)), type(experiment.scenario)
    step = jax.jit(lambda state, eta, rows: Sgd.moved(scenario, *inner, state, eta, rows))
    return problem, start, lambda state, eta, rows: jax.device_get(step(state, eta, jnp.asarray(sorted(rows))))


def mean_of(states) -> State:
    return jax.tree.map(lambda *parts: np.mean(np.stack(parts), axis=0), *states)


def distance(one: State, other: State) -> float:
    return max(np.max(np.abs(x - y)) for x, y in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True))


def rows_of(experiment, steps: int) -> np.ndarray:
    """The samples of each step, as the simulation draws them, (steps, batch)."""
    n, own = sum(experiment.problem.sizes()), experiment.method.own()
    return np.asarray(jax.vmap(lambda k: Sgd.drawn(own, n, k))(np.arange(steps)))


# -- paths -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampling", ["independent", "shuffle"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_path_agrees_with_a_plain_loop(scenario, sampling):
    """Unequal sizes, weights, smoothing, a batch that does not divide n = 13."""
    method = batches(4, 60, sampling=sampling, batch_seed=3, schedule="cosine")
    problem = {"sample_weights": "sqrt", "label_smoothing": 0.1}
    experiment = build(scenario, method, UNEQUAL, problem=problem, points=2)
    problem, state = prepare(experiment)
    for rows, eta in zip(rows_of(experiment, 60), experiment.method.rates(), strict=True):
        state = plain_step(experiment, problem, state, rows, eta)
    end = jax.tree.map(lambda part: part[-1], walked(experiment))
    assert distance(end, state) <= STEPS_2000 * max(1, np.max(np.abs(state.features)))


@pytest.mark.parametrize("loss", ["mse", "cross-entropy"])
def test_a_step_under_another_loss_is_along_the_gradient_of_the_mean_over_the_batch(loss):
    """Central differences of the loss over the batch, written out."""
    experiment = build("unconstrained", batches(3), TINY, problem={"loss": loss, "sample_weights": "sqrt"})
    problem, start, step = stepper(experiment)
    rows, labels = [0, 2, 4], np.asarray(problem.labels)
    omega, own = sample_weights(labels, "sqrt"), np.eye(problem.classes)[labels]

    def value(state: State) -> float:
        z = state.features @ state.prototypes.T + state.biases
        log_softmax = z - np.log(np.sum(np.exp(z), axis=1, keepdims=True))
        each = np.sum((z - own) ** 2, axis=1) if loss == "mse" else -np.sum(own * log_softmax, axis=1)
        return float(np.mean((omega * each)[rows]))

    moved = jax.tree.map(np.subtract, step(start, 0.1, rows), start)
    for part, scale in (("features", RATIO), ("prototypes", 1.0), ("biases", 1.0)):
        array = np.asarray(getattr(start, part), float)
        gradient = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            ends = []
            for h in (1e-5, -1e-5):
                other = array.copy()
                other[index] += h
                parts = {name: getattr(start, name) for name in ("features", "prototypes", "biases")}
                ends.append(value(State(**(parts | {part: other}))))
            gradient[index] = (ends[0] - ends[1]) / 2e-5
        np.testing.assert_allclose(getattr(moved, part), -0.1 * scale * gradient, rtol=1e-6, atol=1e-9)


def test_batches_depend_on_the_seed_and_the_step_alone():
    """Whatever times are saved; another seed, another path; all samples in one batch are descent."""
    experiment = build("regularized", batches(4, 40), points=2)
    first, finer, other = (
        jax.tree.map(lambda part: part[-1], walked(changed(experiment, change)))
        for change in ({}, {"output.points": 9}, {"method.batch_seed": 1})
    )
    assert distance(first, finer) == 0
    assert distance(first, other) > 1e-3
    everything = walked(changed(experiment, {"method.batch": 13}))
    assert distance(everything, walked(changed(experiment, {"method.kind": "descent"}))) <= PROPERTY


def test_batches_are_uniform_and_epochs_repeat_no_sample():
    drawn = rows_of(build("unconstrained", batches(4, 4000)), 4000)
    assert all(len(set(rows)) == 4 for rows in drawn)
    each = np.bincount(drawn.ravel(), minlength=13) / 4000
    pairs = np.mean([np.outer(*[np.isin(np.arange(13), rows)] * 2) for rows in drawn], axis=0)[~np.eye(13, dtype=bool)]
    for found, p in ((each, 4 / 13), (pairs, 4 * 3 / (13 * 12))):
        assert np.max(np.abs(found - p)) < 4.5 * np.sqrt(p * (1 - p) / 4000)
    epochs = rows_of(build("unconstrained", batches(4, sampling="shuffle")), 600).reshape(200, 12)
    assert all(len(set(epoch)) == 12 for epoch in epochs)
    left = np.bincount(epochs.ravel(), minlength=13) / 200
    assert np.max(np.abs(left - 12 / 13)) < 4.5 * np.sqrt(12 / 13**2 / 200)


def test_a_run_is_one_path_and_not_compared(tmp_path):
    experiment = build("unconstrained", batches(4, 40), points=5)
    with pytest.raises(LookupError, match="one path of a random motion"):
        theorems.solve(experiment)
    simulation = dynamics.simulate(experiment)
    assert "drawn at random" in simulation.why["distance"]
    assert np.isnan(simulation.metrics["distance"]).all()
    assert np.isinf(simulation.error["loss"][1:]).all()
    report = theorems.compare(simulation, theorems.solution.unsolved(simulation, "one path of a random motion"))
    assert report.verdict is Agreement.NOT_COMPARED


# -- exact moments -----------------------------------------------------------------------------------------------------


def all_paths(experiment, size: int):
    """Yield all equally likely states after 0, 1, 2 and 3 steps, by a plain loop over all batches."""
    problem, start = prepare(experiment)
    states = [start]
    yield problem, states
    for eta in experiment.method.rates():
        choices = list(itertools.combinations(range(problem.samples), size))
        states = [plain_step(experiment, problem, state, list(rows), eta) for state in states for rows in choices]
        yield problem, states


def means(experiment, problem, states) -> dict[str, float]:
    operator = operator_of(experiment, problem)
    found = {"loss": [], "features": [], "prototypes": [], "scatter": [], "gram": []}
    for state in states:
        h, w = state.features, state.prototypes
        mu = np.stack([h[problem.labels == c].mean(axis=0) for c in range(problem.classes)])
        found["loss"].append(-np.sum(w * (operator @ h)) - state.biases @ operator.sum(axis=1))
        found["features"].append(np.sum(h**2))
        found["prototypes"].append(np.sum(w**2))
        found["scatter"].append(np.sum((h - mu[problem.labels]) ** 2))
        both = np.concatenate([mu, w])
        found["gram"].append(both @ both.T)
    return {name: np.mean(values, axis=0) for name, values in found.items()}


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_moments_are_those_of_all_paths(scenario, size):
    """C(5, 2)^3 = 1000 of them, each with its probability; with all samples in one batch there is one path."""
    timing = {"schedule": "cosine", "final": 0.5}
    experiment = build(scenario, batches(size, **timing), TINY, problem={"sample_weights": "sqrt"}, points=4)
    moments = theorems.second_moments(experiment)
    mean = theorems.exact_states(changed(experiment, {"method.kind": "descent"}), np.arange(4.0))
    for k, (problem, states) in enumerate(all_paths(experiment, size)):
        for name, wanted in means(experiment, problem, states).items():
            np.testing.assert_allclose(getattr(moments, name)[k], wanted, rtol=1e-12, atol=1e-12, err_msg=name)
        assert distance(mean_of(states), mean[k][1]) <= 1e-13
    assert moments.square_norm[-1] == pytest.approx(moments.features[-1] + moments.prototypes[-1])


@pytest.mark.parametrize("key", ["eta", "ratio", "batch"])
def test_moments_wrong_by_a_thousandth_are_caught(key):
    experiment = build("regularized", batches(2), TINY, points=4)
    harmed = changed(experiment, {f"method.{key}": 3 if key == "batch" else 1.001 * getattr(experiment.method, key)})
    right, wrong = (theorems.second_moments(one) for one in (experiment, harmed))
    for name in ("loss", "features", "prototypes", "scatter"):
        assert abs(getattr(wrong, name)[-1] / getattr(right, name)[-1] - 1) > 1e-6, name


def test_simulated_paths_have_the_exact_moments_within_four_standard_errors():
    """400 seeds, 30 steps of batches of one; the mean of the loss is told from the loss of the mean state."""
    experiment, seeds = build("unconstrained", batches(1, 30, eta=0.5), BALANCED, points=2), 400
    problem, start = prepare(experiment)
    numbers, _, _ = begin(experiment, problem, start, 1.0)
    inner, own = jax.tree.map(jnp.asarray, (numbers, problem)), experiment.method.own()

    def run(key):
        def once(k, state):
            return Sgd.step(type(experiment.scenario), *inner, {**own, "key": key}, state, 0.5, k)

        return jax.lax.fori_loop(0, 30, once, jax.tree.map(jnp.asarray, start))

    ends = jax.device_get(jax.jit(jax.vmap(run))(jax.vmap(jax.random.key)(np.arange(seeds))))
    wanted, operator = theorems.second_moments(experiment), operator_of(experiment, problem)
    pulled = np.einsum("ci,sip->scp", operator, ends.features)
    losses = -np.sum(pulled * ends.prototypes, axis=(1, 2)) - ends.biases @ operator.sum(axis=1)
    squares = np.sum(ends.features**2, axis=(1, 2)) + np.sum(ends.prototypes**2, axis=(1, 2))
    for found, exactly in ((losses, wanted.loss[-1]), (squares, wanted.square_norm[-1])):
        assert abs(found.mean() - exactly) < 4 * found.std() / np.sqrt(seeds)
    assert abs(squares.mean() - theorems.second_moments(changed(experiment, {"method.batch": 9})).square_norm[-1]) > (
        4 * squares.std() / np.sqrt(seeds)
    )


def test_the_mean_path_is_full_batch_descent():
    experiment = build("regularized", batches(4, 40), points=5)
    plain = theorems.solve(build("regularized", {"kind": "descent", "steps": 40, "eta": 0.4}), names=("loss",))
    np.testing.assert_array_equal(
        theorems.mean_path(experiment, names=("loss",)).metrics["loss"], plain.metrics["loss"]
    )


# -- what shuffling changes --------------------------------------------------------------------------------------------


def shuffled_mean(experiment) -> tuple[State, State]:
    """The mean state after an epoch, from all orders by the simulator's step, and full-batch descent."""
    problem, start, step = stepper(experiment)
    size, rates = experiment.method.batch, experiment.method.rates()
    cuts = [slice(k, k + size) for k in range(0, size * len(rates), size)]
    orders = itertools.permutations(range(problem.samples))
    epochs = sorted({tuple(tuple(sorted(order[cut])) for cut in cuts) for order in orders})
    ends, full = [], start
    for epoch in epochs:
        state = start
        for rows, eta in zip(epoch, rates, strict=True):
            state = step(state, eta, rows)
        ends.append(state)
    for eta in rates:
        full = plain_step(experiment, problem, full, np.arange(problem.samples), eta)
    return mean_of(ends), full


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_shuffled_epoch_of_two_batches_is_biased_by_exactly_the_formula(scenario):
    """Five samples in batches of two: one is left out. Where prototypes stay, there is no bias."""
    experiment = build(scenario, batches(2, 2, sampling="shuffle", schedule="linear"), TINY)
    bias = theorems.epoch_bias(experiment)
    mean, full = shuffled_mean(experiment)
    assert distance(jax.tree.map(np.subtract, mean, full), bias) <= 1e-13
    assert (np.max(np.abs(bias.prototypes)) > 1e-2) == (scenario != "anchored")


def test_the_bias_of_more_batches_is_the_formula_to_second_order():
    """The gap that is left is of third order: an eighth at half the rate."""
    gaps = []
    for eta in (0.1, 0.05, 0.025):
        experiment = build("regularized", batches(1, 5, sampling="shuffle", eta=eta), TINY)
        mean, full = shuffled_mean(experiment)
        bias = theorems.epoch_bias(experiment)
        gaps.append(distance(jax.tree.map(np.subtract, mean, full), bias) / np.max(np.abs(bias.features)))
    assert gaps[0] < 0.2
    np.testing.assert_allclose(np.divide(gaps[:-1], gaps[1:]), 2.0, rtol=0.1)


def test_simulated_shuffled_epochs_have_the_bias():
    """4000 seeds through the simulator's own sampling, within four standard errors and far from none."""
    experiment = build("unconstrained", batches(2, 2, sampling="shuffle", eta=1.0), TINY)
    problem, start = prepare(experiment)
    numbers, _, _ = begin(experiment, problem, start, 1.0)
    inner, own = jax.tree.map(jnp.asarray, (numbers, problem)), experiment.method.own()

    def run(key):
        state = jax.tree.map(jnp.asarray, start)
        for k in range(2):
            state = Sgd.step(type(experiment.scenario), *inner, {**own, "key": key}, state, 1.0, k)
        return state.prototypes

    ends = np.asarray(jax.jit(jax.vmap(run))(jax.vmap(jax.random.key)(np.arange(4000))))
    full = start
    for _ in range(2):
        full = plain_step(experiment, problem, full, np.arange(5), 1.0)
    errors = ends.std(axis=0) / np.sqrt(4000)
    bias = theorems.epoch_bias(experiment).prototypes
    assert np.all(np.abs(ends.mean(axis=0) - full.prototypes - bias) < 4 * errors)
    assert np.max(np.abs(bias) / errors) > 10


@pytest.mark.parametrize("function", [theorems.mean_path, theorems.second_moments])
def test_what_has_no_moments_is_refused(function):
    refused = {
        r"method\.kind must be 'sgd' to have moments, but is 'descent'": build("unconstrained", "descent"),
        r"problem\.loss must be 'unhinged'": build("unconstrained", batches(), problem={"loss": "mse"}),
        r"method\.sampling must be 'independent'": build("unconstrained", batches(sampling="shuffle")),
    }
    for message, experiment in refused.items():
        with pytest.raises(dynamics.InputError, match=message):
            function(experiment)
