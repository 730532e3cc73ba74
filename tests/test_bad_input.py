"""Whatever a user can get wrong: exit code 2, one sentence that names the subject and the cure, nothing written."""

import json
import os
import pickle
import re
import subprocess
import sys
import tempfile
import tomllib
import tracemalloc
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import dynamics.capacity
from dynamics.errors import InputError
from dynamics.experiment import SECTIONS, Experiment, load
from dynamics.method import methods, schedules
from dynamics.preparation import prepare
from dynamics.scenario import scenarios
from dynamics.start import from_file
from theorems.cli import app
from theorems.output import MARK
from theorems.run import run_experiment

TINY = {"problem.classes": 3, "problem.per_class": 2, "problem.features": 4, "method.steps": 20, "output.points": 5}
FLOW = {"method.kind": "flow", "method.time": 5}
KERNEL = {"scenario.kind": "kernel"}
UNPACKED = 200_000_000  # bytes: no refusal may allocate this much on its way


def options(changes):
    return [word for key, value in changes.items() for word in ("--set", f"{key}={value}")]


def everything_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture
def refused(tmp_path, monkeypatch):
    """Run the command line in an empty working folder; return its one sentence, nothing else having happened."""
    monkeypatch.chdir(tmp_path)
    logs = tmp_path / "logs"  # where an error of ours would leave its traceback
    logs.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(logs))

    def run(*arguments, **changes):
        before = everything_in(tmp_path)
        result = CliRunner().invoke(app, ["run", *map(str, arguments)])
        assert result.exit_code == 2, result.output
        assert everything_in(tmp_path) == before
        return one_sentence(result.output)

    return run


def one_sentence(text):
    """Return the sentence of an output that holds nothing else."""
    found = re.fullmatch(r"Error: (.+ must .+, but .+)\n", text)
    assert found, text
    assert "Traceback" not in text
    return found[1]


def assert_names(message, *fragments):
    for fragment in fragments:
        assert fragment in message, message


# --- values ------------------------------------------------------------------------------------------------------

