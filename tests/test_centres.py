"""nc1_pinv and ncc: against NumPy, at their edges, and exact in every closed form at any horizon."""

import json
from typing import NamedTuple

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import BALANCED, RATIO, SCARCE, UNEQUAL, Shape, build, solved
from test_metrics import etf
from tolerances import ETF
from typer.testing import CliRunner

from dynamics import Experiment, load, prepare, simulate
from dynamics.errors import InputError
from dynamics.measure import NO_SPREAD, ON_REQUEST
from dynamics.metrics import centres
from dynamics.precision import exact
from dynamics.problem import make_problem
from dynamics.state import State
from theorems import solve, sweep
from theorems.centres import nearest
from theorems.cli import app
from theorems.scatter import nc1_pinv as graded
from theorems.scatter import plain
from theorems.snapshot import Features, Frame, Part

nc1_pinv, ncc = jax.jit(centres.nc1_pinv), jax.jit(centres.ncc)

SHARE = 1e-15  # of a share: a compiled quotient is off by a last digit
PINV = 1e-11  # two pseudo-inverses of the same numbers, S_B's condition up to 1e4; measured 6e-13
LATE = 2e-12  # of e^-600, whose logarithm rounds by 1e-13; measured 2e-13
SLOPE = 3e-14  # of a late rate, relative; measured 2.4e-15
WIDE = Shape((3, 2, 4, 3), 2)  # p < C - 1
CLOSED = Shape((2, 1, 4, 2, 2), 3)


@pytest.fixture(autouse=True, scope="module")
def float64():
    with exact():
        yield


def textbook_nc1(labels, features) -> float:
    """tr(S_W S_B^+)/C from p x p matrices, as it is printed."""
    classes = labels.max() + 1
    means = np.stack([features[labels == c].mean(axis=0) for c in range(classes)])
    within = np.mean([np.outer(h - means[y], h - means[y]) for h, y in zip(features, labels, strict=True)], axis=0)
    centred = means - means.mean(axis=0)
    between = centred.T @ centred / classes
    return np.trace(within @ np.linalg.pinv(between, rcond=1e-12, hermitian=True)) / classes


def textbook_ncc(labels, features, prototypes, biases) -> float:
    """NC4 by distances, sample by sample."""
    means = np.stack([features[labels == c].mean(axis=0) for c in range(labels.max() + 1)])
    w, b = prototypes - prototypes.mean(axis=0), biases - biases.mean()
    said = [int(np.argmax(w @ h + b)) for h in features]
    near = [int(np.argmin(np.linalg.norm(means - h, axis=1))) for h in features]
    return float(np.mean(np.equal(said, near)))


def random_state(seed: int, shape: Shape):
    rng = np.random.default_rng(seed)
    problem = make_problem(shape.labels, shape.classes, 0.3)
    means = rng.standard_normal((shape.classes, shape.features))
    features = means[shape.labels] + rng.uniform(0.3, 1.5) * rng.standard_normal((len(shape.labels), shape.features))
    prototypes = means + rng.standard_normal(means.shape)
    return problem, State(features, prototypes, rng.standard_normal(shape.classes)), rng


@pytest.mark.parametrize("shape", [UNEQUAL, SCARCE, BALANCED, WIDE], ids=str)
def test_both_are_their_definitions(shape):
    for seed in range(20):
        problem, state, _ = random_state(seed, shape)
        wanted = textbook_nc1(shape.labels, state.features)
        assert float(nc1_pinv(problem, state)) == pytest.approx(wanted, rel=PINV)
        means = np.asarray(problem.class_means(state.features))
        found = graded(plain(means, 0.0, state.features - means[shape.labels], 0.0))
        assert found == pytest.approx(wanted, rel=PINV)
        parts = (state.features, state.prototypes, state.biases)
        assert float(ncc(problem, state)) == pytest.approx(textbook_ncc(shape.labels, *parts), rel=SHARE)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.sampled_from([UNEQUAL, WIDE]))
