"""Exact solutions, comparison and judgement: the half that says what the theory says."""

import importlib
from typing import Any

_HOMES = {
    "Agreement": "theorems.comparison",
    "Evidence": "theorems.verdict",
    "Finding": "theorems.verification",
    "Moments": "theorems.moments",
    "Report": "theorems.comparison",
    "Verdict": "theorems.verdict",
    "compare": "theorems.comparison",
    "epoch_bias": "theorems.moments",
    "exact_states": "theorems.solution",
    "mean_path": "theorems.moments",
    "second_moments": "theorems.moments",
    "simulate_reduced": "theorems.reduced",
    "solve": "theorems.solution",
    "stability_limit": "theorems.stability",
    "sweep": "theorems.sweeping",
    "verify": "theorems.verification",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Import a public name on first use: `dynamics-sim --help` must not pay for jax."""
    if name not in _HOMES:
        raise AttributeError(f"module 'theorems' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
