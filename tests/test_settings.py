"""Many settings at once: the numbers of one setting after the other, in one compilation."""

import numpy as np
import pytest
from strategies import BALANCED, SCARCE, UNEQUAL, Shape, build

import theorems
from dynamics import prepare
from dynamics.errors import InputError
from dynamics.experiment import changed
from theorems import settings
from theorems.closed_form import find

SAME = 1e-12  # promised: of the largest value of a curve
SIZES = ("loss", "objective", "log_abs_loss", "log_norm", "distance")
COLLAPSE = ("alignment", "nc1", "nc3")
COUNT = 6

FLOW = {"method": "flow", "schedule": "cosine", "final": 0.4, "warmup": 7.0}
DESCENT = {"method": "descent", "schedule": "exponential", "rate": 0.02}
STEADY = {"method": "descent"}
SQRT, INVERSE = ({"sample_weights": kind} for kind in ("sqrt", "inverse"))

# (scenario, method, shape, weights, metrics): each metric is found for all settings at once.
CASES = {
    "modal, balanced": ("regularized", FLOW, BALANCED, {}, ("nc2", "nc3", "distance_zbar")),
    "modal, grouped": ("regularized", DESCENT, Shape((2, 3, 3), 4), {}, ("objective",)),
    "modal, all sizes differ": ("unconstrained", STEADY, Shape((3, 1), 3), INVERSE, ("log_norm", "nc1")),
    "modal, one group of unequal sizes": ("regularized", STEADY, UNEQUAL, SQRT, ("distance",)),
    "anchored": ("anchored", FLOW, UNEQUAL, {}, (*SIZES, *COLLAPSE, "nc2")),
    "anchored, weighted": ("anchored", DESCENT, SCARCE, SQRT, (*SIZES, *COLLAPSE, "nc2")),
    "spherical flow": ("spherical", FLOW, UNEQUAL, INVERSE, SIZES),
    "spherical descent": ({"kind": "spherical", "rescale": "norm"}, DESCENT, SCARCE, {}, SIZES),
    "spherical, steady": ({"kind": "spherical", "rescale": "norm-squared"}, STEADY, BALANCED, {}, SIZES),
}


def drawn(experiment, seed):
    """Return random values of every key that a setting can change."""
    rng = np.random.default_rng(seed)
    changes = {
        "problem.gamma": rng.permutation([0.0, 0.3, 1.0, *rng.uniform(0, 2, COUNT - 3)]),
        "problem.label_smoothing": rng.permutation([0.0, *rng.uniform(0, 0.5, COUNT - 1)]),
        "method.eta": rng.uniform(0.05, 0.5, COUNT),
        "method.ratio": rng.uniform(0.3, 3, COUNT),
        "start.scale_h": rng.choice([-1, 1], COUNT) * rng.uniform(0.2, 3, COUNT),
        "start.scale_w": rng.choice([-1, 1], COUNT) * rng.uniform(0.2, 3, COUNT),
        "start.seed": rng.permutation([0, 1, 2, 0, 1, 2]).tolist(),
    }
    for name in ("lambda_h", "lambda_w", "lambda_b"):
        if hasattr(experiment.scenario, name):
            changes[f"scenario.{name}"] = rng.permutation([0.0, *rng.uniform(0, 0.3, COUNT - 1)])
    for name in experiment.method.schedule.numbers():
        changes[f"method.{name}"] = rng.uniform(0.01, 0.5, COUNT)
    if experiment.method.warmup:
        changes["method.warmup"] = rng.permutation([0.0, *rng.uniform(1, 30, COUNT - 1)])
    if experiment.method.kind == "flow":
        changes["method.time"] = rng.uniform(5, 60, COUNT)
    return changes


def assert_same(found, wanted, name):
    np.testing.assert_array_equal(np.isnan(found), np.isnan(wanted), name)
    if not np.isnan(wanted).all():
        np.testing.assert_allclose(found, wanted, rtol=SAME, atol=SAME * np.nanmax(np.abs(wanted)), err_msg=name)


