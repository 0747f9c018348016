"""Texts that the cost tools can send: each dimension, metric and filter by itself, and a sample of several together."""

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from types import MappingProxyType

from common.cost_query.dimensions import BoundDimension, all_parameters, bind_dimension, bind_dimensions
from common.cost_query.filters import OPS, Filters
from common.cost_query.values import tag_keys_text, values_text
from common.focus.calendar import FiscalCalendar
from common.focus.dimensions import DIMENSIONS
from common.focus.metrics import METRICS
from common.skills.costs import changes_sql, sql
from common.skills.costs.bounds import NO_BOUNDS, AmountBounds, ChangeBounds
from common.skills.costs.shape import read_shape
from common.skills.inventory.sql import STATUS
from common.warehouse.query import Parameter

CALENDAR = FiscalCalendar(4)
NAMES = (*DIMENSIONS, "department", "level:2", "tag:environment", "tag:a b.c/d:e-é")
COSTS = tuple(name for name, metric in METRICS.items() if metric.kind == "money")
BOUNDS = (AmountBounds(Decimal(5)), AmountBounds(None, Decimal("0.5")), AmountBounds(Decimal(-1), Decimal(1)))
MOVED = ChangeBounds(Decimal(5), Decimal(20), "up")
# One dimension of each kind.
_EACH_KIND = frozenset(
    {"service", "sub_account", "cost_type", "entity", "day", "weekday", "fiscal_quarter", "tag:environment"}
)
_VALUES = {"in": ["AWS", "Amazon EC2"], "not_in": ["Tax"], "contains": ["a"]}
_INSTANTS = {"start": "TIMESTAMP", "end_exclusive": "TIMESTAMP", "data_start": "TIMESTAMP", "data_end": "TIMESTAMP"}
_PAIR = {f"{which}_{end}": "TIMESTAMP" for which in ("current", "previous") for end in ("start", "end_exclusive")}

Text = tuple[str, str, dict[str, str]]


def kind_of(parameter: Parameter) -> str:
    """The GoogleSQL type of a bound value."""
    return f"ARRAY<{parameter.type}>" if isinstance(parameter.value, tuple) else parameter.type


def filters_of(*pairs: tuple[str, str]) -> Filters:
    """Filters on these dimensions by these operations."""
    return Filters.parse([{"dimension": name, "op": op, "values": _VALUES.get(op, [])} for name, op in pairs], CALENDAR)


def _types(text: str, *bound: Mapping[str, Parameter], more: Mapping[str, str]) -> dict[str, str]:
    known = {name: kind_of(each) for parameters in bound for name, each in parameters.items()} | dict(more)
    return {name: kind for name, kind in known.items() if f"@{name}" in text}


def costs_text(
    groups: tuple[str, ...],
    metrics: tuple[str, ...],
    filters: Filters,
    basis: str,
    order_by: str | None = None,
    bounds: AmountBounds = NO_BOUNDS,
) -> Text:
    """What query_costs sends for these arguments."""
    shape = read_shape(
        bind_dimensions(groups, "g", CALENDAR), metrics, order_by, "billing" if basis == "billing" else "charge", bounds
    )
    text = sql.costs(shape, filters)
    bound = (all_parameters(shape.groups), filters.parameters(), bounds.parameters())
    types = _types(text, *bound, more={**_INSTANTS, "limit": "INT64"})
    names = [each.dimension.name + " " + each.op for each in filters.all]
    return f"costs of {metrics} by {groups} where {names} on {basis}, {order_by}, {bounds}", text, types


def every_single() -> Iterator[Text]:
    """Each dimension, metric and operation by itself."""
    for name, basis in product(NAMES, ("charge", "billing")):
        yield costs_text((name,), ("BilledCost",), Filters(), basis)
    for metric in METRICS:
        yield costs_text(("provider", "service"), (metric,), Filters(), "charge")
    for bounds, name in product(BOUNDS, ("day", "service")):
        yield costs_text((name,), ("EffectiveCost", "ConsumedQuantity"), Filters(), "charge", None, bounds)
    for name in NAMES:
        yield costs_text((), ("BilledCost", "LineItems"), filters_of(*((name, op) for op in OPS)), "charge")
        yield from _of_other_tools(name)
    for search, filters in product((False, True), (Filters(), filters_of(("service", "in"), ("tag:env", "is_null")))):
        text, name = tag_keys_text(filters, search=search), f"tag keys, searched {search}, of {filters.as_dict()}"
        yield name, text, _types(text, filters.parameters(), more=_VALUE_TYPES)
    yield "status", STATUS, {"end_exclusive": "TIMESTAMP", "recent_day": "DATE"}


_VALUE_TYPES = {**_INSTANTS, "searches": "ARRAY<STRING>", "names": "ARRAY<STRING>", "max_rows": "INT64"}


