"""Filters: what a question is narrowed to, as conditions of fixed text over bound values.

Text compares without case. ``in`` and ``not_in`` understand the names that people use for services and providers. A
filter on ``entity`` takes what is at and below that place of the hierarchy.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from string import Template
from typing import Any, Literal, cast, get_args

from common.cost_query.dimensions import BoundDimension, bind_dimension
from common.focus.calendar import FiscalCalendar
from common.focus.dimensions import PATH_SEPARATOR, TimeBasis, on_basis
from common.focus.providers import provider_names
from common.focus.services import service_names
from common.tools.result import ToolError
from common.warehouse.query import Parameter

Op = Literal["in", "not_in", "contains", "is_null", "not_null"]
OPS: tuple[Op, ...] = get_args(Op)
MAX_FILTERS = 10
MAX_VALUES = 50
MAX_VALUE_CHARS = 500

_CONTAINS = Template("EXISTS(SELECT 1 FROM UNNEST(@$values) AS part WHERE STRPOS($text, part) > 0)")
# The names and the ids of the hierarchy from its top to the place of a row.
_ABOVE = Template("""EXISTS(
      SELECT 1
      FROM UNNEST(ARRAY_CONCAT(
        SPLIT(COALESCE(x_hierarchy_path_names, ''), '$separator'), SPLIT(COALESCE(x_hierarchy_path, ''), '/')
      )) AS step
      WHERE step != '' AND $condition
    )""")
_PROVIDERS = frozenset({"provider", "publisher", "host_provider", "invoice_issuer"})
_PATHS = frozenset({"entity"})
_WEEKEND = ("saturday", "sunday")
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday")


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition on one dimension: ``values`` as they were asked for, ``also`` the names they were read as."""

    dimension: BoundDimension
    op: Op
    values: tuple[str, ...]
    prefix: str
    also: tuple[str, ...] = ()

    @property
    def takes_values(self) -> bool:
        return self.op in ("in", "not_in", "contains")

    def where(self, basis: TimeBasis = "charge") -> str:
        """The condition: TRUE or FALSE for every row, never NULL."""
        match self.op:
            case "in" | "contains":
                return self.matches(basis)
            case "not_in":
                return f"NOT {self.matches(basis)}"
            case "is_null":
                return f"({on_basis(self.dimension.value, basis)}) IS NULL"
            case "not_null":
                return f"({on_basis(self.dimension.value, basis)}) IS NOT NULL"

    def matches(self, basis: TimeBasis = "charge") -> str:
        """The condition that one of the values is met, whether such rows are taken or left out."""
        if self.dimension.name in _PATHS:
            return f"({self._in_path()})"
        texts = [self.dimension.expression, *self.dimension.dimension.matches]
        met = [self._compare(on_basis(text, basis)) for text in texts]
        return f"({' OR '.join(met)})"

    def holds(self, basis: TimeBasis = "charge") -> str:
        """The condition that one of the values is a part of what is shown."""
        shown = f"LOWER(COALESCE(CAST({on_basis(self.dimension.expression, basis)} AS STRING), ''))"
        return _CONTAINS.substitute(values=self.prefix, text=shown)

    def parameters(self) -> dict[str, Parameter]:
        """The values that the condition binds."""
        bound = self.dimension.parameters()
        if self.takes_values:
            names = {name for value in self.values for name in self.names(value)}
            bound[self.prefix] = Parameter("STRING", tuple(sorted(names | {value.lower() for value in self.also})))
        return bound

    def names(self, value: str) -> tuple[str, ...]:
        """The lower-case texts that a value stands for."""
        plain = value.strip().lower()
        if self.op == "contains":
            return (plain,)
        match self.dimension.name:
            case "service":
                return tuple(name.strip() for name in service_names(plain))
            case "weekday":
                return {"weekend": _WEEKEND, "weekends": _WEEKEND, "weekdays": _WEEKDAYS}.get(plain, (plain,))
            case name if name in _PROVIDERS:
                return tuple(each.strip() for each in provider_names(plain))
        return (plain,)

    def describe(self) -> str:
        """The condition in words."""
        values = ", ".join(self.values)
        words = {"in": values, "not_in": f"not {values}", "contains": f"contains {values}"}
        return words.get(self.op, "none" if self.op == "is_null" else "any")

    def as_dict(self) -> dict[str, Any]:
        told: dict[str, Any] = {"dimension": self.dimension.name, "op": self.op}
        return told | {"values": list(self.values)} if self.takes_values else told

    def _compare(self, text: str) -> str:
        plain = f"LOWER(COALESCE(CAST({text} AS STRING), ''))"
        if self.op == "contains":
            return _CONTAINS.substitute(values=self.prefix, text=plain)
        return f"{plain} IN UNNEST(@{self.prefix})"

    def _in_path(self) -> str:
        name = self._compare(self.dimension.expression)
        above = _ABOVE.substitute(separator=PATH_SEPARATOR, condition=self._compare("step"))
        return f"{name} OR {above}"


