"""Rules that nobody had in mind: unreadable ones beside others, the last one that goes, and costs of a day a month."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from google.cloud import bigquery

from common.alerting.state import AlertState, read_state
from common.documents import Create, Document
from common.skills.alerts.evaluation import Track
from common.tenant import OrgSlug, Tenant
from local.data.warehouse import SHARED
from tests.alerting import generated
from tests.alerting.conftest import Place
from tests.alerting.generated import Line
from tests.alerting.test_rounds import synced
from tests.alerting.test_telling import record
from tests.conftest import PROJECT

NOW = datetime(2026, 3, 11, 6, tzinfo=UTC)


def rule(org: str, rule_id: str, kind: str, conditions: str, **more: Any) -> dict[str, Any]:
    (plain,) = generated.rules(org, 1, 1)
    return plain | {
        "rule_id": rule_id, "name": rule_id, "rule_type": kind, "conditions": conditions, "provider_filter": [],
        "quiet_hours_start": None, "quiet_hours_end": None, "cooldown_minutes": 0, "hierarchy_entity_id": None,
        "created_at": NOW - timedelta(days=60), **more,
    }  # fmt: skip


def load(place: Place, org: str, costs: dict[date, int]) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [Line(day, "aws", "USD", "ENG-1", Decimal(cost), at).stored() for day, cost in costs.items()]
    place.load(org, "cost_data_standard_1_3", rows)


def every_day(until: date, cost: int) -> dict[date, int]:
    return {date(2026, 1, 1) + timedelta(days=number): cost for number in range((until - date(2026, 1, 1)).days)}


async def test_rules_that_nothing_can_be_held_against_hold_no_other_one_up(place: Place) -> None:
    org = "odd_inc"
    place.organizations(org)
    place.load(SHARED, "org_budgets", [])
    load(place, org, every_day(date(2026, 3, 11), 100))
    good = '{"threshold": 50, "currency": "USD", "period": "daily"}'
    filtered = '{"threshold": 5, "period": "daily", "filters": [{"dimension": "service", %s}]}'
    odd = (
        '{"metric": {}}', '{"quiet_days": 5, "threshold": 1}', '{"currency": 5, "threshold": 1, "period": "daily"}',
        '{"threshold": 1e999999, "currency": "USD", "period": "daily"}', "[" * 5_000, '{"threshold": "NaN"}',
        '{"threshold": 1e-999999, "factor_of_average": 1e999999, "period": "daily"}',
        filtered % '"op": ["in"], "values": [{}]', filtered % '"values": ["\\ud800"]',
    )  # fmt: skip
    kinds = ("absolute_threshold", "anomaly_percent_change", "anomaly", "data_stopped")
    rules = [
        rule(org, f"odd-{number}-{kind}", kind, each, cooldown_minutes=10**12)
        for number, each in enumerate(odd)
        for kind in kinds
    ]
    place.now = NOW
    services = await place.anew(org, [*rules, rule(org, "zz-good", "absolute_threshold", good)])
    report = await services.alert_round.run()
    assert report["failed"] == 0, report
    await synced(place)
    assert "zz-good" in {row["alert_id"] for row in record(place, org)}


async def test_an_alert_is_over_when_the_last_rule_of_its_organisation_is_gone(place: Place) -> None:
    org = "last_inc"
    place.organizations(org)
    place.load(SHARED, "org_budgets", [])
    load(place, org, every_day(date(2026, 3, 11), 100))
    only = rule(org, "only", "absolute_threshold", '{"threshold": 500, "currency": "USD", "period": "monthly"}')
    place.now = NOW
    services = await place.anew(org, [only])
    assert (await services.alert_round.run())["fired"] == 1
    await synced(place)
    for left in ([{**only, "is_active": False}], []):
        place.load(SHARED, "org_notification_rules", left)
        place.now += timedelta(minutes=15)
        await services.alert_round.run()
        await synced(place)
        (row,) = record(place, org)
        assert row["resolved_at"] == NOW + timedelta(minutes=15)
    assert (await services.alert_round.run())["organizations"] == 0


async def test_costs_of_a_day_a_month_are_compared_and_the_sql_of_an_alert_says_its_figure(place: Place) -> None:
    org = "sparse_inc"
    place.organizations(org)
    # A fee on the third of each month; it rises in February, which has 28 days, and is half gone by a credit in March.
    load(place, org, {date(2025, 12, 3): 100, date(2026, 1, 3): 100, date(2026, 2, 3): 180, date(2026, 3, 3): 90,
                      date(2026, 3, 4): -40})  # fmt: skip
    (march, *_) = (each for each in generated.budgets(org) if each["period_start"].month == 3)
    place.load(SHARED, "org_budgets", [march | {"budget_amount": 40.0, "currency": "USD"}])
    rules = [
        rule(org, "rise", "anomaly_percent_change", '{"percent": 50, "period": "monthly"}'),
        rule(org, "budget", "budget_percent", '{"percent": 100}'),
    ]
    place.now = datetime(2026, 3, 5, 6, tzinfo=UTC)
    services = await place.anew(org, rules)
    assert (await services.alert_round.run())["fired"] == 2
    await synced(place)
    rows = {row["alert_id"]: row for row in record(place, org)}
    assert json.loads(rows["rise"]["trigger_data"]) | {"value": 80, "baseline": 100, "billed_cost": 180} == json.loads(
        rows["rise"]["trigger_data"]
    )
    found = {name: answered(place, json.loads(row["condition_results"])[0]) for name, row in rows.items()}
    costs = {row["day"]: row["cost"] for row in found["rise"]}
    assert (costs[date(2026, 1, 3)], costs[date(2026, 2, 3)]) == (100, 180)
    assert [row["actual"] for row in found["budget"]] == [50]


def answered(place: Place, condition: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of an alert's SQL, sent as it is: its tables have their names."""
    assert f"`{PROJECT}." in condition["sql"]
    given = [_parameter(name, value) for name, value in condition["parameters"].items()]
    config = bigquery.QueryJobConfig(query_parameters=given)
    return [dict(row.items()) for row in place.client.query_and_wait(condition["sql"], job_config=config)]


