"""How evidence of each strength is made: from SymPy, from ball arithmetic, from numbers, from one counterexample."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import sympy
from flint import arb

from theorems.verdict import Evidence, Strength

PROBES = 6  # rational points at which an expression that SymPy does not settle is evaluated
DIGITS = 40
NEGLIGIBLE = 1e-25  # at DIGITS digits a value below this may be zero: nothing is known then
Point = dict[Any, Any]  # symbol: rational value
UNDEFINED = (sympy.nan, sympy.zoo, sympy.oo, -sympy.oo)
PRIMES = (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59)


def symbolic(*residuals: Any) -> Evidence:
    """Return the evidence that expressions, or all entries of matrices, are identically zero.

    Gap 0 if SymPy reduces each to zero; else the size found at a rational point, which the witness names; NaN
    (INCONCLUSIVE) where SymPy does not get to zero and no point is far from it.
    """
    for residual in _entries(residuals):
        if not _vanishes(residual):
            point, value = max(_probe(residual), key=lambda found: abs(found[1]))
            gap = abs(value) if abs(value) > NEGLIGIBLE else math.nan
            return Evidence(gap, 0.0, 0.0, Strength.SYMBOLIC, f"{_place(point)}the two sides differ by {value:.6g}")
    return Evidence(0.0, 0.0, 0.0, Strength.SYMBOLIC, "the difference reduces to zero")


def never_negative(*expressions: Any) -> Evidence:
    """Return the evidence that expressions in positive symbols are >= 0 everywhere: all coefficients have one sign.

    Each must be a quotient of polynomials in positive symbols (for a bounded one substitute, say, g = 2u/(C-2)/(1+u)
    and C = 3 + c). The signs are sufficient, not necessary: what they do not settle is probed for a counterexample,
    and without one is NaN, as is an expression that is no number (0/0, 1/0). One counterexample refutes them all.
    """
    return _one_sign(expressions, strict=False)


def positive(*expressions: Any) -> Evidence:
    """Return the evidence that expressions in positive symbols are > 0 everywhere: as `never_negative`, and not zero.

    Coefficients of one sign, not all 0, make a polynomial > 0 at all positive points. One that is identically zero is
    refuted with gap 1.
    """
    return _one_sign(expressions, strict=True)


def enclosed(difference: arb, tolerance: float, witness: str = "") -> Evidence:
    """Return the evidence that a ball is zero to within the tolerance: gap its distance from zero, error its radius."""
    return Evidence(abs(float(difference.mid())), float(difference.rad()), tolerance, Strength.ENCLOSED, witness)


def enclosed_at_most(value: arb, bound: arb | float = 0.0, witness: str = "") -> Evidence:
    """Return the evidence that value <= bound is proved by the balls (gap 0), or value > bound (gap at least that)."""
    excess = value - arb(bound)
    if excess <= 0:
        return Evidence(0.0, 0.0, 0.0, Strength.ENCLOSED, witness)
    return Evidence(float(excess.lower()) if excess > 0 else math.nan, 0.0, 0.0, Strength.ENCLOSED, witness)


def measured(gap: float, error: float, tolerance: float, witness: str = "") -> Evidence:
    """Return numerical evidence; ``error`` must bound the numerical error of the gap itself."""
    return Evidence(float(gap), float(error), tolerance, Strength.NUMERICAL, witness)


def counterexample(gap: Any, witness: str, error: float = 0.0, tolerance: float = 0.0) -> Evidence:
    """Return the evidence of one concrete case; with exact rationals the error and the tolerance are 0."""
    return Evidence(float(abs(gap)), error, tolerance, Strength.WITNESS, witness)


def both(*pieces: Evidence) -> Evidence:
    """Return the evidence for several statements that must all hold, of one strength: the first that is not.

    A piece is told from the next by gap + error <= tolerance; the judgement itself stays with `judge`.
    """
    for piece in pieces:
        if not piece.gap + piece.error <= piece.tolerance:
            return piece
    return pieces[-1]


def _entries(things: Iterable[Any]) -> Iterator[sympy.Expr]:
    for thing in things:
        if isinstance(thing, sympy.MatrixBase):
            yield from thing
        else:
            yield sympy.sympify(thing)


def _vanishes(residual: sympy.Expr) -> bool:
    """Return whether SymPy reduces an expression to zero, by the cheap ways first."""
    if residual == 0:
        return True
    for reduce in (sympy.expand, lambda x: sympy.simplify(sympy.expand(x.rewrite(sympy.exp)))):
        if reduce(residual) == 0:
            return True
        if any(abs(value) > NEGLIGIBLE for _, value in _probe(residual)):
            return False  # not zero, and simplifying something that is not zero takes longest
    return sympy.simplify(residual) == 0


def _one_sign(expressions: Iterable[Any], strict: bool) -> Evidence:
    found = Evidence(0.0, 0.0, 0.0, Strength.SYMBOLIC, "all coefficients have one sign")
    for expression in _entries(expressions):
        gap, witness = _below_zero(expression, strict)
        if gap > 0:
            return Evidence(gap, 0.0, 0.0, Strength.SYMBOLIC, witness)
        if math.isnan(gap):
            found = Evidence(gap, 0.0, 0.0, Strength.SYMBOLIC, witness)
    return found


def _below_zero(expression: sympy.Expr, strict: bool) -> tuple[float, str]:
    """Return by how much an expression fails to be >= 0 (> 0 if ``strict``), NaN if that is not known, and where."""
    reduced = sympy.cancel(sympy.together(expression))
    if reduced.has(*UNDEFINED):
        return math.nan, f"an expression is {reduced}"
    if strict and reduced == 0:
        return 1.0, "an expression that must be positive is zero"
    if _signs_settle(reduced):
        return 0.0, ""
    point, value = min(_probe(expression), key=lambda found: found[1])
    if value < -NEGLIGIBLE:
        return -value, f"{_place(point)}{value:.6g} < 0"
    return math.nan, f"{_place(point)}{value:.6g} is the smallest value found, and the signs settle nothing"


def _signs_settle(reduced: sympy.Expr) -> bool:
    numerator, denominator = sympy.fraction(reduced)
    return numerator == 0 or _common_sign(numerator) * _common_sign(denominator) > 0


def _common_sign(expression: sympy.Expr) -> int:
    """Return 1 or -1 if all coefficients of a polynomial in positive symbols have that sign, else 0."""
    symbols = sorted(expression.free_symbols, key=str)
    if not all(symbol.is_positive for symbol in symbols):
        return 0
    coefficients = sympy.Poly(expression, *symbols).coeffs() if symbols else [expression]
    signs = {sympy.sign(one) for one in coefficients}
    return int(signs.pop()) if len(signs) == 1 else 0


def _probe(expression: sympy.Expr) -> list[tuple[Point, float]]:
    """Return the value at rational points that respect what is assumed of each symbol."""
    symbols = sorted(expression.free_symbols, key=str)
    found = []
    for shift in range(PROBES):
        point: Point = {symbol: _value(symbol, index, shift) for index, symbol in enumerate(symbols)}
        value = sympy.N(expression.subs(point), DIGITS, maxn=400)
        found.append((point, float(abs(value)) if not value.is_real else float(value)))
    return found


def _value(symbol: Any, index: int, shift: int) -> sympy.Rational:
    prime = PRIMES[(index + 5 * shift) % len(PRIMES)]
    if symbol.is_integer:
        return sympy.Integer(3 + (index + shift) % 4)
    value = sympy.Rational(prime, PRIMES[(2 * index + 7 * shift + 3) % len(PRIMES)])
    return value if symbol.is_nonnegative or (index + shift) % 2 else -value


def _place(point: Point) -> str:
    return "at " + ", ".join(f"{symbol} = {value}" for symbol, value in point.items()) + ": " if point else ""
