"""`dynamics-sim list`: everything that can be named in an experiment."""

import inspect
import json
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dynamics.experiment import presets
from dynamics.loss import loss_kinds
from dynamics.measure import ABOUT
from dynamics.method import methods, schedules
from dynamics.scenario import scenarios
from dynamics.table import Table as TomlTable
from theorems.benchmark import benchmarks
from theorems.claim import REFERENCES, choose_claims
from theorems.closed_form import closed_forms
from theorems.figure import recipes


def listing() -> dict[str, dict[str, Any]]:
    """Return every family's members: what each is ("about") and its own TOML keys with their defaults ("keys")."""
    families: dict[str, dict[str, Any]] = {
        "scenarios": scenarios(),
        "methods": methods(),
        "schedules": schedules(),
        "losses": loss_kinds(),
        "closed_forms": closed_forms(),
    }
    found: dict[str, dict[str, Any]] = {"presets": {name: {"about": about} for name, about in presets().items()}}
    for family, kinds in families.items():
        found[family] = {kind: {"about": _first_line(member), **_keys(member)} for kind, member in kinds.items()}
    found["metrics"] = {name: {"about": about} for name, about in ABOUT.items()}
    found["claims"] = {claim.id: {"about": claim.sentence} for claim in choose_claims([])}
    found["references"] = {claim.id: {"about": claim.sentence} for claim in choose_claims([REFERENCES])}
    found["figures"] = {kind: {"about": recipe.title} for kind, recipe in recipes().items()}
    found["benchmarks"] = {kind: {"about": row.about} for kind, row in benchmarks().items()}
    return found


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
        for kind, entry in entries.items():
            keys = ", ".join(f"{key} = {value}" for key, value in entry.get("keys", {}).items())
            table.add_row(f"  {kind}", escape(entry["about"]) + (f"\n[dim]{escape(keys)}[/]" if keys else ""))
        console.print(table)
        console.print()


def _first_line(member: type) -> str:
    """Return the first line of a member's documentation."""
    return (inspect.getdoc(member) or "").partition("\n")[0]


def _keys(member: type) -> dict[str, dict[str, Any]]:
    """Return the TOML keys of a configuration class with their defaults; "required" where there is none."""
    if not issubclass(member, TomlTable):
        return {}
    fields = {name: field for name, field in member.model_fields.items() if name != "schedule"}
    return {"keys": {name: "required" if field.is_required() else field.default for name, field in fields.items()}}