@dataclass(frozen=True, slots=True)
class Filters:
    """All conditions of a question; a row has to meet every one of them."""

    all: tuple[Filter, ...] = ()

    @classmethod
    def parse(
        cls, given: Iterable[Mapping[str, Any]] = (), calendar: FiscalCalendar | None = None, prefix: str = "f"
    ) -> "Filters":
        """Read filters as a tool takes them: {dimension, op, values}. Raises ToolError that says what is possible."""
        entries = list(given)
        if len(entries) > MAX_FILTERS:
            raise ToolError("invalid_filter", f"Give at most {MAX_FILTERS} filters.")
        known = calendar or FiscalCalendar()
        made = (_read(entry, f"{prefix}{number}", known) for number, entry in enumerate(entries))
        return cls(tuple(made))

    def where(self, basis: TimeBasis = "charge") -> str:
        """The conditions joined by AND; TRUE where there are none."""
        return "\n    AND ".join(each.where(basis) for each in self.all) or "TRUE"

    def parameters(self) -> dict[str, Parameter]:
        """The values that the conditions bind."""
        return {name: parameter for each in self.all for name, parameter in each.parameters().items()}

    def as_dict(self) -> dict[str, str]:
        """The filters in words, by their dimension."""
        told = dict[str, str]()
        for each in self.all:
            name = each.dimension.name
            told[name] = f"{told[name]} and {each.describe()}" if name in told else each.describe()
        return told

    def as_list(self) -> list[dict[str, Any]]:
        """The filters as a summary shows them."""
        return [each.as_dict() for each in self.all]

    def __bool__(self) -> bool:
        return bool(self.all)


def _read(entry: Mapping[str, Any], prefix: str, calendar: FiscalCalendar) -> Filter:
    dimension = bind_dimension(str(entry.get("dimension", "")), prefix, calendar)
    given = entry.get("op") or "in"
    if given not in OPS:
        raise ToolError("invalid_filter", f"op of the filter on {dimension.name} must be one of: {', '.join(OPS)}.")
    op = cast(Op, given)
    values = _read_values(entry.get("values") or ())
    if op in ("in", "not_in") and values and all(value is None for value in values):
        op = "is_null" if op == "in" else "not_null"
    if op in ("is_null", "not_null"):
        return Filter(dimension, op, (), prefix)
    texts = tuple(value for value in values if value is not None)
    if not texts or len(texts) < len(values):
        raise ToolError(
            "invalid_filter",
            f"The filter on {dimension.name} needs values, each a text. Use op is_null for what has none.",
        )
    return Filter(dimension, op, texts, prefix)


def _read_values(given: Any) -> tuple[str | None, ...]:
    values: Sequence[Any] = given if isinstance(given, list | tuple) else (given,)
    if len(values) > MAX_VALUES:
        raise ToolError("invalid_filter", f"A filter takes at most {MAX_VALUES} values.")
    texts = tuple(None if value is None else str(value) for value in values)
    for text in texts:
        if text is not None and (not text.strip() or len(text) > MAX_VALUE_CHARS):
            raise ToolError("invalid_filter", f"A filter's value is a text of 1 to {MAX_VALUE_CHARS} characters.")
    return texts
