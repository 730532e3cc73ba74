"""The unhinged loss."""

from typing import ClassVar

from dynamics.loss import Loss


class Unhinged(Loss):
    r"""Linear in the logits: eq. (1) of the paper.

    $L_\gamma(z, y) = -z_y + \gamma\sum_{j\ne y}z_j$; its mean over the samples is $-\langle W, HM'\rangle - b\cdot m$.
    """

    kind: ClassVar[str] = "unhinged"
    linear: ClassVar[bool] = True


MEMBER = Unhinged