VALUES = {
    "one class": ({"problem.classes": 1}, "problem.classes must be >= 2, but is 1"),
    "no classes": ({"problem.classes": 0}, "problem.classes must be >= 2, but is 0"),
    "negative classes": ({"problem.classes": -3}, "problem.classes must be >= 2"),
    "classes as a string": ({"problem.classes": '"3"'}, "problem.classes must be a whole number, but is '3'"),
    "classes as a float": ({"problem.classes": "3.0"}, "problem.classes must be a whole number, but is 3.0"),
    "classes as a bool": ({"problem.classes": "true"}, "problem.classes must be a whole number, but is True"),
    "classes as a list": ({"problem.classes": "[3]"}, "problem.classes must be a whole number"),
    "no samples": ({"problem.per_class": 0}, "problem.per_class must be a whole number >= 1", "but is 0"),
    "an empty class": ({"problem.per_class": "[2, 0, 2]"}, "problem.per_class must be a whole number >= 1", "but is 0"),
    "a size as a float": ({"problem.per_class": "[2, 2.5, 2]"}, "problem.per_class", "but is 2.5"),
    "a size as a bool": ({"problem.per_class": "[2, true, 2]"}, "problem.per_class", "but is True"),
    "sizes as a string": ({"problem.per_class": '"many"'}, "problem.per_class", "but is 'many'"),
    "too few sizes": ({"problem.per_class": "[2, 2]"}, "problem.per_class must list 3 sizes", "[2, 2]"),
    "too many sizes": ({"problem.per_class": "[2, 2, 2, 2]"}, "problem.per_class must list 3 sizes"),
    "no sizes": ({"problem.per_class": "[]"}, "problem.per_class must list 3 sizes"),
    "no features": ({"problem.features": 0}, "problem.features must be >= 1, but is 0"),
    "negative features": ({"problem.features": -4}, "problem.features must be >= 1"),
    "negative gamma": ({"problem.gamma": -0.1}, "problem.gamma must be a number from 0 to 1e6", "but is -0.1"),
    "gamma NaN": ({"problem.gamma": "nan"}, "problem.gamma must be a number", "but is nan"),
    "gamma infinite": ({"problem.gamma": "inf"}, "problem.gamma must be a number", "but is inf"),
    "gamma too large": ({"problem.gamma": "1000001"}, "problem.gamma must be a number from 0 to 1e6"),
    "gamma as a bool": ({"problem.gamma": "true"}, "problem.gamma must be a number", "but is True"),
    "gamma as another string": ({"problem.gamma": "1/C"}, 'exactly "1/(C-1)"', "but is '1/C'"),
    "gamma almost right": ({"problem.gamma": "1/(C - 1)"}, 'exactly "1/(C-1)"', "but is '1/(C - 1)'"),
    "gamma as a list": ({"problem.gamma": "[0.1]"}, "problem.gamma must be a number", "but is [0.1]"),
    "smoothing of one": ({"problem.label_smoothing": 1}, "problem.label_smoothing must be < 1"),
    "negative smoothing": ({"problem.label_smoothing": -0.1}, "problem.label_smoothing must be >= 0"),
    "unknown weights": ({"problem.sample_weights": "square"}, "problem.sample_weights must be one of", "'sqrt'"),
    "an unknown loss": (
        {"problem.loss": "hinge"},
        "problem.loss must be one of cross-entropy, mse, unhinged",
        "'hinge'",
    ),
    "unknown scenario": ({"scenario.kind": "sphericle"}, "scenario.kind must be one of", "Did you mean 'spherical'?"),
    "a scenario as a number": ({"scenario.kind": 5}, "scenario.kind must be one of anchored", "but is 5"),
    "a scenario as a list": ({"scenario.kind": "[1]"}, "scenario.kind must be one of anchored", "but is [1]"),
    "negative lambda": (
        {"scenario.kind": "regularized", "scenario.lambda_h": -1},
        "scenario.lambda_h must be >= 0, but is -1",
    ),
    "lambda NaN": (
        {"scenario.kind": "anchored", "scenario.lambda_h": "nan"},
        "scenario.lambda_h must be a finite number",
    ),
    "kernel without rank": ({**KERNEL, "scenario.kernel_rank": 0}, "scenario.kernel_rank must be >= 1"),
    "unknown prototypes": (
        {"scenario.kind": "anchored", "scenario.prototypes": "fixed"},
        "scenario.prototypes must be one of 'start' or 'etf'",
    ),
    "a method of later": (
        {"method.kind": "adam"},
        "method.kind must be one of decoupled-decay, descent, flow, heavy-ball",
        "'adam'",
    ),
    "momentum of one": ({"method.kind": "nesterov", "method.momentum": 1}, "method.momentum must be < 1, but is 1"),
    "negative momentum": ({"method.kind": "heavy-ball", "method.momentum": -0.1}, "method.momentum must be >= 0"),
    "momentum of a descent": ({"method.momentum": 0.9}, "method.momentum", "'heavy-ball' or kind = 'nesterov'"),
    "a decay above one": ({"method.kind": "decoupled-decay", "method.decay_h": 1.5}, "method.decay_h must be <= 1"),
    "a negative decay": ({"method.kind": "decoupled-decay", "method.decay_b": -0.1}, "method.decay_b must be >= 0"),
    "a decay of a descent": ({"method.decay_w": 0.1}, "method.decay_w must be a key", "kind = 'decoupled-decay'"),
    "a decay of what stays": (
        {"scenario.kind": "anchored", "method.kind": "decoupled-decay", "method.decay_w": 0.1},
        "method.decay_w must be 0 with scenario.kind = 'anchored', but is 0.1",
    ),
    "a decay through a kernel": (
        {**KERNEL, "method.kind": "decoupled-decay"},
        "scenario.kind must be one of unconstrained, regularized, anchored with method.kind = 'decoupled-decay'",
    ),
    "a decay of directions": (
        {"scenario.kind": "spherical", "method.kind": "decoupled-decay"},
        "scenario.kind must be one of unconstrained",
        "but is 'spherical'",
    ),
    "a batch of nothing": ({"method.kind": "sgd", "method.batch": 0}, "method.batch must be >= 1, but is 0"),
    "a batch above all": ({"method.kind": "sgd", "method.batch": 10**6}, "method.batch must be <= n, the"),
    "an unknown sampling": (
        {"method.kind": "sgd", "method.sampling": "replace"},
        "method.sampling must be one of 'independent' or 'shuffle'",
    ),
    "batches through a kernel": (
        {**KERNEL, "method.kind": "sgd"},
        "scenario.kind must be one of unconstrained, regularized, anchored with method.kind = 'sgd'",
    ),
    "a batch of a descent": ({"method.batch": 3}, "method.batch must be a key", "It belongs to kind = 'sgd'"),
    "a method as a list": ({"method.kind": "[1]"}, "method.kind must be one of decoupled-decay, descent, flow"),
    "a method as a number": ({"method.kind": 1}, "method.kind must be one of decoupled-decay, descent, flow"),
    "unknown schedule": ({"method.schedule": "cosin"}, "method.schedule must be one of", "Did you mean 'cosine'?"),
    "a schedule as a number": ({"method.schedule": 1.5}, "method.schedule must be one of", "but is 1.5"),
    "no rate": ({"method.eta": 0}, "method.eta must be > 0, but is 0"),
    "negative rate": ({"method.eta": -0.1}, "method.eta must be > 0, but is -0.1"),
    "rate NaN": ({"method.eta": "nan"}, "method.eta must be a finite number, but is nan"),
    "rate infinite": ({"method.eta": "inf"}, "method.eta must be a finite number, but is inf"),
    "rate as a string": ({"method.eta": "fast"}, "method.eta must be a number, but is 'fast'"),
    "rate as a bool": ({"method.eta": "true"}, "method.eta must be a number, but is True"),
    "ratio zero": ({"method.ratio": 0}, "method.ratio must be > 0, but is 0"),
    "negative ratio": ({"method.ratio": -2}, "method.ratio must be > 0, but is -2"),
    "no steps": ({"method.steps": 0}, "method.steps must be >= 1, but is 0"),
    "negative steps": ({"method.steps": -5}, "method.steps must be >= 1, but is -5"),
    "fractional steps": ({"method.steps": 2.5}, "method.steps must be a whole number, but is 2.5"),
    "steps as a float": ({"method.steps": "1e3"}, "method.steps must be a whole number, but is 1000.0"),
    "no time": ({**FLOW, "method.time": 0}, "method.time must be > 0, but is 0"),
    "negative time": ({**FLOW, "method.time": -1}, "method.time must be > 0, but is -1"),
    "time infinite": ({**FLOW, "method.time": "inf"}, "method.time must be a finite number"),
    "negative warm-up": ({"method.warmup": -1}, "method.warmup must be >= 0"),
    "a schedule without its key": ({"method.schedule": "exponential"}, "method.rate must be given, but is missing"),
    "negative decay": ({"method.schedule": "exponential", "method.rate": -1}, "method.rate must be >= 0"),
    "a jump of no length": (
        {"method.schedule": "step", "method.factor": 0.5, "method.every": 0},
        "method.every must be > 0",
    ),
    "too many jumps": (
        {"method.schedule": "step", "method.factor": 0.5, "method.every": 1e-6},
        "method.every must be >= 0.0002, but is 1e-06",
    ),
    "negative seed": ({"start.seed": -1}, "start.seed must be >= 0"),
    "scale NaN": ({"start.scale_h": "nan"}, "start.scale_h must be a finite number"),
    "scale beyond float64": ({"start.scale_h": "1e308"}, "start.scale_h must be <= 1e+70"),
    "scale below its squares": ({"start.scale_w": "1e-200"}, "start.scale_w must be 0 or at least 1e-70"),
    "unknown prototypes of the start": ({"start.w": "uniform"}, "start.w must be one of 'gaussian' or 'etf'"),
    "unknown data": ({"start.data": "mnist"}, "start.data must be one of 'digits' or 'digits-long-tailed'"),
    "data and file": ({"start.data": "digits", "start.file": "x.npz"}, "start.data must not be given together with"),
    "a scale and a file": (
        {"start.scale_h": 2, "start.file": "x.npz"},
        "start.scale_h must not be given together with start.file, but is 2",
    ),
    "a drawn kernel and a file": (
        {**KERNEL, "scenario.kernel_seed": 1, "start.file": "x.npz"},
        "scenario.kernel_seed must not be given together with start.file",
    ),
    "an empty file name": ({"start.file": '""'}, "start.file must not be empty"),
    "data of other sizes": (
        {"start.data": "digits"},
        "problem.classes must be 10, as in the start, but is 3",
        "Correct or remove it",
    ),
    "one point": ({"output.points": 1}, "output.points must be >= 2, but is 1"),
    "states as a number": ({"output.states": 1}, "output.states must be true or false, but is 1"),
    "no ETF in so few dimensions": (
        {"start.w": "etf", "problem.features": 1},
        "problem.features must be >= 2 (classes - 1) for a simplex ETF, but is 1",
    ),
    "no anchored ETF in so few dimensions": (
        {"scenario.kind": "anchored", "scenario.prototypes": "etf", "problem.features": 1},
        "problem.features must be >= 2",
    ),
    "zero features on a sphere": (
        {"scenario.kind": "spherical", "start.scale_h": 0},
        "every feature of the spherical scenario must have a norm > 0",
        "Change start.scale_h",
    ),
}


