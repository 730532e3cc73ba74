"""The experiment: its defaults, its way through TOML, changes from the command line, and the families behind it."""

import importlib
import json
import pkgutil
import sys
import tomllib

import numpy as np
import pytest
from typer.testing import CliRunner

import dynamics.schedules
from dynamics.errors import InputError
from dynamics.experiment import SECTIONS, Experiment, changed, load, presets
from dynamics.families import members
from dynamics.loss import Loss
from dynamics.measure import METRICS, ON_REQUEST, PER_CLASS, SIMULATION_ONLY
from dynamics.method import Method, methods, schedules
from dynamics.preparation import prepare, resolve
from dynamics.scenario import Scenario, scenarios
from dynamics.schedule import Schedule
from dynamics.simulation import simulate
from dynamics.start import simplex_etf
from theorems.benchmark import Benchmark
from theorems.claim import REFERENCES, choose_claims
from theorems.cli import app
from theorems.closed_form import ClosedForm
from theorems.comparison import Agreement, compare
from theorems.figure import Recipe
from theorems.solution import solve

FAMILIES = {
    "dynamics.scenarios": Scenario,
    "dynamics.methods": Method,
    "dynamics.schedules": Schedule,
    "dynamics.losses": Loss,
    "theorems.closed_forms": ClosedForm,
    "theorems.figures": Recipe,
    "theorems.benchmarks": Benchmark,
}
SMALL = {"classes": 3, "per_class": [3, 2, 2], "features": 4}


# --- defaults and TOML -------------------------------------------------------------------------------------------


def test_the_defaults_are_the_papers_setting():
    experiment = Experiment()
    assert experiment.to_dict() == load(None).to_dict() == load("paper").to_dict()
    table, method = experiment.problem, experiment.method
    assert (table.classes, table.per_class, table.features) == (100, 10, 512)
    assert (table.gamma, table.gamma_value(100), table.loss) == ("1/(C-1)", 1 / 99, "unhinged")
    assert (table.label_smoothing, table.sample_weights) == (0, "none")
    assert (experiment.scenario.kind, method.kind, method.schedule.kind) == ("unconstrained", "descent", "constant")
    assert (method.steps, method.eta, method.ratio, method.warmup) == (50_000, 0.1, 1, 0)
    start, output = experiment.start, experiment.output
    assert (start.seed, start.scale_h, start.scale_w, start.w, start.data, start.file) == (
        0,
        1,
        1,
        "gaussian",
        None,
        None,
    )
    assert (output.points, output.states) == (500, False)


@pytest.mark.parametrize("name", presets())
def test_every_preset_comes_back_from_its_own_toml(tmp_path, name):
    experiment = load(name)
    again = Experiment.from_dict(tomllib.loads(experiment.to_toml()), name=name)
    assert again == experiment
    path = tmp_path / f"{name}.toml"
    path.write_text(experiment.to_toml())
    read = Experiment.from_toml(path)
    assert (read.name, read.folder) == (name, tmp_path)
    assert read.to_dict() == experiment.to_dict() == load(str(path)).to_dict()
    # What a file or data dictates is not stated by the TOML, so it can still be prepared.
    assert resolve(again).to_dict() == resolve(experiment).to_dict()
    # And the resolved experiment, which says all sizes, is a fixed point.
    assert resolve(resolve(experiment)) == resolve(experiment)


def test_every_preset_has_a_description():
    assert {"paper", "digits", "digits-long-tailed"} <= set(presets())
    for name, about in presets().items():
        assert about, name
        assert not about.startswith("#"), name


def test_the_long_tail_has_the_stated_sizes():
    sizes = resolve(load("digits-long-tailed")).problem.per_class
    assert sizes == [round(170 * 10 ** (-c / 9)) for c in range(10)]
    assert resolve(load("digits")).problem.features == 64


def test_an_experiment_is_frozen_and_equal_by_value():
    first, second = (Experiment(problem=dict(SMALL)) for _ in range(2))
    assert first == second != Experiment()
    with pytest.raises(ValueError, match="frozen"):
        first.name = "another"


# --- changes from the command line -------------------------------------------------------------------------------


def test_an_empty_change_removes_a_key():
    assert load("flow").method.eta == 0.1
    assert load("flow", ["method.eta=0.5", "method.eta="]) == load("flow")
    assert load("regularized").scenario.lambda_h == 0.0525
    assert load("regularized", ["scenario.lambda_h="]).scenario.lambda_h == 0
    assert load("digits", ["start.data="]).problem.classes == 100
    assert load("paper", ["start.file="]) == load("paper")


