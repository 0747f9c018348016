"""find_anomalies: what runs away is found with its cause, and costs without anomalies are left in peace."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.skills.anomalies import sql
from common.skills.anomalies.detection import Oddity, find_oddities
from common.tenant import OrgSlug, Tenant
from common.tools.periods import Period
from common.warehouse.query import Parameter, fixed
from local.data import calendar
from tests import googlesql
from tests.skills import drawn
from tests.skills.conftest import DEMO_TODAY, Call, rows_of
from tests.skills.forecast import series

CLEAN = ("flat", "trend", "weekly", "weekly and trend", "monthly fees", "negative")
MARCH = {"start_date": "2026-03-01", "end_date": "2026-03-30"}
QUERIES = {name: (text, types) for name, text, types in sql.every_query()}


def windows(kind: str) -> list[tuple[dict[date, Decimal], Period, Period]]:
    """Thirty days of a series each, after 120 days of history."""
    made = []
    for seed in range(4):
        costs = series.make(kind, seed)
        days = sorted(costs)
        for end in range(180, 480, 60):
            known = Period(days[end - 150], days[end - 1])
            made.append(
                ({day: costs[day] for day in days[end - 150 : end]}, known, Period(days[end - 30], days[end - 1]))
            )
    return made


@pytest.mark.parametrize("name", QUERIES)
def test_googlesql_accepts_every_text(name: str) -> None:
    text, types = QUERIES[name]
    tenant = Tenant(OrgSlug("acme_inc"), "local-dev-project", "organizations")
    bound = fixed(tenant, text, {each: Parameter("STRING", None) for each in types})
    columns = {column.name: column.type for column in googlesql.analyze(bound.sql, types)}
    assert columns["excess"] == "NUMERIC"


def test_fewer_than_one_clean_day_in_a_thousand_is_flagged() -> None:
    flagged = [each for kind in CLEAN for window in windows(kind) for each in find_oddities(*window)]
    days = 30 * sum(len(windows(kind)) for kind in CLEAN)
    assert days == 3600
    assert len(flagged) / days < 0.001


@pytest.mark.parametrize("kind", [*CLEAN, "new service"])
def test_a_day_of_twice_the_cost_is_found(kind: str) -> None:
    found = 0
    for number, (costs, known, period) in enumerate(windows(kind)):
        day = period.start + timedelta(days=number)
        usual = sorted(abs(cost) for cost in costs.values())[75]
        odd = find_oddities(costs | {day: costs[day] + 2 * usual}, known, period)
        found += day in {each.day for each in odd if each.kind == "spike"}
    # Beside a fee of twelve times as much, twice the usual cost does not stand out.
    assert found >= (0.75 if kind == "monthly fees" else 0.95) * len(windows(kind))


def test_a_monthly_fee_is_not_unusual_and_its_absence_is() -> None:
    costs = {date(2026, 1, 1) + timedelta(days=day): Decimal(100) for day in range(150)}
    fees = {day: cost + 900 for day, cost in costs.items() if day.day == 5}
    known = Period(date(2026, 1, 1), date(2026, 5, 30))
    period = Period(date(2026, 2, 1), date(2026, 5, 30))
    assert find_oddities(costs | fees, known, period) == []
    missing = {day: cost for day, cost in fees.items() if day.month != 4}
    (one,) = find_oddities(costs | missing, known, period)
    assert one == Oddity(date(2026, 4, 5), "drop", Decimal(100), Decimal(1000))
    (one,) = find_oddities(costs | fees | {date(2026, 4, 5): Decimal(2500)}, known, period)
    assert one == Oddity(date(2026, 4, 5), "spike", Decimal(2500), Decimal(1000))


def test_a_new_level_is_told_once_with_its_difference() -> None:
    begin = date(2026, 1, 1)
    costs = {begin + timedelta(days=day): Decimal(160 if day >= 100 else 100) for day in range(150)}
    (one,) = find_oddities(
        costs, Period(begin, begin + timedelta(days=149)), Period(begin, begin + timedelta(days=149))
    )
    assert one == Oddity(begin + timedelta(days=100), "new level", Decimal(160), Decimal(100))


def test_a_cost_that_was_not_there_before_is_told_on_its_first_day() -> None:
    begin = date(2026, 1, 1)
    costs = {begin + timedelta(days=day): Decimal(50) for day in range(90, 100)}
    odd = find_oddities(costs, Period(begin, begin + timedelta(days=99)), Period(begin, begin + timedelta(days=99)))
    assert odd == [Oddity(begin + timedelta(days=90), "new cost", Decimal(50), Decimal())]


@pytest.mark.parametrize(
    ("org", "named", "cause"),
    [("acme_inc", "OpenAI API", "gpt-5"), ("globex_inc", None, "vision-training")],
)
async def test_the_demo_anomaly_is_found_with_its_cause(call: Call, org: str, named: str | None, cause: str) -> None:
    answer = await call(org, DEMO_TODAY, "find_anomalies", **MARCH)
    assert "error" not in answer, answer
    days = {day.isoformat() for day in calendar.anomaly_days(DEMO_TODAY)}
    rows = [row for row in answer["rows"] if cause in (row["cause"] or "")]
    assert {row["date"] for row in rows} == days
    assert named is None or {row["service"] for row in rows} == {named}
    for row in rows:
        spent = sum(
            each["BilledCost"]
            for each in rows_of(org)
            if each["ChargePeriodStart"].date().isoformat() == row["date"] and each["ServiceName"] == row["service"]
        )
        assert row["actual"] == pytest.approx(float(spent), abs=1e-6)
        assert row["excess"] == pytest.approx(row["actual"] - row["expected"], abs=1e-6)
        assert row["cause_excess"] > 0.8 * row["excess"]
    assert len(answer["rows"]) <= len(rows) + 3


async def test_dimensions_are_judged_together_with_a_column_each(call: Call) -> None:
    together = ["sub_account", "region", "service"]
    answer = await call("acme_inc", DEMO_TODAY, "find_anomalies", dimension=together, **MARCH)
    assert answer["summary"]["dimension"] == together
    days = {day.isoformat() for day in calendar.anomaly_days(DEMO_TODAY)}
    rows = [row for row in answer["rows"] if row["service"] == "OpenAI API" and "gpt-5" in row["cause"]]
    assert {row["date"] for row in rows} == days
    (place,) = {(row["sub_account"], row["region"]) for row in rows}
    for row in rows:
        spent = sum(
            each["BilledCost"]
            for each in rows_of("acme_inc")
            if each["ChargePeriodStart"].date().isoformat() == row["date"]
            and each["ServiceName"] == row["service"]
            and f"{each['SubAccountName']} ({each['SubAccountId']})" == place[0]
        )
        assert row["actual"] == pytest.approx(float(spent), abs=1e-6)
    drawn.check(answer["chart"])
    assert drawn.marks(answer["chart"])["point"] == len(answer["rows"])
    one = await call("acme_inc", DEMO_TODAY, "find_anomalies", dimension="service", **MARCH)
    assert one["summary"]["dimension"] == "service"


async def test_the_path_names_the_team_and_the_account(call: Call) -> None:
    answer = await call("acme_inc", DEMO_TODAY, "find_anomalies", dimension="provider", **MARCH)
    row = next(row for row in answer["rows"] if row["provider"] == "OpenAI")
    assert row["cause"].split(" > ")[:2] == ["OpenAI", "OpenAI API"]
    assert row["cause"].endswith("gpt-5 > AI Products")


async def test_today_is_left_out_and_said_to_be(call: Call) -> None:
    answer = await call("acme_inc", DEMO_TODAY, "find_anomalies", start_date="2026-03-01", end_date="2026-03-31")
    summary = answer["summary"]
    excesses = [row["excess"] for row in answer["rows"]]
    (impact,) = summary["impact"]
    assert impact["above"] == pytest.approx(sum(each for each in excesses if each > 0), abs=1e-6)
    assert impact["below"] == pytest.approx(sum(each for each in excesses if each < 0), abs=1e-6)
    assert summary["period"] == {"start_date": "2026-03-01", "end_date": "2026-03-30"}
    assert summary["data"]["today_included"] is False
    assert [note for note in summary["notes"] if "Today" in note] == ["Today, 2026-03-31, is not over and is left out."]


async def test_a_filter_looks_at_what_it_names_alone(call: Call) -> None:
    aws = [{"dimension": "provider", "values": ["AWS"]}]
    answer = await call("acme_inc", DEMO_TODAY, "find_anomalies", filters=aws, **MARCH)
    assert answer["rows"] == [] or {row["cause"].split(" > ")[0] for row in answer["rows"]} == {"AWS"}
    assert answer["summary"]["values_looked_at"] > 5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"dimension": "day"}, "is no dimension here"),
        ({"dimension": ["service", "month"]}, "month is no dimension here"),
        ({"dimension": ["service", "service"]}, "service twice"),
        ({"start_date": DEMO_TODAY.isoformat()}, "Today is not over"),
        ({"min_impact": -1}, "min_impact: "),
        ({"filters": [{"dimension": "service", "op": "like", "values": ["x"]}]}, "must be one of: in, not_in"),
    ],
)
async def test_what_cannot_be_judged_is_said(call: Call, arguments: dict[str, Any], said: str) -> None:
    answer = await call("acme_inc", DEMO_TODAY, "find_anomalies", **arguments)
    assert said in answer["error"]["message"]


async def test_unusual_days_are_marked_in_the_lines_they_stand_out_of(call: Call) -> None:
    answer = await call("acme_inc", DEMO_TODAY, "find_anomalies", **MARCH)
    drawn.check(answer["chart"])
    seen = drawn.marks(answer["chart"])
    assert seen["point"] == len(answer["rows"])
    assert seen["line mark"] >= 1
