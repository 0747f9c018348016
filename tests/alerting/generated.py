"""Generated organisations: bills whose rows arrive late, credits, two currencies, and rules of every kind over them."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from tests.skills.costs_made import row

# Daylight saving begins in New York on 8 March and in Berlin on 29 March; February and March end in between.
FIRST_DAY, FIRST, LAST = date(2026, 1, 1), datetime(2026, 2, 25, 5, tzinfo=UTC), datetime(2026, 4, 9, 22, tzinfo=UTC)
SPIKES = (date(2026, 3, 5), date(2026, 3, 29), date(2026, 4, 2))
PROVIDERS = {"aws": ("AWS", "USD", "40"), "openai": ("OpenAI", "USD", "25"), "azure": ("Microsoft", "EUR", "30")}
ZONES = ("Europe/Berlin", "America/New_York", "UTC", "Asia/Kolkata")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a bill; it is in the warehouse from ``arrives`` on."""

    day: date
    provider: str
    currency: str
    team: str
    cost: Decimal
    arrives: datetime

    def stored(self) -> dict[str, Any]:
        at = datetime.combine(self.day, time(), UTC)
        names = {"ServiceProviderName": PROVIDERS[self.provider][0], "BillingCurrency": self.currency}
        path = {"x_hierarchy_path": f"/ORG/{self.team}", "x_hierarchy_entity_id": self.team}
        return row(at, f"{self.cost:f}", ServiceName=f"{self.provider} service", **names, **path)


def bill(seed: int) -> list[Line]:
    """A bill of some months: steady with noise, spikes, credits, lines that are days late, a provider that ends."""
    chance, lines = random.Random(seed), list[Line]()
    stops = date(2026, 3, 20) if seed % 2 else None
    for number in range((LAST.date() - FIRST_DAY).days + 1):
        day = FIRST_DAY + timedelta(days=number)
        usual = datetime.combine(day + timedelta(days=1), time(3), UTC)
        for provider, (_, currency, base) in PROVIDERS.items():
            if provider == "azure" and stops and day >= stops:
                continue
            for team in ("ENG-1", "OPS-2"):
                cost = Decimal(base) * Decimal(chance.randint(97, 103)) / 100
                if day in SPIKES and provider == "aws":
                    cost *= 9
                late = timedelta(days=chance.choice((1, 2, 4))) if chance.random() < 0.06 else timedelta()
                lines.append(Line(day, provider, currency, team, cost, usual + late))
        if chance.random() < 0.04:
            lines.append(Line(day, "aws", "USD", "ENG-1", Decimal(-60), usual + timedelta(days=2)))
    return lines


def rules(org: str, seed: int, count: int) -> list[dict[str, Any]]:
    """So many rules of an organisation, as rows of org_notification_rules."""
    chance = random.Random(f"rules {seed}")
    return [_rule(org, number, chance) for number in range(count)]


def _rule(org: str, number: int, chance: random.Random) -> dict[str, Any]:
    kind = chance.choice(("absolute_threshold",) * 4 + ("anomaly_percent_change",) * 2
                         + ("budget_percent", "data_stopped", "anomaly"))  # fmt: skip
    conditions = _conditions(kind, chance)
    provider = chance.choice((None, None, *PROVIDERS)) if kind != "anomaly" else chance.choice((None, "aws"))
    quiet = chance.random() < 0.3
    return {
        "rule_id": f"rule-{number:03}",
        "org_slug": org,
        "name": f"Rule {number}",
        "is_active": True,
        "priority": chance.choice(("critical", "high", "medium", "low")),
        "rule_category": "cost",
        "rule_type": kind,
        "conditions": json.dumps(conditions),
        "provider_filter": [provider] if provider and kind != "budget_percent" else [],
        "service_filter": [],
        "hierarchy_entity_id": chance.choice((None, None, "ENG-1")) if kind == "absolute_threshold" else None,
        "notify_channel_ids": [],
        "escalate_to_channel_ids": [],
        "cooldown_minutes": chance.choice((0, 0, 720, 2880)),
        "quiet_hours_start": chance.choice(("22:00", "01:30", "12:00")) if quiet else None,
        "quiet_hours_end": chance.choice(("06:00", "02:30", "09:30")) if quiet else None,
        "quiet_hours_timezone": chance.choice(ZONES),
        "created_at": chance.choice((FIRST - timedelta(days=40), FIRST + timedelta(days=chance.randint(0, 30)))),
        "created_by": "ada",
    }


def _conditions(kind: str, chance: random.Random) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if chance.random() < 0.2:
        found["quiet_days"] = ["saturday", "sunday"]
    if chance.random() < 0.1:
        found["muted_until"] = "2026-03-15T00:00:00+00:00"
    match kind:
        case "absolute_threshold":
            period = chance.choice(("daily", "weekly", "monthly", "quarterly"))
            days = {"daily": 1, "weekly": 7, "monthly": 30, "quarterly": 90}[period]
            found |= {"threshold": chance.randint(20, 200) * days, "currency": chance.choice(("USD", "EUR"))}
            found |= {"period": period, "recovery_percent": chance.choice((0, 5, 20))}
        case "anomaly_percent_change":
            found |= {"percent": chance.choice((2, 20, 100)), "period": chance.choice(("daily", "weekly", "monthly"))}
            found |= {"baseline_days": chance.choice((3, 7, 30))}
        case "budget_percent":
            found |= {"percent": chance.choice((30, 80, 100))}
        case "data_stopped":
            found |= {"stale_days": chance.choice((2, 3, 5))}
        case "anomaly":
            found |= {"min_amount": 100, "currency": "USD"}
    return found


def budgets(org: str) -> list[dict[str, Any]]:
    """A budget of the whole organisation for each of three months, in two currencies."""
    months = ((2, 28), (3, 31), (4, 30))
    return [
        {
            "budget_id": f"{org}-{month}-{currency}", "org_slug": org, "hierarchy_entity_id": "ORG",
            "hierarchy_entity_name": "All", "hierarchy_path": "/ORG", "hierarchy_level_code": "organization",
            "category": "total", "budget_type": "monetary", "budget_amount": amount, "currency": currency,
            "period_type": "monthly", "period_start": date(2026, month, 1), "period_end": date(2026, month, last),
            "is_active": True, "created_by": "ada", "created_at": FIRST - timedelta(days=60),
        }
        for month, last in months
        for currency, amount in (("USD", 4500.0), ("EUR", 1800.0))
    ]  # fmt: skip


def moments(seed: int, count: int) -> Iterator[datetime]:
    """The times of evaluation, unevenly spread; some in the hour that a clock change skips or repeats."""
    chance = random.Random(f"moments {seed}")
    span = (LAST - FIRST) / count
    for number in range(count):
        yield (FIRST + number * span + chance.random() * 0.8 * span).replace(microsecond=0)
