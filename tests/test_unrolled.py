"""Modes written out or in one array, times at once or in blocks: the same numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from strategies import UNEQUAL, Shape, build, solved

from dynamics.precision import exact
from theorems import modal_curves, modal_pairs, unrolled
from theorems.snapshot import Frame, rows_angle

ROUNDED = 1e-13
MANY = Shape((2, 3, 4, 5, 6, 7), 9)  # six groups: 25 modes, more than are written out
TIMES = np.linspace(0, 60, 7)


@pytest.fixture(autouse=True, scope="module")
def float64():
    with exact():
        yield


def case(shape, **method):
    return solved(build("regularized", {"kind": "flow", "time": 60.0, "eta": 0.4}, shape, **method))


def measured(exact_solution, ticks=None) -> dict[str, np.ndarray]:
    form, experiment, problem = exact_solution
    ticks = form.moving(experiment.method.timing(), TIMES) if ticks is None else ticks
    frame = Frame(problem.labels, (0.1, 0.2, 0.0))
    return jax.device_get(jax.jit(lambda *args: args[0].measured(*args[1:]))(form, frame, problem, ticks))


def test_a_tuple_and_an_array_of_modes_have_one_sum_and_one_largest():
    rows = np.random.default_rng(0).standard_normal((3, 4))
    for function, wanted in ((unrolled.total, rows.sum(0)), (unrolled.largest, rows.max(0))):
        np.testing.assert_allclose(function(tuple(rows)), wanted, rtol=ROUNDED)
        np.testing.assert_allclose(function(rows), wanted, rtol=ROUNDED)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 10])
def test_blocks_of_times_give_what_all_times_give(size):
    tree = {"a": jnp.arange(14.0).reshape(2, 7), "b": jnp.arange(7.0)}
    found = unrolled.in_blocks(lambda part: part["a"].T * part["b"][:, None], tree, size)
    np.testing.assert_array_equal(found, (tree["a"] * tree["b"]).T)


def test_modes_written_out_and_in_one_array_are_measured_alike():
    exact_solution = case(UNEQUAL)
    ticks = exact_solution.form.moving(exact_solution.experiment.method.timing(), TIMES)
    assert isinstance(ticks.logs, tuple)
    found, wanted = measured(exact_solution, modal_pairs.stacked(ticks)), measured(exact_solution)
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-11, atol=ROUNDED, err_msg=name)


def test_many_groups_are_measured_in_blocks_as_their_rows_say(monkeypatch):
    exact_solution = case(MANY)
    form, experiment, problem = exact_solution
    assert not isinstance(form.moving(experiment.method.timing(), TIMES).logs, tuple)
    at_once = measured(exact_solution)
    monkeypatch.setattr(modal_curves, "BLOCK", 2 * form.reduced.own_h.size)
    in_blocks = measured(exact_solution)
    ticks = form.ticks(experiment, problem, TIMES)
    for i in range(len(TIMES)):
        snap = jax.device_get(form.snapshot(problem, jax.tree.map(lambda x, i=i: x[i], ticks)))
        across, along = rows_angle(snap.means, snap.prototypes)
        wanted = {
            "alignment": along / np.hypot(across, along),
            "share_means": np.linalg.norm(snap.means, axis=1) / np.linalg.norm(snap.means),
            "share_prototypes": np.linalg.norm(snap.prototypes, axis=1) / np.linalg.norm(snap.prototypes),
        }
        for name, value in wanted.items():
            for found in (at_once, in_blocks):
                np.testing.assert_allclose(found[name][i], value, rtol=1e-10, atol=ROUNDED, err_msg=name)
    for name, values in at_once.items():
        np.testing.assert_allclose(in_blocks[name], values, rtol=1e-11, atol=ROUNDED, err_msg=name)
