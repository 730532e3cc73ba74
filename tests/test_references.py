"""Results of other papers: every one found, every number to its last digit; and none found where it is not."""

import inspect
import json
import re
from decimal import Decimal
from functools import cache

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from typer.testing import CliRunner

import theorems
from dynamics.errors import InputError
from theorems import claim as claim_module
from theorems.claim import MOVED, REFERENCES, choose_claims, results
from theorems.cli import app
from theorems.reference import Path, digits, integrate, same
from theorems.references import braun, garrod, kernel_regression, mixon, saxe, seli, soudry, tirer, zhu
from theorems.report import html_page, markdown_page
from theorems.verdict import Verdict, judge
from theorems.verification import examine

CLAIMS = {claim.id: claim for claim in choose_claims([REFERENCES])}
MODULES = {name: module for name, module in results().items() if name.startswith(REFERENCES)}
CITATION = r"arXiv \d{4}\.\d{4,5}|NeurIPS \d{4}"
SEEDS = range(1, 6)  # besides the master seed 0


@cache
def found(name):
    return examine(CLAIMS[name])


@pytest.mark.parametrize("name", CLAIMS)
def test_it_is_reproduced(name):
    claim, finding = CLAIMS[name], found(name)
    assert claim.expected is Verdict.SUPPORTED and claim.form == "new"
    assert finding.as_expected, finding
    assert len(finding.broken) == len(claim.hypotheses)
    assert all(examine(claim, seed).as_expected for seed in SEEDS)


@pytest.mark.parametrize("name", CLAIMS)
def test_a_formula_wrong_by_a_thousandth_is_refuted(name):
    claim = CLAIMS[name]
    assert claim.lever.to / claim.lever.stated == MOVED
    assert examine(claim, moved=True).verdict is Verdict.REFUTED


@pytest.mark.parametrize("name", MODULES)
def test_it_can_be_cited(name):
    documentation = inspect.getdoc(MODULES[name])
    assert "System:" in documentation and "Formula:" in documentation
    assert re.search(CITATION, documentation)
    for claim in MODULES[name].CLAIMS:
        assert claim.sentence and claim.formula and claim.reference
        assert re.search(CITATION, claim.source)


# (module, its formula, a claim that must notice)
FORMULAS = [
    (saxe, "growth", "flow"),
    (saxe, "growth", "numbers"),
    (braun, "riccati", "flow"),
    (braun, "doubled", "unhinged"),
    (garrod, "strengths", "modes"),
    (garrod, "duration", "time"),
    (mixon, "eigenvalue", "flow"),
    (kernel_regression, "outputs", "flow"),
    (tirer, "squares", "minimum"),
    (zhu, "stretch", "minimum"),
    (zhu, "length", "minimum"),
    (zhu, "rate", "zero"),
    (seli, "minimum_logits", "minimum"),
    (seli, "beside", "minimum"),
]


@pytest.mark.parametrize(("module", "formula", "aspect"), FORMULAS)
def test_a_formula_whose_value_is_off_is_refuted(module, formula, aspect, monkeypatch):
    right = getattr(module, formula)
    monkeypatch.setattr(module, formula, lambda *args: MOVED * right(*args))
    claim = next(claim for claim in module.CLAIMS if claim.id.endswith(aspect))
    assert examine(claim).verdict is Verdict.REFUTED


@pytest.mark.parametrize("vector", ["widest", "offset"])
def test_both_vectors_of_the_logarithmic_limit_are_guarded(vector, monkeypatch):
    right = getattr(soudry.Samples, vector).fget
    monkeypatch.setattr(soudry.Samples, vector, property(lambda self: MOVED * right(self)))
    assert soudry.limit(soudry.GIVEN, 1.0).gap > 1e-4


def test_the_direction_turns_no_faster_than_one_over_ln_t():
    case = soudry.random_samples(np.random.default_rng(0))
    path = case.simulate(soudry.LOGS)
    w, v = (one / np.linalg.norm(one, axis=-1, keepdims=True) for one in (path.states[1:], case.widest))
    products = np.linalg.norm(w - v, axis=1) * soudry.LOGS[1:]
    assert products.max() < 2 * products[-1]
    assert products.min() > products[-1] / 2


@pytest.mark.parametrize(("share", "check"), [(0.999, zhu.minimum), (1.001, zhu.zero)])
def test_cross_entropy_stands_up_to_its_threshold_and_no_further(share, check, monkeypatch):
    """Motion is slow near it: a descent needs more steps, and a flow is long enough with fewer e-folds."""
    monkeypatch.setattr(zhu, "STEPS", 50_000)
    monkeypatch.setattr(zhu, "REST", 50.0)
    decay = share / (zhu.CLASSES * np.sqrt(zhu.PER_CLASS))
    case = zhu.Decays(decay, decay)
    assert case.has_zero == (share > 1)
    assert judge(check(case, 1.0)) is Verdict.SUPPORTED


def test_the_signs_at_the_seli_matrix_are_those_of_the_integral():
    sizes = np.array([6.0, 3.0, 2.0, 1.0])
    found = seli.factors(seli.encoded(seli.Sizes(seli.MIXED))).direction / np.sqrt(sizes)
    for j, k in ((0, 3), (3, 0), (1, 2)):
        integral = quad(
            lambda u, j=j, k=k: 2 / np.pi / ((sizes[j] + u * u) * (sizes[k] + u * u) * np.sum(1 / (sizes + u * u))),
            0,
            np.inf,
        )
        assert -found[j, k] == pytest.approx(integral[0], rel=1e-9)


