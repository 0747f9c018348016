"""Changing alert rules, and trying them on the days before: what is stored, what is said, and whose rules stay."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_UP, Decimal
from typing import Any

import pytest
from google.cloud import bigquery

from common.skills.alerts.back_test import back_test
from common.skills.alerts.conditions import read_rule
from common.skills.alerts.figures import Figures
from common.skills.alerts.rules import Wanted
from tests.conftest import PROJECT
from tests.skills.alerts.test_alert_tools import fired, stored
from tests.skills.conftest import DEMO_TODAY, NOON, Call, rows_of

WANTED = {"name": "Cloud", "threshold": 40000, "currency": "USD"}


async def test_the_rule_just_made_is_changed_without_being_named(ask: Call, operated: bigquery.Client) -> None:
    made = await ask("acme_inc", "create_alert", **WANTED, _user="u-just", _scope="just-1")
    changed = await ask("acme_inc", "update_alert", threshold=45000, severity="critical", _user="u-just")
    (row,) = changed["rows"]
    assert row["rule_id"] == made["summary"]["rule_id"]
    assert (row["threshold"], row["severity"], row["name"]) == (45000, "critical", "Cloud")
    assert row["fires_when"] == "Raised when the monthly billed cost passes 45000 USD."
    assert changed["summary"]["changed"]["threshold"] == {"before": 40000, "after": 45000}
    assert changed["summary"]["changed"]["severity"] == {"before": "warning", "after": "critical"}
    (kept,) = stored(operated, "org_notification_rules", "rule_id", row["rule_id"])
    assert (kept["priority"], json.loads(kept["conditions"])["threshold"], kept["updated_at"]) == (
        "critical", 45000, NOON,
    )  # fmt: skip
    # Somebody else made no rule, and what was made two days ago is not "it".
    for user, now in (("u-other", NOON), ("u-just", NOON + timedelta(days=2))):
        refused = await ask("acme_inc", "update_alert", threshold=1, _user=user, _now=now)
        assert refused["error"]["code"] == "which_rule"


async def test_a_rule_is_paused_muted_and_deleted(ask: Call, operated: bigquery.Client) -> None:
    made = await ask("globex_inc", "create_alert", name="Short-lived", threshold=9, currency="EUR", _user="u-life")
    rule_id = made["summary"]["rule_id"]

    async def manage(action: str, **more: object) -> dict[str, Any]:
        (row,) = (await ask("globex_inc", "manage_alert", action=action, rule="short-LIVED", **more))["rows"]
        found: dict[str, Any] = row
        return found

    assert (await manage("pause"))["status"] == "disabled"
    assert (await manage("resume"))["status"] == "active"
    assert (await manage("mute", until="2026-04-02T08:00:00+02:00"))["muted_until"] == "2026-04-02T06:00:00+00:00"
    assert (await manage("mute"))["muted_until"] == "forever"
    assert (await manage("unmute"))["muted_until"] is None
    assert (await manage("delete"))["rule_id"] == rule_id
    assert stored(operated, "org_notification_rules", "rule_id", rule_id) == []
    gone = await ask("globex_inc", "manage_alert", action="resume", rule=rule_id)
    assert gone["error"]["code"] == "not_found"


async def test_a_mute_ends_later_than_now_and_says_what_it_does_not_silence(ask: Call) -> None:
    await ask("globex_inc", "create_alert", name="Loud", threshold=9, currency="EUR", _user="u-mute")

    async def mute(until: str) -> dict[str, Any]:
        answer: dict[str, Any] = await ask("globex_inc", "manage_alert", action="mute", until=until, _user="u-mute")
        return answer

    for over in ("2026-03-31T11:59:00Z", "2025-01-01T00:00:00", "0001-01-01T00:00:00+14:00"):
        assert (await mute(over))["error"]["code"] == "invalid_arguments", over
    muted = await mute("2026-04-02T12:00:00Z")
    assert muted["rows"][0]["muted_until"] == "2026-04-02T12:00:00+00:00"
    assert "Only this rule is muted" in muted["summary"]["note"]


async def test_who_changes_a_rule_as_it_was_before_changes_nothing(
    ask: Call, operated: bigquery.Client, counting: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await ask("globex_inc", "create_alert", name="Raced", threshold=9, currency="EUR", _user="u-race")
    rule_id, later = made["rows"][0]["rule_id"], NOON + timedelta(minutes=1)
    run = counting.run

    async def paused_by_another(*given: Any, **named: Any) -> Any:
        read = await run(*given, **named)
        monkeypatch.setattr(counting, "run", run)
        paused = await ask("globex_inc", "manage_alert", action="pause", rule=rule_id, _now=later)
        assert paused["rows"][0]["status"] == "disabled"
        return read

    monkeypatch.setattr(counting, "run", paused_by_another)
    refused = await ask(
        "globex_inc", "update_alert", rule=rule_id, severity="critical", _now=later + timedelta(seconds=1)
    )
    assert refused["error"]["code"] == "changed_meanwhile"
    (kept,) = stored(operated, "org_notification_rules", "rule_id", rule_id)
    assert (kept["is_active"], kept["priority"]) == (False, "medium")
    await ask("globex_inc", "manage_alert", action="delete", rule=rule_id)


async def test_a_rule_that_is_never_evaluated_says_so(ask: Call, operated: bigquery.Client) -> None:
    made = await ask("globex_inc", "create_alert", name="Odd", threshold=9, currency="EUR", _user="u-odd")
    rule_id = made["rows"][0]["rule_id"]
    filtered = '{"threshold": 5, "period": "daily", "filters": [%s]}'
    for conditions in (
        '{"threshold": 5, "period": "hourly"}', '{"metric": {}}', '{"quiet_days": 5}', '{"currency": 5}', "no JSON",
        filtered % '{"dimension": "colour", "values": ["a"]}',
        filtered % '{"dimension": "service", "values": ["\\ud800"]}',
    ):  # fmt: skip
        text = f"UPDATE `{PROJECT}.organizations.org_notification_rules` SET conditions = @c WHERE rule_id = @r"
        values = (("c", conditions), ("r", rule_id))
        given = [bigquery.ScalarQueryParameter(name, "STRING", value) for name, value in values]
        operated.query_and_wait(text, job_config=bigquery.QueryJobConfig(query_parameters=given))
        answer = await ask("globex_inc", "list_alerts", limit=100)
        (row,) = [each for each in answer["rows"] if each["rule_id"] == rule_id]
        assert row["problem"], conditions
        assert answer["summary"]["never_evaluated"] >= 1
    await ask("globex_inc", "manage_alert", action="delete", rule=rule_id)
    assert (await ask("globex_inc", "list_alerts"))["summary"]["never_evaluated"] == 0


async def test_another_organisations_rule_is_not_there(ask: Call, operated: bigquery.Client) -> None:
    rule = stored(operated, "org_notification_rules", "org_slug", "globex_inc")[0]
    for asked in (rule["rule_id"], "no such rule"):
        for name, arguments in (("update_alert", {"severity": "info"}), ("manage_alert", {"action": "delete"})):
            answer = await ask("acme_inc", name, rule=asked, **arguments)
            assert answer["error"]["code"] == "not_found"
    assert rule in stored(operated, "org_notification_rules", "org_slug", "globex_inc")


async def test_a_figure_that_a_rule_does_not_have_is_refused(ask: Call) -> None:
    made = await ask("acme_inc", "create_alert", name="Rise", kind="percent_change", percent=30, _user="u-rise")
    assert made["rows"][0]["fires_when"] == "Raised when the monthly billed cost rises by 30 % or more."
    refused = await ask("acme_inc", "update_alert", threshold=5, _user="u-rise")
    assert (refused["error"]["code"], "has no threshold" in refused["error"]["message"]) == ("invalid_arguments", True)
    for arguments, missing in (
        ({"name": "x", "threshold": 5}, "currency"),
        ({"name": "x", "kind": "budget"}, "percent"),
        ({"name": "x", "threshold": 5, "currency": "USD", "quiet_hours_start": "22:00"}, "quiet_hours_end"),
        ({"name": "x", "threshold": 5, "currency": "USD", "time_zone": "Mars/Base"}, "time zone"),
    ):
        answer = await ask("acme_inc", "create_alert", **arguments)
        assert answer["error"]["code"] == "invalid_arguments"
        assert missing in answer["error"]["message"]
    bad = await ask("acme_inc", "create_alert", **WANTED | {"filters": [{"dimension": "nothing", "values": ["a"]}]})
    assert bad["error"]["code"] == "unknown_dimension"


async def test_a_preview_counts_the_days_on_which_it_would_have_fired(ask: Call) -> None:
    first = DEMO_TODAY - timedelta(days=59)
    daily: dict[Any, Decimal] = {}
    for row in rows_of("acme_inc"):
        day = row["ChargePeriodStart"].astimezone(UTC).date()
        if row["BillingCurrency"] == "USD" and day >= first:
            daily[day] = daily.get(day, Decimal()) + Decimal(row["BilledCost"])
    limit = sorted(daily.values())[-6].quantize(Decimal("0.01"), ROUND_UP)
    days = [day for day in sorted(daily) if daily[day] > limit]
    # Days in a row are one alert, and one is over once a whole day is 5 % below.
    wanted, ongoing = [], False
    for day in sorted(daily):
        if daily[day] > limit and not ongoing:
            wanted.append(day.isoformat())
        ongoing = daily[day] > limit or (ongoing and daily[day] > limit * Decimal("0.95"))
    asked = {"threshold": float(limit), "currency": "USD", "period": "daily"}
    answer = await ask("acme_inc", "preview_alert", **asked)
    assert 0 < len(wanted) <= len(days)
    assert [row["window"] for row in answer["rows"]] == wanted
    assert all(row["unit"] == "USD" and row["value"] > row["threshold"] for row in answer["rows"])
    times = "once" if len(wanted) == 1 else f"{len(wanted)} times"
    assert answer["summary"]["said"] == f"It would have fired {times} in the last 60 days."
    never = await ask("acme_inc", "preview_alert", threshold=10**9, currency="USD")
    assert never["summary"]["said"] == "It would have fired not at all in the last 60 days."


def test_a_budget_is_tried_with_what_was_spent_by_each_day() -> None:
    days = [date(2026, 3, 1) + timedelta(days=number) for number in range(31)]
    budget = {
        "budget_id": "b", "budget_type": "monetary", "budget_amount": 620, "currency": "USD", "category": "total",
        "provider": None, "hierarchy_entity_id": "ORG", "hierarchy_entity_name": "All",
        "hierarchy_level_code": "organization", "period_start": days[0], "period_end": days[-1], "days": days,
        "amounts": [Decimal(10)] * 31, "actual": Decimal(310), "last_day": days[-2], "newest_day": days[-1],
    }  # fmt: skip
    wanted = Wanted("b", None, None, None, "info", None, None, None, "monthly", "budget_percent", Decimal(20))
    rule = read_rule(wanted.as_stored("b", NOON))
    tested = back_test(rule, Figures({}, days[0]), [budget], DEMO_TODAY)
    # 20 % of 620 are 124: reached on the 13th day at 10 a day.
    assert [(day, each.reading.value) for day, each in tested.fired] == [(date(2026, 3, 13), Decimal("20.97"))]


async def test_spend_alerts_are_found_among_pipeline_failures(ask: Call) -> None:
    alerts = fired("acme_inc", DEMO_TODAY - timedelta(days=29), DEMO_TODAY)
    pipeline = [alert for alert in alerts if "pipeline" in alert["alert_id"]]
    everything = await ask("acme_inc", "alert_history", limit=100)
    spend = await ask("acme_inc", "alert_history", category="cost", limit=100)
    assert 0 < len(pipeline) == everything["summary"]["by_category"]["pipeline"]
    assert spend["summary"]["total"] == len(alerts) - len(pipeline)
    assert {row["category"] for row in spend["rows"]} == {"cost"}
    counts = {row["rule_name"]: row["alerts"] for row in everything["summary"]["by_rule"]}
    assert sum(counts.values()) == len(alerts)
    one = await ask("acme_inc", "alert_history", rule="genai spend ANOMALY", limit=100)
    assert one["summary"]["total"] == counts["GenAI spend anomaly"]
    for row in everything["rows"]:
        assert row["unit"] in ("USD", "percent", "failed runs")
        assert row["value"] >= row["threshold"]


async def test_an_acknowledgement_keeps_the_name_and_the_note_of_its_alert(
    ask: Call, operated: bigquery.Client
) -> None:
    alert = fired("globex_inc", DEMO_TODAY - timedelta(days=59), DEMO_TODAY)[3]
    one = {"alert_history_id": alert["alert_history_id"], "note": "The migration; it ends on Friday."}
    await ask("globex_inc", "acknowledge_alert", **one, _user="u-noted")
    (kept,) = stored(operated, "org_alert_history", "alert_history_id", alert["alert_history_id"])
    assert (kept["acknowledged_by"], kept["acknowledged_note"]) == ("u-noted", one["note"])
    assert kept["acknowledged_at"] == datetime(2026, 3, 31, 12, tzinfo=UTC)
    again = await ask("globex_inc", "acknowledge_alert", **one)
    assert again["rows"][0]["acknowledged_note"] == one["note"]
