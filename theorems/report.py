"""The findings on one page: HTML for readers, with nothing to fetch, and the Markdown table beside the code."""

import base64
import inspect
import io
from collections import Counter
from collections.abc import Iterable
from html import escape
from importlib.metadata import version
from pathlib import Path

import matplotlib as mpl
from latex2mathml.converter import convert
from matplotlib.figure import Figure

from theorems.claim import Claim, results
from theorems.prose import prose
from theorems.style import STYLE
from theorems.verdict import Verdict
from theorems.verification import Finding

LEGEND = {
    Verdict.SUPPORTED: "the check finds no difference beyond its tolerance, its own error included",
    Verdict.REFUTED: "the check finds a difference beyond its tolerance and its own error: a counterexample is shown",
    Verdict.INCONCLUSIVE: "the check cannot tell",
    Verdict.INAPPLICABLE: "a hypothesis of the claim does not hold on the case",
}
STRENGTHS = {
    "symbolic": "computer algebra reduces the identity to zero for all parameters",
    "enclosed": "ball arithmetic encloses the value or proves the inequality",
    "numerical": "many random cases, with a bound on the error of each",
    "witness": "one concrete counterexample",
}
SURVIVES = {
    Verdict.SUPPORTED: "the conclusion survives there",
    Verdict.REFUTED: "the conclusion fails there",
    Verdict.INCONCLUSIVE: "not decided there",
}
# The title of a page and what it is about: the paper, or the results of other papers only.
PAPER = (
    "The unhinged loss: every claim, judged",
    "What the paper <cite>On the Dynamics Under the Unhinged Loss and Beyond</cite> (Zhou, Liu, Wang, Zhai, Jiang and "
    "Ji, JMLR 24(376), 2023) says about the training of last-layer features and prototypes, sentence by sentence: what "
    "holds, what holds after a correction, what fails, and results beyond it. A sentence is refuted only as printed; a "
    "bound is judged as a bound, and a step of a proof is called one.",
)
OTHERS = (
    "Results of other papers, reproduced",
    "Exact solutions that others derived for other systems, each beside a simulation of its own equations. They are "
    "independent references: what integrates, judges and counts digits here must find them.",
)
FIGURE = (7.2, 3.3)  # inches
STYLESHEET = """
:root { --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --paper: #ffffff; --shade: #f6f8fa;
  --supported: #0b6b50; --refuted: #b3261e; --open: #8a5a00; }
* { box-sizing: border-box; }
body { margin: 0; font: 17px/1.55 Charter, "Bitstream Charter", "Sitka Text", Cambria, Georgia, serif;
  color: var(--ink); background: var(--paper); }
header, main, footer { max-width: 82rem; margin: 0 auto; padding: 0 1.2rem; }
h1 { font-size: 2rem; line-height: 1.2; margin: 2rem 0 .4rem; }
h2 { font-size: 1.35rem; margin: 0 0 .6rem; }
section { padding: 1.8rem 0 1.2rem; border-top: 1px solid var(--line); scroll-margin-top: 1rem; }
.lead { max-width: 46rem; }
.counts { display: flex; flex-wrap: wrap; gap: .4rem 2rem; margin: 1rem 0; padding: 0; list-style: none; }
.counts b { font-size: 1.6rem; display: block; line-height: 1.2; }
nav { columns: 19rem; column-gap: 2rem; margin: 1rem 0 2rem; }
nav a { display: block; color: inherit; text-decoration: none; break-inside: avoid; padding: .15rem 0 .15rem 1.3rem;
  text-indent: -1.3rem; }
nav a:hover { text-decoration: underline; }
.dot { display: inline-block; width: .62em; height: .62em; border-radius: 50%; margin-right: .18em; }
.dot.SUPPORTED { background: var(--supported); } .dot.REFUTED { background: var(--refuted); border-radius: 0; }
.dot.INCONCLUSIVE, .dot.INAPPLICABLE { background: var(--open); }
.row { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); gap: 1rem;
  margin: 0 0 1rem; }
article { border: 1px solid var(--line); border-left: 5px solid var(--open); border-radius: 4px; padding: .8rem 1rem;
  background: var(--paper); min-width: 0; }
article.SUPPORTED { border-left-color: var(--supported); }
article.REFUTED { border-left-color: var(--refuted); }
.head { display: flex; flex-wrap: wrap; gap: .1rem .9rem; align-items: baseline;
  font: 14px/1.5 system-ui, sans-serif; color: var(--soft); }
.verdict { font-weight: 700; letter-spacing: .03em; }
.SUPPORTED .verdict { color: var(--supported); } .REFUTED .verdict { color: var(--refuted); }
.INCONCLUSIVE .verdict, .INAPPLICABLE .verdict { color: var(--open); }
.formula { overflow-x: auto; overflow-y: hidden; margin: .6rem 0; padding: .3rem 0; }
sub, sup { font-size: .72em; line-height: 0; }
p { margin: .5rem 0; }
.witness { background: var(--shade); border-radius: 4px; padding: .5rem .8rem; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem .9rem; margin: .6rem 0 0;
  font: 14px/1.5 system-ui, sans-serif; color: var(--soft); }
dt { font-weight: 600; } dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
code { font: .86em/1.4 ui-monospace, "SF Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.why p, .why pre { max-width: 46rem; }
.why pre { white-space: pre-wrap; overflow-wrap: anywhere; font: .84em/1.5 ui-monospace, Menlo, Consolas, monospace;
  background: var(--shade); padding: .5rem .8rem; border-radius: 4px; }
summary { cursor: pointer; color: var(--soft); font: 15px/1.5 system-ui, sans-serif; }
figure { margin: .6rem 0 1.2rem; } figure img { width: 100%; max-width: 56rem; height: auto; display: block; }
figcaption { color: var(--soft); max-width: 46rem; }
footer { border-top: 1px solid var(--line); color: var(--soft); padding-top: 1rem; padding-bottom: 3rem; }
@media (max-width: 34rem) { body { font-size: 16px; } .formula { font-size: .95em; }
  figure { overflow-x: auto; } figure img { min-width: 34rem; }
  dl { grid-template-columns: 1fr; } dd { margin-bottom: .3rem; } }
@media print { nav { display: none; } article { break-inside: avoid; } }
"""


