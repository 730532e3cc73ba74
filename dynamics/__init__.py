"""Last-layer training dynamics under the unhinged loss: the half that moves things and knows no theorem."""

import importlib
from typing import Any

_HOMES = {
    "Experiment": "dynamics.experiment",
    "InputError": "dynamics.errors",
    "Problem": "dynamics.problem",
    "State": "dynamics.state",
    "Trajectory": "dynamics.trajectory",
    "load": "dynamics.experiment",
    "make_problem": "dynamics.problem",
    "prepare": "dynamics.preparation",
    "simulate": "dynamics.simulation",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Import a public name on first use: `import dynamics` itself must not pay for jax."""
    if name not in _HOMES:
        raise AttributeError(f"module 'dynamics' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
