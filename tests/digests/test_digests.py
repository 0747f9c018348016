"""Digests: the figures of independent sums, two currencies apart, each period once, at the hour of their own zone."""

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from common import limits
from common.digests import round
from common.digests.digest import Digest, DigestChange, NewDigest
from common.digests.digests import digest_path
from common.digests.schedule import Schedule
from common.documents import Documents, Patch, Where
from common.errors import DestinationNotFound, DocumentsUnavailable, NotFound, Unprocessable
from common.focus.calendar import FiscalCalendar
from common.notices.delivery import Delivery
from common.notices.destination import NewDestination
from common.notices.notice import Notice
from common.services import Services
from common.tenant import OrgSlug, Principal, UserId
from local.data.warehouse import SHARED
from tests.alerting.conftest import Place
from tests.alerting.killing import WRITES, killed_at_each
from tests.skills.costs_made import row

FIRST, LAST = date(2026, 1, 5), date(2026, 4, 20)
TEAMS = ("Platform", "Data")
MAIL = NewDestination(name="FinOps", kind="email", recipients=["finops@example.com"])
CALENDAR = FiscalCalendar(zone="Europe/Berlin")


def bill() -> list[dict[str, Any]]:
    """Costs of two teams in two currencies, with credits, and a week in which one service multiplies."""
    chance, lines = random.Random(23), list[dict[str, Any]]()
    for number in range((LAST - FIRST).days):
        at = datetime(2026, 1, 5, 6, tzinfo=UTC) + timedelta(days=number)
        for team in TEAMS:
            for service, currency in (("Amazon EC2", "USD"), ("Azure SQL", "EUR")):
                cost = Decimal(chance.randint(900, 1100)) / 10 * (5 if service == "Amazon EC2" and number == 80 else 1)
                told = {"ServiceName": service, "BillingCurrency": currency, "x_hierarchy_entity_name": team}
                lines.append(row(at, f"{cost:f}", **told))
        if number % 9 == 0:
            credit = {"ServiceName": "Amazon EC2", "x_hierarchy_entity_name": "Platform"}
            lines.append(row(at, "-7.5", **credit))
    return lines


def total(lines: Iterable[dict[str, Any]], first: date, last: date, currency: str, team: str | None) -> Decimal:
    """The sum that a person with the rows would make."""
    return sum(
        (
            line["BilledCost"]
            for line in lines
            if first <= line["ChargePeriodStart"].date() <= last
            and line["BillingCurrency"] == currency
            and team in (None, line["x_hierarchy_entity_name"])
        ),
        Decimal(),
    )


def principal(services: Services, org: str = "alpha_inc") -> Principal:
    return Principal(services.directory.tenant(OrgSlug(org)), UserId("ada"), "key")


async def told(services: Services, org: str = "alpha_inc") -> list[Notice]:
    """What is on its way to people."""
    found = await services.documents.query(f"orgs/{org}/deliveries", limit=200)
    return [Notice.read(each.data["notice"]) for each in found if Delivery.of(each)]


