"""A conversation's title after its first answer: what was asked, with its days and filters as they were read.

Questions that are asked in the same words every month have titles that differ.
"""

from calendar import monthrange
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from common import limits
from common.transcript.conversation import title_of

_MOST_FILTERS = 3
_ADDED_CHARS = 60


def title_after(question: str, results: Sequence[Mapping[str, Any]]) -> str:
    """The title after an answer from these tool results, the last of which counts."""
    title = title_of(question)
    found = ((_days(each.get("summary")), each.get("summary")) for each in reversed(results))
    days, summary = next(((days, summary) for days, summary in found if days), (None, None))
    if days is None or summary is None:
        return title
    said = question.casefold()
    parts = [*_period(*days, said), *_filters(summary.get("filters"), said)]
    added = "".join(f" · {part}" for part in parts)[:_ADDED_CHARS]
    room = limits.NEW_TITLE_CHARS - len(added)
    return (title if len(title) <= room else f"{title[: room - 1]}…") + added


def _days(summary: object) -> tuple[date, date] | None:
    """The first and the last day of a summary. Returns None where it has no period."""
    period = (summary.get("period") or summary.get("current")) if isinstance(summary, Mapping) else None
    if not isinstance(period, Mapping):
        return None
    try:
        first, last = (date.fromisoformat(str(period.get(name))[:10]) for name in ("start_date", "end_date"))
    except ValueError:
        return None
    return first, last


def _period(start: date, end: date, said: str) -> Iterator[str]:
    """The days in words, unless the question has them already."""
    words = days_in_words(start, end)
    if words.casefold() not in said and f"{start:%B %Y}".casefold() not in said and start.isoformat() not in said:
        yield words


def days_in_words(start: date, end: date) -> str:
    """The days of a title, as short as they can be said."""
    if start == end:
        return f"{start.day} {start:%b %Y}"
    whole_months = start.day == 1 and end.day == monthrange(end.year, end.month)[1]
    if whole_months and (start.year, start.month) == (end.year, end.month):
        return f"{start:%b %Y}"
    if whole_months and start.year == end.year and (start.month, end.month) == (1, 12):
        return f"{start.year}"
    if (start.year, start.month) == (end.year, end.month):
        return f"{start.day}–{end.day} {end:%b %Y}"
    first = f"{start.day} {start:%b}" if start.year == end.year else f"{start.day} {start:%b %Y}"
    return f"{first} – {end.day} {end:%b %Y}"


def _filters(filters: object, said: str) -> Iterator[str]:
    """The values that the answer was narrowed to, unless the question has them already."""
    values = [each for value in filters.values() for each in _texts(value)] if isinstance(filters, Mapping) else []
    yield from [each for each in dict.fromkeys(values) if each.casefold() not in said][:_MOST_FILTERS]


def _texts(value: object) -> list[str]:
    values = value if isinstance(value, list | tuple) else [value]
    return [" ".join(each.split()) for each in values if isinstance(each, str) and each.strip()]
