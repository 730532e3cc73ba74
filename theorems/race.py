"""Exact curves against training loops: what two rows of the benchmark share."""

from theorems.benchmark import GAMMAS, Asked, Effort, Line, against
from theorems.contenders import ours
from theorems.contenders.training import jax_loop, numpy_loop, torch_loop
from theorems.machine import traffic_floor
from theorems.stopwatch import Contender


def against_loops(effort: Effort, names: tuple[str, ...], torch: Asked, floor: Asked | None) -> list[Line]:
    """Measure the curves of Figure 1 at every step against loops, and against the traffic floor if asked."""
    setting, few, sets = effort.setting(), effort.loop_steps, len(GAMMAS)
    start, grid = setting.given, {"problem.gamma": list(GAMMAS)}
    share, note = sets * effort.steps / few, f"measured over {few} steps, and multiplied"
    others: list[tuple[Contender, Asked | None]] = [
        (Contender("torch loop", torch_loop(setting, few, names), share, note), torch),
        (Contender("numpy loop", numpy_loop(setting, few, names), share, note), None),
        (Contender("jax scan", jax_loop(setting, few, names), share, note), None),
    ]
    if floor:
        touch = traffic_floor(setting.start.features, sets * (effort.steps + 1) * len(names))
        others.append((Contender("traffic floor", touch), floor))
    mine = Contender("ours", lambda: ours.curves(setting.experiment, grid, names, start))
    return against(f"{sets} x {effort.steps} steps", mine, others, effort.turns)
