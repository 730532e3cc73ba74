"""The reduced simulation: 2 x 2 matrices against the simulation of the whole state, dense loops and the exact solution.

Dense loops take their operator from `strategies.dense_generator`, which shares no formula with the reduction.
"""

import dataclasses

import jax
import numpy as np
import pytest
from strategies import BALANCED, RATIO, SCARCE, UNEQUAL, Exact, Shape, build, dense_generator, flatten, random_state
from tolerances import STEPS_2000, TWICE

import theorems
from dynamics import simulate
from dynamics.errors import InputError
from dynamics.experiment import changed
from dynamics.measure import METRICS, PER_CLASS
from dynamics.precision import exact
from dynamics.preparation import prepare
from dynamics.state import State
from theorems import simulate_reduced
from theorems.closed_forms.stepped import VARIES, Stepped
from theorems.snapshot import Frame

COSINE = {"kind": "descent", "steps": 600, "eta": 0.3, "schedule": "cosine", "final": 0.1, "warmup": 20.0}
SQRT = {"sample_weights": "sqrt", "label_smoothing": 0.1}
WRONG = 1.001


@pytest.fixture(autouse=True, scope="module")
def float64():
    with exact():
        yield


class Loop:
    """A descent with a ratio of its own for every step, random biases, and its end by a dense loop."""

    def __init__(self, scenario: str, shape, steps: int = 500) -> None:
        self.experiment = build(scenario, COSINE | {"steps": steps}, shape, problem=SQRT, points=2)
        rng = np.random.default_rng(5)
        self.problem = prepare(self.experiment)[0]
        start = random_state(rng, self.problem, shape.features)
        self.ratios = rng.uniform(0.2, 4.0, steps)
        self.form = Stepped.of(self.experiment, self.problem, start).varied(self.ratios)
        generator, z, self.largest = dense_generator(self.experiment, self.problem), flatten(start), 0.0
        h = start.features.size
        for eta, ratio in zip(self.experiment.method.rates(), self.ratios, strict=True):
            move = generator @ z
            move[:h] *= ratio / self.experiment.method.ratio
            z = z + eta * move
            self.largest = max(self.largest, np.linalg.norm(z))
        self.end = z

    def gap(self, form: Stepped) -> float:
        """Return |Z - Z'| at the end over the largest norm on the path."""
        states = Exact(form, self.experiment, self.problem).at(self.experiment.times())
        return np.linalg.norm(flatten(jax.tree.map(lambda x: x[-1], states)) - self.end) / self.largest


def distance(first: State, second: State) -> float:
    return np.linalg.norm(flatten(first) - flatten(second)) / np.linalg.norm(flatten(second))


# -- the same steps ----------------------------------------------------------------------------------------------------


def test_every_metric_is_that_of_the_whole_state():
    experiment = build("regularized", COSINE, UNEQUAL, problem=SQRT)
    whole, reduced = simulate(experiment), simulate_reduced(experiment)
    for name in METRICS:
        np.testing.assert_allclose(reduced.metrics[name], whole.metrics[name], rtol=TWICE, atol=TWICE, err_msg=name)
    for name in PER_CLASS:
        np.testing.assert_allclose(reduced.classes[name], whole.classes[name], rtol=TWICE, atol=TWICE, err_msg=name)
    assert distance(reduced.last[1], whole.last[1]) < STEPS_2000
    assert (reduced.source, reduced.last[0], set(reduced.why)) == (whole.source, 0.0, set(whole.why))
    np.testing.assert_array_equal(reduced.zeta, whole.zeta)


@pytest.mark.parametrize("shape", [UNEQUAL, SCARCE], ids=["unequal", "scarce"])
@pytest.mark.parametrize("scenario", ["unconstrained", "regularized"])
def test_a_ratio_that_varies_is_the_dense_loop(scenario, shape):
    loop = Loop(scenario, shape)
    assert loop.gap(loop.form) < STEPS_2000


FEW = ("log_norm", "distance")


def test_ratios_that_vary_leave_no_limit_and_equal_ones_are_one():
    experiment = build("unconstrained", COSINE, BALANCED, points=3)
    half = simulate_reduced(changed(experiment, {"method.ratio": 0.5}), names=FEW)
    equal = simulate_reduced(experiment, ratios=np.full(600, 0.5), names=FEW)
    np.testing.assert_array_equal(equal.metrics["distance"], half.metrics["distance"])
    assert equal.experiment.method.ratio == 0.5
    late = simulate_reduced(experiment, ratios=np.where(np.arange(600) < 300, 0.5, 2.0), names=FEW)
    np.testing.assert_allclose(late.metrics["log_norm"][:2], half.metrics["log_norm"][:2], rtol=TWICE)
    assert late.metrics["log_norm"][2] > half.metrics["log_norm"][2] + 1e-3
    assert np.isnan(late.metrics["distance"]).all()
    assert late.why["distance"] == VARIES


NO_ROWS = tuple(name for name in METRICS if name != "accuracy")
DROWNED = Shape((2,) * 45, 3)  # at gamma = 0.05 the mean mode drowns the contrasts
MOTIONS = {
    "some steps": ({"kind": "regularized", "lambda_h": 0.1 / RATIO, "lambda_w": 0.1}, COSINE, TWICE),
    "a million": ("unconstrained", {"kind": "descent", "steps": 10**6, "eta": 0.1}, 1e-11),
}


