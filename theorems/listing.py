"""`dynamics-sim list`: everything that can be named in an experiment."""

import inspect
import json
from typing import Any

from rich.console import Console
from rich.table import Table

from dynamics.experiment import presets
from dynamics.loss import loss_kinds
from dynamics.method import methods, schedules
from dynamics.scenario import scenarios
from theorems.closed_form import closed_forms


def listing() -> dict[str, dict[str, str]]:
    """Return every family's members with the first line of their documentation."""
    families: dict[str, dict[str, Any]] = {
        "scenarios": scenarios(),
        "methods": methods(),
        "schedules": schedules(),
        "losses": loss_kinds(),
        "closed_forms": closed_forms(),
    }
    described = {
        name: {kind: _first_line(member) for kind, member in family.items()} for name, family in families.items()
    }
    return {"presets": presets(), **described}


def print_listing(*, as_json: bool) -> None:
    """Print the listing as tables or as JSON."""
    families = listing()
    if as_json:
        print(json.dumps(families, indent=2))  # noqa: T201
        return
    console = Console(highlight=False)
    for family, entries in families.items():
        table = Table(
            title=family.replace("_", " "),
            title_justify="left",
            title_style="bold",
            box=None,
            pad_edge=False,
            show_header=False,
        )
        table.add_column(no_wrap=True, min_width=20)
        table.add_column()
        for kind, text in entries.items():
            table.add_row(f"  {kind}", text)
        console.print(table)
        console.print()


def _first_line(member: type) -> str:
    """Return the first line of a member's documentation, or of its module's where the class refers to it."""
    text = inspect.getdoc(member) or ""
    if text.startswith("See the module"):
        text = inspect.getdoc(inspect.getmodule(member)) or ""
    return text.splitlines()[0] if text else ""
