r"""The bridge to the squared error: near the origin it moves like the unhinged loss.

L = (1/n) norm(W'H + b 1' - Y)^2 with one-hot Y, and its gradient flow, eta1 = s eta2.

Why: write H = eps h, W = eps w, b = 1/C + eps^2 c. The residual is W'H + b 1' - Y = -(Y - J) + O(eps^2), J = 11'/C, so
h' = s (2/n) w (Y - J) + O(eps^2), and alike for w; and b' = -(2/n) (sum of residuals) is O(eps^2) in balanced classes,
where Y - J sums to zero over samples. At gamma = 1/(C-1) the unhinged M is (1/n) C/(C-1) (Y - J): the same flow, but
for time, which is multiplied by 2 (C-1)/C. Without b = 1/C the drive is Y instead of Y - J, for a time of order one.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from scipy.integrate import solve_ivp

from theorems.claim import MOVED, Change, Claim, Hypothesis
from theorems.evidence import both, measured
from theorems.instance import Instance, random_instance
from theorems.verdict import Evidence, Strength, Verdict

RTOL = 1e-12  # of the integrator; its error is taken as the difference from a run at 100 times that
SCALES = (3e-3, 3e-4)  # of the start: their distances differ by 100
ORDER = 1e-3  # of the measured power of eps, which is 2 + O(eps^2)
VANISHES = 2e-5  # at the smaller eps the distance is about 1e-6; a lever leaves 5e-4
REMAINS = 1e-3  # what a start with b = 0 keeps at least


@dataclass(frozen=True, eq=False)
class Squared:
    """A start of size one, to be scaled by eps, its time T, and the bias b_c = ``bias`` of every class."""

    instance: Instance
    time: float
    bias: float

    def distance(self, scale: float, rtol: float, factor: float) -> float:
        """Return the relative distance of (H, W) from the unhinged flow at ``factor`` 2(C-1)T/C."""
        c, start = self.instance.classes, scale * self.instance.state
        onehot = np.eye(c)[:, list(self.instance.labels)]

        def velocity(_: float, flat: np.ndarray) -> np.ndarray:
            z, b = flat[: start.size].reshape(start.shape), flat[start.size :]
            h, w = self.instance.split(z)
            residual = 2 / self.instance.samples * (w.T @ h + b[:, None] - onehot)
            moves = np.hstack([-self.instance.ratio * w @ residual, -h @ residual.T])
            return np.concatenate([moves.ravel(), -residual.sum(axis=1)])

        flat = np.concatenate([start.ravel(), np.full(c, self.bias)])
        atol = np.concatenate([np.full(start.size, rtol * scale), np.full(c, rtol * scale**2)])
        end = solve_ivp(velocity, (0.0, self.time), flat, "DOP853", rtol=rtol, atol=atol).y[: start.size, -1]
        expected = scale * self.instance.flow(factor * 2 * (c - 1) * self.time / c).ravel()
        return float(np.linalg.norm(end - expected) / np.linalg.norm(expected))


def bridge_cases(rng: np.random.Generator, x: float) -> Iterable[Squared]:
    """Yield several sizes; T = n/(3 sqrt s): the modes of the contrasts grow by e^(2 sqrt N/3)."""
    for classes, per_class in ((2, 2), (3, 2), (5, 1)):
        yield _squared(rng, classes, per_class)


def _squared(rng: np.random.Generator, classes: int, sizes: int | list[int]) -> Squared:
    instance = random_instance(rng, sizes, classes, 4, gamma=1 / (classes - 1))
    return Squared(instance, instance.samples / 3 / math.sqrt(instance.ratio), 1 / classes)


def bridge(case: Squared, x: float) -> Evidence:
    """Judge the order in eps, that the distance vanishes, and that b = 0 keeps it; ``x`` scales the time."""
    found, errors = [], []
    for scale in SCALES:
        values = [case.distance(scale, rtol, x) for rtol in (RTOL, 100 * RTOL)]
        found.append(values[0])
        errors.append(abs(values[0] - values[1]))
    power = math.log(found[0] / found[1]) / math.log(SCALES[0] / SCALES[1])
    doubt = sum(error / one for one, error in zip(found, errors, strict=True)) / math.log(SCALES[0] / SCALES[1])
    kept = replace(case, bias=0.0).distance(SCALES[1], RTOL, x)
    return both(
        measured(found[1], errors[1], VANISHES, f"eps = {SCALES[1]:g}: the distance is {found[1]:.2g}"),
        measured(max(REMAINS - kept, 0.0), 0.0, 0.0, f"from b = 0 the distance is {kept:.2g}"),
        measured(abs(power - 2), doubt, ORDER, f"the distance is of order eps^{power:.5f}"),
    )


CLAIMS = (
    Claim(
        id="bridge.mse",
        sentence="With balanced classes, b(0) = 1/C, and H(0) and W(0) of size eps, the gradient flow of the mean "
        "squared error at a fixed time T is that of the unhinged loss with gamma = 1/(C-1) at 2(C-1)T/C, up to a "
        "relative O(eps^2); from b(0) = 0 it is not, however small eps.",
        formula=r"\frac{\| Z_{\text{MSE}}(T) - Z(\frac{2(C-1)}{C} T) \|}{\| Z(\frac{2(C-1)}{C} T) \|} = O(\epsilon^2)",
        source="not in the paper",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.NUMERICAL,
        reference="SciPy's DOP853 on the gradient of the squared error, and the dense matrix exponential",
        check=bridge,
        cases=bridge_cases,
        lever=Change("the factor 2(C-1)/C of time", MOVED),
        hypotheses=(
            Hypothesis(
                "all classes have the same size",
                lambda case: len(set(np.bincount(case.instance.labels))) == 1,
                lambda rng: _squared(rng, 3, [3, 2, 1]),
            ),
            Hypothesis(
                "b(0) = 1/C",
                lambda case: case.bias == 1 / case.instance.classes,
                lambda rng: replace(_squared(rng, 3, 2), bias=0.0),
            ),
            Hypothesis(
                "gamma = 1/(C-1)",
                lambda case: case.instance.gamma == 1 / (case.instance.classes - 1),
                lambda rng: Squared(random_instance(rng, 2, 3, 4, gamma=0.25), 2.0, 1 / 3),
            ),
        ),
    ),
)