@pytest.mark.parametrize("case", VALUES)
def test_a_value_that_cannot_be_used_is_named_with_its_bound(refused, case):
    changes, *fragments = VALUES[case]
    assert_names(refused(*options(TINY | changes)), *fragments)


# --- keys, tables, --set -----------------------------------------------------------------------------------------

KEYS = {
    "misspelt": ({"problem.clases": 3}, "problem.clases must be a key of [problem]", "Did you mean 'classes'?"),
    "misspelt rate": ({"method.etta": 3}, "method.etta must be a key", "Did you mean 'eta'?"),
    "misspelt lambda": (
        {"scenario.kind": "regularized", "scenario.lamda_h": 1},
        "scenario.lamda_h",
        "Did you mean 'lambda_h'?",
    ),
    "misspelt seed": ({"start.sed": 3}, "start.sed must be a key of [start]", "Did you mean 'seed'?"),
    "unlike any": ({"output.zzz": 3}, "output.zzz must be a key of [output], but is not. Keys: points, states."),
    "of other scenarios": (
        {"scenario.lambda_h": 0.1},
        "scenario.lambda_h must be a key of kind = 'unconstrained'",
        "It belongs to kind = 'anchored' or 'regularized'.",
    ),
    "of the kernel": ({"scenario.kernel_rank": 3}, "It belongs to kind = 'kernel'."),
    "of the sphere": ({"scenario.rescale": "norm"}, "It belongs to kind = 'spherical'."),
    "only lambda_h when anchored": (
        {"scenario.kind": "anchored", "scenario.lambda_w": 0.1},
        "scenario.lambda_w must be a key of kind = 'anchored'",
        "It belongs to kind = 'regularized'.",
    ),
    "of the flow": ({"method.time": 5}, "method.time must be a key", "It belongs to kind = 'flow'."),
    "of other schedules": (
        {"method.final": 0.1},
        "method.final must be a key",
        "It belongs to schedule = 'cosine' or schedule = 'linear'.",
    ),
    "of later": ({"method.momentum": 0.9}, "method.momentum must be a key of [method]", "Keys: "),
}


