r"""Gradient descent with Nesterov's momentum."""

from typing import Any, ClassVar

from dynamics.momentum import Momentum


class Nesterov(Momentum):
    r"""Nesterov's momentum, simultaneous updates; clock: step k.

    $D = \eta_k\,dZ/d\zeta(Z)$, $V \leftarrow bV + D$, $Z \leftarrow Z + D + bV$ (the new V) for ``steps`` steps, V = 0
    at the start: what PyTorch's SGD does with nesterov = True at a constant rate.
    $\zeta_k = \sum_{i<k}\eta_i(1-b^{k-i+1})/(1-b)$.

    At a constant rate a mode $z' = wz$ moves by the roots of $r^2 - (1 + \eta w)(1 + b)r + (1 + \eta w)b$.
    """

    kind: ClassVar[str] = "nesterov"

    @staticmethod
    def kick(position: Any, velocity: Any, push: Any, momentum: Any) -> tuple[Any, Any]:
        """See `Stepping.kick`."""
        velocity = momentum * velocity + push
        return position + push + momentum * velocity, velocity

    @staticmethod
    def farthest(momentum: float) -> float:
        """See `Stepping.farthest`: there a root is -1."""
        return (2 + 2 * momentum) / (1 + 2 * momentum)

    @staticmethod
    def damped(momentum: Any) -> Any:
        """See `Momentum.damped`: there the two roots meet, at 2b/(1 + b)."""
        return ((1 - momentum) / (1 + momentum)) ** 2


MEMBER = Nesterov
