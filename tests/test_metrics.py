"""Metrics: against the contract's formulas in plain NumPy, against the ones written from modes, and at their edges."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import (
    BALANCED,
    RATIO,
    SCARCE,
    SCENARIOS,
    UNEQUAL,
    build,
    cases,
    dense_limit,
    flatten,
    measured,
    sample_weights,
    solved,
)
from tolerances import ETF, METRIC, TWICE

import theorems
from dynamics.measure import METRICS, PER_CLASS, SIMULATION_ONLY
from dynamics.metrics.accuracy import accuracies
from dynamics.metrics.collapse import collapse
from dynamics.metrics.distance import chord, log_norm
from dynamics.metrics.loss import losses
from dynamics.precision import exact
from dynamics.preparation import prepare
from dynamics.problem import make_problem
from dynamics.scenario import Doubt
from dynamics.state import State

NO_DOUBT = Doubt(jnp.zeros(()), jnp.zeros(()), jnp.zeros(()), jnp.zeros(()), jnp.zeros(()))
DECAYS = ("lambda_h", "lambda_w", "lambda_b")


@pytest.fixture(autouse=True, scope="module")
def float64():
    with exact():
        yield


# -- the contract's formulas, in the paper's layout: H (p, n), W (p, C), b (C,) --------------------------------------


def plain_loss(case, seen, prototypes, biases) -> float:
    """The data term of eq. (2), logit by logit."""
    table, labels = case.experiment.problem, np.asarray(case.problem.labels)
    classes, gamma, a = case.problem.classes, table.gamma_value(case.problem.classes), table.label_smoothing
    omega, total = sample_weights(labels, table.sample_weights), 0.0
    for i, y in enumerate(labels):
        logits = prototypes.T @ seen[:, i] + biases
        targets = (1 - a) * (np.arange(classes) == y) + a / classes
        total -= omega[i] * ((1 + gamma) * logits @ targets - gamma * logits.sum())
    return total / len(labels)


def plain_directions(labels, h, w) -> dict[str, float]:
    """Alignment, nc1, nc2, nc3 and the shares, from class means by a loop."""
    classes, n = w.shape[1], h.shape[1]
    means = np.stack([h[:, labels == c].mean(axis=1) for c in range(classes)], axis=1)
    x, y = means - means.mean(axis=1, keepdims=True), w - w.mean(axis=1, keepdims=True)
    simplex = np.eye(classes) - np.ones((classes, classes)) / classes
    within = sum(np.sum((h[:, i] - means[:, labels[i]]) ** 2) for i in range(n))
    overall = h.mean(axis=1)
    between = sum(np.sum(labels == c) * np.sum((means[:, c] - overall) ** 2) for c in range(classes))
    unit_x, unit_y, gram = x / np.linalg.norm(x), y / np.linalg.norm(y), x.T @ x
    return {
        "alignment": np.sum(x * y) / (np.linalg.norm(x) * np.linalg.norm(y)),
        "nc1": within / between,
        "nc2": np.linalg.norm(gram / np.linalg.norm(gram) - simplex / np.sqrt(classes - 1)),
        "nc3": np.linalg.norm(unit_x - unit_y),
        "share_means": np.linalg.norm(unit_x, axis=0),
        "share_prototypes": np.linalg.norm(unit_y, axis=0),
    }


def plain_accuracies(labels, seen, w, biases) -> dict[str, float]:
    """The share of samples whose own class has the largest logit, by a loop; ties go to the lowest class."""
    raw = [int(np.argmax(w.T @ seen[:, i] + biases)) for i in range(len(labels))]
    centred = w - w.mean(axis=1, keepdims=True)
    found = [int(np.argmax(centred.T @ seen[:, i] + biases - biases.mean())) for i in range(len(labels))]
    return {"accuracy": np.mean(np.equal(found, labels)), "accuracy_raw": np.mean(np.equal(raw, labels))}


def unit(array, axis=None):
    return array / np.linalg.norm(array, axis=axis, keepdims=axis is not None)


def plain_distances(case, state, h, w) -> dict[str, float]:
    """The distances, as differences of normalised arrays: the states here are far from L, where that loses nothing."""
    kind, n = case.experiment.scenario.kind, h.shape[1]
    target = np.asarray(case.problem.push(case.start.prototypes)).T
    if kind == "spherical":
        distance = np.linalg.norm(unit(h, axis=0) - unit(target, axis=0)) / np.sqrt(n)
    elif kind == "anchored":
        distance = np.linalg.norm(unit(h) - unit(target))
    else:
        limit = dense_limit(case.experiment, case.problem, case.start)
        distance = np.linalg.norm(unit(flatten(state)[: limit.size]) - unit(limit))
    return {"distance": distance, "distance_zbar": np.linalg.norm(unit(np.hstack([h, w])) - unit(plain_zbar(case)))}


def plain_zbar(case):
    """Pi1+ Z0 of the balanced model, eq. (9): (sqrt(s/N) X (x) 1', X) with X = (W0 + sqrt(N/s) means)P/2."""
    s, n = case.experiment.method.ratio, len(case.problem.labels) / case.problem.classes
    means = np.stack([case.start.features[case.problem.labels == c].mean(axis=0) for c in range(case.problem.classes)])
    grown = case.start.prototypes.T + np.sqrt(n / s) * means.T
    x = (grown - grown.mean(axis=1, keepdims=True)) / 2
    return np.hstack([np.sqrt(s / n) * x[:, case.problem.labels], x])


def plain_metrics(case, state) -> dict[str, float]:
    """Every metric of a state, from the contract's sentences."""
    h, w, b = np.asarray(state.features).T, np.asarray(state.prototypes).T, np.asarray(state.biases)
    labels, spherical = np.asarray(case.problem.labels), case.experiment.scenario.kind == "spherical"
    seen = unit(h, axis=0) if spherical else h
    loss, numbers = plain_loss(case, seen, w, b), case.experiment.scenario.numbers()
    squares = [np.sum(part**2) for part in (h, w, b)]
    return {
        "loss": loss,
        "objective": loss + sum(numbers[name] / 2 * square for name, square in zip(DECAYS, squares, strict=True)),
        "log_abs_loss": np.log(abs(loss)),
        "log_norm": np.log(np.linalg.norm(np.hstack([h, w]))),
        **plain_accuracies(labels, seen, w, b),
        **plain_directions(labels, h, w),
        **plain_distances(case, state, h, w),
    }


@settings(max_examples=12)
@given(cases(methods=("flow",), shapes=(UNEQUAL, BALANCED)))
def test_every_metric_is_its_sentence_in_the_contract(case):
    compare_with_the_contract(case)


def compare_with_the_contract(case) -> None:
    state = random_like(case)
    found = measured(case.experiment, case.problem, case.start, jax.tree.map(lambda part: part[None], state))
    wanted = plain_metrics(case, state)
    assert set(wanted) == {*METRICS, *SIMULATION_ONLY, *PER_CLASS}
    if not case.problem.balanced or case.experiment.scenario.kind not in ("unconstrained", "regularized"):
        assert np.isnan(found["distance_zbar"]).all()
        del wanted["distance_zbar"]
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name][0], value, rtol=METRIC, atol=METRIC, err_msg=name)