def test_neither_knows_of_rotation_scale_or_the_names_of_classes(seed, shape):
    problem, state, rng = random_state(seed, shape)
    turn = np.linalg.qr(rng.standard_normal((shape.features, shape.features)))[0]
    size = 10.0 ** rng.integers(-100, 100)
    turned = State(size * state.features @ turn, state.prototypes @ turn, size * state.biases)
    order = rng.permutation(shape.classes)  # the new class c is the old order[c]
    rows = np.concatenate([np.flatnonzero(shape.labels == c) for c in order])
    renamed = State(state.features[rows], state.prototypes[order], state.biases[order])
    sizes = np.array(shape.sizes)[order]
    others = make_problem(np.repeat(np.arange(shape.classes), sizes), shape.classes, 0.3)
    for metric, tolerance in ((nc1_pinv, 1e-9), (ncc, SHARE)):
        first = float(metric(problem, state))
        assert first >= 0
        assert float(metric(problem, turned)) == pytest.approx(first, rel=tolerance)
        assert float(metric(others, renamed)) == pytest.approx(first, rel=tolerance)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_scatter_far_below_the_rounding_of_the_features_is_not_negative(seed):
    rng = np.random.default_rng(seed)
    problem = make_problem(UNEQUAL.labels, UNEQUAL.classes, 0.3)
    means = rng.standard_normal((UNEQUAL.classes, 6)) * 10.0 ** rng.integers(-3, 4)
    noise = 10.0 ** rng.integers(-20, 1) * rng.standard_normal((len(UNEQUAL.labels), 6))
    assert float(nc1_pinv(problem, State(means[UNEQUAL.labels] + noise, means, np.zeros(UNEQUAL.classes)))) >= 0


@pytest.mark.parametrize("shape", [UNEQUAL, BALANCED], ids=str)
@pytest.mark.parametrize("scale", [1.0, 1e-120, 1e120])
def test_a_perfect_etf_is_perfect(shape, scale):
    problem, frame = make_problem(shape.labels, shape.classes, 0.3), etf(shape.classes, shape.features, scale)
    state = State(3 * frame[shape.labels], frame, np.zeros(shape.classes))
    assert 0 <= float(nc1_pinv(problem, state)) <= ETF**2
    assert float(ncc(problem, state)) == 1.0


def test_features_that_are_zero_have_no_spread_but_an_answer():
    problem = make_problem(UNEQUAL.labels, UNEQUAL.classes, 0.3)
    zero = State(np.zeros((13, 6)), np.zeros((4, 6)), np.zeros(4))
    assert np.isnan(nc1_pinv(problem, zero))
    assert float(ncc(problem, zero)) == 1.0  # all ties, and they go to class 0 on both sides
    tilted = State(zero.features, zero.prototypes, np.array([0.0, 1.0, 0.0, 0.0]))
    assert float(ncc(problem, tilted)) == 0.0
    assert np.isnan(graded(plain(np.zeros((4, 6)), 0.0, np.ones((13, 6)), 0.0)))
    assert graded(plain(etf(4, 6), 0.0, np.zeros((13, 6)), 0.0)) == 0.0


def test_two_classes_with_one_mean_leave_a_smaller_rank():
    rng = np.random.default_rng(1)
    for features in (6, 2):
        means = rng.standard_normal((4, features))
        means[2] = means[1]
        rest = rng.standard_normal((13, features))
        rest -= np.stack([rest[UNEQUAL.labels == c].mean(axis=0) for c in range(4)])[UNEQUAL.labels]
        wanted = textbook_nc1(UNEQUAL.labels, means[UNEQUAL.labels] + rest)
        assert graded(plain(means, 0.0, rest, 0.0)) == pytest.approx(wanted, rel=PINV)


# -- closed forms ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["regularized", "kernel", "spherical"])
def test_closed_forms_have_what_their_states_have(kind):
    experiment = build(kind, "descent", CLOSED, schedule="cosine", final=0.2, points=6)
    found = solve(experiment, names=ON_REQUEST).metrics
    states = solved(experiment).at(experiment.times())
    features = np.asarray(states.features)
    seen = features / np.linalg.norm(features, axis=2, keepdims=True) if kind == "spherical" else features
    assert experiment.method.ratio == RATIO
    for k in range(len(features)):
        wanted = textbook_nc1(CLOSED.labels, features[k])
        assert found["nc1_pinv"][k] == pytest.approx(wanted, rel=PINV)
        wanted = textbook_ncc(CLOSED.labels, seen[k], states.prototypes[k], states.biases[k])
        assert found["ncc"][k] == pytest.approx(wanted, rel=SHARE)
    assert np.ptp(found["ncc"]) > 0


def test_a_simulation_agrees_and_has_them_only_on_request():
    experiment = build("anchored", "descent", UNEQUAL, points=6)
    simulated, found = simulate(experiment, also=ON_REQUEST), solve(experiment, names=("nc1", *ON_REQUEST))
    np.testing.assert_allclose(simulated.metrics["nc1_pinv"], found.metrics["nc1_pinv"], rtol=PINV)
    np.testing.assert_allclose(simulated.metrics["ncc"], found.metrics["ncc"], rtol=SHARE)
    assert set(found.metrics) == {"nc1", *ON_REQUEST}
    assert not set(ON_REQUEST) & set(simulate(experiment).metrics)
    for ask in (lambda: simulate(experiment, also=["nc4"]), lambda: solve(experiment, names=["nc4"])):
        with pytest.raises(InputError, match="nc1_pinv"):
            ask()
    with pytest.raises(InputError, match="must be named in a list, but is 'ncc'"):
        simulate(experiment, also="ncc")


