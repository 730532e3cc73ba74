"""The figures that are not in the paper: the numbers that they draw, against references that share no formula."""

import functools
import math

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy import stats
from scipy.integrate import quad, solve_ivp
from scipy.linalg import expm

from dynamics.experiment import Experiment
from dynamics.preparation import prepare
from dynamics.start import simplex_etf
from theorems import sphere
from theorems.claims.random_start import C, F, moment
from theorems.figure import recipes
from theorems.figures import flow_versus_descent as apart
from theorems.figures import random_start as start
from theorems.figures import spherical_angles as spherical
from theorems.instance import Instance, class_major
from theorems.solution import solve
from theorems.style import STYLE

EXACT = 1e-11  # two float64 evaluations of one formula, relative; measured below 1e-12
INTEGRATED = 1e-10  # of an angle, against diffrax at rtol 1e-12; measured 4e-13
LOOP = 1e-8  # relative, of 2 - 2 cos above 1e-6, itself rounded to 1e-16; measured 1e-10
SETTLED = 1e-9  # of a feature's factor at the last step: 1 - kappa but for theta^2; measured 0
LATE = 1e-4  # of the error's rate at the last step: what the second slowest feature still adds; measured 8e-6
FITTED = 3e-6  # of Richardson's value for a limit: (eta b)^2 at the last but one, 1e-6; measured 3.6e-7
LEFT = 1e-12  # what else than the limit is left 40 e-folds out, 4e-18, and rounding; measured 2e-16
DEVIATIONS = 4.0  # of a sample from its mean: one in 16 000, and the seeds are fixed


