"""Sentences beside an answer's figures: how far data reaches, how a name was read, what is left out."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from common.cost_query.asking import Asked, QuestionScope
from common.cost_query.matching_days import count_days
from common.cost_query.scan import Reach
from common.cost_query.similar import similar_notes
from common.tools.periods import Period, format_days

UTC_NAMES = frozenset({"UTC", "Etc/UTC", "GMT", "Etc/GMT", "Etc/Universal", "Universal", "Zulu"})


def describe_reach(asked: Asked, scope: QuestionScope) -> dict[str, Any] | None:
    """The days that data reaches over, and to which day per provider. Returns None where there is none.

    Data may begin before ``scanned_from``: earlier days than those asked for are not looked at.
    """
    reach = asked.reach
    if not reach:
        return None
    last = max(each.last_day for each in reach)
    told: dict[str, Any] = {
        "scanned_from": min(each.first_day for each in reach),
        "last_day": last,
        "last_complete_day": min(last, scope.today - timedelta(days=1)),
        "today_included": scope.period.end >= scope.today and last >= scope.today,
    }
    counted = _of_providers(asked)
    if any(each.last_day < min(scope.period.end, scope.today) for each in counted):
        told["providers_by_last_day"] = _by_last_day(counted)
    return told


def _of_providers(asked: Asked) -> Sequence[Reach]:
    """The reach of the data of each provider that the filters on providers take."""
    reach = asked.reach
    for number, each in enumerate(asked.filters.all):
        if each.dimension.name == "provider" and each.takes_values:
            met = set(asked.matched.get(number, ()))
            reach = tuple(one for one in reach if (one.provider in met) is (each.op != "not_in"))
    return reach


def _by_last_day(reach: Sequence[Reach]) -> dict[str, str]:
    days = sorted({each.last_day for each in reach}, reverse=True)
    return {str(day): ", ".join(each.provider for each in reach if each.last_day == day) for day in days}


def covered_days(scope: QuestionScope, reach: Sequence[Reach]) -> int:
    """The days of the period that are over or under way, that data can be there for, and that the filters take."""
    end = min(scope.period.end, scope.today)
    if reach:
        end = min(end, max(each.last_day for each in reach))
        start = max(scope.period.start, min(each.first_day for each in reach))
    else:
        start = scope.period.start
    return count_days(start, end, scope.filters.all, scope.calendar)


def describe_question(scope: QuestionScope, asked: Asked) -> dict[str, Any]:
    """The part of a summary that says what was asked: period, basis, filters, and what they stood for."""
    told: dict[str, Any] = {
        "period": _asked_period(scope, asked.reach).as_dict(),
        "filters": scope.filters.as_dict(),
        "matched": asked.matched_names(),
        "similar": [each.as_dict() for each in asked.similar if each.also],
        "unmatched": [each.as_dict() for each in asked.unmatched],
        "data": describe_reach(asked, scope),
        "matching_days": format_days(*(asked.matching_days or (None, None))),
    }
    if scope.basis == "billing":
        told["time_basis"] = "billing"
    return told


def _asked_period(scope: QuestionScope, reach: Sequence[Reach]) -> Period:
    """The period of a question; where that is all there is, the days that data is there for."""
    if not scope.named.is_all or not reach:
        return scope.period
    return Period(min(each.first_day for each in reach), min(max(each.last_day for each in reach), scope.period.end))


def notes(scope: QuestionScope, asked: Asked, currencies: Iterable[str] = ()) -> list[str]:
    """One sentence for everything that a reader would otherwise take for granted."""
    return [
        *([scope.named.reading] if scope.named.reading else []),
        *scope.notes,
        *_about_names(asked),
        *_about_data(scope.period, scope, asked.reach),
        *_about_days(scope),
        *_about_money(sorted(set(currencies))),
    ]


def _about_names(asked: Asked) -> Iterable[str]:
    for each in asked.unmatched:
        if each.has_costs:
            yield f"{each.dimension} {each.value!r} has no costs in this period; it has from {each.has_costs}."
        elif not each.is_provided:
            yield f"No row has a {each.dimension.replace('_', ' ')} at all; the data does not provide it."
        else:
            called = "holds" if each.op == "contains" else "is named"
            near = " list_values shows what there is."
            if each.nearest:
                near = f" Nearest: {', '.join(each.nearest)}."
            elif each.only:
                near = f" There is only {', '.join(each.only)}."
            yield f"No {each.dimension.replace('_', ' ')} {called} {each.value!r} in the data.{near}"
    for number, narrowed in enumerate(asked.filters.all):
        values = asked.matched.get(number, ())
        if narrowed.also and len(narrowed.values) < len(values):
            asked_for, shown = ", ".join(narrowed.values), ", ".join(values[:8])
            yield f"{asked_for!r} stands for {len(values)} values of {narrowed.dimension.name}, all counted: {shown}."
    yield from similar_notes(asked.similar)
    if not asked.rows and asked.filters and not asked.unmatched:
        yield "No charge of the period meets all filters together."
        yield from _emptied_by(asked)


def _emptied_by(asked: Asked) -> Iterable[str]:
    """The filters without any one of which there would be charges."""
    alone = [asked.filters.all[number] for number in asked.alone]
    told = "; or ".join(f"{each.dimension.name} ({each.describe()})" for each in alone)
    if alone and len(asked.filters.all) > 1:
        yield f"There are charges without the filter on {told}."


def _about_data(period: Period, scope: QuestionScope, reach: Sequence[Reach]) -> Iterable[str]:
    if not reach:
        return
    first, last = min(each.first_day for each in reach), max(each.last_day for each in reach)
    if period.start < first and not scope.named.is_all:
        yield f"Data begins on {first}: the days of the period before it have none."
    if last < min(period.end, scope.today - timedelta(days=1)):
        yield f"Data ends on {last}: the days of the period after it have none yet."
    if period.start <= scope.today <= period.end and last >= scope.today:
        yield f"Today, {scope.today}, is included and not over yet."
    if period.end > scope.today:
        yield f"The period runs to {period.end}; figures are up to today, {scope.today}."


def _about_days(scope: QuestionScope) -> Iterable[str]:
    if scope.calendar.zone not in UTC_NAMES:
        yield f"Days are UTC days, not {scope.calendar.zone} ones."
    if scope.basis == "billing":
        yield "Charges count in the billing period that they are invoiced in, not on the day of use."


def _about_money(currencies: Sequence[str]) -> Iterable[str]:
    if len(currencies) > 1:
        yield f"There are {len(currencies)} currencies ({', '.join(currencies)}), never added together."
