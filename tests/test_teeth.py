"""Teeth: every number of every closed form, wrong by 0.1 %, must be caught; and the judge at its boundaries.

The simulation is run once per experiment, unharmed. Then the theory is harmed in one place at a time: in each number
that a closed form is built of, that its clock gives, that a metric reads, and in each formula before them. What is
harmed is found by walking the forms, so that a new form or a new number is harmed too.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import numpy as np
import pytest
import test_problem
import test_properties
import test_schedules
from strategies import BALANCED, ETA, GAMMA, RATIO, SCARCE, UNEQUAL, build, dense_gap, gap
from tolerances import EXPM, STEPS_2000

import dynamics
import theorems
from dynamics.measure import METRICS
from dynamics.method import schedules
from dynamics.precision import exact
from dynamics.problem import Problem
from dynamics.schedule import Schedule
from theorems import comparison, modal, modal_pairs, snapshot, solution
from theorems.closed_form import ClosedForm, closed_forms, find
from theorems.closed_forms import anchored, kernel_flow
from theorems.comparison import Agreement, judge

WRONG = 1.001
SHIFT = 0.001  # of a logarithm


@pytest.fixture(autouse=True, scope="module")
def float64():
    with exact():
        yield


# -- the experiments, one or two per closed form -----------------------------------------------------------------------

SHORT = {
    "flow": {"time": 20.0},
    "descent": {"steps": 20},
    "decoupled-decay": {"steps": 20, "decay_h": 0.03, "decay_w": 0.01, "decay_b": 0.02},
}
DECAYED = {"kind": "regularized", "lambda_h": 0.05, "lambda_w": 0.2, "lambda_b": 0.1}
FORMS = {
    "modal": [(DECAYED, "flow", UNEQUAL), ("unconstrained", "descent", BALANCED)],
    "stepped": [(DECAYED, "decoupled-decay", UNEQUAL)],
    "anchored": [("anchored", "descent", UNEQUAL)],
    "spherical-flow": [("spherical", "flow", UNEQUAL)],
    "spherical-descent": [("spherical", "descent", UNEQUAL)],
    "kernel-flow": [("kernel", "flow", UNEQUAL)],
    "kernel-descent": [("kernel", "descent", UNEQUAL)],
}


class Run:
    """An experiment with biases and unsorted labels, its simulation, and its unharmed solution."""

    def __init__(self, folder, scenario, method: str, shape) -> None:
        rng = np.random.default_rng(4)
        labels, p, classes = rng.permutation(shape.labels), shape.features, shape.classes
        arrays = {"H": rng.standard_normal((p, len(labels))), "W": rng.standard_normal((p, classes)), "labels": labels}
        if "kernel" in str(scenario):
            arrays["K_factor"] = rng.standard_normal((p * len(labels), 3))
            scenario = {"kind": "kernel"}
        path = folder / f"{method}-{p}-{'K' if 'K_factor' in arrays else ''}.npz"
        np.savez(path, b=rng.standard_normal(classes), **arrays)
        clock = {"kind": method, "eta": ETA, **SHORT[method]}
        self.experiment = build(scenario, clock, start={"file": str(path)}, points=3)
        self.simulation = dynamics.simulate(self.experiment)
        self.solution = theorems.solve(self.experiment)

    def catches(self, harmed) -> bool:
        """Whether a harmed solution is told from the simulation: by a metric, or by the final state."""
        with np.errstate(all="ignore"):
            if theorems.compare(self.simulation, harmed).verdict is Agreement.DISAGREES:
                return True
            ends = [jax.tree.map(lambda part: part[None], run.last[1]) for run in (harmed, self.simulation)]
            return not gap(*ends) <= STEPS_2000


class Runs:
    """The runs of each closed form, made when first asked for."""

    def __init__(self, folder) -> None:
        self.folder, self.made = folder, {}

    def __getitem__(self, kind: str) -> list[Run]:
        for one in FORMS[kind]:
            if str(one) not in self.made:
                self.made[str(one)] = Run(self.folder, *one)
        return [self.made[str(one)] for one in FORMS[kind]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Runs:
    return Runs(tmp_path_factory.mktemp("teeth"))


def test_every_closed_form_is_harmed_below():
    assert set(FORMS) == set(closed_forms())


@pytest.mark.parametrize("kind", FORMS)
def test_unharmed_it_agrees(kind, runs):
    for run in runs[kind]:
        assert find(run.experiment).kind == kind
        assert theorems.compare(run.simulation, run.solution).verdict is Agreement.AGREES
        assert not run.catches(run.solution)


# -- harming one number at a time --------------------------------------------------------------------------------------


def numbers_of(tree: Any) -> Iterator[tuple[str, Callable, np.ndarray]]:
    """Yield name, place and value of every array in a tree that holds a number: no labels, no flags, not only zeros."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        name, value = jax.tree_util.keystr(path), np.asarray(leaf)
        if value.dtype.kind == "f" and np.any(np.isfinite(value) & ((value != 0) | is_log(name))):
            yield name, (lambda t, path=path: reach(t, path)), value


