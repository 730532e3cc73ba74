"""An experiment: the validated TOML. Its defaults are the paper's own numerical setting."""

import math
import os
import tomllib
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, ValidationInfo, field_validator

from dynamics.errors import InputError, must, nearest, unknown
from dynamics.families import choose
from dynamics.loss import loss_kinds
from dynamics.method import Method, methods, parse_method, schedules
from dynamics.scenario import Scenario, scenarios
from dynamics.table import Table

SECTIONS = ("problem", "scenario", "method", "start", "output")
SIZES = ("classes", "per_class", "features")
CRITICAL_GAMMA = "1/(C-1)"
LARGEST_SCALE = 1e70  # of a start: the fourth powers that NC2 takes, and some steps from it, still fit into float64


class ProblemTable(Table):
    """[problem]: C, class sizes, p, gamma, the loss, label smoothing a, and sample weights ~ n_c^(-1/2) or n_c^(-1)."""

    classes: int = Field(100, ge=2)
    per_class: int | list[int] = 10
    features: int = Field(512, ge=1)
    gamma: float | str = CRITICAL_GAMMA
    loss: str = "unhinged"
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    sample_weights: Literal["none", "sqrt", "inverse"] = "none"

    @field_validator("gamma", mode="before")
    @classmethod
    def _gamma(cls, value: Any) -> Any:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if value != CRITICAL_GAMMA and not (number and 0 <= value <= 1e6):
            raise must("problem.gamma", f'be a number from 0 to 1e6, or exactly "{CRITICAL_GAMMA}"', value)
        return float(value) if number else value

    @field_validator("per_class", mode="before")
    @classmethod
    def _per_class(cls, value: Any) -> Any:
        sizes = value if isinstance(value, list) else [value]
        for size in sizes:
            if isinstance(size, bool) or not isinstance(size, int) or size < 1:
                raise must("problem.per_class", "be a whole number >= 1, or a list of them", size)
        return value

    @field_validator("loss")
    @classmethod
    def _loss(cls, value: str) -> str:
        if value not in loss_kinds():
            raise unknown("problem.loss", value, loss_kinds())
        return value

    @property
    def linear(self) -> bool:
        """Whether the loss is linear in the logits: only then are there exact solutions in general."""
        return loss_kinds()[self.loss].linear

    def sizes(self) -> list[int]:
        """Return the class sizes. Raises InputError if their number is not ``classes``."""
        if isinstance(self.per_class, int):
            return [self.per_class] * self.classes
        if len(self.per_class) != self.classes:
            cure = f"It lists {len(self.per_class)}."
            raise must("problem.per_class", f"list {self.classes} sizes, one per class", self.per_class, cure)
        return self.per_class

    def samples(self) -> int:
        """Return n, also for so many classes that a list of their sizes would not fit into memory."""
        return self.classes * self.per_class if isinstance(self.per_class, int) else sum(self.sizes())

    def gamma_value(self, classes: int) -> float:
        """Return gamma as a number."""
        return 1 / (classes - 1) if self.gamma == CRITICAL_GAMMA else float(self.gamma)


class StartTable(Table):
    """[start]: the seed and scales of a Gaussian start, a simplex ETF for W, bundled images, or an .npz file."""

    seed: int = Field(0, ge=0)
    scale_h: float = Field(1.0, ge=-LARGEST_SCALE, le=LARGEST_SCALE)
    scale_w: float = Field(1.0, ge=-LARGEST_SCALE, le=LARGEST_SCALE)
    w: Literal["gaussian", "etf"] = "gaussian"
    data: Literal["digits", "digits-long-tailed"] | None = None
    file: str | None = Field(None, min_length=1)

    @field_validator("scale_h", "scale_w")
    @classmethod
    def _scale(cls, value: float, info: ValidationInfo) -> float:
        if 0 < abs(value) < 1 / LARGEST_SCALE:
            raise must(f"start.{info.field_name}", f"be 0 or at least {1 / LARGEST_SCALE:g} in size", value)
        return value


class OutputTable(Table):
    """[output]: how many times are saved at most, and whether the final state is."""

    points: int = Field(500, ge=2, le=1_000_000)
    states: bool = False


