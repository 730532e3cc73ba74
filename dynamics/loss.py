"""The base of the losses. The unhinged loss is the only one so far: it is linear, so M says all of it."""

from typing import ClassVar

from dynamics.families import members


class Loss:
    """Base of the losses; ``solved`` says whether exact solutions exist in general."""

    kind: ClassVar[str]
    solved: ClassVar[bool]


def loss_kinds() -> dict[str, type[Loss]]:
    """Return every loss by kind."""
    return members("dynamics.losses", Loss)
