"""The landing of a period: the costs so far, the rest of today, and the projected days after it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from common.skills.forecast import projection
from common.skills.forecast.projection import Forecast
from common.skills.forecast.span import ForecastSpan

Costs = Mapping[date, Decimal]


@dataclass(frozen=True, slots=True)
class Landing:
    """The parts of a period's total. ``gap`` is projected for days before today that have no data yet."""

    actual: Decimal
    today_so_far: Decimal
    rest_of_today: Decimal
    gap: Decimal
    forecast: Forecast

    @property
    def why_nothing_more(self) -> str | None:
        """The reason why the rest of today is zero; None where it is not."""
        if self.rest_of_today:
            return None
        if not self.forecast.today:
            return "Nothing was projected for today."
        return (
            f"Today has cost {self.today_so_far:f} so far, and {self.forecast.today:f} was projected for all of it: "
            "nothing more is counted for the rest of it. Today is not over, so more may still come."
        )

    @property
    def known(self) -> Decimal:
        """All but the days after today."""
        return self.actual + self.today_so_far + self.rest_of_today + self.gap

    @property
    def total(self) -> Decimal:
        return self.known + self.forecast.total

    @property
    def lower(self) -> Decimal:
        return self.known + self.forecast.lower

    @property
    def upper(self) -> Decimal:
        return self.known + self.forecast.upper


def land(costs: Costs, end: date, span: ForecastSpan) -> Landing:
    """Project the rest of a span from daily costs that are complete up to ``end``, a day before today."""
    first, today = span.period.start, span.today
    before = {day: cost for day, cost in costs.items() if day <= end} or {end: Decimal()}
    forecast = projection.project(before, end, today, span.horizon, first)
    if not span.has_begun:
        return Landing(Decimal(), Decimal(), Decimal(), Decimal(), forecast)
    so_far = costs.get(today, Decimal())
    rest = forecast.today - so_far
    # A day that cost more than was projected has nothing more to come.
    more = rest if rest * forecast.today > 0 else Decimal()
    actual = sum((cost for day, cost in costs.items() if first <= day <= end), Decimal())
    gap = forecast.gap if first <= end else Decimal()
    return Landing(actual, so_far, more, gap, forecast)
