"""Dimensions as a question names them: found by name, with the values that their expressions bind."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from common.focus.calendar import FiscalCalendar
from common.focus.dimensions import DIMENSIONS, MAX_LEVELS, Dimension, TimeBasis, find_dimension, level_dimension
from common.focus.dimensions import on_basis as _on_basis
from common.tools.result import ToolError
from common.warehouse.query import Parameter

_TAG, _LEVEL = "tag:", "level:"
_MAX_TAG_CHARS = 128
# A quote or a backslash would end the key within the path that it is bound as.
_NOT_IN_KEYS = re.compile(r'["\\\x00-\x1f\x7f]')
_LEVELS = {"department": 1, "project": 2}
UNTAGGED = "untagged"


@dataclass(frozen=True, slots=True)
class BoundDimension:
    """A dimension in one query: its name in the answer, its expressions, and the values that they bind."""

    name: str
    dimension: Dimension
    bound: tuple[tuple[str, Parameter], ...] = ()

    @property
    def expression(self) -> str:
        """The value that a row counts under: never NULL where rows can be without one."""
        return self.dimension.expression

    @property
    def value(self) -> str:
        """The value of a row, NULL where it has none."""
        return self.dimension.value

    @property
    def is_time(self) -> bool:
        return self.dimension.kind == "time"

    def parameters(self) -> dict[str, Parameter]:
        return dict(self.bound)

    def on_basis(self, basis: TimeBasis) -> str:
        """The expression over the time that the basis counts by."""
        return _on_basis(self.expression, basis)


def bind_dimension(name: str, prefix: str, calendar: FiscalCalendar) -> BoundDimension:
    """Find a dimension; its own parameters begin with ``prefix``. Raises ToolError("unknown_dimension")."""
    text = name.strip()
    if text.casefold().startswith(_TAG):
        return _tag(text[len(_TAG) :].strip(), prefix)
    if text.casefold().startswith(_LEVEL):
        return _level(text[len(_LEVEL) :].strip())
    if text.casefold() == "department":
        return BoundDimension("department", level_dimension(1))
    found = find_dimension(text)
    if found is None:
        raise _unknown(name)
    fiscal = "@fiscal_shift" in found.value
    bound = (("fiscal_shift", Parameter("INT64", calendar.shift)),) if fiscal else ()
    return BoundDimension(found.name, found, bound)


def bind_dimensions(names: Sequence[str], prefix: str, calendar: FiscalCalendar) -> tuple[BoundDimension, ...]:
    """Find several dimensions, each once. Raises ToolError for one that there is not, or that comes twice."""
    found = tuple(bind_dimension(name, f"{prefix}{number}", calendar) for number, name in enumerate(names))
    for index, each in enumerate(found):
        if each.name in {other.name for other in found[:index]}:
            raise ToolError("invalid_arguments", f"group_by names {each.name} twice. Name each dimension once.")
    return found


def all_parameters(bound: Iterable[BoundDimension]) -> dict[str, Parameter]:
    """The parameters of several dimensions together."""
    return {name: parameter for each in bound for name, parameter in each.bound}


def dimension_names() -> tuple[str, ...]:
    """The names of all dimensions, with the forms of those that take a key."""
    return (*DIMENSIONS, "department", "level:<1-9>", "tag:<key>")


def _tag(key: str, prefix: str) -> BoundDimension:
    if not key or len(key) > _MAX_TAG_CHARS or _NOT_IN_KEYS.search(key):
        raise ToolError(
            "invalid_tag",
            f"A tag key has 1 to {_MAX_TAG_CHARS} characters, no quote and no backslash: tag:environment. "
            "list_values with dimension=tag names the keys there are.",
        )
    whole, nested = f'$."{key}"', ".".join(["$", *(f'"{part}"' for part in key.split("."))])
    # A key with dots is itself, or else the way into a nested tag; a value that is no text is shown as its JSON.
    texts = (f"JSON_VALUE(Tags, @{prefix}_key)", f"JSON_VALUE(Tags, @{prefix}_path)")
    value = f"COALESCE({', '.join(texts)}, TO_JSON_STRING(JSON_QUERY(Tags, @{prefix}_key)))"
    bound = (
        (f"{prefix}_key", Parameter("STRING", whole)),
        (f"{prefix}_path", Parameter("STRING", nested)),
    )
    return BoundDimension(f"tag:{key}", Dimension(f"tag:{key}", f"NULLIF({value}, 'null')", UNTAGGED), bound)


def _level(text: str) -> BoundDimension:
    level = _LEVELS.get(text.casefold()) or (int(text) if text.isascii() and text.isdigit() and len(text) == 1 else 0)
    if not 1 <= level <= MAX_LEVELS:
        raise ToolError(
            "unknown_dimension", f"A level of the hierarchy is level:1 (the top) to level:{MAX_LEVELS}, or department."
        )
    return BoundDimension(f"level:{level}", level_dimension(level))


def _unknown(name: str) -> ToolError:
    return ToolError(
        "unknown_dimension", f"There is no dimension {name[:60]!r}. Use one of: {', '.join(dimension_names())}."
    )
