"""The alert tools over the demo's rules and alerts: what they say, what they change, and whose rows they change."""

import asyncio
import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from google.cloud import bigquery

from common import limits
from common.agents.events import ToolFinished
from common.figures.checking import unverified_figures
from common.figures.sources import Sources
from common.focus.currencies import CURRENCIES
from common.focus.providers import provider_key
from common.record.outbox import tool_call_rows
from common.skills.alerts import rules as alert_rules
from common.skills.alerts.rules import Wanted
from common.skills.alerts.tools import TOOLS as ALERT_TOOLS
from common.skills.alerts.tools import count_by_rule
from common.tenant import EVERY_PERMISSION, WRITE_ALERTS, OrgSlug, Principal, Tenant, UserId
from common.tools.context import ToolContext
from common.tools.registry import BoundTools
from common.transcript.message import Message
from local.data import demo
from tests.fakes.destinations import FakeDestinations
from tests.skills.conftest import DEMO_TODAY, NOON, PROJECT, Call, CountingWarehouse
from tests.skills.operations_made import shared_rows

SEVERITIES = {"critical": "critical", "high": "warning", "medium": "warning", "low": "info"}
MONTHLY = {"name": "Monthly budget", "threshold": 5000, "currency": "USD"}


def stored(operated: bigquery.Client, table: str, column: str, value: str) -> list[dict[str, Any]]:
    """The rows of a shared table as BigQuery holds them, whoever they belong to."""
    config = bigquery.QueryJobConfig(query_parameters=[bigquery.ScalarQueryParameter("value", "STRING", value)])
    sql = f"SELECT * FROM `{PROJECT}.organizations.{table}` WHERE {column} = @value"
    return [dict(row.items()) for row in operated.query_and_wait(sql, job_config=config)]


def fired(org: str, start: date, end: date) -> list[dict[str, Any]]:
    """The demo's alerts of these days, newest first."""
    alerts = [row for row in shared_rows(org)["org_alert_history"] if start <= row["created_at"].date() <= end]
    return sorted(alerts, key=lambda row: (-row["created_at"].timestamp(), row["alert_history_id"]))


@pytest.mark.parametrize("org", demo.ORGS)
async def test_list_alerts_shows_every_rule_with_what_it_is_stored_with(ask: Call, org: str) -> None:
    answer = await ask(org, "list_alerts", limit=100)
    rules = {row["rule_id"]: row for row in answer["rows"]}
    for rule in shared_rows(org)["org_notification_rules"]:
        row = rules[rule["rule_id"]]
        assert row["name"] == rule["name"]
        assert row["severity"] == SEVERITIES[rule["priority"]]
        assert row["status"] == ("active" if rule["is_active"] else "disabled")
        assert row["provider_filter"] == rule["provider_filter"]
        assert json.loads(row["conditions"]) == json.loads(rule["conditions"])
    assert answer["summary"]["total"] == len(rules) == sum(answer["summary"]["by_status"].values())


async def test_a_rule_in_its_quiet_hours_is_paused_and_one_of_another_priority_is_not(ask: Call) -> None:
    night = datetime(2026, 3, 31, 3, tzinfo=UTC)  # 23:00 in New York, 05:00 in Berlin: both in quiet hours
    for org in demo.ORGS:
        paused = await ask(org, "list_alerts", status="paused", _now=night)
        quiet = {rule["rule_id"] for rule in shared_rows(org)["org_notification_rules"] if rule["quiet_hours_start"]}
        assert {row["rule_id"] for row in paused["rows"]} == quiet
        assert {row["paused_by"] for row in paused["rows"]} == {"quiet hours"}
        assert paused["summary"]["by_status"]["paused"] == paused["summary"]["matching"] == len(quiet)
        none = await ask(org, "list_alerts", status="paused", _now=NOON)
        assert none["rows"] == []
        assert none["summary"]["by_status"]["paused"] == 0
        assert none["summary"]["total"] >= 6