def random_like(case) -> State:
    """A state of its own, not the start: with prototypes that stand still where the scenario holds them."""
    state = jax.tree.map(lambda part: case.rng.standard_normal(part.shape), case.start)
    return state if case.experiment.scenario.moves_prototypes else State(state.features, *tail(case.start))


def tail(state: State):
    return state.prototypes, state.biases


# -- written twice on purpose ------------------------------------------------------------------------------------------

TWO_WAYS = [
    *((kind, method, UNEQUAL, {}) for kind in SCENARIOS for method in ("flow", "descent")),
    *((kind, "flow", BALANCED, {}) for kind in ("unconstrained", "regularized")),
    *(
        (kind, "descent", SCARCE, {"label_smoothing": 0.2, "sample_weights": "inverse"})
        for kind in ("regularized", "spherical")
    ),
    ("unconstrained", "flow", UNEQUAL, {"sample_weights": "sqrt", "gamma": 2.0}),
]


@pytest.mark.parametrize(("kind", "method", "shape", "problem"), TWO_WAYS, ids=str)
def test_exact_states_have_the_metrics_that_the_modes_have(kind, method, shape, problem):
    """Each half has its own formulas: states from the modes, measured by the simulation, give the modes' metrics."""
    experiment = build(kind, method, shape, problem=problem, schedule="cosine", final=0.2, points=6)
    sorted_problem, start = prepare(experiment)
    states = solved(experiment).at(experiment.times())
    from_states = measured(experiment, sorted_problem, start, states)
    exact_solution = theorems.solve(experiment)
    for name in (*METRICS, *PER_CLASS):
        from_modes = exact_solution.classes[name] if name in PER_CLASS else exact_solution.metrics[name]
        if name in exact_solution.why:
            assert np.isnan(from_states[name]).all(), name
            assert np.isnan(from_modes).all(), name
            continue
        assert np.isfinite(from_modes).all(), name
        scale = from_states["unit_" + name] if "unit_" + name in from_states else np.maximum(1.0, np.abs(from_modes))
        assert np.max(np.abs(from_states[name] - from_modes) / scale) <= TWICE, name