def _of_other_tools(name: str) -> Iterator[Text]:
    dimension = bind_dimension(name, "g0", CALENDAR)
    bound = dimension.parameters()
    metric = METRICS["EffectiveCost"]
    filters = filters_of((name, "in"), ("provider", "not_in"))
    groups = bind_dimensions([name], "g", CALENDAR)
    texts = {
        "breakdown": sql.breakdown(dimension, metric, filters),
        "changes": changes_sql.changes(groups, metric, filters),
        "changes within bounds": changes_sql.changes(groups, metric, filters, MOVED),
        "values": values_text(dimension, filters, search=True),
    }
    if name in _EACH_KIND:
        texts |= {
            "drivers": changes_sql.drivers(groups, metric, filters),
            "breakdown of list cost": sql.breakdown(dimension, METRICS["ListCost"], filters),
            "values unsearched": values_text(dimension, filters, search=False),
            "available": sql.available(filters),
        }
    for label, text in texts.items():
        more = {**_INSTANTS, **_PAIR, **_VALUE_TYPES, "limit": "INT64"}
        yield f"{label} by {name}", text, _types(text, bound, filters.parameters(), MOVED.parameters(), more=more)


def sample(number: int, seed: int = 14) -> Iterator[Text]:
    """Texts of up to three dimensions, some metrics and up to four filters, drawn at random."""
    chance = random.Random(seed)
    for _ in range(number):
        groups = tuple(dict.fromkeys(chance.choices(NAMES, k=chance.randint(0, 3))))
        metrics = tuple(dict.fromkeys(chance.choices(tuple(METRICS), k=chance.randint(1, 4))))
        pairs = [(chance.choice(NAMES), chance.choice(OPS)) for _ in range(chance.randint(0, 4))]
        order = chance.choice((None, metrics[0], f"{metrics[-1]} asc", *groups))
        yield costs_text(groups, metrics, filters_of(*pairs), chance.choice(("charge", "billing")), order)


@dataclass(frozen=True, slots=True)
class Bound:
    """A text with the values that its dimensions and filters bind, and the types of what its caller binds."""

    name: str
    text: str
    parameters: Mapping[str, Parameter]
    types: Mapping[str, str]


def with_values() -> Iterator[Bound]:
    """Texts to be run: costs by every dimension under a filter, and the other tools' by one of each kind."""
    metric = METRICS["BilledCost"]
    for name in NAMES:
        groups = bind_dimensions([name], "g", CALENDAR)
        filters = filters_of((name, "not_null"), ("charge_category", "not_in"))
        shape = read_shape(
            bind_dimensions((name,), "g", CALENDAR), ("BilledCost", "EffectiveCost", "LineItems"), None, "charge"
        )
        yield _bound(
            f"costs by {name}", sql.costs(shape, filters if name in _EACH_KIND else Filters()), groups, filters
        )
    for name in ("team", *sorted(_EACH_KIND)):
        groups, filters = bind_dimensions([name], "g", CALENDAR), filters_of(("provider", "contains"))
        dimension = groups[0]
        yield _bound(f"breakdown by {name}", sql.breakdown(dimension, metric, filters), groups, filters)
        listed = sql.breakdown(dimension, METRICS["ListCost"], filters)
        yield _bound(f"breakdown of list cost by {name}", listed, groups, filters)
        shape = read_shape(bind_dimensions((name,), "g", CALENDAR), ("ListCost", "ContractedCost"), None, "charge")
        yield _bound(f"list costs by {name}", sql.costs(shape, filters), groups, filters)
        yield _bound(f"changes by {name}", changes_sql.changes(groups, metric, filters), groups, filters)
        moved = changes_sql.changes(groups, metric, filters, MOVED)
        yield _bound(f"large changes by {name}", moved, groups, filters, MOVED.parameters())
        yield _bound(f"drivers by {name}", changes_sql.drivers(groups, metric, filters), groups, filters)
        yield _bound(f"values of {name}", values_text(dimension, filters, search=False), groups, filters)
    for bounds in BOUNDS:
        groups = bind_dimensions(("service",), "g", CALENDAR)
        shape = read_shape(groups, ("EffectiveCost",), None, "charge", bounds)
        yield _bound(f"costs within {bounds}", sql.costs(shape, Filters()), groups, Filters(), bounds.parameters())
    filters = filters_of(("provider", "contains"))
    yield _bound("tag keys", tag_keys_text(filters, search=False), (), filters)
    yield _bound("status", STATUS, (), Filters())


def _bound(
    name: str,
    text: str,
    groups: tuple[BoundDimension, ...],
    filters: Filters,
    also: Mapping[str, Parameter] = MappingProxyType({}),
) -> Bound:
    given = {**all_parameters(groups), **filters.parameters(), **also}
    used = {key: value for key, value in given.items() if re.search(rf"@{key}\b", text)}
    more = {**_INSTANTS, **_PAIR, **_VALUE_TYPES, "limit": "INT64", "recent_day": "DATE"}
    return Bound(name, text, used, {key: kind for key, kind in more.items() if re.search(rf"@{key}\b", text)})
