r"""Fukumizu 1998; Braun, Dominé, Fitzgerald and Saxe 2022: a deep linear network that starts unaligned but balanced.

System: two layers W1 (h x d), W2 (o x h), whitened inputs, S the correlation of outputs with inputs, invertible.
Gradient flow of |S - W2 W1|^2/2; with Q = (W1^T; W2) and F = [[0, S^T], [S, 0]].

Start: any with W1 W1^T = W2^T W2 (zero-balanced).

Formula: with Q0 = Q(0),

    Q Q^T(t) = e^(Ft) Q0 [I + (1/2) Q0^T (e^(Ft) F^-1 e^(Ft) - F^-1) Q0]^-1 Q0^T e^(Ft).

Why: balanced, W1 W1^T = W2^T W2 = Q^T Q/2 at all times, so Q' = F Q - Q Q^T Q/2 and (Q Q^T)' = F Q Q^T + Q Q^T F -
(Q Q^T)^2, a matrix Riccati equation. Its linear part alone is the flow of the unhinged loss: with S = M, the label
operator, H = W1 and W = W2^T move as e^(Ft) Q0. What the squared error adds is the bracket.

K. Fukumizu, Effect of batch learning in multilayer neural networks, ICONIP 1998. L. Braun, C. C. J. Dominé,
J. E. Fitzgerald, A. M. Saxe, Exact learning dynamics of deep linear networks with prior knowledge, NeurIPS 2022.
"""

from collections.abc import Iterable

import numpy as np
from scipy.linalg import expm

from theorems.claim import MOVED, Change, Claim, Hypothesis
from theorems.deep_linear import Network, frame
from theorems.evidence import measured
from theorems.instance import Instance, random_instance, simulated
from theorems.reference import same
from theorems.verdict import Evidence, Strength, Verdict

SOURCE = "Fukumizu, ICONIP 1998; Braun, Dominé, Fitzgerald, Saxe, NeurIPS 2022"
SIZE, HIDDEN = 3, 4  # inputs and outputs; hidden units
TIMES = np.linspace(0.0, 4.0, 9)
LATE = 2.0  # time of the unhinged flow
TOLERANCE = 1e-10  # measured 3e-12, the rounding of the formula; the simulator's own bound is 6e-12


def doubled(target: np.ndarray) -> np.ndarray:
    """Return F = [[0, S^T], [S, 0]] of S (o, d), (d + o, d + o)."""
    rows, columns = target.shape
    return np.block([[np.zeros((columns, columns)), target.T], [target, np.zeros((rows, rows))]])


def riccati(target: np.ndarray, start: np.ndarray, t: float, half: float = 0.5) -> np.ndarray:
    """Return Q Q^T at time t from Q0 (d + o, h), for an invertible S; ``half`` is the number before the bracket."""
    f = doubled(target)
    grown, inverse = expm(t * f), np.linalg.inv(f)
    inner = np.eye(start.shape[1]) + half * start.T @ (grown @ inverse @ grown - inverse) @ start
    return grown @ start @ np.linalg.solve(inner, start.T @ grown)


def network(rng: np.random.Generator, unbalance: float = 0.0) -> Network:
    """Return a random network; S has singular values between 0.5 and 2; ``unbalance`` enlarges its first layer."""
    left, right = frame(rng, SIZE, SIZE), frame(rng, SIZE, SIZE)
    target = (left * rng.uniform(0.5, 2.0, SIZE)) @ right.T
    strengths = rng.uniform(0.05, 1.0, SIZE)
    found = Network.balanced(
        target, frame(rng, SIZE, SIZE), strengths, frame(rng, SIZE, SIZE), frame(rng, HIDDEN, SIZE)
    )
    found.start[:SIZE] *= 1 + unbalance
    return found


def cases(rng: np.random.Generator, x: float) -> Iterable[Network]:
    """Yield two random networks."""
    yield network(rng)
    yield network(rng)


def flow(case: Network, x: float) -> Evidence:
    """Judge Q Q^T along the flow; ``x`` is the number before the bracket."""
    expected = np.stack([riccati(case.target, case.start, t, x) for t in TIMES])
    return same(case.simulate(TIMES), expected, TOLERANCE)


def unhinged_cases(rng: np.random.Generator, x: float) -> Iterable[Instance]:
    """Yield a random start of the layer-peeled model, with classes of different sizes and one learning rate."""
    yield random_instance(rng, [3, 2, 1], 3, 4, ratio=1.0)


def unhinged(case: Instance, x: float) -> Evidence:
    """Judge e^{Ft} Q0 with S = M against the simulator; ``x`` scales the time."""
    run = simulated(case, {"kind": "unconstrained"}, {"kind": "flow", "time": LATE, "eta": 1.0})
    end = run.last[1]
    expected = expm(x * LATE * doubled(case.operator)) @ case.state.T
    gap = float(np.linalg.norm(np.vstack([end.features, end.prototypes]) - expected) / np.linalg.norm(expected))
    return measured(gap, run.error["log_norm"][-1], TOLERANCE, f"the final states differ by {gap:.2g} of their norm")


CLAIMS = (
    Claim(
        id="references.braun.flow",
        sentence="In a deep linear network with one hidden layer, an invertible S and a balanced start, aligned or "
        "not, Q = (W1^T; W2) follows the Riccati solution below.",
        formula=r"QQ^T(t) = e^{Ft} Q_0 \left[ I + \frac12 Q_0^T \left( e^{Ft} F^{-1} e^{Ft} - F^{-1} \right) Q_0 "
        r"\right]^{-1} Q_0^T e^{Ft}, \quad F = \begin{pmatrix} 0 & S^T \\ S & 0 \end{pmatrix}",
        source=SOURCE,
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.NUMERICAL,
        reference="the gradient flow of both matrices, by diffrax and by SciPy",
        check=flow,
        cases=cases,
        lever=Change("the number 1/2", stated=0.5, to=0.5 * MOVED),
        hypotheses=(
            Hypothesis(
                "the layers are balanced at the start",
                holds=lambda case: case.is_balanced,
                broken=lambda rng: network(rng, unbalance=1.0),
            ),
        ),
    ),
    Claim(
        id="references.braun.unhinged",
        sentence="The linear part e^{Ft} Q0 of the Riccati solution, with the label operator M for S, is the flow of "
        "the unhinged loss: Q = (H^T; W^T).",
        formula=r"\begin{pmatrix} H^T \\ W^T \end{pmatrix}(t) = e^{Ft} Q_0, \quad "
        r"F = \begin{pmatrix} 0 & M^T \\ M & 0 \end{pmatrix}",
        source=SOURCE + "; beside eq. (5) of the paper",
        form="new",
        expected=Verdict.SUPPORTED,
        strength=Strength.NUMERICAL,
        reference="this package's simulator (gradient flow), M written out densely",
        check=unhinged,
        cases=unhinged_cases,
        lever=Change("the time", MOVED),
    ),
)