def test_a_start_too_large_for_single_precision_is_refused():
    with pytest.raises(InputError, match=r"the start must be finite in float32, but is [0-9.]*e\+60"):
        simulate(build("unconstrained", "descent", UNEQUAL, start={"scale_h": 1e60}, points=3), float32=True)


@pytest.mark.parametrize("scale", [1e-70, 1e70])
def test_every_metric_of_the_smallest_and_largest_start_is_found(scale):
    found = solve(build("regularized", "descent", UNEQUAL, start={"scale_h": scale, "scale_w": scale}, points=3))
    names = ("log_norm", "accuracy", "alignment", "nc1", "nc2", "nc3", "distance")
    assert all(np.isfinite(found.metrics[name]).all() for name in names)


def test_a_run_shows_them_side_by_side_and_does_not_judge_them(tmp_path):
    small = ["problem.classes=3", "problem.per_class=4", "problem.features=5", "method.steps=20", "output.points=3"]
    words = ["run", *(word for change in small for word in ("--set", change))]
    shown = CliRunner().invoke(app, [*words, "--also", "ncc, nc1_pinv", "--out", str(tmp_path / "out")])
    assert shown.exit_code == 0, shown.output
    report = json.loads((tmp_path / "out/report.json").read_text())
    for name in ON_REQUEST:
        assert report["metrics"][name]["verdict"] == "NOT COMPARED"
        first, second = (report["final"][source][name] for source in ("simulation", "closed_form"))
        assert first == pytest.approx(second, rel=PINV)
    refused = CliRunner().invoke(app, [*words, "--also", "nc4", "--out", str(tmp_path / "none")])
    assert refused.exit_code == 2
    assert "--also must be one of nc1_pinv, ncc, but is 'nc4'" in refused.output


@pytest.mark.parametrize("kind", ["regularized", "spherical"])
def test_a_sweep_has_them_exact_and_simulated(kind):
    experiment = build(kind, "descent", CLOSED, points=3)
    exactly, simulated = (
        sweep(experiment, {"problem.gamma": [0.05, 0.2]}, metrics=("nc3", *ON_REQUEST), simulated=way)
        for way in (False, True)
    )
    for name in exactly.data_vars:
        np.testing.assert_allclose(simulated[name], exactly[name], rtol=PINV)
    assert np.all(np.diff(exactly["nc1_pinv"], axis=0)[:, 1:] != 0)


def test_a_start_without_spread_is_named():
    experiment = build("anchored", "descent", UNEQUAL, start={"scale_h": 0.0}, points=3)
    for found in (simulate(experiment, also=["nc1_pinv"]), solve(experiment, names=["nc1_pinv"])):
        assert np.isnan(found.metrics["nc1_pinv"]).tolist() == [True, False, False]
        assert found.metrics["nc1_pinv"][-1] <= ETF**2
        assert found.why["nc1_pinv"] == NO_SPREAD


class Late(NamedTuple):
    sizes: list[int]
    features: int
    gamma: float
    weights: str = "none"

    def experiment(self) -> Experiment:
        return Experiment(
            problem=dict(
                classes=len(self.sizes), per_class=self.sizes, features=self.features, gamma=self.gamma,
                sample_weights=self.weights,
            ),
            scenario=dict(kind="regularized", lambda_h=0.01, lambda_w=0.02),
            method=dict(kind="flow", time=2000.0, eta=0.3, ratio=RATIO),
            output=dict(points=2),
        )  # fmt: skip


LATES = (
    Late([2, 5, 3, 3], 6, 0.35),
    Late([2, 5, 3, 3], 6, 0.0),  # classes that do not mix
    Late([7, 2, 5, 1], 2, 0.2),  # p < C - 1
    Late([7, 2, 5], 5, 0.3, "sqrt"),  # one group of unequal sizes
    Late([3, 3, 3], 4, 0.2),
)


