r"""Equation (3): in which order the columns of H must be listed.

h_{i,c} is sample i of class c. Eq. (2) is a plain sum over samples; eq. (3) is a trace with a label matrix built from
I_C (x) 1_N', whose column k (from 0) says: class floor(k/N).

Why the printed order fails: h_{1,1}, ..., h_{1,C}, h_{2,1}, ... takes one sample of every class in turn, so column k is
of class k mod C, and for N > 1 the label matrix names another class. Class by class, sample i of class c (from 0) is
column c N + i with 0 <= i <= N - 1, so floor(k/N) = c, and the two sums agree term by term.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import sympy
from sympy import symbols

from theorems.claim import MOVED, REVERSED, Change, Claim, Hypothesis
from theorems.evidence import both, counterexample, never_negative, symbolic
from theorems.verdict import Evidence, Strength, Verdict

G = symbols("g", positive=True)
INDEX, LATER = symbols("i r", positive=True)  # of a sample in its class, and how many come after it: N = i + r + 1
CLASS, CLASSES = symbols("c C", integer=True, positive=True)


@dataclass(frozen=True, eq=False)
class Model:
    """Features h[i, c] (N, C, p), prototypes (p, C), biases (C,), gamma: rationals or symbols."""

    features: np.ndarray
    prototypes: np.ndarray
    biases: np.ndarray
    gamma: Any

    def sum_form(self) -> Any:
        """Return the loss as eq. (2) sums it, sample by sample."""
        total, (per_class, classes, _) = 0, self.features.shape
        for i in range(per_class):
            for c in range(classes):
                logits = self.features[i, c] @ self.prototypes + self.biases
                total += -logits[c] + self.gamma * sum(logits[j] for j in range(classes) if j != c)
        return total / (classes * per_class)

    def trace_form(self, by_class: bool, own: Any = 1) -> Any:
        """Return the loss as eq. (3) has it, for one of the two listings; ``own`` scales 1 + gamma in Y."""
        g, (per_class, classes, p) = self.gamma, self.features.shape
        listed = np.swapaxes(self.features, 0, 1) if by_class else self.features
        columns = listed.reshape(-1, p).T
        labels = np.kron(np.eye(classes, dtype=int), np.ones((1, per_class), dtype=int))
        y = (g * np.ones_like(labels) - own * (1 + g) * labels.astype(object)) / (classes * per_class)
        return np.trace(y.T @ self.prototypes.T @ columns) + (g * classes - g - 1) * sum(self.biases) / classes


def model_cases(rng: np.random.Generator, x: float) -> Iterable[Model]:
    """Yield the smallest model with N > 1, then random ones."""
    one, zero = Fraction(1), Fraction(0)
    features = np.array([[[one], [zero]], [[one], [zero]]])
    yield Model(features, np.array([[one, zero]]), np.array([zero, zero]), one)
    for per_class, classes, p in ((2, 3, 2), (3, 2, 1), (3, 4, 2)):
        shapes = ((per_class, classes, p), (p, classes), (classes,))
        yield Model(*(_rationals(rng, shape) for shape in shapes), Fraction(int(rng.integers(1, 20)), 10))


def printed_order(case: Model, x: float) -> Evidence:
    """Judge eq. (3) against eq. (2) with one sample of each class in turn; a negative ``x`` lists class by class."""
    summed, traced = case.sum_form(), case.trace_form(by_class=x < 0)
    per_class, classes, p = case.features.shape
    where = f"C = {classes}, N = {per_class}, p = {p}"
    if case.features.size == 4:
        where += ", g = 1, b = 0, w = (1, 0), class 1 has h = 1, class 2 has h = 0"
    return counterexample(summed - traced, f"{where}: eq. (2) gives {summed}, eq. (3) {traced}")


@dataclass(frozen=True)
class Listing:
    """An order of the columns of H; with ``sizes`` (N, C, p) a dense model of symbols, without all sizes at once."""

    by_class: bool
    sizes: tuple[int, int, int] | None = None


def listings(rng: np.random.Generator, x: float) -> Iterable[Listing]:
    """Yield all sizes at once, then dense models of a few sizes."""
    yield Listing(True)
    for sizes in ((2, 2, 1), (2, 3, 2), (3, 2, 1)):
        yield Listing(True, sizes)


def class_order(case: Listing, x: float) -> Evidence:
    """Judge that eq. (3) is eq. (2), term by term; ``x`` scales 1 + gamma in the label matrix."""
    own = sympy.nsimplify(x)
    if case.sizes:
        model = _symbolic_model(*case.sizes)
        return symbolic(model.sum_form() - model.trace_form(case.by_class, own))
    per_class = INDEX + LATER + 1
    column = CLASS * per_class + INDEX if case.by_class else INDEX * CLASSES + CLASS
    # floor(column/N) = c: the label matrix names the sample's own class.
    inside = never_negative(column - CLASS * per_class, (CLASS + 1) * per_class - 1 - column)
    total = CLASSES * per_class
    of_own, of_other = ((G - own * (1 + G) * label) / total for label in (1, 0))  # the two entries of Y
    bias = (per_class * (CLASSES - 1) * G - per_class) / total - (G * CLASSES - G - 1) / CLASSES
    return both(inside, symbolic(of_own + 1 / total, of_other - G / total, bias))


def _rationals(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    numbers = [Fraction(int(n), 6) for n in rng.integers(-12, 13, int(np.prod(shape)))]
    return np.array(numbers, dtype=object).reshape(shape)


def _symbolic_model(per_class: int, classes: int, p: int) -> Model:
    features = sympy.symbols(f"h:{per_class * classes * p}", real=True)
    prototypes, biases = sympy.symbols(f"w:{p * classes}", real=True), sympy.symbols(f"b:{classes}", real=True)
    return Model(
        np.array(features, dtype=object).reshape(per_class, classes, p),
        np.array(prototypes, dtype=object).reshape(p, classes),
        np.array(biases, dtype=object),
        G,
    )


CLAIMS = (
    Claim(
        id="eq3.column-order.printed",
        sentence="With C classes of N samples each and the columns of H taking one sample of every class in turn, the "
        "trace formula (3) is the loss (2).",
        formula=r"H = \left[ h_{1,1}, \ldots, h_{1,C}, h_{2,1}, \ldots, h_{N,C} \right] : \quad \text{(2)} = "
        r"\text{Tr}(Y^\top W^\top H) + \frac{\gamma C - \gamma - 1}{C} 1_C^\top b",
        source="Section 3.1, below eq. (3), p. 6",
        page=6,
        form="printed",
        expected=Verdict.REFUTED,
        strength=Strength.WITNESS,
        reference="eq. (2), summed sample by sample in exact rationals",
        check=printed_order,
        cases=model_cases,
        repair=Change("the listing: one sample of each class in turn (1) or class by class (-1)", REVERSED),
        hypotheses=(Hypothesis("gamma > 0", holds=lambda case: case.gamma > 0),),
    ),
    Claim(
        id="eq3.column-order.corrected",
        sentence="With C classes of N samples each and the columns of H listed class by class, the trace formula (3) "
        "is the loss (2), for all C, N and p.",
        formula=r"H = \left[ h_{1,1}, \ldots, h_{N,1}, h_{1,2}, \ldots, h_{N,C} \right] : \quad \text{(2)} = "
        r"\text{Tr}(Y^\top W^\top H) + \frac{\gamma C - \gamma - 1}{C} 1_C^\top b",
        source="Section 3.1, below eq. (3), p. 6",
        page=6,
        form="corrected",
        expected=Verdict.SUPPORTED,
        strength=Strength.SYMBOLIC,
        reference="eq. (2), coefficient by coefficient for all sizes, and summed sample by sample for some",
        check=class_order,
        cases=listings,
        lever=Change("1 + gamma in the label matrix Y", MOVED),
        hypotheses=(
            Hypothesis(
                "the columns of H are listed class by class",
                holds=lambda case: case.by_class,
                broken=lambda rng: Listing(False, (2, 2, 1)),
            ),
        ),
    ),
)
