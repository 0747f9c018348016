"""A rule about where a budget will end: it fires on the projection, while what is spent is far below."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from local.data.warehouse import SHARED
from tests.alerting import generated
from tests.alerting.conftest import Place
from tests.alerting.generated import Line
from tests.alerting.test_rounds import synced

ORG = "steady_inc"
FIRST = date(2025, 11, 1)


def lines(until: date, each: str) -> list[Line]:
    """The same cost every day, so that there is one projection only: the days of the month times it."""
    days = [FIRST + timedelta(days=number) for number in range((until - FIRST).days)]
    return [
        Line(day, "aws", "USD", "ENG-1", Decimal(each), datetime.combine(day, datetime.min.time(), UTC)) for day in days
    ]


async def test_a_projection_over_a_budget_fires_once_and_says_when_it_is_over(place: Place) -> None:
    place.organizations(ORG)
    place.load(ORG, "cost_data_standard_1_3", [line.stored() for line in lines(date(2026, 3, 11), "100")])
    (march,) = (
        each for each in generated.budgets(ORG) if each["period_start"].month == 3 and each["currency"] == "USD"
    )
    tight = march | {"budget_id": "tight", "budget_amount": 2_800.0}
    wide = march | {"budget_id": "wide", "budget_amount": 4_000.0}
    place.load(SHARED, "org_budgets", [tight, wide])
    (plain,) = generated.rules(ORG, 1, 1)
    rule = plain | {
        "rule_type": "budget_forecast", "conditions": '{"percent": 100}', "provider_filter": [],
        "quiet_hours_start": None, "quiet_hours_end": None, "cooldown_minutes": 0, "hierarchy_entity_id": None,
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    }  # fmt: skip
    place.load(SHARED, "org_notification_rules", [rule])
    place.now = datetime(2026, 3, 11, 6, tzinfo=UTC)
    services = place.services()
    first, again = await services.alert_round.run(), await services.alert_round.run()
    assert (first["fired"], first["ended"], again["fired"], again["ended"]) == (1, 0, 0, 0)
    # The rest of the month is cheap: the budget will do after all.
    cheap = [line for line in lines(date(2026, 3, 25), "10") if line.day >= date(2026, 3, 11)]
    place.load(ORG, "cost_data_standard_1_3", [line.stored() for line in [*lines(date(2026, 3, 11), "100"), *cheap]])
    place.now = datetime(2026, 3, 25, 6, tzinfo=UTC)
    later = await services.alert_round.run()
    assert (later["fired"], later["ended"]) == (0, 1)
    await synced(place)
    (alert,) = [each for each in place.rows("org_alert_history") if each["org_slug"] == ORG]
    said = json.loads(alert["trigger_data"])
    # 31 days of 100 against 2,800; then 10 of them, and 21 of 10.
    assert (said["budget_id"], said["projected"], said["value"], said["currency"]) == ("tight", 3100, 110.71, "USD")
    assert (said["value_when_over"], alert["resolved_at"]) == (43.21, place.now)
