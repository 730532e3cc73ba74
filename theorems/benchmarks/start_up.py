"""How long a command takes before it does anything."""

import subprocess
import sys
from typing import ClassVar

from theorems.benchmark import Benchmark, Effort, Line, against, at_most
from theorems.stopwatch import Contender

HELP = "import sys; sys.argv = ['dynamics-sim', '--help']; from theorems.cli import main; main()"


class StartUp(Benchmark):
    """A new process that prints the help, against one that imports jax."""

    kind: ClassVar[str] = "start-up"
    about: ClassVar[str] = "A new process that runs dynamics-sim --help, against one that imports jax."
    order: ClassVar[int] = 8

    @classmethod
    def lines(cls, effort: Effort) -> list[Line]:
        """See `Benchmark.lines`."""
        return against(
            "--help",
            Contender("ours", lambda: _python(HELP)),
            [(Contender("import jax", lambda: _python("import jax")), at_most(0.25))],
            effort.turns,
        )


def _python(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


MEMBER = StartUp