def test_changes_are_read_as_toml_or_else_as_text():
    changed = load("paper", ["problem.per_class = [1, 2]", "problem.classes=2", "problem.gamma=1/(C-1)", "start.w=etf"])
    assert (changed.problem.per_class, changed.problem.gamma, changed.start.w) == ([1, 2], "1/(C-1)", "etf")
    assert load("paper", ["problem.gamma=2", 'start.w="etf"', "output.states=true"]).problem.gamma == 2.0
    assert load("paper", ["method.steps=1_000"]).method.steps == 1000


def test_the_last_change_of_a_key_counts():
    assert load("paper", ["method.eta=1", "method.eta=2"]).method.eta == 2


def test_a_new_kind_drops_the_keys_it_does_not_have_and_keeps_the_others():
    assert load("regularized", ["scenario.kind=anchored"]).scenario.model_dump() == {
        "lambda_h": 0.0525,
        "prototypes": "start",
    }
    assert load("regularized", ["scenario.kind=unconstrained"]).scenario.kind == "unconstrained"
    assert load("regularized", ["scenario.kind="]).scenario.kind == "unconstrained"
    assert load("anchored", ["scenario.kind=spherical"]).scenario.prototypes == "etf"
    assert load("kernel", ["scenario.kernel_rank=3", "scenario.kind=kernel"]).scenario.kernel_rank == 3


def test_a_new_schedule_drops_the_keys_it_does_not_have():
    assert load("flow").method.schedule.model_dump() == {"final": 0.1}
    assert load("flow", ["method.schedule=linear"]).method.schedule.model_dump() == {"final": 0.1}
    assert load("flow", ["method.schedule=constant"]).method.schedule.kind == "constant"
    assert load("flow", ["method.schedule="]).method.schedule.kind == "constant"
    stepped = load("flow", ["method.schedule=step", "method.every=100", "method.factor=0.5"]).method
    assert (stepped.schedule.model_dump(), stepped.warmup) == ({"every": 100, "factor": 0.5}, 50)


def test_a_typo_is_not_dropped_by_a_new_kind():
    with pytest.raises(InputError, match=r"scenario\.lamda_h must be a key"):
        load("regularized", ["scenario.lamda_h=1", "scenario.kind=anchored"])


def test_steps_and_time_convert_one_to_one():
    assert load("paper", ["method.kind=flow"]).method.time == 50_000
    assert load("flow", ["method.kind=descent"]).method.steps == 2000
    assert load("paper", ["method.steps=123", "method.kind=flow"]).method.time == 123
    assert load("flow", ["method.time=12.4", "method.kind=descent"]).method.steps == 12
    assert load("flow", ["method.kind=descent", "method.kind=flow"]) == load("flow")
    assert load("flow", ["method.kind="]).method.steps == 2000
    # What is stated beside the new kind counts more than what was there before it.
    assert load("paper", ["method.kind=flow", "method.time=7"]).method.time == 7
    assert load("paper", ["method.time=7", "method.kind=flow"]).method.time == 7
    for length in ("nan", "inf"):
        with pytest.raises(InputError, match=r"method\.steps must be a whole number"):
            load("flow", [f"method.time={length}", "method.kind=descent"])


def test_a_start_file_counts_from_the_toml_and_with_set_from_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "deep").mkdir()
    toml = tmp_path / "deep" / "mine.toml"
    toml.write_text('[start]\nfile = "start.npz"')
    monkeypatch.chdir(tmp_path)
    for place, classes in (("deep", 2), ("", 3)):
        np.savez(tmp_path / place / "start.npz", H=np.ones((4, 6)), W=np.ones((4, classes)))
    assert resolve(load("deep/mine.toml")).problem.classes == 2
    assert resolve(load(str(toml), ["start.file=start.npz"])).problem.classes == 3
    assert resolve(Experiment.from_toml(toml)).problem.per_class == [3, 3]


# --- a run again -------------------------------------------------------------------------------------------------


