"""The base of everything that is read from TOML, and pydantic's complaints in our own grammar."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from dynamics.errors import InputError, must, nearest

# What a value must do, by pydantic's name of the complaint; {} are its own context values.
RELATIONS = {
    "greater_than": "be > {gt:g}",
    "greater_than_equal": "be >= {ge:g}",
    "less_than": "be < {lt:g}",
    "less_than_equal": "be <= {le:g}",
    "finite_number": "be a finite number",
    "float_type": "be a number",
    "int_type": "be a whole number",
    "int_from_float": "be a whole number",
    "bool_type": "be true or false",
    "string_type": "be a string",
    "string_too_short": "not be empty",
    "literal_error": "be one of {expected}",
}


class Table(BaseModel):
    """A frozen, strict TOML table: unknown keys, wrong types, NaN and infinity are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @classmethod
    def parse(cls, name: str, values: dict[str, Any]) -> Self:
        """Validate a table; ``name`` is how messages refer to it.

        Raises:
            InputError: the first thing that is wrong, with its cure.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            raise translate(name, error.errors()[0], list(cls.model_fields)) from None


def translate(table: str, problem: Any, known: list[str]) -> InputError:
    """Turn one pydantic complaint into "X must ..., but is V"."""
    key = ".".join(str(part) for part in problem["loc"])
    subject = f"{table}.{key}" if key else table
    if problem["type"] == "extra_forbidden":
        listing = ", ".join(known) or "none"
        return InputError(f"{subject} must be a key of [{table}], but is not.{nearest(key, known)} Keys: {listing}.")
    if problem["type"] == "value_error" and isinstance(problem["ctx"]["error"], InputError):
        return problem["ctx"]["error"]
    if problem["type"] == "missing":
        return InputError(f"{subject} must be given, but is missing: it has no default.")
    if problem["type"] not in RELATIONS:
        return must(subject, "be valid (" + problem["msg"] + ")", problem["input"])
    return must(subject, RELATIONS[problem["type"]].format(**problem.get("ctx", {})), problem["input"])
