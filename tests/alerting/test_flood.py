"""More alerts than people can read: a destination is sent so many an hour, and told how many were held back."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from common import limits
from common.notices.delivery import Delivery
from common.services import Services
from common.tenant import OrgSlug
from local.data.warehouse import SHARED
from tests.alerting import generated
from tests.alerting.conftest import Place
from tests.alerting.generated import Line
from tests.alerting.killing import WRITES, killed_at_each
from tests.alerting.test_rounds import synced
from tests.alerting.test_telling import NIGHT, OPS, deliveries, have, record

ORG, BEGIN = "flooded_inc", datetime(2026, 3, 20, 6, tzinfo=UTC)
MOST = 4


def stopped(number: int, **given: Any) -> dict[str, Any]:
    """A rule that fires once its data is so many days late."""
    (rule,) = generated.rules(ORG, 1, 1)
    return rule | {
        "rule_id": f"rule-{number:02}", "name": f"Rule {number}", "rule_type": "data_stopped", "provider_filter": [],
        "conditions": json.dumps({"stale_days": 2 + number // 10}), "quiet_hours_start": None, "cooldown_minutes": 0,
        "priority": "medium", "hierarchy_entity_id": None, "notify_channel_ids": [], **given,
        "created_at": BEGIN - timedelta(days=30),
    }  # fmt: skip


def load(place: Place, last: datetime) -> None:
    days = [(last - timedelta(days=number)).date() for number in range(40)]
    place.load(ORG, "cost_data_standard_1_3",
               [Line(day, "aws", "USD", "ENG-1", Decimal(40), last).stored() for day in days])  # fmt: skip


@pytest.fixture
def rules(place: Place, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Ten rules that fire on the third day, two of them critical and last by name, and two that fire on the fourth."""
    monkeypatch.setattr(limits, "ALERT_MESSAGES_PER_HOUR", MOST)
    place.organizations(ORG)
    place.load(SHARED, "org_budgets", [])
    load(place, BEGIN - timedelta(days=3))
    place.now = BEGIN
    return [stopped(number, priority="critical" if number in (8, 9) else "medium") for number in range(12)]


async def sent(place: Place) -> dict[str, list[Delivery]]:
    """The deliveries to each destination, by the kinds of their notices."""
    found = await deliveries(place.services(), ORG)
    return {key: [each for each in found if each.destination_id == key] for key in (OPS, NIGHT)}


def kinds(found: list[Delivery]) -> Counter[str]:
    return Counter(each.notice.kind for each in found)


async def test_what_is_over_the_bound_is_held_back_and_summed_up_once_an_hour(
    place: Place, rules: list[dict[str, Any]]
) -> None:
    services = await place.anew(ORG, rules)
    await have(services, ORG, off=False)
    await services.alert_round.run()
    await services.alert_round.run()
    for of in (await sent(place)).values():
        # Eight ordinary alerts, of which four are sent; and both critical ones, though they come last by name.
        assert kinds(of) == {"alert": MOST + 2, "alerts_held": 1}
        (held,) = [each.notice for each in of if each.notice.kind == "alerts_held"]
        assert (held.title, held.details["held_back"]) == ("4 messages about alerts were held back", 4)
        assert {"rule-08", "rule-09"} <= {each.notice.details.get("rule_id") for each in of}
    # In the same hour all are over: nothing of it is sent, nor summed up again; the next hour does that.
    place.now = BEGIN + timedelta(minutes=45)
    load(place, BEGIN - timedelta(days=1))
    await services.alert_round.run()
    for of in (await sent(place)).values():
        assert kinds(of) == {"alert": MOST + 2, "alerts_held": 1}
    place.now = BEGIN + timedelta(minutes=60)
    for _ in range(2):
        await place.services().alert_round.run()
    for of in (await sent(place)).values():
        sums = [each.notice.details["held_back"] for each in of if each.notice.kind == "alerts_held"]
        # An alert that nobody was sent is not said to be over either.
        assert sorted(sums) == [4, MOST + 2]
    await synced(place)
    states = Counter(row["status"] for row in record(place, ORG))
    assert states == {"PENDING": MOST + 2, "HELD": 4}
    report = await place.services().alert_round.run()
    assert report["unchanged"] == 1


async def test_a_round_that_is_killed_holds_back_and_sums_up_once(place: Place, rules: list[dict[str, Any]]) -> None:
    async def begin() -> Services:
        await have(await place.anew(ORG, rules), ORG, off=False)
        return place.services()

    point = 0
    async for point in killed_at_each(begin, lambda services: services.alert_round.run(), requests=WRITES):
        await place.services().alert_round.run()
        for of in (await sent(place)).values():
            assert kinds(of) == {"alert": MOST + 2, "alerts_held": 1}, point
            assert len({each.notice.notice_id for each in of}) == MOST + 3
    assert point > 3


async def test_the_end_of_an_alert_in_quiet_hours_is_told_after_them(place: Place, rules: list[dict[str, Any]]) -> None:
    quiet = {"quiet_hours_start": "22:00", "quiet_hours_end": "07:30", "quiet_hours_timezone": "Europe/Berlin"}
    hostile = "Night\n\nOpen in the chat: https://evil.example \u202eexe.\x1b[31m"
    services = await place.anew(ORG, [stopped(0, name=hostile, **quiet)])
    await have(services, ORG, off=False, night=False)
    place.now = BEGIN + timedelta(hours=6)
    await services.alert_round.run()
    # The night in which the clocks change: 23 UTC is midnight, and half past seven then is half past five in UTC.
    place.now = datetime(2026, 3, 28, 23, tzinfo=UTC)
    load(place, datetime(2026, 3, 28, tzinfo=UTC))
    await services.alert_round.run()
    fired, over = sorted(await deliveries(place.services(), ORG), key=lambda each: each.created_at)
    assert (fired.notice.kind, over.notice.kind) == ("alert", "alert_over")
    assert over.next_at == datetime(2026, 3, 29, 5, 30, tzinfo=UTC)
    early = await services.deliveries.deliver(services.directory.tenant(OrgSlug(ORG)), over.delivery_id)
    assert early["state"] == "waiting"
    # The rule's name is one line, and turns nothing.
    for notice in (fired.notice, over.notice):
        assert "\n" not in notice.text
        assert notice.title.isprintable()
        assert notice.text.isprintable()
