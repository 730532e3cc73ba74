"""The command line. Thin, and every heavy import is inside the command that needs it."""

import signal
import sys
import tempfile
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

OK, DIFFERENT, BAD_INPUT, OUR_ERROR, INTERRUPTED = 0, 1, 2, 3, 130


class Commands(TyperGroup):
    """A group that answers an unknown command with the list of known ones."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Resolve a command name."""
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            from dynamics.errors import unknown

            _fail(str(unknown("the command", args[0], self.list_commands(ctx))))
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)


@app.callback()
def group() -> None:
    """Last-layer training dynamics under the unhinged loss: simulated, solved exactly, and compared."""


@app.command()
def run(
    experiment: Annotated[
        str | None, typer.Argument(help="A preset or a TOML file; none: the paper's setting.")
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="TABLE.KEY=VALUE", help="Change a key; an empty value removes it."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Result folder, new or empty. Default: runs/NAME.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a result folder of ours.")] = False,
    device: Annotated[str, typer.Option(help="Where to simulate: cpu or gpu.")] = "cpu",
    float32: Annotated[bool, typer.Option("--float32", help="Simulate in single precision (tolerance 1e-3).")] = False,
    also: Annotated[
        str | None, typer.Option(metavar="A,B", help="Further metrics, which cost more: nc1_pinv, ncc.")
    ] = None,
) -> None:
    """Simulate and solve one experiment, compare, write and print."""
    with _guard():
        from theorems.run import run_experiment

        agrees = run_experiment(experiment, changes or [], out, force=force, device=device, float32=float32, also=also)
    raise typer.Exit(OK if agrees else DIFFERENT)


@app.command()
def verify(
    ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ID]...",
            help="Exact ids, or what they begin with up to a dot: thm2, or references, the results of other papers. "
            "None: all of the paper.",
        ),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write the findings to this file.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write a page for readers: FILE.html, or FILE.md.")] = None,
    strength: Annotated[
        str | None, typer.Option(help="Only claims judged by this evidence: symbolic, enclosed, numerical or witness.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Master seed of all random cases.")] = 0,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Print the sentences, and what they rest on.")
    ] = False,
) -> None:
    """Judge every claim of the paper against numbers, and show the number that decides."""
    with _guard():
        from theorems.verifying import verify_claims

        expected = verify_claims(ids or [], json, report, strength=strength, seed=seed, verbose=verbose)
    raise typer.Exit(OK if expected else DIFFERENT)


@app.command()
def figures(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="A figure's number in the paper, or a name (phase). None: all."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer features, times and simulated steps.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for the files. Default: figures.")] = None,
) -> None:
    """Draw the paper's figures, and those that it lacks, from the exact solutions, with simulations on top."""
    with _guard():
        from theorems.drawing import draw_figures

        draw_figures(names or [], out, quick=quick)
    raise typer.Exit(OK)


@app.command()
def sweep(
    experiment: Annotated[
        str | None, typer.Argument(help="A preset or a TOML file; none: the paper's setting.")
    ] = None,
    grid: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TABLE.KEY=VALUES",
            help="One dimension: start:stop:count, log:start:stop:count (both ends included), or a,b,c.",
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="TABLE.KEY=VALUE", help="Change a key; an empty value removes it."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for sweep.nc; a folder with the same sweep goes on.")] = None,
    metrics: Annotated[
        str | None, typer.Option(metavar="A,B,C", help="Metrics to compute. Default: all but accuracy, the slow one.")
    ] = None,
    simulated: Annotated[bool, typer.Option("--simulate", help="Simulate instead of solving exactly.")] = False,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Compute one part of N, and leave the rest to others.")
    ] = None,
    merge: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Put together what all shards wrote into DIR; give it alone.")
    ] = None,
    device: Annotated[str, typer.Option(help="Where to compute: cpu or gpu; all that this machine has.")] = "cpu",
) -> None:
    """Compute metrics over a grid of settings; write one dataset. The same command again goes on where it stopped."""
    with _guard(interrupted="finished chunks are kept, and the same command goes on"):
        from theorems.sweep_command import merge_sweep, run_sweep

        if merge is None:
            run_sweep(
                experiment, changes or [], grid or [], out,
                metrics=metrics, simulated=simulated, shard=shard, device=device,
            )  # fmt: skip
        else:
            if experiment or grid or changes or out or metrics or simulated or shard:
                from dynamics.errors import must

                raise must("--merge", "be given alone", str(merge), "The folder holds the plan.")
            merge_sweep(merge)
    raise typer.Exit(OK)


@app.command()
def bench(
    rows: Annotated[list[str] | None, typer.Argument(metavar="[ROW]...", help="Rows of the table. None: all.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Small sizes and few rounds: that it runs, not how fast.")
    ] = False,
    json: Annotated[Path | None, typer.Option(help="Write all that was measured to this file.")] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the row growth into this file: FILE.png, .svg or .pdf.")
    ] = None,
) -> None:
    """Measure the exact solutions against other ways, side by side, and against the machine's own limits."""
    with _guard():
        from theorems.benching import run_benchmarks

        run_benchmarks(rows or [], json, plot, quick=quick)
    raise typer.Exit(OK)


@app.command("list")
def list_(
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """List presets, scenarios, methods, schedules, losses, closed forms, claims, references, figures, benchmarks."""
    with _guard():
        from theorems.listing import print_listing

        print_listing(as_json=json)


@contextmanager
def _guard(interrupted: str = "nothing was kept") -> Generator[None]:
    """Turn what can go wrong into one message and the right exit code."""
    from dynamics.errors import InputError

    # A polite kill cleans up like Ctrl-C does.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except InputError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        sys.stderr.write(f"\nInterrupted: {interrupted}.\n")
        raise typer.Exit(INTERRUPTED) from None
    except Exception:
        with tempfile.NamedTemporaryFile("w", prefix="dynamics-sim-", suffix=".log", delete=False) as log:
            log.write(traceback.format_exc())
        sys.stderr.write(f"Error of dynamics-sim itself; please report it with the traceback in {log.name}\n")
        raise typer.Exit(OUR_ERROR) from None
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _fail(message: str) -> None:
    sys.stderr.write(f"Error: {message}\n")
    raise typer.Exit(BAD_INPUT)


def main() -> None:
    """Run the command line."""
    app()
