"""The verifier: every claim gathered, judged, and run again with each of its hypotheses broken."""

import math
import time
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dynamics.errors import must
from theorems.claim import Case, Claim, choose_claims
from theorems.prose import prose
from theorems.verdict import Evidence, Strength, Verdict, decisive, judge


@dataclass(frozen=True)
class Broken:
    """A claim on a case that violates one hypothesis: INAPPLICABLE, and whether the conclusion holds all the same."""

    hypothesis: str
    verdict: Verdict
    conclusion: Verdict


@dataclass(frozen=True)
class Finding:
    """What was found about one claim. ``cases`` is how many cases were examined; None of the numbers is a time step."""

    claim: Claim
    verdict: Verdict
    evidence: Evidence
    cases: int
    broken: tuple[Broken, ...]
    seconds: float

    @property
    def as_expected(self) -> bool:
        """Whether the verdict is the expected one, by the strength stated, and each broken hypothesis was noticed."""
        noticed = all(one.verdict is Verdict.INAPPLICABLE for one in self.broken)
        return self.verdict is self.claim.expected and self.evidence.strength is self.claim.strength and noticed

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; numbers are finite or None."""
        claim, evidence = self.claim, self.evidence
        change = claim.change
        return {
            "id": claim.id,
            "source": claim.source,
            "form": claim.form,
            "sentence": claim.sentence,
            "strength": str(evidence.strength),
            "expected": str(claim.expected),
            "verdict": str(self.verdict),
            "as_expected": self.as_expected,
            "gap": _finite(evidence.gap),
            "error": _finite(evidence.error),
            "tolerance": _finite(evidence.tolerance),
            "witness": evidence.witness,
            "cases": self.cases,
            "hypotheses": [
                {"hypothesis": one.hypothesis, "broken": str(one.verdict), "conclusion": str(one.conclusion)}
                for one in self.broken
            ],
            "lever" if claim.lever else "repair": change.what if change else claim.no_repair,
            "seconds": round(self.seconds, 3),
        }


class Findings(list[Finding]):
    """What was found, claim by claim: a list, which a notebook shows as a table, with the witnesses of refutations."""

    def __repr__(self) -> str:
        return "\n".join(f"{one.claim.id}: {one.verdict} by {one.evidence.strength} evidence" for one in self)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in ("claim", "form", "verdict", "evidence", "sentence"))
        return f"<table><tr>{head}</tr>{''.join(map(_row, self))}</table>"


def _row(finding: Finding) -> str:
    claim, evidence = finding.claim, finding.evidence
    witness = f"<br><i>{prose(evidence.witness)}</i>" if finding.verdict is Verdict.REFUTED else ""
    cells = (f"<code>{claim.id}</code>", claim.form, f"<b>{finding.verdict}</b>", evidence.strength)
    row = "".join(f"<td>{cell}</td>" for cell in cells)
    return f'<tr>{row}<td style="text-align: left">{prose(claim.sentence)}{witness}</td></tr>'


def verify(
    *ids: str,
    seed: int = 0,
    strength: str | None = None,
    progress: Callable[[Claim, Finding | None], None] | None = None,
) -> Findings:
    """Judge claims of the catalogue, without ids all of the paper, and return what was found about each.

    ``ids`` are exact ids or prefixes up to a dot ("thm2"; "references", the results of other papers). ``seed`` is the
    master seed of every random case; each claim draws from a stream of its own, so what is found does not depend on
    which others are judged. ``strength`` keeps the claims with evidence of that strength. ``progress(claim, None)`` is
    called before each, ``(claim, finding)`` after.

    Raises:
        InputError: an unknown id or strength, or a seed that is not a whole number >= 0.
    """
    if not isinstance(seed, int) or seed < 0:
        raise must("seed", "be a whole number >= 0", seed)
    if strength is not None and strength not in [str(one) for one in Strength]:
        raise must("strength", "be one of " + ", ".join(Strength), strength)
    found = Findings()
    for claim in choose_claims(ids):
        if strength in (None, str(claim.strength)):
            if progress:
                progress(claim, None)
            found.append(examine(claim, seed))
            if progress:
                progress(claim, found[-1])
    return found


def examine(claim: Claim, seed: int = 0, *, moved: bool = False) -> Finding:
    """Judge one claim as it stands, or with its lever or repair ``moved``.

    Raises:
        ValueError: moved, for a claim that has nothing to move.
    """
    began = time.perf_counter()
    if moved and claim.change is None:
        raise ValueError(f"{claim.id} has neither lever nor repair: {claim.no_repair}")
    x = claim.change.to if moved and claim.change else claim.stated
    rng = stream(claim, seed)
    pieces = [gather(claim, case, x) for case in claim.cases(rng, x)]
    evidence = decisive(pieces, claim.strength)
    broken = () if moved else tuple(_break(claim, seed))
    return Finding(claim, judge(evidence), evidence, len(pieces), broken, time.perf_counter() - began)


def gather(claim: Claim, case: Case, x: float) -> Evidence:
    """Return the evidence of one case, with the hypotheses that do not hold there."""
    held = {one.sentence: one.holds(case) for one in claim.hypotheses}
    unmet = tuple(sentence for sentence, holds in held.items() if holds is not None and not holds)
    unchecked = tuple(sentence for sentence, holds in held.items() if holds is None)
    return replace(claim.check(case, x), unmet=unmet, unchecked=unchecked)


def stream(claim: Claim, seed: int) -> np.random.Generator:
    """Return the claim's own random stream under a master seed."""
    return np.random.default_rng([seed, zlib.crc32(claim.id.encode())])


def _break(claim: Claim, seed: int) -> Iterable[Broken]:
    """Run the claim with each hypothesis broken in turn."""
    for hypothesis in claim.hypotheses:
        if hypothesis.broken:
            evidence = gather(claim, hypothesis.broken(stream(claim, seed)), claim.stated)
            without = judge(replace(evidence, unmet=(), unchecked=()))
            yield Broken(hypothesis.sentence, judge(evidence), without)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
