r"""Tirer and Bruna 2022; Dang et al. 2023: the squared error with weight decay, for any class sizes.

System: class sizes n_k, n samples in all, free features H (p x n), prototypes W (p x K), p >= K, no biases; the loss is

    L = |W^T H - Y|^2/(2n) + lW |W|^2/2 + lH |H|^2/2.

Ours is 2L with lambda_w = 2 lW and lambda_h = 2 lH, since our squared error has no factor 1/2. Our biases move; under
lambda_b = lambda_w, and with features `STRETCH` times as long as the prototypes (lW/lH is its square), they end at
order 1/STRETCH instead of 0. The rates' ratio STRETCH^2 lets both parts move equally fast.

Start: any but for a null set, since every minimum is global. Its gradient flow is followed until it rests.

Formula: at the minimum the prototypes are orthogonal, each feature is along the prototype of its class, and

    |w_k|^2 = sqrt(lH/lW) max(sqrt n_k - n sqrt(lW lH), 0),  |h|^2 = lW/(lH n_k) |w_k|^2;

class k vanishes if and only if n_k <= n^2 lW lH.

Why: every class by itself minimises n_k (w.h - 1)^2/(2n) + lW |w|^2/2 + lH n_k |h|^2/2: balanced, lW |w|^2 =
lH n_k |h|^2, and w.h = 1 - n sqrt(lW lH/n_k).

T. Tirer, J. Bruna, Extended unconstrained features model for exploring deep neural collapse, ICML 2022. H. Dang,
T. Tran, S. Osher, H. Tran-The, N. Ho, T. Nguyen, Neural collapse in deep linear networks: from balanced to imbalanced
data, ICML 2023, arXiv 2301.00437.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from dynamics import Experiment, State
from theorems.claim import MOVED, Change, Claim, Hypothesis
from theorems.evidence import measured
from theorems.reference import Path
from theorems.training import train
from theorems.verdict import Evidence, Strength, Verdict

SOURCE = "Tirer, Bruna, ICML 2022; Dang, Tran, Osher, Tran-The, Ho, Nguyen, arXiv 2301.00437"
STRETCH = 1e8  # sqrt(lW/lH): the biases, of order 1/STRETCH, are far below the tolerance
TIME = 400.0  # of the flow, over STRETCH, for rates of order 0.1
TOLERANCE = 1e-6  # of a matrix whose entries are of order one


@dataclass(frozen=True)
class Sizes:
    """The class sizes, the decay sqrt(lW lH), the number of features, and the seed of the start."""

    sizes: tuple[int, ...]
    decay: float
    features: int = 3
    seed: int = 0

    @property
    def is_wide(self) -> bool:
        """Whether there are as many features as classes."""
        return self.features >= len(self.sizes)

    def simulate(self) -> Path:
        """Return the scalar products of prototypes times sqrt(STRETCH) and features over it, as the flow rests."""
        time, root = TIME / STRETCH, STRETCH**0.5

        def products(state: State) -> np.ndarray:
            rows = np.concatenate([state.features / root, root * state.prototypes])
            return rows @ rows.T

        experiment = Experiment(
            problem=dict(
                loss="mse", classes=len(self.sizes), per_class=list(self.sizes), features=self.features
            ),
            scenario=dict(
                kind="regularized", lambda_h=2 * self.decay / STRETCH,
                lambda_w=2 * self.decay * STRETCH, lambda_b=2 * self.decay * STRETCH,
            ),
            method=dict(kind="flow", time=time, eta=1.0, ratio=STRETCH**2),
            start=dict(seed=self.seed, scale_h=root, scale_w=1 / root),
        )  # fmt: skip
        return train(experiment, np.array([0.0, time / 2, time]), products)


def squares(sizes: np.ndarray, decay: float, threshold: float = 1.0) -> np.ndarray:
    """Return sqrt(lW/lH) |w_k|^2 of every class, (K,).

    ``decay`` is sqrt(lW lH); ``threshold`` multiplies n times it.
    """
    return np.maximum(np.sqrt(sizes) - threshold * sizes.sum() * decay, 0.0)


def minimum(case: Sizes, x: float) -> Evidence:
    """Judge all scalar products of prototypes and features at rest; ``x`` scales n sqrt(lW lH)."""
    sizes = np.array(case.sizes)
    one_hot = np.repeat(np.eye(len(sizes)), sizes, axis=0)
    rows = np.vstack([one_hot / np.sqrt(sizes), np.eye(len(sizes))])
    expected = rows * squares(sizes, case.decay, x) @ rows.T
    states, error = case.simulate()
    gap, unrest = (float(np.linalg.norm(states[-1] - other)) for other in (expected, states[-2]))
    return measured(gap, error[-1] + unrest, TOLERANCE, f"the scalar products are {gap:.2g} off")


def cases(rng: np.random.Generator, x: float) -> Iterable[Sizes]:
    """Yield a decay at which all classes stand, and one at which the smallest vanishes."""
    yield Sizes((5, 3, 1), rng.uniform(0.02, 0.08), seed=int(rng.integers(100)))
    yield Sizes((5, 3, 1), rng.uniform(0.14, 0.16), seed=int(rng.integers(100)))


CLAIMS = (
    Claim(
        id="references.tirer.minimum",
        sentence="The gradient flow of the squared error with decay and no biases ends at orthogonal prototypes of the "
        "lengths below, every feature along its prototype; a class of n_k <= n^2 lW lH samples vanishes.",
        formula=r"\| w_k \|^2 = \sqrt{\lambda_H / \lambda_W} "
        r"\left( \sqrt{n_k} - n \sqrt{\lambda_W \lambda_H} \right)_+",
        source=SOURCE,
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.NUMERICAL,
        reference="this package's simulator (regularized gradient flow until it rests), biases of order 1e-8",
        check=minimum,
        cases=cases,
        lever=Change("the number n sqrt(lW lH)", MOVED),
        hypotheses=(
            Hypothesis(
                "there are as many features as classes",
                holds=lambda case: case.is_wide,
                broken=lambda rng: Sizes((5, 3, 1), 0.05, features=2),
            ),
        ),
    ),
)