@pytest.mark.parametrize("motion", MOTIONS)
def test_at_a_constant_ratio_it_is_the_exact_solution(motion):
    scenario, method, tolerance = MOTIONS[motion]
    experiment = build(scenario, method, DROWNED, problem={"gamma": 0.05})
    solution, run = (call(experiment, names=NO_ROWS) for call in (theorems.solve, simulate_reduced))
    assert motion != "a million" or run.metrics["log_norm"][-1] > 1000 * np.log(10)
    for name in NO_ROWS:
        wanted = solution.metrics[name]
        np.testing.assert_allclose(run.metrics[name], wanted, rtol=tolerance, atol=tolerance, err_msg=name)
    assert np.isfinite(flatten(run.last[1])).all()


def test_settings_share_one_traced_call():
    experiment = build("unconstrained", COSINE, BALANCED, points=3)
    problem, start = prepare(experiment)
    kept, timing, gammas = Stepped.keep(problem, start), experiment.method.timing(), np.array([0.0, 0.1, 0.8])
    frame = Frame(problem.labels, (0.0, 0.0, 0.0))
    numbers = experiment.scenario.numbers() | {"ratio": experiment.method.ratio, "scale_h": 1.0, "scale_w": 1.0}
    numbers = jax.tree.map(jax.numpy.asarray, numbers)

    def one(gamma):
        other = dataclasses.replace(problem, gamma=gamma)
        form = Stepped.setting(kept, other, numbers, timing)
        return form.measured(frame, other, form.moving(timing, experiment.times()))["distance"]

    found = jax.jit(jax.vmap(one))(gammas)
    for gamma, row in zip(gammas, found, strict=True):
        wanted = simulate_reduced(changed(experiment, {"problem.gamma": float(gamma)}), names=FEW)
        np.testing.assert_allclose(row, wanted.metrics["distance"], rtol=TWICE, atol=TWICE)


def test_the_spherical_case_is_its_recurrence():
    experiment = build("spherical", {"kind": "descent", "steps": 20, "eta": 0.3}, BALANCED)
    run, solution = (call(experiment, names=("log_norm",)) for call in (simulate_reduced, theorems.solve))
    np.testing.assert_array_equal(run.metrics["log_norm"], solution.metrics["log_norm"])
    assert (run.source, run.decay) == ("simulation", None)


# -- teeth -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def loop() -> Loop:
    return Loop("regularized", UNEQUAL, steps=40)  # few, so that what falls is still there


def more(form: Stepped, *names: str) -> Stepped:
    """Return the form with one of its numbers, named by the path to it, 0.1 % larger."""
    if not names:
        return form * WRONG
    first, *rest = names
    if isinstance(form, tuple) and first.isdigit():
        return tuple(more(x, *rest) if i == int(first) else x for i, x in enumerate(form))
    replace = form._replace if isinstance(form, tuple) else lambda **x: dataclasses.replace(form, **x)
    return replace(**{first: more(getattr(form, first), *rest)})


HARMED = {
    "contrasts": lambda form: more(form, "modes", "contrast"),
    "modes between groups": lambda form: more(form, "modes", "sigma"),
    "l1": lambda form: more(form, "lambdas", "0"),
    "l2": lambda form: more(form, "lambdas", "1"),
    "lb": lambda form: more(form, "lambdas", "2"),
    "eta1": lambda form: more(form, "ratios"),
    "l1 and l2 exchanged": lambda form: dataclasses.replace(
        form, lambdas=(form.lambdas[1], form.lambdas[0], form.lambdas[2])
    ),
    "eta1/eta2 upside down": lambda form: dataclasses.replace(form, ratios=1 / form.ratios),
    "ratios one step late": lambda form: dataclasses.replace(form, ratios=np.roll(form.ratios, 1)),
}


@pytest.mark.parametrize("harm", HARMED)
def test_what_is_wrong_by_a_thousandth_is_caught(harm, loop):
    assert loop.gap(loop.form) < STEPS_2000
    assert loop.gap(HARMED[harm](loop.form)) > 1e5 * STEPS_2000


# -- what it refuses ---------------------------------------------------------------------------------------------------

DESCENT = {"kind": "descent", "steps": 3}
REFUSED = {
    "a flow": ("unconstrained", {"kind": "flow"}, None, "unconstrained by flow"),
    "a kernel": ("kernel", DESCENT, None, "kernel by descent"),
    "too few": ("unconstrained", DESCENT, [1.0, 2.0], r"have the shape \(3,\)"),
    "negative": ("unconstrained", DESCENT, [1.0, -2.0, 1.0], "be finite numbers >= 0, but is -2.0"),
    "no number": ("unconstrained", DESCENT, [1.0, np.nan, 1.0], "but is nan"),
    "spherical": ("spherical", DESCENT, [1.0, 2.0, 1.0], "not be given in the spherical case"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_refuses(case):
    scenario, method, ratios, message = REFUSED[case]
    with pytest.raises(InputError, match=message):
        simulate_reduced(build(scenario, method), ratios=ratios)
