"""The form of an answer of query_costs: its groups, metrics and order as they were asked for, and its rows."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from common.cost_query.amounts import percent_of
from common.cost_query.dimensions import BoundDimension
from common.cost_query.filters import Filters
from common.cost_query.reading import read_metrics
from common.cost_query.scan import MATCHED_VALUES, alias_of
from common.focus.currencies import round_amount
from common.focus.dimensions import TimeBasis, find_dimension
from common.focus.metrics import Metric, find_metric
from common.skills.costs.bounds import NO_BOUNDS, AmountBounds, first_of_each_currency
from common.skills.costs.reminders import note_cut
from common.skills.costs.sql import Order, Shape, unit_field
from common.tools.result import ToolError

_DIRECTION = re.compile(r"[\s:_]+(asc|desc)(ending)?$", re.IGNORECASE)


def read_shape(
    groups: tuple[BoundDimension, ...],
    metrics: Sequence[str],
    order_by: str | None,
    basis: TimeBasis,
    bounds: AmountBounds = NO_BOUNDS,
) -> Shape:
    """Read what an answer of some groups measures, how its rows are ordered and which groups they are."""
    measured = read_metrics(metrics)
    if bounds and not groups:
        raise ToolError("invalid_arguments", "min_cost and max_cost choose among groups: say group_by, too.")
    if bounds and measured[0].kind != "money":
        raise ToolError("invalid_arguments", "min_cost and max_cost are of a cost: name it first in metrics.")
    if bounds.at_least is not None and bounds.at_most is not None and bounds.at_least > bounds.at_most:
        raise ToolError("invalid_arguments", "min_cost is above max_cost, so no group can be within them.")
    return Shape(groups, measured, _read_order(groups, measured, order_by), basis, bounds)


def _read_order(groups: Sequence[BoundDimension], metrics: Sequence[Metric], order_by: str | None) -> tuple[Order, ...]:
    times = tuple(Order(each, descending=False) for each in groups if each.is_time)
    largest = Order(metrics[0], descending=True)
    if order_by is None:
        return (*times, largest)
    name = _DIRECTION.sub("", order_by.strip().removeprefix("-"))
    said = _DIRECTION.search(order_by)
    metric = find_metric(name)
    if metric is not None and metric in metrics:
        return (Order(metric, descending=said is None or said[1].lower() == "desc"),)
    downwards = order_by.strip().startswith("-") or (said is not None and said[1].lower() == "desc")
    wanted = find_dimension(name)
    chosen = [
        each
        for each in groups
        if name.casefold() == each.name.casefold() or wanted is each.dimension or (name == "time" and each.is_time)
    ]
    if not chosen:
        there = [*(metric.name for metric in metrics), *(each.name for each in groups)]
        raise ToolError(
            "invalid_order", f"order_by must be one of the metrics or groups asked for: {', '.join(there)}."
        )
    return (*(Order(each, descending=downwards) for each in chosen), largest)


def make_row(row: Mapping[str, Any], shape: Shape) -> dict[str, Any]:
    """Make a row of the answer: groups, metrics with their units, the share of its currency's total, the currency."""
    made = {each.name: row[alias_of(each, index)] for index, each in enumerate(shape.groups)}
    made |= {metric.field: row[metric.field] for metric in shape.metrics}
    made |= {unit_field(unit): row[unit_field(unit)] for unit in shape.units}
    first = shape.metrics[0]
    if shape.groups and first.kind == "money":
        made["share_pct"] = percent_of(row[first.field], row[f"currency_{first.field}"])
    return {**made, "currency": row["currency"]}


def without_currency(rows: list[dict[str, Any]], shape: Shape) -> list[dict[str, Any]]:
    """The rows; those of quantities alone say no currency, unless there are several that they are split by."""
    if any(metric.kind == "money" for metric in shape.metrics) or len({row["currency"] for row in rows}) > 1:
        return rows
    return [{name: row[name] for name in row if name != "currency"} for row in rows]