def test_the_public_states_are_the_forms_states_in_the_order_of_the_input(tmp_path):
    rng = np.random.default_rng(3)
    labels = rng.permutation(UNEQUAL.labels)
    arrays = {"H": rng.standard_normal((6, len(labels))), "W": rng.standard_normal((6, 4)), "b": rng.standard_normal(4)}
    np.savez(tmp_path / "start.npz", labels=labels, **arrays)
    experiment = build("regularized", "flow", start={"file": str(tmp_path / "start.npz")})
    found = theorems.exact_states(experiment, np.array([0.0, 40.0]))
    assert [log_scale for log_scale, _ in found] == [0.0, 0.0]
    for name, part in zip(("H", "W"), (found[0][1].features, found[0][1].prototypes), strict=True):
        np.testing.assert_allclose(part.T, arrays[name], rtol=0, atol=METRIC)
    np.testing.assert_array_equal(found[0][1].biases, arrays["b"])
    inner, last = solved(experiment), found[1][1]
    wanted = inner.at([40.0])
    np.testing.assert_allclose(last.features, inner.problem.restore(wanted.features[0]), rtol=METRIC, atol=METRIC)
    final = theorems.solve(experiment).last
    np.testing.assert_allclose(final[1].features, last.features, rtol=METRIC, atol=METRIC)


# -- edges -------------------------------------------------------------------------------------------------------------


def etf(classes: int, p: int, scale: float = 1.0) -> np.ndarray:
    """A simplex ETF, a row a class: unit rows times scale."""
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((p, classes)))[0].T
    return scale * np.sqrt(classes / (classes - 1)) * (basis - basis.mean(axis=0))


@pytest.mark.parametrize("shape", [UNEQUAL, BALANCED], ids=str)
@pytest.mark.parametrize("scale", [1.0, 1e-120, 1e120])
def test_a_perfect_etf_is_perfect(shape, scale):
    problem = make_problem(shape.labels, shape.classes, 0.3)
    frame = etf(shape.classes, shape.features, scale)
    found = collapse(problem, State(3 * frame[shape.labels], frame, np.zeros(shape.classes)))
    assert 0 <= float(found["nc1"]) <= ETF**2  # the mean of equal rows rounds
    for name in ("nc2", "nc3"):
        assert float(found[name]) <= ETF
    assert float(found["alignment"]) == pytest.approx(1, abs=ETF)
    shares = np.full(shape.classes, shape.classes**-0.5)
    np.testing.assert_allclose(found["share_means"], shares, rtol=ETF)
    np.testing.assert_allclose(found["share_prototypes"], shares, rtol=ETF)


def opposite_pairs() -> tuple:
    """Two samples per class that cancel exactly: every class mean is zero."""
    problem = make_problem(np.array([0, 0, 1, 1, 2, 2]), 3, 0.3)
    half = np.array([[1.0, 2.0], [0.5, -1.0], [3.0, 0.25]])
    features = np.stack([half, -half], axis=1).reshape(6, 2)
    return problem, State(features, np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]]), np.zeros(3))


def test_a_zero_denominator_gives_nan():
    problem, state = opposite_pairs()
    found = collapse(problem, state)
    for name in ("alignment", "nc1", "nc2", "nc3"):
        assert np.isnan(found[name]), name
    flat = State(np.random.default_rng(0).standard_normal((6, 2)), np.ones((3, 2)), np.zeros(3))
    found = collapse(problem, flat)
    assert np.isnan(found["alignment"])
    assert np.isnan(found["nc3"])
    assert np.isfinite(found["nc1"])
    assert np.isfinite(found["nc2"])
    zero = jax.tree.map(np.zeros_like, state)
    assert all(np.isnan(collapse(problem, zero)[name]) for name in ("alignment", "nc1", "nc2", "nc3"))
    assert float(log_norm(zero)) == -np.inf


def test_a_state_that_is_zero_has_no_distance():
    """|Z/|Z| - L/|L|| with |Z| = 0: the contract gives NaN."""
    assert np.isnan(chord(np.zeros((2, 2)), np.ones((2, 2)), 1))
    assert np.isnan(chord(np.array([[0.0, 0.0], [1.0, 0.0]]), np.ones((2, 2)), 2))


@given(st.integers(0, 2**32 - 1))
def test_nc1_is_never_negative_and_zero_only_without_scatter(seed):
    """Within-class scatter far below the rounding of the features: a difference of squares would go negative."""
    rng = np.random.default_rng(seed)
    problem = make_problem(UNEQUAL.labels, UNEQUAL.classes, 0.3)
    means = rng.standard_normal((UNEQUAL.classes, 6)) * 10.0 ** rng.integers(-3, 4)
    noise = 10.0 ** rng.integers(-20, 1) * rng.standard_normal((len(UNEQUAL.labels), 6))
    found = float(collapse(problem, State(means[UNEQUAL.labels] + noise, means, np.zeros(UNEQUAL.classes)))["nc1"])
    assert found >= 0


