"""One question about costs: asked once, and once more where a filter names something in other words than the data."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any

from common.cost_query.filters import Filter, Filters
from common.cost_query.periods import EVERYTHING_FROM, NamedPeriod
from common.cost_query.scan import (
    MATCHED_VALUES,
    Reach,
    reach_parameters,
    read_alone,
    read_everything,
    read_matched,
    read_matching_days,
    read_reach,
    read_similar,
)
from common.cost_query.similar import Similar, find_similar
from common.cost_query.values import look_up, meant_by, nearest, read_known
from common.focus.calendar import FiscalCalendar
from common.focus.dimensions import TimeBasis
from common.tenant import Principal
from common.tools.context import WarehouseContext
from common.tools.periods import Period
from common.warehouse.query import Parameter, fixed
from common.warehouse.result import QueryRefused, QueryResult

# The text for these filters, and what it binds besides the filters' own values.
Compose = Callable[[Filters], tuple[str, Mapping[str, Parameter]]]
# So many values of a dimension are told as all that there are.
_FEW = 8


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A filter's value that stands for nothing in the period, and what it may have been meant to be.

    ``is_provided`` is False where no row of the data has any value of the dimension. ``only`` are all values that there
    are, where they are few.
    """

    dimension: str
    value: str
    nearest: tuple[str, ...]
    has_costs: str | None = None
    op: str = "in"
    is_provided: bool = True
    only: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        told: dict[str, Any] = {"dimension": self.dimension, "value": self.value, "nearest": list(self.nearest)}
        told |= {"there_is_only": list(self.only)} if self.only else {}
        return told | {"has_costs": self.has_costs} if self.has_costs else told


@dataclass(frozen=True, slots=True)
class Asked:
    """The answer to a question: its rows, the values that its filters stood for, and how far data reaches."""

    found: QueryResult
    parameters: Mapping[str, Parameter]
    filters: Filters
    matched: Mapping[int, tuple[str, ...]]
    reach: tuple[Reach, ...]
    unmatched: tuple[Unmatched, ...] = ()
    similar: tuple[Similar, ...] = ()
    alone: tuple[int, ...] = ()
    # The amount of the period without any filter, by currency, where a text asks for it.
    everything: Mapping[str, Decimal] = field(default_factory=dict)
    # The first and the last day of the rows that count.
    matching_days: tuple[date, date] | None = None

    @property
    def rows(self) -> tuple[dict[str, Any], ...]:
        """The rows with figures; a text answers with one row even where there are none."""
        return tuple(row for row in self.found.rows if row.get("position") is not None)

    @property
    def is_wholly_unmatched(self) -> bool:
        """Return true if no row can be there because a filter met nothing at all."""
        return any(each.op != "not_in" and not self.matched.get(number, ("",)) for number, each in self._valued)

    @property
    def _valued(self) -> list[tuple[int, Filter]]:
        return [(number, each) for number, each in enumerate(self.filters.all) if each.takes_values]

    def matched_names(self) -> list[dict[str, Any]]:
        """The filters whose values stood for something of another name, or for several, with what that is."""
        told = []
        for number, each in self._valued:
            values = self.matched[number]
            if each.op == "contains" or {value.casefold() for value in values} != {
                value.strip().casefold() for value in each.values
            }:
                told.append({"dimension": each.dimension.name, "values": list(values[:MATCHED_VALUES])})
        return told


async def ask(
    principal: Principal, context: WarehouseContext, filters: Filters, named: Period, compose: Compose
) -> Asked:
    """Run a question's text. One query; where a value met nothing, one look-up more, and then the question anew.

    A value that is no name in the data is taken for the names that hold it as whole words, if there are any.
    """
    asked = await _run(principal, context, filters, named, compose)
    missing = {number: _unmet(each, asked.matched[number]) for number, each in asked._valued}
    missing = {number: values for number, values in missing.items() if values}
    if not missing:
        return asked
    known = await _known(principal, context, filters, missing, named)
    widened, unmatched = _widen(filters, missing, known, named)
    if widened != filters:
        asked = await _run(principal, context, widened, named, compose)
        # What is said of the question is what was asked, not what it was read as.
        asked = replace(asked, filters=widened)
    return replace(asked, unmatched=tuple(unmatched))


