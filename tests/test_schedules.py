"""Schedules: the contract's formulas, and every integral against the thing that it is the integral of."""

import math
from fractions import Fraction
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from tolerances import FORMULA, INTEGRAL, QUADRATURE, SMOOTH

from dynamics import Experiment
from dynamics.method import schedules
from dynamics.precision import exact
from dynamics.schedule import Schedule, descent_rates, flow_rate, flow_zeta

HORIZON = 50.0

# Every registered schedule must be here: at least two settings each, and the contract's formula of (its keys, t, T).
SETTINGS: dict[str, list[dict[str, float]]] = {
    "constant": [{}],
    "cosine": [{"final": 0.0}, {"final": 0.3}, {"final": 1.7}],
    "linear": [{"final": 0.0}, {"final": 0.4}, {"final": 2.5}],
    "step": [{"every": 7.3, "factor": 0.6}, {"every": 16.0, "factor": 1.3}, {"every": 80.0, "factor": 0.1}],
    "exponential": [{"rate": 0.0}, {"rate": 1e-9}, {"rate": 0.013}, {"rate": 0.2}, {"rate": 5.0}],
}
CONTRACT = {
    "constant": lambda keys, t, end: 1.0,
    "cosine": lambda keys, t, end: keys["final"] + (1 - keys["final"]) * (1 + math.cos(math.pi * t / end)) / 2,
    "linear": lambda keys, t, end: 1 + (keys["final"] - 1) * t / end,
    "step": lambda keys, t, end: keys["factor"] ** math.floor(t / keys["every"]),
    "exponential": lambda keys, t, end: math.exp(-keys["rate"] * t),
}
EVERY = [(kind, keys) for kind, settings in SETTINGS.items() for keys in settings]
NAMED = pytest.mark.parametrize(("kind", "keys"), EVERY, ids=lambda value: str(value))
WARMUPS = pytest.mark.parametrize("warmup", [0.0, 12.0, 3 * HORIZON])
# No time is a jump of a step schedule: there a derivative does not exist. Both ends are in.
TIMES = np.concatenate([[0.0], np.linspace(0.1, HORIZON - 0.1, 23), [HORIZON]])


@pytest.fixture(autouse=True, scope="module")
def float64():
    with exact():
        yield


def test_every_registered_schedule_is_tested():
    assert set(SETTINGS) == set(schedules()) == set(CONTRACT)


def member(kind: str, keys: dict[str, float]) -> tuple[type[Schedule], dict]:
    schedule = schedules()[kind](**keys)
    return type(schedule), schedule.numbers()


def numbers(kind: str, keys: dict[str, float], warmup: float = 0.0, eta: float = 0.3) -> dict:
    return {"eta": np.float64(eta), "warmup": np.float64(warmup), "horizon": np.float64(HORIZON),
            "schedule": member(kind, keys)[1]}  # fmt: skip


def contract(kind: str, keys: dict[str, float], t: float) -> float:
    return CONTRACT[kind](keys, t, HORIZON)


@NAMED
def test_the_multiplier_is_the_contracts_formula(kind, keys):
    schedule, own = member(kind, keys)
    found = np.broadcast_to(schedule.multiplier(own, jnp.asarray(TIMES), HORIZON), TIMES.shape)
    wanted = [contract(kind, keys, t) for t in TIMES]
    np.testing.assert_allclose(found, wanted, rtol=FORMULA, atol=FORMULA)


@NAMED
@pytest.mark.parametrize(("integral", "power"), [("area", 0), ("moment", 1)])
def test_an_integral_starts_at_zero_and_has_the_right_derivative(kind, keys, integral, power):
    schedule, own = member(kind, keys)

    def primitive(t):
        return getattr(schedule, integral)(own, t, HORIZON)

    assert float(primitive(jnp.asarray(0.0))) == 0.0
    inner = jnp.asarray(TIMES[1:-1])
    values, slopes = jax.jvp(primitive, (inner,), (jnp.ones_like(inner),))
    wanted = np.array([contract(kind, keys, t) * t**power for t in np.asarray(inner)])
    np.testing.assert_allclose(slopes, wanted, rtol=INTEGRAL, atol=INTEGRAL * np.max(np.abs(wanted)))
    if min(contract(kind, keys, t) for t in TIMES) >= 0:
        assert np.all(np.diff(np.asarray(values)) >= -FORMULA * np.max(values))  # each value may round by itself


@NAMED
def test_an_area_is_the_same_alone_and_in_an_array(kind, keys):
    schedule, own = member(kind, keys)
    together = np.asarray(schedule.area(own, jnp.asarray(TIMES), HORIZON))
    alone = [float(schedule.area(own, jnp.asarray(t), HORIZON)) for t in TIMES]
    np.testing.assert_allclose(together, alone, rtol=FORMULA, atol=0)


def contract_zeta(kind: str, keys: dict[str, float], warmup: float, end: float, t: float) -> float:
    """The integral of min(1, t/warmup) f(t) over [0, t] by quadrature, piece by piece between jumps and the kink."""

    def rate(u: float) -> float:
        return (min(1.0, u / warmup) if warmup else 1.0) * CONTRACT[kind](keys, u, end)

    kinks = {warmup, *schedules()[kind](**keys).jumps(end)}
    edges = [0.0, *sorted(x for x in kinks if 0 < x < t), t]
    return math.fsum(quad(rate, a, b, epsabs=0, epsrel=1e-13)[0] for a, b in pairwise(edges))


