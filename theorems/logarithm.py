r"""The natural logarithm of many numbers, compiled: XLA asks the C library for one at a time on CPU.

With $x = 2^e m$, $m$ from $\sqrt{1/2}$ to $\sqrt 2$ and $s = (m-1)/(m+1)$, it is $e\ln 2 + 2\operatorname{artanh}s$;
the series of artanh needs eleven terms at $|s| \le 0.172$.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

ROOT_HALF = np.int64(0x3FE6A09E667F3BCD)  # the bits of sqrt(1/2)
MANTISSA = 52  # bits
ODD = range(21, 0, -2)


def log(x: Any) -> Any:
    """Return ln x of normal float64 numbers, right to 5e-16 of itself; -inf for 0, inf for inf, NaN for the rest."""
    bits = jax.lax.bitcast_convert_type(x, jnp.int64)
    exponent = (bits - ROOT_HALF) >> MANTISSA
    m = jax.lax.bitcast_convert_type(bits - (exponent << MANTISSA), jnp.float64)
    s = (m - 1) * (1 / (m + 1))  # a quotient that is used three times would be kept in memory
    square, series = s * s, 0.0
    for k in ODD:
        series = series * square + 1 / k
    found = exponent * np.log(2) + 2 * s * series
    return jnp.where((x > 0) & (x < jnp.inf), found, jnp.where(x == 0, -jnp.inf, x + jnp.where(x < 0, jnp.nan, 0.0)))
