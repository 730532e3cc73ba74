"""Sweeps: the same bytes however they were computed, the numbers of `solve`, and bad input refused before anything."""

import os
import re
import signal
import subprocess
import sys
import tomllib

import jax
import numpy as np
import pytest
import xarray
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from dynamics import Experiment, InputError
from dynamics.experiment import changed
from dynamics.measure import METRICS
from theorems import plan as plans
from theorems import planning, solve, sweep
from theorems.cli import app
from theorems.grid import make_grid, parse_grid
from theorems.sweeping import boxes

TINY = ["problem.classes=3", "problem.per_class=2", "problem.features=4", "method.steps=20", "output.points=5"]
SMALL = Experiment(problem={"classes": 3, "per_class": 2, "features": 4}, method={"steps": 20}, output={"points": 5})
GRID = ["problem.gamma=0:0.3:5", "method.schedule=constant,cosine", "start.seed=0:6:7"]
NAMES = ["loss", "nc1", "distance"]
SAME = 1e-12  # promised: a metric of a sweep against `solve`, relative


def words(grid=GRID, changes=TINY, **options):
    """Return the arguments of `dynamics-sim sweep`."""
    arguments = ["sweep", "--metrics", ",".join(NAMES)]
    arguments += [word for change in changes for word in ("--set", change)]
    arguments += [word for axis in grid for word in ("--grid", axis)]
    return arguments + [str(word) for key, value in options.items() for word in (f"--{key}", value)]


def run(*arguments, code=0):
    result = CliRunner().invoke(app, [str(word) for word in arguments])
    assert result.exit_code == code, result.output
    return result.output


def process(script, *arguments, **environment):
    """Run the command in a process of its own, with chunks of 16 settings, after some lines of Python."""
    lines = ["import theorems.planning", "theorems.planning.CHUNK_VALUES = 1", script]
    lines += ["from theorems.cli import main", "main()"]
    command = [sys.executable, "-c", "\n".join(lines), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | environment, check=False)


