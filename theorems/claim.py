"""The base of the catalogue: a falsifiable sentence, its hypotheses, its check, and the number that would break it."""

import importlib
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from dynamics.errors import unknown
from dynamics.families import bindings
from theorems.verdict import Evidence, Strength, Verdict

REFERENCES = "references"  # what the id of another paper's result begins with
FAMILIES = {"": "theorems.claims", REFERENCES + ".": "theorems.references"}  # by what their ids begin with
Case = Any  # what a check is given: numbers, symbols, or a whole random problem; each file chooses
FORMS = ("printed", "corrected", "new")


@dataclass(frozen=True)
class Hypothesis:
    """A decidable condition of a claim.

    ``holds(case)`` is True, False, or None where it cannot be decided (the claim is then INCONCLUSIVE).
    ``broken(rng)`` makes a case that violates it, on which the claim is run too: its verdict there is INAPPLICABLE, and
    the report notes whether the conclusion survives. Only the hypotheses of a claim that must be REFUTED may lack it.
    """

    sentence: str
    holds: Callable[[Case], bool | None]
    broken: Callable[[np.random.Generator], Case] | None = None


@dataclass(frozen=True)
class Change:
    """One number of a formula: what it is, its value as stated, and the value it is moved ``to``."""

    what: str
    to: float
    stated: float = 1.0


REVERSED = -1.0  # a sign, or the direction of an inequality
MOVED = 1.001  # a number that is 0.1 % off


def _once(rng: np.random.Generator, x: float) -> Iterable[Case]:
    return (None,)


@dataclass(frozen=True)
class Claim:
    r"""One falsifiable sentence.

    ``id`` is the file's name, a dot, and the aspect; a result of another paper has ``references.`` before it.
    ``sentence`` is plain text, ``formula`` its mathematics in LaTeX; ``source`` is the place in the paper and ``page``
    its page (0: not in the paper), or the other paper. ``reference`` says in half a line what the sentence is judged
    against: something that does not share the formula under test.

    ``check(case, x)`` returns the evidence for one case; ``cases(rng, x)`` yields the cases that together decide the
    sentence, the simplest first. ``x`` is the number that is moved; it has its ``stated`` value in the claim itself.

    * A claim that must be SUPPORTED names its ``lever``: one number of the formula which, moved by 0.1 % (signs and
      inequalities: reversed), must make it REFUTED. So the check can fail.
    * A claim that must be REFUTED names its ``repair``: the change that makes it SUPPORTED; or says in ``no_repair``
      why there is none. So it is refuted for the reason given, and for nothing else.

    ``picture(figure)`` draws what says more than words on a Matplotlib figure, if anything does.

    Raises:
        ValueError: a claim without what its expectation asks for.
    """

    id: str
    sentence: str
    formula: str
    source: str
    form: str
    expected: Verdict
    strength: Strength
    reference: str
    check: Callable[[Case, float], Evidence]
    page: int = 0
    cases: Callable[[np.random.Generator, float], Iterable[Case]] = _once
    lever: Change | None = None
    repair: Change | None = None
    no_repair: str = ""
    hypotheses: tuple[Hypothesis, ...] = ()
    picture: Callable[[Any], None] | None = None

    def __post_init__(self) -> None:
        """Refuse a claim that could not be tested."""
        supported = self.expected is Verdict.SUPPORTED
        if self.form not in FORMS:
            raise ValueError(f"{self.id}: form must be one of {FORMS}, but is {self.form!r}.")
        if supported and (self.lever is None or self.repair or self.no_repair):
            raise ValueError(f"{self.id}: a claim expected SUPPORTED must have a lever, and no repair.")
        if not supported and (self.lever or bool(self.repair) == bool(self.no_repair)):
            raise ValueError(f"{self.id}: a claim expected REFUTED must have a repair or no_repair, and no lever.")
        if supported and not all(one.broken for one in self.hypotheses):
            raise ValueError(f"{self.id}: every hypothesis of a claim expected SUPPORTED must be breakable.")

    @property
    def elsewhere(self) -> bool:
        """Whether it is a result of another paper."""
        return self.id.startswith(REFERENCES + ".")

    @property
    def result(self) -> str:
        """The result it belongs to: the id up to the aspect."""
        return ".".join(self.id.split(".")[: 2 if self.elsewhere else 1])

    @property
    def origin(self) -> str:
        """Where it is from."""
        return self.source if self.page or self.elsewhere else "not in the paper"

    @property
    def change(self) -> Change | None:
        """The lever or the repair."""
        return self.lever or self.repair

    @property
    def stated(self) -> float:
        """The moved number's value in the claim as it stands."""
        return self.change.stated if self.change else 1.0


@cache
def results() -> dict[str, ModuleType]:
    """Return the files of claims by the result that each is about.

    Those of the paper in its order, then what is new, then the results of other papers. A file's name is its result in
    lower case with underscores: `random_start.py` holds random-start.

    Raises:
        TypeError: a file that does not bind CLAIMS to claims of its own result.
    """
    found = {}
    for prefix, family in FAMILIES.items():
        for name, claims in bindings(family, "CLAIMS").items():
            names = {one.result for one in claims or () if isinstance(one, Claim)}
            if len(names) != 1 or {one.lower().replace("-", "_") for one in names} != {prefix + name}:
                raise TypeError(
                    f"{family}.{name} must bind CLAIMS to claims whose ids begin with its name, not {names}."
                )
            found[names.pop()] = importlib.import_module(f"{family}.{name}")
    return dict(sorted(found.items(), key=_place))


@cache
def catalogue() -> dict[str, Claim]:
    """Return every claim by id, in the order of `results`.

    Raises:
        TypeError: two claims with one id.
    """
    claims = [claim for module in results().values() for claim in module.CLAIMS]
    found = {claim.id: claim for claim in claims}
    if len(found) != len(claims):
        raise TypeError("Two claims must not share an id.")
    return found


def choose_claims(ids: Iterable[str]) -> list[Claim]:
    """Return the claims of exact ids or prefixes up to a dot, in the catalogue's order.

    No id means all of the paper; "references" means all results of other papers.

    Raises:
        InputError: an id that is none.
    """
    claims, names = catalogue(), list(ids)
    wanted = {one for one, claim in claims.items() if not names and not claim.elsewhere}
    for name in names:
        found = {one for one in claims if one == name or one.startswith(name + ".")}
        if not found:
            siblings = [one for one in claims if one.partition(".")[0] == name.partition(".")[0]]
            raise unknown("the claim", name, siblings or [*results(), REFERENCES])
        wanted |= found
    return [claim for one, claim in claims.items() if one in wanted]


def _place(item: tuple[str, ModuleType]) -> tuple[bool, float, str]:
    claims = item[1].CLAIMS
    pages = [claim.page for claim in claims if claim.page]
    return (claims[0].elsewhere, min(pages, default=math.inf), item[0])
