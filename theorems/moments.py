r"""Exact moments of stochastic gradient descent under the unhinged loss, and what shuffled epochs change.

For a batch of B of the n samples, drawn uniformly, and D = (n/B) times the indicator of the batch as a diagonal matrix,
a step is linear in Z = (H, W), and D does not know Z:

$$H \leftarrow (1-\eta_1 l_1)H + \eta_1 WMD, \qquad W \leftarrow (1-\eta_2 l_2)W + \eta_2 HDM'.$$

With batches that are independent over the steps the mean of Z is full-batch descent, since E D = I, and the mean of
Z'Z obeys a closed recursion, in which a batch enters by the inclusion of one sample, B/n, and of two,
B(B-1)/(n(n-1)): $E[D_{ii}^2] = n/B$ and $E[D_{ii}D_{jj}] = q = n(B-1)/(B(n-1))$. Columns of M are equal within a class,
so that the recursion closes over C x C matrices: with $s_c$ the sum of the features of class c, and m the matrix of M's
columns by class, over $U = E[s_c\cdot s_d]$, $V = E[s_c\cdot w_d]$, $K = E[w_c\cdot w_d]$ and
$t_c = E\sum_{i\in c}|h_i|^2$.

In an epoch of shuffled batches no sample comes twice, so they are not independent: for two of its batches
$E[D_{ii}D'_{ii}] = 0$ and $E[D_{ii}D'_{jj}] = n/(n-1)$. To second order in eta the mean of Z after the epoch differs
from full-batch descent by the sum of $\eta_j\eta_k$ over its pairs of steps, times

$$s\,\Big(H\,\frac{M'M - n\operatorname{diag}(M'M)}{n-1},\ -WMM'\Big),$$

which for two batches is exact. What is missing is that a sample acts back on itself. Where prototypes stay, nothing is.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from dynamics.errors import must
from dynamics.experiment import Experiment, changed
from dynamics.measure import METRICS
from dynamics.methods.sgd import Sgd
from dynamics.preparation import prepare
from dynamics.problem import Problem
from dynamics.simulation import unsorted
from dynamics.state import State
from dynamics.trajectory import Trajectory
from theorems.solution import solve


@dataclass(frozen=True, eq=False)
class Moments:
    """Means over all paths, at the saved times (T,): exact up to rounding, in float64.

    ``loss`` of all samples (T,); ``features`` and ``prototypes`` the mean squares |H|^2 and |W|^2 (T,); ``scatter`` the
    mean of sum_i |h_i - mu_c|^2 (T,); ``gram`` (T, 2C, 2C) the inner products of the class means and the prototypes.
    """

    times: np.ndarray
    zeta: np.ndarray
    loss: np.ndarray
    features: np.ndarray
    prototypes: np.ndarray
    scatter: np.ndarray
    gram: np.ndarray

    @property
    def square_norm(self) -> np.ndarray:
        """The mean of |Z|^2 = |H|^2 + |W|^2, (T,)."""
        return self.features + self.prototypes


def mean_path(experiment: Experiment, *, names: Iterable[str] = METRICS) -> Trajectory:
    """Return the exact motion of the mean state of SGD with independent batches: that of full-batch descent.

    Its metrics, all or those of ``names``, are those *of the mean state*: the mean of the loss is another number
    (`second_moments`).

    Raises:
        InputError: another method or loss, or shuffled batches.
    """
    _sgd(experiment)
    return solve(changed(experiment, {"method.kind": "descent"}), names=names)


def second_moments(experiment: Experiment) -> Moments:
    """Return the mean loss, mean squared norms and mean Gram matrix of SGD with independent batches, exactly.

    Each step costs some products of C x C matrices, whatever n and p are.

    Raises:
        InputError: another method or loss, or shuffled batches.
    """
    method = _sgd(experiment)
    problem, start = prepare(experiment)
    step = _Step.of(experiment, method.batch, problem)
    second, biases, rows = Second.of(problem, start), np.asarray(start.biases, float), []
    times, rates = experiment.times(), method.rates()
    for first, last in itertools.pairwise([0, *times.astype(int)]):
        for eta in rates[first:last]:
            second, biases = step.taken(second, biases, eta)
        rows.append(step.measured(second, biases))
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return Moments(times, method.zeta(times), *columns)


def epoch_bias(experiment: Experiment) -> State:
    """Return by how much the mean state after the first shuffled epoch differs from full-batch descent.

    To second order in eta; exact for an epoch of two batches. Features (n, p) in the order of the input.

    Raises:
        InputError: another method or loss.
    """
    method = _sgd(experiment, shuffled=True)
    problem, start = prepare(experiment)
    n, rates = problem.samples, method.rates()[: problem.samples // method.batch]
    pairs = method.ratio * (np.sum(rates) ** 2 - np.sum(rates**2)) / 2
    pairs *= experiment.scenario.moves_prototypes
    matrix, labels = class_matrix(problem), problem.labels
    own, sums = matrix.T @ matrix, problem.sizes[:, None] * problem.class_means(start.features)
    features = ((own @ sums)[labels] - n * np.diag(own)[labels][:, None] * start.features) / max(n - 1, 1)
    prototypes = -(matrix * problem.sizes) @ matrix.T @ start.prototypes
    return unsorted(problem, State(pairs * features, pairs * prototypes, np.zeros_like(start.biases)))


def class_matrix(problem: Problem) -> np.ndarray:
    """Return m (C, C): the column of M that all samples of a class have."""
    return (problem.alpha * np.eye(problem.classes) + problem.beta) * (problem.weights / problem.samples)


@dataclass(frozen=True, eq=False)
class Second:
    """U, V, K (C, C) and t (C,), see above."""

    sums: np.ndarray
    mixed: np.ndarray
    prototypes: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, problem: Problem, state: State) -> "Second":
        """Return those of one state."""
        sums = problem.sizes[:, None] * problem.class_means(np.asarray(state.features, float))
        squares = np.bincount(problem.labels, np.sum(np.asarray(state.features) ** 2, axis=1))
        return cls(sums @ sums.T, sums @ state.prototypes.T, state.prototypes @ state.prototypes.T, squares)

    def data_loss(self, matrix: np.ndarray) -> float:
        """Return the loss but for its biases, <W, HM'> with the other sign; ``matrix`` is `class_matrix`."""
        return -float(np.sum(matrix * self.mixed.T))