@pytest.mark.parametrize("case", LATES, ids=str)
def test_at_a_late_time_it_is_exact_where_class_means_differ_by_hundreds_of_orders(case):
    experiment = case.experiment()
    found = solve(experiment, times=[0.0, 2000.0], names=["nc1_pinv"]).metrics["nc1_pinv"]
    with mpmath.workdps(300):
        wanted = [in_many_digits(experiment, zeta) for zeta in (0.0, 600.0)]
        np.testing.assert_allclose([float(x / y - 1) for x, y in zip(found, wanted, strict=True)], 0, atol=LATE)


def in_many_digits(experiment: Experiment, zeta: float):
    """tr(S_W S_B^+)/C from a dense exponential of (F, W) on class space."""
    problem, start = prepare(experiment)
    numbers, s = experiment.scenario.numbers(), experiment.method.ratio
    classes, n, p = problem.classes, problem.samples, start.features.shape[1]
    root = [mpmath.sqrt(int(size)) for size in problem.sizes]
    generator = mpmath.diag([-s * numbers["lambda_h"]] * classes + [-numbers["lambda_w"]] * classes)
    for i in range(classes):
        for j in range(classes):
            entry = ((problem.alpha if i == j else 0) + problem.beta) * root[j] * float(problem.weights[j]) / n
            generator[classes + i, j] = generator[j, classes + i] = mpmath.sqrt(s) * entry
    features = mpmath.matrix(start.features.tolist())
    ends = np.concatenate([[0], np.cumsum(problem.sizes)]).astype(int)
    z, rest = mpmath.matrix(2 * classes, p), features.copy()
    for c in range(classes):
        for k in range(p):
            mean = sum(features[i, k] for i in range(ends[c], ends[c + 1])) / (ends[c + 1] - ends[c])
            z[c, k], z[classes + c, k] = root[c] * mean / mpmath.sqrt(s), float(start.prototypes[c, k])
            for i in range(ends[c], ends[c + 1]):
                rest[i, k] -= mean
    moved = mpmath.expm(generator * zeta) * z
    means = mpmath.matrix(classes, p)
    for c in range(classes):
        for k in range(p):
            means[c, k] = moved[c, k] / root[c] * mpmath.sqrt(s)
    apart = mpmath.matrix(classes - 1, p)  # orthonormal contrasts of the means
    for i in range(classes - 1):
        for k in range(p):
            apart[i, k] = (sum(means[c, k] for c in range(i + 1)) - (i + 1) * means[i + 1, k]) / mpmath.sqrt(
                (i + 1) * (i + 2)
            )
    wide = p < classes - 1
    inner = (apart.T * apart if wide else apart * apart.T) ** -1
    square = rest * inner * rest.T if wide else rest * apart.T * inner * inner * apart * rest.T
    return mpmath.exp(-2 * s * numbers["lambda_h"] * zeta) * sum(square[i, i] for i in range(n)) / n


def test_nc1_pinv_falls_at_twice_the_rate_of_the_slowest_contrast():
    """C modes carry C - 1 contrasts of the class means: the slowest but one decides, nc1's is the fastest."""
    tables = load("long-tailed").to_dict()
    tables["method"]["steps"] = 40_000
    experiment = Experiment.from_dict(tables)
    found = solve(experiment, times=[30_000, 40_000], names=("nc1_pinv",)).metrics
    sizes, gamma = np.array(experiment.problem.per_class), experiment.problem.gamma
    operator = ((1 + gamma) * np.eye(10) - gamma) * np.sqrt(sizes) / sizes.sum()
    sigma = np.linalg.svd(operator)[1][-2]
    slope = np.diff(np.log(found["nc1_pinv"]))[0] / 10_000
    assert slope == pytest.approx(-2 * np.log1p(experiment.method.eta * sigma), rel=SLOPE)


def test_a_part_that_two_classes_share_does_not_hide_which_is_nearer():
    """Classes 1 and 2 share a part e^100 long and differ by (1, 0): the sample of 1 at +0.6 of it is nearer to 2."""
    problem = make_problem(np.array([0, 0, 1, 1, 2, 2]), 3, 0.3)
    large, small = jnp.array([[1.0, 1], [2, 3], [2, 3]]), jnp.array([[0.0, 0], [0, 0], [1, 0]])
    parts = tuple(Part(rows, jnp.full(3, log), jnp.arange(3)) for rows, log in ((large, 100.0), (small, 0.0)))
    rest = jnp.array([[0.6, 0], [-0.6, 0], [0.6, 0], [-0.6, 0], [0.4, 0], [-0.4, 0]])
    frame = Frame(problem.labels, (0.0, 0.0, 0.0))
    found = nearest(frame, problem, Features(parts, rest, jnp.zeros(3)))
    assert np.asarray(found).tolist() == [0, 0, 2, 1, 2, 2]