def reach(tree: Any, path: Any) -> Any:
    for key in path:
        tree = getattr(tree, key.name) if hasattr(key, "name") else tree[key.idx]
    return tree


def is_log(name: str) -> bool:
    return "log" in name


def worsen(name: str) -> Callable:
    """0.1 % more: of the number, or of what a logarithm is the logarithm of."""
    return (lambda x: x + SHIFT) if is_log(name) else (lambda x: x * WRONG)


def nonsense(name: str) -> Callable:
    """Wrong beyond measure, yet nothing where it multiplies what the start does not hold, as a NaN would not be."""
    return (lambda x: x + 7) if is_log(name) else (lambda x: 1e3 * x + 7)


def guard(harmed: Callable, name: str, value: np.ndarray) -> str:
    """Return how a number is guarded: by its size, by its direction, coarsely, not at all; or that it is not read.

    ``harmed(index, change)`` says whether the change of some entries is caught. A size must be caught in every column
    (or every entry of a vector) that means something.
    """
    if harmed(..., worsen(name)):
        columns = [(..., k) for k in range(value.shape[-1])] if value.ndim and value.shape[-1] <= 16 else []
        columns = [index for index in columns if is_log(name) or np.any(value[index] != 0)]
        blind = [index for index in columns if not harmed(index, worsen(name)) and harmed(index, nonsense(name))]
        assert not blind, (name, blind)
        return "size"
    if any(harmed(index, worsen(name)) for index in np.ndindex(value.shape) if value[index] != 0):
        return "direction"
    if not harmed(..., nonsense(name)):
        return "unread"
    coarsely = (np.negative, lambda x: x + 30, lambda x: 1e3 * x)
    return "coarse" if any(harmed(..., change) for change in coarsely) else "none"


def guards(tree: Any, catches: Callable[[Any], bool]) -> dict[str, str]:
    """Return how every number of a tree is guarded; ``catches`` judges a harmed tree."""
    found = {}
    for name, place, value in numbers_of(tree):

        def harmed(index, change, place=place, value=value):
            array = np.array(value, dtype=float)
            array[index] = change(array[index])
            return catches(eqx.tree_at(place, tree, array))

        found[name] = guard(harmed, name, value)
    return found


def collect(found: dict[str, set[str]], more: dict[str, str]) -> None:
    for name, word in more.items():
        found.setdefault(name, set()).add(word)


def of(run: Run) -> ClosedForm:
    problem, start = dynamics.prepare(run.experiment)
    return find(run.experiment).of(run.experiment, problem, start)


def solve_with(run: Run, form: ClosedForm, ticks: Any = None):
    """Solve with a form, or ticks, of our own: `theorems.solve` in all else."""

    class Given:
        @staticmethod
        def of(*_):
            return form

    with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        patch.setattr(solution, "find", lambda experiment: Given)
        if ticks is not None:
            patch.setattr(type(form), "ticks", lambda *_: ticks)
        return theorems.solve(run.experiment)