@dataclass(frozen=True, eq=False)
class _Step:
    """One step for the mean over its batch: ``own`` is E[D_ii^2], ``other`` q; ``moves`` is 0 where prototypes stay."""

    matrix: np.ndarray
    sizes: np.ndarray
    own: float
    other: float
    ratio: float
    moves: bool
    decays: tuple[float, ...]

    @classmethod
    def of(cls, experiment: Experiment, batch: int, problem: Problem) -> "_Step":
        n, numbers = problem.samples, experiment.scenario.numbers()
        return cls(
            matrix=class_matrix(problem),
            sizes=problem.sizes,
            own=n / batch,
            other=n * (batch - 1) / (batch * max(n - 1, 1)),
            ratio=experiment.method.ratio,
            moves=experiment.scenario.moves_prototypes,
            decays=tuple(numbers[f"lambda_{name}"] for name in "hwb"),
        )

    @property
    def drive(self) -> np.ndarray:
        """M 1, what moves the biases on average."""
        return self.matrix @ self.sizes

    def taken(self, now: Second, biases: np.ndarray, eta: float) -> tuple[Second, np.ndarray]:
        """Return the second moments, and the mean biases, after a step of rate eta."""
        m, count, eta1, eta2 = self.matrix, self.sizes[:, None], self.ratio * eta, self.moves * eta
        keeps_h, keeps_w = 1 - eta1 * self.decays[0], 1 - eta2 * self.decays[1]
        pushed, push = m.T @ now.mixed.T, m.T @ now.prototypes @ m  # W M against s, and against itself
        own, apart = np.diag(push) * self.sizes, self.own - self.other
        sums = keeps_h**2 * now.sums + keeps_h * eta1 * (count * pushed + (count * pushed).T)
        squares = keeps_h**2 * now.squares + 2 * keeps_h * eta1 * np.diag(pushed) + eta1**2 * self.own * own
        back = self.other * count * pushed + apart * np.diag(np.diag(pushed))
        mixed = keeps_h * keeps_w * now.mixed + keeps_w * eta1 * count * (m.T @ now.prototypes)
        pulled = m @ now.mixed
        prototypes = keeps_w**2 * now.prototypes + keeps_w * eta2 * (pulled + pulled.T)
        return Second(
            sums=sums + eta1**2 * (self.other * count * push * self.sizes + apart * np.diag(own)),
            mixed=mixed + eta2 * (keeps_h * now.sums + eta1 * back) @ m.T,
            prototypes=prototypes + eta2**2 * m @ (self.other * now.sums + apart * np.diag(now.squares)) @ m.T,
            squares=squares,
        ), (1 - eta2 * self.decays[2]) * biases + eta2 * self.drive

    def measured(self, now: Second, biases: np.ndarray) -> tuple[Any, ...]:
        """Return what `Moments` holds at one time."""
        loss = now.data_loss(self.matrix) - biases @ self.drive
        scatter = np.sum(now.squares - np.diag(now.sums) / self.sizes)
        means = now.mixed / self.sizes[:, None]
        gram = np.block([[now.sums / np.outer(self.sizes, self.sizes), means], [means.T, now.prototypes]])
        return loss, np.sum(now.squares), np.trace(now.prototypes), scatter, gram


def _sgd(experiment: Experiment, shuffled: bool = False) -> Sgd:
    """Return the method, or refuse what has no such moments."""
    method = experiment.method
    if not isinstance(method, Sgd):
        raise must("method.kind", "be 'sgd' to have moments", method.kind)
    if not experiment.problem.linear:
        raise must("problem.loss", "be 'unhinged' to have exact moments", experiment.problem.loss)
    if method.sampling == "shuffle" and not shuffled:
        cure = "Batches of an epoch depend on each other: theorems.epoch_bias says what that changes."
        raise must("method.sampling", "be 'independent' to have exact moments", method.sampling, cure)
    return method