def make_totals(
    rows: Sequence[Mapping[str, Any]], shape: Shape, days: int, everything: Mapping[str, Decimal]
) -> list[dict[str, Any]]:
    """Make the totals of each currency over all groups, with the average per day that data is there for.

    Under filters each says what its share is of ``everything``, the currency's spend without them.
    """
    totals = []
    for row in first_of_each_currency(rows):
        currency = row["currency"]
        summed = [metric for metric in shape.summed if metric.kind != "quantity"]
        total = {"currency": currency, **{metric.field: row[f"currency_{metric.field}"] for metric in summed}}
        total |= _of_one_unit(row, shape)
        first = shape.metrics[0]
        if first.kind == "money" and days > 1 and shape.basis == "charge":
            total["daily_average"] = round_amount(row[f"currency_{first.field}"] / days, currency)
        totals.append(total | share_of_all(everything.get(currency), total.get(first.field), f"all_{first.field}"))
    return totals


def _of_one_unit(row: Mapping[str, Any], shape: Shape) -> dict[str, Any]:
    """The quantities over all groups, of which all are in one unit: those of several units are never added."""
    told: dict[str, Any] = {}
    for metric in shape.metrics:
        if metric.unit is not None and row[f"currency_{unit_field(metric.unit)}s"] == 1:
            told |= {
                metric.field: row[f"currency_{metric.field}"],
                unit_field(metric.unit): row[unit_field(metric.unit)],
            }
    return told


def share_of_all(everything: Decimal | None, amount: Decimal | None, name: str) -> dict[str, Any]:
    """The spend without any filter, and the share of it that an amount has; nothing where that is not known."""
    if everything is None or amount is None:
        return {}
    return {name: everything, "share_of_all_pct": percent_of(amount, everything)}


def name_groups(groups: Sequence[BoundDimension]) -> str | list[str] | None:
    """The group's name; the list of them where there are several, and None where there is none."""
    names = [each.name for each in groups]
    return names if len(names) > 1 else next(iter(names), None)


def note_groups(
    rows: Sequence[Mapping[str, Any]],
    groups: Sequence[BoundDimension],
    count: int,
    filters: Filters,
    *,
    all_there: bool = True,
) -> list[str]:
    """Say what rows are where a value stands in several, how many are not shown, and which group has no values.

    The last of these only where the rows are of all groups.
    """
    names = " and ".join(each.name for each in groups)
    told = []
    repeated = [text for each in groups if (text := _most_repeated(rows, each))]
    if len(groups) > 1 and repeated and not any(each.is_time for each in groups):
        told.append(f"Rows are combinations of {names}: {', '.join(repeated)}. Group by one alone for its whole cost.")
    if cut := note_cut(count - len(rows), f"combinations of {names}" if len(groups) > 1 else "groups"):
        return [*told, *cut]
    return [*told, *(_valueless(rows, groups, filters) if all_there else ())]


def _valueless(rows: Sequence[Mapping[str, Any]], groups: Sequence[BoundDimension], filters: Filters) -> Iterator[str]:
    """Say which groups no row has a value for, unless the question asks for just those rows."""
    filtered = {each.dimension.name for each in filters.all}
    for each in groups:
        none = each.dimension.none
        if rows and none and each.name not in filtered and {row[each.name] for row in rows} == {none}:
            whose, why = ("that is counted", "") if filtered else ("of the period", "; the data does not provide it")
            yield f"No row {whose} has a value for {each.name}{why}."


def _most_repeated(rows: Sequence[Mapping[str, Any]], group: BoundDimension) -> str | None:
    """The value of a group that stands in most rows of one currency, where that is more than one."""
    counts = Counter((row[group.name], row.get("currency")) for row in rows)
    (value, _), most = next(iter(counts.most_common(1)), ((None, None), 0))
    return f"{group.name} {value} is in {most} rows" if most > 1 else None


def _held(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Say which services, and which types of resources, a quantity is of, where it is of several."""
    for field, name in (("held_services", "services"), ("held_types", "resource types")):
        values = next((row[field] for row in rows if row.get(field)), ())
        if len(values) > 1:
            shown = ", ".join(values[:MATCHED_VALUES])
            more = " and more" if len(values) > MATCHED_VALUES else ""
            yield f"The quantity is of several {name}: {shown}{more}."


def note_units(rows: Sequence[Mapping[str, Any]], shape: Shape, filters: Filters) -> list[str]:
    """Say that quantities of several units stand side by side, and what those of a unit that was asked for are of."""
    told = list[str]()
    if any(each.dimension.name in ("consumed_unit", "pricing_unit") for each in filters.all):
        told += _held(rows)
    for unit in shape.units:
        there = sorted({str(row[unit_field(unit)]) for row in rows})
        if len(there) > 1:
            told.append(f"Quantities are in {len(there)} units ({', '.join(there[:6])}), never added together.")
    return told