@pytest.mark.parametrize("case", CASES)
def test_one_compilation_has_the_numbers_of_every_setting_alone(case, monkeypatch):
    scenario, timing, shape, weights, names = CASES[case]
    experiment = build(scenario, shape=shape, problem=weights, **timing)
    form, traces = find(experiment), []
    original = form.measured
    with monkeypatch.context() as patch:
        patch.delattr(settings, "solve")  # nothing may be left for it
        patch.setattr(form, "measured", lambda *args: (traces.append(case), original(*args))[1])
        for seed in range(6):
            changes = drawn(experiment, seed)
            found = settings.curves(experiment, changes, names) | settings.clocks(experiment, changes)
    assert len(traces) == 1
    for k in range(COUNT):
        one = changed(experiment, {key: values[k] for key, values in changes.items()})
        wanted = theorems.solve(one, names=names)
        np.testing.assert_allclose(found["time"][k], wanted.times, rtol=SAME)
        np.testing.assert_allclose(found["zeta"][k], wanted.zeta, rtol=SAME)
        for name in names:
            assert_same(found[name][k], wanted.metrics[name], name)


def test_a_setting_without_a_target_has_no_distance():
    """At gamma = 0 a prototype that is zero drives nothing; else the sum of all prototypes does."""
    experiment = build("spherical", "flow", SCARCE)
    problem, start = prepare(experiment)
    start.prototypes[1] = 0.0
    found = settings.curves(experiment, {"problem.gamma": [0.0, 0.3]}, ("distance", "loss"), start=(problem, start))
    assert np.isnan(found["distance"][0]).all()
    assert np.isfinite(found["distance"][1]).all()
    assert np.isfinite(found["loss"]).all()


@pytest.mark.parametrize("kind", ["unconstrained", "spherical", "anchored"])
def test_settings_one_by_one_from_a_start_at_hand_are_each_its_own(kind):
    """What only rows tell, such as the accuracy, is found alone: each setting with its own gamma and smoothing."""
    experiment, names = build(kind, "descent", SCARCE), ("accuracy", "loss", "nc1")
    changes = {"problem.gamma": [0.0, 0.3, 2.0], "problem.label_smoothing": [0.0, 0.2, 0.0]}
    found = settings.curves(experiment, changes, names, start=prepare(experiment))
    for k in range(3):
        wanted = theorems.solve(changed(experiment, {key: values[k] for key, values in changes.items()}), names=names)
        for name in names:
            assert_same(found[name][k], wanted.metrics[name], name)
    assert np.ptp(found["accuracy"], axis=0).any()  # else this could not fail


def test_a_start_at_hand_does_not_move():
    experiment = build("unconstrained", "descent", SCARCE)
    with pytest.raises(InputError, match="start must be left out where the changes draw another one"):
        settings.curves(experiment, {"start.scale_h": [1.0, 2.0]}, ("loss",), start=prepare(experiment))


def test_a_setting_that_oscillates_without_bound_has_no_distance():
    experiment = build({"kind": "anchored", "lambda_h": 0.1}, "descent", SCARCE)
    found = settings.curves(experiment, {"method.eta": [0.3, 13.0]}, ("distance", "log_norm"))
    assert np.isfinite(found["distance"][0]).all()
    assert np.isnan(found["distance"][1]).all()
    assert np.isfinite(found["log_norm"]).all()


def test_shares_of_what_is_only_simulated_and_kernels_of_their_own():
    small = build("unconstrained", "descent", SCARCE)
    random = changed(small, {"method.kind": "sgd", "method.batch": 2})
    found = settings.curves(random, {"method.batch_seed": [1, 2]}, ("loss", "share_means"), simulated=True)
    assert found["share_means"].shape == (2, len(small.times()), len(SCARCE.sizes))
    kernel, seeds = build("kernel", "descent", SCARCE), {"scenario.kernel_seed": [0, 1]}
    exact, simulated = (settings.curves(kernel, seeds, ("loss",), simulated=way)["loss"] for way in (False, True))
    np.testing.assert_allclose(exact, simulated, rtol=1e-12)
    assert exact[0, -1] != exact[1, -1]
