"""Minority collapse: predicted rates and heights against exact solutions and simulations, never fitted."""

from functools import cache

import numpy as np
import pytest

from dynamics import Experiment, load, simulate
from dynamics.errors import InputError
from dynamics.precision import exact
from theorems import solve
from theorems.figures import imbalance
from theorems.figures import minority_collapse as figure
from theorems.minority import Collapse, collapse

LATE = 6e-7  # of a share at the horizon, relative: what the third modes still add; measured 6.1e-8
SLOPE = 2e-8  # of a rate over the last quarter of the run, relative, for the same reason; measured 2.0e-9
SAME = 1e-13  # two routes to one number of order one; measured 3e-15
ONE_SCALE = 2e-13  # of a share above 1e-4, relative
DRAWN = 3e-3  # of a rate that the figure measures, relative: third modes, at gamma = 0.03; measured 1.4e-3
MOVED = 1.001  # a formula wrong by this must be seen
TWO_HEADS = [40, 40, 16, 5, 2, 1]


def experiment(
    gamma=0.2, ratio=1.0, weights="none", kind="descent", sizes=TWO_HEADS, length=1200, scenario="regularized", **decays
) -> Experiment:
    timing = {"steps": length} if kind == "descent" else {"time": float(length)}
    return Experiment(
        problem=dict(classes=len(sizes), per_class=sizes, features=12, gamma=gamma, sample_weights=weights),
        scenario=dict(kind=scenario, **decays),
        method=dict(kind=kind, eta=1.0, ratio=ratio, **timing),
        start=dict(seed=5),
        output=dict(points=5),
    )


CASES = {
    "best gamma": experiment(),
    "small gamma": experiment(gamma=0.12, ratio=2.0),
    "large gamma": experiment(gamma=0.3, ratio=2.0),
    "flow": experiment(kind="flow"),
    "decay of features": experiment(gamma=0.3, ratio=2.0, lambda_h=0.03),
    "decay of both": experiment(gamma=0.3, ratio=2.0, lambda_h=0.01, lambda_w=0.1),
    "two levels": experiment(gamma=0.3, sizes=[40, 40, 40, 2, 2, 2]),
}


def shares(trajectory, found: Collapse, moved: float = 1.0) -> np.ndarray:
    """Return each saved share over the predicted one, for prototypes and means, (2, times, C)."""
    fallen = np.where(found.vanishes, np.exp(-moved * found.rate * trajectory.zeta[:, None]), 1.0)
    pairs = (("share_prototypes", found.prototypes), ("share_means", found.means))
    return np.stack([trajectory.classes[name] / (height * fallen) for name, height in pairs])


def slope_error(trajectory, found: Collapse) -> float:
    """Return how far the measured rates of the vanishing classes are from the predicted one, relative."""
    logs = np.log(trajectory.classes["share_prototypes"][-2:, found.vanishes])
    return float(np.max(np.abs((logs[0] - logs[1]) / np.diff(trajectory.zeta[-2:]) / found.rate - 1)))


@cache
def solved(name: str):
    return solve(CASES[name])


@pytest.mark.parametrize("name", CASES)
def test_shares_of_the_exact_solution_end_at_the_predicted_height_and_rate(name):
    found = collapse(CASES[name])
    heads = max(CASES[name].problem.per_class)
    assert (found.vanishes == (np.array(CASES[name].problem.per_class) < heads)).all()
    assert np.max(np.abs(shares(solved(name), found)[:, -1] - 1)) < LATE
    assert slope_error(solved(name), found) < SLOPE


@pytest.mark.parametrize("name", ["best gamma", "large gamma", "two levels"])
def test_shares_of_a_simulation_end_there_too(name):
    found, run = collapse(CASES[name]), simulate(CASES[name])
    assert np.max(np.abs(shares(run, found)[:, -1] - 1)) < LATE
    assert slope_error(run, found) < SLOPE


@pytest.mark.parametrize("name", CASES)
def test_a_wrong_rate_or_height_is_noticed(name):
    found = collapse(CASES[name])
    late = shares(solved(name), found, moved=MOVED)[:, -1][:, found.vanishes]
    assert np.min(np.abs(late - 1)) > LATE
    assert slope_error(solved(name), found._replace(rate=MOVED * found.rate)) > SLOPE
    assert MOVED - 1 > LATE  # of a height


@pytest.mark.parametrize("name", CASES)
def test_nothing_of_a_prediction_is_single_precision(name):
    with exact():
        wanted = collapse(CASES[name])
    for found, one in zip(collapse(CASES[name]), wanted, strict=True):
        np.testing.assert_array_equal(found, one)