def test_seli_is_nearer_the_smaller_the_decay_but_only_like_one_over_its_logarithm():
    shape = seli.unit(seli.encoded(seli.Sizes(seli.STEP)))
    found = [seli.unit(seli.minimum_logits(seli.Sizes(seli.STEP), R)) for R in (7.0, 70.0, 700.0)]
    errors = [np.linalg.norm(one - shape) for one in found]
    assert errors[0] > 0.05
    assert errors[1] / errors[2] == pytest.approx(10, rel=0.05)


# -- stated numbers ----------------------------------------------------------------------------------------------------

DIGITS = [(name, number) for name, module in MODULES.items() for number in getattr(module, "DIGITS", ())]


@pytest.mark.parametrize(("name", "number"), DIGITS)
@pytest.mark.parametrize("direction", [-1, 1])
def test_one_digit_off_is_refuted(name, number, direction, monkeypatch):
    table, claim = MODULES[name].DIGITS, CLAIMS[name + ".numbers"]
    right = table[number]
    assert right in claim.sentence and right in claim.formula
    last = Decimal(1).scaleb(Decimal(right).as_tuple().exponent)
    monkeypatch.setitem(table, number, str(Decimal(right) + direction * last))
    finding = examine(claim)
    assert finding.verdict is Verdict.REFUTED
    assert number in finding.evidence.witness


def test_a_number_is_judged_to_half_of_its_last_digit():
    third = {"third": "0.333"}
    assert judge(digits(third, {"third": 1 / 3})) is Verdict.SUPPORTED
    assert judge(digits(third, {"third": 0.33349})) is Verdict.SUPPORTED
    assert judge(digits(third, {"third": 0.33351})) is Verdict.REFUTED
    assert judge(digits(third, {"third": 0.3335}, error=1e-5)) is Verdict.INCONCLUSIVE
    both = {"third": "0.333", "large": "1234"}
    assert "large" in digits(both, {"third": 1 / 3, "large": 1235.0}).witness


# -- the integrators ---------------------------------------------------------------------------------------------------


def turning(t, y, rate):
    return rate * jnp.stack([-y[1], y[0]])


def test_the_error_of_a_path_is_honest():
    times = np.linspace(0.0, 10.0, 6)
    path = integrate(turning, np.float64(2.0), np.array([1.0, 0.0]), times)
    exact = np.stack([np.cos(2 * times), np.sin(2 * times)], axis=1)
    true = np.linalg.norm(path.states - exact, axis=1)
    assert path.states.dtype == np.float64
    assert np.all(true <= 10 * path.error + 1e-14)
    assert true.max() < 1e-11
    assert judge(same(path, exact, 1e-10)) is Verdict.SUPPORTED
    assert judge(same(path, MOVED * exact, 1e-10)) is Verdict.REFUTED


def test_a_path_that_is_not_known_well_enough_decides_nothing():
    ones = np.ones((2, 3))
    assert judge(same(Path(ones, np.array([0.0, 1.0])), ones, 1e-10)) is Verdict.INCONCLUSIVE
    assert judge(same(Path(ones * np.nan, np.zeros(2)), ones, 1e-10)) is Verdict.INCONCLUSIVE


# -- python and the command line ---------------------------------------------------------------------------------------


def invoke(*words):
    return CliRunner().invoke(app, ["verify", *map(str, words)])


def test_the_paper_is_judged_by_itself():
    assert not any(claim.elsewhere for claim in choose_claims([]))
    assert all(claim.elsewhere for claim in CLAIMS.values())
    assert len({claim.result for claim in CLAIMS.values()}) == len(MODULES) >= 5


def test_verify_takes_all_one_or_an_aspect():
    assert [one.claim.id for one in theorems.verify("references.saxe")] == [
        "references.saxe.flow",
        "references.saxe.numbers",
    ]
    assert [one.claim.id for one in theorems.verify("references.mixon.flow", "thm2.bias")] == [
        "thm2.bias",
        "references.mixon.flow",
    ]


def test_the_command_judges_and_writes(tmp_path):
    result = invoke("references.saxe", "references.soudry", "--json", tmp_path / "a.json")
    assert result.exit_code == 0, result.output
    assert "5 claims: 5 SUPPORTED; all as expected" in result.output
    rows = json.loads((tmp_path / "a.json").read_text())
    assert [row["id"] for row in rows] == [name for name in CLAIMS if "saxe" in name or "soudry" in name]
    assert all(row["source"] and row["gap"] + row["error"] <= row["tolerance"] for row in rows)


def test_without_ids_the_command_says_where_the_others_are(monkeypatch):
    bias = choose_claims(["thm2.bias"])[0]
    monkeypatch.setattr(claim_module, "catalogue", lambda: {bias.id: bias})
    assert "dynamics-sim verify references" in invoke().output
    assert "dynamics-sim verify references" not in invoke("thm2.bias").output


@pytest.mark.parametrize(
    "bad", ["reference", "references.", "references.sax", "references.saxe.flo", "saxe", "saxe.flow"]
)
def test_an_id_that_is_none_is_answered(bad):
    with pytest.raises(InputError, match="the claim must be one of"):
        theorems.verify(bad)
    result = invoke(bad)
    assert result.exit_code == 2 and "Traceback" not in result.output


def test_pages_are_about_other_papers():
    findings = [found(name) for name in CLAIMS]
    page, table = html_page(findings), markdown_page(findings)
    assert "Results of other papers" in page and "every claim, judged" not in page
    assert "arXiv 1312.6120" in page and "not in the paper" not in page
    assert "](references/saxe.py)" in table


@pytest.mark.parametrize("strength", [0.05, 0.06, 0.08])
def test_minima_whose_iteration_does_not_settle_are_refused(strength):
    with pytest.raises(InputError, match="must be large enough for the iteration to settle"):
        seli.minimum_logits(seli.Sizes((6, 3, 2, 1)), -np.log(strength))
