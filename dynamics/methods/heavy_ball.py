r"""Gradient descent with heavy-ball momentum."""

from typing import Any, ClassVar

from dynamics.momentum import Momentum


class HeavyBall(Momentum):
    r"""Heavy-ball momentum, simultaneous updates; clock: step k.

    $V \leftarrow bV + \eta_k\,dZ/d\zeta(Z)$, $Z \leftarrow Z + V$ for ``steps`` steps, V = 0 at the start: what
    PyTorch's SGD does with momentum = b at a constant rate. $\zeta_k = \sum_{i<k}\eta_i(1-b^{k-i})/(1-b)$.

    At a constant rate a mode $z' = wz$ moves by the roots of $r^2 - (1 + b + \eta w)r + b$.
    """

    kind: ClassVar[str] = "heavy-ball"

    @staticmethod
    def kick(position: Any, velocity: Any, push: Any, momentum: Any) -> tuple[Any, Any]:
        """See `Stepping.kick`."""
        velocity = momentum * velocity + push
        return position + velocity, velocity

    @staticmethod
    def farthest(momentum: float) -> float:
        """See `Stepping.farthest`: there a root is -1."""
        return 2 * (1 + momentum)

    @staticmethod
    def damped(momentum: Any) -> Any:
        """See `Momentum.damped`: there the two roots meet, at the square root of b."""
        return (1 - momentum**0.5) ** 2


MEMBER = HeavyBall