@pytest.mark.parametrize("kind", FORMS)
def test_every_number_of_a_form_is_guarded(kind, runs):
    """What a form keeps only from its own making (nonsense there changes nothing) is harmed below, where it is made."""
    found: dict[str, set[str]] = {}
    for run in runs[kind]:
        collect(found, guards(of(run), lambda form, run=run: run.catches(solve_with(run, form))))
    assert len(found) >= 8
    for name, words in found.items():
        assert words & {"size", "direction"} or words == {"unread"}, (name, words)


@pytest.mark.parametrize("kind", FORMS)
def test_every_number_of_a_tick_is_guarded(kind, runs):
    """The clock's numbers: logarithms, signs, multipliers, mode by mode."""
    found: dict[str, set[str]] = {}
    for run in runs[kind]:
        form, (problem, _) = of(run), dynamics.prepare(run.experiment)
        ticks = form.ticks(run.experiment, problem, run.experiment.times())
        collect(found, guards(ticks, lambda harmed, run=run, form=form: run.catches(solve_with(run, form, harmed))))
    for name, words in found.items():
        assert "size" in words, (name, words)


# What only the accuracy reads: it counts, so 0.1 % is nothing to it. It must notice a sign, e^30, or a thousandfold.
COUNTED = (".features", ".class_parts", ".biases")


@pytest.mark.parametrize("kind", FORMS)
def test_every_number_of_a_snapshot_is_guarded(kind, runs):
    """What the metrics are made of, each at its own scale."""
    found: dict[str, set[str]] = {}
    for run in runs[kind]:
        form, (problem, _) = of(run), dynamics.prepare(run.experiment)
        frame = solution.frame_of(run.experiment, problem)
        ticks = form.ticks(run.experiment, problem, run.experiment.times())
        taken = jax.device_get(_taken(form, problem, ticks))

        def catches(harmed, run=run):
            return run.catches(rewritten(run, jax.device_get(_written(*harmed))))

        assert not catches((frame, taken))
        collect(found, guards((frame, taken), catches))
    for name, words in found.items():
        enough = {"coarse", "size"} if name.partition("]")[2].startswith(COUNTED) else {"size", "direction"}
        assert words & enough or words == {"unread"}, (name, words)


@jax.jit
def _taken(form: ClosedForm, problem: Problem, ticks: Any) -> Any:
    return jax.vmap(lambda tick: form.snapshot(problem, tick))(ticks)


@jax.jit
def _written(frame: Any, taken: Any) -> Any:
    return jax.vmap(lambda one: snapshot.metrics(frame, one))(taken)


def rewritten(run: Run, columns: dict[str, np.ndarray]):
    """Return the unharmed solution with other metrics."""
    known = {name: np.where(name in run.solution.why, np.nan, columns[name]) for name in run.solution.metrics}
    return dataclasses.replace(run.solution, metrics=known)


# -- harming a formula before the form is built ------------------------------------------------------------------------


def scaled(function: Callable, names: tuple[str, ...], factor: float = WRONG) -> Callable:
    """Return a function whose named outputs are wrong."""

    def harmed(*args):
        out = function(*args)
        return out._replace(**{name: getattr(out, name) * factor for name in names})

    return harmed


def fed(function: Callable, position: int) -> Callable:
    """Return a function whose input at a position is wrong."""

    def harmed(*args):
        args = list(args)
        args[position] = args[position] * WRONG
        return function(*args)

    return harmed


def part(function: Callable, position: int) -> Callable:
    """Return a function one of whose outputs is wrong."""

    def harmed(*args):
        out = list(function(*args))
        out[position] = out[position] * WRONG
        return tuple(out)

    return harmed


def whole(function: Callable) -> Callable:
    """Return a function whose only output is wrong."""
    return lambda *args: function(*args) * WRONG


def turned(function: Callable) -> Callable:
    """Return `axes` with its angle wrong by 0.1 %."""

    def harmed(*args):
        out = function(*args)
        angle = np.arctan2(out.sin, out.cos) * WRONG
        return out._replace(cos=np.cos(angle), sin=np.sin(angle))

    return harmed