@functools.cache
def panels(kind):
    """Return the axes of a quick figure by the letter of their title."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 6.6), layout="constrained")
        recipes()[kind].draw(figure, True)
        figure.draw_without_rendering()
    return {axes.get_title()[1]: axes for axes in figure.axes}


def lines(axes, word=""):
    """Return the labelled curves whose label holds a word: (label, x, y)."""
    found = [(line.get_label(), *line.get_data()) for line in axes.get_lines()]
    return [one for one in found if word in one[0] and not one[0].startswith("_") and len(one[1])]


# -- spherical-angles --------------------------------------------------------------------------------------------------

POWERS = {"none": 0, "norm": 1, "norm-squared": 2}
PULL = 1.5 * 1.0 / 6  # |g| = (1 + gamma)|w|/(C N)


@functools.cache
def spherical_start():
    """Return features, their prototypes and labels as the contract draws them, (p, n)."""
    rng = np.random.default_rng(spherical.SEED)
    features = rng.standard_normal((2, 6))
    return features, simplex_etf(rng, 2, 3), np.repeat(np.arange(3), 2)


def angles(features, own):
    own = own / np.linalg.norm(own, axis=0)
    return np.arctan2(np.abs(features[0] * own[1] - features[1] * own[0]), np.sum(features * own, axis=0))


def descended(power, steps):
    """Return (theta, r) of descent straight from the gradient of the loss, (steps + 1, n)."""
    features, prototypes, labels = spherical_start()
    angle, radius = [], []
    targets = [sphere.target(prototypes.T.tolist(), label, 0.5, 6) for label in labels]
    rows = features.T.tolist()
    for _ in range(steps + 1):
        angle.append(angles(np.array(rows).T, prototypes[:, labels]))
        radius.append(np.linalg.norm(rows, axis=1))
        rows = [
            sphere.step(h, toward, math.hypot(*h) ** power, math.sqrt) for h, toward in zip(rows, targets, strict=True)
        ]
    return np.array(angle), np.array(radius)


def test_a_feature_starts_almost_opposite_and_rates_differ():
    features, prototypes, labels = spherical_start()
    assert math.pi - 0.03 < angles(features, prototypes[:, labels]).max() < math.pi
    radius = np.linalg.norm(features, axis=0)
    assert radius.min() < 0.6 < 1.6 < radius.max()


@pytest.mark.parametrize(("letter", "power"), list(zip("bcd", POWERS.values(), strict=True)))
def test_the_flow_that_is_drawn_falls_at_the_rate_of_its_norm(letter, power):
    features, prototypes, labels = spherical_start()
    theta, radius = angles(features, prototypes[:, labels]), np.linalg.norm(features, axis=0)
    drawn = lines(panels("spherical-angles")[letter], "r = ")
    assert len(drawn) == 6
    for i, (label, times, values) in zip(np.argsort(radius), drawn, strict=True):
        assert label == f"$r = {radius[i]:.2f}$"
        assert times[-1] == spherical.TIME
        wanted = np.tan(theta[i] / 2) * np.exp(-PULL * radius[i] ** (power - 2) * times)
        np.testing.assert_allclose(values, wanted, rtol=EXACT)


def test_the_angles_that_are_drawn_are_those_of_the_straight_lines():
    drawn = panels("spherical-angles")
    for (_, times, theta), (_, later, tangent) in zip(lines(drawn["a"], "r ="), lines(drawn["b"], "r ="), strict=True):
        np.testing.assert_allclose(np.interp(times[::10], later, np.log(tangent)), np.log(np.tan(theta[::10] / 2)),
                                   atol=1e-9)  # fmt: skip


@pytest.mark.parametrize("rescale", POWERS)
def test_the_marks_of_an_integrated_flow_lie_on_the_law(rescale):
    flow = spherical.Turning(spherical.setting(rescale, kind="flow", time=spherical.TIME))
    times, found = flow.simulated(7)
    np.testing.assert_allclose(found, flow.exact(times)[0], rtol=0, atol=INTEGRATED)


def test_the_error_of_descent_that_is_drawn_is_that_of_a_plain_loop():
    drawn = lines(panels("spherical-angles")["e"], "rate")
    assert len(drawn) == 3
    for power, (_, steps, values) in zip(POWERS.values(), drawn, strict=True):
        theta, _ = descended(power, int(steps[-1]))
        wanted = np.sqrt(np.sum(2 - 2 * np.cos(theta), axis=1))
        seen = wanted > 1e-3  # below it 1 - cos has lost too many digits
        assert seen.sum() > 40
        np.testing.assert_allclose(values[seen], wanted[seen], rtol=LOOP)


def test_only_the_squared_norm_gives_one_rate_to_all_features_of_a_descent():
    for rescale, power in POWERS.items():
        descent = spherical.Turning(spherical.setting(rescale, kind="descent", steps=spherical.STEPS))
        theta, radius = descent.exact(np.arange(spherical.STEPS + 1))
        factors = theta[-1] / theta[-2]
        np.testing.assert_allclose(factors, 1 - PULL * radius[-1] ** (power - 2), atol=SETTLED)
        assert (np.ptp(factors) < SETTLED) == (power == 2)
        np.testing.assert_allclose(descent.kappa(radius[-1]), PULL * radius[-1] ** (power - 2), rtol=EXACT)


def test_the_dotted_slopes_are_those_of_the_slowest_feature():
    axes = panels("spherical-angles")["e"]
    dotted = [line.get_data() for line in axes.get_lines() if line.get_linestyle() == ":" and len(line.get_xdata())]
    for power, (steps, values) in zip(POWERS.values(), dotted, strict=True):
        _, radius = descended(power, spherical.STEPS)
        wanted = math.log(1 - PULL * radius[-1].max() ** (power - 2))
        np.testing.assert_allclose(np.diff(np.log(values)) / np.diff(steps), wanted, rtol=LOOP)


def test_the_error_falls_at_half_the_rate_of_the_proof():
    axes = panels("spherical-angles")["f"]
    (_, _, printed), (_, _, half) = lines(axes, "proof") + lines(axes, "half")
    _, radius = descended(0, spherical.STEPS)
    assert printed[0] == 2 * half[0]
    assert half[0] == pytest.approx(-math.log(1 - PULL / radius[-1].max() ** 2), rel=LOOP)
    (_, _, error), (_, _, slowest) = lines(axes, "error") + lines(axes, "slowest")
    assert error[-1] == pytest.approx(half[0], rel=LATE)
    assert slowest[-1] == pytest.approx(half[0], rel=SETTLED)


def test_the_hypotheses_of_theorem_7_hold():
    """Zero sum, |h| never falls at a constant rate, and eta(0)(1+g)/(C N |h|) <= 1/|w|; kappa < 1, so mu exists."""
    features, prototypes, _ = spherical_start()
    radius = np.linalg.norm(features, axis=0)
    np.testing.assert_allclose(prototypes.sum(axis=1), 0, atol=1e-15)
    assert np.all(PULL / radius <= 1)
    assert np.all(PULL / radius**2 < 1)


# -- flow-versus-descent -----------------------------------------------------------------------------------------------

LINEAR = ("unconstrained", "regularized")
CASES = {
    **apart.SCENARIOS,
    "rescaled": {"kind": "spherical", "rescale": "norm"},
    "rescaled twice": {"kind": "spherical", "rescale": "norm-squared"},
}


def drawn_start():
    """Return H (p, n) and W (p, C) of seed 0, as the contract draws them."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((5, 12)), rng.standard_normal((5, 4))


