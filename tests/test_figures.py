"""The figures: their curves against simulations and limits, their files, and the settings beside them."""

import re
import shlex
import tomllib
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from dynamics.errors import InputError
from dynamics.experiment import Experiment, load
from dynamics.precision import exact
from dynamics.preparation import prepare
from dynamics.state import State
from theorems import drawing
from theorems.cli import app
from theorems.curves import contrast_limit, exact_columns, measured, simulated_columns, steps
from theorems.figure import choose_recipes, recipes
from theorems.paper import FLOOR, Panel

FOLDER = Path(__file__).parents[1] / "figures"
CURVE = 1e-9  # relative: simulated descent against the exact one, after 400 steps; measured 1e-13
SETTLED = 1e-6  # of a state from its limit, once the slowest error has fallen by e^-16
SLOPE = 1e-3  # of a fitted exponential, where what decays besides it is e^-8 smaller


def small(**tables):
    base = {
        "problem": {"classes": 5, "per_class": 3, "features": 7, "gamma": 0.3},
        "scenario": {"kind": "regularized", "lambda_h": 0.02, "lambda_w": 0.05},
        "method": {"steps": 400, "eta": 0.3, "ratio": 0.6},
        "output": {"points": 5},
    }
    return Experiment.from_dict({name: table | tables.get(name, {}) for name, table in base.items()})


@pytest.mark.parametrize("scenario", [{}, {"kind": "anchored", "lambda_w": None}, {"kind": "spherical"}], ids=str)
def test_every_column_of_an_exact_curve_is_the_simulated_one(scenario):
    table = {"kind": "regularized", "lambda_h": 0.02, "lambda_w": 0.05} | scenario
    table = {key: table[key] for key in table if table[key] is not None}
    if table["kind"] == "spherical":
        table = {"kind": "spherical"}
    experiment = Experiment.from_dict(small().to_dict() | {"scenario": table})
    (times, found), (others, simulated) = exact_columns(experiment), simulated_columns(experiment)
    np.testing.assert_array_equal(times, others)
    assert found.keys() <= simulated.keys()
    for name in found:
        if name in ("distance", "distance_zbar", "nc1"):  # judged by `compare`, which knows their floors
            continue
        np.testing.assert_allclose(found[name], simulated[name], rtol=CURVE, atol=CURVE, err_msg=name)


@pytest.mark.parametrize("ratio", [1.0, 0.4])
def test_the_limit_of_the_contrasts_is_where_the_state_ends_at_the_critical_strength(ratio):
    """The whole of it, not its direction alone: |W - Wbar| and |H - Hbar| fall to nothing beside |W| and |H|."""
    classes, per_class, gamma = 5, 3, 0.3
    sigma = (1 + gamma) / (classes * per_class**0.5)
    decay = {"lambda_h": sigma / 2, "lambda_w": 2 * sigma}
    experiment = small(scenario=decay, method={"ratio": ratio, "steps": 3000})
    _, columns = exact_columns(experiment)
    features, prototypes = contrast_limit(experiment)
    assert columns["prototypes_gap"][-1] <= SETTLED * np.linalg.norm(prototypes)
    assert columns["features_distance"][-1] <= SETTLED
    np.testing.assert_allclose(columns["features_norm"][-1], np.linalg.norm(features), rtol=SETTLED)
    np.testing.assert_allclose(
        columns["log_ratio"][-1], np.log(np.linalg.norm(features) / np.linalg.norm(prototypes)), atol=SETTLED
    )


def test_the_limit_of_the_contrasts_is_made_in_float64():
    """Corollary 5 at equal decays, s = 1: Hbar~ = Wbar = (h~0 + W0)P/2."""
    experiment = small(scenario={"lambda_h": 0.03, "lambda_w": 0.03}, method={"ratio": 1.0})
    _, start = prepare(experiment)
    reduced = np.sqrt(3) * start.features.reshape(5, 3, -1).mean(axis=1)
    wanted = (reduced + start.prototypes) / 2
    wanted -= wanted.mean(axis=0)
    features, prototypes = contrast_limit(experiment)
    np.testing.assert_allclose(prototypes, wanted, rtol=0, atol=1e-14)
    np.testing.assert_allclose(features, np.repeat(wanted, 3, axis=0) / np.sqrt(3), rtol=0, atol=1e-14)


@pytest.mark.parametrize("lift", [-300.0, 20.0])
def test_a_lifted_state_is_measured_as_what_it_stands_for(lift):
    rng = np.random.default_rng(4)
    h, w, limit = rng.standard_normal((6, 4)), rng.standard_normal((3, 4)), rng.standard_normal((3, 4))
    with exact():
        found = measured((h, limit), lift, State(h, w, np.zeros(3)))
    wanted = {
        "log_features": np.log(np.linalg.norm(h)) + lift,
        "log_prototypes": np.log(np.linalg.norm(w)) + lift,
        "features_distance": 0.0,
        "prototypes_distance": np.linalg.norm(w / np.linalg.norm(w) - limit / np.linalg.norm(limit)),
        "prototypes_gap": np.linalg.norm(np.exp(lift) * w - limit),
    }
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-13, atol=1e-13, err_msg=name)


@pytest.mark.parametrize("name", recipes())
def test_the_settings_of_a_figure_make_its_curves_again(name, tmp_path):
    """Each line of the comments is a command; what it loads is the experiment that was drawn."""
    recipe = recipes()[name]
    file = tmp_path / f"{name}.toml"
    file.write_text(drawing.settings(recipe, quick=True))
    tomllib.loads(file.read_text())
    commands = re.findall(r"dynamics-sim run (.*)", file.read_text())
    drawn = [one for group in recipe.experiments(True) for one in group.values()]
    assert len(commands) == len(drawn) > 0
    for command, experiment in zip(commands, drawn, strict=True):
        source, *options = shlex.split(command)
        assert source == file.name
        loaded = load(str(file), [option for option in options if option != "--set"])
        assert loaded.to_dict() == experiment.to_dict()


