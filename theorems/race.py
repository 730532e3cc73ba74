"""Exact curves against training loops: what two rows of the benchmark share."""

from theorems.benchmark import GAMMAS, Asked, Effort, Line
from theorems.contenders import ours
from theorems.contenders.training import jax_loop, numpy_loop, torch_loop
from theorems.machine import traffic_floor
from theorems.stopwatch import Contender, in_turns

LOOPS = {"torch loop": torch_loop, "numpy loop": numpy_loop, "jax scan": jax_loop}


def against_loops(effort: Effort, names: tuple[str, ...], torch: Asked, floor: Asked | None) -> list[Line]:
    """Measure the curves of Figure 1 at every step against the loops, and against the traffic floor if asked."""
    setting = effort.setting()
    start, sets = (setting.problem, setting.start), len(GAMMAS)
    grid = {"problem.gamma": list(GAMMAS)}
    share = sets * effort.steps / effort.loop_steps
    note = f"measured over {effort.loop_steps} steps, and multiplied"
    contenders = [
        Contender("ours", lambda: ours.curves(setting.experiment, grid, names, start)),
        Contender("traffic floor", traffic_floor(setting.start.features, sets * (effort.steps + 1) * len(names))),
    ]
    contenders += [
        Contender(name, loop(setting, effort.loop_steps, names), share, note) for name, loop in LOOPS.items()
    ]
    found = in_turns(contenders, effort.rounds)
    mine = found["ours"]
    assert mine is not None
    asked = {"torch loop": torch, "traffic floor": floor}
    rivals = [*LOOPS, "traffic floor"] if floor else [*LOOPS]
    return [Line(f"{sets} x {effort.steps} steps", mine, name, found[name], asked.get(name)) for name in rivals]