@pytest.mark.parametrize(
    ("columns", "now", "status"),
    [
        ({"is_active": False, "last_triggered_at": NOON}, NOON, ("disabled", None)),
        ({"last_triggered_at": NOON - timedelta(minutes=59)}, NOON, ("paused", "cooldown")),
        ({"last_triggered_at": NOON - timedelta(minutes=60)}, NOON, ("active", None)),
        ({"last_triggered_at": NOON, "cooldown_minutes": None}, NOON, ("active", None)),
        ({"quiet_hours_start": "12:00", "quiet_hours_end": "12:30"}, NOON, ("paused", "quiet hours")),
        ({"quiet_hours_start": "11:00", "quiet_hours_end": "12:00"}, NOON, ("active", None)),
        ({"quiet_hours_start": "22:00", "quiet_hours_end": "06:00"}, NOON.replace(hour=22), ("paused", "quiet hours")),
        ({"quiet_hours_start": "22:00", "quiet_hours_end": "06:00"}, NOON.replace(hour=6), ("active", None)),
        ({"quiet_hours_start": "11:30", "quiet_hours_end": None}, NOON, ("active", None)),
        (
            {"quiet_hours_start": "14:00", "quiet_hours_end": "15:00", "quiet_hours_timezone": "Europe/Berlin"},
            NOON,  # 14:00 in Berlin, where summer time began two days before
            ("paused", "quiet hours"),
        ),
        (
            {"quiet_hours_start": "11:00", "quiet_hours_end": "13:00", "quiet_hours_timezone": "../etc/passwd"},
            NOON,
            ("paused", "quiet hours"),
        ),
    ],
)
def test_a_rule_is_disabled_paused_or_active(columns: dict[str, Any], now: datetime, status: tuple[str, str]) -> None:
    rule = {
        "is_active": True, "quiet_hours_start": None, "quiet_hours_end": None, "quiet_hours_timezone": None,
        "last_triggered_at": None, "cooldown_minutes": 60, "conditions": "{}",
    }  # fmt: skip
    assert alert_rules.status_of(rule | columns, now) == status


