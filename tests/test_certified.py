"""The certified accuracy against dense logits in extended precision: at its change points, and at its edges."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theorems.certified import Terms, accuracy

SURE = 1e-9  # far above ROUNDING: a margin with a larger share of its |terms| is never left to the referee
LONG = np.longdouble


def dense(terms: Terms, t: int) -> np.ndarray:
    """All logits (n, C) at one time, in extended precision, over the largest function of time."""
    logs = terms.logs[:, t].astype(LONG)
    factors = np.exp(logs - max(logs.max(), LONG(-1e300)))
    coefficients = np.concatenate([terms.shared[:, terms.labels], terms.own])
    return sum((f * x for f, x in zip(factors, coefficients, strict=True)), np.zeros(coefficients.shape[1:], LONG))


def judge(terms: Terms, times) -> np.ndarray:
    """The accuracy at some times; the first of equal logits is chosen."""
    return np.array([np.mean(np.argmax(dense(terms, t), axis=1) == terms.labels) for t in times])


def closest(terms: Terms, t: int) -> float:
    """The smallest |margin| at one time, as a share of the sum of its |terms|; 0 / 0 = 0."""
    rows = np.arange(len(terms.labels)), terms.labels
    logs = terms.logs[:, t]
    factors = np.exp(logs - max(logs.max(), -1e300))
    coefficients = np.concatenate([terms.shared[:, terms.labels], terms.own])
    margins = factors[:, None, None] * (coefficients[:, *rows][:, :, None] - coefficients)
    sizes = np.abs(margins).sum(axis=0)
    shares = np.abs(margins.sum(axis=0)) / np.where(sizes > 0, sizes, 1)
    shares[rows] = np.inf
    return shares.min()


def refuse(times):
    raise AssertionError(f"no margin is within rounding of zero, yet the referee is asked about {times}")


def figure1(gamma, horizon, *, classes=100, each=10, features=512, eta=0.1, scale=1.0) -> Terms:
    """The balanced unconstrained descent with s = 1 from a Gaussian start, in its four modes; biases left out."""
    rng = np.random.default_rng(0)
    start = rng.standard_normal((features, classes * each))
    prototypes = scale * rng.standard_normal((features, classes))
    labels = np.repeat(np.arange(classes), each)
    means = start.reshape(features, classes, each).mean(axis=2)
    rest = (start - means[:, labels]).T
    sums, root = np.sqrt(each) * means, np.sqrt(each)
    f, w = sums.mean(axis=1, keepdims=True), prototypes.mean(axis=1, keepdims=True)
    grow, fall = (sums - f + prototypes - w) / 2, (sums - f - prototypes + w) / 2
    sigma = np.array([1 + gamma, 1 + gamma - gamma * classes]) / (classes * root)
    up, down = (np.arange(horizon)[:, None] * np.log1p(sign * eta * sigma) for sign in (1, -1))
    (up, up_mean), (down, down_mean) = up.T, down.T
    every = np.ones((classes, 1))
    shared = [grow.T @ grow, fall.T @ grow - grow.T @ fall, -fall.T @ fall]
    logs = [2 * up, up + down, 2 * down]
    for sign, seen, log in ((1, grow, up), (-1, fall, down)):
        shared += [sign * every @ ((f + w) / 2).T @ seen, sign * every @ ((f - w) / 2).T @ seen]
        logs += [log + up_mean, log + down_mean]
    return Terms(np.stack(shared) / root, np.stack([rest @ grow, -rest @ fall]), np.stack([*logs, up, down]), labels)


def changes_and_neighbours(found, most, rng) -> np.ndarray:
    """Times beside (at most so many) changes of the accuracy, and as many others."""
    changes = np.flatnonzero(np.diff(found))
    changes = rng.choice(changes, min(most, len(changes)), replace=False)
    times = np.concatenate([changes + k for k in (-1, 0, 1, 2)] + [rng.integers(0, len(found), most)])
    return np.unique(np.clip(times, 0, len(found) - 1))


@pytest.mark.parametrize(("gamma", "scale"), [(0, 1.0), (0.05, 1.0), (1 / 99, 1 / 16)])
def test_figure1_of_the_paper(gamma, scale):
    terms = figure1(gamma, 50_001, scale=scale)
    found, evaluated = accuracy(terms, refuse)
    assert evaluated <= 50_001 * 1000 * 99 / 1000
    times = changes_and_neighbours(found, 20, np.random.default_rng(1))
    np.testing.assert_array_equal(found[times], judge(terms, times))


@pytest.mark.parametrize("gamma", [0, 0.005, 0.05, 0.2])
def test_every_single_time(gamma):
    terms = figure1(gamma, 2000, classes=8, each=3, features=20, eta=2.0)
    found, _ = accuracy(terms, refuse)
    assert len(np.unique(found)) > 5
    np.testing.assert_array_equal(found, judge(terms, range(2000)))


def test_a_tenth_of_a_percent_moves_the_change_points():
    terms = figure1(0, 2000, classes=20, features=64)
    found = accuracy(terms, refuse)[0]
    for moved in (terms._replace(logs=terms.logs * 1.001), terms._replace(own=terms.own * 1.001)):
        assert not np.array_equal(accuracy(moved, refuse)[0], found)


# -- any functions of time ---------------------------------------------------------------------------------------------


def schedule(rng, horizon):
    """Logarithms that follow a cosine schedule: monotone, not linear; their differences turn."""
    rates = 1 + np.cos(np.pi * np.arange(horizon) / horizon)
    return rng.normal(size=(20, 1)) * np.cumsum(rates) / horizon * 8


def turning(rng, horizon):
    return 3 * rng.normal(size=(20, 1)) * np.sin(rng.uniform(1, 9, (20, 1)) * np.arange(horizon) / horizon)


def rough(rng, horizon):
    return rng.normal(size=(20, horizon))


def huge(rng, horizon):
    return rng.choice([-700.0, 0.0, 1e5], (20, 1)) + schedule(rng, horizon)


def broken(rng, horizon):
    """Terms that come and go."""
    return np.where(rng.random((20, horizon)) < 0.3, -np.inf, turning(rng, horizon))


@settings(max_examples=150)
@given(
    seed=st.integers(0, 2**32 - 1),
    terms=st.sampled_from([(2, 2), (3, 0), (0, 3), (1, 1), (0, 1)]),
    classes=st.integers(2, 5),
    samples=st.integers(1, 8),
    horizon=st.sampled_from([1, 2, 3, 40, 257]),
    logs=st.sampled_from([schedule, turning, rough, huge, broken]),
    whole=st.booleans(),
)
def test_any_functions(seed, terms, classes, samples, horizon, logs, whole):
    """Whole numbers make ties: what is exactly tied, or all absent, may be asked of the referee, and nothing else."""
    rng = np.random.default_rng(seed)
    shared, own = (rng.normal(size=(k, m, classes)) for k, m in zip(terms, (classes, samples), strict=True))
    if whole:
        shared, own = np.round(shared), np.round(own)
    labels = rng.integers(0, classes, samples)
    case = Terms(shared, own, logs(rng, horizon)[: sum(terms)], labels)
    asked = []

    def referee(times):
        asked.append(times)
        return judge(case, times)

    found, evaluated = accuracy(case, referee)
    np.testing.assert_array_equal(found, judge(case, range(horizon)))
    assert evaluated >= samples * (classes - 1)
    assert len(asked) <= 1
    assert all(closest(case, t) < SURE for t in np.concatenate([*asked, []]).astype(int))


# -- ties, and what float64 cannot tell --------------------------------------------------------------------------------


def test_classes_that_are_equal_in_every_term_tie_at_all_times():
    rng = np.random.default_rng(2)
    shared, own = rng.normal(size=(2, 4, 4)), rng.normal(size=(1, 40, 4))
    shared[:, :, 2], own[:, :, 2] = shared[:, :, 1], own[:, :, 1]
    case = Terms(shared, own, schedule(rng, 300)[:3], np.repeat(np.arange(4), 10))
    found, _ = accuracy(case, refuse)
    np.testing.assert_array_equal(found, judge(case, range(300)))
    assert found.max() <= 0.75


@pytest.mark.parametrize(("base", "beside"), [(5.0, 1e-13), (5.0, -1e-13), (1e5, 2e-11)])
def test_margins_within_rounding_of_zero_are_the_referees(base, beside):
    """Two terms that cancel at time 5, within the rounding of logarithms; the other sample is wrong."""
    logs = base + np.stack([np.arange(-5.0, 6.0), np.full(11, beside)])
    shared = np.zeros((2, 3, 3))
    shared[0, 0, 0], shared[1, 0, 1] = 1, 1
    own, labels = np.zeros((0, 2, 3)), np.array([0, 2])
    asked = []

    def referee(times):
        asked.append(times.tolist())
        return np.full(len(times), 0.123)

    found, _ = accuracy(Terms(shared, own, logs, labels), referee)
    np.testing.assert_array_equal(found, [0, 0, 0, 0, 0, 0.123, 0.5, 0.5, 0.5, 0.5, 0.5])
    assert asked == [[5]]
    shared[1, 0, 2] = 2  # class 2 makes the sample wrong at time 5: its decision rests on class 1 no more
    np.testing.assert_array_equal(accuracy(Terms(shared, own, logs, labels), refuse)[0], [0] * 6 + [0.5] * 5)


def test_margins_far_below_the_others_are_the_referees():
    """Class 0 beats class 1 by e^-2000 of the logits that both have over class 2: float64 sees nothing there."""
    logs = np.stack([np.zeros(1001), np.linspace(0, -2000, 1001)])
    shared = np.zeros((2, 3, 3))
    shared[0, 0], shared[1, 0] = (1, 1, 0), (1, 0.5, 0)
    case = Terms(shared, np.zeros((0, 1, 3)), logs, np.array([0]))
    asked = []
    found, evaluated = accuracy(case, lambda times: asked.extend(times) or np.ones(len(times)))
    np.testing.assert_array_equal(found, 1)
    assert 250 < min(asked) < 375
    assert max(asked) == 1000
    assert evaluated < 500


def test_no_sign_is_taken_from_the_larger_half_of_a_faint_margin():
    """1 - 2 e^-0.2 < 0, wherever between its terms the line from present to absent falls."""
    shared = np.zeros((4, 3, 3))
    shared[0, 0], shared[1, 0, 0], shared[2:, 0, 1] = (1, 1, 0), 1, 1
    for depth in np.arange(-620.0, -560.0, 0.1):
        logs = np.array([[0.0], [depth], [depth - 0.2], [depth - 0.2]])
        found, _ = accuracy(Terms(shared, np.zeros((0, 1, 3)), logs, np.array([0])), np.zeros_like)
        assert found == 0


def test_what_is_not_a_number_is_the_referees():
    case = Terms(np.full((1, 2, 2), np.nan), np.ones((1, 3, 2)), np.zeros((2, 5)), np.array([0, 1, 1]))
    np.testing.assert_array_equal(accuracy(case, lambda times: times / 8)[0], np.arange(5) / 8)


def test_steps_below_the_rounding_of_what_was_travelled_before():
    """A way of 1000, then 8e-9 in steps of 4e-14, which a sum that stands at 1000 does not feel."""
    slow = 4e-14 * np.arange(-199_999.0, 1.0)
    logs = np.stack([np.zeros(200_001), np.append(-1000.0, slow)])
    shared = np.zeros((2, 2, 2))
    shared[0, 0, 1], shared[1, 0, 0] = 1 - 6e-9, 1
    case = Terms(shared, np.zeros((0, 1, 2)), logs, np.array([0]))
    found, _ = accuracy(case, lambda times: judge(case, times))
    np.testing.assert_array_equal(found, np.append(0, slow > np.log(1 - 6e-9)))


def test_no_term_at_all_chooses_class_0():
    case = Terms(np.zeros((0, 3, 3)), np.zeros((0, 4, 3)), np.zeros((0, 7)), np.array([0, 1, 2, 0]))
    np.testing.assert_array_equal(accuracy(case, refuse)[0], np.full(7, 0.5))


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_all_right_and_all_wrong(share):
    own = np.zeros((1, 30, 3))
    labels = np.arange(30) % 3
    own[0, np.arange(30), labels] = 2 * share - 1
    found, evaluated = accuracy(Terms(np.zeros((0, 3, 3)), own, np.zeros((1, 500)), labels), refuse)
    np.testing.assert_array_equal(found, share)
    assert evaluated == 60


# -- horizons ----------------------------------------------------------------------------------------------------------


def test_a_million_steps_and_growth_by_a_hundred_thousand_e_folds():
    rng = np.random.default_rng(3)
    t = np.arange(1_000_001) / 1e6
    logs = np.stack([1e5 * t, 1e5 * t - 30 * t**2 + 5, np.full_like(t, -700.0), 0.99998e5 * t + 1])
    case = Terms(rng.normal(size=(2, 4, 4)), rng.normal(size=(2, 40, 4)), logs, np.repeat(np.arange(4), 10))
    found, evaluated = accuracy(case, refuse)
    times = changes_and_neighbours(found, 100, rng)
    assert len(np.unique(found)) > 5
    np.testing.assert_array_equal(found[times], judge(case, times))
    assert evaluated < 1e6 * 40 * 3 / 1000
