"""The catalogue: every verdict, every lever and repair, every broken hypothesis, whatever the seed."""

import json
import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import theorems
from dynamics.errors import InputError
from theorems import claim as claim_module
from theorems.claim import MOVED, REVERSED, Change, Claim, Hypothesis, choose_claims, results
from theorems.cli import app
from theorems.evidence import measured
from theorems.prose import prose
from theorems.report import html_page, verdict_table
from theorems.verdict import Strength, Verdict
from theorems.verification import examine, stream

HERE = Path(__file__).parent
CLAIMS = {claim.id: claim for claim in choose_claims([])}  # those of other papers: test_references.py
SEEDS = range(1, 10)  # besides the master seed 0
STRONG = (Strength.SYMBOLIC, Strength.ENCLOSED)
LOWERED = 0.999
AT_LEAST_STRONG, AT_MOST_WITHOUT_REPAIR = 60, 10


@cache
def found(name):
    return examine(CLAIMS[name])


@cache
def moved(name):
    return examine(CLAIMS[name], moved=True)


def is_random(claim: Claim) -> bool:
    """Whether the cases draw from the random stream at all."""
    rng = stream(claim, 0)
    before = rng.bit_generator.state
    list(claim.cases(rng, claim.stated))
    return rng.bit_generator.state != before


def test_the_catalogue_is_the_one_written_down():
    """A changed expectation needs a change in two places."""
    lines = (HERE / "catalogue.txt").read_text().splitlines()
    written = {tuple(line.split()) for line in lines if not line.startswith("#")}
    assert {(claim.id, claim.form, str(claim.expected)) for claim in CLAIMS.values()} == written


@pytest.mark.parametrize("name", CLAIMS)
def test_the_verdict_is_the_expected_one(name):
    finding = found(name)
    assert finding.as_expected, finding
    assert finding.cases >= 1
    assert len(finding.broken) == sum(one.broken is not None for one in CLAIMS[name].hypotheses)
    assert all(one.verdict is Verdict.INAPPLICABLE for one in finding.broken)


@pytest.mark.parametrize("name", [name for name, claim in CLAIMS.items() if claim.change])
def test_the_lever_breaks_it_and_the_repair_mends_it(name):
    claim, finding = CLAIMS[name], moved(name)
    assert claim.change.to != claim.change.stated
    wanted = Verdict.REFUTED if claim.expected is Verdict.SUPPORTED else Verdict.SUPPORTED
    assert finding.verdict is wanted, finding
    if claim.lever:
        assert claim.lever.to / claim.lever.stated in (MOVED, LOWERED, REVERSED), "0.1 %, or reversed"


@pytest.mark.parametrize("name", CLAIMS)
def test_another_seed_finds_the_same(name):
    claim = CLAIMS[name]
    for seed in SEEDS if is_random(claim) else ():
        finding = examine(claim, seed)
        assert finding.as_expected, (seed, finding)


def test_the_evidence_is_as_strong_as_asked():
    strong = [name for name, claim in CLAIMS.items() if claim.strength in STRONG and claim.lever]
    assert len(strong) >= AT_LEAST_STRONG
    without = [name for name, claim in CLAIMS.items() if claim.no_repair]
    assert len(without) <= AT_MOST_WITHOUT_REPAIR


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_says_what_it_is(name):
    claim = CLAIMS[name]
    assert claim.sentence and claim.formula and claim.source and claim.reference
    assert claim.page > 0 or claim.form == "new", "what is not in the paper is new"
    assert len(claim.sentence) < 500
    assert not claim.picture or claim.picture.__doc__, "the caption"


def test_a_refutation_can_be_checked_by_hand():
    for name, claim in CLAIMS.items():
        if claim.expected is Verdict.REFUTED:
            assert 10 < len(found(name).evidence.witness) <= 220, found(name).evidence.witness


def test_the_files_are_named_after_their_results():
    of_the_paper = [name for name in results() if not name.startswith("references.")]
    assert of_the_paper == list(dict.fromkeys(claim.result for claim in CLAIMS.values()))
    assert "random-start" in results() and "appA" in results()


# -- the verifier itself, on a claim of its own ------------------------------------------------------------------------


def toy(**more):
    """Twice two is four; the hypothesis is that the case is even."""
    even = Hypothesis("the number is even", lambda n: n % 2 == 0, lambda rng: 3)
    table = {
        "id": "toy.double", "sentence": "s", "formula": "x", "source": "here", "form": "new", "reference": "counting",
        "expected": Verdict.SUPPORTED, "strength": Strength.NUMERICAL, "lever": Change("the factor", MOVED),
        "cases": lambda rng, x: [2, 4], "hypotheses": (even,),
        "check": lambda n, x: measured(abs(n * 2 * x - (n + n)), 1e-15, 1e-9, f"n = {n}"),
    }  # fmt: skip
    return Claim(**(table | more))