@pytest.mark.parametrize("gamma", [0.05, 0.2, 0.35])
def test_the_rate_of_two_levels_is_that_of_the_claim(gamma):
    """Head contrasts against the larger singular value of the 2 x 2 block between heads and tails, in the flow."""
    heads, tails, large, small = 3, 3, 40, 2
    n = heads * large + tails * small
    block = (1 + gamma) * np.eye(2) - gamma * np.sqrt(np.outer([heads, tails], [heads, tails]))
    between = np.linalg.norm(block * np.sqrt([large, small]), 2) / n
    head = (1 + gamma) * np.sqrt(large) / n
    one = experiment(gamma=gamma, ratio=2.0, kind="flow", sizes=[large] * heads + [small] * tails)
    assert collapse(one).rate == pytest.approx(np.sqrt(2) * (head - between), rel=SAME * head / (head - between))


def two_levels(gamma: float, **decays) -> Experiment:
    return experiment(gamma=gamma, ratio=2.0, kind="flow", sizes=[40] * 3 + [2] * 3, **decays)


def test_only_the_mismatch_of_the_decays_slows_minority_collapse_and_never_stops_it():
    """w(sigma) = (-(s l1 + l2) + sqrt((s l1 - l2)^2 + 4 s sigma^2))/2 at the two sigmas of heads and tails."""
    gamma, s, free = 0.3, 2.0, collapse(two_levels(0.3)).rate
    block = (1 + gamma) * np.eye(2) - 3 * gamma
    sigmas = (1 + gamma) * np.sqrt(40) / 126, np.linalg.norm(block * np.sqrt([40, 2]), 2) / 126
    before = free
    for mismatch in (0.0, 0.01, 0.1, 1.0, 10.0):
        roots = [np.sqrt(mismatch**2 + 4 * s * sigma**2) for sigma in sigmas]
        for common in (0.0, 0.05):
            for decays in ((common + mismatch, common), (common, common + mismatch)):
                one = two_levels(gamma, lambda_h=decays[0] / s, lambda_w=decays[1])
                assert collapse(one).rate == pytest.approx((roots[0] - roots[1]) / 2, rel=1e-9)
        assert 0 < collapse(one).rate <= before * (1 + SAME)
        before = collapse(one).rate
    assert collapse(two_levels(gamma, lambda_h=0.05, lambda_w=0.1)).rate == pytest.approx(free, rel=1e-11)


def test_anchored_classes_all_keep_a_share_and_settle_at_the_decay():
    one = experiment(ratio=2.0, scenario="anchored", lambda_h=0.02, kind="flow")
    found, solution = collapse(one), solve(one, times=[400, 500, 1200])
    assert not found.vanishes.any()
    assert found.rate == pytest.approx(2 * 0.02, rel=SAME)
    last = solution.classes["share_means"]
    np.testing.assert_allclose(last[-1], found.means, rtol=SAME)
    np.testing.assert_allclose(solution.classes["share_prototypes"][-1], found.prototypes, rtol=SAME)
    gaps = np.linalg.norm(last[:2] - found.means, axis=1)
    assert np.log(gaps[0] / gaps[1]) / 100 == pytest.approx(found.rate, rel=1e-5)
    assert collapse(experiment(scenario="anchored")).rate == 0


def test_inverse_weights_hand_the_norm_to_the_smallest_class():
    one = experiment(weights="inverse")
    found, solution = collapse(one), solve(one)
    assert found.prototypes.argmax() == 5
    assert found.prototypes[5] > 0.9
    np.testing.assert_allclose(solution.classes["share_prototypes"][-1], found.prototypes, rtol=LATE)


@pytest.mark.parametrize(("kind", "loss"), [("spherical", "unhinged"), ("regularized", "mse")])
def test_shares_are_known_of_what_moves_linearly_alone(kind, loss):
    tables = experiment(scenario=kind).to_dict()
    tables["problem"]["loss"] = loss
    with pytest.raises(InputError, match="must be"):
        collapse(Experiment.from_dict(tables))


def test_the_figure_of_cures_says_what_is_true():
    free, decayed = (collapse(imbalance.run(**cure)) for cure in list(imbalance.CURES.values())[:2])
    assert round(decayed.rate / free.rate, 2) == 0.56
    found = imbalance.simulated(imbalance.run(points=3, weights="sqrt"))
    assert found[1][-1] == 1
    assert imbalance.simulated(imbalance.run(points=3))[1][-1] == 0
    measured = imbalance.slope(simulate(imbalance.decayed(0.1, 0.0)))
    assert measured == pytest.approx(collapse(imbalance.decayed(0.1, 0.0)).rate, rel=DRAWN)


def test_all_contrasts_win_with_sqrt_weights():
    one = experiment(weights="sqrt")
    found, solution = collapse(one), solve(one)
    assert not found.vanishes.any()
    assert np.max(np.abs(shares(solution, found)[:, -1] - 1)) < LATE
    # The balanced model in the clock alpha C zeta/n: C - 1 contrasts (1 + gamma), the mean |1 + gamma - gamma C|.
    sizes, gamma, eta = np.array(TWO_HEADS, dtype=float), 0.2, 1.0
    unit = eta / np.sum(np.sqrt(sizes))
    growths = np.log1p(unit * (1 + gamma)), np.log1p(unit * abs(1 + gamma - 6 * gamma))
    assert found.rate == pytest.approx(growths[0] - growths[1], rel=SAME)


