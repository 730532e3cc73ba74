"""Result folders: whole or not there at all; and what is in them."""

import json
import math
import os
import signal
import subprocess
import sys
import time
import tomllib

import numpy as np
import pytest
import xarray
from typer.testing import CliRunner

from dynamics.errors import InputError
from dynamics.experiment import Experiment
from dynamics.measure import METRICS, SIMULATION_ONLY
from dynamics.preparation import prepare
from dynamics.simulation import simulate
from dynamics.trajectory import Trajectory
from theorems.cli import app
from theorems.comparison import Agreement, compare
from theorems.output import MARK, atomic_folder
from theorems.solution import exact_states, solve

TINY = ["problem.classes=3", "problem.per_class=2", "problem.features=4", "method.steps=20", "output.points=5"]
SMALLEST = Experiment(
    problem={"classes": 3, "per_class": [2, 3, 2], "features": 4}, method={"steps": 20}, output={"points": 5}
)
PUBLISHED = {"run.toml", "report.json", "trajectory.nc", "plot.png"}


def everything_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def options(changes):
    return [word for change in changes for word in ("--set", change)]


# --- whole or not at all -----------------------------------------------------------------------------------------


def publish(target, name="mine", force=False, note="new"):
    """Write a folder as a run does, and return where it ended up."""
    with atomic_folder(target, name, force) as pending:
        (pending.path / MARK).write_text("")
        (pending.path / "report.json").write_text(note)
    return pending.published


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("problem", [RuntimeError, KeyboardInterrupt, InputError, SystemExit, GeneratorExit])
@pytest.mark.parametrize("target", [None, "deep/er/mine"])
def test_a_folder_that_is_not_finished_leaves_nothing(here, problem, target):
    with pytest.raises(problem), atomic_folder(target and here / target, "mine") as pending:
        (pending.path / "report.json").write_text("almost")
        assert pending.path.parent.name == ("er" if target else "runs")  # a sibling of its final place
        raise problem("stop")
    assert everything_in(here) == []


def test_what_was_there_before_stays(here):
    (here / "runs").mkdir()
    (here / "runs" / "notes").touch()
    with pytest.raises(KeyboardInterrupt), atomic_folder(None, "mine"):
        raise KeyboardInterrupt
    assert everything_in(here) == ["runs", "runs/notes"]


def test_names_count_up_and_nothing_is_overwritten(here):
    for name in ("mine", "mine-2", "mine-3"):
        assert publish(None, note=name) == (here / "runs" / name).relative_to(here)
    assert [(here / "runs" / name / "report.json").read_text() for name in ("mine", "mine-3")] == ["mine", "mine-3"]
    assert sorted(os.listdir(here / "runs")) == ["mine", "mine-2", "mine-3"]


def test_a_name_that_another_run_takes_meanwhile_is_not_overwritten(here):
    with atomic_folder(None, "mine") as pending:
        publish(None, note="the other")
    assert pending.published.name == "mine-2"
    assert (here / "runs" / "mine" / "report.json").read_text() == "the other"
    with pytest.raises(InputError, match="must be a new or empty folder"), atomic_folder(here / "out", "mine"):
        publish(here / "out", note="the other")
    assert (here / "out" / "report.json").read_text() == "the other"


def test_an_empty_folder_is_filled_and_a_full_one_refused(here):
    (here / "out").mkdir()
    assert publish(here / "out") == here / "out"
    with pytest.raises(InputError, match="must be a new or empty folder"):
        publish(here / "out")
    assert everything_in(here) == ["out", "out/report.json", "out/run.toml"]


def test_force_replaces_a_whole_folder_of_ours(here):
    publish(here / "out", note="old")
    (here / "out" / "plot.png").touch()
    assert publish(here / "out", force=True) == here / "out"
    assert everything_in(here) == ["out", "out/report.json", "out/run.toml"]
    assert (here / "out" / "report.json").read_text() == "new"


def test_force_keeps_the_old_folder_until_the_new_one_is_whole(here):
    publish(here / "out", note="old")
    with pytest.raises(KeyboardInterrupt), atomic_folder(here / "out", "mine", force=True):
        raise KeyboardInterrupt
    assert (here / "out" / "report.json").read_text() == "old"