def instance(name):
    table = apart.SCENARIOS[name]
    decays = table.get("lambda_h", 0.0), table.get("lambda_w", 0.0)
    return Instance(class_major([3] * 4), 0.2, 2.0, *drawn_start(), np.zeros(4), *decays)


def curvature(name):
    """Return b with gap = K eta (1 + O(b eta)): of a mode, ln(1 + eta w)/eta - w and the exponential's next term.

    exp(-eta zeta w^2/2 + eta^2 zeta w^3/3) - 1 = -(eta zeta w^2/2)(1 - eta (zeta w^2/4 + 2 w/3) + ...).
    """
    if name in LINEAR:
        w = np.abs(np.linalg.eigvals(instance(name).generator)).max()
    else:
        features, prototypes = drawn_start()
        nu = {"rescaled": 1, "rescaled twice": 2}.get(name, 0)
        drive = np.linalg.norm(1.2 * prototypes - 0.2 * prototypes.sum(axis=1, keepdims=True), axis=0) / 12
        w = np.max(2 * np.repeat(drive, 3) * np.linalg.norm(features, axis=0) ** (nu - 2.0))
    return apart.ZETA * w**2 / 4 + 2 * w / 3


@pytest.mark.parametrize("name", CASES)
def test_the_gap_halves_with_the_step(name):
    eta, gaps = apart.gaps(CASES[name], apart.DOUBLINGS)
    assert eta[0] == 1.0
    assert eta[-1] == 1 / 1024
    small = eta[:-1] * curvature(name) < 0.2
    assert small.sum() >= 5
    slopes = np.log2(gaps[:-1] / gaps[1:])
    # gap(eta)/gap(eta/2) = 2 (1 - b eta/2 + ...), and a tenth for what follows.
    assert np.all(np.abs(slopes - 1)[small] <= 0.6 * eta[:-1][small] * curvature(name) / math.log(2))
    assert abs(slopes[-1] - 1) < 2e-3


@pytest.mark.parametrize("name", CASES)
def test_the_constant_is_the_predicted_one(name):
    """Richardson: 2 r(eta/2) - r(eta) of r = gap/(K eta) is 1 but for the second order."""
    eta, gaps = apart.gaps(CASES[name], apart.DOUBLINGS)
    ratio = gaps / (eta * apart.predicted(apart.flow(CASES[name])))
    assert abs(2 * ratio[-1] - ratio[-2] - 1) <= FITTED


@pytest.mark.parametrize("name", LINEAR)
def test_the_gap_of_the_linear_scenarios_is_that_of_a_loop_and_a_dense_exponential(name):
    one = instance(name)
    flowed = one.state @ expm(apart.ZETA * one.generator)
    eta, gaps = apart.gaps(apart.SCENARIOS[name], 3)
    for rate, found in zip(eta, gaps, strict=True):
        descended = one.descent([rate] * round(apart.ZETA / rate))
        wanted = np.linalg.norm(descended - flowed) / np.linalg.norm(flowed)
        assert found == pytest.approx(wanted, rel=EXACT)


