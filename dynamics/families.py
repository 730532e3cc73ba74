"""Families of interchangeable members: one file each, found by name, listed nowhere."""

import importlib
import pkgutil
from functools import cache
from typing import Any, TypeVar

from dynamics.errors import unknown

Base = TypeVar("Base")


@cache
def members(package: str, base: type[Base]) -> dict[str, type[Base]]:
    """Return every member of a family, keyed by kind.

    A member file binds its class to the name ``MEMBER``. The class derives from ``base`` and its
    ``kind`` is the name of its file, with hyphens.

    Raises:
        TypeError: a file of the folder breaks one of these rules.
    """
    found = {}
    for name, member in bindings(package, "MEMBER").items():
        if not (isinstance(member, type) and issubclass(member, base)):
            raise TypeError(f"{package}.{name} must bind MEMBER to a {base.__name__}, but binds {member!r}.")
        kind = name.replace("_", "-")
        if getattr(member, "kind", None) != kind:
            raise TypeError(f"{package}.{name}.MEMBER.kind must be {kind!r}, the name of its file.")
        found[kind] = member
    return found


def bindings(package: str, name: str) -> dict[str, Any]:
    """Return what every file of a folder binds to ``name`` (None where it binds nothing), by the file's name."""
    files = [info.name for info in pkgutil.iter_modules(importlib.import_module(package).__path__)]
    return {file: getattr(importlib.import_module(f"{package}.{file}"), name, None) for file in files}


def choose(package: str, base: type[Base], subject: str, kind: str) -> type[Base]:
    """Return one member by kind; an unknown kind is answered with the list and the nearest."""
    family = members(package, base)
    if not isinstance(kind, str) or kind not in family:
        raise unknown(subject, kind, family)
    return family[kind]