@pytest.mark.parametrize("case", KEYS)
def test_an_unknown_key_is_answered_with_its_owner_or_the_nearest(refused, case):
    changes, *fragments = KEYS[case]
    assert_names(refused(*options(TINY | changes)), *fragments)


MALFORMED = ["problem", "problem=3", "problem.=3", "=3", ".classes=3", "problem.classes", "", "name.x=1"]


@pytest.mark.parametrize("change", MALFORMED)
def test_a_malformed_change_is_answered_with_the_form(refused, change):
    assert_names(refused("--set", change), "--set must have the form TABLE.KEY=VALUE", repr(change))


def test_a_misspelt_table_in_a_change_is_answered_with_the_nearest(refused):
    assert_names(refused("--set", "problm.classes=3"), "--set must have the form", "Did you mean 'problem'?")


@pytest.mark.parametrize("preset", ["sphericall", "nothing-like-it"])
def test_an_unknown_preset_is_answered_with_the_list_and_the_nearest(refused, preset):
    message = refused(preset)
    assert_names(message, "must be a .toml file or a preset: anchored", repr(preset))
    assert ("Did you mean 'spherical'?" in message) == (preset == "sphericall")


TABLES = {
    "misspelt table": ("[probem]\nclasses = 3", "[probem] must be a table", "Did you mean 'problem'?"),
    "unknown table": ("[sweep]\nx = 1", "[sweep] must be a table of an experiment", "Tables: problem"),
    "a key outside of any table": ("classes = 3", "[classes] must be a table"),
    # These are the names of arguments of ours, and may not be taken for them.
    "a name": ('name = "x"', "[name] must be a table"),
    "a folder": ('folder = "/"', "[folder] must be a table"),
    "a self": ("[self]\nx = 1", "[self] must be a table"),
    "a table that is a number": ("problem = 3", "[problem] must be a table, but is 3"),
    "a table that is a list": ("[[problem]]\nclasses = 3", "[problem] must be a table"),
    "no TOML": ("[problem\nclasses = 3", "mine.toml must be a TOML file", "line 1"),
    "a value left out": ("[problem]\nclasses =", "mine.toml must be a TOML file"),
    "a key twice": ("[problem]\nclasses = 3\nclasses = 4", "mine.toml must be a TOML file"),
    "digits without end": ("[problem]\nclasses = 1" + "0" * 5000, "mine.toml must be a TOML file"),
    "a nest without end": ("x = " + "[" * 20_000, "mine.toml must be a TOML file"),
    "misspelt key": ("[problem]\nfeature = 3", "problem.feature must be a key", "Did you mean 'features'?"),
    "key of another kind": (
        '[method]\nkind = "flow"\nsteps = 5',
        "method.steps must be a key of [method] with kind = 'flow'",
        "It belongs to kind = 'decoupled-decay' or kind = 'descent' or kind = 'heavy-ball' or kind = 'nesterov' "
        "or kind = 'sgd'.",
    ),
    "gamma inf": ("[problem]\ngamma = inf", "problem.gamma must be a number"),
    "a date": ("[problem]\nclasses = 2020-01-01", "problem.classes must be a whole number"),
}