# (closed form, where the function is looked up, its name, how it goes wrong)
FORMULAS: dict[str, tuple[str, Any, str, Callable]] = {
    "sigma of a contrast": ("modal", modal, "label_modes", lambda f: scaled(f, ("contrast",))),
    "sigma between groups": ("modal", modal, "label_modes", lambda f: scaled(f, ("sigma",))),
    "left vectors": ("modal", modal, "label_modes", lambda f: scaled(f, ("left",))),
    "right vectors": ("modal", modal, "label_modes", lambda f: scaled(f, ("right",))),
    "classes of a group": ("modal", modal, "label_modes", lambda f: scaled(f, ("count",))),
    "growing exponents": ("modal", modal, "axes", lambda f: scaled(f, ("grow",))),
    "falling exponents": ("modal", modal, "axes", lambda f: scaled(f, ("fall",))),
    "angle of the axes": ("modal", modal, "axes", turned),
    "sigma in S": ("modal", modal, "axes", lambda f: fed(f, 0)),
    "s in S": ("modal", modal, "axes", lambda f: fed(f, 1)),
    "lambda_h in S": ("modal", modal, "axes", lambda f: fed(f, 2)),
    "lambda_w in S": ("modal", modal, "axes", lambda f: fed(f, 3)),
    "s in the features' coordinate": ("modal", modal, "project", lambda f: fed(f, 1)),
    "lambda_b of the biases": ("modal", modal_pairs, "relaxation", lambda f: fed(f, 1)),
    "the biases' start": ("modal", modal_pairs, "relaxation", lambda f: scaled(f, ("grown",))),
    "the biases' drive": ("modal", modal_pairs, "relaxation", lambda f: scaled(f, ("driven",))),
    "s lambda of anchored features": ("anchored", anchored, "relaxation", lambda f: fed(f, 1)),
    "anchored start": ("anchored", anchored, "relaxation", lambda f: scaled(f, ("grown",))),
    "anchored drive": ("anchored", anchored, "relaxation", lambda f: scaled(f, ("driven",))),
    "angular speed": ("spherical-flow", closed_forms()["spherical-flow"], "speeds", whole),
    "tau of a kernel flow": ("kernel-flow", closed_forms()["kernel-flow"], "hyperbolic", lambda f: fed(f, 2)),
    "cosh": ("kernel-flow", closed_forms()["kernel-flow"], "hyperbolic", lambda f: part(f, 1)),
    "sinh": ("kernel-flow", closed_forms()["kernel-flow"], "hyperbolic", lambda f: part(f, 2)),
    "cosh - 1": ("kernel-flow", closed_forms()["kernel-flow"], "hyperbolic", lambda f: part(f, 3)),
    "slope of a kernel flow": ("kernel-flow", kernel_flow, "_slope", whole),
    "tau of a kernel descent": ("kernel-descent", closed_forms()["kernel-descent"], "hyperbolic", lambda f: fed(f, 2)),
    "c of a kernel descent": ("kernel-descent", closed_forms()["kernel-descent"], "hyperbolic", lambda f: part(f, 1)),
    "d of a kernel descent": ("kernel-descent", closed_forms()["kernel-descent"], "hyperbolic", lambda f: part(f, 2)),
    "e of a kernel descent": ("kernel-descent", closed_forms()["kernel-descent"], "hyperbolic", lambda f: part(f, 3)),
}


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_formula_that_is_wrong_by_a_thousandth_is_caught(formula, runs, monkeypatch):
    kind, home, name, harm = FORMULAS[formula]
    tries = runs[kind]  # made before the harm is done
    compiled = name == "relaxation"  # compiled code would keep the unharmed one, and then the harmed
    with monkeypatch.context() as patch:
        patch.setattr(home, name, harm(getattr(home, name)))
        if compiled:
            jax.clear_caches()
        assert any(run.catches(theorems.solve(run.experiment)) for run in tries)
    if compiled:
        jax.clear_caches()