def test_where_every_growing_mode_wins_what_falls_is_behind():
    found = collapse(experiment(gamma=0.0, sizes=[3, 3]))
    sigma = np.sqrt(3) / 6
    assert found.rate == pytest.approx(np.log1p(sigma) - np.log1p(-sigma), rel=SAME)
    assert not found.vanishes.any()


def moving(scenario: dict, sizes=(8, 8, 3, 1), gamma="1/(C-1)", **method) -> Experiment:
    return Experiment(
        problem=dict(classes=len(sizes), per_class=list(sizes), features=6, gamma=gamma),
        scenario=scenario,
        method=dict(steps=400) | method,
        start=dict(seed=1),
        output=dict(points=9),
    )


FREE, LOSSY = dict(kind="unconstrained"), dict(kind="decoupled-decay", eta=0.5)
ELSEWHERE = {
    "decoupled decay of features": (moving(FREE, **LOSSY, decay_h=0.2), 5e-3),
    "decoupled decay, anchored": (moving(dict(kind="anchored"), **LOSSY, decay_h=0.02), 4e-5),
    "a mode killed": (moving(dict(kind="regularized", lambda_h=0.5, lambda_w=0.5), eta=2.0, steps=50), 6e-6),
    "the mean wins": (moving(FREE, sizes=(4, 4, 4, 4), gamma=3.0, eta=0.5), SAME),
    "falling parts win": (moving(dict(kind="regularized", lambda_h=1.0, lambda_w=1.0), eta=1.9), 2e-11),
}  # relative: what the next modes still hold; measured 4.1e-3, 3.0e-5, 4.7e-6, 3e-16, 1.1e-11


@pytest.mark.parametrize("case", ELSEWHERE)
def test_shares_end_where_they_are_predicted_whatever_the_method_does(case):
    moves, allowed = ELSEWHERE[case]
    found, solution = collapse(moves), solve(moves)
    np.testing.assert_allclose(shares(solution, found)[:, -1], 1, rtol=allowed)
    assert np.max(np.abs(shares(solution, found, MOVED)[:, -1] - 1)) > allowed or not found.vanishes.any()


def test_decoupled_decay_collapses_at_the_rate_of_the_l2_decay_that_it_is():
    same = moving(dict(kind="regularized", lambda_h=0.4), eta=0.5)
    assert collapse(ELSEWHERE["decoupled decay of features"][0]).rate == pytest.approx(collapse(same).rate, rel=SAME)


@pytest.mark.parametrize(
    ("case", "said"),
    [
        (moving(FREE, kind="sgd", batch=4), "method.kind must be a motion with a known limit"),
        (moving(FREE, **LOSSY, decay_h=0.2, schedule="cosine"), "method.kind must be a motion with a known limit"),
        (Experiment.from_dict(moving(FREE).to_dict() | {"start": {"scale_h": 0, "scale_w": 0}}), "the start must have"),
        (
            Experiment.from_dict(moving({"kind": "anchored"}).to_dict() | {"start": {"scale_w": 0}}),
            "the start must have",
        ),
    ],
    ids=["random", "modes that mix", "nothing", "no prototypes"],
)
def test_what_has_no_known_end_is_refused(case, said):
    with pytest.raises(InputError, match=said):
        collapse(case)


def test_what_is_drawn_at_times_of_its_own_is_the_solution_at_the_saved_ones():
    one = figure.run(points=25)
    saved = solve(one)
    found = solve(figure.run(points=2), times=saved.times)
    assert (found.metrics["accuracy"] == saved.metrics["accuracy"]).all()
    assert np.max(np.abs(found.classes["share_prototypes"] / saved.classes["share_prototypes"] - 1)) < ONE_SCALE
    np.testing.assert_array_equal(found.zeta, saved.zeta)


def test_accuracy_ends_at_the_two_heads_unless_samples_are_weighted():
    plain, weighted = (simulate(figure.run(points=3, weights=weights)) for weights in ("none", "sqrt"))
    heads, everything = sum(figure.SIZES[:2]), sum(figure.SIZES)
    assert plain.metrics["accuracy"][-1] == heads / everything
    assert weighted.metrics["accuracy"][-1] == 1


def test_the_figure_measures_the_rates_that_it_draws():
    for gamma in figure.GAMMAS:
        one = figure.run(gamma=gamma)
        assert figure._slope(simulate(one)) == pytest.approx(collapse(one).rate, rel=DRAWN)


def test_the_best_gamma_of_balanced_classes_is_nearly_the_worst_for_minorities():
    gammas = np.linspace(0, figure.TIE, 2002)[1:-1]
    rates = [collapse(figure.run(gamma=float(gamma))).rate for gamma in gammas[::10]]
    assert round(collapse(figure.run()).rate / max(rates), 3) == 0.996


def test_the_preset_of_heads_and_tails_collapses():
    found = collapse(load("imbalanced"))
    assert found.vanishes.tolist() == [False] * 3 + [True] * 3
    assert found.rate > 0
