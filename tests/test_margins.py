"""Logits as terms: their sums are the logits of the exact states, and so is the accuracy."""

import jax
import numpy as np
import pytest
from strategies import BALANCED, SCARCE, UNEQUAL, build, solved

import theorems
from dynamics.precision import exact
from theorems import margins, solution
from theorems.snapshot import Frame

LOGIT = 1e-12  # relative to the largest: measured 3e-15
WRONG = 1.001
TIMES = np.array([0.0, 3.0, 17.0, 40.0])
DECAYED = {"kind": "regularized", "lambda_h": 0.05, "lambda_w": 0.2, "lambda_b": 0.1}
CASES = [
    ("unconstrained", "flow", BALANCED),
    ("unconstrained", "descent", UNEQUAL),
    (DECAYED, "descent", SCARCE),
    (DECAYED, "flow", UNEQUAL),
]


@pytest.fixture(autouse=True, scope="module")
def float64():
    with exact():
        yield


def motions_and_states(scenario, method, shape, weighting="none"):
    length = {"flow": {"time": 40.0}, "descent": {"steps": 40}}[method]
    problem = {"gamma": 0.2, "sample_weights": weighting}
    case = solved(build(scenario, method, shape, problem=problem, schedule="cosine", **length))
    ticks = case.form.ticks(case.experiment, case.problem, TIMES)
    return case, ticks, case.form.motions(case.problem, ticks)


def gap(case, motions) -> float:
    """Return by how much the terms miss the differences of the logits of the exact states, relative to the largest."""
    terms = margins.terms(motions, case.problem.labels)
    functions = np.exp(terms.logs)
    shared, own = np.split(functions, [len(terms.shared)])
    found = np.einsum("kt,kic->tic", shared, terms.shared[:, case.problem.labels])
    found += np.einsum("kt,kic->tic", own, terms.own)
    state = case.at(TIMES)
    wanted = np.einsum("tip,tcp->tic", state.features, state.prototypes) + state.biases[:, None]
    differences = [logits - logits[..., :1] for logits in (found, wanted)]
    sizes = np.max(np.abs(wanted), axis=(1, 2))
    return float(np.max(np.abs(differences[0] - differences[1]) / sizes[:, None, None]))


@pytest.mark.parametrize("weighting", ["none", "sqrt"])
@pytest.mark.parametrize(("scenario", "method", "shape"), CASES, ids=str)
def test_terms_add_up_to_the_logits_of_the_exact_states(scenario, method, shape, weighting):
    case, _, motions = motions_and_states(scenario, method, shape, weighting)
    assert gap(case, motions) <= LOGIT


def test_every_motion_wrong_by_a_thousandth_is_caught():
    case, _, motions = motions_and_states(DECAYED, "flow", UNEQUAL)
    parts = [(field, k) for field in ("prototypes", "means", "biases") for k in range(len(getattr(motions, field)))]
    checked = 0
    for field, k in parts:
        several = list(getattr(motions, field))
        if not np.any(several[k].rows):
            continue
        several[k] = several[k]._replace(rows=several[k].rows * WRONG)
        assert gap(case, motions._replace(**{field: several})) > 1e3 * LOGIT, (field, k)
        checked += 1
    assert checked >= 10
    rest = motions.residuals
    assert gap(case, motions._replace(residuals=rest._replace(log=rest.log + np.log(WRONG)))) > 1e3 * LOGIT


@pytest.mark.parametrize(("scenario", "method", "shape"), CASES, ids=str)
def test_the_accuracy_of_the_terms_is_that_of_snapshots(scenario, method, shape):
    case, ticks, motions = motions_and_states(scenario, method, shape)
    frame = Frame(case.problem.labels, (0.0, 0.0, 0.0))
    found, evaluated = solution._accuracy(frame, case.form, case.problem, ticks)
    alone = jax.device_get(solution.form_metrics(("accuracy",), frame, case.form, case.problem, ticks))["accuracy"]
    assert margins.terms(motions, case.problem.labels) is not None
    assert evaluated > 0
    right, wanted = (np.rint(part * case.problem.samples) for part in (found, alone))
    np.testing.assert_array_equal(right, wanted)


def test_a_function_that_turns_and_many_terms_are_left_to_one_time_after_the_other():
    case, _, motions = motions_and_states("unconstrained", "flow", BALANCED)
    first, *rest = motions.means
    turned = first._replace(sign=np.array([1.0, -1.0, 1.0, 1.0]))
    assert margins.terms(motions._replace(means=[turned, *rest]), case.problem.labels) is None
    assert margins.terms(motions._replace(means=[first] * margins.MOST), case.problem.labels) is None


def test_an_oscillating_descent_has_its_accuracy():
    experiment = build("unconstrained", "descent", UNEQUAL, problem={"gamma": 0.2}, eta=40.0, steps=30, points=31)
    found = theorems.solve(experiment).metrics["accuracy"]
    assert np.all((found >= 0) & (found <= 1))
