"""`dynamics-sim figures`: each figure as PNG and SVG, and the TOML that made it beside them."""

import io
import json
import re
import textwrap
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from rich.console import Console
from rich.markup import escape

from dynamics.experiment import Experiment
from dynamics.precision import self_test
from theorems.figure import WORKERS, Recipe, choose_recipes
from theorems.output import atomic_file, writable_folder
from theorems.style import STYLE

FOLDER = Path("figures")
LETTERS_PER_INCH = 16  # of a caption
RESOLUTION = 120  # dots per inch of a PNG


def draw_figures(names: list[str], out: Path | None, *, quick: bool) -> None:
    """Draw the figures of names (none: all) into a folder, and print what was written.

    Raises:
        InputError: an unknown name, or a folder that cannot be written.
    """
    chosen = choose_recipes(names)
    folder = writable_folder(out or FOLDER)
    self_test()
    console = Console(highlight=False)
    began = time.perf_counter()
    width = max(len(recipe.kind) for recipe in chosen)
    pool = ThreadPoolExecutor(WORKERS)
    try:
        ahead = [(recipe, recipe.ahead(pool, quick)) for recipe in chosen]
        ahead.sort(key=lambda pair: pair[0].waits)
        for done, (recipe, draw) in enumerate(ahead, 1):
            with console.status(f"{recipe.kind} ({done}/{len(chosen)})"):
                for suffix, content in files(recipe, quick, draw).items():
                    with atomic_file(folder / (recipe.kind + suffix), "--out") as file:
                        file.buffer.write(content)
            console.print(f"{recipe.kind:<{width}}  {escape(recipe.title)}", soft_wrap=True)
    finally:
        pool.shutdown(cancel_futures=True)
    seconds = time.perf_counter() - began
    console.print(f"files     {escape(str(folder))}/: .png, .svg and .toml of each; {seconds:.0f} s", soft_wrap=True)


def files(recipe: type[Recipe], quick: bool, draw: Callable[[Figure], None]) -> dict[str, bytes]:
    """Return a figure's files by suffix."""
    figure = _laid_out(recipe, draw)
    with mpl.rc_context(STYLE):  # again, since colours wait until a figure is saved
        # Without the version and the date equal figures give equal files.
        return {
            ".png": _saved(figure, format="png", dpi=RESOLUTION, metadata={"Software": None}),
            ".svg": _saved(figure, format="svg", metadata={"Date": None, "Creator": None}),
            ".toml": settings(recipe, quick).encode(),
        }


def _laid_out(recipe: type[Recipe], draw: Callable[[Figure], None]) -> Figure:
    """Return a figure with its title above and its caption below."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=recipe.size, layout="constrained")
        draw(figure)
        figure.suptitle(recipe.title, fontsize=12, fontweight="bold")
        together = recipe.caption.replace(" = ", "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}")
        caption = textwrap.fill(together, int(LETTERS_PER_INCH * recipe.size[0]))
        figure.supxlabel(caption, x=0.01, ha="left", fontsize=8, color="0.25")
    return figure


def settings(recipe: type[Recipe], quick: bool) -> str:
    """Return the experiments of a figure as TOML: the first is the file, the others are changes to it, as commands."""
    curves = [(label, one) for group in recipe.experiments(quick) for label, one in group.items()]
    (label, first), *others = curves
    name = f"{recipe.kind}.toml"
    quickly = " --quick" if quick else ""
    lines = [
        f"# Made by: dynamics-sim figures {recipe.kind}{quickly}",
        f"# This file is the curve {plain(label)!r}: dynamics-sim run {name}",
    ]
    lines += [f"# {plain(label)!r}: dynamics-sim run {name}{_changes(first, one)}" for label, one in others]
    return "\n".join(lines) + "\n\n" + first.to_toml()


def plain(label: str) -> str:
    """Return a label without its mathematical typesetting."""
    fractions = re.sub(r"\\frac\{(.+?)\}\{(.+?)\}", r"(\1)/(\2)", label)
    roots = re.sub(r"\\sqrt\{(.+?)\}", r"sqrt(\1)", fractions)
    return re.sub(r"[${}\\]", "", roots).replace("cdot", "*")


def _changes(first: Experiment, other: Experiment) -> str:
    """Return what makes one experiment of another, as --set options; a kind comes first, since it drops keys."""
    before, after = first.to_dict(), other.to_dict()
    options = []
    for section in after:
        old, new = before.get(section, {}), after[section]
        keys = sorted(new, key=lambda key: key not in ("kind", "schedule"))
        options += [f"{section}.{key}={_toml(new[key])}" for key in keys if key not in old or old[key] != new[key]]
    return "".join(f" --set {_quoted(option)}" for option in options)


def _toml(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _quoted(option: str) -> str:
    return option if re.fullmatch(r"[\w.=+-]+", option) else f"'{option}'"


def _saved(figure: Figure, **options: Any) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, **options)
    return file.getvalue()