@pytest.mark.parametrize("case", TABLES)
def test_a_file_that_is_no_experiment_is_refused(refused, tmp_path, case):
    text, *fragments = TABLES[case]
    (tmp_path / "mine.toml").write_text(text)
    assert_names(refused("mine.toml"), *fragments)


def test_a_file_that_is_missing_a_folder_or_no_text_is_refused(refused, tmp_path):
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    for name in ("missing.toml", "folder.toml", "bytes.toml", "x" * 300 + ".toml"):
        assert_names(refused(name), "the experiment must be a readable TOML file", name[:100])
    assert_names(refused("x" * 5000), "the experiment must be a .toml file or a preset")


ODD = ["", "-1", "0", "1.5", "nan", "-inf", "1e400", "1" + "0" * 400, "true", "x", '"3"', "[]", "[[1]]", "{}", "{a=1}"]


@pytest.mark.parametrize("section", SECTIONS)
def test_no_value_of_any_key_is_anything_but_accepted_or_refused(section):
    keys = {"kind", "schedule", "nonsense"}
    for member in (*scenarios().values(), *methods().values(), *schedules().values()):
        keys |= set(member.model_fields)
    keys |= {key for table in Experiment().to_dict().values() for key in table} | {"file", "data"}
    for key in sorted(keys):
        for value in ODD:
            for kind in ("descent", "flow", "nesterov") if section == "method" else ("",):
                changes = [f"method.kind={kind}", f"{section}.{key}={value}"]
                try:
                    accepted = load(None, changes)
                except InputError as error:
                    assert "\n" not in str(error)
                else:
                    tomllib.loads(accepted.to_toml())


# --- the start file ----------------------------------------------------------------------------------------------


def good_arrays(kernel=False):
    rng = np.random.default_rng(0)
    arrays = {"H": rng.standard_normal((3, 5)), "W": rng.standard_normal((3, 2)), "labels": np.array([1, 0, 1, 1, 0])}
    if kernel:
        half = rng.standard_normal((15, 15))
        arrays["K"] = half @ half.T
    return arrays


def broken(name, where, value):
    array = good_arrays()[name].astype(float) if name != "labels" else good_arrays()[name]
    array[where] = value
    return {name: array}


def skewed():
    kernel = good_arrays(kernel=True)["K"]
    kernel[0, 1] += 1
    return {"K": kernel}


ARRAYS = {
    "H with NaN": (broken("H", (1, 2), np.nan), "H of start.npz must be finite everywhere", "(1, 2)"),
    "W infinite": (broken("W", (0, 1), np.inf), "W of start.npz must be finite everywhere", "inf"),
    "H flat": ({"H": np.ones(5)}, "H of start.npz must be a nonempty array of 2 dimensions", "(5,)"),
    "H empty": ({"H": np.ones((3, 0))}, "H of start.npz must be a nonempty array"),
    "H of booleans": ({"H": np.ones((3, 5), dtype=bool)}, "H of start.npz must hold real numbers", "bool"),
    "H complex": ({"H": np.ones((3, 5), dtype=complex)}, "H of start.npz must hold real numbers", "complex"),
    "H of text": ({"H": np.full((3, 5), "a")}, "H of start.npz must hold real numbers"),
    "no H": ({"H": None}, "start.npz must hold an array H"),
    "no W": ({"W": None}, "start.npz must hold an array W"),
    "other features": ({"W": np.ones((4, 2))}, "W of start.npz must have as many rows as H (3), but is 4"),
    "one class": ({"W": np.ones((3, 1)), "labels": np.zeros(5, int)}, "W of start.npz must have at least 2 columns"),
    "other biases": ({"b": np.ones(3)}, "b of start.npz must have shape (2,), but is (3,)"),
    "biases NaN": ({"b": np.array([0, np.nan])}, "b of start.npz must be finite everywhere"),
    "an array of another name": ({"h": np.ones(3)}, "every array of start.npz must be one of", "'h'"),
    "a kernel for another scenario": ({"K": np.eye(15)}, "every array of start.npz", "scenario.kind = 'kernel'"),
    "label too large": (broken("labels", 0, 2), "labels of start.npz must lie in 0 .. 1", "0 .. 2"),
    "label negative": (broken("labels", 0, -1), "labels of start.npz must lie in 0 .. 1", "-1 .. 1"),
    "labels too short": ({"labels": np.array([0, 1])}, "labels of start.npz must have shape (5,)", "(2,)"),
    "labels of two dimensions": ({"labels": np.zeros((5, 1), int)}, "labels of start.npz must have shape (5,)"),
    "a class without samples": ({"labels": np.zeros(5, int)}, "labels of start.npz must contain every class", "s 1'"),
    "labels as floats": ({"labels": np.array([1.0, 0, 1, 1, 0])}, "labels of start.npz must be whole numbers", "float"),
    "columns that do not divide": ({"labels": None}, "the number of columns of H must be a multiple of the 2", "is 5"),
}  # fmt: skip
KERNELS = {
    "negative": ({"K": -np.eye(15)}, "K of start.npz must be positive semi-definite", "eigenvalue -1"),
    "indefinite": ({"K": np.diag([1.0] * 14 + [-0.01])}, "K of start.npz must be positive semi-definite", "-0.01"),
    "not symmetric": (skewed(), "K of start.npz must be symmetric", "off by 1"),
    "of another size": ({"K": np.eye(5)}, "K of start.npz must have shape (15, 15), p n squared, but is (5, 5)"),
    "not square": ({"K": np.ones((15, 3))}, "K of start.npz must have shape (15, 15)"),
    "NaN": ({"K": np.full((15, 15), np.nan)}, "K of start.npz must be finite everywhere"),
    "factor of another size": ({"K": None, "K_factor": np.ones((5, 2))}, "K_factor of start.npz must have p n = 15"),
    "given twice": ({"K_factor": np.ones((15, 2))}, "exactly one of K and K_factor", "K, K_factor"),
    "missing": ({"K": None}, "exactly one of K and K_factor", "none"),
}


