"""A trajectory: what both halves return, and what is compared, plotted and stored."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics.experiment import Experiment
from dynamics.state import State

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True, eq=False)
class Decay:
    """How fast the direction settles, per unit of zeta.

    ``kind`` "exponential": distance ~ e^{-rate zeta}; "algebraic": distance ~ zeta^{-rate}; None: no rate, see ``why``.
    """

    predicted: float | None
    kind: str | None
    why: str = ""


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Metrics along a simulated or exact solution, NumPy arrays of shape (times,).

    ``times`` count steps k (descent) or time t (flow), ``zeta`` is the integral of the prototypes' rate. ``error``
    bounds the simulation's own error of each metric and ``unit`` is the scale of the losses (both empty for an exact
    solution and for a reduced simulation). ``classes`` holds what each class has, shapes (times, C). ``last`` =
    (log_scale, State): the true arrays are e^log_scale times the stored, features (n, p) in the order of the input.
    ``why`` says why a metric is NaN; ``decay`` is the predicted rate (exact solutions only).
    """

    source: str
    times: np.ndarray
    zeta: np.ndarray
    metrics: dict[str, np.ndarray]
    last: tuple[float, State]
    experiment: Experiment
    seconds: float
    error: dict[str, np.ndarray] = field(default_factory=dict)
    unit: dict[str, np.ndarray] = field(default_factory=dict)
    classes: dict[str, np.ndarray] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    diverged_at: float | None = None
    decay: Decay | None = None
    device: str = "cpu"
    dtype: str = "float64"

    def to_xarray(self) -> "xarray.Dataset":
        """Return the metrics, errors and units as a dataset over ``time``; `from_xarray` reads it back."""
        import xarray

        variables: dict[str, Any] = {}
        for prefix, part in {"": self.metrics, "error_": self.error, "unit_": self.unit}.items():
            variables |= {prefix + name: ("time", values) for name, values in part.items()}
        attributes: dict[str, Any] = {
            "source": self.source,
            "clock": self.experiment.method.clock,
            "experiment": self.experiment.to_toml(),
            "name": self.experiment.name,
            "folder": str(self.experiment.folder),
            "seconds": self.seconds,
            "dtype": self.dtype,
            "device": self.device,
            "diverged_at": np.nan if self.diverged_at is None else self.diverged_at,
            "log_scale": self.last[0],
        }
        state = self.last[1]
        variables |= {
            "final_features": (("sample", "feature"), np.asarray(state.features)),
            "final_prototypes": (("class", "feature"), np.asarray(state.prototypes)),
            "final_biases": ("class", np.asarray(state.biases)),
        }
        variables |= {name: (("time", "class"), values) for name, values in self.classes.items()}
        coordinates = {"time": self.times, "zeta": ("time", self.zeta)}
        return xarray.Dataset(variables, coords=coordinates, attrs=attributes)

    @classmethod
    def from_xarray(cls, data: "xarray.Dataset") -> "Trajectory":
        """Rebuild a trajectory from `to_xarray`; explanations and the predicted decay are not kept."""
        import tomllib

        parts: dict[str, dict[str, np.ndarray]] = {"": {}, "error_": {}, "unit_": {}}
        for name, values in data.data_vars.items():
            if values.dims == ("time",):
                prefix = next((p for p in ("error_", "unit_") if str(name).startswith(p)), "")
                parts[prefix][str(name).removeprefix(prefix)] = values.to_numpy()
        final = [data[f"final_{name}"].to_numpy() for name in ("features", "prototypes", "biases")]
        saved = data.attrs
        return cls(
            source=saved["source"],
            times=data["time"].to_numpy(),
            zeta=data["zeta"].to_numpy(),
            metrics=parts[""],
            error=parts["error_"],
            unit=parts["unit_"],
            classes={str(n): v.to_numpy() for n, v in data.data_vars.items() if v.dims == ("time", "class")},
            last=(float(saved["log_scale"]), State(*final)),
            experiment=Experiment.from_dict(
                tomllib.loads(saved["experiment"]), name=saved["name"], folder=saved["folder"]
            ),
            seconds=float(saved["seconds"]),
            diverged_at=None if np.isnan(saved["diverged_at"]) else float(saved["diverged_at"]),
            device=saved["device"],
            dtype=saved["dtype"],
        )
