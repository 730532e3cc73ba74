"""The label operator M, applied in O(pn), against the dense matrix that the loss defines."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import SHAPES, Shape, loss_operator, sample_weights
from tolerances import OPERATOR

from dynamics.precision import exact
from dynamics.problem import Problem, make_problem

FEATURES = 3


@pytest.fixture(autouse=True, scope="module")
def float64():
    with exact():
        yield


def loss(logits, labels, gamma, smoothing, omega):
    """The data term of eq. (2), sample by sample, on logits (C, n): all that this file takes for granted."""
    classes, n = logits.shape
    total = 0.0
    for i, y in enumerate(labels):
        target = (1 - smoothing) * jnp.eye(classes)[y] + smoothing / classes
        total += omega[i] * ((1 + gamma) * logits[:, i] @ target - gamma * jnp.sum(logits[:, i]))
    return -total / n


@st.composite
def labelled(draw):
    """Labels in any order, and the numbers of the loss, from one integer seed."""
    shape = draw(st.sampled_from(SHAPES))
    weighting = draw(st.sampled_from(["none", "sqrt", "inverse"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    gamma = float(rng.choice([0.0, 1 / (shape.classes - 1), rng.uniform(0, 3)]))
    smoothing = float(rng.choice([0.0, rng.uniform(0, 0.9)]))
    return rng.permutation(shape.labels), shape.classes, gamma, smoothing, weighting, rng


def dense(problem: Problem, labels, gamma, smoothing, weighting) -> np.ndarray:
    """Return M with its columns sorted as the problem sorts them."""
    return loss_operator(labels, problem.classes, gamma, smoothing, weighting)[:, problem.order]


@given(labelled())
def test_the_hand_built_operator_is_the_derivative_of_the_loss(case):
    labels, classes, gamma, smoothing, weighting, rng = case
    logits, omega = rng.standard_normal((classes, len(labels))), sample_weights(labels, weighting)
    slope = jax.grad(loss)(jnp.asarray(logits), labels, gamma, smoothing, omega)
    built = loss_operator(labels, classes, gamma, smoothing, weighting)
    np.testing.assert_allclose(built, -np.asarray(slope), rtol=0, atol=OPERATOR)
    # The loss is linear in the logits: M says all of it.
    assert float(loss(logits, labels, gamma, smoothing, omega)) == pytest.approx(-np.sum(built * logits), abs=OPERATOR)


@given(labelled())
def test_push_pull_and_bias_drive_are_products_with_the_dense_operator(case):
    labels, classes, gamma, smoothing, weighting, rng = case
    problem = make_problem(labels, classes, gamma, label_smoothing=smoothing, sample_weights=weighting)
    operator = dense(problem, labels, gamma, smoothing, weighting)
    prototypes, features = rng.standard_normal((classes, FEATURES)), rng.standard_normal((len(labels), FEATURES))
    np.testing.assert_allclose(problem.push(prototypes), (prototypes.T @ operator).T, rtol=0, atol=OPERATOR)
    np.testing.assert_allclose(problem.pull(features), (features.T @ operator.T).T, rtol=0, atol=OPERATOR)
    np.testing.assert_allclose(problem.bias_drive(), operator @ np.ones(len(labels)), rtol=0, atol=OPERATOR)


@given(labelled())
def test_push_and_pull_are_adjoint(case):
    labels, classes, gamma, smoothing, weighting, rng = case
    problem = make_problem(labels, classes, gamma, label_smoothing=smoothing, sample_weights=weighting)
    prototypes, features = rng.standard_normal((classes, FEATURES)), rng.standard_normal((len(labels), FEATURES))
    forth = np.sum(np.asarray(problem.push(prototypes)) * features)
    assert forth == pytest.approx(np.sum(prototypes * np.asarray(problem.pull(features))), abs=OPERATOR)


@given(labelled())
def test_the_columns_are_sorted_once_and_restored_exactly(case):
    labels, classes, *_, rng = case
    problem = make_problem(labels, classes, 0.3)
    rows = rng.standard_normal((len(labels), FEATURES))
    assert np.all(np.diff(problem.labels) >= 0)
    np.testing.assert_array_equal(labels[problem.order], problem.labels)
    np.testing.assert_array_equal(problem.restore(rows[problem.order]), rows)
    # Within a class the order of the input is kept.
    for c in range(classes):
        assert np.all(np.diff(problem.order[np.asarray(problem.labels) == c]) > 0)


@given(labelled())
def test_class_means_are_the_means_of_each_class(case):
    labels, classes, *_, rng = case
    problem = make_problem(labels, classes, 0.3)
    rows = rng.standard_normal((len(labels), FEATURES))
    wanted = [rows[labels == c].mean(axis=0) for c in range(classes)]
    np.testing.assert_allclose(problem.class_means(rows[problem.order]), wanted, rtol=0, atol=OPERATOR)


@pytest.mark.parametrize(("weighting", "power"), [("none", 0.0), ("sqrt", -0.5), ("inverse", -1.0)])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_weights_have_mean_one_over_the_samples_and_the_contracts_power(shape, weighting, power):
    problem = make_problem(shape.labels, shape.classes, 0.3, sample_weights=weighting)
    sizes = np.array(shape.sizes, dtype=float)
    assert np.sum(problem.weights * sizes) / len(shape.labels) == pytest.approx(1, rel=OPERATOR)
    np.testing.assert_allclose(problem.weights / sizes**power, problem.weights[0] / sizes[0] ** power, rtol=OPERATOR)


def test_the_largest_singular_value_is_that_of_the_dense_operator():
    labels = np.array([2, 0, 1, 1, 2, 2, 3, 1, 1])
    for gamma, smoothing, weighting in ((0.0, 0.0, "none"), (0.7, 0.2, "sqrt"), (3.0, 0.0, "inverse")):
        problem = make_problem(labels, 4, gamma, label_smoothing=smoothing, sample_weights=weighting)
        wanted = np.linalg.norm(dense(problem, labels, gamma, smoothing, weighting), 2)
        assert problem.operator_norm() == pytest.approx(wanted, rel=OPERATOR)


def test_balanced_means_one_size_and_one_weight():
    assert make_problem(Shape((3, 3, 3), 1).labels, 3, 0.3, sample_weights="inverse").balanced
    assert not make_problem(Shape((3, 3, 2), 1).labels, 3, 0.3).balanced


def test_one_sample_by_hand():
    """C = 2, labels (1, 0, 1), gamma = 1/2, smoothing 1/5, weights n_c^-1: M in exact decimals."""
    problem = make_problem(np.array([1, 0, 1]), 2, 0.5, label_smoothing=0.2, sample_weights="inverse")
    # omega ~ (1/2, 1, 1/2) has mean 2/3, so it is (3/4, 3/2, 3/4); targets (0.9, 0.1); 1.5 * 0.9 - 0.5 = 0.85.
    operator = np.array([[-0.35 * 0.75, 0.85 * 1.5, -0.35 * 0.75], [0.85 * 0.75, -0.35 * 1.5, 0.85 * 0.75]]) / 3
    np.testing.assert_allclose(problem.push(np.eye(2)), operator[:, [1, 0, 2]].T, rtol=1e-15)