def write_start(folder, changes, kernel=False):
    arrays = good_arrays(kernel) | changes
    np.savez(folder / "start.npz", **{name: array for name, array in arrays.items() if array is not None})


def from_start(kernel=False, **changes):
    """Return the options of a run from start.npz, whose sizes are in the file."""
    removed = {"problem.classes": "", "problem.per_class": "", "problem.features": "", "start.file": "start.npz"}
    return options(TINY | removed | (KERNEL if kernel else {}) | changes)


@pytest.mark.parametrize("case", ARRAYS)
def test_arrays_that_do_not_fit_are_refused(refused, tmp_path, case):
    changes, *fragments = ARRAYS[case]
    write_start(tmp_path, changes)
    assert_names(refused(*from_start()), *fragments)


@pytest.mark.parametrize("case", KERNELS)
def test_a_kernel_that_is_none_is_refused(refused, tmp_path, case):
    changes, *fragments = KERNELS[case]
    write_start(tmp_path, changes, kernel=True)
    assert_names(refused(*from_start(kernel=True)), *fragments)


def test_a_zero_column_is_refused_on_the_sphere_by_its_place_in_the_file(refused, tmp_path):
    write_start(tmp_path, broken("H", (slice(None), 3), 0))
    message = refused(*from_start(**{"scenario.kind": "spherical"}))
    assert_names(message, "every feature of the spherical scenario must have a norm > 0", "zero in column 3")


def test_sizes_that_contradict_the_start_file_are_refused(refused, tmp_path):
    write_start(tmp_path, {})
    for key, value, right in (("classes", 3, "2"), ("features", 4, "3"), ("per_class", "[3, 2]", "[2, 3]")):
        message = refused(*from_start(**{f"problem.{key}": value}))
        assert_names(message, f"problem.{key} must be {right}, as in the start, but is {value}")
    write_start(tmp_path, {"labels": None})
    message = refused(*from_start(**{"problem.per_class": "[3, 3]"}))
    assert_names(message, "problem.per_class must list 2 sizes that add up to the 5 columns of H")