@pytest.mark.parametrize("kind", FORMS)
@pytest.mark.parametrize("name", ["growth", "zeta", "rates"])
def test_a_clock_that_is_wrong_by_a_thousandth_is_caught(kind, name, runs, monkeypatch):
    """The exact half with its own wrong clock: growth of modes, zeta, or the rates of a descent."""
    for run in runs[kind]:
        method = type(run.experiment.method)
        if not hasattr(method, name):
            continue
        used, original = [], getattr(method, name)

        def harmed(*args, original=original, used=used):
            used.append(1)
            out = original(*args)
            return (out[0] * WRONG, out[1]) if isinstance(out, tuple) else out * WRONG

        with monkeypatch.context() as patch:
            patch.setattr(method, name, harmed)
            found = theorems.solve(run.experiment)
        assert run.catches(found) or not used or np.array_equal(found.metrics["loss"], run.solution.metrics["loss"])
        assert used or name != "zeta"


@pytest.mark.parametrize("kind", ["modal", "anchored", "spherical-flow", "kernel-flow"])
@pytest.mark.parametrize("name", ["alpha", "beta"])
def test_a_label_operator_that_is_wrong_in_one_half_is_caught(kind, name, runs, monkeypatch):
    tries, original = runs[kind], getattr(Problem, name).fget  # made before the harm is done
    monkeypatch.setattr(Problem, name, property(lambda problem: original(problem) * WRONG))
    assert any(run.catches(theorems.solve(run.experiment)) for run in tries)


# -- wrong in both halves alike: a comparison cannot see it, the dense oracle must -------------------------------------


@pytest.mark.parametrize("name", ["alpha", "beta"])
@pytest.mark.parametrize("kind", ["unconstrained", "anchored", "kernel"])
def test_an_operator_that_is_wrong_in_both_halves_fails_the_dense_oracle(kind, name, monkeypatch):
    experiment = build(kind, "descent", SCARCE)
    assert dense_gap(experiment) <= EXPM
    original = getattr(Problem, name).fget
    monkeypatch.setattr(Problem, name, property(lambda problem: original(problem) * WRONG))
    with pytest.raises(AssertionError):
        assert dense_gap(experiment) <= EXPM


@pytest.mark.parametrize("name", ["push", "pull", "bias_drive", "class_means"])
def test_a_wrong_product_fails_its_oracle(name, monkeypatch):
    original = getattr(Problem, name)
    monkeypatch.setattr(Problem, name, lambda *args: original(*args) * WRONG)
    oracles = {"class_means": test_problem.test_class_means_are_the_means_of_each_class}
    oracle = oracles.get(name, test_problem.test_push_pull_and_bias_drive_are_products_with_the_dense_operator)
    with pytest.raises(AssertionError):
        oracle()


@pytest.mark.parametrize("power", [-0.5, -1.0])
def test_a_wrong_power_of_the_weights_fails_its_oracle(power, monkeypatch):
    weighting = {-0.5: "sqrt", -1.0: "inverse"}[power]
    monkeypatch.setitem(dynamics.problem.WEIGHT_POWER, weighting, power * WRONG)
    with pytest.raises(AssertionError):
        test_problem.test_weights_have_mean_one_over_the_samples_and_the_contracts_power(UNEQUAL, weighting, power)


SCHEDULES = [(kind, test_schedules.SETTINGS[kind][-1]) for kind in test_schedules.SETTINGS]


@pytest.mark.parametrize(("kind", "keys"), SCHEDULES, ids=str)
@pytest.mark.parametrize("name", ["multiplier", "area", "moment"])
def test_a_wrong_schedule_fails_its_oracle(kind, keys, name, monkeypatch):
    member: type[Schedule] = schedules()[kind]
    original = getattr(member, name)
    monkeypatch.setattr(member, name, staticmethod(lambda *args: original(*args) * WRONG))
    with pytest.raises(AssertionError):
        if name == "multiplier":
            test_schedules.test_the_multiplier_is_the_contracts_formula(kind, keys)
        else:
            power = {"area": 0, "moment": 1}[name]
            test_schedules.test_an_integral_starts_at_zero_and_has_the_right_derivative(kind, keys, name, power)


