"""The one rule: what becomes of a piece of evidence, at every boundary, and that it fails closed."""

import math

import pytest
import sympy
from flint import arb, ctx
from hypothesis import given, settings
from hypothesis import strategies as st

from theorems import balls
from theorems.evidence import (
    both,
    counterexample,
    enclosed,
    enclosed_at_most,
    measured,
    never_negative,
    positive,
    symbolic,
)
from theorems.verdict import Evidence, Strength, Verdict, decisive, judge

X, Y = sympy.symbols("x y", positive=True)
NUMBERS = st.one_of(st.floats(), st.sampled_from([0.0, 1.0, math.nan, math.inf, -math.inf, -1.0]))


def piece(gap=0.0, error=0.0, tolerance=0.0, **more):
    return Evidence(gap, error, tolerance, Strength.NUMERICAL, **more)


@pytest.mark.parametrize(
    ("evidence", "verdict"),
    [
        (piece(0.0, 0.0, 0.0), Verdict.SUPPORTED),
        (piece(1.0, 0.5, 1.5), Verdict.SUPPORTED),
        (piece(1.0, 0.5, 1.499), Verdict.INCONCLUSIVE),
        (piece(1.0, 0.5, 0.5), Verdict.INCONCLUSIVE),
        (piece(1.0, 0.5, 0.499), Verdict.REFUTED),
        (piece(5e-324, 0.0, 0.0), Verdict.REFUTED),
        (piece(math.inf, 0.0, 1.0), Verdict.REFUTED),
        (piece(0.0, 1.0, 0.5), Verdict.INCONCLUSIVE),
        (piece(0.0, 0.0, 0.0, unchecked=("it",)), Verdict.INCONCLUSIVE),
        (piece(9.0, 0.0, 0.0, unchecked=("it",)), Verdict.INCONCLUSIVE),
        (piece(0.0, 0.0, 0.0, unmet=("it",)), Verdict.INAPPLICABLE),
        (piece(9.0, 0.0, 0.0, unmet=("it",)), Verdict.INAPPLICABLE),
        (piece(-1.0, 0.0, 0.0), Verdict.INCONCLUSIVE),
        (piece(0.0, -1.0, 0.0), Verdict.INCONCLUSIVE),
        (piece(0.0, 0.0, -1.0), Verdict.INCONCLUSIVE),
        (piece(0.0, 0.0, math.inf), Verdict.INCONCLUSIVE),
        (piece(9.0, math.inf, 0.0), Verdict.INCONCLUSIVE),
    ],
)
def test_every_boundary(evidence, verdict):
    assert judge(evidence) is verdict


@settings(deadline=None)
@given(NUMBERS, NUMBERS, NUMBERS)
def test_it_fails_closed(gap, error, tolerance):
    verdict = judge(piece(gap, error, tolerance))
    if any(math.isnan(one) or one < 0 for one in (gap, error, tolerance)):
        assert verdict is Verdict.INCONCLUSIVE
    if verdict is Verdict.SUPPORTED:
        assert gap + error <= tolerance < math.inf
    if verdict is Verdict.REFUTED:
        assert gap - error > tolerance