class Payload:
    """An object whose unpickling writes a file."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (Path.touch, (self.mark,))


def test_a_pickled_start_is_refused_and_never_executed(refused, tmp_path):
    mark, path = tmp_path / "executed", tmp_path / "start.npz"
    objects = np.array([[Payload(mark)]], dtype=object)
    pickle.loads(pickle.dumps(Payload(mark)))
    assert mark.exists()  # the payload works, so that its absence below says something
    mark.unlink()

    np.savez(path, H=objects, W=objects)
    assert_names(refused(*from_start()), "start.file must be a whole .npz file of plain arrays", "never executed")
    path.write_bytes(pickle.dumps(Payload(mark)))
    assert_names(refused(*from_start()), "start.file must be a whole .npz file", "never executed")
    with path.open("wb") as file:
        np.save(file, objects, allow_pickle=True)
    assert_names(refused(*from_start()), "start.file must be a whole .npz file", "never executed")
    assert not mark.exists()


def test_a_start_file_that_is_missing_cut_short_or_of_another_kind_is_refused(refused, tmp_path):
    path = tmp_path / "start.npz"
    assert_names(refused(*from_start()), "start.file must be a file that exists", "start.npz")
    path.mkdir()
    assert_names(refused(*from_start()), "start.file must be a file that exists")
    path.rmdir()
    write_start(tmp_path, {})
    whole = path.read_bytes()
    with (tmp_path / "array.npy").open("wb") as file:
        np.save(file, np.ones((3, 5)))
    for content in (whole[: len(whole) // 2], whole[:-1], whole[:10], b"", b"H = 3", Path("array.npy").read_bytes()):
        path.write_bytes(content)
        assert_names(refused(*from_start()), "start.file must be a whole .npz file", "numpy.savez(path, H=..., W=...)")
    assert_names(refused(*from_start(**{"start.file": "x" * 300})), "start.file must be a file that exists")


def test_a_zip_of_something_else_is_refused(refused, tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "start.npz", "w") as archive:
        archive.writestr("H", "no array")
    assert_names(refused(*from_start()), "every entry of start.npz must be an array, but is 'H'")
    with zipfile.ZipFile(tmp_path / "start.npz", "w"):
        pass
    assert_names(refused(*from_start()), "start.npz must hold an array H, but is 'without it: no arrays'")


@given(place=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255), kernel=st.booleans())
def test_a_start_file_with_any_byte_changed_is_read_or_refused(tmp_path_factory, place, value, kernel):
    folder = tmp_path_factory.mktemp("start")
    write_start(folder, {}, kernel)
    content = bytearray((folder / "start.npz").read_bytes())
    content[int(place * len(content))] = value
    (folder / "start.npz").write_bytes(content)
    try:
        start, _ = from_file(folder / "start.npz", kernel)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert np.isfinite(start.features).all()


# --- memory ------------------------------------------------------------------------------------------------------

TOO_LARGE = {
    "features": ({"problem.features": 10**12}, "Lower problem.features"),
    "samples": ({"problem.per_class": 10**12}, "Lower problem.features, problem.per_class"),
    "one class of many": ({"problem.per_class": f"[2, 2, {10**12}]"}, "GiB"),
    "classes": ({"problem.classes": 10**9}, "problem.classes"),
    "classes without end": ({"problem.classes": 10**400}, "GiB"),
    "kernel": ({**KERNEL, "scenario.kernel_rank": 10**7}, "Lower scenario.kernel_rank"),
    "points": ({"output.points": 10**6, "problem.classes": 10**4, **FLOW, "method.steps": ""}, "Lower output.points"),
    "steps": ({"method.steps": 10**9}, "Lower method.steps"),
}


@pytest.mark.parametrize("case", TOO_LARGE)
def test_a_problem_too_large_is_refused_in_gib_before_anything_is_allocated(refused, monkeypatch, case):
    monkeypatch.setattr(dynamics.capacity, "available", lambda: 8 * 2**30)  # so that every machine refuses the same
    changes, fragment = TOO_LARGE[case]
    tracemalloc.start()
    try:
        message = refused(*options(TINY | changes))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert_names(message, "the problem must fit into memory (7.2 GiB), but needs", fragment)
    assert re.search(r"needs (about|more than) [\d.e]+ GiB", message)
    assert peak < UNPACKED


def test_a_start_file_too_large_is_refused_before_it_is_read(refused, tmp_path, monkeypatch):
    # A megabyte of zeros is a kilobyte on disk: what counts is what it becomes.
    np.savez_compressed(tmp_path / "start.npz", H=np.zeros((3, 50_000)), W=np.ones((3, 2)))
    monkeypatch.setattr(dynamics.capacity, "available", lambda: 10**6)
    assert_names(refused(*from_start()), "start.file start.npz must fit into memory (0.0 GiB), but needs about 0.0 GiB")


def test_the_memory_that_is_there_is_found():
    assert 2**28 < dynamics.capacity.available() < 2**50


# --- where the result goes, and the device -----------------------------------------------------------------------


def test_an_output_folder_that_is_not_empty_is_refused(refused, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    assert_names(refused(*options(TINY), "--out", "full"), "--out must be a new or empty folder", "use --force")
    message = refused(*options(TINY), "--out", "full", "--force")
    assert_names(message, "--out must be a new or empty folder", "--force does not replace it")
    (tmp_path / "full" / MARK).write_text("[tool]\nanother = 'program'")
    assert_names(refused(*options(TINY), "--out", "full", "--force"), "--force does not replace it")


def test_an_output_that_is_no_folder_is_refused(refused, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "circle").symlink_to("circle")
    assert_names(refused(*options(TINY), "--out", "file"), "--out must be a folder", "Choose another name")
    for out in ("file/sub", "file/sub/sub", "x" * 300, "new/" + "x" * 300, "circle"):
        assert_names(refused(*options(TINY), "--out", out), "--out must be a folder that can be written")
    (tmp_path / "runs").touch()
    assert_names(refused(*options(TINY)), "--out must be a folder that can be written, but is 'runs'")


def test_the_working_folder_and_those_above_it_are_not_replaced(refused, tmp_path, monkeypatch):
    below = tmp_path / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    for out in (".", "..", below, "/"):
        assert_names(refused(*options(TINY), "--out", out), "--out must be neither the working folder", "inside it")


def test_a_missing_device_is_refused(refused):
    assert_names(refused(*options(TINY), "--device", "tpu"), "--device must be cpu or gpu, but is 'tpu'")
    if any(device.platform == "gpu" for device in jax.devices()):
        pytest.skip("this machine has a GPU")
    assert_names(refused(*options(TINY), "--device", "gpu"), "--device must be a device that jax sees", "It sees cpu")


def test_what_shows_only_while_simulating_leaves_nothing_either(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stiff = TINY | FLOW | {"scenario.kind": "regularized", "scenario.lambda_h": 1e12}
    for out in ([], ["--out", "new/folder"]):
        result = CliRunner().invoke(app, ["run", *options(stiff), *out])
        assert result.exit_code == 2
        assert_names(one_sentence(result.output[result.output.index("Error") :]), "method.time must be <=", "Shorten")
        assert everything_in(tmp_path) == []


# --- the other entry points --------------------------------------------------------------------------------------


def test_an_unknown_command_is_answered_with_the_list():
    for word, hint in (("train", ""), ("rum", "Did you mean 'run'?"), ("verfy", "Did you mean 'verify'?")):
        result = CliRunner().invoke(app, [word])
        assert result.exit_code == 2
        assert_names(
            one_sentence(result.output),
            "the command must be one of bench, figures, list, run, sweep, verify",
            repr(word),
            hint,
        )


@pytest.mark.parametrize("arguments", [["--bogus"], ["paper", "another"], ["--out"], ["--set"]], ids=" ".join)
def test_an_option_that_does_not_exist_is_refused(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["run", *arguments])
    assert result.exit_code == 2
    assert result.output.count("Error") == 1
    assert everything_in(tmp_path) == []


def test_python_gets_the_same_sentences(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"problem\.classes must be >= 2, but is 1"):
        Experiment(problem={"classes": 1})
    with pytest.raises(InputError, match=r"\[probelm\] must be a table .* Did you mean 'problem'"):
        Experiment(probelm={"classes": 3})
    with pytest.raises(InputError, match=r"\[name\] must be a table"):
        Experiment.from_dict({"name": {}})
    with pytest.raises(InputError, match=r"start\.file must be a file that exists"):
        prepare(Experiment(start={"file": "missing.npz"}))
    with pytest.raises(InputError, match="must be cpu or gpu"):
        run_experiment(None, [], None, force=False, device="abacus", float32=False)
    assert everything_in(tmp_path) == []


PROCESSES = {
    "no TOML": (["run", "broken.toml"], "broken.toml must be a TOML file"),
    "a bad value": (["run", "--set", "method.eta=-1"], "method.eta must be > 0, but is -1"),
    "a place that cannot be written": (["run", *options(TINY), "--out", "broken.toml/sub"], "that can be written"),
    "a command that is none": (["train"], "the command must be one of"),
    "a claim that is none": (["verify", "thm99"], "the claim must be one of"),
    "a figure that is none": (["figures", "2"], "the figure must be one of"),
    "a figure into a file": (["figures", "4", "--out", "broken.toml"], "--out must be a folder that can be written"),
}


@pytest.mark.parametrize("case", PROCESSES)
def test_the_installed_command_says_one_sentence_and_writes_nothing(tmp_path, case):
    arguments, fragment = PROCESSES[case]
    (tmp_path / "broken.toml").write_text("[problem")
    command = [sys.executable, "-c", "from theorems.cli import main; main()", *arguments]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert_names(one_sentence(done.stderr), fragment)
    assert everything_in(tmp_path) == ["broken.toml"]


def test_the_list_of_what_exists_is_readable_by_machines():
    listed = json.loads(CliRunner().invoke(app, ["list", "--json"]).output)
    assert set(listed["methods"]) == set(methods())