async def _run(
    principal: Principal, context: WarehouseContext, filters: Filters, period: Period, compose: Compose
) -> Asked:
    text, bound = compose(filters)
    parameters = {**bound, **filters.parameters(), **reach_parameters(period, context.today)}
    found = await context.run(fixed(principal.tenant, text, parameters))
    matched = read_matched(found.rows, filters)
    similar = find_similar(filters, matched, read_similar(found.rows, filters))
    reach, alone, everything = read_reach(found.rows), read_alone(found.rows), read_everything(found.rows)
    return Asked(
        found, parameters, filters, matched, reach,
        similar=similar, alone=alone, everything=everything, matching_days=read_matching_days(found.rows),
    )  # fmt: skip


def _unmet(each: Filter, matched: Sequence[str]) -> tuple[str, ...]:
    """The values of a filter that none of the rows met."""
    if len(matched) > MATCHED_VALUES or each.dimension.is_time:
        return ()  # More are met than are listed: which value met none cannot be told.
    if each.op == "contains" and matched:
        return ()  # Words of which any may be held: another one was.
    return tuple(value for value in each.values if not _met(each, value, matched))


def _met(each: Filter, value: str, matched: Sequence[str]) -> bool:
    names = each.names(value)
    texts = [text.casefold() for text in matched]
    if each.op == "contains" or each.dimension.dimension.matches or each.dimension.name == "entity":
        # It may have been met by another column, an id, than the one that is shown.
        return bool(matched) and (len(each.values) == 1 or any(name in text for name in names for text in texts))
    return any(text.strip() in names for text in texts)


async def _known(
    principal: Principal,
    context: WarehouseContext,
    filters: Filters,
    missing: Mapping[int, Sequence[str]],
    period: Period,
) -> dict[int, list[tuple[str, date, date]]]:
    # As far as what is said to be available: all that is loaded.
    days = Period(EVERYTHING_FROM, max(period.end, context.today))

    async def one(number: int) -> list[tuple[str, date, date]]:
        try:
            found, _ = await look_up(principal, context, filters.all[number].dimension, missing[number], days)
        except QueryRefused:
            return []  # The answer stands; only this hint is too costly to look up.
        return [(each.value, each.first_day, each.last_day) for each in read_known(found.rows)]

    numbers = list(missing)
    return dict(zip(numbers, await asyncio.gather(*(one(number) for number in numbers)), strict=True))


def _widen(
    filters: Filters,
    missing: Mapping[int, Sequence[str]],
    known: Mapping[int, list[tuple[str, date, date]]],
    period: Period,
) -> tuple[Filters, list[Unmatched]]:
    """Read values as the names that hold them; list those that stay unmatched."""
    changed, unmatched = list(filters.all), list[Unmatched]()
    for number, values in missing.items():
        each, there = changed[number], known[number]
        names = [value for value, _, _ in there]
        in_period = [value for value, first, last in there if first <= period.end and last >= period.start]
        added: list[str] = []
        for value in values:
            # Its own names were asked for already: only others can be meant.
            others = [name for name in in_period if name.strip().casefold() not in each.names(value)]
            meant = meant_by(value, others) if each.op != "contains" else ()
            if meant:
                added += meant
            else:
                unmatched.append(_unmatched(each, value, there, names))
        if added:
            changed[number] = replace(each, also=tuple(dict.fromkeys(added)))
    return Filters(tuple(changed)), unmatched


def _unmatched(each: Filter, value: str, there: Sequence[tuple[str, date, date]], names: Sequence[str]) -> Unmatched:
    own = set(each.names(value))
    days = [(first, last) for name, first, last in there if name.strip().casefold() in own]
    elsewhere = f"{min(first for first, _ in days)} to {max(last for _, last in days)}" if days else None
    provided = not names or set(names) != {each.dimension.dimension.none}
    near = tuple(nearest(value, names))
    every = tuple(dict.fromkeys(names))
    only = every if provided and not near and not elsewhere and len(every) <= _FEW else ()
    return Unmatched(each.dimension.name, value, near, elsewhere, each.op, provided, only)


@dataclass(frozen=True, slots=True)
class QuestionScope:
    """The filters and period of a cost question, and the calendar that it is read in."""

    named: NamedPeriod
    filters: Filters
    calendar: FiscalCalendar
    today: date
    basis: TimeBasis = "charge"
    notes: tuple[str, ...] = field(default=())

    @property
    def period(self) -> Period:
        return self.named.period