def test_one_counterexample_decides_and_nothing_is_not_enough():
    good, bad, open_ = piece(), piece(1.0, witness="first"), piece(math.nan)
    assert decisive([good, open_, bad, piece(2.0)], Strength.NUMERICAL) is bad
    assert decisive([good, open_, good], Strength.NUMERICAL) is open_
    assert decisive([good, piece(unmet=("it",)), good], Strength.NUMERICAL).unmet == ("it",)
    worse = piece(0.5, 0.0, 1.0)
    assert decisive([good, worse, piece(0.1, 0.1, 1.0)], Strength.NUMERICAL) is worse
    assert judge(decisive([], Strength.NUMERICAL)) is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("evidence", "verdict"),
    [
        (symbolic(sympy.sin(X) ** 2 + sympy.cos(X) ** 2 - 1), Verdict.SUPPORTED),
        (symbolic(sympy.Matrix([[sympy.exp(X) * sympy.exp(-X) - 1, 0]])), Verdict.SUPPORTED),
        (symbolic(0, X - X * sympy.Rational(1001, 1000)), Verdict.REFUTED),
        (symbolic(sympy.Integer(3)), Verdict.REFUTED),
        # Not zero, though a float would say so.
        (symbolic(sympy.exp(-100 * X) * 0 + sympy.Rational(1, 10**20)), Verdict.REFUTED),
        (symbolic(sympy.Function("f")(X) * 0 + sympy.nan), Verdict.INCONCLUSIVE),
        (never_negative((X + Y) ** 2, (X + 1) / (Y + 2), 0), Verdict.SUPPORTED),
        (never_negative(-(X**2) / -(1 + Y)), Verdict.SUPPORTED),
        (never_negative(X - Y), Verdict.REFUTED),
        (never_negative(-X), Verdict.REFUTED),
        (never_negative(X**2 - X * Y + Y**2), Verdict.INCONCLUSIVE),  # true, but not by signs
        (never_negative(X - X), Verdict.SUPPORTED),
        (never_negative(sympy.nan), Verdict.INCONCLUSIVE),
        (never_negative(X, sympy.zoo, Y), Verdict.INCONCLUSIVE),
        (never_negative(sympy.oo), Verdict.INCONCLUSIVE),
        (never_negative(1 / ((X + 1) * Y - X * Y - Y)), Verdict.INCONCLUSIVE),  # 1/0, seen only after expansion
        # One counterexample refutes, whatever is not known of the others.
        (never_negative(sympy.nan, X**2 - X * Y + Y**2, -X), Verdict.REFUTED),
        (positive((X + Y) ** 2, sympy.Matrix([[X / (1 + Y), 1]])), Verdict.SUPPORTED),
        (positive(X, (X + 1) * Y - X * Y - Y), Verdict.REFUTED),  # zero, seen only after expansion
        (positive(X - Y), Verdict.REFUTED),
        (positive((X - Y) ** 2), Verdict.INCONCLUSIVE),  # zero at X = Y, where no probe is
        (positive(sympy.nan), Verdict.INCONCLUSIVE),
        (positive(X**2 - X * Y + Y**2, 0), Verdict.REFUTED),
        (enclosed(arb("0 +/- 1e-30"), 1e-20), Verdict.SUPPORTED),
        (enclosed(arb("1e-3 +/- 1e-30"), 1e-20), Verdict.REFUTED),
        (enclosed(arb("0 +/- 1"), 1e-20), Verdict.INCONCLUSIVE),
        (enclosed(arb("nan"), 1e-20), Verdict.INCONCLUSIVE),
        (enclosed_at_most(arb(1), 1), Verdict.SUPPORTED),
        (enclosed_at_most(arb("1.5 +/- 0.1"), 2), Verdict.SUPPORTED),
        (enclosed_at_most(arb("2.5 +/- 0.1"), 2), Verdict.REFUTED),
        (enclosed_at_most(arb("2 +/- 0.1"), 2), Verdict.INCONCLUSIVE),
        (enclosed_at_most(arb("nan"), 2), Verdict.INCONCLUSIVE),
        (measured(math.nan, 0, 1), Verdict.INCONCLUSIVE),
        (counterexample(sympy.Rational(-1, 3), "here"), Verdict.REFUTED),
        (both(piece(), piece(1.0), piece()), Verdict.REFUTED),
        (both(piece(), piece(math.nan), piece()), Verdict.INCONCLUSIVE),
        (both(piece(), piece()), Verdict.SUPPORTED),
    ],
)
def test_evidence_of_every_strength(evidence, verdict):
    assert judge(evidence) is verdict


@pytest.mark.parametrize("judged", [never_negative, positive])
def test_a_witness_says_what_was_found(judged):
    assert judged(X - Y).witness.endswith("< 0")
    undecided = judged(X**2 - X * Y + Y**2)
    assert math.isnan(undecided.gap)
    assert "<" not in undecided.witness
    assert "smallest value found" in undecided.witness
    assert judged(sympy.zoo).witness == "an expression is zoo"


def test_a_root_of_balls_around_zero():
    near = balls.root(arb("0 +/- 1e-30"))
    assert near.contains(0)
    assert 1e-15 <= near.upper() < 3e-15  # a whole ball around 0 encloses [0, 1e-15]
    assert balls.root(arb(0)) == 0
    assert balls.root(arb(4)) == 2
    assert not balls.root(arb("-1 +/- 0.1")).is_finite()


def test_ball_arithmetic_is_left_as_it_was():
    before = ctx.prec
    enclosed_at_most(arb(1), 1)
    assert ctx.prec == before
