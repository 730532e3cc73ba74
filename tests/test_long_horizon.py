"""gamma = 0.05 at the paper's scale, where rounding has the last word in a training loop: judged in ball arithmetic."""

import numpy as np
import pytest
from flint import arb, arb_mat, ctx

from dynamics import Experiment, prepare, simulate
from theorems import solve

CLASSES, PER_CLASS, FEATURES, GAMMA, ETA = 100, 10, 512, 0.05, 0.1
BITS = {4_500: 200, 50_000: 260, 200_000: 700, 1_000_000: 5000}  # 60 digits, and more where the drowning needs it
RELATIVE = (
    1e-9  # of nc1 and nc3, whose logarithms reach 660: one rounding of those is 1e-13, 50 000 terms a little more
)


def paper(steps: int, points: int = 2) -> Experiment:
    return Experiment(problem=dict(gamma=GAMMA), method=dict(steps=steps, eta=ETA), output=dict(points=points))


class Enclosed:
    """The descent iterate at one step, lifted whole from Theorem 2 with products (1 + eta w), in ball arithmetic.

    Only the first sample of every ``stride``-th class is predicted; the class means use all samples.
    """

    def __init__(self, step: int, stride: int) -> None:
        _, state = prepare(paper(step))
        exact = [[arb(float(x)) for x in row] for row in np.asarray(state.features)]
        means = [
            [sum((exact[c * PER_CLASS + i][k] for i in range(PER_CLASS)), arb(0)) / PER_CLASS for k in range(FEATURES)]
            for c in range(CLASSES)
        ]
        prototypes = arb_mat([[arb(float(x)) for x in row] for row in np.asarray(state.prototypes)])
        root, gamma = arb(PER_CLASS).sqrt(), arb(GAMMA)
        sigma = [(1 + gamma) / (CLASSES * root), (1 + gamma - gamma * CLASSES) / (CLASSES * root)]
        multipliers = [((1 + arb(ETA) * s) ** step, (1 - arb(ETA) * s) ** step) for s in sigma]
        reduced = arb_mat(means) * root
        self.prototypes, lifted = arb_mat(CLASSES, FEATURES), arb_mat(CLASSES, FEATURES)
        for (up, down), project in zip(multipliers, (lambda x: x - class_mean(x), class_mean), strict=True):
            a, b = project(prototypes + reduced) * up, project(prototypes - reduced) * down
            self.prototypes, lifted = self.prototypes + (a + b) / 2, lifted + (a - b) / 2
        self.means = lifted / root
        self.labels = np.arange(0, CLASSES, stride)
        rows = [
            [self.means[c, k] + exact[c * PER_CLASS][k] - means[c][k] for k in range(FEATURES)]
            for c in range(0, CLASSES, stride)
        ]
        self.features = arb_mat(rows)
        residuals = (exact[i][k] - means[i // PER_CLASS][k] for i in range(len(exact)) for k in range(FEATURES))
        self.scatter = sum((r * r for r in residuals), arb(0))

    def predictions(self) -> list[int]:
        """The predicted class of every chosen sample; an argmax that the balls leave open is an error."""
        logits = self.features * self.prototypes.transpose()
        found = []
        for i in range(logits.nrows()):
            row = [logits[i, c] for c in range(CLASSES)]
            best = max(range(CLASSES), key=lambda c: row[c].mid())
            assert all(row[best] > row[c] for c in range(CLASSES) if c != best), "raise BITS"
            found.append(best)
        return found

    def collapse(self) -> dict[str, float]:
        """Alignment, nc1, ln nc2 and ln nc3 by their definitions, on arrays that have all their digits."""
        x, y = (rows - class_mean(rows) for rows in (self.means, self.prototypes))
        xx, yy, xy = inner(x, x), inner(y, y), inner(x, y)
        chord = (2 - 2 * xy / (xx * yy).sqrt()).sqrt()
        ctx.prec = 200  # nothing is left to cancel in what follows but for nc3, which is done
        gram = x * x.transpose()
        size = inner(gram, gram).sqrt()
        simplex = arb(CLASSES - 1).sqrt()
        cross = sum((gram[c, c] for c in range(CLASSES)), arb(0)) / (size * simplex)
        return {
            "alignment": float((xy / (xx * yy).sqrt()).mid()),
            "nc1": float((self.scatter / (PER_CLASS * xx)).mid().str(20, radius=False)),
            "nc2": float((2 - 2 * cross).sqrt().mid()),
            "nc3": float(chord.mid().str(20, radius=False)),
        }


def class_mean(rows: arb_mat) -> arb_mat:
    """The mean of the rows, repeated: a product with the matrix of ones would cost a hundred times more."""
    mean = [sum((rows[c, k] for c in range(CLASSES)), arb(0)) / CLASSES for k in range(FEATURES)]
    return arb_mat([mean] * CLASSES)


def inner(a: arb_mat, b: arb_mat) -> arb:
    return sum((a[i, k] * b[i, k] for i in range(a.nrows()) for k in range(a.ncols())), arb(0))


@pytest.mark.parametrize(("step", "stride"), [(4_500, 1), (50_000, 1), (200_000, 5), (1_000_000, 20)])
def test_accuracy_and_collapse_are_those_of_ball_arithmetic(step, stride):
    previous = ctx.prec
    ctx.prec = BITS[step]
    try:
        enclosed = Enclosed(step, stride)
        predicted, collapse = np.array(enclosed.predictions()), enclosed.collapse()
    finally:
        ctx.prec = previous
    exact = {name: values[-1] for name, values in solve(paper(step)).metrics.items()}
    assert exact["alignment"] == pytest.approx(collapse["alignment"], abs=1e-14)
    assert exact["nc2"] == pytest.approx(collapse["nc2"], abs=1e-12)
    assert exact["nc1"] == pytest.approx(collapse["nc1"], rel=RELATIVE)
    assert exact["nc3"] == pytest.approx(collapse["nc3"], rel=RELATIVE)
    if step >= 50_000:
        assert exact["accuracy"] == 1 / CLASSES
        assert len(set(predicted)) == 1
    else:
        share = np.mean(predicted == enclosed.labels)
        assert abs(share - exact["accuracy"]) < 0.1  # 100 of the 1000 samples stand for all: two standard deviations
        assert len(set(predicted)) > 1


def test_exact_accuracy_stays_at_one_over_c_from_its_drop_on():
    exact = solve(paper(1_000_000, 1001))
    accuracy = exact.metrics["accuracy"]
    assert accuracy[2] > 0.9
    assert np.all(accuracy[exact.times >= 10_000] == 1 / CLASSES)
    for name in ("alignment", "nc1", "nc2", "nc3", "log_norm", "log_abs_loss"):
        assert np.all(np.isfinite(exact.metrics[name])), name


def test_raw_logits_of_a_training_loop_leave_one_over_c_and_centred_ones_do_not():
    # Smaller p and C than the paper's, so that the drowning comes within seconds.
    experiment = Experiment(
        problem=dict(classes=20, per_class=5, features=32, gamma=0.4), method=dict(steps=8_000), output=dict(points=81)
    )
    simulated, exact = simulate(experiment), solve(experiment)
    late = simulated.times >= 1_000
    assert np.all(exact.metrics["accuracy"][late] == 1 / 20)
    assert np.any(simulated.metrics["accuracy_raw"][late] != 1 / 20)
