"""What the claims are judged against: the algebra for all sizes at once, dense instances, the spherical gradient."""

import math

import numpy as np
import pytest
import sympy
from flint import arb, arb_mat, ctx
from strategies import loss_operator
from sympy import Rational
from tolerances import EXPM, FLOW, OPERATOR, STATE

from theorems import sphere
from theorems.algebra import Split, generator, identity
from theorems.instance import label_operator, random_instance, simulated

SIZES = [(2, 1), (2, 3), (3, 2), (4, 2), (5, 1)]  # C, N
NUMBERS = {"gamma": Rational(3, 7), "ratio": Rational(5, 2), "decay_h": Rational(2, 9), "decay_w": Rational(1, 11)}
DECAYS = {"unconstrained": (0.0, 0.0), "regularized": (0.05, 0.2)}
UNEQUAL = [3, 1, 2]
STEP = 1e-3  # of the descents that approach a flow


def random_split(rng: np.random.Generator) -> Split:
    values = [Rational(int(rng.integers(-9, 10)), int(rng.integers(1, 8))) for _ in range(10)]
    return Split(sympy.Matrix(2, 2, values[:4]), sympy.Matrix(2, 2, values[4:8]), tuple(values[8:]))


def zero(matrix: sympy.Matrix) -> bool:
    return matrix.applyfunc(sympy.expand) == sympy.zeros(*matrix.shape)


@pytest.mark.parametrize("sizes", SIZES)
def test_dense_respects_sums_products_and_the_trace(sizes):
    rng = np.random.default_rng(sum(sizes))
    a, b = random_split(rng), random_split(rng)
    assert zero((a + b).dense(*sizes) - a.dense(*sizes) - b.dense(*sizes))
    assert zero((a - b * Rational(2, 3)).dense(*sizes) - a.dense(*sizes) + b.dense(*sizes) * Rational(2, 3))
    assert zero((a @ b).dense(*sizes) - a.dense(*sizes) * b.dense(*sizes))
    assert a.trace(*sizes) == sympy.expand(a.dense(*sizes).trace())
    assert not zero((a @ b).dense(*sizes) - b.dense(*sizes) * a.dense(*sizes))


@pytest.mark.parametrize("sizes", SIZES)
def test_the_identity_is_the_identity(sizes):
    classes, per_class = sizes
    assert zero(identity().dense(*sizes) - sympy.eye(classes * per_class + classes))
    assert identity().trace(*sizes) == classes * per_class + classes


@pytest.mark.parametrize("sizes", SIZES[1:])
@pytest.mark.parametrize("number", range(10))
def test_dense_forgets_no_number(sizes, number):
    values = [sympy.Integer(index == number) for index in range(10)]
    one = Split(sympy.Matrix(2, 2, values[:4]), sympy.Matrix(2, 2, values[4:8]), tuple(values[8:]))
    # Within a class of one sample there is nothing.
    assert zero(one.dense(*sizes)) == (number >= 8 and sizes[1] == 1)


def test_the_derivative_is_taken_number_by_number():
    x = sympy.Symbol("x")
    moving = random_split(np.random.default_rng(1)) * x**2
    assert zero((moving.diff(x) - moving * (2 / x)).dense(3, 2))


def dense_generator(classes, per_class, gamma, ratio, decay_h, decay_w) -> sympy.Matrix:
    """Return dZ = Z G from the label operator, entry by entry, in rationals."""
    labels = [c for c in range(classes) for _ in range(per_class)]
    m = sympy.Matrix(label_operator(labels, classes, gamma, sympy.Integer(1)))
    top = sympy.Matrix.hstack(-ratio * decay_h * sympy.eye(len(labels)), m.T)
    return sympy.Matrix.vstack(top, sympy.Matrix.hstack(ratio * m, -decay_w * sympy.eye(classes)))


@pytest.mark.parametrize("sizes", SIZES)
def test_the_generator_is_that_of_the_label_operator(sizes):
    assert zero(generator(*sizes, *NUMBERS.values()).dense(*sizes) - dense_generator(*sizes, **NUMBERS))


@pytest.mark.parametrize("name", NUMBERS)
def test_a_generator_off_by_a_thousandth_is_told_apart(name):
    off = NUMBERS | {name: NUMBERS[name] * Rational(1001, 1000)}
    assert not zero(generator(3, 2, *off.values()).dense(3, 2) - dense_generator(3, 2, **NUMBERS))


def test_the_label_operator_is_the_derivative_of_the_loss():
    labels = [0, 0, 0, 1, 2, 2]
    built = np.array(label_operator(labels, 3, 0.35), dtype=float)
    np.testing.assert_allclose(built, loss_operator(np.array(labels), 3, 0.35), rtol=0, atol=OPERATOR)


def instance_of(scenario: str):
    lambda_h, lambda_w = DECAYS[scenario]
    return random_instance(np.random.default_rng(4), UNEQUAL, lambda_h=lambda_h, lambda_w=lambda_w)