@NAMED
@WARMUPS
def test_the_flow_clock_is_the_integral_of_the_rate(kind, keys, warmup):
    schedule, own = member(kind, keys)[0], numbers(kind, keys, warmup)
    inner = jnp.asarray(TIMES[1:-1])
    rate = np.asarray(flow_rate(schedule, own, inner))
    ramp = [min(1.0, t / warmup) if warmup else 1.0 for t in np.asarray(inner)]
    wanted = 0.3 * np.array([r * contract(kind, keys, t) for r, t in zip(ramp, np.asarray(inner), strict=True)])
    np.testing.assert_allclose(rate, wanted, rtol=FORMULA, atol=FORMULA)
    _, slopes = jax.jvp(lambda t: flow_zeta(schedule, own, t), (inner,), (jnp.ones_like(inner),))
    np.testing.assert_allclose(slopes, wanted, rtol=INTEGRAL, atol=INTEGRAL)
    for t in (0.0, 3.3, 0.6 * HORIZON, HORIZON):
        zeta = 0.3 * contract_zeta(kind, keys, warmup, HORIZON, t)
        np.testing.assert_allclose(flow_zeta(schedule, own, jnp.asarray(t)), zeta, rtol=QUADRATURE, atol=0)


@NAMED
@WARMUPS
def test_descent_rates_read_step_k_at_time_k_and_warm_up_from_k_plus_one(kind, keys, warmup):
    steps = 60
    found = descent_rates(member(kind, keys)[0], {**numbers(kind, keys, warmup), "horizon": np.float64(steps)}, steps)
    wanted = []
    for k in range(steps):
        ramp = min(1.0, (k + 1) / warmup) if warmup else 1.0
        wanted.append(0.3 * ramp * CONTRACT[kind](keys, float(k), float(steps)))
    assert found.shape == (steps,)
    np.testing.assert_allclose(found, wanted, rtol=FORMULA, atol=FORMULA)


@pytest.mark.parametrize("kind", ["descent", "flow"])
def test_an_experiment_reads_its_schedule_from_flat_keys(kind):
    length = {"descent": {"steps": 50}, "flow": {"time": 50.0}}[kind]
    method = Experiment(
        method={"kind": kind, "eta": 0.3, "schedule": "cosine", "final": 0.3, "warmup": 12.0, **length}
    ).method
    zeta = method.zeta(np.array([0.0, 20.0, 50.0]))
    if kind == "flow":
        own = numbers("cosine", {"final": 0.3}, 12.0)
        wanted = [float(flow_zeta(schedules()["cosine"], own, jnp.asarray(t))) for t in (0.0, 20.0, 50.0)]
    else:
        rates = [0.3 * min(1, (k + 1) / 12) * contract("cosine", {"final": 0.3}, k) for k in range(50)]
        wanted = [0.0, math.fsum(rates[:20]), math.fsum(rates)]
    np.testing.assert_allclose(zeta, wanted, rtol=INTEGRAL)


@pytest.mark.parametrize("integral", ["multiplier", "area", "moment"])
def test_a_rate_that_vanishes_is_a_constant_rate(integral):
    constant = getattr(schedules()["constant"], integral)({}, jnp.asarray(TIMES), HORIZON)
    for rate in (0.0, 1e-300, 1e-18, 1e-12, 1e-6):
        found = getattr(schedules()["exponential"], integral)({"rate": np.float64(rate)}, jnp.asarray(TIMES), HORIZON)
        # The true difference is at most rate T relative; nothing but rounding may come on top.
        np.testing.assert_allclose(found, constant, rtol=rate * HORIZON + SMOOTH, atol=0)


@pytest.mark.parametrize("integral", ["multiplier", "area", "moment"])
def test_a_step_of_factor_one_is_a_constant_rate(integral):
    constant = getattr(schedules()["constant"], integral)({}, jnp.asarray(TIMES), HORIZON)
    for below in (0.0, 1e-15, 1e-9, 1e-4):
        own = {"every": np.float64(7.3), "factor": np.float64(1 - below)}
        found = getattr(schedules()["step"], integral)(own, jnp.asarray(TIMES), HORIZON)
        np.testing.assert_allclose(found, constant, rtol=below * HORIZON / 7.3 + SMOOTH, atol=0)


def test_the_moment_of_an_exponential_is_smooth_where_its_two_forms_meet():
    """Series below x = 1, closed form above: the two agree there, and both with a sum in exact rationals."""
    for x in (0.5, 1 - 1e-12, 1.0, 1 + 1e-12, 1.5):
        exact_value = sum(Fraction((-1) ** k) * Fraction(x) ** k / math.factorial(k) / (k + 2) for k in range(40))
        found = float(schedules()["exponential"].moment({"rate": np.float64(x)}, jnp.asarray(1.0), HORIZON))
        assert found == pytest.approx(float(exact_value), rel=SMOOTH, abs=0)
