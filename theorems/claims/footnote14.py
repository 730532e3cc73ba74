r"""Footnote 14: which sign of the softmax objective yields a simplex equiangular tight frame (ETF).

Unit prototypes m_c and unit features h_c, one for each class, and F = sum_c log softmax_c(s m_1 . h_c, ..., s m_C .
h_c).

Why minimising F as printed fails: each term is minus the log of sum_j exp(s (m_j - m_c) . h_c), so the smallest F
pushes every feature away from its own prototype and towards the others. For C = 3, m = (-e, e, e) with h = -m gets
lower than an ETF with its best features. With a minus sign F becomes the cross-entropy, and the ETF is the best.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from theorems.claim import REVERSED, Change, Claim, Hypothesis
from theorems.evidence import counterexample
from theorems.verdict import Evidence, Strength, Verdict

ANGLES = 7200  # of a feature, searched for the best one; a multiple of 3, so that the ETF itself is among them
TOLERANCE = 0.05  # nats; the search errs by at most 3 s pi/7200 sqrt 3 < 0.01 for s <= 4, the counterexample by 0.3
SQUARE = 3.0  # of the distance between two prototypes of the ETF of three classes


@dataclass(frozen=True, eq=False)
class Competitor:
    """Angles of three unit prototypes and of three unit features in the plane, and the scale s."""

    name: str
    scale: float
    prototypes: np.ndarray
    features: np.ndarray


def terms(scale: float, prototypes: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Return log softmax_c(s m_1 . h, ..., s m_C . h) for each class c (rows) and each feature h; all are angles."""
    logits = scale * np.cos(prototypes[:, None] - features[None, :])
    return logits - np.logaddexp.reduce(logits, axis=0)


def competitors(rng: np.random.Generator, x: float) -> Iterable[Competitor]:
    """Yield one prototype against two, and random configurations, at several scales."""
    collapsed = np.array([np.pi, 0.0, 0.0])
    for scale in (1.0, 2.0, 4.0):
        yield Competitor("m = (-e, e, e), h = -m", scale, collapsed, collapsed + np.pi)
        yield Competitor("m = (-e, e, e), h = m", scale, collapsed, collapsed)
        yield Competitor("random m, h", scale, *rng.uniform(0, 2 * np.pi, (2, 3)))


def frame_is_best(case: Competitor, x: float) -> Evidence:
    """Judge that no configuration has a smaller ``x`` F than the ETF with its best features."""
    frame, angles = 2 * np.pi * np.arange(3) / 3, 2 * np.pi * np.arange(ANGLES) / ANGLES
    best = np.min(x * terms(case.scale, frame, angles), axis=1).sum()
    other = x * np.trace(terms(case.scale, case.prototypes, case.features))
    # Each term changes by at most s |m_j - m_c| per radian, and the nearest angle searched is half a step away.
    error = 3 * case.scale * np.sqrt(SQUARE) * np.pi / ANGLES
    where = f"C = 3, s = {case.scale:.0f}: {case.name} has {other:.3f}; the ETF with its best features has {best:.3f}"
    return counterexample(max(best - other, 0.0), where, float(error), TOLERANCE)


CLAIMS = (
    Claim(
        id="footnote14.objective.printed",
        sentence="For three or more classes, minimising the sum over the classes of the log softmax of unit "
        "prototypes and unit features yields prototypes that form a simplex ETF.",
        formula=r"\hat M \in \text{argmin} \sum_{i=1}^{C} \log \frac{\exp(s \hat m_i^\top \hat h_i)}{\sum_{j=1}^{C} "
        r"\exp(s \hat m_j^\top \hat h_i)} \Rightarrow \hat m_i^\top \hat m_j = -\frac{1}{C-1}",
        source="Footnote 14 (i), p. 15",
        page=15,
        form="printed",
        expected=Verdict.REFUTED,
        strength=Strength.WITNESS,
        reference="another configuration against the ETF with the best of 7200 angles for each feature",
        check=frame_is_best,
        cases=competitors,
        repair=Change("the sign of the objective", REVERSED),
        hypotheses=(
            Hypothesis("there are at least three classes", holds=lambda case: len(case.prototypes) >= 3),
            Hypothesis("the scale is positive", holds=lambda case: case.scale > 0),
        ),
    ),
)