@pytest.mark.parametrize("name", recipes())
def test_the_settings_in_the_repository_are_those_of_the_code(name):
    """A recipe that changed must be drawn again: `dynamics-sim figures`."""
    assert (FOLDER / f"{name}.toml").read_text() == drawing.settings(recipes()[name], quick=False)
    assert (FOLDER / f"{name}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", recipes())
def test_every_figure_says_what_it_shows(name):
    recipe = recipes()[name]
    assert len(recipe.title) < 90
    assert 100 < len(recipe.caption) < 1000
    assert recipe.caption.endswith(".")


def test_figures_are_found_by_number_name_and_beginning():
    assert [recipe.kind for recipe in choose_recipes(["15", "figure1", "phase"])] == [
        "figure15",
        "figure1",
        "phase-diagram",
    ]
    assert [recipe.kind for recipe in choose_recipes(["1", "1"])] == ["figure1"]
    assert [recipe.kind for recipe in choose_recipes([])] == list(recipes())
    assert list(recipes())[:8] == [f"figure{k}" for k in (1, 4, 5, 6, 7, 8, 9, 15)]
    assert len(recipes()) == 17
    for name in ("2", "figure", "p", "phase-"):
        with pytest.raises(InputError, match="the figure must be one of 1, 15, 4, 5"):
            choose_recipes([name])


def test_a_figure_is_written_whole_and_the_same_again(tmp_path):
    found = []
    for folder in (tmp_path / "deep" / "a", tmp_path / "b"):
        result = CliRunner().invoke(app, ["figures", "4", "--quick", "--out", str(folder)])
        assert result.exit_code == 0, result.output
        found.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert set(found[0]) == {"figure4.png", "figure4.svg", "figure4.toml"}
    assert found[0] == found[1]
    assert found[0]["figure4.png"].startswith(b"\x89PNG")
    assert b"<svg" in found[0]["figure4.svg"]
    assert b"<dc:date>" not in found[0]["figure4.svg"]


def test_what_cannot_be_written_is_said_before_anything_is_drawn(tmp_path):
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(app, ["figures", "4", "--quick", "--out", str(tmp_path / "file")])
    assert result.exit_code == 2
    assert "--out must be a folder that can be written, but is" in result.output


def test_a_panel_draws_nothing_below_its_floor():
    panel = Panel("a", "b", "column", power=2, factor=3.0, floor=FLOOR)
    np.testing.assert_array_equal(panel.values({"column": np.array([2.0, 1e-9])}), [12.0, np.nan])


# --- numbers that can be read off the paper's figures ---------------------------------------------------------------


def slope(name, label, column, since=30_000):
    """Return d ln(column)/dk over the end of a curve, at the smaller p of --quick: slopes do not depend on p."""
    (experiment,) = (one for group in recipes()[name].experiments(True) for key, one in group.items() if key == label)
    times, columns = exact_columns(steps(experiment, 50_000, 11))
    chosen = times >= since
    return np.polyfit(times[chosen], np.log(columns[column][chosen]), 1)[0]


@pytest.mark.parametrize(
    ("label", "gamma"),
    [(r"$\gamma = 0.001$", 0.001), (r"$\gamma = 0.005$", 0.005), (r"$\gamma = \frac{1}{C-1}$", 1 / 99)],
)
def test_the_slopes_of_figure_1c_are_those_of_corollary_3(label, gamma):
    """eta(sigma1 - sigma2) with sigma2 = |1 + gamma - C gamma|/(C sqrt N); the curve itself, to first order in eta."""
    sigma1, sigma2 = (1 + gamma) / (100 * 10**0.5), abs(1 + gamma - 100 * gamma) / (100 * 10**0.5)
    late = -np.log((1 + 0.1 * sigma1) / (1 + 0.1 * sigma2))
    since = 40_000 if gamma < 0.01 else 30_000
    np.testing.assert_allclose(slope("figure1", label, "distance_zbar", since), late, rtol=20 * SLOPE)


def test_the_slopes_of_figure_1d_are_the_rates_that_its_caption_states():
    found = slope("figure1", r"$\gamma = 0.05$", "norm")
    np.testing.assert_allclose(found, np.log1p(0.1 * 3.95 * 10**0.5 * 1e-3), rtol=SLOPE)
    np.testing.assert_allclose(found, 3.95 * 10**0.5 * 1e-4, rtol=2 * SLOPE)  # in print, to first order


def test_what_figure_4_prints_at_the_critical_strength_is_float32():
    """The floor is that of single precision: it stays above 1e-6 of |W|^2 there, and far below in float64."""
    import jax

    from dynamics.simulation import simulate

    (experiment,) = (one for key, one in recipes()["figure4"].experiments(True)[0].items() if "*" in key)
    experiment = steps(experiment, 20_000, 2)
    _, limit = contrast_limit(experiment)
    gaps = {}
    for float32 in (True, False):
        seen = []
        simulate(experiment, float32=float32, watch=lambda state, seen=seen: seen.append(jax.device_get(state)))
        gaps[float32] = np.linalg.norm(np.asarray(seen[-1].prototypes, dtype=float) - limit)
    _, columns = exact_columns(experiment)
    np.testing.assert_allclose(gaps[False], columns["prototypes_gap"][-1], rtol=1e-6)
    assert gaps[True] > 3 * gaps[False]
