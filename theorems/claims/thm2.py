r"""Theorem 2: the exact motion of the unconstrained model.

State Z = (H, W), rows of length C N + C; the prototypes' clock is zeta2(t) = int_0^t eta2, the features' is zeta1.
With eta1 = s eta2 the flow of eq. (5) is dZ/d zeta2 = Z G with a constant G.

Why the printed formula holds: B maps (H, W) to (W M, H M'), and C(t) = diag(zeta1 I, zeta2 I). The exponential series
of B C(t) splits into even and odd powers, and on each of the five subspaces of eq. (8) B is a number, so the two
series are a cosh and a sinh: alpha and beta.

Why the condition on the rates is needed, and enough: on a pair of subspaces, where rows move as z' = z A with
A = sigma [[0, eta2], [eta1, 0]], the printed propagator is exp(Omega) with Omega the integral of A. With ad X =
[Omega, X], up to sign, its derivative is exp(Omega) f(ad) A, f(x) = (1 - e^-x)/x. It solves the flow iff
(f(ad) - 1) A = 0, that is g(ad) ad A = 0 with g(x) = (f(x) - 1)/x. The eigenvalues of ad are real, 0 and +-2r with
r = sigma sqrt(zeta1 zeta2), while f is 1 only at x = 0 among real x and g(0) = -1/2: g has no real zero, so g(ad) is
invertible, also where ad is nilpotent because one clock still stands. What is left is ad A = 0. As [Omega, A] =
sigma^2 (eta1 zeta2 - eta2 zeta1) diag(1, -1), and sigma1 is not 0, this is eta1 zeta2 = eta2 zeta1 for almost all t:
(zeta1/zeta2)' = 0, so eta1 and eta2 are proportional for almost all t. Their ratio need not exist at every t: both
may be 0, at the start of a warm-up or in a pause.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import sympy
from scipy.integrate import solve_ivp
from sympy import Matrix, diag, exp, kronecker_product, sqrt, symbols, zeros

from theorems.algebra import Split, generator, identity
from theorems.claim import MOVED, Change, Claim, Hypothesis
from theorems.evidence import measured, symbolic
from theorems.instance import Instance, random_instance
from theorems.verdict import Evidence, Strength, Verdict

C, N = symbols("C N", integer=True, positive=True)
G, S, ZETA = symbols("g s zeta", positive=True)

RTOL = 1e-11  # of the integrator; its error is estimated, not bounded: the difference from a run at 100 times that
TOLERANCE = 1e-7  # relative; the formula with a varying ratio is off by 1 % or more, a lever by 0.1 %
STEP = 0.05  # the longest of the integrator, so that it does not jump over the end of a pause
PANEL = 0.25  # the pieces of the rates begin and end at multiples of this


def _paused(t: float) -> float:
    """Return a rate that is 0 from t = 3/4 to 5/4, with three continuous derivatives."""
    return 4 * max(0.75 - t, 0.0) ** 4 + 4 * max(t - 1.25, 0.0) ** 4


# (eta1, eta2) at time t: first those that are proportional, then those that are not.
PROPORTIONAL = {
    "constant": lambda t: (1.6 * (1 + t / 4), 1 + t / 4),
    "warm-up of both from 0": lambda t: (0.7 * t, t),
    "pause of both": lambda t: (2.5 * _paused(t), _paused(t)),
}
RATES = PROPORTIONAL | {
    "warm-up of the prototypes": lambda t: ((1 + t / 4) / (0.5 + t), 1 + t / 4),
    "oscillating": lambda t: ((1 + 0.8 * np.sin(3 * t)) * (1 + t / 4), 1 + t / 4),
    "warm-up of the features from 0": lambda t: (t, 1.0),
    "pause of the prototypes": lambda t: (1.0, _paused(t)),
}


def printed_propagator(scale: float) -> Split:
    """Return Z(t) = Z0 Phi of eq. (6), with the scalars of (41) and (43); ``scale`` multiplies sigma1."""
    root, here = sqrt(S) * ZETA, diag(S * ZETA, ZETA)  # sqrt(zeta1 zeta2), and C(t) for zeta1 = s zeta, zeta2 = zeta
    total = Split(zeros(2), zeros(2), (1, 1))  # Pi3 Z0
    for sign in (1, -1):
        projection = Matrix([[1, sign], [sign, 1]]) / 2  # on E1 or E2 with epsilon = sign, eq. (8)
        blocks = []
        for sigma in (sympy.nsimplify(scale) * (1 + G) / (C * sqrt(N)), (1 + G - G * C) / (C * sqrt(N))):
            grown, fallen = exp(sign * sigma * root), exp(-sign * sigma * root)
            alpha, beta = (grown - fallen) / (2 * root), (grown + fallen) / 2
            blocks.append((projection * (alpha * here + beta * sympy.eye(2))).applyfunc(sympy.expand))
        total += Split(*blocks)
    return total


def state(case: "Schedule | None", x: float) -> Evidence:
    """Judge eq. (6): its start is Z0, and its derivative is what eq. (5) says; on one schedule, by numbers."""
    if case:
        return measured(*_follow(case, x), TOLERANCE)
    moves = printed_propagator(x)
    residual = moves.diff(ZETA) - moves @ generator(C, N, G, S, 0, 0)
    start = moves.map(lambda entry: entry.subs(ZETA, 0)) - identity()
    return symbolic(*residual.numbers(), *start.numbers())


def bias(case: None, x: float) -> Evidence:
    """Judge eq. (7) against b' = eta2 M 1, with M 1 summed over the samples of eq. (5)."""
    drive = N * (1 + G) / (C * N) - G * C * N / (C * N)
    moved = sympy.nsimplify(x) * (1 + G - G * C) * ZETA / C
    return symbolic(sympy.diff(moved, ZETA) - drive, moved.subs(ZETA, 0))