def test_the_gap_of_the_spherical_scenario_is_that_of_a_loop_and_an_integrator():
    features, prototypes = drawn_start()
    labels, rate = np.repeat(np.arange(4), 3), 0.5
    targets = [sphere.target(prototypes.T.tolist(), label, 0.2, 12) for label in labels]
    rows, flowed = features.T.tolist(), []
    for h, toward in zip(rows, targets, strict=True):
        field = functools.partial(lambda _, x, t: 2.0 * np.array(sphere.push(x, t)), t=toward)
        flowed.append(solve_ivp(field, (0, apart.ZETA), h, method="DOP853", rtol=1e-13, atol=1e-14).y[:, -1])
    for _ in range(round(apart.ZETA / rate)):
        rows = [sphere.step(h, toward, 2 * rate) for h, toward in zip(rows, targets, strict=True)]
    wanted = np.linalg.norm(np.array(rows) - flowed) / np.linalg.norm(flowed)
    eta, gaps = apart.gaps(apart.SCENARIOS["spherical"], 1)
    assert eta[1] == rate
    assert gaps[1] == pytest.approx(wanted, rel=1e-9)  # the integrator's error over a gap of 0.05


@pytest.mark.parametrize("name", ["regularized", "spherical"])
def test_the_marks_of_a_simulated_descent_lie_on_the_line(name):
    eta, found = apart.simulated_gaps(apart.SCENARIOS[name])
    exact_eta, wanted = apart.gaps(apart.SCENARIOS[name], apart.SIMULATED[-1])
    np.testing.assert_array_equal(eta, exact_eta[list(apart.SIMULATED)])
    np.testing.assert_allclose(found, wanted[list(apart.SIMULATED)], rtol=EXACT)


def test_what_is_drawn_is_the_gap_and_its_prediction():
    drawn = panels("flow-versus-descent")
    guides = [line.get_data() for line in drawn["a"].get_lines() if line.get_label().startswith("_")]
    solid = lines(drawn["a"])
    assert [label for label, *_ in solid] == list(apart.SCENARIOS)
    for (name, eta, values), (guide_eta, guide) in zip(solid, guides, strict=True):
        np.testing.assert_allclose(values, apart.gaps(apart.SCENARIOS[name], apart.QUICK_DOUBLINGS)[1], rtol=EXACT)
        np.testing.assert_allclose(guide / guide_eta, apart.predicted(apart.flow(apart.SCENARIOS[name])), rtol=EXACT)
        np.testing.assert_array_equal(eta, guide_eta)
    ratios = [line.get_ydata() for line in drawn["b"].get_lines()][: len(solid)]
    for (_, _, values), (_, guide), ratio in zip(solid, guides, ratios, strict=True):
        np.testing.assert_allclose(ratio, values / guide, rtol=EXACT)


def test_directions_meet_where_states_do_not():
    curves = [line.get_ydata() for line in panels("flow-versus-descent")["c"].get_lines() if len(line.get_ydata())]
    for states, directions in zip(curves[::2], curves[1::2], strict=True):
        assert states[-1] > 0.8 * states.max()
        assert directions[-1] < 0.05 * directions.max()


# -- random-start ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("classes", "features"), [(3, 1), (3, 2), (4, 7), (10, 16), (100, 512), (2, 5)])
def test_the_mean_number_of_wrong_pairs_is_a_gaussian_integral(classes, features):
    """Given |x_y|, x_y . (x_c - x_y) is Gaussian; the entries have the correlation -r, r^2 = C/(2(C-1))."""
    slope = math.sqrt(classes / (classes - 2)) if classes > 2 else math.inf  # r/sqrt(1 - r^2)
    peak = math.sqrt(max(features - 1, 0) / (1 + slope**2)) if classes > 2 else 0.0
    value = 0.0
    for low, high in ((0, peak + 1), (peak + 1, peak + 12)):
        value += quad(lambda u: stats.chi.pdf(u, features) * stats.norm.sf(slope * u), low, high, epsabs=0)[0]
    wanted = classes * (classes - 1) * value
    assert start.wrong_pairs(classes, features) == pytest.approx(wanted, rel=1e-9, abs=1e-300)


def test_three_classes_in_a_plane_are_all_right_with_the_probability_of_angles():
    assert start.surely(3, 2) == pytest.approx(1.5 * math.sqrt(3) - 2, rel=EXACT)