async def test_an_organisation_has_as_many_rules_as_it_may_and_no_more(
    ask: Call, operated: bigquery.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = (await ask("globex_inc", "list_alerts", limit=1))["summary"]["total"]
    monkeypatch.setattr(limits, "MAX_ALERT_RULES", there + 1)
    wanted = {"threshold": 5, "currency": "USD"}
    last = await ask("globex_inc", "create_alert", name="The last one", **wanted)
    assert last["summary"]["created"]
    refused = await ask("globex_inc", "create_alert", name="One past it", **wanted | {"threshold": 6})
    assert refused["error"]["code"] == "too_many_alert_rules"
    assert f"has {there + 1} alert rules" in refused["error"]["message"]
    assert stored(operated, "org_notification_rules", "name", "One past it") == []
    # What is there already is found, and another organisation has its own.
    again = await ask("globex_inc", "create_alert", name="The last one", **wanted)
    assert (again["summary"]["created"], again["summary"]["rule_id"]) == (False, last["summary"]["rule_id"])
    monkeypatch.setattr(limits, "MAX_ALERT_RULES", (await ask("acme_inc", "list_alerts"))["summary"]["total"] + 1)
    assert (await ask("acme_inc", "create_alert", name="The last one", **wanted))["summary"]["created"]


async def test_a_limit_cuts_the_list_and_not_its_counts(ask: Call) -> None:
    whole = await ask("globex_inc", "list_alerts", limit=100)
    cut = await ask("globex_inc", "list_alerts", limit=1)
    assert cut["rows"] == whole["rows"][:1]
    assert cut["truncated"] is True
    assert cut["summary"]["by_status"] == whole["summary"]["by_status"]


@pytest.mark.parametrize("severity", [None, "critical", "warning", "info"])
@pytest.mark.parametrize(
    ("start", "end"), [("2026-03-02", "2026-03-31"), ("2026-02-01", "2026-03-12"), ("2026-03-13", "2026-03-13")]
)
@pytest.mark.parametrize("org", demo.ORGS)
async def test_alert_history_holds_the_alerts_of_its_days(
    ask: Call, org: str, start: str, end: str, severity: str | None
) -> None:
    answer = await ask(org, "alert_history", start_date=start, end_date=end, severity=severity, limit=100)
    names = {rule["rule_id"]: rule["name"] for rule in shared_rows(org)["org_notification_rules"]}
    alerts = fired(org, date.fromisoformat(start), date.fromisoformat(end))
    chosen = [alert for alert in alerts if severity in (None, SEVERITIES[alert["severity"]])]
    assert [row["alert_history_id"] for row in answer["rows"]] == [alert["alert_history_id"] for alert in chosen]
    for row, alert in zip(answer["rows"], chosen, strict=True):
        assert row["severity"] == SEVERITIES[alert["severity"]]
        assert row["rule_name"] == names[alert["alert_id"]]
        assert row["trigger_data"] == alert["trigger_data"]
        assert row["created_at"] == alert["created_at"].isoformat()
    assert answer["summary"]["total"] == len(chosen)
    for each in ("critical", "warning", "info"):
        assert answer["summary"]["by_severity"][each] == sum(SEVERITIES[row["severity"]] == each for row in chosen)
    counts = Counter(names[alert["alert_id"]] for alert in chosen)
    assert {row["rule_name"]: row["alerts"] for row in answer["summary"]["by_rule"]} == counts
    sources = Sources()
    sources.add(answer)
    told = [f"| {name} | {count} |" for name, count in counts.items()]
    assert not unverified_figures("\n".join(["| rule | alerts |", "|---|---:|", *told]), sources)


async def test_a_history_cut_by_its_limit_keeps_the_counts_of_all(ask: Call) -> None:
    whole = await ask("acme_inc", "alert_history", limit=100)
    cut = await ask("acme_inc", "alert_history", limit=2)
    assert cut["rows"] == whole["rows"][:2]
    assert cut["truncated"] is True
    assert cut["summary"]["by_rule"]
    assert all(row in whole["summary"]["by_rule"] for row in cut["summary"]["by_rule"])
    assert cut["summary"] | {"by_rule": []} == whole["summary"] | {"by_rule": []}
    assert whole["truncated"] is False


def test_rules_of_one_name_count_together_and_a_rule_without_a_name_by_its_id() -> None:
    rows = [("a", "Costs", 2), ("b", "Costs", 3), ("a", "Costs", 2), ("gone", None, 1)]
    named = [{"rule_id": rule, "rule_name": name, "rule_count": count} for rule, name, count in rows]
    assert count_by_rule(named) == [{"rule_name": "Costs", "alerts": 5}, {"rule_name": "gone", "alerts": 1}]


async def test_an_empty_history_says_which_days_have_alerts(ask: Call) -> None:
    alerts = shared_rows("acme_inc")["org_alert_history"]
    asked = {"start_date": "2025-06-01", "end_date": "2025-06-30"}
    answer = await ask("acme_inc", "alert_history", **asked)
    assert answer["rows"] == []
    assert answer["summary"]["period"] == asked
    days = sorted(alert["created_at"].date().isoformat() for alert in alerts)
    assert answer["summary"]["available"] == {"start_date": days[0], "end_date": days[-1]}
    critical = sorted(alert["created_at"].date().isoformat() for alert in alerts if alert["severity"] == "critical")
    answer = await ask("acme_inc", "alert_history", severity="critical", **asked)
    assert answer["summary"]["available"] == {"start_date": critical[0], "end_date": critical[-1]}
    answer = await ask("acme_inc", "alert_history", severity="info", **asked)
    assert answer["summary"]["available"] == {"start_date": days[0], "end_date": days[-1]}


async def test_an_organisation_without_alerts_is_told_so(ask: Call) -> None:
    rules = await ask("empty_inc", "list_alerts")
    assert (rules["rows"], rules["summary"]["total"]) == ([], 0)
    alerts = await ask("empty_inc", "alert_history")
    assert (alerts["rows"], alerts["summary"]["total"], alerts["summary"]["available"]) == ([], 0, None)


async def test_a_new_alert_is_stored_as_the_rules_are_and_shows_at_once(ask: Call, operated: bigquery.Client) -> None:
    before = await ask("acme_inc", "list_alerts", limit=100)
    answer = await ask(
        "acme_inc", "create_alert", name="  OpenAI for AI Products ", threshold=1234.5, currency="usd",
        provider="Open AI", severity="critical", hierarchy_entity="ai products", period="daily",
        _user="u-maker", _scope="stored",
    )  # fmt: skip
    (row,) = answer["rows"]
    (kept,) = stored(operated, "org_notification_rules", "rule_id", row["rule_id"])
    assert kept["org_slug"] == "acme_inc"
    assert (kept["name"], kept["is_active"], kept["priority"]) == ("OpenAI for AI Products", True, "critical")
    assert (kept["rule_category"], kept["rule_type"]) == ("cost", "absolute_threshold")
    assert json.loads(kept["conditions"]) == {"threshold": 1234.5, "currency": "USD", "period": "daily"}
    assert kept["provider_filter"] == ["openai"]
    assert (kept["hierarchy_entity_id"], kept["hierarchy_path"]) == ("TEAM-AI", "/DEPT-PRODUCT/TEAM-AI")
    assert (kept["created_by"], kept["created_at"]) == ("u-maker", NOON)
    assert (kept["service_filter"], kept["notify_channel_ids"], kept["acknowledged_by"]) == ([], [], None)
    assert answer["summary"]["created"] is True
    assert "daily billed cost" in kept["description"]
    assert answer["sql"].startswith("MERGE INTO")
    assert answer["parameters"]["rule_id"] == row["rule_id"]
    after = await ask("acme_inc", "list_alerts", limit=100)
    assert [each for each in after["rows"] if each not in before["rows"]] == [row]
    assert after["summary"]["by_status"]["active"] == before["summary"]["by_status"]["active"] + 1


async def test_a_plain_alert_watches_everything_monthly_as_a_warning(ask: Call) -> None:
    answer = await ask("globex_inc", "create_alert", name="All", threshold=1, currency="EUR", _scope="plain")
    (row,) = answer["rows"]
    assert (row["severity"], row["period"], row["threshold"]) == ("warning", "monthly", 1)
    assert row["fires_when"] == "Raised when the monthly billed cost passes 1 EUR."
    assert (row["provider_filter"], row["hierarchy_entity_id"]) == ([], None)
    assert (answer["summary"]["tells"], "note" in answer["summary"]) == (["Ops (slack)", "Finance (slack)"], False)


async def test_a_rule_tells_the_destinations_that_are_named_and_the_preview_says_so(ask: Call) -> None:
    asked = {"threshold": 77, "currency": "USD", "destinations": ["finance"]}
    preview = await ask("globex_inc", "preview_alert", **asked)
    assert preview["summary"]["tells"] == ["Finance (slack)"]
    made = await ask("globex_inc", "create_alert", name="Told", **asked, _scope="told")
    assert (made["rows"][0]["notify_channel_ids"], made["summary"]["tells"]) == ([f"{2:032x}"], ["Finance (slack)"])
    changed = await ask("globex_inc", "update_alert", rule="Told", destinations=["Ops"])
    assert changed["summary"]["changed"] == {
        "notify_channel_ids": {"before": [f"{2:032x}"], "after": [f"{1:032x}"]},
        "updated_at": changed["summary"]["changed"]["updated_at"],
    }
    for wrong in (["Night shift"], ["Ops", "https://evil.example"]):
        refused = await ask("globex_inc", "create_alert", name="x", **asked | {"destinations": wrong})
        assert refused["error"]["code"] == "unknown_destination"
        assert "Ops (slack); Finance (slack)" in refused["error"]["message"]


async def test_the_same_alert_twice_in_one_answer_is_one_rule(ask: Call, operated: bigquery.Client) -> None:
    first = await ask("acme_inc", "create_alert", **MONTHLY, _scope="twice")
    again = await ask("acme_inc", "create_alert", **MONTHLY | {"threshold": 5000.0}, _scope="twice")
    assert (first["summary"]["created"], again["summary"]["created"]) == (True, False)
    assert first["rows"] == again["rows"]
    assert len(stored(operated, "org_notification_rules", "rule_id", first["rows"][0]["rule_id"])) == 1


async def test_an_equal_alert_of_another_answer_person_or_name_is_no_second_rule(
    ask: Call, operated: bigquery.Client
) -> None:
    wanted = {"threshold": 7777, "currency": "USD", "provider": "AWS"}
    first = await ask("acme_inc", "create_alert", name="One", **wanted, _scope="equal-1")
    again = await ask(
        "acme_inc", "create_alert", name="Two", severity="critical", **wanted, _scope="equal-2", _user="b"
    )
    assert (first["summary"]["created"], again["summary"]["created"]) == (True, False)
    assert again["summary"]["rule_id"] == first["summary"]["rule_id"]
    assert "'One'" in again["summary"]["equal_rule"]
    assert stored(operated, "org_notification_rules", "name", "Two") == []
    for other in ({"provider": "GCP"}, {"period": "daily"}, {"currency": "EUR"}, {"hierarchy_entity": "Platform"}):
        assert (await ask("acme_inc", "create_alert", name="Other", **wanted | other))["summary"]["created"] is True
    # One that is switched off watches nothing: then it is made.
    await ask("acme_inc", "manage_alert", action="pause", rule=first["summary"]["rule_id"])
    assert (await ask("acme_inc", "create_alert", name="Two", **wanted, _scope="equal-3"))["summary"]["created"] is True


async def test_the_same_alert_asked_for_at_the_same_time_is_one_rule(
    operated: bigquery.Client, counting: CountingWarehouse
) -> None:
    principal = Principal(
        Tenant(OrgSlug("acme_inc"), PROJECT, "organizations"), UserId("u1"), "key-1", EVERY_PERMISSION
    )
    resources = {"warehouse": counting, "destinations": FakeDestinations()}
    tools = BoundTools(ALERT_TOOLS, principal, ToolContext({}, NOON, "at once"), resources)
    calls = [
        tools.call("create_alert", json.dumps(MONTHLY | {"threshold": 5002}), agent_name="AlertManager", approved=True)
        for _ in range(5)
    ]
    answers = await asyncio.gather(*calls)
    assert sorted(answer["summary"]["created"] for answer in answers) == [False] * 4 + [True]
    (rule_id,) = {answer["rows"][0]["rule_id"] for answer in answers}
    assert len(stored(operated, "org_notification_rules", "rule_id", rule_id)) == 1


def test_another_caller_answer_or_argument_makes_another_rule() -> None:
    tenant = Tenant(OrgSlug("acme_inc"), PROJECT, "organizations")
    plain = Wanted("n", Decimal(5), "USD", None, "warning", None, None, None, "monthly")
    one = Principal(tenant, UserId("u1"), "k")
    ids = {
        plain.rule_id(one, "a"),
        plain.rule_id(one, "b"),
        plain.rule_id(Principal(tenant, UserId("u2"), "k"), "a"),
        plain.rule_id(Principal(Tenant(OrgSlug("globex_inc"), PROJECT, "organizations"), UserId("u1"), "k"), "a"),
        Wanted("n", Decimal(6), "USD", None, "warning", None, None, None, "monthly").rule_id(one, "a"),
        Wanted("n", Decimal(5), "EUR", None, "warning", None, None, None, "monthly").rule_id(one, "a"),
        Wanted("n", Decimal(5), "USD", "aws", "warning", None, None, None, "monthly").rule_id(one, "a"),
        Wanted("n", Decimal(5), "USD", None, "info", None, None, None, "monthly").rule_id(one, "a"),
        Wanted("n", Decimal(5), "USD", None, "warning", "T", None, None, "monthly").rule_id(one, "a"),
        Wanted("n", Decimal(5), "USD", None, "warning", None, None, None, "daily").rule_id(one, "a"),
    }
    assert len(ids) == 10
    assert plain.rule_id(one, "a") in ids


@pytest.mark.parametrize(
    ("asked", "key"),
    [("GCP", "gcp"), ("google cloud", "gcp"), ("Amazon Web Services", "aws"), ("Claude", "anthropic"),
     ("Google AI", "gemini"), ("Microsoft", "azure"), ("  Git  Hub ", "git hub")],
)  # fmt: skip
def test_a_provider_is_stored_under_one_name(asked: str, key: str) -> None:
    assert provider_key(asked) == key


async def test_an_entity_of_another_organisation_or_of_nobody_is_unknown(ask: Call) -> None:
    for name in ("TEAM-IOT", "Connected Devices", "Nobody"):
        answer = await ask("acme_inc", "create_alert", **MONTHLY, hierarchy_entity=name)
        assert answer["error"]["code"] == "unknown_entity"
        assert "TEAM-PLATFORM (Platform)" in answer["error"]["message"]
        assert "globex" not in answer["error"]["message"].lower()
        assert answer["error"]["message"].count("TEAM-IOT") == (1 if name == "TEAM-IOT" else 0)
    answer = await ask("empty_inc", "create_alert", **MONTHLY, hierarchy_entity="Platform")
    assert "among others: none" in answer["error"]["message"]


async def test_acknowledging_writes_the_user_and_the_moment(ask: Call, operated: bigquery.Client) -> None:
    alert = fired("acme_inc", date(2026, 1, 1), DEMO_TODAY)[0]
    answer = await ask(
        "acme_inc", "acknowledge_alert", alert_history_id=alert["alert_history_id"], _user="u-seen", _scope="ack"
    )
    assert answer["summary"]["acknowledged"] is True
    assert (answer["rows"][0]["acknowledged_by"], answer["rows"][0]["status"]) == ("u-seen", "ACKNOWLEDGED")
    (kept,) = stored(operated, "org_alert_history", "alert_history_id", alert["alert_history_id"])
    assert kept["status"] == "ACKNOWLEDGED"
    assert {name: kept[name] for name in ("org_slug", "severity", "trigger_data", "recipients", "created_at")} == {
        name: alert[name] for name in ("org_slug", "severity", "trigger_data", "recipients", "created_at")
    }
    (rule,) = stored(operated, "org_notification_rules", "rule_id", alert["alert_id"])
    assert (rule["acknowledged_by"], rule["acknowledged_at"], rule["updated_at"]) == ("u-seen", NOON, NOON)
    history = await ask("acme_inc", "alert_history", limit=1)
    assert history["rows"][0]["status"] == "ACKNOWLEDGED"
    assert history["summary"]["acknowledged"] >= 1


async def test_acknowledging_twice_changes_nothing_and_says_who_was_first(
    ask: Call, operated: bigquery.Client, counting: CountingWarehouse
) -> None:
    alert = next(row for row in fired("globex_inc", date(2026, 1, 1), DEMO_TODAY))
    one = {"alert_history_id": alert["alert_history_id"]}
    await ask("globex_inc", "acknowledge_alert", **one, _user="u-first")
    counting.ran.clear()
    later = NOON + timedelta(hours=5)
    answer = await ask("globex_inc", "acknowledge_alert", **one, _user="u-second", _now=later)
    assert answer["summary"]["acknowledged"] is False
    assert answer["summary"]["already_acknowledged"] is True
    assert answer["summary"]["acknowledged_by"] == "u-first"
    assert answer["summary"]["acknowledged_at"] == NOON.isoformat()
    assert "by u-first at 2026-03-31 12:00 UTC" in answer["summary"]["note"]
    assert not any(query.writes for query in counting.ran)
    (rule,) = stored(operated, "org_notification_rules", "rule_id", alert["alert_id"])
    assert (rule["acknowledged_by"], rule["acknowledged_at"]) == ("u-first", NOON)


async def test_of_two_alerts_of_a_rule_each_keeps_who_acknowledged_it(ask: Call) -> None:
    alerts = [row for row in fired("acme_inc", date(2026, 1, 1), DEMO_TODAY) if "genai-anomaly" in row["alert_id"]]
    older, newer = alerts[-1]["alert_history_id"], alerts[0]["alert_history_id"]
    assert older != newer
    await ask("acme_inc", "acknowledge_alert", alert_history_id=older, _user="u-first")
    await ask("acme_inc", "acknowledge_alert", alert_history_id=newer, _user="u-second")
    answer = await ask("acme_inc", "acknowledge_alert", alert_history_id=older, _user="u-third")
    assert answer["summary"]["already_acknowledged"] is True
    assert "acknowledged before, by u-first at 2026-03-31 12:00 UTC" in answer["summary"]["note"]


async def test_acknowledging_again_finishes_what_a_crash_left_between_its_two_writes(
    ask: Call, operated: bigquery.Client
) -> None:
    alert = fired("acme_inc", date(2026, 1, 1), DEMO_TODAY)[-1]
    config = bigquery.QueryJobConfig(
        query_parameters=[bigquery.ScalarQueryParameter("id", "STRING", alert["alert_id"])]
    )
    operated.query_and_wait(
        f"UPDATE `{PROJECT}.organizations.org_notification_rules` SET acknowledged_by = 'u-lost' WHERE rule_id = @id",
        job_config=config,
    )
    answer = await ask("acme_inc", "acknowledge_alert", alert_history_id=alert["alert_history_id"], _user="u-back")
    assert answer["summary"]["acknowledged"] is True
    assert answer["rows"][0]["acknowledged_by"] == "u-back"


async def test_the_id_of_another_organisation_and_of_nothing_are_the_same(ask: Call, operated: bigquery.Client) -> None:
    foreign = fired("globex_inc", date(2026, 1, 1), DEMO_TODAY)[1]
    before = stored(operated, "org_alert_history", "org_slug", "globex_inc")
    answers = [
        await ask("acme_inc", "acknowledge_alert", alert_history_id=one)
        for one in (foreign["alert_history_id"], "nothing-of-the-kind")
    ]
    assert answers[0] == answers[1]
    assert answers[0]["error"]["code"] == "not_found"
    assert stored(operated, "org_alert_history", "org_slug", "globex_inc") == before


@pytest.mark.parametrize(
    "arguments",
    [
        MONTHLY | {"name": "x" * 100, "threshold": 5003}, MONTHLY | {"name": "x", "threshold": 5004},
        MONTHLY | {"threshold": 999_999_999_999},
        MONTHLY | {"threshold": 0.001}, MONTHLY | {"currency": "JPY"},
        MONTHLY | {"provider": "x" * 100},
    ],
)  # fmt: skip
async def test_an_alert_at_its_bounds_is_stored_as_it_was_asked_for(ask: Call, arguments: dict[str, Any]) -> None:
    answer = await ask("acme_inc", "create_alert", **arguments, _scope="bounds")
    (row,) = answer["rows"]
    assert (row["name"], row["threshold"]) == (arguments["name"], arguments["threshold"])
    assert row["currency"] == arguments["currency"]


async def test_ranges_that_are_turned_too_long_or_to_come_are_refused(ask: Call) -> None:
    first = DEMO_TODAY - timedelta(days=limits.MAX_RANGE_DAYS - 1)
    assert "rows" in await ask("acme_inc", "alert_history", start_date=first)
    for asked in (
        {"start_date": first - timedelta(days=1)},
        {"start_date": "2026-03-02", "end_date": "2026-03-01"},
        {"start_date": DEMO_TODAY + timedelta(days=1)},
    ):
        answer = await ask("acme_inc", "alert_history", **asked)
        assert answer["error"]["code"] == "invalid_range"


async def test_the_audit_says_who_changed_what(ask: Call) -> None:
    answer = await ask("acme_inc", "create_alert", **MONTHLY | {"threshold": 5001}, _scope="audit")
    refused = await ask("acme_inc", "acknowledge_alert", alert_history_id="nothing")
    calls = tuple(
        ToolFinished(f"call-{index}", "AlertManager", name, "alerts", json.dumps(arguments), result, 12)
        for index, (name, arguments, result) in enumerate(
            [("create_alert", MONTHLY, answer), ("acknowledge_alert", {"alert_history_id": "nothing"}, refused)]
        )
    )
    tenant = Tenant(OrgSlug("acme_inc"), PROJECT, "organizations")
    message = Message(message_id="m-1", role="assistant", content="Done.", created_at=NOON, sequence=2)
    created, failed = tool_call_rows(tenant, "c-1", message, calls)
    assert (created["agent_name"], created["tool_name"], created["tool_domain"]) == (
        "AlertManager", "create_alert", "alerts",
    )  # fmt: skip
    assert json.loads(created["input_params"]) == MONTHLY
    summary = json.loads(created["output_result"])
    assert (summary["action"], summary["created"]) == ("create_alert", True)
    assert summary["rule_id"] == answer["rows"][0]["rule_id"]
    assert created["status"] == "success"
    assert isinstance(created["bytes_processed"], int)
    assert (failed["status"], failed["output_result"]) == ("error", None)
    assert failed["error_message"].startswith("not_found: ")


def test_the_tools_that_write_say_so() -> None:
    assert {tool.name: tool.writes for tool in ALERT_TOOLS} == {
        "list_alerts": None, "preview_alert": None, "alert_history": None,
        **dict.fromkeys(("create_alert", "update_alert", "manage_alert", "acknowledge_alert"), WRITE_ALERTS),
    }  # fmt: skip


def test_the_currencies_are_codes_in_use() -> None:
    assert {"USD", "EUR", "JPY", "GBP", "CHF", "INR", "BRL", "ZAR"} <= CURRENCIES
    assert not {"XXX", "XTS", "XAU", "BTC", "DEM"} & CURRENCIES
    assert all(len(code) == 3 and code.isupper() for code in CURRENCIES)
