"""Alerts and their notices: each that fires is told to the rule's destinations, in the commit that raises it."""

import asyncio
import json
import threading
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from common.documents import Put
from common.errors import Unavailable
from common.notices.delivery import Delivery
from common.notices.destination import Destination
from common.notices.notice import over_id
from common.notices.paths import DELIVERIES_DUE, deliveries_path, destinations_path
from common.services import Services
from common.tenant import OrgSlug
from local.data.warehouse import SHARED
from local.emulators.rpc import SeamsClient
from tests.alerting import generated
from tests.alerting.conftest import Place
from tests.alerting.generated import Line
from tests.alerting.killing import killed_at_each
from tests.alerting.test_rounds import synced
from tests.conftest import PROJECT
from tests.killable import Killable

OPS, NIGHT, OFF = "1" * 32, "2" * 32, "3" * 32


async def have(services: Services, org: str, **active: bool) -> None:
    """Give an organisation destinations, mail ones, which need no secret."""
    tenant, now = services.directory.tenant(OrgSlug(org)), services.clock()
    made = [
        Destination(key, "email", name, "", ("a@example.com",), b"", active.get(name, True), None, now, "ada", now)
        for key, name in ((OPS, "ops"), (NIGHT, "night"), (OFF, "off"))
    ]
    kept = {each.destination_id: each.data for each in made}
    await services.documents.commit([Put(destinations_path(tenant), {"destinations": kept})])


async def deliveries(services: Services, org: str) -> list[Delivery]:
    path = deliveries_path(services.directory.tenant(OrgSlug(org)))
    return [Delivery.of(each) for each in await services.documents.query(path, limit=5_000)]


def record(place: Place, org: str) -> list[dict[str, Any]]:
    return [row for row in place.rows("org_alert_history") if row["org_slug"] == org]


Told = Counter[tuple[str, str]]


def expected(rows: list[dict[str, Any]], rules: dict[str, dict[str, Any]], active: set[str]) -> Told:
    """The deliveries of the alerts in the record: to the destinations that each rule names, or to all."""
    wanted = Told()
    for row in rows:
        named = {each for each in rules[row["alert_id"]]["notify_channel_ids"] if each in (OPS, NIGHT, OFF)}
        told = (named or {OPS, NIGHT, OFF}) & active
        if row["status"] == "SUPPRESSED":
            continue
        assert row["status"] == ("PENDING" if told else "RECORDED"), row
        wanted.update((row["alert_history_id"], each) for each in told)
    return wanted


def chosen_rules(org: str, seed: int, count: int) -> list[dict[str, Any]]:
    """Generated rules: some tell all, some one, some one that is off, some one that is gone."""
    rules = generated.rules(org, seed, count)
    for number, rule in enumerate(rules):
        rule |= {"quiet_hours_start": None, "quiet_hours_end": None}
        rule["notify_channel_ids"] = ([], [NIGHT], [OFF], ["a-channel-of-long-ago"], [OPS, OFF])[number % 5]
    return rules


async def test_each_alert_is_told_once_to_each_destination_wherever_its_round_is_killed(place: Place) -> None:
    place.organizations("told_inc")
    place.now = generated.LAST
    lines = [line for line in generated.bill(4) if line.arrives <= place.now]
    place.load("told_inc", "cost_data_standard_1_3", [line.stored() for line in lines])
    place.load(SHARED, "org_budgets", generated.budgets("told_inc"))
    rules = chosen_rules("told_inc", 4, 24)
    by_id = {rule["rule_id"]: rule for rule in rules}

    async def begin() -> Services:
        services = await place.anew("told_inc", rules)
        await have(services, "told_inc", off=False)
        return services

    point = 0
    async for point in killed_at_each(begin, lambda services: services.alert_round.run(), step=5):
        await asyncio.gather(*(place.services().alert_round.run() for _ in range(2)))
        await synced(place)
        wanted = expected(record(place, "told_inc"), by_id, {OPS, NIGHT})
        found = [each for each in await deliveries(place.services(), "told_inc") if each.notice.kind == "alert"]
        assert Counter((each.notice.notice_id, each.destination_id) for each in found) == wanted, point
        assert sum(wanted.values()) > 5
    assert point > 11