def test_a_broken_hypothesis_is_noticed_and_the_conclusion_noted():
    (broken,) = examine(toy()).broken
    assert (broken.verdict, broken.conclusion) == (Verdict.INAPPLICABLE, Verdict.SUPPORTED)
    odd = examine(toy(cases=lambda rng, x: [2, 3]))
    assert odd.verdict is Verdict.INAPPLICABLE and not odd.as_expected


def test_a_hypothesis_that_cannot_be_broken_or_decided_is_not_passed_over():
    useless = Hypothesis("always", lambda n: True, lambda rng: 2)
    finding = examine(toy(hypotheses=(useless,)))
    assert finding.verdict is Verdict.SUPPORTED and not finding.as_expected
    open_ = Hypothesis("who knows", lambda n: None, lambda rng: 2)
    assert examine(toy(hypotheses=(open_,))).verdict is Verdict.INCONCLUSIVE


def test_weaker_evidence_than_stated_is_not_as_expected():
    assert not examine(toy(strength=Strength.SYMBOLIC)).as_expected
    assert examine(toy()).as_expected and examine(toy(), moved=True).verdict is Verdict.REFUTED
    assert examine(toy(cases=lambda rng, x: [])).verdict is Verdict.INCONCLUSIVE


UNTESTABLE = {
    "no lever": {"lever": None},
    "a repair too": {"repair": Change("x", 2)},
    "a reason for no repair": {"no_repair": "why"},
    "an unknown form": {"form": "printd"},
    "refuted with a lever": {"expected": Verdict.REFUTED},
    "refuted without a repair": {"expected": Verdict.REFUTED, "lever": None},
    "both": {"expected": Verdict.REFUTED, "lever": None, "repair": Change("x", 2), "no_repair": "why"},
    "a hypothesis that cannot be broken": {"hypotheses": (Hypothesis("unbreakable", lambda n: True),)},
}


@pytest.mark.parametrize("case", UNTESTABLE)
def test_a_claim_that_could_not_be_tested_is_refused(case):
    with pytest.raises(ValueError, match=r"toy\.double"):
        toy(**UNTESTABLE[case])


def test_a_claim_has_a_stream_of_its_own():
    first, second = toy(), toy(id="toy.other")
    draws = [stream(one, seed).standard_normal(3) for one, seed in ((first, 0), (first, 0), (second, 0), (first, 1))]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2]) and not np.array_equal(draws[0], draws[3])


def test_a_file_whose_claims_are_of_another_result_is_refused(monkeypatch):
    monkeypatch.setattr(claim_module, "bindings", lambda package, name: {"thm2": (toy(),)})
    with pytest.raises(TypeError, match="thm2 must bind CLAIMS"):
        results.__wrapped__()


# -- python and the command line ---------------------------------------------------------------------------------------


def test_verify_takes_ids_and_prefixes():
    assert [one.claim.id for one in theorems.verify("thm2.bias")] == ["thm2.bias"]
    assert [one.claim.result for one in theorems.verify("eq83", "thm2")] == ["thm2"] * 3 + ["eq83"] * 2
    assert theorems.verify("thm2", strength="witness") == []


@pytest.mark.parametrize("bad", ["thm", "thm2.", "thm2.stat", "", "Thm2", "thm22"])
def test_an_id_that_is_none_is_answered(bad):
    with pytest.raises(InputError, match="the claim must be one of"):
        theorems.verify(bad)


@pytest.mark.parametrize("seed", [-1, 1.5, "0"])
def test_a_seed_that_is_none_is_answered(seed):
    with pytest.raises(InputError, match="seed must be a whole number"):
        theorems.verify("thm2.bias", seed=seed)


def invoke(*words):
    return CliRunner().invoke(app, ["verify", *map(str, words)])


def test_the_command_prints_and_writes(tmp_path):
    data, page = tmp_path / "a.json", tmp_path / "a.html"
    result = invoke("thm2.bias", "eq83", "--json", data, "--report", page)
    assert result.exit_code == 0, result.output
    assert "3 claims: 2 SUPPORTED, 1 REFUTED; all as expected" in result.output
    assert re.search(r"eq83\.recursion\.printed +REFUTED", result.output)
    assert found("eq83.recursion.printed").evidence.witness in result.output
    rows = json.loads(data.read_text())
    assert [row["id"] for row in rows] == ["thm2.bias", "eq83.recursion.printed", "eq83.recursion.corrected"]
    needed = {"id", "source", "form", "strength", "expected", "verdict", "gap", "error", "tolerance", "seconds"}
    assert all(needed <= set(row) for row in rows)
    assert "<math" in page.read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "a.json"]


def test_verbose_shows_what_it_rests_on():
    result = invoke("thm2.state", "-v")
    for words in ("judged against:", "source: Theorem 2", "INAPPLICABLE; the conclusion fails", "lever:"):
        assert words in result.output