@pytest.fixture
def lines(place: Place) -> list[dict[str, Any]]:
    made = bill()
    place.organizations("alpha_inc", "beta_inc")
    place.load("alpha_inc", "cost_data_standard_1_3", made)
    place.load(SHARED, "org_budgets", [
        {
            "budget_id": "b1", "org_slug": "alpha_inc", "hierarchy_entity_id": "platform",
            "hierarchy_entity_name": "Platform", "hierarchy_path": "/ORG/platform", "hierarchy_level_code": "team",
            "category": "total", "budget_type": "monetary", "budget_amount": 5000.0, "currency": "USD",
            "period_type": "monthly", "period_start": date(2026, 3, 1), "period_end": date(2026, 3, 31),
            "is_active": True, "created_by": "ada", "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        }
    ])  # fmt: skip
    return made


async def test_every_period_is_told_once_with_the_figures_of_independent_sums(
    place: Place, lines: list[dict[str, Any]]
) -> None:
    place.now = datetime(2026, 3, 4, 12, tzinfo=UTC)
    first, second = place.services(), place.services()
    ada = principal(first)
    destination, _ = await first.destinations.create(ada, MAIL)
    weekly = NewDigest(name="Platform, weekly", cadence="weekly", team="Platform", time_zone="America/New_York",
                       destinations=[destination.destination_id])  # fmt: skip
    monthly = NewDigest(name="Monthly", cadence="monthly", day=2, hour=23)
    made = [await first.digests.create(ada, each, CALENDAR) for each in (weekly, monthly)]
    # Eight in New York is another hour of UTC after the clocks have changed there.
    assert made[0].next_at == datetime(2026, 3, 9, 12, tzinfo=UTC)
    assert made[1].next_at == datetime(2026, 4, 2, 21, tzinfo=UTC)
    lost = place.services()

    async def commits_and_dies(writes: Any) -> Any:
        await type(lost.documents).commit(lost.documents, writes)
        raise DocumentsUnavailable

    lost.documents.commit = commits_and_dies  # type: ignore[method-assign]
    while place.now < datetime(2026, 4, 14, tzinfo=UTC):
        rounds = [each.digest_round.run() for each in (first, second, lost)]
        with suppress(DocumentsUnavailable):
            await asyncio.gather(*rounds)
        place.now += timedelta(hours=9)
    notices = await told(first)
    mondays = [date(2026, 3, 2) + timedelta(days=7 * week) for week in range(6)]
    assert Counter(each.notice_id for each in notices) == Counter(
        [
            *(f"digest-{made[0].digest_id}-weekly-{day}" for day in mondays),
            f"digest-{made[1].digest_id}-monthly-2026-03-01",
        ]
    )
    for notice in notices:
        day, last, team = *(date.fromisoformat(notice.details[f"period_{end}"]) for end in ("start", "end")), (
            "Platform" if notice.title.startswith("Platform") else None
        )  # fmt: skip
        shown = {each["currency"]: each for each in notice.details["totals"]}
        assert shown.keys() == {"EUR", "USD"}
        for currency, each in shown.items():
            expected = total(lines, day, last, currency, team)
            assert Decimal(str(each["current_cost"])) == expected
            before = [date.fromisoformat(notice.details[f"previous_{end}"]) for end in ("start", "end")]
            assert Decimal(str(each["previous_cost"])) == total(lines, before[0], before[1], currency, team)
            assert f"{expected:,.2f} {currency}" in notice.text
        assert f"Period: {day} to {last} (days in UTC)" in notice.text
        assert "Source: billed cost (BilledCost)" in notice.text
        assert "newest data is of " in notice.text
    spike = next(each for each in notices if each.notice_id.endswith("2026-03-23"))
    assert "2026-03-26, Amazon EC2: " in spike.text.split("Unusual days")[1].split("Budgets")[0]
    assert "of 5,000.00 USD" in spike.text.split("Budgets on 2026-03-29")[1]
    assert "Azure SQL: " in spike.text.split("What changed most")[1]


async def test_a_digest_is_previewed_listed_and_deleted_by_its_own_organisation_alone(
    place: Place, lines: list[dict[str, Any]]
) -> None:
    place.now = datetime(2026, 4, 1, 0, 30, tzinfo=UTC)
    services = place.services()
    ada, eve = principal(services), principal(services, "beta_inc")
    new = NewDigest(name="EC2", cadence="monthly", filters=[{"dimension": "service", "values": ["Amazon EC2"]}])
    preview = await services.digests.preview(ada, new, CALENDAR)
    assert preview["title"] == "EC2: 2026-03-01 to 2026-03-31"
    expected = total((each for each in lines if each["ServiceName"] == "Amazon EC2"),
                     date(2026, 3, 1), date(2026, 3, 31), "USD", None)  # fmt: skip
    assert f"{expected:,.2f} USD" in preview["text"]
    assert "EUR" not in preview["text"]
    assert "Filters: service in Amazon EC2." in preview["text"]
    made = await services.digests.create(ada, new, CALENDAR)
    assert made.schedule.zone == "Europe/Berlin"
    assert made.digest_id in {each.digest_id for each in await services.digests.all(ada.tenant)}
    assert await services.digests.all(eve.tenant) == []
    with pytest.raises(NotFound):
        await services.digests.delete(eve, made.digest_id)
    with pytest.raises(DestinationNotFound):
        await services.digests.create(ada, new.model_copy(update={"destinations": ["0" * 32]}), CALENDAR)
    odd = new.model_copy(update={"filters": [{"dimension": "colour", "values": ["red"]}]})
    with pytest.raises(Unprocessable, match="colour"):
        await services.digests.create(ada, odd, CALENDAR)
    await services.digests.delete(ada, made.digest_id)
    assert made.digest_id not in {each.digest_id for each in await services.digests.all(ada.tenant)}


async def test_of_two_made_at_the_same_moment_one_is_too_many(
    place: Place, lines: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_DIGESTS", 2)
    services = place.services()
    eve = principal(services, "beta_inc")
    new = NewDigest(name="Weekly", cadence="weekly")
    both, counting = asyncio.Barrier(2), itertools.count()
    count = Documents.count

    async def together(documents: Documents, collection: str, where: Sequence[Where] = ()) -> int:
        found = await count(documents, collection, where)
        if next(counting) in (1, 2):
            await both.wait()
        return found

    monkeypatch.setattr(Documents, "count", together)
    await services.digests.create(eve, new, CALENDAR)
    made = await asyncio.gather(
        *(services.digests.create(eve, new, CALENDAR) for _ in range(2)), return_exceptions=True
    )
    assert Counter(map(type, made)) == {Digest: 1, Unprocessable: 1}
    stored = await services.digests.all(eve.tenant)
    assert len(stored) == 2
    for each in stored:
        await services.digests.delete(eve, each.digest_id)


async def test_digests_that_are_due_at_the_same_moment_are_all_sent_in_one_round(
    place: Place, lines: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(round, "AT_ONCE", 2)
    place.now = datetime(2026, 3, 4, 12, tzinfo=UTC)
    services = place.services()
    eve = principal(services, "beta_inc")
    await services.destinations.create(eve, MAIL)
    new = NewDigest(name="Weekly", cadence="weekly")
    made = [await services.digests.create(eve, new, CALENDAR) for _ in range(5)]
    place.now = max(each.next_at for each in made)
    await asyncio.gather(services.digest_round.run())
    sent = {each.notice_id for each in await told(services, "beta_inc")}
    assert sent == {f"digest-{each.digest_id}-weekly-2026-03-02" for each in made}
    assert all("Nothing was billed in either period." in each.text for each in await told(services, "beta_inc"))


async def test_a_digest_that_cannot_be_read_holds_no_other_one_up(place: Place, lines: list[dict[str, Any]]) -> None:
    place.now = datetime(2026, 3, 4, 12, tzinfo=UTC)
    services = place.services()
    eve = principal(services, "beta_inc")
    await services.destinations.create(eve, MAIL)
    new = NewDigest(name="Weekly", cadence="weekly")
    broken, whole = [await services.digests.create(eve, new, CALENDAR) for _ in range(2)]
    await services.documents.commit([Patch(digest_path(eve.tenant, broken.digest_id), {"filters": "[{"})])
    place.now = whole.next_at
    report = await services.digest_round.run()
    assert (report["sent"], report["failed"]) == (1, 1)
    await services.digests.delete(eve, broken.digest_id)


async def test_a_round_that_is_killed_at_any_write_tells_each_period_once(
    place: Place, lines: list[dict[str, Any]]
) -> None:
    place.now = datetime(2026, 3, 4, 12, tzinfo=UTC)
    due_at = datetime(2026, 3, 9, 8, tzinfo=UTC)
    ids = list[str]()

    async def begin() -> Services:
        place.now = datetime(2026, 3, 4, 12, tzinfo=UTC)
        services = await place.anew("beta_inc", [])
        eve = principal(services, "beta_inc")
        await services.destinations.create(eve, MAIL)
        new = NewDigest(name="Weekly", cadence="weekly", time_zone="UTC")
        ids[:] = [(await services.digests.create(eve, new, CALENDAR)).digest_id for _ in range(2)]
        place.now = due_at
        return place.services()

    point = 0
    async for point in killed_at_each(begin, lambda services: services.digest_round.run(), requests=WRITES):
        await asyncio.gather(*(place.services().digest_round.run() for _ in range(2)))
        found = Counter(each.notice_id for each in await told(place.services(), "beta_inc"))
        assert found == dict.fromkeys((f"digest-{each}-weekly-2026-03-02" for each in ids), 1), point
        mine = await place.services().digests.all(principal(place.services(), "beta_inc").tenant)
        assert {each.next_at for each in mine} == {due_at + timedelta(days=7)}
    assert point > 3


async def test_a_digest_is_changed_and_tells_no_period_twice(place: Place, lines: list[dict[str, Any]]) -> None:
    place.now = datetime(2026, 6, 3, 12, tzinfo=UTC)
    services = await place.anew("beta_inc", [])
    eve, ada = principal(services, "beta_inc"), principal(services)
    one, _ = await services.destinations.create(eve, MAIL)
    place.now += timedelta(seconds=1)
    other, _ = await services.destinations.create(eve, MAIL.model_copy(update={"name": "CFO"}))
    new = NewDigest(name="Weekly", cadence="weekly", team="Data", destinations=[one.destination_id], time_zone="UTC")
    made = await services.digests.create(eve, new, CALENDAR)

    async def change(**given: Any) -> Any:
        changed = await services.digests.change(eve, made.digest_id, DigestChange(**given), CALENDAR)
        assert [replace(changed, version=None)] == [
            replace(each, version=None) for each in await services.digests.all(eve.tenant)
        ]
        return changed

    changes = services.digests.change
    with pytest.raises(NotFound):
        await changes(ada, made.digest_id, DigestChange(name="mine"), CALENDAR)
    with pytest.raises(DestinationNotFound):
        await changes(eve, made.digest_id, DigestChange(destinations=["0" * 32]), CALENDAR)
    with pytest.raises(Unprocessable, match="colour"):
        await changes(eve, made.digest_id, DigestChange(filters=[{"dimension": "colour", "values": ["red"]}]), CALENDAR)
    place.now = datetime(2026, 6, 8, 9, tzinfo=UTC)
    # What is due already is sent, whatever the new schedule says; as what it is now.
    assert (await change(weekday="thursday", team=None, name="Costs")).next_at == datetime(2026, 6, 8, 8, tzinfo=UTC)
    await services.digest_round.run()
    place.now = datetime(2026, 6, 11, 9, tzinfo=UTC)
    await services.digest_round.run()
    (sent,) = await told(services, "beta_inc")
    assert (sent.title, "Team" in sent.text) == ("Costs: 2026-06-01 to 2026-06-07", False)
    # A month that begins with a week that was told is another period.
    changed = await change(cadence="monthly", day=2)
    assert changed.next_at == datetime(2026, 7, 2, 8, tzinfo=UTC)
    # Who is named and gone is not replaced by others, who were not meant.
    await services.destinations.delete(eve, one.destination_id)
    place.now = changed.next_at
    await services.digest_round.run()
    assert len(await told(services, "beta_inc")) == 1
    await change(destinations=[other.destination_id])
    place.now = datetime(2026, 8, 2, 8, tzinfo=UTC)
    await services.digest_round.run()
    assert {each.title for each in await told(services, "beta_inc")} == {sent.title, "Costs: 2026-07-01 to 2026-07-31"}


@pytest.mark.parametrize(
    ("schedule", "due", "period"),
    [
        (Schedule("weekly", "monday", 1, 8, "Asia/Tokyo"), "2026-03-08T23:00+00:00", "2026-03-02 to 2026-03-08"),
        (Schedule("weekly", "sunday", 1, 23, "America/Los_Angeles"), "2026-03-09T06:00+00:00",
         "2026-03-02 to 2026-03-08"),
        (Schedule("monthly", "monday", 1, 0, "Pacific/Kiritimati"), "2028-02-29T10:00+00:00",
         "2028-02-01 to 2028-02-29"),
        (Schedule("monthly", "monday", 1, 8, "Europe/Berlin"), "2027-01-01T07:00+00:00", "2026-12-01 to 2026-12-31"),
    ],
)  # fmt: skip
def test_a_digest_is_about_the_period_that_just_ended_where_its_readers_are(
    schedule: Schedule, due: str, period: str
) -> None:
    assert str(schedule.periods(datetime.fromisoformat(due))[0]) == period


@pytest.mark.parametrize(
    ("schedule", "after", "due"),
    [
        (Schedule("weekly", "sunday", 1, 2, "Europe/Berlin"), "2026-03-28T12:00+00:00", "2026-03-29T01:00+00:00"),
        (Schedule("weekly", "sunday", 1, 2, "Europe/Berlin"), "2026-10-25T00:00+00:00", "2026-11-01T01:00+00:00"),
        (Schedule("weekly", "sunday", 1, 1, "America/New_York"), "2026-11-01T05:00+00:00", "2026-11-08T06:00+00:00"),
        (Schedule("monthly", "monday", 28, 0, "Asia/Kolkata"), "2026-01-27T18:29+00:00", "2026-01-27T18:30+00:00"),
        (Schedule("monthly", "monday", 28, 0, "Asia/Kolkata"), "2026-01-27T18:30+00:00", "2026-02-27T18:30+00:00"),
    ],
)
def test_a_digest_is_due_at_its_hour_whatever_the_clocks_do(schedule: Schedule, after: str, due: str) -> None:
    assert schedule.next_after(datetime.fromisoformat(after)) == datetime.fromisoformat(due)
