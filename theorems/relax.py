"""Multipliers of scalar modes, for flow and descent alike, without overflow or cancellation."""

from typing import Any, NamedTuple

import numpy as np

from dynamics.method import Method

SMALL = 0.5  # |ln g| below which (g - 1)/w is taken through expm1


class Relaxation(NamedTuple):
    r"""The motion $z' = w z + 1$: $z = e^{\log}(\text{grown}\,z_0 + \text{driven})$; arrays over times."""

    log: Any
    grown: Any
    driven: Any


def relaxation(method: Method, w: float, times: np.ndarray) -> Relaxation:
    r"""Return $g$ and $(g-1)/w$ at the saved times, at the common scale e^log, log = max(ln|g|, 0).

    Flow: $g = e^{w\zeta}$. Descent: $g = \prod(1+\eta_k w)$. At w = 0 the second is zeta.
    """
    logs, signs = (part[:, 0] for part in method.growth(np.array([w]), times))
    scale = np.maximum(logs, 0.0)
    grown = signs * np.exp(logs - scale)
    if w == 0:
        return Relaxation(scale, grown, method.zeta(times))
    gentle = (signs > 0) & (np.abs(logs) < SMALL)
    change = np.where(gentle, np.expm1(np.where(gentle, logs, 0.0)) * np.exp(-scale), grown - np.exp(-scale))
    return Relaxation(scale, grown, change / w)
