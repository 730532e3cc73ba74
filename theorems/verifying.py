"""`dynamics-sim verify`: the catalogue judged, claim by claim, and what was found on one page."""

import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from dynamics.errors import InputError, must
from dynamics.precision import self_test
from theorems.claim import REFERENCES, Claim, choose_claims
from theorems.output import atomic_files
from theorems.report import heading, html_page, markdown_page
from theorems.verdict import Strength, Verdict
from theorems.verification import Finding, verify

COLOURS = {
    Verdict.SUPPORTED: "green",
    Verdict.REFUTED: "red",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.INAPPLICABLE: "dim",
}
PAGES = {".html": html_page, ".htm": html_page, ".md": markdown_page}
SURVIVES = {
    Verdict.SUPPORTED: "the conclusion survives",
    Verdict.REFUTED: "the conclusion fails",
    Verdict.INCONCLUSIVE: "whether the conclusion survives stays open",
}


def verify_claims(
    ids: list[str], json_file: Path | None, report: Path | None, *, strength: str | None, seed: int, verbose: bool
) -> bool:
    """Judge, print as it goes, write the files; return whether every verdict is as expected.

    Raises:
        InputError: an unknown id or strength, a selection without a claim, or a file that cannot be written.
    """
    began = time.perf_counter()
    claims = _selected(ids, strength)
    page = _page(report)
    console = Console(highlight=False)
    with atomic_files({"--json": json_file, "--report": report}) as files:
        self_test()
        found = _judge(console, claims, seed, verbose)
        if "--json" in files:
            files["--json"].write(json.dumps([one.to_dict() for one in found], indent=2, allow_nan=False) + "\n")
        if page:
            files["--report"].write(page(found))
    _summary(console, found, time.perf_counter() - began)
    if not ids:
        console.print(f"results of other papers: dynamics-sim verify {REFERENCES}", soft_wrap=True)
    for file in (json_file, report):
        if file:
            console.print(f"written   {escape(str(file))}", soft_wrap=True)
    return all(one.as_expected for one in found)


def _selected(ids: list[str], strength: str | None) -> list[Claim]:
    claims = choose_claims(ids)
    if strength is None:
        return claims
    if strength not in list(Strength):
        raise must("--strength", "be one of " + ", ".join(Strength), strength)
    chosen = [claim for claim in claims if str(claim.strength) == strength]
    if not chosen:
        raise InputError(f"{', '.join(ids)} must have a claim with {strength} evidence, but has none. Drop --strength.")
    return chosen


def _page(report: Path | None) -> Callable[[list[Finding]], str] | None:
    if report is not None and report.suffix.lower() not in PAGES:
        raise must("--report", "end in .html or .md", str(report))
    return PAGES[report.suffix.lower()] if report else None


def _judge(console: Console, claims: list[Claim], seed: int, verbose: bool) -> list[Finding]:
    """Judge the claims one by one below a heading per result, above a progress bar where there is a terminal."""
    width = max(len(claim.id) for claim in claims)
    result = ""
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=console, transient=True, disable=not console.is_terminal,
    ) as bar:  # fmt: skip
        task = bar.add_task("judging", total=len(claims))

        def show(claim: Claim, finding: Finding | None) -> None:
            nonlocal result
            if finding is None:
                bar.update(task, description=claim.id)
                return
            if claim.result != result:
                result = claim.result
                console.print(f"[bold]{escape(heading(result))}[/]", soft_wrap=True)
            _row(console, finding, width, verbose)
            bar.advance(task)

        return verify(*(claim.id for claim in claims), seed=seed, progress=show)


def _row(console: Console, finding: Finding, width: int, verbose: bool) -> None:
    """Print one claim: a line, the witness of a refutation below it, and with -v everything else."""
    claim, evidence = finding.claim, finding.evidence
    limit = f"<= {evidence.tolerance:.2g}" if evidence.tolerance and finding.verdict is Verdict.SUPPORTED else ""
    mark = "[green]ok[/]" if finding.as_expected else "[bold red]!![/]"
    colour = COLOURS[finding.verdict]
    console.print(
        f"{mark} {claim.id:<{width}}  [{colour}]{finding.verdict:<12}[/] {evidence.strength:<9}  "
        f"gap {evidence.gap:<8.2g} {limit:<9} {finding.seconds:6.2f} s", soft_wrap=True
    )  # fmt: skip
    if not finding.as_expected:
        console.print(f"     expected {claim.expected} by {claim.strength} evidence", style="red", soft_wrap=True)
    if evidence.witness and (verbose or finding.verdict is not Verdict.SUPPORTED):
        console.print(f"     {escape(evidence.witness)}", soft_wrap=True)
    if verbose:
        for line in _details(finding):
            console.print(f"     {escape(line)}", style="dim", soft_wrap=True)


def _details(finding: Finding) -> list[str]:
    claim, evidence = finding.claim, finding.evidence
    moved = f"lever: {claim.lever.what}" if claim.lever else f"repair: {claim.repair.what}" if claim.repair else ""
    lines = [
        f"{claim.form}: {claim.sentence}",
        f"source: {claim.origin}",
        f"judged against: {claim.reference}",
        f"error {evidence.error:.2g}, tolerance {evidence.tolerance:.2g}, cases {finding.cases}",
        moved or f"no repair: {claim.no_repair}",
    ]
    return lines + [f"without '{one.hypothesis}': {one.verdict}; {SURVIVES[one.conclusion]}" for one in finding.broken]


def _summary(console: Console, found: list[Finding], seconds: float) -> None:
    verdicts = Counter(str(one.verdict) for one in found)
    strengths = Counter(str(one.evidence.strength) for one in found)
    wrong = [one for one in found if not one.as_expected]
    for one in wrong:
        _complain(console, one)
    count = f"{len(found)} claim{'s' if len(found) > 1 else ''}"
    outcome = "[bold red]NOT all as expected[/]" if wrong else "[green]all as expected[/]"
    console.print(f"\n{count}: {_listed(verdicts)}; {outcome}", soft_wrap=True)
    console.print(f"evidence: {_listed(strengths)}; {seconds:.0f} s", soft_wrap=True)


def _complain(console: Console, finding: Finding) -> None:
    claim = finding.claim
    console.print(
        f"[bold red]{claim.id}[/] is {finding.verdict} by {finding.evidence.strength} evidence, "
        f"but must be {claim.expected} by {claim.strength} evidence: {escape(finding.evidence.witness)}", soft_wrap=True
    )  # fmt: skip
    for one in finding.broken:
        if one.verdict is not Verdict.INAPPLICABLE:
            console.print(f"  with '{escape(one.hypothesis)}' broken it is {one.verdict}", soft_wrap=True)


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())