def test_strength_selects():
    result = invoke("thm2", "--strength", "numerical")
    assert "thm2.commutation" in result.output and "thm2.bias" not in result.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nonsense"], "the claim must be one of"),
        (["thm2.bais"], "Did you mean 'thm2.bias'?"),
        (["thm2", "--strength", "strong"], "--strength must be one of symbolic, enclosed, numerical, witness"),
        (["thm2", "--strength", "witness"], "must have a claim with witness evidence"),
        (["thm2.bias", "--report", "page.pdf"], "--report must end in .html or .md"),
        (["thm2.bias", "--report", "missing/page.html"], "--report must be a file that can be written"),
        (["thm2.bias", "--json", "."], "--json must be a file"),
        (["thm2.bias", "--json", "same.md", "--report", "same.md"], "--report must be another file than --json"),
    ],
)
def test_bad_input_is_one_message_and_nothing_is_written(words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = invoke(*words)
    assert result.exit_code == 2
    assert message in result.output and "Traceback" not in result.output
    assert not list(tmp_path.iterdir())


def broken_catalogue(**more):
    return {"thm2.bias": replace(CLAIMS["thm2.bias"], **more)}


@pytest.mark.parametrize(
    ("check", "verdict"),
    [
        (lambda case, x: measured(1.0, 0.0, 1e-9, "off"), "REFUTED"),
        (lambda case, x: measured(float("nan"), 0.0, 1e-9, "lost"), "INCONCLUSIVE"),
    ],
)
def test_an_unexpected_verdict_exits_with_one_and_is_named(check, verdict, monkeypatch, tmp_path):
    monkeypatch.setattr(claim_module, "catalogue", lambda: broken_catalogue(check=check))
    result = invoke("thm2.bias", "--json", tmp_path / "a.json")
    assert result.exit_code == 1
    assert f"thm2.bias is {verdict}" in result.output and "must be SUPPORTED" in result.output
    assert json.loads((tmp_path / "a.json").read_text())[0]["verdict"] == verdict


def test_an_interrupt_leaves_nothing(monkeypatch, tmp_path):
    def stop(case, x):
        raise KeyboardInterrupt

    monkeypatch.setattr(claim_module, "catalogue", lambda: broken_catalogue(check=stop))
    result = invoke("thm2.bias", "--json", tmp_path / "a.json", "--report", tmp_path / "a.html")
    assert result.exit_code == 130
    assert not list(tmp_path.iterdir())


# -- the pages ---------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a page refers to, and whether every element is closed."""

    VOID = frozenset({"meta", "img", "br", "link"})

    def __init__(self, text):
        super().__init__()
        self.links, self.ids, self.open, self.tags = [], [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name in ("src", "href", "xlink:href")]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_needs_nothing_but_itself():
    text = html_page([found(name) for name in CLAIMS])
    page = Page(text)
    assert not page.open and not page.tags & {"script", "link", "iframe", "object"}
    assert all(link.startswith(("#", "data:")) for link in page.links)
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert set(CLAIMS) <= set(page.ids) and len(page.ids) == len(set(page.ids))
    assert "url(" not in text and "@import" not in text
    assert text.count("<img") == sum(claim.picture is not None for claim in CLAIMS.values()) >= 5


@pytest.mark.parametrize(
    ("plain", "shown"),
    [
        ("lambda2 >= 0", "λ<sub>2</sub> ≥ 0"),
        ("eta1 = s eta2, beta", "η<sub>1</sub> = s η<sub>2</sub>, β"),
        ("h_{i,c} and n_c^(-1/2)", "h<sub>i,c</sub> and n<sub>c</sub><sup>(-1/2)</sup>"),
        ("Z_pi != 0 < 1", "Z<sub>π</sub> ≠ 0 &lt; 1"),
        ("meta, |theta|^2, C^2", "meta, |θ|<sup>2</sup>, C<sup>2</sup>"),
        ("<script>", "&lt;script&gt;"),
    ],
)
def test_formulas_in_plain_text_are_set(plain, shown):
    assert prose(plain) == shown


def test_the_table_beside_the_code_is_current():
    """After a change: dynamics-sim verify --report theorems/README.md."""
    written = (HERE.parent / "theorems" / "README.md").read_text()
    assert written == verdict_table((claim, claim.expected) for claim in CLAIMS.values())
    for link in re.findall(r"\]\(([^)]+)\)", written):
        assert (HERE.parent / "theorems" / link).is_file()


def test_the_list_names_every_claim():
    result = CliRunner().invoke(app, ["list", "--json"])
    assert set(json.loads(result.output)["claims"]) == set(CLAIMS)


def test_a_notebook_shows_findings_as_a_table():
    found = theorems.verify("lemma10")
    shown = found._repr_html_()
    assert repr(found).splitlines()[0] == "lemma10.monotone.printed: REFUTED by witness evidence"
    for one in found:
        assert f"<code>{one.claim.id}</code>" in shown
        assert f"<b>{one.verdict}</b>" in shown
        assert (prose(one.evidence.witness) in shown) == (one.verdict is Verdict.REFUTED)
    assert shown.count("<tr>") == 1 + len(found) == 3