def test_the_toml_of_a_run_reproduces_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    np.savez("start.npz", H=rng.standard_normal((3, 5)), W=rng.standard_normal((3, 2)), labels=[1, 0, 1, 1, 0])
    (tmp_path / "mine.toml").write_text('[start]\nfile = "start.npz"\n[method]\nsteps = 20\n[output]\npoints = 5')
    drawn = ["start.file=", "problem.classes=2", "problem.per_class=[2, 3]", "problem.features=3", "start.seed=3"]
    for changes, name in ((["method.ratio=2"], "mine"), (drawn, "mine-2")):
        options = [word for change in changes for word in ("--set", change)]
        ran = CliRunner().invoke(app, ["run", "mine.toml", *options])
        assert ran.exit_code == 0, ran.output
        again = Experiment.from_toml(tmp_path / "runs" / name / "run.toml")
        assert again.to_dict() == resolve(load("mine.toml", changes)).to_dict()
        # The path of the start file must not depend on where one stands.
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        simulated = simulate(again)
        monkeypatch.chdir(tmp_path)
        reported = json.loads((tmp_path / "runs" / name / "report.json").read_text())
        assert simulated.metrics["loss"][-1] == reported["final"]["simulation"]["loss"]


# --- families ----------------------------------------------------------------------------------------------------


def test_every_folder_of_members_is_a_known_family():
    found = set()
    for top in ("dynamics", "theorems"):
        package = importlib.import_module(top)
        for info in pkgutil.walk_packages(package.__path__, top + "."):
            if hasattr(importlib.import_module(info.name), "MEMBER"):
                found.add(info.name.rpartition(".")[0])
    assert found == set(FAMILIES)


@pytest.mark.parametrize("package", FAMILIES)
def test_every_member_is_named_after_its_file(package):
    names = {info.name for info in pkgutil.iter_modules(importlib.import_module(package).__path__)}
    family = members(package, FAMILIES[package])
    assert set(family) == {name.replace("_", "-") for name in names}
    for kind, member in family.items():
        assert (member.kind, member.__module__) == (kind, f"{package}.{kind.replace('-', '_')}")


def test_the_list_names_every_member_of_every_family_and_every_preset():
    result = CliRunner().invoke(app, ["list", "--json"])
    assert result.exit_code == 0
    listed = json.loads(result.output)
    expected = {name.rpartition(".")[2]: set(members(name, base)) for name, base in FAMILIES.items()}
    expected |= {"presets": set(presets()), "claims": {claim.id for claim in choose_claims([])}}
    expected |= {"references": {claim.id for claim in choose_claims([REFERENCES])}}
    expected |= {"metrics": {*METRICS, *SIMULATION_ONLY, *PER_CLASS, *ON_REQUEST}}
    assert {family: set(entries) for family, entries in listed.items()} == expected
    assert all(entry for entries in listed.values() for entry in entries.values())
    shown = CliRunner().invoke(app, ["list"])
    assert shown.exit_code == 0
    assert all(name in shown.output for names in expected.values() for name in names)


def test_every_key_of_every_member_survives_the_toml():
    for kind, member in scenarios().items():
        experiment = Experiment(problem=dict(SMALL), scenario={"kind": kind})
        assert set(experiment.to_dict()["scenario"]) == {"kind", *member.model_fields}
    needed = {"rate": 0.1, "every": 2, "factor": 0.5}
    for kind, method in methods().items():
        for name, schedule in schedules().items():
            keys = {key: needed[key] for key in schedule.model_fields if key in needed}
            table = Experiment(method={"kind": kind, "schedule": name, **keys}).to_dict()["method"]
            assert set(table) == {"kind", "schedule", *method.own_keys(), *schedule.model_fields}
    assert tuple(Experiment().to_dict()) == SECTIONS


HALVES = '''
"""Full rate in the first half, half of it in the second."""

from typing import Any, ClassVar

import jax.numpy as jnp

from dynamics.schedule import Numbers, Schedule


class Halves(Schedule):
    """f(t) = 1 before T/2, then ``later``."""

    kind: ClassVar[str] = "halves"
    later: float = 0.5

    def jumps(self, horizon: float) -> list[float]:
        return [horizon / 2]

    @staticmethod
    def multiplier(numbers: Numbers, t: Any, horizon: Any) -> Any:
        return jnp.where(t < horizon / 2, 1.0, numbers["later"])

    @staticmethod
    def area(numbers: Numbers, t: Any, horizon: Any) -> Any:
        return jnp.minimum(t, horizon / 2) + numbers["later"] * jnp.maximum(t - horizon / 2, 0)

    @staticmethod
    def moment(numbers: Numbers, t: Any, horizon: Any) -> Any:
        half = jnp.minimum(t, horizon / 2)
        return half**2 / 2 + numbers["later"] * (t**2 - half**2) / 2


MEMBER = Halves
'''


