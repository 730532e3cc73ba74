"""The benchmark: that contenders compute the same, that what is measured is told right; never how fast it is."""

import json
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from typer.testing import CliRunner

from dynamics.errors import InputError
from theorems.benchmark import QUICK, Line, at_least, at_most, benchmarks, choose_benchmarks
from theorems.benchmarks.growth import BOUNDS, SIZES, Growth, exponent
from theorems.benchmarks.refinement import checked_times
from theorems.cli import app
from theorems.contenders import ours
from theorems.contenders.curved import numpy_curved, torch_curved
from theorems.contenders.flowing import dop853, dopri8, exponential
from theorems.contenders.optional import pytorch
from theorems.contenders.stepping import jax_steps
from theorems.contenders.training import jax_loop, numpy_loop, torch_loop
from theorems.contenders.turning import jax_turning, torch_turning
from theorems.machine import limits, peak_memory, threads, traffic_floor
from theorems.stopwatch import BYTES, SECONDS, Amount, Contender, Turns, fastest, in_turns

NAMES = ("loss", "log_norm", "distance", "accuracy")
ROUNDED = 1e-11  # relative, after a few dozen steps
SOLVED = 1e-6  # relative, of a solver at rtol 1e-8
SMALL = replace(QUICK, steps=40, loop_steps=20)
TORCH = pytest.mark.skipif(pytorch() is None, reason="torch is not installed")


@pytest.mark.parametrize("loop", [pytest.param(torch_loop, marks=TORCH), numpy_loop, jax_loop])
def test_a_training_loop_computes_our_curves(loop):
    setting = SMALL.setting(method={"eta": 0.5})
    grid, start = {"problem.gamma": [float(setting.problem.gamma)]}, (setting.problem, setting.start)
    wanted = ours.curves(setting.experiment, grid, NAMES, start)
    found = loop(setting, SMALL.loop_steps, NAMES)()
    assert found.keys() == set(NAMES)
    assert len(set(found["accuracy"])) > 1
    for name in NAMES:
        np.testing.assert_allclose(found[name], wanted[name][0, : SMALL.loop_steps], rtol=ROUNDED, err_msg=name)


@pytest.mark.parametrize("loop", [numpy_loop, jax_loop])
def test_a_loop_computes_no_accuracy_unless_it_is_asked_to(loop):
    assert set(loop(SMALL.setting(), 2, NAMES[:3])()) == set(NAMES[:3])


@pytest.mark.parametrize("loop", [pytest.param(torch_turning, marks=TORCH), jax_turning])
def test_a_loop_over_spherical_features_ends_at_our_state(loop):
    setting = SMALL.setting(scenario={"kind": "spherical"}, method={"eta": 0.5})
    wanted = ours.turned(setting, 20).features
    assert np.linalg.norm(wanted - setting.start.features) > 0.1
    np.testing.assert_allclose(loop(setting, 20)(), wanted, rtol=ROUNDED, atol=ROUNDED)