def accuracy(problem, state) -> dict[str, float]:
    found = accuracies(problem, state, NO_DOUBT, np.float64(2.0**-53))
    return {name: float(value) for name, value in found.items()}


def test_ties_go_to_the_lowest_class():
    problem = make_problem(np.array([0, 1, 1, 2, 2, 2]), 3, 0.3)
    features = np.ones((6, 2))
    silent = State(features, np.zeros((3, 2)), np.zeros(3))  # every logit is 0
    assert accuracy(problem, silent) == {"accuracy": 1 / 6, "accuracy_raw": 1 / 6, "doubtful": 1.0}
    twins = State(features, np.array([[0.0, 0.0], [1.0, 1.0], [1.0, 1.0]]), np.zeros(3))  # classes 1 and 2 tie
    assert accuracy(problem, twins)["accuracy"] == 2 / 6
    biased = State(features, np.zeros((3, 2)), np.array([1.0, 2.0, 2.0]))
    assert accuracy(problem, biased)["accuracy"] == 2 / 6


@pytest.mark.parametrize("method", ["flow", "descent"])
def test_ties_go_to_the_lowest_class_in_an_exact_solution_too(tmp_path, method):
    """Prototypes 1 and 2 are equal and stay: their samples tie for ever, and class 1 has them."""
    labels = np.array([0, 1, 1, 2, 2, 2])
    arrays = {
        "H": np.array([[-1.0, 2, 3, 1, 2, 1], [-1.0, 1, 1, 2, 1, 3]]),
        "W": np.array([[-1.0, 1, 1], [-1.0, 1, 1]]),
    }
    np.savez(tmp_path / "start.npz", labels=labels, **arrays)
    experiment = build("anchored", method, start={"file": str(tmp_path / "start.npz")}, problem={"gamma": 0.0})
    np.testing.assert_array_equal(theorems.solve(experiment).metrics["accuracy"], 3 / 6)


def test_what_all_classes_share_drowns_only_the_raw_accuracy():
    """A shared part of 1e20 in the prototypes: the centred logits keep their digits where they were exact."""
    problem = make_problem(np.array([0, 1, 2]), 3, 0.3)
    features = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    shared = np.full((3, 1), 2.0**70)
    state = State(np.hstack([features, np.ones((3, 1))]), np.hstack([features, shared]), np.zeros(3))
    found = accuracy(problem, state)
    assert found["accuracy"] == 1.0
    assert found["accuracy_raw"] == 1 / 3


@pytest.mark.parametrize("angle", [0.0, 1e-140, 1e-12, 1e-4, 1.0, 3.0, np.pi])
def test_a_chord_keeps_its_digits_where_directions_are_close(angle):
    found = chord(7.0 * np.array([[np.cos(angle), np.sin(angle)]]), np.array([[1.0, 0.0]]), 1)
    assert float(found) == pytest.approx(2 * np.sin(angle / 2), rel=ETF, abs=0 if angle < 3.1 else ETF)


def test_a_loss_of_large_numbers_does_not_overflow_on_the_way():
    problem = make_problem(BALANCED.labels, 3, 0.3)
    rng = np.random.default_rng(0)
    state = State(rng.standard_normal((9, 4)), rng.standard_normal((3, 4)), np.zeros(3))
    numbers = {name: np.float64(0) for name in (*DECAYS, "rounding")}
    large = State(1e140 * state.features, 1e140 * state.prototypes, state.biases)
    small, scaled = (float(losses(numbers, problem, s, s)["loss"]) for s in (state, large))
    assert scaled == pytest.approx(1e280 * small, rel=METRIC)
    assert float(log_norm(large)) == pytest.approx(float(log_norm(state)) + 140 * np.log(10), rel=METRIC)


def test_zbar_is_the_papers_on_balanced_classes():
    """distance_zbar starts where the definition says, with s = 2.3."""
    experiment = build("unconstrained", "flow", BALANCED)
    problem, start = prepare(experiment)
    case = solved(experiment)
    z0 = np.hstack([start.features.T, start.prototypes.T])
    zbar = plain_zbar(Start(experiment, problem, start))
    assert experiment.method.ratio == RATIO
    wanted = np.linalg.norm(unit(z0) - unit(zbar))
    assert theorems.solve(experiment).metrics["distance_zbar"][0] == pytest.approx(wanted, rel=METRIC)
    assert case.experiment is experiment


class Start:
    """What `plain_zbar` reads of a case."""

    def __init__(self, experiment, problem, start) -> None:
        self.experiment, self.problem, self.start = experiment, problem, start
