r"""A random problem written out densely, as a reference for claims: nothing here knows a singular mode.

The label operator is a full C x n matrix, the flow is one matrix exponential (SciPy's, or python-flint's with its error
bound), descent is a loop. Slow and plain on purpose: it must share no formula with what it judges.
Arrays follow the paper: H is p x n, one column a sample (class-major), W is p x C.
"""

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from flint import arb, arb_mat
from scipy.linalg import expm

from theorems import balls


def class_major(sizes: Iterable[int]) -> tuple[int, ...]:
    """Return the label of every sample, class by class, from the class sizes."""
    return tuple(c for c, size in enumerate(sizes) for _ in range(size))


def label_operator(labels: Sequence[int], classes: int, gamma: Any, one: Any = 1) -> list[list[Any]]:
    """Return M, C x n: M[c][i] = 1/n for the own class, -gamma/n for the others, in the number type of ``one``."""
    n = len(labels)
    return [[(one if label == c else -gamma) / n for label in labels] for c in range(classes)]


@dataclass(frozen=True, eq=False)
class Instance:
    """A problem and its start: labels (n,), gamma, s = eta1/eta2 (``ratio``), decays, H (p, n), W (p, C), b (C,)."""

    labels: tuple[int, ...]
    gamma: float
    ratio: float
    features: np.ndarray
    prototypes: np.ndarray
    biases: np.ndarray
    lambda_h: float = 0.0
    lambda_w: float = 0.0

    @property
    def classes(self) -> int:
        """The number of classes, C."""
        return self.prototypes.shape[1]

    @property
    def samples(self) -> int:
        """The number of samples, n."""
        return len(self.labels)

    @property
    def per_class(self) -> int:
        """N: the samples of a class, where all have the same."""
        return self.samples // self.classes

    @cached_property
    def operator(self) -> np.ndarray:
        """M, (C, n)."""
        return np.array(label_operator(self.labels, self.classes, self.gamma), dtype=float)

    @cached_property
    def generator(self) -> np.ndarray:
        """G with d(H, W)/d zeta = (H, W) G, square of size n + C: eq. (5) and (12)."""
        s, m = self.ratio, self.operator
        return np.block(
            [[-s * self.lambda_h * np.eye(self.samples), m.T], [s * m, -self.lambda_w * np.eye(self.classes)]]
        )

    def generator_enclosed(self) -> arb_mat:
        """Return an enclosure of G at the precision in force: of what gamma/n is, not of its float64 value."""
        operator = label_operator(self.labels, self.classes, arb(self.gamma), arb(1))
        return balls.generator(operator, self.ratio, self.lambda_h, self.lambda_w)

    @property
    def state(self) -> np.ndarray:
        """Z = (H, W), (p, n + C)."""
        return np.hstack([self.features, self.prototypes])

    def split(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (H, W) of a state."""
        return z[:, : self.samples], z[:, self.samples :]

    def flow(self, zeta: float) -> np.ndarray:
        """Return Z at a time of the clock zeta = int eta2, by SciPy's matrix exponential."""
        return self.state @ expm(zeta * self.generator)

    def flow_enclosed(self, zeta: Any) -> arb_mat:
        """Return an enclosure of Z, at the precision in force."""
        return balls.exact(self.state) * (self.generator_enclosed() * arb(zeta)).exp()

    def descent(self, rates: Iterable[float]) -> np.ndarray:
        """Return Z after simultaneous steps with eta2 = rate, eta1 = s rate, one after another."""
        z = self.state
        for rate in rates:
            z = z + rate * (z @ self.generator)
        return z


def random_instance(
    rng: np.random.Generator,
    sizes: Sequence[int] | int = 2,
    classes: int = 4,
    features: int = 5,
    *,
    gamma: float | None = None,
    ratio: float | None = None,
    lambda_h: float = 0.0,
    lambda_w: float = 0.0,
) -> Instance:
    """Return a Gaussian start; ``sizes`` is N or the list of class sizes; gamma and s are drawn where not given."""
    sizes = [sizes] * classes if isinstance(sizes, int) else list(sizes)
    drawn = rng.uniform(0.05, 1.5), rng.choice([0.4, 0.7, 1.6, 2.5])
    return Instance(
        class_major(sizes),
        float(drawn[0] if gamma is None else gamma),
        float(drawn[1] if ratio is None else ratio),
        rng.standard_normal((features, sum(sizes))),
        rng.standard_normal((features, len(sizes))),
        rng.standard_normal(len(sizes)),
        lambda_h,
        lambda_w,
    )


def simulated(instance: Instance, scenario: dict[str, Any], method: dict[str, Any], points: int = 2) -> Any:
    """Return the public simulator's `Trajectory` from an instance's start: its last state has rows, (n, p) and (C, p).

    ``scenario`` and ``method`` are the tables of an experiment; s and the decays are the instance's where the scenario
    has them.
    """
    from dynamics import Experiment, simulate

    decays = {"lambda_h": instance.lambda_h, "lambda_w": instance.lambda_w}
    if scenario["kind"] == "regularized":
        scenario = decays | scenario
    sizes = np.bincount(instance.labels, minlength=instance.classes).tolist()
    with tempfile.TemporaryDirectory() as folder:
        start = Path(folder) / "start.npz"
        np.savez(
            start,
            H=instance.features,
            W=instance.prototypes,
            b=instance.biases,
            labels=np.array(instance.labels),
        )
        experiment = Experiment(
            problem={
                "classes": instance.classes,
                "per_class": sizes,
                "features": instance.features.shape[0],
                "gamma": instance.gamma,
            },
            scenario=scenario,
            method={"ratio": instance.ratio, **method},
            start={"file": str(start)},
            output={"points": points},
        )
        return simulate(experiment)