def _parameter(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return bigquery.ArrayQueryParameter(name, "STRING", value)
    kind = {"start": "TIMESTAMP", "end_exclusive": "TIMESTAMP", "max_rows": "INT64"}.get(name)
    return bigquery.ScalarQueryParameter(name, kind or ("DATE" if _is_day(value) else "STRING"), value)


def _is_day(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 10 and value[4] == value[7] == "-"


async def test_an_alert_is_not_over_because_another_provider_is_quicker(place: Place) -> None:
    org = "late_inc"
    place.organizations(org)
    place.load(SHARED, "org_budgets", [])
    daily = '{"threshold": 500, "currency": "USD", "period": "daily"}'
    place.now = NOW
    services = await place.anew(org, [rule(org, "aws", "absolute_threshold", daily, provider_filter=["aws"])])

    async def evaluated(aws: int, openai: int) -> tuple[int, int]:
        """Evaluate with the costs of each provider up to a day of March; AWS costs more from the sixth on."""
        lines = [
            Line(day, provider, "USD", "ENG-1", Decimal(900 if provider == "aws" and day.day >= 6 else 10), NOW)
            for provider, last in (("aws", aws), ("openai", openai))
            for day in (date(2026, 3, number) for number in range(1, last + 1))
        ]
        place.load(org, "cost_data_standard_1_3", [line.stored() for line in lines])
        place.now = datetime(2026, 3, openai + 1, 6, tzinfo=UTC)
        report = await services.alert_round.run()
        return report["fired"], report["ended"]

    # The seventh is there of OpenAI alone: that says nothing of AWS.
    assert await evaluated(6, 8) == (1, 0)
    assert await evaluated(8, 9) == (0, 0)
    # A day that does not come within two more days is taken for one without costs.
    assert await evaluated(8, 12) == (0, 1)


def test_what_thousands_of_rules_remember_fits_a_document() -> None:
    days = tuple((date(2026, 3, 1) + timedelta(days=number)).isoformat() for number in range(28))
    tracks = {
        f"rule-{uuid4()}": (f"{number:012x}", dict.fromkeys(("EUR", "USD"), Track(days, ((days[-1], days[0]),), NOW)))
        for number in range(5_000)
    }
    state = AlertState(tracks, "m" * 80)
    write = state.write(Tenant(OrgSlug("many_inc"), PROJECT, "organizations"))
    assert isinstance(write, Create)
    assert len(write.data["tracks"]) < 2**20 // 2
    assert read_state(Document(write.path, write.data, NOW)).tracks == tracks