@dataclass(frozen=True, eq=False)
class Schedule:
    """A random start, and the name of its rates."""

    name: str
    instance: Instance

    def rates(self, t: float) -> tuple[float, float]:
        """Return (eta1, eta2) at time t."""
        eta1, eta2 = RATES[self.name](t)
        return float(eta1), float(eta2)

    @property
    def proportional(self) -> bool:
        """Whether eta1(t1) eta2(t2) = eta1(t2) eta2(t1)."""
        return self.name in PROPORTIONAL


def commutation_cases(rng: np.random.Generator, x: float) -> Iterable[Schedule | None]:
    """Yield the commutator in symbols, then every schedule with starts of several sizes and gammas."""
    yield None
    for classes, per_class, features in ((3, 1, 2), (4, 2, 5), (6, 3, 3)):
        for name in RATES:
            yield Schedule(name, random_instance(rng, per_class, classes, features, ratio=1.0))


def commutator() -> Evidence:
    """Judge [Omega, A] on a pair of subspaces, and that [Omega, .] has the eigenvalues 0, 0, 2r and -2r."""
    sigma, (eta1, eta2), (zeta1, zeta2) = symbols("sigma"), symbols("eta1 eta2"), symbols("zeta1 zeta2")
    rates, areas = (Matrix([[0, sigma * two], [sigma * one, 0]]) for one, two in ((eta1, eta2), (zeta1, zeta2)))
    claimed = sigma**2 * (eta1 * zeta2 - eta2 * zeta1) * diag(1, -1)
    bracket = kronecker_product(areas, sympy.eye(2)) - kronecker_product(sympy.eye(2), areas.T)
    squared = bracket**2  # x (x^2 - 4 r^2) = 0
    return symbolic(areas * rates - rates * areas - claimed, bracket * squared - 4 * sigma**2 * zeta1 * zeta2 * bracket)


def commutation(case: Schedule | None, x: float) -> Evidence:
    """Judge that eq. (6) follows the flow iff the rates are proportional; ``x`` scales zeta1 in the formula."""
    if case is None:
        return commutator()
    worst, error = _follow(case, x)
    where = f"{case.name}: eq. (6) is off by {worst:.2g}"
    if case.proportional:
        return measured(worst, error, TOLERANCE, where)
    # With other rates the formula must fail: the statement is "iff".
    return measured(0.0 if worst - error > 1e3 * TOLERANCE else 1.0, 0.0, TOLERANCE, where)


def _follow(case: Schedule, x: float) -> tuple[float, float]:
    """Return the worst relative distance of eq. (6) from the integrated flow, and the integrator's own error."""
    times, start = np.linspace(0.0, 2.0, 5), case.instance.state
    values = [_integrate(case, times, rtol) for rtol in (RTOL, 100 * RTOL)]
    size = np.linalg.norm(values[0], axis=(1, 2))
    error = np.max(np.linalg.norm(values[0] - values[1], axis=(1, 2)) / size)
    formula = [_formula(case.instance, start, x * zeta1, zeta2) for zeta1, zeta2 in _areas(case, times)]
    return float(np.max(np.linalg.norm(values[0] - formula, axis=(1, 2)) / size)), float(error)