def heading(result: str) -> str:
    """Return the first line of a result's documentation, without its full stop."""
    return (inspect.getdoc(results()[result]) or result).partition("\n")[0].removesuffix(".")


def html_page(found: list[Finding]) -> str:
    """Return one self-contained page: per result the statements, printed beside corrected, and what was found."""
    by_result: dict[str, list[Finding]] = {}
    for one in found:
        by_result.setdefault(one.claim.result, []).append(one)
    title, lead = OTHERS if all(one.claim.elsewhere for one in found) else PAPER
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{STYLESHEET}</style>
</head>
<body>
<header>
<h1>{title}</h1>
<p class="lead">{lead}</p>
{_counts(found)}
{_legend()}
<nav aria-label="Results">{"".join(_entry(result, ones) for result, ones in by_result.items())}</nav>
</header>
<main>
{"".join(_section(result, ones) for result, ones in by_result.items())}</main>
<footer><p>Made by <code>dynamics-sim verify --report</code>, dynamics-sim {version("dynamics-sim")},
{sum(one.seconds for one in found):.0f} s of checking.
The code of every check is in <code>theorems/claims/</code> and <code>theorems/references/</code>.</p></footer>
</body>
</html>
"""


def markdown_page(found: list[Finding]) -> str:
    """Return the table of verdicts with links to the code: what `theorems/README.md` holds."""
    return verdict_table((one.claim, one.verdict) for one in found)


def verdict_table(judged: Iterable[tuple[Claim, Verdict]]) -> str:
    """Return the Markdown table of claims and verdicts, by result, with no number that differs between machines."""
    by_result: dict[str, list[tuple[Claim, Verdict]]] = {}
    for claim, verdict in judged:
        by_result.setdefault(claim.result, []).append((claim, verdict))
    verdicts = Counter(str(verdict) for ones in by_result.values() for _, verdict in ones)
    strengths = Counter(str(claim.strength) for ones in by_result.values() for claim, _ in ones)
    lines = [
        "# The claims, judged",
        "",
        "Written by `dynamics-sim verify --report theorems/README.md`; a test keeps it current. For the numbers: "
        "`dynamics-sim verify -v`; for a page with formulas, counterexamples and pictures: `--report page.html`.",
        "",
        f"{sum(verdicts.values())} claims: {_listed(verdicts)}. Evidence: {_listed(strengths)}.",
        "",
        *(f"- **{verdict}**: {meaning}." for verdict, meaning in LEGEND.items()),
        *(f"- *{strength}*: {meaning}." for strength, meaning in STRENGTHS.items()),
    ]
    for result, ones in by_result.items():
        lines += [
            "",
            f"## {heading(result)}",
            "",
            "| claim | form | verdict | evidence | sentence |",
            "|---|---|---|---|---|",
        ]
        lines += [_table_row(claim, verdict) for claim, verdict in ones]
    return "\n".join(lines) + "\n"


def _table_row(claim: Claim, verdict: Verdict) -> str:
    folder, file = Path(inspect.getfile(results()[claim.result])).parts[-2:]
    shown = f"**{verdict}**" if verdict is Verdict.REFUTED else str(verdict)
    sentence = claim.sentence.replace("|", "\\|")
    return f"| [`{claim.id}`]({folder}/{file}) | {claim.form} | {shown} | {claim.strength} | {sentence} |"


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())


def _counts(found: list[Finding]) -> str:
    verdicts = Counter(str(one.verdict) for one in found)
    strengths = Counter(str(one.evidence.strength) for one in found)
    entries = {"claims": len(found), **verdicts, **strengths}
    unexpected = sum(not one.as_expected for one in found)
    if unexpected:
        entries["not as expected"] = unexpected
    items = "".join(f"<li><b>{count}</b>{name}</li>" for name, count in entries.items())
    return f'<ul class="counts">{items}</ul>'


def _legend() -> str:
    words = {str(word): meaning for word, meaning in LEGEND.items()} | STRENGTHS
    rows = "".join(f"<dt>{word}</dt><dd>{meaning}</dd>" for word, meaning in words.items())
    return f"<details><summary>What the words mean</summary><dl>{rows}</dl></details>"


def _entry(result: str, found: list[Finding]) -> str:
    dots = "".join(
        f'<span class="dot {one.verdict}" title="{escape(one.claim.id)}: {one.verdict}"></span>' for one in found
    )
    return f'<a href="#about-{escape(result)}">{dots} {prose(heading(result))}</a>\n'


def _section(result: str, found: list[Finding]) -> str:
    body = "".join(f'<div class="row">{"".join(_article(one) for one in ones)}</div>\n' for ones in _rows(found))
    pictures = "".join(_picture(one.claim) for one in found)
    return f"""<section id="about-{escape(result)}">