class Experiment(BaseModel):
    """A whole experiment. Build it with keywords (dicts as in the TOML), `from_dict`, `from_toml` or `load`.

    Raises:
        InputError: on anything that is wrong, naming the key, the value and the cure.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "experiment"
    folder: Path = Path()
    problem: ProblemTable
    scenario: SerializeAsAny[Scenario]
    method: SerializeAsAny[Method]
    start: StartTable
    output: OutputTable

    def __init__(self, /, *, name: str = "experiment", folder: str | Path = ".", **sections: Mapping[str, Any]) -> None:
        _check_sections(sections)
        tables = {section: dict(sections.get(section, {})) for section in SECTIONS}
        parsed = {
            "problem": ProblemTable.parse("problem", tables["problem"]),
            "scenario": parse_scenario(tables["scenario"]),
            "method": parse_method(tables["method"]),
            "start": StartTable.parse("start", tables["start"]),
            "output": OutputTable.parse("output", tables["output"]),
        }
        super().__init__(name=name, folder=Path(folder), **parsed)
        self._check()

    def _check(self) -> None:
        self.method.check(self.scenario)
        if self.scenario.uses_kernel and not self.problem.linear:
            cure = "A fixed kernel is that of the unhinged loss here. Choose another scenario.kind."
            raise must("problem.loss", "be 'unhinged' with scenario.kind = 'kernel'", self.problem.loss, cure)
        if self.start.data and self.start.file:
            raise must("start.data", "not be given together with start.file", self.start.data, "Remove one of them.")
        if self.start.file:
            self._check_unused()
        elif not self.start.data:
            self.problem.samples()

    def _check_unused(self) -> None:
        """Refuse numbers that a start file would silently overrule; their defaults stand in every run.toml."""
        etf = "etf" in (self.start.w, getattr(self.scenario, "prototypes", "start"))
        drawn: list[tuple[str, Table, str]] = [("start", self.start, "scale_h")]
        drawn += [] if etf else [("start", self.start, "scale_w")]
        drawn += [("scenario", self.scenario, key) for key in ("kernel_rank", "kernel_seed")]
        for section, table, key in drawn:
            field = type(table).model_fields.get(key)
            if field and getattr(table, key) != field.default:
                cure = "The file says what the start is. Remove one of them."
                raise must(f"{section}.{key}", "not be given together with start.file", getattr(table, key), cure)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, name: str = "experiment", folder: str | Path = ".") -> Self:
        """Build an experiment from nested dicts; ``folder`` is where a relative start file counts from."""
        _check_sections(values)
        return cls(name=name, folder=folder, **values)

    @classmethod
    def from_toml(cls, path: str | Path) -> Self:
        """Read an experiment from a TOML file."""
        path = Path(path)
        return cls.from_dict(read_toml(path), name=path.stem, folder=path.parent)

    def to_dict(self) -> dict[str, Any]:
        """Return nested plain values, the schedule folded into [method]: what `from_dict` reads."""
        problem, method = self.problem.model_dump(), self.method.model_dump(exclude={"schedule"})
        if self.start.data or self.start.file:
            # Their sizes count, not the defaults of sizes that nobody stated.
            stated = self.problem.model_fields_set
            problem = {key: value for key, value in problem.items() if key in stated or key not in SIZES}
        timing = {"schedule": self.method.schedule.kind, **self.method.schedule.model_dump()}
        return {
            "problem": problem,
            "scenario": {"kind": self.scenario.kind, **self.scenario.model_dump()},
            "method": {"kind": self.method.kind, **method, **timing},
            "start": self.start.model_dump(exclude_none=True),
            "output": self.output.model_dump(),
        }

    def to_toml(self) -> str:
        """Return the resolved experiment as TOML."""
        return tomli_w.dumps(self.to_dict())

    def times(self) -> Any:
        """Return the saved times, on the method's own clock."""
        return self.method.times(self.output.points)


def _check_sections(values: Mapping[str, Any]) -> None:
    """Refuse what is not a table of an experiment, before any of it can be taken for an argument."""
    for section, table in values.items():
        if section not in SECTIONS:
            hint, listing = nearest(section, SECTIONS), ", ".join(SECTIONS)
            raise InputError(f"[{section}] must be a table of an experiment, but is not.{hint} Tables: {listing}.")
        if not isinstance(table, Mapping):
            raise must(f"[{section}]", "be a table", table)


def parse_scenario(values: dict[str, Any]) -> Scenario:
    """Build the scenario of a [scenario] table; a key of another kind is refused with the kinds that have it."""
    values = dict(values)
    member = choose("dynamics.scenarios", Scenario, "scenario.kind", values.pop("kind", "unconstrained"))
    for key in values:
        if key not in member.model_fields:
            owners = [kind for kind, other in scenarios().items() if key in other.model_fields]
            known = ["kind", *member.model_fields]
            everywhere = {name for other in scenarios().values() for name in other.model_fields} | {"kind"}
            cure = (
                f"It belongs to kind = {' or '.join(map(repr, owners))}."
                if owners
                else nearest(key, everywhere).strip()
            )
            message = f"scenario.{key} must be a key of kind = {member.kind!r}, but is not. {cure}"
            raise InputError(f"{message.rstrip()} Keys: {', '.join(known)}.")
    return member.parse("scenario", values)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file. Raises InputError if it is missing or not TOML."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise must(
            "the experiment", "be a readable TOML file or the name of a preset", str(path), f"({error})"
        ) from None
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # not only TOMLDecodeError: digits without end, nests without end
        raise InputError(f"{path} must be a TOML file, but is none: {error}.") from None