async def test_the_end_of_an_alert_is_told_and_the_record_says_who_was_reached(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    org = "ended_inc"
    place.organizations(org)
    place.load(SHARED, "org_budgets", [])
    rule = generated.rules(org, 1, 1)[0] | {
        "rule_type": "absolute_threshold", "provider_filter": [], "hierarchy_entity_id": None,
        "conditions": json.dumps({"threshold": 500, "currency": "USD", "period": "daily"}), "cooldown_minutes": 0,
        "quiet_hours_start": None, "quiet_hours_end": None, "notify_channel_ids": [], "priority": "critical",
        "name": "Spike",
    }  # fmt: skip
    rule["created_at"] = generated.FIRST - timedelta(days=30)
    place.load(SHARED, "org_notification_rules", [rule])
    services = place.services()
    await have(services, org, off=False, night=False)
    for number in range(12):
        # Around the spike of 5 March: 9 times as much as on other days.
        place.now = generated.FIRST.replace(month=3, day=4, hour=6) + timedelta(days=number)
        lines = [line for line in generated.bill(2) if line.arrives <= place.now]
        place.load(org, "cost_data_standard_1_3", [line.stored() for line in lines])
        await services.alert_round.run()
    found = {each.notice.notice_id: each for each in await deliveries(services, org)}
    fired = [each for each in found.values() if each.notice.kind == "alert"]
    assert fired
    for each in fired:
        over = found[over_id(each.notice.notice_id)]
        assert (each.notice.title, over.notice.title) == ("Alert: Spike", "Over: Spike")
        assert each.notice.severity == "critical"
        assert dict(each.notice.facts)["Limit"] == "500 USD"
        assert each.notice.link == f"?org={org}&alert={each.notice.notice_id}"
        assert "now" in over.notice.text
    assert len(found) == 2 * len(fired)
    # No relay is set up here: telling fails, and the record says so.
    tenant = services.directory.tenant(OrgSlug(org))
    for each in fired:
        assert (await services.deliveries.deliver(tenant, each.delivery_id))["error"] == "mail_not_set_up"
    await synced(place)
    rows = record(place, org)
    assert {row["error_message"] for row in rows} == {"email ops: mail_not_set_up"}
    assert {row["recipient_count"] for row in rows} == {0}


async def test_an_alert_that_reached_people_names_them_in_the_record(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    org = "reached_inc"
    place.organizations(org)
    place.load(SHARED, "org_budgets", [])
    place.now = generated.LAST
    place.load(org, "cost_data_standard_1_3", [line.stored() for line in generated.bill(3)])
    rules = [each | {"notify_channel_ids": [], "conditions": json.dumps({"stale_days": 2}), "cooldown_minutes": 0,
                     "rule_type": "data_stopped", "provider_filter": [], "quiet_hours_start": None}
             for each in generated.rules(org, 1, 2)]  # fmt: skip
    place.load(SHARED, "org_notification_rules", rules)
    place.now = generated.LAST + timedelta(days=9)
    services = place.services()
    await have(services, org, off=False)
    await services.alert_round.run()

    async def taken(*_: Any) -> Any:
        from common.delivery.sender import Tried

        return Tried()

    monkeypatch.setattr(type(services.sender), "send", taken)
    tenant = services.directory.tenant(OrgSlug(org))
    waiting = [each.delivery_id for each in await deliveries(services, org)]
    assert waiting
    # All at once: they change the same rows of alerts.
    told: list[Any] = []
    while len(told) < len(waiting):
        tried = await asyncio.gather(
            *(place.services().deliveries.deliver(tenant, each) for each in waiting), return_exceptions=True
        )
        assert {type(each) for each in tried} <= {dict, Unavailable}
        told = [each for each in tried if isinstance(each, dict) and each["state"] == "delivered"]
    await synced(place)
    for row in record(place, org):
        assert sorted(row["recipients"]) == ["email: night", "email: ops"]
        assert row["sent_at"] is not None
    due = await services.documents.query(DELIVERIES_DUE, limit=500)
    assert [each for each in due if each.data["org_slug"] == org] == []


async def test_a_round_whose_process_is_killed_loses_no_notice(place: Place, emulated: dict[str, str]) -> None:
    org, today = "gone_inc", datetime.now(UTC).date()
    place.organizations(org)
    days = [today - timedelta(days=number) for number in range(6, 40)]
    lines = [Line(day, "aws", "USD", "ENG-1", Decimal(40), place.now) for day in days]
    place.load(org, "cost_data_standard_1_3", [line.stored() for line in lines])
    rules = [{**each, "notify_channel_ids": [], "conditions": json.dumps({"stale_days": number + 2}),
              "rule_type": "data_stopped", "provider_filter": [], "quiet_hours_start": None, "cooldown_minutes": 0}
             for number, each in enumerate(generated.rules(org, 1, 2))]  # fmt: skip
    place.load(SHARED, "org_notification_rules", rules)
    place.load(SHARED, "org_alert_history", [])
    place.now = datetime.now(UTC)
    services = place.services()
    await have(services, org, off=False)
    round_ = Killable("alerts", {**emulated, "GCP_PROJECT_ID": PROJECT, "ENVIRONMENT": "test"})
    seams = SeamsClient(emulated["FIRESTORE_EMULATOR_HOST"])

    def run() -> None:
        with suppress(httpx.TransportError):
            httpx.post(round_.url, timeout=120)

    try:
        # Killed at the commit of its alerts, then at the one after it, then not at all.
        for passed in (0, 1, 99):
            round_.start()
            seams.reset()
            seams.fail("Commit", "UNAVAILABLE", times=500, after=passed) if passed < 99 else None
            running = threading.Thread(target=run, daemon=True)
            running.start()
            while running.is_alive() and seams.calls()["Commit"] <= passed:
                await asyncio.to_thread(running.join, 0.02)
            round_.kill()
            seams.reset()
            raised = await deliveries(services, org)
            assert len(raised) == (0 if passed == 0 else 4)
        assert Counter(Counter(each.notice.notice_id for each in raised).values()) == {2: 2}
        await synced(place)
        assert [row["status"] for row in record(place, org)] == ["PENDING", "PENDING"]
        due = await services.documents.query(DELIVERIES_DUE, limit=500)
        assert sum(each.data["org_slug"] == org for each in due) == 4
    finally:
        round_.kill()
        seams.reset()
        seams.close()