<h2>{prose(heading(result))}</h2>
{body}{pictures}{_why(result, any(one.verdict is Verdict.REFUTED for one in found))}</section>
"""


def _rows(found: list[Finding]) -> list[list[Finding]]:
    """Return the findings row by row: x.printed beside x.corrected, and what has no such twin together."""
    aspects: dict[str, list[Finding]] = {}
    for one in found:
        aspects.setdefault(one.claim.id.removesuffix("." + one.claim.form), []).append(one)
    rows: list[list[Finding]] = []
    alone: list[Finding] = []
    for ones in aspects.values():
        if len(ones) == 1:
            alone += ones
        else:
            rows.append(ones)
    return [*rows, alone] if alone else rows


def _article(finding: Finding) -> str:
    claim, evidence = finding.claim, finding.evidence
    unexpected = "" if finding.as_expected else f"<p><b>Not as expected: it must be {claim.expected}.</b></p>"
    shown = evidence.witness and finding.verdict is not Verdict.SUPPORTED
    witness = f'<p class="witness">{prose(evidence.witness)}</p>' if shown else ""
    facts = "".join(f"<dt>{name}</dt><dd>{prose(value)}</dd>" for name, value in _facts(finding))
    return f"""<article class="{finding.verdict}" id="{escape(claim.id)}">
<div class="head"><span class="verdict">{finding.verdict}</span>
<span>{claim.form}</span><span>{evidence.strength}</span><span>{escape(claim.origin)}</span><code>{escape(claim.id)}</code></div>
{unexpected}<p>{prose(claim.sentence)}</p>
<div class="formula">{convert(claim.formula, display="block")}</div>
{witness}<dl>{facts}</dl>
</article>"""


def _facts(finding: Finding) -> list[tuple[str, str]]:
    claim, evidence = finding.claim, finding.evidence
    numbers = f"gap {evidence.gap:.2g}, error {evidence.error:.2g}, tolerance {evidence.tolerance:.2g}"
    facts = [("judged against", claim.reference), ("found", f"{numbers}; cases examined: {finding.cases}")]
    if evidence.witness and finding.verdict is Verdict.SUPPORTED:
        facts.append(("in detail", evidence.witness))
    facts += [
        ("hypothesis", f"{one.hypothesis}. Broken: {one.verdict}; {SURVIVES[one.conclusion]}.")
        for one in finding.broken
    ]
    if claim.lever:
        facts.append(("refuted if moved", claim.lever.what))
    elif claim.repair:
        facts.append(("supported if repaired", claim.repair.what))
    else:
        facts.append(("no repair", claim.no_repair))
    return facts


def _why(result: str, shown: bool) -> str:
    """Return a result's documentation below its first line: text as paragraphs, indented formulas as they are."""
    _, _, text = (inspect.getdoc(results()[result]) or "").partition("\n")
    blocks = [block for block in text.split("\n\n") if block.strip()]
    body = "".join(
        f"<pre>{escape(inspect.cleandoc(block))}</pre>"
        if block.lstrip("\n").startswith("    ")
        else f"<p>{prose(block)}</p>"
        for block in blocks
    )
    opened = " open" if shown else ""
    return f'<details class="why"{opened}><summary>Notation, and why</summary>{body}</details>\n' if body else ""


def _picture(claim: Claim) -> str:
    """Return a claim's picture inside the page, its caption the first line of what draws it."""
    if claim.picture is None:
        return ""
    text = (inspect.getdoc(claim.picture) or claim.id).partition("\n\n")[0].replace("\n", " ").removeprefix("Draw ")
    caption = text[0].upper() + text[1:]
    with mpl.rc_context(STYLE):
        figure, image = Figure(figsize=FIGURE, layout="constrained"), io.BytesIO()
        claim.picture(figure)
        figure.savefig(image, format="svg", metadata={"Date": None})
    data = base64.b64encode(image.getvalue()).decode()
    source = f"data:image/svg+xml;base64,{data}"
    return f'<figure><img alt="{escape(caption)}" src="{source}"><figcaption>{prose(caption)}</figcaption></figure>\n'