@pytest.mark.parametrize(("solver", "tolerance"), [(exponential, ROUNDED), (dop853, SOLVED), (dopri8, SOLVED)])
def test_a_solver_ends_at_our_state(solver, tolerance):
    setting = SMALL.flow()
    wanted = ours.state(setting, 40.0)
    assert np.linalg.norm(wanted.prototypes - setting.start.prototypes) > 0.1
    for found, part in zip(solver(setting, 40.0)(), (wanted.features, wanted.prototypes), strict=True):
        np.testing.assert_allclose(found, part, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("loop", [pytest.param(torch_curved, marks=TORCH), numpy_curved])
@pytest.mark.parametrize("loss", ["cross-entropy", "mse"])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", ROUNDED), ("float32", 1e-5)])
def test_a_loop_under_another_loss_ends_at_our_state(loop, loss, dtype, tolerance):
    setting = SMALL.setting(problem={"loss": loss}, method={"eta": 0.1})
    wanted = ours.simulated(setting, 20, dtype)
    assert wanted.features.dtype == dtype
    assert np.linalg.norm(wanted.prototypes - setting.start.prototypes) > 0.1
    for found, part in zip(loop(setting, 20, dtype)(), (wanted.features, wanted.prototypes), strict=True):
        np.testing.assert_allclose(found, part, rtol=tolerance, atol=tolerance)


def test_the_simulator_and_a_plain_loop_end_at_our_state():
    setting = SMALL.setting()
    wanted = ours.state(setting, 40)
    simulated = ours.simulated(setting, 40)
    plain = jax_steps(setting, 40)()
    for found in ((simulated.features, simulated.prototypes), plain):
        np.testing.assert_allclose(found[0], wanted.features, rtol=ROUNDED, atol=ROUNDED)
        np.testing.assert_allclose(found[1], wanted.prototypes, rtol=ROUNDED, atol=ROUNDED)


# --- the harness ----------------------------------------------------------------------------------------------------


def test_contenders_take_turns_and_what_is_missing_is_said():
    calls = []
    found = in_turns(
        [
            Contender("a", lambda: calls.append("a"), scale=3.0, note="a note"),
            Contender("b", lambda: calls.append("b")),
            Contender("c", None),
        ],
        Turns(3, 0.01),
    )
    order = [name for k, name in enumerate(calls) if k == 0 or calls[k - 1] != name]
    assert order == ["a", "b", "a", "b", "a", "b"] or order == ["a", "b", "a", "b", "a", "b", "a", "b"]
    assert found["c"] is None
    assert found["a"].samples == 3
    assert found["a"].note == "a note"
    assert 0 < found["a"].low <= found["a"].quartiles[0] <= found["a"].median <= found["a"].high


def test_the_fastest_way_is_kept():
    assert fastest([lambda: time.sleep(0.2) or "slow", lambda: "fast"])() == "fast"


def test_a_scaled_amount_is_scaled_in_all_its_numbers():
    amount = Amount.of([4.0, 1.0, 2.0, 3.0, 5.0], SECONDS)
    assert (amount.median, amount.low, amount.high, amount.quartiles, amount.samples) == (3.0, 1.0, 5.0, (2.0, 4.0), 5)
    twice = amount.times(2.0, "twice")
    assert (twice.median, twice.low, twice.high, twice.quartiles) == (6.0, 2.0, 10.0, (4.0, 8.0))
    assert twice.note == "twice"
    assert Amount.of([7.0], BYTES).quartiles == (7.0, 7.0)


@pytest.mark.parametrize(
    ("asked", "ratio", "met"),
    [(at_least(4), 4.0, True), (at_least(4.1), 4.0, False), (at_most(0.25), 0.25, True), (at_most(0.24), 0.25, False)],
)
def test_a_ratio_is_judged_in_the_direction_that_is_asked(asked, ratio, met):
    line = Line("it", Amount.of([2.0], SECONDS), "another", Amount.of([8.0], SECONDS), asked)
    assert line.ratio == ratio
    assert line.met is met


def test_without_another_or_without_anything_there_is_no_ratio():
    two, nothing = Amount.of([2.0], SECONDS), Amount.of([0.0], SECONDS)
    missing = Line("it", two, "torch", None, at_least(3))
    assert (missing.ratio, missing.met) == (None, None)
    assert Line("it", nothing, "another", two, at_least(3)).ratio is None
    assert Line("it", nothing, "steps", two, at_most(0)).met is True
    assert Line("it", two, "another", two).met is None


def test_the_memory_of_a_call_is_what_it_holds_at_once():
    mebibytes = 2**20
    found = peak_memory(lambda: np.ones(4 * mebibytes).sum())
    assert found is None or 30 * mebibytes < found.median < 40 * mebibytes


def test_the_traffic_floor_reads_and_writes_and_the_machine_has_limits():
    traffic_floor(np.ones((3, 4)), 5)()
    found = limits(1000, Turns(1, 0.01), side=16)
    assert set(found) == {"copy GB/s", "product GF/s"}
    assert all(value > 0 for value in found.values())
    assert threads() >= 1


def test_an_exponent_is_that_of_the_power_law():
    found = exponent(tuple((size, 3.0 * size**1.5) for size in (10.0, 100.0, 400.0)))
    np.testing.assert_allclose([found.median, found.low, found.high], 1.5, rtol=1e-12)
    bent = exponent(((1.0, 1.0), (10.0, 10.0), (100.0, 1000.0)))
    np.testing.assert_allclose([bent.median, bent.low, bent.high], [1.5, 1.0, 2.0], rtol=1e-12)


def test_the_accuracy_is_checked_at_its_changes_before_them_and_between():
    accuracy = np.repeat([0.1, 0.5, 0.2], [100, 50, 900])
    times = checked_times(accuracy)
    assert {0, 99, 100, 149, 150, len(accuracy) - 1} <= set(times)
    assert np.all(np.diff(times) >= 0)
    for one in (accuracy, np.arange(5000.0), np.ones(3)):
        assert len(checked_times(one)) == 200


# --- the command ----------------------------------------------------------------------------------------------------


def test_rows_are_found_by_name_and_in_the_order_of_the_table():
    kinds = list(benchmarks())
    assert kinds[:4] == ["curves", "accuracy", "refinement", "state"]
    assert kinds[-1] == "growth"
    assert [row.kind for row in choose_benchmarks(["state", "curves", "state"])] == ["state", "curves"]
    assert [row.kind for row in choose_benchmarks([])] == kinds
    with pytest.raises(InputError, match=r"the row must be one of accuracy, curves, .*Did you mean 'curves'"):
        choose_benchmarks(["curve"])
    for row in benchmarks().values():
        assert row.about.endswith(".")
        assert row.__doc__


def test_what_is_asked_and_what_is_multiplied(monkeypatch):
    """Every contender pretends to take a second; what is measured in part counts as a whole."""

    def second(contenders, turns):
        return {one.name: Amount.of([1.0], SECONDS).times(one.scale) for one in contenders}

    monkeypatch.setattr("theorems.benchmark.in_turns", second)
    kinds = ("curves", "accuracy", "state", "settings", "spherical", "start-up")
    lines = {kind: benchmarks()[kind].lines(QUICK) for kind in kinds}
    asked = {f"{kind}: {line.rival}": line.asked for kind, found in lines.items() for line in found if line.asked}
    assert asked == {
        "curves: torch loop": at_least(200_000),
        "curves: traffic floor": at_most(20),
        "accuracy: torch loop": at_least(5_000),
        "state: copy of H": at_most(5),
        "state: expm_multiply": at_least(80),
        "state: DOP853": at_least(500),
        "settings: one setting": at_most(25),
        "spherical: torch loop": at_least(1_000),
        "spherical: jax loop": at_least(150),
        "start-up: import jax": at_most(0.25),
    }
    steps, few = QUICK.steps, QUICK.loop_steps
    assert {line.ratio for line in lines["curves"] + lines["accuracy"]} == {5 * steps / few, 1.0}
    assert {line.ratio for line in lines["spherical"]} == {steps / few}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "the row must be one of accuracy"),
        (["curves", "--plot", "a.png"], "--plot must draw the row growth"),
        (["growth", "--plot", "a.png", "--json", "a.png"], "--plot must be another file than --json"),
        (["growth", "--plot", "a.txt"], "--plot must end in .png, .svg, .pdf"),
        (["settings", "--json", "missing/a.json"], "--json must be a file that can be written"),
    ],
)
def test_bad_input_is_answered_before_anything_is_measured(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("theorems.benching.limits", lambda *args, **options: pytest.fail("measured"))
    result = CliRunner().invoke(app, ["bench", "--quick", *arguments])
    assert result.exit_code == 2
    assert message in result.output
    assert not list(tmp_path.iterdir())


def test_a_quick_run_prints_a_table_and_writes_every_number(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    file = tmp_path / "bench.json"
    result = CliRunner().invoke(app, ["bench", "--quick", "settings", "simulation", "--json", str(file)])
    assert result.exit_code == 0, result.output
    for word in (
        "settings: 20 x 30 times",
        "one setting: ",
        "simulation: one step",
        "(a) a share of 200 steps",
        "GF/s",
        "versions",
    ):
        assert word in " ".join(result.output.split())
    found = json.loads(file.read_text())
    assert found["quick"] is True
    assert found["machine"]["threads"] == threads()
    assert found["machine"]["versions"]["numpy"] == np.__version__
    (line,) = found["rows"]["settings"]["lines"]
    assert line["asked"] == {"bound": 25, "at_least": False}
    assert line["ratio"] == line["ours"]["median"] / line["against"]["median"]
    assert line["met"] is (line["ratio"] <= 25)
    assert list(tmp_path.iterdir()) == [file]


def test_the_growth_is_drawn_over_every_size_with_its_exponents(tmp_path, monkeypatch):
    monkeypatch.setattr(Growth, "lines", classmethod(lambda cls, effort: grown()))
    file = tmp_path / "growth.svg"
    result = CliRunner().invoke(app, ["bench", "--quick", "growth", "--plot", str(file)])
    assert result.exit_code == 0, result.output
    assert "growth: curves in p" in result.output
    assert b"<svg" in file.read_bytes()
    figure = Figure()
    Growth.plot(figure, grown())
    assert [axes.get_title() for axes in figure.axes] == [
        f"({a}) {SIZES[key][0]}" for a, key in zip("abcd", SIZES, strict=True)
    ]
    for axes, key in zip(figure.axes, SIZES, strict=True):
        sizes, seconds = axes.lines[1].get_data()
        np.testing.assert_array_equal(sizes, SIZES[key][1])
        np.testing.assert_allclose(seconds, 1e-3 * sizes**0.75)
        assert [text.get_text().split("^")[1] for text in axes.texts] == ["{0.50}$", "{0.75}$", "{1.00}$"]


def grown():
    """Lines of pure power laws."""
    found = []
    for title, sizes, _ in SIZES.values():
        for power, name in zip((0.5, 0.75, 1.0), BOUNDS, strict=True):
            points = tuple((float(size), 1e-3 * size**power) for size in sizes)
            found.append(Line(f"{name} in {title[-1]}", exponent(points), "bound", None, None, points))
    return found


def test_a_contender_that_is_missing_is_said_to_be(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("theorems.contenders.optional.find_spec", lambda name: None)
    result = CliRunner().invoke(app, ["bench", "--quick", "spherical"])
    assert result.exit_code == 0, result.output
    assert "torch loop: not installed" in " ".join(result.output.split())


def test_memory_is_measured_in_a_process_of_its_own():
    code = "from theorems.benchmarks.memory import child; child('state', quick=True)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    said = result.stdout.split()[-1]
    assert said == "nothing" or float(said) >= 0
