"""The organisation's calendar: the month in which its fiscal year begins, and the zone that its people live in."""

from dataclasses import dataclass
from datetime import date, timedelta

_MONTHS = 12


@dataclass(frozen=True, slots=True)
class FiscalCalendar:
    """Fiscal years and quarters of an organisation. Days are UTC; ``zone`` is only said where it differs."""

    start_month: int = 1
    zone: str = "UTC"

    @property
    def is_calendar_year(self) -> bool:
        return self.start_month == 1

    @property
    def shift(self) -> int:
        """The months by which a fiscal year runs ahead of the calendar year that it ends in; 0 for January."""
        return (_MONTHS + 1 - self.start_month) % _MONTHS

    def year_of(self, day: date) -> tuple[date, date]:
        """Return the first and the last day of the fiscal year that the day is in."""
        return self.year_from(day.year if day.month >= self.start_month else day.year - 1)

    def year_from(self, year: int) -> tuple[date, date]:
        """Return the first and the last day of the fiscal year that begins in this calendar year."""
        first = date(year, self.start_month, 1)
        return first, add_months(first, _MONTHS) - timedelta(days=1)

    def quarter_of(self, day: date) -> tuple[date, date]:
        """Return the first and the last day of the fiscal quarter that the day is in."""
        first, _ = self.year_of(day)
        months = (day.year - first.year) * _MONTHS + day.month - first.month
        begin = add_months(first, months // 3 * 3)
        return begin, add_months(begin, 3) - timedelta(days=1)

    def name_year(self, first: date) -> str:
        """Name the fiscal year that begins on this day: FY2026, or FY2026/27 where it spans two."""
        return f"FY{first.year}" if self.is_calendar_year else f"FY{first.year}/{(first.year + 1) % 100:02}"

    def describe(self) -> str:
        """Say in a sentence when the fiscal year begins."""
        if self.is_calendar_year:
            return "The fiscal year is the calendar year."
        return f"The fiscal year begins on the first of {date(2000, self.start_month, 1):%B}."


def add_months(first: date, months: int) -> date:
    """Return the first of a month so many months later, or earlier."""
    index = first.year * _MONTHS + first.month - 1 + months
    return date(index // _MONTHS, index % _MONTHS + 1, 1)