PARAMETERS = {
    "gamma": {"problem": {"gamma": GAMMA * WRONG}},
    "label_smoothing": {"problem": {"label_smoothing": 0.001}},
    "lambda_h": {"scenario": {**DECAYED, "lambda_h": DECAYED["lambda_h"] * WRONG}},
    "lambda_w": {"scenario": {**DECAYED, "lambda_w": DECAYED["lambda_w"] * WRONG}},
    "lambda_b": {"scenario": {**DECAYED, "lambda_b": DECAYED["lambda_b"] * WRONG}},
    "ratio": {"ratio": RATIO * WRONG},
    "eta": {"eta": ETA * WRONG},
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_solution_of_another_experiment_is_caught(name, runs):
    run = runs["modal"][0]
    changes = {"scenario": DECAYED, "start": run.experiment.start.model_dump(exclude_none=True), "points": 3}
    changes |= {"method": "flow", **SHORT["flow"], **PARAMETERS[name]}
    assert run.catches(theorems.solve(build(**changes)))


# -- the metrics of the simulation, and the rate -----------------------------------------------------------------------


@pytest.mark.parametrize("metric", METRICS)
def test_no_metric_is_judged_blindly(metric, runs):
    """A simulated metric that is off by 0.1 %, or one sample, at the last time alone."""
    run = runs["modal"][1]  # balanced, so that every metric is defined
    column = np.array(run.simulation.metrics[metric])
    column[-1] = column[-1] - 1 / 9 if metric == "accuracy" else column[-1] * WRONG
    wrong = dataclasses.replace(run.simulation, metrics={**run.simulation.metrics, metric: column})
    report = theorems.compare(wrong, run.solution)
    assert report.metrics[metric].verdict is Agreement.DISAGREES
    assert report.verdict is Agreement.DISAGREES
    assert [name for name, one in report.metrics.items() if one.verdict is Agreement.DISAGREES] == [metric]


@pytest.mark.parametrize("kind", ["unconstrained", "anchored", "spherical", "kernel"])
def test_a_wrong_rate_fails_its_oracle(kind, monkeypatch):
    form = find(build(kind, "flow"))
    original = form.decay

    def harmed(*args):
        decay = original(*args)
        return dataclasses.replace(decay, predicted=decay.predicted * WRONG)

    monkeypatch.setattr(form, "decay", harmed)
    with pytest.raises(AssertionError):
        test_properties.test_the_predicted_rate_is_the_late_slope_of_the_exact_distance(kind, "flow")


# -- the judge ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gap_", "error", "verdict"),
    [
        (0.5, 0.5, Agreement.AGREES),  # gap + error = tolerance, exactly
        (0.5 + 1e-12, 0.5, Agreement.INCONCLUSIVE),
        (1.5, 0.5, Agreement.INCONCLUSIVE),  # gap - error = tolerance, exactly
        (1.5 + 1e-12, 0.5, Agreement.DISAGREES),
        (1.0, 0.0, Agreement.AGREES),
        (np.nextafter(1.0, 2), 0.0, Agreement.DISAGREES),
        (0.0, np.nan, Agreement.INCONCLUSIVE),
        (np.nan, 0.0, Agreement.INCONCLUSIVE),
        (np.inf, 0.0, Agreement.DISAGREES),
        (0.0, np.inf, Agreement.INCONCLUSIVE),
    ],
)
def test_the_judge_at_its_boundaries(gap_, error, verdict):
    assert judge(np.array([0.0, gap_, 0.0]), np.array([0.0, error, 0.0]), 1.0) is verdict


def test_one_time_that_disagrees_outweighs_all_others():
    gaps = np.zeros(1000)
    gaps[137] = 2.0
    assert judge(gaps, np.full(1000, 0.25), 1.0) is Agreement.DISAGREES
    verdicts = [Agreement.AGREES, Agreement.INCONCLUSIVE, Agreement.NOT_COMPARED]
    assert comparison.overall([*verdicts, Agreement.DISAGREES]) is Agreement.DISAGREES
    assert comparison.overall(verdicts) is Agreement.INCONCLUSIVE
    assert comparison.overall([Agreement.AGREES, Agreement.NOT_COMPARED]) is Agreement.AGREES
    assert comparison.overall([Agreement.NOT_COMPARED]) is Agreement.NOT_COMPARED


