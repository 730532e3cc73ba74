"""Layers, cycles, import cost and number of compilations: what keeps the design from drifting."""

import shutil
import subprocess
import sys
from pathlib import Path

import jax
import pytest
from typer.testing import CliRunner

from dynamics import Experiment, pair, simulate
from theorems import snapshot, solve
from theorems.cli import app

ROOT = Path(__file__).parents[1]


def lint(folder: Path) -> subprocess.CompletedProcess:
    command = Path(sys.executable).with_name("lint-imports")
    return subprocess.run([command, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def copied(tmp_path):
    for name in ("dynamics", "theorems"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_layers_hold():
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("dynamics/state.py", "import theorems.modes", "theorems sit on top of dynamics"),
        ("dynamics/scenario.py", "import dynamics.simulation", "an order inside dynamics"),
        ("theorems/modes.py", "import theorems.plot", "an order inside theorems"),
        ("dynamics/schedules/cosine.py", "import dynamics.schedules.linear", "schedules do not know each other"),
        ("dynamics/metrics/loss.py", "import dynamics.metrics.collapse\n", None),
    ],
)
def test_a_broken_layer_is_caught(copied, file, line, contract):
    path = copied / file
    path.write_text(path.read_text() + f"\n{line}\n")
    if contract is None:  # a cycle between siblings needs both directions
        other = copied / "dynamics/metrics/collapse.py"
        other.write_text(other.read_text() + "\nimport dynamics.metrics.loss\n")
        contract = "no cycles"
    result = lint(copied)
    assert result.returncode == 1
    broken = [text for text in result.stdout.splitlines() if text.endswith("BROKEN")]
    assert any(contract in text for text in broken), result.stdout


def test_help_and_list_of_commands_do_not_import_jax():
    script = (
        "import sys; from typer.testing import CliRunner; import dynamics, theorems; from theorems.cli import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "assert CliRunner().invoke(app, ['run', '--help']).exit_code == 0\n"
        "assert CliRunner().invoke(app, ['verify', '--help']).exit_code == 0\n"
        "assert CliRunner().invoke(app, ['sweep', '--help']).exit_code == 0\n"
        "assert CliRunner().invoke(app, ['bench', '--help']).exit_code == 0\n"
        "heavy = {'jax', 'numpy', 'scipy', 'matplotlib', 'pydantic', 'xarray', 'sympy', 'flint'} & set(sys.modules)\n"
        "assert heavy <= {'pydantic'}, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)


def test_help_names_every_command():
    text = CliRunner().invoke(app, ["--help"]).output
    assert all(word in text for word in ("run", "verify", "figures", "bench", "list"))


SIX = [
    dict(gamma=0.1, eta=0.1, lambda_h=0.02, schedule=dict(schedule="constant")),
    dict(gamma=0.7, eta=0.1, lambda_h=0.02, schedule=dict(schedule="constant")),
    dict(gamma=0.1, eta=0.3, lambda_h=0.0, schedule=dict(schedule="cosine", final=0.2)),
    dict(gamma="1/(C-1)", eta=0.2, lambda_h=0.1, schedule=dict(schedule="linear")),
    dict(gamma=0.2, eta=0.2, lambda_h=0.01, schedule=dict(schedule="exponential", rate=0.01), ratio=3.0),
    dict(gamma=0.3, eta=0.2, lambda_h=0.05, schedule=dict(schedule="step", every=7, factor=0.5), warmup=5),
]


def regularized(gamma, eta, lambda_h, schedule, **method) -> Experiment:
    return Experiment(
        problem=dict(classes=3, per_class=[4, 2, 3], features=5, gamma=gamma),
        scenario=dict(kind="regularized", lambda_h=lambda_h, lambda_w=0.03),
        method=dict(steps=40, eta=eta, **schedule, **method),
        output=dict(points=5),
    )


@pytest.mark.parametrize(
    ("module", "name", "run"), [(pair, "velocity", simulate), (snapshot, "_losses", solve)], ids=["simulate", "solve"]
)
def test_one_compilation_serves_six_settings_of_gamma_eta_lambda_and_schedule(monkeypatch, module, name, run):
    traces = []
    original = getattr(module, name)
    monkeypatch.setattr(module, name, lambda *args: (traces.append(name), original(*args))[1])
    jax.clear_caches()
    run(regularized(**SIX[0]))
    first = len(traces)
    assert first >= 1
    for setting in SIX[1:]:
        run(regularized(**setting))
    assert len(traces) == first
    jax.clear_caches()  # the traces hold the patched function


def test_a_flow_compiles_once_per_schedule_kind_not_per_setting(monkeypatch):
    traces = []
    original = pair.velocity
    monkeypatch.setattr(pair, "velocity", lambda *args: (traces.append(1), original(*args))[1])
    jax.clear_caches()

    def flow(final):
        return Experiment(
            problem=dict(classes=3, per_class=2, features=4, gamma=final),
            method=dict(kind="flow", time=5.0, schedule="cosine", final=final, eta=final),
            output=dict(points=3),
        )

    simulate(flow(0.1))
    first = len(traces)
    simulate(flow(0.4))
    assert len(traces) == first >= 1
    jax.clear_caches()
