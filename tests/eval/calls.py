"""A tool call as an episode describes it: what it groups by, what it filters, which days it was about."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from tests.eval.days import Span
from tests.eval.observed import Called

# Arguments that narrow by themselves, beside the list of filters.
_NARROWING = (
    "provider",
    "service_category",
    "cost_type",
    "model",
    "category",
    "hierarchy_entity_id",
    "status",
    "severity",
)
_LISTS = ("filters", "shared")
_GROUPS = ("group_by", "dimension", "over")


def groups_of(call: Called) -> list[str]:
    """What the call divides by."""
    for name in _GROUPS:
        if value := call.arguments.get(name):
            return [str(each) for each in value] if isinstance(value, list) else [str(value)]
    return []


def filters_of(call: Called) -> dict[str, str]:
    """The conditions of the call: dimension to values, a negated one with ``not`` before it."""
    found = {name: str(call.arguments[name]) for name in _NARROWING if call.arguments.get(name) is not None}
    for each in _conditions(call.arguments):
        name, op = str(each.get("dimension")), str(each.get("op", "in"))
        values = each.get("values") or each.get("value") or ()
        joined = ", ".join(map(str, values)) if isinstance(values, list | tuple) else str(values)
        said = joined if op in ("in", "=", "contains", "equals") else f"{op.replace('_', ' ')} {joined}".strip()
        found[name] = f"{found[name]}, {said}" if name in found else said
    return found


def _conditions(arguments: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for name in _LISTS:
        given = arguments.get(name) or ()
        if isinstance(given, str):
            given = json.loads(given) if given.startswith("[") else ()
        yield from (each for each in given if isinstance(each, Mapping))


def spans_of(call: Called) -> list[Span]:
    """The days that the call says it was about, from its result, else from its arguments."""
    read = [_span(call.summary.get(name)) for name in ("period", "current", "previous")]
    if found := [each for each in read if each]:
        return found
    if as_of := call.summary.get("as_of") or call.arguments.get("as_of"):
        day = date.fromisoformat(str(as_of)[:10])
        return [Span(day.replace(day=1), day)]
    if "start_date" in call.arguments:
        last = call.arguments.get("end_date") or call.arguments["start_date"]
        return [Span(date.fromisoformat(call.arguments["start_date"]), date.fromisoformat(last))]
    return []


def _span(given: Any) -> Span | None:
    if isinstance(given, Mapping) and given.get("start_date"):
        return Span(
            date.fromisoformat(given["start_date"]), date.fromisoformat(given.get("end_date") or given["start_date"])
        )
    if isinstance(given, str) and (days := re.fullmatch(r"(\d{4}-\d\d-\d\d)\.\.(\d{4}-\d\d-\d\d)", given)):
        return Span(date.fromisoformat(days[1]), date.fromisoformat(days[2]))
    return None


def same_days(one: Span, other: Span, today: date) -> bool:
    """Return true if two spans are of the same days; of one under way, what is still to come does not count."""
    last = (min(each.last, today) if each.first <= today else each.last for each in (one, other))
    return one.first == other.first and len(set(last)) == 1
