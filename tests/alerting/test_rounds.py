"""Rounds of evaluation over the emulators: rules fire exactly when they should, and never twice."""

import asyncio
import json
from collections import Counter
from datetime import datetime
from typing import Any

from common.alerting.state import state_path
from common.documents import Put
from common.services import Services
from common.tenant import OrgSlug
from local.data.warehouse import SHARED
from tests.alerting import generated
from tests.alerting.conftest import Place
from tests.alerting.independent import Watch
from tests.alerting.killing import killed_at_each

ORGS = ("alpha_inc", "beta_inc", "gamma_inc", "delta_inc")
RULES_EACH = 50
MOMENTS = 16


async def synced(place: Place) -> None:
    """Carry what the outbox holds into the record."""
    services = place.services()
    while (report := await services.sync.run())["status"] != "ok" or report["remaining"]:
        assert report["status"] in ("ok", "busy"), report


async def test_200_generated_rules_fire_exactly_when_an_independent_evaluation_says_so(place: Place) -> None:
    place.organizations(*ORGS)
    bills = {org: generated.bill(seed) for seed, org in enumerate(ORGS)}
    rules = {org: generated.rules(org, seed, RULES_EACH) for seed, org in enumerate(ORGS)}
    budgets = {org: generated.budgets(org) for org in ORGS}
    place.load(SHARED, "org_notification_rules", [rule for org in ORGS for rule in rules[org]])
    place.load(SHARED, "org_budgets", [budget for org in ORGS for budget in budgets[org]])
    watches = {(org, rule["rule_id"]): Watch(rule, budgets[org]) for org in ORGS for rule in rules[org]}
    first, second = place.services(), place.services()
    expected: list[tuple[str, ...]] = []
    for number, moment in enumerate(generated.moments(7, MOMENTS)):
        place.now = moment
        arrived = {org: [line for line in bills[org] if line.arrives <= moment] for org in ORGS}
        for org in ORGS:
            place.load(org, "cost_data_standard_1_3", [line.stored() for line in arrived[org]])
        for (org, rule_id), watch in watches.items():
            if watch.rule["created_at"] <= moment:
                expected += [(org, rule_id, moment.isoformat(), *said) for said in watch.look(arrived[org], moment)]
        place.load(SHARED, "org_notification_rules",
                   [rule for org in ORGS for rule in rules[org] if rule["created_at"] <= moment])  # fmt: skip
        # Every other time two schedulers at once.
        rounds = [first.alert_round.run(), *([second.alert_round.run()] if number % 2 else [])]
        for report in await asyncio.gather(*rounds):
            assert (report["status"], report["failed"]) == ("ok", 0), report
    await synced(place)
    said = told(place.rows("org_alert_history"))
    wrong = sorted(set(said) ^ set(expected))
    assert wrong == [], f"{len(wrong)} of {len(expected)}: {[(each, each in said) for each in wrong[:8]]}"
    assert Counter(said) == Counter(expected)
    kinds = {watches[each[0], each[1]].rule["rule_type"] for each in expected}
    assert len(kinds) == 5, kinds
    assert min(Counter(each[3] for each in expected).values()) > 60


def told(rows: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """What the alerts of the record say: that they fired, and that they are over."""
    found = list[tuple[str, ...]]()
    for row in rows:
        figures = json.loads(row["trigger_data"])
        subject = figures.get("budget_id") or ("" if "last_day" in figures else figures["currency"])
        who = (row["org_slug"], row["alert_id"])
        found.append((*who, _at(row["created_at"]), "fired", subject, row["window_key"]))
        if row["resolved_at"]:
            found.append((*who, _at(row["resolved_at"]), "over", subject, row["window_key"]))
    return found


def _at(moment: datetime) -> str:
    return moment.isoformat()


async def test_a_round_that_is_killed_at_any_point_raises_each_alert_once(place: Place) -> None:
    place.organizations("killed_inc")
    place.now = generated.LAST
    lines = [line for line in generated.bill(4) if line.arrives <= place.now]
    place.load("killed_inc", "cost_data_standard_1_3", [line.stored() for line in lines])
    place.load(SHARED, "org_budgets", generated.budgets("killed_inc"))
    rules = generated.rules("killed_inc", 4, 14)
    whole = Counter[tuple[str, ...]]()
    for rule in rules:
        said = Watch(rule, generated.budgets("killed_inc")).look(lines, place.now)
        whole.update(("killed_inc", rule["rule_id"], place.now.isoformat(), *each) for each in said)

    async def begin() -> Services:
        return await place.anew("killed_inc", rules)

    point = 0
    async for point in killed_at_each(begin, lambda services: services.alert_round.run()):
        await place.services().alert_round.run()
        await synced(place)
        assert Counter(told(place.rows("org_alert_history"))) == whole, f"killed at {point}"
        fired = {row["alert_id"] for row in place.rows("org_alert_history")}
        triggered = {row["rule_id"] for row in place.rows("org_notification_rules") if row["last_triggered_at"]}
        assert triggered == fired
    assert point > 16
    assert len(whole) > 6


async def test_an_organisation_whose_state_cannot_be_read_holds_no_other_one_up(place: Place) -> None:
    place.organizations("first_inc", "second_inc")
    place.now = generated.LAST
    for org in ("first_inc", "second_inc"):
        place.load(org, "cost_data_standard_1_3", [line.stored() for line in generated.bill(5)[:600]])
    place.load(SHARED, "org_budgets", [])
    rules = [rule for org in ("first_inc", "second_inc") for rule in generated.rules(org, 5, 30)]
    place.load(SHARED, "org_notification_rules", rules)
    services = place.services()
    broken = state_path(services.directory.tenant(OrgSlug("first_inc")))
    await services.documents.commit([Put(broken, {"tracks": b"[{"})])
    report = await services.alert_round.run()
    assert (report["organizations"], report["failed"]) == (2, 1)
    assert report["fired"] > 0


async def test_nothing_is_asked_of_an_organisation_whose_costs_did_not_change(place: Place) -> None:
    place.organizations("still_inc")
    place.now = generated.LAST
    place.load("still_inc", "cost_data_standard_1_3", [line.stored() for line in generated.bill(5)[:600]])
    place.load(SHARED, "org_budgets", [])
    kept = [rule for rule in generated.rules("still_inc", 5, 30) if not rule["quiet_hours_start"]
            and rule["rule_type"] != "budget_percent" and "quiet_days" not in rule["conditions"]]  # fmt: skip
    place.load(SHARED, "org_notification_rules", kept)
    services = place.services()
    first = await services.alert_round.run()
    again = await services.alert_round.run()
    assert (first["unchanged"], again["unchanged"], again["bytes_processed"]) == (0, 1, 0)
    place.load("still_inc", "cost_data_standard_1_3", [line.stored() for line in generated.bill(5)])
    assert (await services.alert_round.run())["unchanged"] == 0
