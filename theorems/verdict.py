"""What was found about a claim, and the one rule that turns it into a word."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What a claim can come to. The word is SUPPORTED, never "proved": only a symbolic check proves."""

    SUPPORTED = "SUPPORTED"
    REFUTED = "REFUTED"
    INCONCLUSIVE = "INCONCLUSIVE"
    INAPPLICABLE = "INAPPLICABLE"


class Strength(StrEnum):
    """How much a piece of evidence is worth.

    symbolic: SymPy reduces the identity to zero for all parameters. enclosed: ball arithmetic encloses the value, or
    proves the inequality. numerical: a trajectory, with a bound on its error. witness: one concrete counterexample.
    """

    SYMBOLIC = "symbolic"
    ENCLOSED = "enclosed"
    NUMERICAL = "numerical"
    WITNESS = "witness"


@dataclass(frozen=True)
class Evidence:
    """How far a statement is from true, and how well that is known; all three numbers in the statement's own unit.

    ``gap`` >= 0 is the distance from true, ``error`` >= 0 bounds the numerical error of the check itself, ``tolerance``
    >= 0 is what still counts as true. ``unmet`` names the hypotheses that do not hold, ``unchecked`` those that nobody
    could decide. ``witness`` says in one line where and what, so that a reader can check it by hand.
    """

    gap: float
    error: float
    tolerance: float
    strength: Strength
    witness: str = ""
    unmet: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()


def judge(evidence: Evidence) -> Verdict:
    """Return the verdict of one piece of evidence; what is not known never becomes SUPPORTED.

    INAPPLICABLE if a hypothesis is unmet; SUPPORTED if gap + error <= tolerance; REFUTED if gap - error > tolerance;
    INCONCLUSIVE otherwise, on a NaN, on a negative number, and where a hypothesis is unchecked.
    """
    gap, error, tolerance = evidence.gap, evidence.error, evidence.tolerance
    if evidence.unmet:
        return Verdict.INAPPLICABLE
    # A comparison with NaN is false: it falls through here.
    if evidence.unchecked or not (gap >= 0 and 0 <= error < math.inf and 0 <= tolerance < math.inf):
        return Verdict.INCONCLUSIVE
    if gap + error <= tolerance:
        return Verdict.SUPPORTED
    if gap - error > tolerance:
        return Verdict.REFUTED
    return Verdict.INCONCLUSIVE


def decisive(evidence: Iterable[Evidence], strength: Strength) -> Evidence:
    """Return the piece that decides a statement about all cases: the first counterexample, or the worst of the rest.

    No piece at all is a NaN of the given strength: INCONCLUSIVE.
    """
    nothing = Evidence(math.nan, 0.0, 0.0, strength, "no case was examined")
    pieces = list(evidence)
    for verdict in (Verdict.REFUTED, Verdict.INAPPLICABLE, Verdict.INCONCLUSIVE):
        for piece in pieces:
            if judge(piece) is verdict:
                return piece
    return max(pieces, key=lambda piece: (piece.gap + piece.error) / (piece.tolerance or 1.0), default=nothing)