def test_an_interrupt_between_the_two_renames_of_force_brings_the_old_folder_back(here, monkeypatch):
    publish(here / "out", note="old")
    rename = type(here).rename

    def interrupted(path, target):
        if "unfinished" in path.name:
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(type(here), "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        publish(here / "out", force=True)
    assert everything_in(here) == ["out", "out/report.json", "out/run.toml"]
    assert (here / "out" / "report.json").read_text() == "old"


def test_force_replaces_no_folder_of_another_kind(here):
    (here / "out").mkdir()
    (here / "out" / "thesis.tex").write_text("years of work")
    for mark in (None, "[tool]\nx = 1", "not toml ["):
        if mark is not None:
            (here / "out" / MARK).write_text(mark)
        with pytest.raises(InputError, match="--force does not replace it"):
            publish(here / "out", force=True)
    assert (here / "out" / "thesis.tex").read_text() == "years of work"


def test_a_link_to_a_folder_stays_a_link(here):
    (here / "disk").mkdir()
    (here / "disk" / "results").mkdir()
    (here / "out").symlink_to(here / "disk" / "results")
    publish(here / "out")
    assert (here / "out").is_symlink()
    assert (here / "disk" / "results" / "report.json").read_text() == "new"


def test_a_published_folder_is_readable_as_the_umask_says(here):
    mask = os.umask(0o027)
    try:
        publish(here / "out")
    finally:
        os.umask(mask)
    assert (here / "out").stat().st_mode & 0o777 == 0o750


# --- kills -------------------------------------------------------------------------------------------------------

# SIGINT may be ignored where the tests themselves run in the background; a terminal does not.
COMMAND = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from theorems.cli import main; main()"
)
WAIT = 60  # seconds: only a hanging process ever waits for so long


KILLS = {  # what is sent, and how long after the folder was opened: while compiling, or well inside the steps
    "Ctrl-C at once": (signal.SIGINT, 0),
    "Ctrl-C later": (signal.SIGINT, 3),
    "kill": (signal.SIGTERM, 3),
    "kill -9": (signal.SIGKILL, 3),
}