@pytest.mark.parametrize(("classes", "features"), [(3, 2), (3, 5), (5, 6), (10, 12)])
def test_samples_agree_with_the_mean_and_with_the_bound(classes, features):
    draws = 20_000
    wrong = start.sampled(np.random.default_rng(1), classes, features, draws).wrong
    spread = DEVIATIONS / math.sqrt(draws)
    assert abs(wrong.mean() - start.wrong_pairs(classes, features)) <= spread * wrong.std()
    part, bound = np.mean(wrong == 0), start.surely(classes, features)
    assert part >= bound - spread * math.sqrt(part * (1 - part))
    if classes == 3:
        assert wrong.max() == 1
        assert part == 1 - wrong.mean()
    else:
        assert wrong.max() > 1


def test_wrong_pairs_are_those_that_an_argmax_gets_wrong():
    x = np.random.default_rng(2).standard_normal((300, 5, 3))
    x -= x.mean(axis=1, keepdims=True)
    right = [np.array_equal(np.argmax(one @ one.T, axis=1), np.arange(5)) for one in x]
    np.testing.assert_array_equal(start.judged(x, x).wrong == 0, right)


@pytest.mark.parametrize(("classes", "features"), [(3, 2), (10, 40), (100, 512)])
def test_typical_nc2_is_that_of_the_exact_moments(classes, features):
    trace, square = (float(moment([m]).subs({C: classes, F: features})) for m in (1, 2))
    wanted = math.sqrt(2 - 2 * trace / math.sqrt((classes - 1) * square))
    assert start.typical_nc2(classes, features) == pytest.approx(wanted, rel=EXACT)


def test_nc2_settles_at_its_typical_value_as_classes_grow():
    gaps = []
    for classes, draws in ((4, 2000), (20, 400), (150, 20)):
        found = start.sampled(np.random.default_rng(3), classes, 2 * classes, draws).nc2
        gaps.append(abs(found.mean() / start.typical_nc2(classes, 2 * classes) - 1))
    assert gaps[0] > 5 * gaps[1] > 25 * gaps[2]
    assert gaps[2] < 2e-3  # of order 1/C^2 at best; measured 1.1e-3


@pytest.mark.parametrize(("classes", "features"), start.SOLVED)
def test_a_late_exact_solution_is_the_limit_of_corollary_3(classes, features):
    """X = (W0 + h~0/sqrt s)P/2, h~0 = sqrt N times the class means, straight from the start."""
    found, limits = start.solved(classes, features, 6), []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        h, w = 0.7 * rng.standard_normal((features, 2 * classes)), 1.2 * rng.standard_normal((features, classes))
        x = w + h.reshape(features, classes, 2).sum(axis=2) / math.sqrt(2) / math.sqrt(2)
        limits.append((x - x.mean(axis=1, keepdims=True)).T)
    wanted = start.judged(np.array(limits), np.array(limits))
    np.testing.assert_array_equal(found.wrong, wanted.wrong)
    np.testing.assert_allclose(found.nc2, wanted.nc2, atol=LEFT)


def test_the_metrics_of_the_public_solver_say_the_same():
    found = start.solved(3, 2, 6)
    ends = [solve(start.setting(3, 2, seed)).metrics for seed in range(6)]
    assert [metrics["accuracy"][-1] == 1 for metrics in ends] == (found.wrong == 0).tolist()
    assert 0 < np.sum(found.wrong) < 6
    np.testing.assert_allclose([metrics["nc2"][-1] for metrics in ends], found.nc2, atol=LEFT)


@pytest.mark.parametrize(("right", "of"), [(0, 50), (7, 50), (50, 50), (3999, 4000)])
def test_the_interval_of_a_share_is_wilsons(right, of):
    part, reach = start.share(np.arange(of) < right)
    low, high = stats.binomtest(right, of).proportion_ci(0.95, method="wilson")
    assert part == right / of
    np.testing.assert_allclose([part - reach[0, 0], part + reach[1, 0]], [low, high], atol=2e-5)  # of 1.96 for 1.95996


def test_the_lines_that_are_drawn_are_the_formulas():
    drawn = panels("random-start")
    bounds = lines(drawn["a"], "C = ")
    assert [label for label, *_ in bounds] == ["C = 3, exact", "C = 5, bound", "C = 10, bound", "C = 30, bound"]
    for classes, (_, p, values) in zip(start.CLASSES, bounds, strict=True):
        np.testing.assert_allclose(values, np.maximum(1 - start.wrong_pairs(classes, p), 0), rtol=EXACT)
    long = {tag: [one.get_data() for one in drawn[tag].get_lines() if len(one.get_xdata()) == 200] for tag in "bc"}
    for classes, (p, pairs), (wide, nc2) in zip(start.CLASSES, long["b"], long["c"], strict=True):
        np.testing.assert_allclose(pairs, start.wrong_pairs(classes, p), rtol=EXACT)
        np.testing.assert_allclose(nc2, start.typical_nc2(classes, wide), rtol=EXACT)


