"""The compiled logarithm against NumPy's in extended precision."""

from functools import partial

import jax
import numpy as np
import pytest

from dynamics.precision import exact
from theorems import logarithm

RIGHT = 5e-16  # the promise of the docstring, as a share of the result


def log(x):
    with exact():
        return np.asarray(jax.jit(partial(logarithm.log))(np.asarray(x, dtype=float)))


def numbers():
    rng = np.random.default_rng(0)
    spans = np.exp(rng.uniform(-700, 700, 20_000)), rng.uniform(0.5, 2, 20_000), 1 + rng.uniform(-1e-6, 1e-6, 20_000)
    return np.concatenate(
        [*spans, [1.0, 2.0, 0.5, np.sqrt(0.5), np.sqrt(2), np.finfo(float).max, np.finfo(float).tiny]]
    )


def error(found, x):
    wanted = np.log(x.astype(np.longdouble))
    return np.max(np.abs(found - wanted) / np.where(wanted == 0, 1, np.abs(wanted)))


def test_a_logarithm_is_right_to_rounding_however_near_to_one():
    x = numbers()
    assert error(log(x), x) < RIGHT
    assert log(1.0) == 0


@pytest.mark.parametrize("wrong", [range(17, 0, -2), [*range(21, 4, -2), 3.003, 1]])
def test_a_wrong_series_is_caught(wrong, monkeypatch):
    """One that ends two terms early, and one with a coefficient that is off by 0.1 %."""
    monkeypatch.setattr(logarithm, "ODD", wrong)
    assert error(log(numbers()), numbers()) > RIGHT


def test_what_has_no_logarithm():
    np.testing.assert_array_equal(
        log([0.0, -0.0, np.inf, -1.0, -np.inf, np.nan]), [-np.inf] * 2 + [np.inf] + [np.nan] * 3
    )