def _integrate(case: Schedule, times: np.ndarray, rtol: float) -> np.ndarray:
    start, operator = case.instance.state, case.instance.operator

    def velocity(t: float, flat: np.ndarray) -> np.ndarray:
        h, w = case.instance.split(flat.reshape(start.shape))
        eta1, eta2 = case.rates(t)
        return np.hstack([eta1 * w @ operator, eta2 * h @ operator.T]).ravel()

    span = times[[0, -1]]
    solution = solve_ivp(velocity, span, start.ravel(), "DOP853", times, rtol=rtol, atol=rtol, max_step=STEP)
    return solution.y.T.reshape(-1, *start.shape)


def _areas(case: Schedule, times: np.ndarray) -> np.ndarray:
    """Return (zeta1, zeta2) at the times, multiples of PANEL, by Gauss-Legendre quadrature: exact to rounding."""
    nodes, weights = np.polynomial.legendre.leggauss(12)
    panels = [np.zeros(2)]
    for left in np.arange(0.0, times[-1], PANEL):
        rates = np.array([case.rates(left + PANEL * (1 + node) / 2) for node in nodes])
        panels.append(weights @ rates * PANEL / 2)
    return np.cumsum(panels, axis=0)[np.rint(times / PANEL).astype(int)]


def _formula(instance: Instance, start: np.ndarray, zeta1: float, zeta2: float) -> np.ndarray:
    """Return eq. (6) in numbers, projections and all."""
    h, w = instance.split(start)
    classes, per_class, root = instance.classes, instance.per_class, np.sqrt(zeta1 * zeta2)
    spread = np.kron(np.eye(classes), np.ones(per_class)) / np.sqrt(per_class)  # h~ = H spread', back by spread
    rest, centre = h - h @ spread.T @ spread, np.eye(classes) - 1 / classes
    found_h, found_w = rest, np.zeros_like(w)
    base = classes * np.sqrt(per_class)
    for part, sigma in (
        (centre, (1 + instance.gamma) / base),
        (np.eye(classes) - centre, (1 + instance.gamma - instance.gamma * classes) / base),
    ):
        for sign in (1, -1):
            both = (w + sign * h @ spread.T) @ part / 2  # the W part of the projection; its H part is sign both spread
            alpha = sigma * sign if root == 0 else np.sinh(sign * sigma * root) / root
            beta = np.cosh(sigma * root)
            found_h = found_h + sign * both @ spread * (alpha * zeta1 + beta)
            found_w = found_w + both * (alpha * zeta2 + beta)
    return np.hstack([found_h, found_w])


CONSTANT_RATIO = Hypothesis(
    "eta1/eta2 is constant",
    holds=lambda case: case is None or case.proportional,
    broken=lambda rng: Schedule("oscillating", random_instance(rng, 2, 4, 5, ratio=1.0)),
)

CLAIMS = (
    Claim(
        id="thm2.state",
        sentence="If eta1 = s eta2, the features and prototypes move as eq. (6) says, with the scalars (41), (43).",
        formula=r"Z(t) = \sum_{i=1,2}\sum_{\epsilon=\pm} \Pi_i^\epsilon Z_0 \left(\alpha_i^\epsilon C(t) "
        r"+ \beta_i^\epsilon I\right) + \Pi_3 Z_0",
        source="Theorem 2, eq. (6), (41), (43), p. 7 and 27",
        page=7,
        form="printed",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="its own equation: the derivative of the printed formula against eq. (5), for all C, N, p",
        check=state,
        lever=Change("sigma1 in the exponents", MOVED),
        hypotheses=(CONSTANT_RATIO,),
    ),
    Claim(
        id="thm2.bias",
        sentence="The biases move as eq. (7) says: all by the same amount, in proportion to zeta2.",
        formula=r"b(t) = b_0 + \frac{(1+\gamma-\gamma C)\,\zeta_2(t)}{C} 1_C",
        source="Theorem 2, eq. (7), p. 7",
        page=7,
        form="printed",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="the row sums of M, and the derivative of the printed formula",
        check=bias,
        lever=Change("the slope of b", MOVED),
    ),
    Claim(
        id="thm2.commutation",
        sentence="Eq. (6) holds at all t from every start if and only if eta1(t1) eta2(t2) = eta1(t2) eta2(t1) for "
        "almost all times t1, t2.",
        formula=r"\text{(6) for all } t, Z_0 \iff \eta_1(t_1)\,\eta_2(t_2) = \eta_1(t_2)\,\eta_2(t_1) "
        r"\text{ for almost all } t_1, t_2",
        source="Theorem 2, its condition, p. 7",
        page=7,
        form="corrected",
        expected=Verdict.SUPPORTED,
        strength=Strength.NUMERICAL,
        reference="SciPy's DOP853 on the dense eq. (5), with seven pairs of rates; its error is estimated",
        check=commutation,
        cases=commutation_cases,
        lever=Change("zeta1 in the formula", MOVED),
    ),
)