def presets() -> dict[str, str]:
    """Return every preset's name and its one-line description, the first comment of its file."""
    found = {}
    for entry in sorted(files("dynamics").joinpath("presets").iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".toml"):
            found[entry.name.removesuffix(".toml")] = entry.read_text().splitlines()[0].removeprefix("# ")
    return found


def load(source: str | None, changes: Iterable[str] = ()) -> Experiment:
    """Return the experiment of a preset or a TOML file with "a.b=value" changes; None is the preset "paper".

    A change "a.b=" removes a key. A new kind or schedule drops the keys that it does not have, and steps and time
    convert one to one. A start file given by a change counts from the working folder.
    """
    source = source or "paper"
    known = presets()
    if source in known:
        values = tomllib.loads(files("dynamics").joinpath("presets", source + ".toml").read_text())
        name, folder = source, Path()
    elif source.endswith(".toml") or os.path.isfile(source):  # noqa: PTH113 (Path.is_file raises on a name too long)
        values, name, folder = read_toml(Path(source)), Path(source).stem, Path(source).parent
    else:
        raise must(
            "the experiment", "be a .toml file or a preset: " + ", ".join(known), source, nearest(source, known).strip()
        )
    for change in changes:
        if _apply(values, change) == "start.file":
            folder = Path()
    return Experiment.from_dict(values, name=name, folder=folder)


def changed(experiment: Experiment, changes: Mapping[str, Any]) -> Experiment:
    """Return the experiment with other values of some keys "a.b", as `load` does it; None removes a key.

    Raises:
        InputError: a key or a value that the experiment cannot have.
    """
    values = experiment.to_dict()
    for key, value in changes.items():
        section, _, name = key.partition(".")
        _put(values, section, name, value)
    return Experiment.from_dict(values, name=experiment.name, folder=experiment.folder)


def _apply(values: dict[str, Any], change: str) -> str:
    key, equals, text = change.partition("=")
    section, dot, name = key.strip().partition(".")
    if not equals or not dot or not name or section not in SECTIONS:
        form = "have the form TABLE.KEY=VALUE with TABLE one of " + ", ".join(SECTIONS)
        raise must("--set", form, change, nearest(section, SECTIONS).strip() if section not in SECTIONS else "")
    _put(values, section, name, _value(text.strip()) if text.strip() else None)
    return f"{section}.{name}"


def _put(values: dict[str, Any], section: str, name: str, value: Any) -> None:
    table = values.setdefault(section, {})
    if not isinstance(table, dict):
        raise must(f"[{section}]", "be a table", table)
    if value is None:
        table.pop(name, None)
    else:
        table[name] = value
    if name in ("kind", "schedule"):
        _drop_foreign(section, table)


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text


def _drop_foreign(section: str, table: dict[str, Any]) -> None:
    """Drop what the new kind or schedule does not have; a typo, which no member has, stays and is refused later."""
    if section == "scenario":
        scenario = _member(scenarios(), table.get("kind", "unconstrained"))
        if not scenario:
            return
        mine = set(scenario.model_fields)
        every = {key for member in scenarios().values() for key in member.model_fields}
    elif section == "method":
        method = _member(methods(), table.get("kind", "descent"))
        schedule = _member(schedules(), table.get("schedule", "constant"))
        if not method or not schedule:
            return
        mine = {*method.own_keys(), *schedule.model_fields}
        every = {key for member in methods().values() for key in member.own_keys()}
        every |= {key for member in schedules().values() for key in member.model_fields}
        _convert_length(table, method)
    else:
        return
    for key in (every - mine) & set(table):
        del table[key]


def _member(family: dict[str, Any], kind: Any) -> Any:
    """Return a member, or None for a kind that is unknown, or no name at all: it is refused later."""
    return family.get(kind) if isinstance(kind, str) else None


def _convert_length(table: dict[str, Any], method: type[Method]) -> None:
    for other in methods().values():
        if other.length != method.length and other.length in table and method.length not in table:
            value = table[other.length]
            whole = isinstance(value, float) and math.isfinite(value) and method.length == "steps"
            table[method.length] = round(value) if whole else value
