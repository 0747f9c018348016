"""The bodies that callers send: a field in another spelling is named, and problems are said in the product's words."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails

_MOST_PROBLEMS = 8
_SHOWN_NAME_CHARS = 64
_JOINERS = "\u200c\u200d"
# The sentence for each kind of problem; one that is not here is "not valid". The braces take the bounds of the field.
_SENTENCES = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "json_invalid": "is not JSON",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "dict_type": "must be an object",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "string_type": "must be a text",
    "string_unicode": "must be a text of whole characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must have at least {min_length} characters",
    "string_pattern_mismatch": "has characters that are not allowed, or is too long",
    "too_long": "must have at most {max_length} entries",
    "too_short": "must have at least {min_length} entries",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "is too large",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "decimal_type": "must be a number",
    "decimal_parsing": "must be a number",
    "decimal_max_digits": "must have at most {max_digits} digits",
    "decimal_max_places": "must have at most {decimal_places} decimal places",
    "decimal_whole_digits": "must have at most {whole_digits} digits before the point",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "date_type": "must be a date, such as 2026-01-31",
    "date_parsing": "must be a date, such as 2026-01-31",
    "date_from_datetime_parsing": "must be a date, such as 2026-01-31",
    "date_from_datetime_inexact": "must be a date without a time",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
}
_OF_JSON = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*|\d+")
# The library names the branch of a union that it tried; a caller has no such field.
_BRANCHES = frozenset({"str", "int", "float", "bool", "dict", "list", "none", "tuple", "decimal", "date", "datetime"})


class Body(BaseModel):
    """The body of a request. Fields that it does not know are ignored, unless they are its own in another spelling."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _spells_its_fields(cls, given: Any) -> Any:
        if isinstance(given, dict) and (wrong := misspelled(given, field_names(cls))):
            raise ValueError(wrong)
        return given


def printable(text: str) -> str:
    """Return a name as it was given. Raises ValueError for control characters, and for spaces at its ends.

    Spaces that break no line, which programs put into the names of files, and joiners, without which words of some
    scripts are misspelled, are no control characters.
    """
    seen = "".join(" " if unicodedata.category(sign) == "Zs" else sign for sign in text if sign not in _JOINERS)
    if not seen.strip() or not seen.isprintable() or text != text.strip():
        raise ValueError("write a name without control characters, and without spaces at its ends")
    return text


def field_names(model: type[BaseModel]) -> frozenset[str]:
    """The names by which a body may give the fields of a model."""
    names = set(model.model_fields)
    for field in model.model_fields.values():
        alias = field.validation_alias
        names |= {each for each in alias.choices if isinstance(each, str)} if isinstance(alias, AliasChoices) else set()
        names |= {alias} if isinstance(alias, str) else set()
    return frozenset(names)


def misspelled(given: Iterable[str], known: Iterable[str]) -> str:
    """Say how a known field is written that was given in another spelling; empty where there is none."""
    names = set(known)
    written = {_plain(name): name for name in sorted(names, reverse=True)}
    wrong = [name for name in given if name not in names and _plain(name) in written]
    told = [f"write {written[_plain(name)]}, not {name[:_SHOWN_NAME_CHARS]}" for name in wrong[:_MOST_PROBLEMS]]
    return "; ".join(told)


def problems(error: ValidationError, of: str = "The body") -> str:
    """The problems of a body, a sentence each, in the product's words and without what was sent."""
    found = error.errors(include_url=False, include_input=False)
    return " ".join(dict.fromkeys(_sentence(problem, of) for problem in found[:_MOST_PROBLEMS]))


def _sentence(problem: ErrorDetails, of: str) -> str:
    name, whole = _name(problem["loc"])
    said = _said(problem) if whole else "is not valid"
    if name:
        return f"{name}: {said}."
    return f"{said[0].upper()}{said[1:]}." if problem["type"] == "value_error" else f"{of} {said}."


def _said(problem: ErrorDetails) -> str:
    context = problem.get("ctx", {})
    if problem["type"] in ("value_error", "assertion_error"):
        return str(context.get("error", "")) or "is not valid"
    if context.get("min_length") == 1:
        return "must not be empty"
    return _SENTENCES.get(problem["type"], "is not valid").format_map(context)


def _name(place: Iterable[int | str]) -> tuple[str, bool]:
    """The field as a caller wrote it, and whether that is the whole place that the library names."""
    parts = list(_fields(place))
    return ".".join(parts), len(parts) == len(tuple(place))


def _fields(place: Iterable[int | str]) -> Iterator[str]:
    for part in place:
        text = str(part)[:_SHOWN_NAME_CHARS]
        if _OF_JSON.fullmatch(text) is None or text in _BRANCHES:
            return
        yield text


def _plain(name: str) -> str:
    """The letters and digits of a name, whatever their case and what stands between them."""
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", name).casefold())