def test_the_marks_that_are_drawn_are_near_their_lines():
    drawn = panels("random-start")
    count = 0
    for mark in drawn["b"].containers:
        (p,), (mean,) = mark.lines[0].get_data()
        classes = start.CLASSES[int(mark.lines[0].get_color()[1:])]
        (low, high) = mark.lines[2][0].get_segments()[0][:, 1]
        sigma = (high - low) / 2 / start.QUANTILE
        assert abs(mean - start.wrong_pairs(classes, p)) <= DEVIATIONS * sigma
        count += 1
    assert count > 20
    for mark in drawn["a"].containers:
        (p,), (part,) = mark.lines[0].get_data()
        classes = start.CLASSES[int(mark.lines[0].get_color()[1:])]
        sigma = math.sqrt(max(part * (1 - part), 1e-2) / start.QUICK_STARTS)
        assert part >= start.surely(classes, p) - DEVIATIONS * sigma


def test_enough_features_are_enough_and_no_more():
    for level, (label, classes, needed) in zip(start.LEVELS, lines(panels("random-start")["d"], "prob"), strict=True):
        assert label == f"probability {level:g}"
        assert np.all(start.surely(classes, needed) >= level)
        assert np.all(start.surely(classes, needed - 1) < level)


# -- convergence -------------------------------------------------------------------------------------------------------


def test_the_unhinged_loss_falls_at_the_gap_of_its_label_operator_and_is_met_by_its_simulation():
    (_, times, exact), (_, marks, simulated) = lines(panels("convergence")["b"], "unhinged")
    np.testing.assert_allclose(np.log(simulated), np.interp(marks, times, np.log(exact)), rtol=0, atol=1e-2)
    sizes, gamma = np.array([5.0, 5.0, 1.0, 1.0]), 1 / 3
    first, second, *_ = np.linalg.svd(((1 + gamma) * np.eye(4) - gamma) * np.sqrt(sizes) / sizes.sum())[1]
    fall = np.log(exact[-20] / exact[-1]) / (times[-1] - times[-20])
    assert fall == pytest.approx(first - second, rel=1e-4)


def test_what_is_logarithmic_falls_along_its_grey_line():
    axes = panels("convergence")["c"]
    drawn = {label: np.log([x[1:], y[1:]]) for label, x, y in lines(axes)}  # the first may be at t = 0
    by_path, by_flow = (np.log(line.get_data()) for line in axes.get_lines()[-2:])
    for label, grey, off in (("minima with decay", by_path, 0.02), ("logistic regression", by_flow, 1e-9)):
        x, y = drawn[label]
        assert y[-1] == pytest.approx(np.interp(x[-1], *grey), abs=off)
        assert np.polyfit(x[-6:], y[-6:], 1)[0] == pytest.approx(-1, abs=0.02)
    x, y = drawn["cross-entropy"]
    assert -1 < np.polyfit(x[-6:], y[-6:], 1)[0] < -0.3


def test_the_known_norm_lies_on_its_curve_and_norms_tend_to_their_limits():
    (_, _, aligned), (_, logs, norms), (_, log, known) = lines(panels("convergence")["d"])
    assert np.interp(log[0], logs, norms) == pytest.approx(known[0], abs=2e-3)
    assert aligned[-1] == pytest.approx(1, abs=0.03) and norms[-1] == pytest.approx(1, abs=0.01)


# -- all ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["spherical-angles", "flow-versus-descent", "random-start", "convergence"])
def test_every_experiment_can_be_prepared_and_read_back(kind):
    for quick in (True, False):
        groups = recipes()[kind].experiments(quick)
        assert groups
        for experiment in (one for group in groups for one in group.values()):
            prepare(experiment)
            assert Experiment.from_dict(experiment.to_dict(), name=experiment.name) == experiment