def files_in(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(planning, "CHUNK_VALUES", 1)  # so that a chunk has 16 settings


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Sweep once without interruption, by the command; return its folder."""
    folder = tmp_path_factory.mktemp("sweep") / "whole"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "CHUNK_VALUES", 1)
        run(*words(out=folder))
    return folder


@pytest.fixture
def counted(monkeypatch):
    """Replace the numbers by a formula of the settings, and return the list of what was asked for."""
    calls = []

    def curves(experiment, changes, names, *, simulated=False, sharding=None):
        calls.append((experiment, changes, names, simulated, sharding))
        steps = np.arange(experiment.output.points)
        size = len(next(iter(changes.values())))
        gamma, seed = (np.array(changes.get(key, np.zeros(size))) for key in ("problem.gamma", "start.seed"))
        number = gamma + 10.0 * seed + 1000.0 * (experiment.method.schedule.kind == "cosine")
        found = {name: number[:, None] + 0.001 * steps + len(name) for name in names}
        return {**found, "time": np.tile(5.0 * steps, (size, 1)), "zeta": np.tile(0.5 * steps, (size, 1))}

    monkeypatch.setattr(plans, "curves", curves)
    return calls


# --- the same bytes ----------------------------------------------------------------------------------------------

KILL = """
import os, signal, numpy as np
from theorems import sweep_folder
saved = []
def save(file, array):
    saved.append(file)
    if len(saved) == 4:
        file.write(b"half a chunk"), file.flush(), os.kill(os.getpid(), signal.SIGKILL)
    original(file, array)
original, np.save = np.save, save
"""


def test_a_sweep_killed_while_it_writes_and_resumed_has_the_bytes_of_an_uninterrupted_one(tmp_path, whole):
    killed = process(KILL, *words(out=tmp_path / "out"))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    left = files_in(tmp_path / "out")
    assert {f"chunks/0000{k}.npy" for k in range(3)} < set(left)
    assert "sweep.nc" not in left
    assert [name for name in left if "unfinished" in name]
    run(*words(out=tmp_path / "out"))
    assert files_in(tmp_path / "out") == files_in(whole)


FOUR = "import jax; assert len(jax.local_devices()) == 4"


def test_four_devices_give_the_bytes_of_one(tmp_path, whole):
    done = process(FOUR, *words(out=tmp_path / "out"), XLA_FLAGS="--xla_force_host_platform_device_count=4")
    assert done.returncode == 0, done.stderr
    if jax.__version_info__ >= (0, 12):  # it compiles for four devices otherwise than for one
        for path in sorted((whole / "chunks").glob("*.npy")):
            np.testing.assert_array_max_ulp(np.load(tmp_path / "out/chunks" / path.name), np.load(path), maxulp=1)
        return
    assert files_in(tmp_path / "out") == files_in(whole)


def test_two_shards_merged_have_the_bytes_of_an_uninterrupted_sweep(tmp_path, whole):
    out = tmp_path / "out"
    run(*words(out=out, shard="1/2"))
    assert "sweep.nc" not in files_in(out)
    message = run("sweep", "--merge", out, code=2)
    assert "must have 6 finished chunks, but 3 are missing. Run these shards again: 0/2." in message
    run(*words(out=out, shard="0/2"))
    assert "sweep.nc" not in files_in(out)
    run("sweep", "--merge", out)
    assert files_in(out) == {**files_in(whole), "shards": b"2"}


def test_a_finished_sweep_is_not_computed_again(whole, counted):
    before = files_in(whole)
    run(*words(out=whole))
    assert files_in(whole) == before
    assert not counted


def test_the_function_gives_the_dataset_of_the_command(whole):
    grid = {"problem.gamma": np.linspace(0, 0.3, 5), "method.schedule": ["constant", "cosine"], "start.seed": range(7)}
    found = sweep(SMALL, grid, metrics=NAMES)
    with xarray.open_dataset(whole / "sweep.nc", engine="h5netcdf") as stored:
        assert stored.attrs.pop("name") == "paper"
        found.attrs.pop("name")
        xarray.testing.assert_identical(stored.load(), found)
        assert list(stored["loss"].dims) == ["problem.gamma", "method.schedule", "start.seed", "time"]


# --- the numbers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [(0, 0, 0), (3, 1, 2), (4, 0, 6)])
def test_every_setting_has_the_numbers_of_its_own_solution(whole, place):
    with xarray.open_dataset(whole / "sweep.nc", engine="h5netcdf") as data:
        at = dict(zip(["problem.gamma", "method.schedule", "start.seed"], place, strict=True))
        one = data.isel(at).load()
        setting = {key: one[key].item() for key in at}
        assert setting["start.seed"] == place[2]
        exact = solve(changed(SMALL, setting))
        for name in NAMES:
            np.testing.assert_allclose(one[name], exact.metrics[name], rtol=SAME, atol=0)
        np.testing.assert_array_equal(one["time"], exact.times)
        np.testing.assert_allclose(one["zeta"], exact.zeta, rtol=SAME)
        assert data["zeta"].dims == ("method.schedule", "time")  # cosine and constant go at other rates
        stored = Experiment.from_dict(tomllib.loads(data.attrs["experiment"]))
        assert stored.problem.features == 4


def test_sizes_are_looped_and_a_grid_may_have_nothing_else(counted):
    found = sweep(SMALL, {"problem.classes": [2, 3]}, metrics=["nc1"], simulated=True)
    asked = [(one.problem.classes, changes, simulated) for one, changes, _, simulated, _ in counted]
    assert asked == [(classes, {"method.eta": [0.1] * 16}, True) for classes in (2, 3)]  # eta as it is
    assert found["nc1"].dims == ("problem.classes", "time")
    assert found.attrs["source"] == "simulation"


def test_clocks_that_depend_on_the_grid_are_variables_over_the_keys_that_they_depend_on():
    flow = changed(SMALL, {"method.kind": "flow", "method.time": 4.0})
    found = sweep(flow, {"problem.gamma": [0.0, 0.1], "method.time": [4, 8.0], "method.ratio": 2.0}, metrics=["loss"])
    assert found["loss"].dims == ("problem.gamma", "method.time", "method.ratio", "time")
    assert found["times"].dims == found["zeta"].dims == ("method.time", "time")
    np.testing.assert_array_equal(found["times"][:, -1], [4, 8])
    np.testing.assert_allclose(found["zeta"][:, -1], [0.4, 0.8])
    assert "time" not in found.coords


@pytest.mark.usefixtures("counted")
def test_every_number_is_where_its_setting_is(tmp_path):
    run(*words(out=tmp_path / "out"))
    with xarray.open_dataset(tmp_path / "out" / "sweep.nc", engine="h5netcdf") as data:
        cosine = data["method.schedule"] == "cosine"
        wanted = data["problem.gamma"] + 10.0 * data["start.seed"] + 1000.0 * cosine + 0.001 * data["time"] / 5
        for name in NAMES:
            xarray.testing.assert_allclose(data[name], (wanted + len(name)).transpose(*data[name].dims), rtol=1e-14)


def test_all_calls_of_one_shape_have_one_size_and_every_setting_comes_once(counted):
    sweep(
        SMALL,
        {"problem.gamma": np.linspace(0, 1, 5), "method.schedule": ["cosine", "constant"], "start.seed": range(7)},
    )
    assert len(counted) == 6
    for experiment, changes, names, simulated, sharding in counted:
        assert {len(values) for values in changes.values()} == {16}
        assert set(changes) == {"problem.gamma", "start.seed"}
        assert names == tuple(name for name in METRICS if name != "accuracy")
        assert (simulated, sharding.num_devices, tuple(sharding.spec)) == (False, 1, ("settings",))
        assert experiment.method.steps == 20
    asked = [(call[0].method.schedule.kind, *one) for call in counted for one in zip(*call[1].values(), strict=True)]
    assert len(set(asked)) == 70


@pytest.mark.parametrize(("simulated", "key", "state"), [(False, "problem.gamma", 0), (True, "problem.gamma", 36)])
def test_a_chunk_is_a_multiple_of_16_settings_that_fills_the_budget(monkeypatch, simulated, key, state):
    monkeypatch.setattr(planning, "CHUNK_VALUES", 2**16)
    axes = make_grid({key: np.linspace(0, 1, 10_000)})
    settings = planning.make_plan(SMALL, axes, NAMES, simulated=simulated, device="cpu").settings
    each = 5 * (len(NAMES) + 2) + state  # numbers of one setting: rows of 5 times, and the 4 (6 + 3) of a state
    assert settings % 16 == 0
    assert settings - 16 < 2**16 // each <= settings


@given(st.data())
def test_boxes_are_the_settings_in_their_order(data):
    shape = tuple(data.draw(st.lists(st.integers(1, 4), max_size=4)))
    size = int(np.prod(shape))
    start = data.draw(st.integers(0, size - 1))
    stop = data.draw(st.integers(start + 1, size))
    grid = np.arange(size).reshape(shape)
    found = list(boxes(start, stop, shape))
    assert np.concatenate([grid[box].ravel() for box in found]).tolist() == list(range(start, stop))
    assert len(found) <= max(1, 2 * len(shape) - 1)


# --- interrupts and resumption -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_the_finished_chunks_and_says_so(tmp_path, monkeypatch, counted, kill):
    original = plans.curves

    def interrupted(*arguments, **options):
        if len(counted) == 2:
            signal.raise_signal(kill)
        return original(*arguments, **options)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(plans, "curves", interrupted)
            output = run(*words(out=tmp_path / "out"), code=130)
    finally:
        signal.signal(signal.SIGINT, before)
    assert "Interrupted: finished chunks are kept, and the same command goes on." in output
    assert set(files_in(tmp_path / "out")) == {"plan.json", "chunks/00000.npy", "chunks/00001.npy"}
    run(*words(out=tmp_path / "out"))
    assert len(counted) == 6  # no chunk was computed twice
    assert "sweep.nc" in files_in(tmp_path / "out")


OTHERS = {
    "another grid": (["problem.gamma=0:0.4:5", *GRID[1:]], TINY, {}, "grid.problem.gamma"),
    "another order": ([*GRID[1:], GRID[0]], TINY, {}, "the order of its keys"),
    "another experiment": (GRID, [*TINY, "method.eta=0.2"], {}, "experiment.method.eta"),
    "other metrics": (GRID, TINY, {"metrics": "loss"}, "metrics"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_a_folder_of_another_plan_is_refused_and_what_differs_is_named(whole, case):
    grid, changes, options, difference = OTHERS[case]
    before = files_in(whole)
    message = run(*words(grid, changes, out=whole, **options), code=2)
    assert re.fullmatch(r"Error: --out must be the folder of the same sweep, but is .+ What differs: .+\n", message)
    assert difference in message
    assert files_in(whole) == before


@pytest.mark.usefixtures("counted")
def test_a_start_file_with_other_numbers_is_another_plan(tmp_path):
    def start(seed):
        rng = np.random.default_rng(seed)
        np.savez(tmp_path / "start.npz", H=rng.standard_normal((4, 6)), W=rng.standard_normal((4, 3)))

    arguments = words(["problem.gamma=0,1"], [*TINY, f"start.file={tmp_path}/start.npz"], out=tmp_path / "o")
    start(0)
    run(*arguments)
    run(*arguments)
    start(1)
    assert f"What differs: files.{tmp_path}/start.npz." in run(*arguments, code=2)


# --- bad input ---------------------------------------------------------------------------------------------------

BAD = {  # the grid and what else is given, and parts of the message
    "no grid": ([], {}, "the grid must have at least one key, but has none"),
    "no values": (["problem.gamma"], {}, "--grid must have the form TABLE.KEY=VALUES"),
    "an empty value": (["problem.gamma="], {}, "--grid must have the form TABLE.KEY=VALUES"),
    "a hole in a list": (["problem.gamma=0,,1"], {}, "the grid of problem.gamma must hold finite numbers, but is ''"),
    "no count": (["problem.gamma=0:1"], {}, "--grid must have a range start:stop:count or log:start:stop:count"),
    "no logarithmic count": (["method.eta=log:0.1:1"], {}, "--grid must have a range start:stop:count"),
    "too many parts": (["problem.gamma=0:1:2:3"], {}, "--grid must have a range start:stop:count"),
    "a count of one": (["problem.gamma=0:1:1"], {}, "--grid must have a range of 2 to 1000000 values", "count is 1"),
    "a fractional count": (["problem.gamma=0:1:2.5"], {}, "a range of 2 to 1000000 values", "The count is 2.5"),
    "a count without end": (["problem.gamma=0:1:99999999999"], {}, "a range of 2 to 1000000 values"),
    "an end that is NaN": (["problem.gamma=0:nan:3"], {}, "of finite numbers, but is 'problem.gamma=0:nan:3'"),
    "an end that is a word": (["problem.gamma=0:one:3"], {}, "of finite numbers, but is 'problem.gamma=0:one:3'"),
    "a span beyond float64": (["start.scale_h=-1e308:1e308:3"], {}, "must hold finite numbers"),
    "a NaN": (["problem.gamma=0,nan"], {}, "the grid of problem.gamma must hold finite numbers, but is nan"),
    "a NaN seed": (["start.seed=0,nan"], {}, "the grid of start.seed must hold finite numbers"),
    "log of zero": (["method.eta=log:0:1:3"], {}, "must have a logarithmic range between numbers > 0"),
    "one value twice": (["problem.gamma=0.1,0.1"], {}, "must hold each value once, but is 0.1. It comes twice."),
    "a range without length": (["problem.gamma=1:1:3"], {}, "must hold each value once"),
    "one key twice": (["method.eta=1,2", "method.eta=3,4"], {}, "must name each key once", "method.eta is given twice"),
    "a word for a number": (["method.eta=fast"], {}, "the grid of method.eta must hold finite numbers, but is 'fast'"),
    "the word of gamma": (["problem.gamma=0,1/(C-1)"], {}, "must hold finite numbers, but is '1/(C-1)'"),
    "a number for a word": (["method.schedule=0:1:2"], {}, "method.schedule must be one of", "but is 0"),
    "numbers and words": (["method.schedule=1,cosine"], {}, "finite numbers, or words alone, but is 'cosine'"),
    "half a seed": (["start.seed=0:1:3"], {}, "start.seed must be a whole number, but is 0.5"),
    "half a step": (["method.steps=10:15:3"], {}, "method.steps must be a whole number, but is 12.5"),
    "an unknown table": (["problm.gamma=0,1"], {}, "the grid must name a key TABLE.KEY", "Did you mean 'problem'?"),
    "no table": (["gamma=0,1"], {}, "the grid must name a key TABLE.KEY"),
    "what does not matter": (["output.points=2,3"], {}, "with TABLE one of problem, scenario, method, start"),
    "an unknown key": (["problem.gama=0:1:3"], {}, "problem.gama must be a key of [problem]", "Did you mean 'gamma'?"),
    "of another scenario": (["scenario.lambda_h=0:1:3"], {}, "It belongs to kind = 'anchored' or 'regularized'."),
    "of one scenario of two": (
        ["scenario.kind=regularized,unconstrained", "scenario.lambda_h=0:1:3"],
        {},
        "scenario.lambda_h must be a key of kind = 'unconstrained'",
    ),
    "an unknown word": (["method.schedule=cosine,cosin"], {}, "method.schedule must be one of", "'cosine'?"),
    "a value out of bounds": (["problem.gamma=-1:1:3"], {}, "problem.gamma must be a number from 0 to 1e6"),
    "a size out of bounds": (["problem.classes=1:3:3"], {}, "problem.classes must be >= 2, but is 1"),
    "one value in the middle": (["problem.label_smoothing=0,2,0.5"], {}, "problem.label_smoothing must be < 1"),
    "a start that cannot move": (
        ["scenario.kind=spherical", "start.scale_h=-1:1:3"],
        {},
        "every feature of the spherical scenario must have a norm > 0",
    ),
    "saved times that differ": (["method.steps=2,20"], {}, "output.points must be at most 3 for these steps, but is 5"),
    "an unknown metric": (GRID, {"metrics": "loss,distanse"}, "the metric must be one of", "Did you mean 'distance'?"),
    "no metric": (GRID, {"metrics": ""}, "the metric must be one of"),
    "a shard beyond the last": (GRID, {"shard": "4/4"}, "--shard must be i/n with i from 0 to n - 1, but is '4/4'"),
    "a shard of none": (GRID, {"shard": "0/0"}, "--shard must be i/n"),
    "half a shard": (GRID, {"shard": "1"}, "--shard must be i/n"),
    "an empty shard": (GRID, {"shard": ""}, "--shard must be i/n"),
    "an unknown device": (GRID, {"device": "abacus"}, "--device must be a device that jax sees, but is 'abacus'"),
    "a folder below a file": (GRID, {"out": "notes.txt/out"}, "--out must be a folder that can be written"),
    "a file": (GRID, {"out": "notes.txt"}, "--out must be a folder that can be written"),
    "a folder of something else": (GRID, {"out": "thesis"}, "--out must be a new or empty folder, or hold the plan"),
    "a folder with a broken plan": (GRID, {"out": "broken"}, "--out must be a folder with the plan.json of a sweep"),
    "a sweep beyond the disk": (
        [f"{key}=0.1:0.9:1000" for key in ("problem.gamma", "method.eta", "method.ratio", "start.scale_h")]
        + ["start.seed=0:999:1000"],
        {},
        "the sweep must fit on the disk",
    ),
    "a merge of nothing": (None, {"merge": "nowhere"}, "--merge must be a folder with the plan.json of a sweep"),
    "a merge of something else": (None, {"merge": "thesis"}, "--merge must be a folder with the plan.json of a sweep"),
    "a merge of a broken plan": (None, {"merge": "broken"}, "--merge must be a folder with the plan.json of a sweep"),
    "a merge and more": (GRID, {"merge": "thesis"}, "--merge must be given alone, but is 'thesis'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence_and_nothing_is_written(tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").touch()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "plan.json").write_text("{")
    (tmp_path / "notes.txt").touch()
    before = files_in(tmp_path)
    grid, options, *fragments = BAD[case]
    arguments = ["sweep", *(f"--{key}={value}" for key, value in options.items())]
    arguments = arguments if grid is None else words(grid, **({"out": "out"} | options))
    message = run(*arguments, code=2)
    assert re.fullmatch(r"Error: .+ must .+, but .+\n", message), message
    for fragment in fragments:
        assert fragment in message, message
    assert files_in(tmp_path) == before
    assert not (tmp_path / "out").exists()


def test_a_sweep_without_a_folder_says_what_it_is_for():
    assert run("sweep", "--grid", "problem.gamma=0,1", code=2).startswith("Error: --out must name a folder, but is ")


def test_the_function_refuses_what_the_command_refuses():
    with pytest.raises(InputError, match="must hold finite numbers"):
        sweep(SMALL, {"problem.gamma": [0.1, None]})
    with pytest.raises(InputError, match="must have from 1 to 1000000 values, but is 0"):
        sweep(SMALL, {"problem.gamma": []})
    with pytest.raises(InputError, match="the sweep must fit into memory"):
        sweep(SMALL, {key: np.linspace(0.1, 1, 5000) for key in ("problem.gamma", "method.eta", "method.ratio")})


RANGES = {
    "problem.gamma=0:1:5": [0, 0.25, 0.5, 0.75, 1],
    "method.eta=log:1e-3:1:4": [0.001, 0.01, 0.1, 1],
    "start.seed=0:9:10": list(range(10)),
    "method.steps=log:1:1e9:4": [1, 1000, 10**6, 10**9],
    "start.seed = 3, 1 ,2": [3, 1, 2],
    "method.schedule=constant, cosine": ["constant", "cosine"],
    "problem.gamma=1:0:3": [1, 0.5, 0],
}


@pytest.mark.parametrize("text", RANGES)
def test_a_range_has_both_ends_and_a_list_its_order(text):
    (axis,) = parse_grid([text])
    assert axis.key == text.partition("=")[0].strip()
    assert list(axis.values) == pytest.approx(RANGES[text], rel=1e-15) if axis.mapped else RANGES[text]
    assert [type(value) for value in axis.values] == [
        float if axis.key in ("problem.gamma", "method.eta") else type(value) for value in RANGES[text]
    ]
