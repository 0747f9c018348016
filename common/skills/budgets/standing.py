"""The standing of a budget on a day: its spend, where its period will land, and the word for both."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any, Literal

from common.skills.forecast.landing import Landing, land
from common.skills.forecast.span import ForecastSpan
from common.tools.periods import Period

Status = Literal["OVER", "AT_RISK", "ON_TRACK", "NOT_MEASURED"]
RULE = (
    "OVER: more is spent than the amount. AT_RISK: the projection to the period's last day is above the amount (or, "
    "without a projection, more than 80 % is spent). ON_TRACK: neither. Costs are BilledCost, of the entity and all "
    "below it, in the budget's own period, category, provider and currency."
)
_NEARLY = Decimal("0.8")
_MEASURED = frozenset({"monetary", "token"})
_CENT, _TENTH = Decimal("0.01"), Decimal("0.1")


@dataclass(frozen=True, slots=True)
class Standing:
    """One budget on a day. ``landing`` is None where there is nothing to project, or nothing to project from."""

    budget: Mapping[str, Any]
    amount: Decimal
    actual: Decimal
    as_of: date
    landing: Landing | None

    @property
    def is_measured(self) -> bool:
        return self.budget["budget_type"] in _MEASURED

    @property
    def has_ended(self) -> bool:
        return bool(self.budget["period_end"] < self.as_of)

    @property
    def projected(self) -> Decimal | None:
        """The amount that the period will come to; the actual amount where it is over."""
        if self.has_ended:
            return self.actual
        return self.landing.total.quantize(_CENT) if self.landing else None

    @property
    def status(self) -> Status:
        if not self.is_measured:
            return "NOT_MEASURED"
        if self.actual > self.amount:
            return "OVER"
        if self.projected is None:
            return "AT_RISK" if self.actual > _NEARLY * self.amount else "ON_TRACK"
        return "AT_RISK" if self.projected > self.amount else "ON_TRACK"

    def as_row(self) -> dict[str, Any]:
        budget, forecast = self.budget, self.landing.forecast if self.landing else None
        unit = budget["currency"] if budget["budget_type"] == "monetary" else f"{budget['budget_type']}s"
        row: dict[str, Any] = {
            "budget": budget["hierarchy_entity_name"],
            "category": budget["category"],
            "provider": budget["provider"],
            "period_start": budget["period_start"],
            "period_end": budget["period_end"],
            "amount": self.amount,
            "actual": self.actual if self.is_measured else None,
            "left": self.amount - self.actual if self.is_measured else None,
            "percent_used": percent(self.actual, self.amount) if self.is_measured else None,
            "percent_of_period": self._elapsed(),
            "projected": self.projected if self.is_measured else None,
            "projected_over": None if self.projected is None else self.projected - self.amount,
            "status": self.status,
            "confidence": forecast.confidence if forecast else None,
            "currency": unit,
            "level": budget["hierarchy_level_code"],
            "budget_id": budget["budget_id"],
        }
        if others := budget["other_currencies"]:
            row["other_currencies"] = ", ".join(f"{each['amount']} {each['currency']}" for each in others)
        return row

    def _elapsed(self) -> Decimal:
        period = Period(self.budget["period_start"], self.budget["period_end"])
        done = min(max((self.as_of - period.start).days + 1, 0), period.days)
        return percent(Decimal(done), Decimal(period.days)) or Decimal()


def stand(budget: Mapping[str, Any], as_of: date) -> Standing:
    """Hold a budget against its costs, as a row of the variance has them."""
    amount = Decimal(str(budget["budget_amount"]))
    costs = dict(zip(budget["days"] or (), budget["amounts"] or (), strict=True))
    last: date | None = budget["last_day"]
    standing = Standing(budget, amount, budget["actual"], as_of, None)
    if not costs or last is None or standing.has_ended or not standing.is_measured:
        return standing
    if min(costs) > last:
        return standing
    span = ForecastSpan(Period(budget["period_start"], budget["period_end"]), as_of)
    return Standing(budget, amount, budget["actual"], as_of, land(costs, last, span))


def percent(part: Decimal, whole: Decimal) -> Decimal | None:
    """The part in percent of the whole, to one decimal. Returns None where the whole is zero."""
    if not whole:
        return None
    with localcontext(prec=80):
        return (100 * part / whole).quantize(_TENTH, ROUND_HALF_UP)