@pytest.mark.parametrize("case", KILLS)
def test_a_killed_run_leaves_no_folder_that_looks_finished(tmp_path, monkeypatch, case):
    kill, delay = KILLS[case]
    long = options([*TINY, "method.steps=10000000", "output.points=2"])
    arguments = [sys.executable, "-c", COMMAND, "run", *long]
    with subprocess.Popen(
        arguments, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            until = time.monotonic() + WAIT
            while not list(tmp_path.glob("runs/.paper-unfinished-*")):
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < until
                time.sleep(0.02)
            time.sleep(delay)
            assert process.poll() is None, process.communicate()
            process.send_signal(kill)
            _, errors = process.communicate(timeout=WAIT)
        finally:
            process.kill()
    assert not list(tmp_path.rglob("report.json"))
    assert not list(tmp_path.glob("runs/[!.]*"))
    if kill is signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
        # What nobody could remove does not stand in the way of the next run.
        monkeypatch.chdir(tmp_path)
        assert publish(None, name="paper").name == "paper"
    else:
        assert process.returncode == 130
        assert "Traceback" not in errors
        assert "Interrupted" in errors
        assert everything_in(tmp_path) == []


# --- what is in a folder -----------------------------------------------------------------------------------------

LABELS = np.array([2, 0, 1, 2, 0, 2, 1])


@pytest.fixture(scope="module")
def shuffled_start(tmp_path_factory):
    path = tmp_path_factory.mktemp("start") / "start.npz"
    rng = np.random.default_rng(4)
    arrays = {"H": rng.standard_normal((4, 7)), "W": rng.standard_normal((4, 3)), "b": rng.standard_normal(3)}
    np.savez(path, labels=LABELS, **arrays)
    return path, arrays


@pytest.fixture(scope="module")
def result(tmp_path_factory, shuffled_start):
    """Run once, from a file whose columns are in no order; return (folder, experiment, output)."""
    folder = tmp_path_factory.mktemp("result")
    toml = folder / "mine.toml"
    toml.write_text(
        f"""
        [problem]
        gamma = 0.1
        [scenario]
        kind = "regularized"
        lambda_h = 0.02
        lambda_w = 0.01
        lambda_b = 0.03
        [method]
        steps = 40
        ratio = 2.0
        [start]
        file = {json.dumps(str(shuffled_start[0]))}
        [output]
        points = 11
        states = true
        """
    )
    ran = CliRunner().invoke(app, ["run", str(toml), "--out", str(folder / "out")])
    assert ran.exit_code == 0, ran.output
    return folder / "out", Experiment.from_toml(toml), ran.output


def numbers_in(value):
    if isinstance(value, dict):
        return [number for one in value.values() for number in numbers_in(one)]
    if isinstance(value, list):
        return [number for one in value for number in numbers_in(one)]
    return [value] if isinstance(value, float) else []


def test_a_folder_holds_the_files_of_the_contract(result):
    assert set(everything_in(result[0])) == PUBLISHED | {"final_state.npz"}
    assert (result[0] / "plot.png").read_bytes().startswith(b"\x89PNG")
    assert "report.json" not in everything_in(result[0].parent)


def test_the_report_has_the_keys_of_the_contract_and_finite_numbers(result):
    def no_constant(name):
        raise AssertionError(f"{name} is no JSON")

    report = json.loads((result[0] / "report.json").read_text(), parse_constant=no_constant)
    assert report["verdict"] in set(Agreement)
    assert {"decay_rate", "final", "versions", "device", "dtype", "seconds"} <= set(report)
    assert set(report["metrics"]) == set(METRICS)
    for metric in report["metrics"].values():
        assert {"verdict", "gap", "error", "tolerance", "until", "compared"} <= set(metric)
        assert metric["verdict"] in set(Agreement)
        assert metric["gap"] is not None or metric["why"]
    assert {"predicted", "measured", "window", "clock", "kind", "why"} <= set(report["decay_rate"])
    assert report["decay_rate"]["clock"] == "zeta"
    for source, own in (("simulation", SIMULATION_ONLY), ("closed_form", ())):
        final = report["final"][source]
        assert {*METRICS, *own, "time", "why"} <= set(final)
        assert set(final["why"]) == {name for name in METRICS if final[name] is None}
    assert report["final"]["simulation"]["time"] == 40
    assert all(math.isfinite(number) for number in numbers_in(report))
    assert {"python", "jax", "numpy", "dynamics-sim"} <= set(report["versions"])
    assert (report["device"], report["dtype"]) == ("cpu", "float64")


def test_the_dataset_opens_with_xarray_and_agrees_with_the_report(result):
    report = json.loads((result[0] / "report.json").read_text())
    with xarray.open_dataset(result[0] / "trajectory.nc", engine="h5netcdf") as data:
        assert (data.sizes["time"], data.sizes["source"]) == (11, 2)
        assert list(data["source"].to_numpy()) == ["simulation", "closed_form"]
        assert np.array_equal(data["time"], np.linspace(0, 40, 11))
        assert np.allclose(data["zeta"], 0.1 * np.linspace(0, 40, 11), rtol=1e-14, atol=0)
        for name in METRICS:
            assert set(data[name].dims) == {"source", "time"}
            for source in ("simulation", "closed_form"):
                last = float(data[name].sel(source=source, time=40))
                said = report["final"][source][name]
                assert (said is None and not math.isfinite(last)) or last == said
        assert np.isnan(data["accuracy_raw"].sel(source="closed_form")).all()
        assert Experiment.from_dict(tomllib.loads(data.attrs["experiment"])).problem.gamma == 0.1


def test_the_final_state_has_the_columns_of_the_input_in_their_order(result, shuffled_start):
    _, experiment, _ = result
    _, start = shuffled_start
    with np.load(result[0] / "final_state.npz", allow_pickle=False) as stored:
        final = dict(stored)
    assert set(final) == {"H", "W", "b", "H_exact", "W_exact", "b_exact", "log_scale", "log_scale_exact"}
    assert (final["log_scale"], final["log_scale_exact"]) == (0, 0)
    # The same descent written down in the paper's letters, column by column as they came.
    features, prototypes, biases = start["H"], start["W"], start["b"]
    operator = ((1.1) * np.eye(3)[LABELS].T - 0.1) / len(LABELS)
    for _ in range(40):
        features, prototypes, biases = (
            features + 0.2 * (prototypes @ operator - 0.02 * features),
            prototypes + 0.1 * (features @ operator.T - 0.01 * prototypes),
            biases + 0.1 * (operator.sum(axis=1) - 0.03 * biases),
        )
    for suffix in ("", "_exact"):
        for name, wanted in (("H", features), ("W", prototypes), ("b", biases)):
            assert final[name + suffix].shape == wanted.shape
            assert np.allclose(final[name + suffix], wanted, rtol=0, atol=1e-12)
    # The state at time 0 is the file itself, in its own order.
    log_scale, state = exact_states(experiment, np.array([0.0]))[0]
    assert log_scale == 0
    assert np.allclose(state.features.T, start["H"], rtol=0, atol=1e-13)
    assert np.array_equal(prepare(experiment)[0].labels, np.sort(LABELS))


def test_the_table_says_what_was_compared_and_where_the_files_are(result):
    folder, _, output = result
    for name in METRICS:
        assert name in output
    for word in ("simulated", "exact", "gap", "bound", "AGREES", "decay", str(folder.name)):
        assert word in output


def test_without_states_none_are_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = CliRunner().invoke(app, ["run", *options(TINY)])
    assert ran.exit_code == 0, ran.output
    assert set(os.listdir("runs/paper")) == PUBLISHED
    assert os.listdir("runs") == ["paper"]
    again = CliRunner().invoke(app, ["run", *options(TINY), "--out", "runs/paper", "--force", "--float32"])
    assert again.exit_code == 0, again.output
    report = json.loads((tmp_path / "runs" / "paper" / "report.json").read_text())
    assert (report["dtype"], report["metrics"]["loss"]["tolerance"]) == ("float32", 1e-3)
    assert os.listdir("runs") == ["paper"]


# --- a trajectory, there and back --------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [simulate, solve])
def test_a_trajectory_comes_back_from_its_dataset(result, tmp_path, how):
    before = how(result[1])
    path = tmp_path / "one.nc"
    before.to_xarray().to_netcdf(path, engine="h5netcdf")
    with xarray.open_dataset(path, engine="h5netcdf") as data:
        after = Trajectory.from_xarray(data.load())
    for name in ("source", "experiment", "seconds", "diverged_at", "device", "dtype"):
        assert getattr(after, name) == getattr(before, name), name
    for name in ("times", "zeta"):
        assert np.array_equal(getattr(after, name), getattr(before, name))
    for name in ("metrics", "error", "unit", "classes"):
        one, other = getattr(before, name), getattr(after, name)
        assert set(one) == set(other)
        assert all(np.array_equal(one[key], other[key], equal_nan=True) for key in one)
    assert before.last[0] == after.last[0]
    for name in ("features", "prototypes", "biases"):
        assert np.array_equal(getattr(before.last[1], name), getattr(after.last[1], name))
    # The experiment in it still runs: the start file is found, its sizes are not contradicted.
    assert prepare(after.experiment)[0].samples == 7


# --- divergence --------------------------------------------------------------------------------------------------


def test_a_diverging_experiment_is_a_normal_result(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Every step multiplies the features by about -999: an overflow after a hundred steps.
    wild = ["scenario.kind=regularized", "scenario.lambda_h=1000", "method.eta=1", "method.steps=120"]
    ran = CliRunner().invoke(app, ["run", *options([*TINY, *wild, "output.points=121", "output.states=true"])])
    assert ran.exit_code == 0, ran.output
    assert "diverged" in ran.output
    report = json.loads((tmp_path / "runs" / "paper" / "report.json").read_text())
    assert report["verdict"] == "AGREES"
    assert 100 < report["diverged_at"] < 110
    assert report["final"]["simulation"]["time"] == report["diverged_at"] - 1
    assert report["final"]["closed_form"]["time"] == 120
    # The exact solution goes on where the numbers end.
    assert report["final"]["closed_form"]["log_norm"] > 800
    assert report["metrics"]["log_norm"]["until"] < report["diverged_at"]
    with xarray.open_dataset("runs/paper/trajectory.nc", engine="h5netcdf") as data:
        alive = np.isfinite(data["log_norm"].sel(source="simulation"))
        assert int(alive.sum()) == report["diverged_at"]
        assert np.isfinite(data["log_norm"].sel(source="closed_form")).all()
    with np.load("runs/paper/final_state.npz") as final:
        assert np.isfinite(final["H"]).all()
        assert np.isfinite(final["H_exact"]).all()
        for suffix, log_norm in (("", report["final"]["simulation"]["log_norm"]), ("_exact", None)):
            size = np.hypot(np.linalg.norm(final["H" + suffix]), np.linalg.norm(final["W" + suffix]))
            expected = log_norm or report["final"]["closed_form"]["log_norm"]
            assert np.log(size) + final["log_scale" + suffix] == pytest.approx(expected, rel=1e-12)


def test_a_notebook_shows_a_comparison_as_a_table():
    report = compare(simulate(SMALLEST), solve(SMALLEST))
    shown = report._repr_html_()
    assert repr(report) == "<Report on experiment: AGREES>"
    for name, one in report.metrics.items():
        row = next(row for row in shown.split("<tr>") if f"<code>{name}</code>" in row)
        assert f"<b>{one.verdict}</b>" in row
        assert (f"<td>{one.gap:.0e}</td>" in row) if one.gap is not None else ("<td>-</td>" in row)
        assert f"<td>{report.closed_form.metrics[name][-1]:.4g}</td>" in row
    assert "until step" in shown
    assert shown.count("<tr>") == 1 + len(report.metrics)
