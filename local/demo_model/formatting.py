"""Writes money, shares, periods and tables in markdown."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

MAX_ROWS = 20
_CENT = Decimal("0.01")
_UNSET = "(not set)"


def decimal(value: Any) -> Decimal | None:
    """The number a tool gave, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def amount(value: Any) -> str:
    """Thousands separators and two decimals; below one cent two significant digits, so that it is not shown as zero."""
    number = decimal(value)
    if number is None:
        return "n/a"
    if number and abs(number) < _CENT:
        digits = -number.adjusted() + 1
        return f"{number:.{digits}f}"
    return f"{number.quantize(_CENT, ROUND_HALF_UP):,.2f}"


def money(value: Any, currency: Any) -> str:
    """An amount with its currency's code."""
    return f"{text(currency)} {amount(value)}" if currency else amount(value)


def percent(value: Any, *, signed: bool = False) -> str:
    """A percentage to one decimal; "n/a" where there is nothing to compare with."""
    number = decimal(value)
    if number is None:
        return "n/a"
    rounded = number.quantize(Decimal("0.1"), ROUND_HALF_UP)
    return f"{rounded:+,}%" if signed else f"{rounded:,}%"


def change(value: Any, currency: Any) -> str:
    """A signed amount."""
    number = decimal(value)
    sign = "+" if number is not None and number > 0 else ""
    return f"{text(currency)} {sign}{amount(value)}" if currency else f"{sign}{amount(value)}"


def count(value: Any) -> str:
    """A whole number with thousands separators."""
    number = decimal(value)
    return "n/a" if number is None else f"{number:,.0f}" if number == number.to_integral_value() else f"{number:,}"


def plain_number(value: Any) -> str:
    """A number as exact as it came, with thousands separators and no zeros that say nothing."""
    number = decimal(value)
    if number is None:
        return "n/a"
    return f"{number:,.0f}" if number == number.to_integral_value() else f"{number.normalize():,f}"


def counted(value: Any, thing: str) -> str:
    """A number of things: "1 alert", "2 alerts"."""
    return f"{plain_number(value)} {thing}{'' if decimal(value) == 1 else 's'}"


def instant(value: Any) -> str:
    """A moment to the minute in UTC; anything else as it is."""
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return text(value)
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC)
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def duration(milliseconds: Any) -> str:
    """How long something took, in seconds or minutes and seconds."""
    number = decimal(milliseconds)
    if number is None:
        return "n/a"
    seconds = number / 1000
    if seconds < 60:
        return f"{seconds.quantize(Decimal('0.1'), ROUND_HALF_UP)} s"
    whole = int(seconds.to_integral_value(ROUND_HALF_UP))
    return f"{whole // 60:,} min {whole % 60} s"


def bytes_of(value: Any) -> str:
    """A size in the largest unit that it fills."""
    number = decimal(value)
    if number is None:
        return "n/a"
    for unit in ("B", "KB", "MB", "GB"):
        if number < 1000:
            return f"{plain_number(number.quantize(Decimal('0.1'), ROUND_HALF_UP))} {unit}"
        number /= 1000
    return f"{plain_number(number.quantize(Decimal('0.1'), ROUND_HALF_UP))} TB"


def text(value: Any) -> str:
    """Data as plain text: on one line, and with nothing in it that markdown or HTML would act on."""
    if value is None or value == "":
        return _UNSET
    line = " ".join(str(value).split())
    for char in "\\`|[]":
        line = line.replace(char, f"\\{char}")
    return line.replace("<", "&lt;").replace(">", "&gt;")


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], numeric_from: int = 1, most: int = MAX_ROWS) -> str:
    """A markdown table of the first rows; columns from `numeric_from` on are right-aligned."""
    ruler = ["---" if index < numeric_from else "---:" for index in range(len(headings))]
    lines = [_line(headings), _line(ruler), *(_line(row) for row in rows[:most])]
    if len(rows) > most:
        lines += ["", f"…and {len(rows) - most:,} more rows."]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def both(parts: Sequence[str]) -> str:
    """A list in words."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""


def span(period: Any) -> str:
    """The days of a period, with the month's or year's name where it is exactly one."""
    if not isinstance(period, Mapping) or not period.get("start_date") or not period.get("end_date"):
        return "the tool's default period"
    start, end = str(period["start_date"]), str(period["end_date"])
    try:
        first, last = date.fromisoformat(start), date.fromisoformat(end)
    except ValueError:
        return f"{text(start)} to {text(end)}"
    days = start if first == last else f"{start} to {end}"
    after = last + timedelta(days=1)
    if first.day == 1 and after.day == 1:
        if (after.year, after.month) == (first.year + first.month // 12, first.month % 12 + 1):
            return f"{first:%B %Y} ({days})"
        if first.month == 1 and last.month == 12 and first.year == last.year:
            return f"{first.year} ({days})"
    return days


def label(name: str) -> str:
    """A column's name as a heading."""
    words = name.replace("_", " ").strip()
    return text(words[:1].upper() + words[1:])
