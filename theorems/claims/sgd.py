r"""Mini-batches: what stochastic gradient descent does on average.

A step with batch B is Z <- Z (I + eta A_B) for Z = (H, W), with A_B = [[-s l1 I, M_B'], [s M_B, -l2 I]] and M_B built
from the samples of the batch alone. It is linear in Z, and A_B does not know Z.

Why the mean is full-batch descent: batches independent across steps make the mean of a product the product of the
means, and E M_B = M makes each of these I + eta A. So E Z_k is exactly the state of full-batch descent.

Why the order of the batches matters within an epoch: drawn without repetition, the m batches of an epoch are not
independent. E A_i A_j over i != j is (m A^2 - mean A_B^2)/(m - 1), with A the mean; summed over the m(m-1)/2 pairs, the
mean differs from m full-batch steps by -(eta^2/2) sum_B (A_B - A)^2 + O(eta^3).

Why second moments close: Z'Z becomes (I + eta A_B)' Z'Z (I + eta A_B), linear in Z'Z; so does its mean, and the loss
is linear in Z'Z.

Everything here is a rational number: all paths of batches are enumerated, nothing is rounded.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from flint import arb, fmpq, fmpq_mat

from theorems.claim import MOVED, Change, Claim, Hypothesis
from theorems.evidence import both, enclosed
from theorems.instance import label_operator
from theorems.verdict import Evidence, Strength, Verdict

Batch = tuple[int, ...]
Path = tuple[fmpq, tuple[int, ...]]  # the probability, and the index of the batch of every step


@dataclass(frozen=True, eq=False)
class Stochastic:
    """A small problem in rationals: Z = (H, W), batches with their probabilities, one rate a step.

    ``order`` is "independent" or "shuffled" (an epoch without repetition); with ``alternating`` W moves after H, and by
    the new H.
    """

    labels: tuple[int, ...]
    classes: int
    gamma: fmpq
    ratio: fmpq
    decays: tuple[fmpq, fmpq]
    state: fmpq_mat
    batches: tuple[Batch, ...]
    law: tuple[fmpq, ...]
    rates: tuple[fmpq, ...]
    order: str = "independent"
    alternating: bool = False

    def generator(self, batch: Sequence[int] | None = None) -> fmpq_mat:
        """Return A_B, written from the average loss over the batch; of all samples without one."""
        n, c = len(self.labels), self.classes
        operator = label_operator(self.labels, c, self.gamma, fmpq(1))
        rows = [[fmpq(0)] * (n + c) for _ in range(n + c)]
        for i in range(n) if batch is None else batch:
            for k in range(c):
                pull = operator[k][i] * fmpq(n, n if batch is None else len(batch))
                rows[n + k][i], rows[i][n + k] = self.ratio * pull, pull
        for k in range(n + c):
            rows[k][k] = -self.ratio * self.decays[0] if k < n else -self.decays[1]
        return fmpq_mat(rows)

    def paths(self) -> Iterator[Path]:
        """Yield every path of batches with its probability."""
        if self.order == "shuffled":
            orders = list(itertools.permutations(range(len(self.batches)), len(self.rates)))
            yield from ((fmpq(1, len(orders)), one) for one in orders)
            return
        for one in itertools.product(range(len(self.batches)), repeat=len(self.rates)):
            chance = fmpq(1)
            for index in one:
                chance *= self.law[index]
            yield chance, one

    def end(self, path: tuple[int, ...]) -> fmpq_mat:
        """Return Z after the steps of one path."""
        z, moves = self.state, [self.generator(batch) for batch in self.batches]
        for rate, index in zip(self.rates, path, strict=True):
            moved = z + z * moves[index] * rate
            if self.alternating:
                n = len(self.labels)
                half = _columns(moved, z, n)
                moved = _columns(moved, z + half * moves[index] * rate, n)
            z = moved
        return z

    def loss(self, z: fmpq_mat) -> fmpq:
        """Return the average unhinged loss, by its definition: a sum over samples of logits."""
        n, total = len(self.labels), fmpq(0)
        for i, label in enumerate(self.labels):
            for k in range(self.classes):
                logit = sum((z[row, i] * z[row, n + k] for row in range(z.nrows())), fmpq(0))
                total += logit * (fmpq(-1) if k == label else self.gamma)
        return total / n


def _columns(left: fmpq_mat, right: fmpq_mat, count: int) -> fmpq_mat:
    """Return the first columns of one matrix and the others of another."""
    rows, cols = left.nrows(), left.ncols()
    return fmpq_mat([[left[i, j] if j < count else right[i, j] for j in range(cols)] for i in range(rows)])


def _unit(size: int) -> fmpq_mat:
    return fmpq_mat([[fmpq(int(i == j)) for j in range(size)] for i in range(size)])


def _drawn(rng: np.random.Generator, batches: Sequence[Batch], law: Sequence[fmpq], steps: int) -> Stochastic:
    """Return a problem of four samples in three classes with random rationals."""

    def number(low: int = 1) -> fmpq:
        return fmpq(int(rng.integers(low, 10)), 10)

    state = fmpq_mat([[number(-10) for _ in range(4 + 3)] for _ in range(2)])
    rates = tuple(number() for _ in range(steps))
    decays = (number(), number())
    return Stochastic((0, 0, 1, 2), 3, number(), number() + 1, decays, state, tuple(batches), tuple(law), rates)


PAIRS = tuple(itertools.combinations(range(4), 2))
HALVES: tuple[Batch, ...] = ((0, 2), (1, 3))
SINGLES: tuple[Batch, ...] = ((0,), (1,), (2,), (3,))
UNEQUAL: tuple[Batch, ...] = ((0,), (1, 2, 3))


def cases(rng: np.random.Generator, x: float) -> Iterable[Stochastic]:
    """Yield batches of equal size, and of unequal sizes drawn in proportion to them."""
    yield _drawn(rng, HALVES, [fmpq(1, 2)] * 2, 4)
    yield _drawn(rng, SINGLES, [fmpq(1, 4)] * 4, 3)
    yield _drawn(rng, PAIRS, [fmpq(1, 6)] * 6, 3)
    yield _drawn(rng, UNEQUAL, [fmpq(1, 4), fmpq(3, 4)], 4)


def mean(case: Stochastic, x: float) -> Evidence:
    """Judge E Z_k against full-batch descent, and the second order of a shuffled epoch; ``x`` scales the full rate."""
    scale, full = _rational(x), case.generator()
    expected = case.state
    for rate in case.rates:
        expected = expected + expected * full * (scale * rate)
    found = _total(case.end(path) * chance for chance, path in case.paths())
    pieces = [_zero(found - expected, "the mean over all paths of batches")]
    if case.batches in (HALVES, SINGLES):
        pieces += _epoch([case.generator(batch) for batch in case.batches], scale * full)
    return both(*pieces)


def _epoch(moves: list[fmpq_mat], full: fmpq_mat) -> list[Evidence]:
    """Judge the powers of eta in the mean over all orders of an epoch, against as many full-batch steps."""
    orders = list(itertools.permutations(moves))
    share = fmpq(1, len(orders))
    linear, square = (_total(series) * share for series in zip(*map(_series, orders), strict=True))
    full_linear, full_square = _series([full] * len(moves))
    spread = _total((one - full) * (one - full) for one in moves)
    same = fmpq(int(spread == spread * 0))
    return [
        enclosed(arb(same), 0.0, "all batches are equal"),
        _zero(linear - full_linear, "the first order of a shuffled epoch"),
        _zero(square - full_square + spread * fmpq(1, 2), "the second order of a shuffled epoch"),
    ]


def _series(moves: Sequence[fmpq_mat]) -> tuple[fmpq_mat, fmpq_mat]:
    """Return the coefficients of t and t^2 in the product of I + t A."""
    linear, square = moves[0] * 0, moves[0] * 0
    for one in moves:
        linear, square = linear + one, square + linear * one
    return linear, square


def second_moment(case: Stochastic, x: float) -> Evidence:
    """Judge E Z'Z and E loss against the recursion on G = Z'Z; ``x`` scales the rate in the recursion."""
    scale, size, n = _rational(x), case.state.ncols(), len(case.labels)
    moment = case.state.transpose() * case.state
    for rate in case.rates:
        moves = [_unit(size) + case.generator(batch) * (scale * rate) for batch in case.batches]
        moment = _total(one.transpose() * moment * one * chance for one, chance in zip(moves, case.law, strict=True))
    ends = [(chance, case.end(path)) for chance, path in case.paths()]
    found = _total(z.transpose() * z * chance for chance, z in ends)
    operator = label_operator(case.labels, case.classes, case.gamma, fmpq(1))
    pairs = itertools.product(range(case.classes), range(n))
    predicted = -sum((operator[k][i] * moment[n + k, i] for k, i in pairs), fmpq(0))
    loss = sum((chance * case.loss(z) for chance, z in ends), fmpq(0))
    by_loss = enclosed(arb(loss - predicted), 0.0, f"E loss = {float(Fraction(int(loss.p), int(loss.q))):.6f}")
    return both(_zero(found - moment, "the mean of Z'Z over all paths"), by_loss)


def _total(matrices: Iterable[fmpq_mat]) -> fmpq_mat:
    first, *others = matrices
    for one in others:
        first = first + one
    return first


def _zero(difference: fmpq_mat, what: str) -> Evidence:
    """Return the evidence that a rational matrix is zero: its largest entry, exactly."""
    largest = max(difference.entries(), key=abs)
    return enclosed(arb(largest), 0.0, f"{what}: {'equal' if largest == 0 else 'not equal'}, exactly")


def _rational(x: float) -> fmpq:
    exact = Fraction(str(x))
    return fmpq(exact.numerator, exact.denominator)


def _unbiased(case: Stochastic) -> bool:
    """Return whether E A_B is the A of all samples."""
    moves = (case.generator(batch) * chance for batch, chance in zip(case.batches, case.law, strict=True))
    return _total(moves) == case.generator()


def _shuffled(rng: np.random.Generator) -> Stochastic:
    return replace(_drawn(rng, HALVES, [fmpq(1, 2)] * 2, 2), order="shuffled")


INDEPENDENT = Hypothesis(
    "the batches are independent across steps", lambda case: case.order == "independent", _shuffled
)

CLAIMS = (
    Claim(
        id="sgd.mean",
        sentence="With simultaneous updates, batches that are independent across steps, and E M_B = M, the mean of "
        "stochastic descent is exactly full-batch descent; that of an epoch of equally large shuffled batches at a "
        "constant rate differs from it, first by -(eta^2/2) Z sum_B (A_B - A)^2.",
        formula=r"E[Z_k] = Z_0 \prod_{j<k} (I + \eta_j A), \quad "
        r"E[Z_m]_{\text{shuffled}} = Z_0 (I + \eta A)^m - \frac{\eta^2}{2} Z_0 \sum_B (A_B - A)^2 + O(\eta^3)",
        source="not in the paper",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.ENCLOSED,
        reference="all paths of batches, enumerated in exact rational arithmetic",
        check=mean,
        cases=cases,
        lever=Change("the rate of full-batch descent", MOVED),
        hypotheses=(
            INDEPENDENT,
            Hypothesis(
                "E M_B = M",
                _unbiased,
                lambda rng: _drawn(rng, UNEQUAL, [fmpq(1, 2)] * 2, 3),
            ),
            Hypothesis(
                "features and prototypes are updated simultaneously",
                lambda case: not case.alternating,
                lambda rng: replace(_drawn(rng, HALVES, [fmpq(1, 2)] * 2, 3), alternating=True),
            ),
        ),
    ),
    Claim(
        id="sgd.second-moment",
        sentence="With simultaneous updates and batches that are independent across steps, E Z'Z obeys a closed linear "
        "recursion over the law of one batch, and gives the mean of the loss.",
        formula=r"E[G_{k+1}] = \sum_B P(B)\,(I + \eta_k A_B)^T\, E[G_k]\,(I + \eta_k A_B), \quad G = Z^T Z",
        source="not in the paper",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.ENCLOSED,
        reference="all paths of batches, enumerated in exact rational arithmetic",
        check=second_moment,
        cases=cases,
        lever=Change("the rate in the recursion", MOVED),
        hypotheses=(
            INDEPENDENT,
            Hypothesis(
                "features and prototypes are updated simultaneously",
                lambda case: not case.alternating,
                lambda rng: replace(_drawn(rng, HALVES, [fmpq(1, 2)] * 2, 3), alternating=True),
            ),
        ),
    ),
)