@pytest.fixture
def one_more_schedule(tmp_path, monkeypatch):
    """Add one file to the folder of schedules, as far as Python can tell; nothing else."""
    (tmp_path / "halves.py").write_text(HALVES)
    monkeypatch.setattr(dynamics.schedules, "__path__", [*dynamics.schedules.__path__, str(tmp_path)])
    members.cache_clear()
    yield
    members.cache_clear()
    sys.modules.pop("dynamics.schedules.halves", None)
    vars(dynamics.schedules).pop("halves", None)


@pytest.mark.parametrize("method", [{"kind": "descent", "steps": 30}, {"kind": "flow", "time": 6, "warmup": 1}])
@pytest.mark.usefixtures("one_more_schedule")
def test_adding_a_schedule_is_adding_one_file(method):
    assert "halves" in schedules()
    experiment = Experiment(
        problem=dict(SMALL), method={**method, "schedule": "halves", "later": 0.25}, output={"points": 7}
    )
    assert tomllib.loads(experiment.to_toml())["method"]["later"] == 0.25
    report = compare(simulate(experiment), solve(experiment))
    assert report.verdict is Agreement.AGREES
    spans = {"descent": 30 * 0.1 * 0.625, "flow": 0.1 * (6 * 0.625 - 0.5)}
    assert report.simulation.zeta[-1] == pytest.approx(spans[experiment.method.kind], rel=1e-14)
    with pytest.raises(InputError, match="It belongs to schedule = 'halves'"):
        Experiment(method={"later": 0.25})


def test_without_the_file_the_schedule_is_unknown():
    with pytest.raises(InputError, match=r"method\.schedule must be one of constant, cosine"):
        Experiment(method={"schedule": "halves"})


def test_a_member_that_breaks_the_rules_of_its_folder_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setattr(dynamics.schedules, "__path__", [*dynamics.schedules.__path__, str(tmp_path)])
    for name, text, complaint in (
        ("nothing", "x = 1", "must bind MEMBER to a Schedule"),
        ("other", HALVES, "must be 'other', the name of its file"),
    ):
        path = tmp_path / f"{name}.py"
        path.write_text(text)
        members.cache_clear()
        importlib.invalidate_caches()
        try:
            with pytest.raises(TypeError, match=complaint):
                schedules()
        finally:
            path.unlink()
            sys.modules.pop(f"dynamics.schedules.{name}", None)
            vars(dynamics.schedules).pop(name, None)
            members.cache_clear()


def test_the_start_draws_its_numbers_in_the_stated_order():
    experiment = Experiment(problem=dict(SMALL), start={"seed": 5, "scale_h": 2.0, "scale_w": -3.0})
    rng = np.random.default_rng(5)
    problem, state = prepare(experiment)
    assert np.array_equal(state.features.T, 2 * rng.standard_normal((4, 7)))
    assert np.array_equal(state.prototypes.T, -3 * rng.standard_normal((4, 3)))
    assert np.array_equal(state.biases, np.zeros(3))
    assert np.array_equal(problem.labels, [0, 0, 0, 1, 1, 2, 2])


def test_changed_keys_are_those_of_load():
    base = Experiment(scenario={"kind": "regularized", "lambda_h": 0.1}, method={"steps": 40, "eta": 0.3})
    other = changed(
        base, {"scenario.kind": "spherical", "method.kind": "flow", "problem.gamma": 0.2, "method.eta": None}
    )
    assert other.scenario.kind == "spherical"  # which has no lambda_h
    assert (other.method.horizon, other.method.eta, other.problem.gamma) == (40.0, 0.1, 0.2)
    assert changed(other, {}) == other
    with pytest.raises(InputError, match=r"problem\.gama must be a key"):
        changed(base, {"problem.gama": 0.1})


def test_a_simplex_etf_in_the_fewest_dimensions_is_drawn_from_the_seed_alone():
    """Not by an eigensolver, which may take any basis of the centred vectors: Helmert's, written out."""
    classes, drawn = 5, np.random.default_rng(3).standard_normal((4, 4))
    rows = [[1.0] * k + [-float(k)] + [0.0] * (classes - 1 - k) for k in range(1, classes)]
    helmert = np.array(rows) / np.sqrt([[k * (k + 1)] for k in range(1, classes)])
    wanted = 2.0 * np.sqrt(classes / (classes - 1)) * np.linalg.qr(drawn)[0] @ helmert
    np.testing.assert_allclose(simplex_etf(np.random.default_rng(3), 4, classes, 2.0), wanted, atol=1e-14)
