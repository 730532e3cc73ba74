"""The phase diagram: its regions against dense eigenvalues, its boundaries exactly, its samples within the margin."""

import numpy as np
import pytest

from dynamics import prepare
from theorems import phases
from theorems.figures import phase_diagram as figure
from theorems.phases import Phase, decay_of, phase, phase_of, predicted_growth, sample, simulated_growth

NEAR = 5e-4  # relative distance of a decay from a boundary at which the sign must be right: half of 0.1 %
MOVED = 1.001  # a formula wrong by this must be seen
GROWTH = 1e-9  # e-folds: rounding of the loser of a simulation, which the winner outgrows by e^20; measured 6e-11


def dense_exponents(experiment) -> tuple[float, float]:
    """Return the largest exponents of contrasts and mean: eigenvalues of the dense generator on (H/sqrt s, W).

    Nothing is used but the loss: column i of M is (e_y - gamma sum of the others)/n.
    """
    table, numbers, s = experiment.problem, experiment.scenario.numbers(), experiment.method.ratio
    n, c, gamma = table.samples(), table.classes, table.gamma_value(table.classes)
    own = np.eye(c)[:, np.repeat(np.arange(c), n // c)]
    m = (own - gamma * (1 - own)) / n
    g = np.block(
        [
            [-s * numbers["lambda_h"] * np.eye(n), np.sqrt(s) * m.T],
            [np.sqrt(s) * m, -numbers["lambda_w"] * np.eye(c)],
        ]
    )
    centring = np.eye(c) - 1 / c
    per_class = own / np.sqrt(n / c)  # rows: unit vectors of the class means
    found = []
    for part in (np.linalg.svd(centring)[0][:, :-1], np.full((c, 1), c**-0.5)):
        basis = np.block([[per_class.T @ part, np.zeros((n, part.shape[1]))], [np.zeros_like(part), part]])
        assert np.allclose(g @ basis, basis @ (basis.T @ g @ basis), atol=1e-14)  # the part moves by itself
        found.append(np.linalg.eigvalsh(basis.T @ g @ basis)[-1])
    return found[0], found[1]


def draws(count: int):
    """Yield experiments with random sizes, gammas, decays and ratios."""
    rng = np.random.default_rng(11)
    for _ in range(count):
        classes, per_class = int(rng.integers(2, 8)), int(rng.integers(1, 4))
        gamma = rng.uniform(0, 2 * min(phases.tie(classes), 2.0))
        top = max(phases.strengths(gamma, classes))
        ratio, odds = 10 ** rng.uniform(-1, 1, 2)
        yield sample(gamma, rng.uniform(0, 1.3) * top, classes=classes, per_class=per_class, ratio=ratio, odds=odds)


def near_boundaries(count: int):
    """Yield (experiment, index of the sign, its value): just above and below each of the three boundaries."""
    rng = np.random.default_rng(12)
    for _ in range(count):
        classes, side = int(rng.integers(3, 8)), int(rng.choice([-1, 1]))
        ratio, odds = 10 ** rng.uniform(-1, 1, 2)
        gamma = rng.uniform(0, 2) * phases.tie(classes)
        for index, sigma in enumerate(dense_strengths(gamma, classes)):
            decay = sigma * (1 - side * NEAR)
            yield sample(gamma, decay, classes=classes, ratio=ratio, odds=odds), index, side
        gamma = phases.tie(classes) * (1 - side * NEAR)
        yield sample(gamma, rng.uniform(0, 3), classes=classes, ratio=ratio, odds=odds), 2, side


def dense_strengths(gamma: float, classes: int) -> tuple[float, float]:
    """Return sqrt(C n) times what the dense M does to contrasts and to the mean."""
    label = (1 + gamma) * np.eye(classes) - gamma
    contrast = np.eye(classes)[0] - np.eye(classes)[1]
    return float(np.linalg.norm(label @ contrast) / 2**0.5), float(abs(label.sum(axis=0)[0]))


def wrong(candidate) -> int:
    """Return at how many draws a phase function differs from the dense exponents."""
    count = 0
    for one in draws(200):
        contrasts, mean = dense_exponents(one)
        true = tuple(map(int, np.sign([contrasts, mean, contrasts - mean])))
        classes = one.problem.classes
        count += true != tuple(map(int, candidate(one.problem.gamma, decay_of(one), classes)))
    for one, index, side in near_boundaries(30):
        assert np.sign(np.array([*(e := dense_exponents(one)), e[0] - e[1]]))[index] == side
        count += side != candidate(one.problem.gamma, decay_of(one), one.problem.classes)[index]
    return count


def test_the_regions_are_those_of_the_dense_generator():
    assert wrong(phase) == 0


MISTAKES = {
    "contrasts": lambda g, d, c: phase(g, d, c)._replace(contrasts=phase(g, d / MOVED, c).contrasts),
    "mean": lambda g, d, c: phase(g, d, c)._replace(mean=phase(g, d * MOVED, c).mean),
    "tie too low": lambda g, d, c: phase(g, d, c)._replace(ahead=phase(g * MOVED, d, c).ahead),
    "tie too high": lambda g, d, c: phase(g, d, c)._replace(ahead=phase(g / MOVED, d, c).ahead),
    "swapped": lambda g, d, c: Phase(*np.array(phase(g, d, c))[[1, 0, 2]]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_boundary_is_noticed(mistake):
    assert wrong(MISTAKES[mistake]) > 0


def test_the_decays_enter_by_their_product():
    uneven, even = (sample(0.2, 1.1, classes=5, odds=odds) for odds in (16.0, 1.0))
    assert phase_of(uneven) == phase_of(even) == Phase(1, -1, 1)
    numbers = uneven.scenario.numbers()
    arithmetic = 5 * np.sqrt(2) * (numbers["lambda_h"] + numbers["lambda_w"]) / 2
    assert phase(0.2, arithmetic, 5).contrasts == -1


@pytest.mark.parametrize("classes", [3, 4, 5, 10, 100])
def test_the_boundaries_are_exact(classes):
    gammas = np.concatenate([np.linspace(0, 3, 40) * phases.tie(classes), [phases.standstill(classes)]])
    contrasts, mean = phases.strengths(gammas, classes)
    assert not phase(gammas, contrasts, classes).contrasts.any()
    assert not phase(gammas, mean, classes).mean.any()
    assert phase([0.0, phases.tie(classes)], 1.0, classes).ahead.tolist() == [0, 0]
    still = phase(phases.standstill(classes), [0.0, 1e-9], classes)
    assert still.mean.tolist() == [0, -1]


def test_two_classes_have_no_tie_but_gamma_0():
    assert phases.tie(2) == np.inf
    assert (phase(np.geomspace(1e-3, 1e6, 20), 1.0, 2).ahead == 1).all()


def test_the_strengths_are_straight_between_the_kinks():
    """What lets the figure draw its regions from four gammas."""
    kinks = [0, phases.standstill(figure.CLASSES), phases.tie(figure.CLASSES), figure.GAMMA]
    gammas = np.linspace(0, figure.GAMMA, 101)
    for k in (0, 1):
        line = np.interp(gammas, kinks, phases.strengths(kinks, figure.CLASSES)[k])
        assert np.allclose(line, phases.strengths(gammas, figure.CLASSES)[k], rtol=0, atol=1e-15)


def test_phases_of_arrays_broadcast_and_count_what_grows():
    found = phase(np.array([[0.1], [0.9]]), np.array([0.2, 1.5, 3.5]), 5)
    assert found.growing.tolist() == [[2, 0, 0], [2, 2, 0]]
    assert found.ahead.shape == (2, 1)
    assert phase(0.9, 2.2, 5).growing == 1  # the mean alone: past 2/(C-2) its curve is the critical one
    assert phase(0.4, 1.2, 5).growing == 1  # the contrasts alone


def test_a_sample_has_the_decay_that_it_was_made_for():
    for decay, odds in ((0.0, 1.0), (1.3, 1.0), (2.0, 0.3)):
        one = sample(0.3, decay, classes=5, per_class=3, ratio=2.0, odds=odds)
        assert decay_of(one) == pytest.approx(decay, rel=1e-14)
        numbers = one.scenario.numbers()
        assert numbers["lambda_h"] == pytest.approx(odds * numbers["lambda_w"], rel=1e-14)


def outside(moved: float = 1.0) -> int:
    """Return how many of ten simulations do not grow as predicted, up to the lag, from a gamma and decays moved."""
    count = 0
    for one, decay in figure.samples(quick=True)[:10]:
        numbers, table = one.scenario.numbers(), one.problem
        other = sample(
            moved * table.gamma,
            moved * decay,
            classes=table.classes,
            ratio=one.method.ratio,
            odds=float(numbers["lambda_h"] / numbers["lambda_w"]),
            seed=one.start.seed,
        )
        growth, lag = predicted_growth(other)
        behind = np.subtract(growth, simulated_growth(one))
        count += bool(np.any(behind < -GROWTH) or np.any(behind > np.add(lag, GROWTH)))
    return count


def test_simulations_grow_as_predicted_up_to_the_lag():
    assert outside() == 0


def test_a_wrong_prediction_is_noticed():
    assert outside(MOVED) == 10


def test_the_lag_is_not_zero_where_falling_modes_are_slow():
    growth, lag = predicted_growth(sample(phases.standstill(5), 0.3, classes=5))
    assert lag.mean > 0.1 > lag.contrasts
    assert growth.contrasts > 0 > growth.mean


def test_no_sample_of_the_figure_differs_and_few_are_too_close_to_call():
    verdicts = [figure.Seen.of(*one).verdict for one in figure.samples(quick=False)]
    assert "differs" not in verdicts
    assert verdicts.count("too close to call") <= 0.02 * len(verdicts)


def test_samples_on_the_lines_are_seen_to_stand_still():
    points = figure.samples(quick=True)[-figure.ON_CURVE - figure.ON_TIE :]
    curve, line = points[: figure.ON_CURVE], points[figure.ON_CURVE :]
    assert all(max(simulated_growth(one).phase[:2]) == 0 for one, _ in curve)
    assert all(simulated_growth(one).phase.ahead == 0 for one, _ in line)


@pytest.mark.parametrize("mistake", ["swapped", "critical curve of sigma1 alone"])
def test_the_samples_notice_a_wrong_diagram(monkeypatch, mistake):
    def mistaken(experiment) -> Phase:
        true = phase_of(experiment)
        if mistake == "swapped":
            return Phase(true.mean, true.contrasts, -true.ahead)
        return true._replace(mean=true.contrasts if true.ahead < 0 else true.mean)

    monkeypatch.setattr(figure, "phase_of", mistaken)
    assert "differs" in [figure.Seen.of(*one).verdict for one in figure.samples(quick=True)]


def test_the_first_samples_of_all_phases_stand_beside_the_figure():
    (found,) = figure.PhaseDiagram.experiments(quick=False)
    assert len(found) >= 6
    for one in found.values():
        problem, _ = prepare(one)
        assert problem.balanced