def relative(found, true) -> float:
    return float(np.linalg.norm(np.asarray(found) - true) / np.linalg.norm(true))


def floats(matrix: arb_mat) -> np.ndarray:
    return np.array([[float(entry.mid()) for entry in row] for row in matrix.table()])


@pytest.mark.parametrize("scenario", DECAYS)
def test_the_flow_is_enclosed_and_tiny_steps_approach_it(scenario):
    instance, zeta = instance_of(scenario), 4.0
    with ctx.workprec(120):
        enclosed = instance.flow_enclosed(zeta)
        assert max(float(entry.rad()) for entry in enclosed.entries()) < 1e-30
    assert relative(instance.flow(zeta), floats(enclosed)) < EXPM
    coarse, fine = (instance.descent([step] * round(zeta / step)) for step in (2 * STEP, STEP))
    # Descent is off by a multiple of the step and by O(step^2): extrapolated, only the latter is left.
    assert 0.1 * STEP < relative(fine, instance.flow(zeta)) < 10 * STEP
    assert relative(2 * fine - coarse, instance.flow(zeta)) < 10 * STEP**2


@pytest.mark.parametrize("scenario", DECAYS)
def test_descent_is_the_product_of_its_steps(scenario):
    instance, rates = instance_of(scenario), [0.5, 0.25, 1.0, 2.0]
    with ctx.workprec(120):
        one = arb_mat(np.eye(instance.samples + instance.classes).tolist())
        exact = arb_mat(instance.state.tolist())
        for rate in rates:
            exact = exact * (one + arb_mat(instance.generator.tolist()) * arb(rate))
    assert relative(instance.descent(rates), floats(exact)) < STATE


# The flow once: it takes seconds to compile.
@pytest.mark.parametrize(
    ("scenario", "method"), [("unconstrained", "descent"), ("regularized", "descent"), ("regularized", "flow")]
)
def test_the_simulator_moves_an_instance_as_it_moves_itself(scenario, method):
    instance, eta, length = instance_of(scenario), 0.25, 12
    table = {"flow": {"time": float(length)}, "descent": {"steps": length}}[method]
    log_scale, last = simulated(instance, {"kind": scenario}, {"kind": method, "eta": eta, **table}).last
    found = np.vstack([last.features, last.prototypes]).T
    assert log_scale == 0
    for rate, agrees in ((eta, True), (1.001 * eta, False)):
        moved = instance.flow(rate * length) if method == "flow" else instance.descent([rate] * length)
        assert (relative(found, moved) < FLOW) is agrees
    # The biases, which no instance moves: they are driven by the row sums of M, in proportion to zeta.
    assert relative(last.biases, instance.biases + eta * length * instance.operator.sum(axis=1)) < FLOW


def test_a_spherical_step_is_that_of_the_simulator():
    instance, eta, steps = random_instance(np.random.default_rng(5), UNEQUAL, features=4), 0.4, 5
    method = {"kind": "descent", "steps": steps, "eta": eta}
    _, last = simulated(instance, {"kind": "spherical"}, method).last
    rows = instance.prototypes.T.tolist()
    for factor, agrees in ((1.0, True), (1.001, False)):
        found = []
        for h, label in zip(instance.features.T.tolist(), instance.labels, strict=True):
            toward = sphere.target(rows, label, instance.gamma, instance.samples)
            for _ in range(steps):
                h = sphere.step(h, toward, factor * instance.ratio * eta)
            found.append(h)
        assert (relative(found, np.asarray(last.features)) < STATE) is agrees


@pytest.mark.parametrize("label", [0, 2])
def test_the_spherical_push_is_minus_the_gradient_of_the_loss(label):
    h, gamma, samples = sympy.symbols("h:2", real=True), sympy.Symbol("g", positive=True), 5
    w = [[Rational(1, 2), 3], [-2, Rational(5, 3)], [1, -1]]
    length = sympy.sqrt(h[0] ** 2 + h[1] ** 2)
    logits = [(row[0] * h[0] + row[1] * h[1]) / length for row in w]
    loss = (gamma * sum(z for c, z in enumerate(logits) if c != label) - logits[label]) / samples  # eq. (2)
    pushed = sphere.push(h, sphere.target(w, label, gamma, samples), sympy.sqrt)
    assert all(sympy.simplify(one + sympy.diff(loss, x)) == 0 for one, x in zip(pushed, h, strict=True))
    # In floats too, and along the loss: a short step lowers it by the rate times the square of the push.
    start, slope = (
        [0.3, -1.2],
        sphere.push([0.3, -1.2], sphere.target([[float(x) for x in r] for r in w], label, 0.4, 5)),
    )
    values = [
        float(loss.subs({gamma: 0.4, h[0]: x, h[1]: y})) for x, y in (start, np.add(start, 1e-6 * np.array(slope)))
    ]
    assert values[0] - values[1] == pytest.approx(1e-6 * math.hypot(*slope) ** 2, rel=1e-4)