def altered(run: Run, *, error: Any = None, simulated: Any = None, exact_: Any = None, metric: str = "nc2"):
    """Compare with one metric's error, simulated or exact column replaced (None: as it is)."""
    simulation, solved_ = run.simulation, run.solution
    if error is not None:
        simulation = dataclasses.replace(simulation, error={**simulation.error, metric: np.array(error, dtype=float)})
    if simulated is not None:
        columns = {**simulation.metrics, metric: simulation.metrics[metric] + np.array(simulated)}
        simulation = dataclasses.replace(simulation, metrics=columns)
    if exact_ is not None:
        columns = {**solved_.metrics, metric: solved_.metrics[metric] + np.array(exact_)}
        solved_ = dataclasses.replace(solved_, metrics=columns)
    return theorems.compare(simulation, solved_)


def test_a_time_whose_error_is_above_half_the_tolerance_is_not_judged(runs):
    run, half = runs["modal"][0], comparison.TOLERANCE["nc2"] / 2
    above = np.nextafter(half, 1)
    one = altered(run, error=[0, half, half]).metrics["nc2"]
    assert (one.verdict, one.compared, one.until) == (Agreement.AGREES, 3, 20.0)
    one = altered(run, error=[0, half, above]).metrics["nc2"]
    assert (one.verdict, one.compared, one.until) == (Agreement.AGREES, 2, 10.0)
    assert one.why
    # What is not judged may be anything; what is judged may not.
    assert altered(run, error=[0, half, above], simulated=[0, 0, 1]).metrics["nc2"].verdict is Agreement.AGREES
    assert altered(run, error=[0, half, half], simulated=[0, 0, 1]).metrics["nc2"].verdict is Agreement.DISAGREES
    report = altered(run, error=[0, above, above])
    assert report.metrics["nc2"].verdict is Agreement.INCONCLUSIVE  # nothing after the start is left
    assert report.metrics["nc2"].compared == 0
    assert report.verdict is Agreement.INCONCLUSIVE


def test_a_gap_between_half_and_the_whole_tolerance_is_inconclusive(runs):
    run, tolerance = runs["modal"][0], comparison.TOLERANCE["nc2"]
    report = altered(run, error=[0, 0.4 * tolerance, 0], simulated=[0, 0.8 * tolerance, 0])
    assert report.metrics["nc2"].verdict is Agreement.INCONCLUSIVE
    assert report.verdict is Agreement.INCONCLUSIVE


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_never_taken_for_agreement(value, runs):
    """Neither half may hide behind a NaN: not everywhere, and not at one time, unless a missing hypothesis is named."""
    run, nowhere = runs["modal"][0], [0, 0, 0]
    assert altered(run, simulated=nowhere).verdict is Agreement.AGREES
    for where in ([value, value, value], [0, value, value]):
        report = altered(run, simulated=where)
        assert report.metrics["nc2"].verdict is not Agreement.AGREES
        assert report.verdict is not Agreement.AGREES
    for where in ([value, value, value], [0, value, value], [0, 0, value]):
        report = altered(run, exact_=where)
        assert report.metrics["nc2"].verdict is not Agreement.AGREES, where
        assert report.verdict is not Agreement.AGREES, where
    assert altered(run, error=[value, value, value]).verdict is Agreement.INCONCLUSIVE


def test_only_one_simulation_and_one_solution_of_the_same_times_are_compared(runs):
    run = runs["modal"][0]
    for pair in ((run.simulation, run.simulation), (run.solution, run.solution)):
        with pytest.raises(ValueError, match="one simulation and one closed_form"):
            theorems.compare(*pair)
    later = dataclasses.replace(run.solution, times=run.solution.times + 1)
    with pytest.raises(ValueError, match="same saved times"):
        theorems.compare(run.simulation, later)
    assert theorems.compare(run.solution, run.simulation).verdict is Agreement.AGREES
