"""The one exception for everything a user can get wrong."""

import difflib
from collections.abc import Iterable

LONGEST = 200  # characters of a value that are shown: enough for most paths


class InputError(ValueError):
    """Input that cannot be used; its text is the whole message: "X must ..., but is V", then the cure."""


def must(subject: str, relation: str, value: object, cure: str = "") -> InputError:
    """Return the error "SUBJECT must RELATION, but is VALUE. CURE"."""
    shown = repr(value)
    shown = shown if len(shown) <= LONGEST else shown[: LONGEST - 3] + "..."
    return InputError(f"{subject} must {relation}, but is {shown}. {cure}".rstrip())


def nearest(word: object, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the closest known word, or an empty string."""
    close = difflib.get_close_matches(word, list(known), n=1) if isinstance(word, str) else []
    return f" Did you mean {close[0]!r}?" if close else ""


def unknown(subject: str, value: object, known: Iterable[str]) -> InputError:
    """Return the error for a name outside a list, with the list and the nearest entry."""
    names = sorted(known)
    return must(subject, "be one of " + ", ".join(names), value, nearest(value, names).strip())


def chosen(subject: str, names: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """Return names, each once.

    Raises:
        InputError: no list, or a name in it that is not in the list of what is known.
    """
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise must(subject, "be named in a list", names)
    found, known = tuple(names), tuple(known)
    for name in found:
        if name not in known:
            raise unknown(subject, name, known)
    return tuple(dict.fromkeys(found))
