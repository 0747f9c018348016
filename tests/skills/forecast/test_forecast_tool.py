"""cost_forecast over an organisation's costs: what is there already adds up, and what is to come is said honestly."""

import re
from collections import defaultdict
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.skills.forecast import sql
from common.skills.forecast.landing import Landing
from common.skills.forecast.projection import project
from common.tenant import OrgSlug, Tenant
from common.warehouse.query import Parameter, fixed
from tests import googlesql
from tests.skills import drawn
from tests.skills.conftest import Call, rows_of

TODAY = date(2026, 3, 17)
Row = dict[str, Any]
QUERIES = {name: (text, types) for name, text, types in sql.every_query()}


def money(value: object) -> Decimal:
    return Decimal(str(value))


def spent(org: str, first: date, last: date, meets: Callable[[Row], bool] = lambda _row: True) -> dict[str, Decimal]:
    """What rows that meet a condition come to within days, by currency."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows_of(org):
        if first <= row["ChargePeriodStart"].date() <= last and meets(row):
            sums[row["BillingCurrency"]] += row["BilledCost"]
    return sums


@pytest.mark.parametrize("name", QUERIES)
def test_googlesql_accepts_every_text(name: str) -> None:
    text, types = QUERIES[name]
    tenant = Tenant(OrgSlug("acme_inc"), "local-dev-project", "organizations")
    bound = fixed(tenant, text, {each: Parameter("STRING", None) for each in types})
    columns = {column.name: column.type for column in googlesql.analyze(bound.sql, types)}
    assert columns["costs"] == "ARRAY<NUMERIC>"
    assert columns["days"] == "ARRAY<DATE>"


@pytest.mark.parametrize("org", ["acme_inc", "globex_inc"])
@pytest.mark.parametrize(
    ("until", "first", "last"),
    [
        ("end_of_month", date(2026, 3, 1), date(2026, 3, 31)),
        ("end_of_quarter", date(2026, 1, 1), date(2026, 3, 31)),
        ("end_of_year", date(2026, 1, 1), date(2026, 12, 31)),
        ("2026-03-31", date(2026, 3, 1), date(2026, 3, 31)),
        ("2026-05-20", date(2026, 3, 18), date(2026, 5, 20)),
    ],
)
async def test_a_period_is_what_is_there_and_what_is_to_come(
    call: Call, org: str, until: str, first: date, last: date
) -> None:
    answer = await call(org, TODAY, "cost_forecast", until=until)
    assert "error" not in answer, answer
    assert answer["summary"]["period"] == {"start_date": first.isoformat(), "end_date": last.isoformat()}
    yesterday = TODAY - timedelta(days=1)
    done, today = spent(org, first, yesterday), spent(org, TODAY, TODAY)
    for made in answer["summary"]["forecasts"]:
        parts = [Decimal()]
        if first <= TODAY:
            assert money(made["actual_to_date"]) == pytest.approx(done[made["currency"]], abs=Decimal("1e-6"))
            assert money(made["today_so_far"]) == pytest.approx(today[made["currency"]], abs=Decimal("1e-6"))
            parts = [money(made[name]) for name in ("actual_to_date", "today_so_far", "rest_of_today")]
        assert sum(parts) + money(made["projected_total"]) == pytest.approx(
            money(made["period_total"]), abs=Decimal("1e-6")
        )
        assert made["period_lower"] <= made["period_total"] <= made["period_upper"]
    days = [row for row in answer["rows"] if row["currency"] == answer["rows"][0]["currency"]]
    if (last - TODAY).days <= 45:
        assert [row["date"] for row in days] == [
            (TODAY + timedelta(days=ahead)).isoformat() for ahead in range(1, (last - TODAY).days + 1)
        ]
    else:
        assert [row["date"][:7] for row in days] == [f"2026-{month:02}" for month in range(3, last.month + 1)]
        assert sum(row["projected_days"] for row in days) == (last - TODAY).days


@pytest.mark.parametrize("org", ["acme_inc", "globex_inc"])
async def test_the_landing_of_a_month_is_near_what_came(call: Call, org: str) -> None:
    answer = await call(org, TODAY, "cost_forecast", until="end_of_month")
    came = spent(org, date(2026, 3, 1), date(2026, 3, 31))
    largest = max(answer["summary"]["forecasts"], key=lambda made: made["period_total"])
    assert float(came[largest["currency"]]) == pytest.approx(largest["period_total"], rel=0.05)


async def test_a_filter_narrows_history_and_actuals(call: Call) -> None:
    aws = [{"dimension": "provider", "values": ["Amazon"]}]
    answer = await call("acme_inc", TODAY, "cost_forecast", until="end_of_month", filters=aws)
    done = spent("acme_inc", date(2026, 3, 1), date(2026, 3, 16), lambda row: row["ServiceProviderName"] == "AWS")
    (made,) = answer["summary"]["forecasts"]
    assert money(made["actual_to_date"]) == pytest.approx(done["USD"], abs=Decimal("1e-6"))
    assert answer["summary"]["matched"] == [{"dimension": "provider", "values": ["AWS"]}]


async def test_parts_add_up_to_the_total_without_a_dimension(call: Call) -> None:
    whole = await call("acme_inc", TODAY, "cost_forecast", until="end_of_month")
    parts = await call("acme_inc", TODAY, "cost_forecast", until="end_of_month", dimension="service")
    (made,) = whole["summary"]["forecasts"]
    assert parts["summary"]["forecasts"] == whole["summary"]["forecasts"]
    assert sum(money(row["period_total"]) for row in parts["rows"]) == pytest.approx(
        money(made["period_total"]), abs=Decimal("1e-6")
    )
    assert len(parts["rows"]) == 21
    assert parts["rows"][-1]["service"] == "(other)"


async def test_parts_that_are_fees_are_forecast_as_they_are_and_what_varies_takes_the_difference(call: Call) -> None:
    span = {"start_date": "2026-04-01", "until": "2026-04-30"}
    answer = await call("acme_inc", TODAY, "cost_forecast", dimension="service", limit=100, **span)
    rows = {row["service"]: row for row in answer["rows"]}
    for service in ("Slack", "GitHub Enterprise", "Datadog Infrastructure", "Notion"):
        february = [row for row in rows_of("acme_inc") if f"{row['ChargePeriodStart']:%Y-%m}" == "2026-02"]
        fee = sum(row["BilledCost"] for row in february if row["ServiceName"] == service)
        assert rows[service]["period_total"] == pytest.approx(float(fee), abs=0.02)
        assert rows[service]["lower"] <= rows[service]["period_total"] <= rows[service]["upper"]
        assert rows[service]["confidence"] == "high"
    assert rows["Figma"]["period_total"] == 0
    (made,) = answer["summary"]["forecasts"]
    assert sum(money(row["period_total"]) for row in answer["rows"]) == money(made["period_total"])


async def test_the_effective_cost_is_forecast_from_the_effective_cost(call: Call) -> None:
    answer = await call("acme_inc", TODAY, "cost_forecast", until="end_of_month", metric="EffectiveCost")
    done = sum(
        row["EffectiveCost"]
        for row in rows_of("acme_inc")
        if date(2026, 3, 1) <= row["ChargePeriodStart"].date() < TODAY
    )
    (made,) = answer["summary"]["forecasts"]
    assert money(made["actual_to_date"]) == pytest.approx(done, abs=Decimal("1e-6"))
    assert answer["summary"]["cost_basis"] == "EffectiveCost"


async def test_a_coming_quarter_is_totalled_from_its_first_day(call: Call) -> None:
    answer = await call("acme_inc", TODAY, "cost_forecast", until="2026-06-30", start_date="2026-04-01", rows="day")
    (made,) = answer["summary"]["forecasts"]
    assert "actual_to_date" not in made
    assert len(answer["rows"]) == 91
    assert made["period_total"] == pytest.approx(sum(row["projected_cost"] for row in answer["rows"]))
    assert made["period_total"] == made["projected_total"]
    assert made["avg_daily"] == pytest.approx(made["projected_total"] / 91, abs=0.006)


@pytest.mark.parametrize("asked", [{"rows": "month"}, {"dimension": "month"}, {}])
async def test_months_add_up_to_the_days(call: Call, asked: dict[str, str]) -> None:
    of_days = await call("acme_inc", TODAY, "cost_forecast", until="2026-05-20", rows="day")
    answer = await call("acme_inc", TODAY, "cost_forecast", until="2026-05-20", **asked)
    assert [row["projected_days"] for row in answer["rows"]] == [14, 30, 20]
    for row in answer["rows"]:
        days = [money(each["projected_cost"]) for each in of_days["rows"] if each["date"][:7] == row["date"][:7]]
        assert money(row["projected_cost"]) == sum(days)
    assert drawn.marks(answer["chart"])["point"] == 28 + 64


async def test_the_last_thirty_days_and_no_change_of_level_are_said(call: Call) -> None:
    answer = await call("acme_inc", TODAY, "cost_forecast", until="end_of_month")
    (made,) = answer["summary"]["forecasts"]
    first, last = date(2026, 2, 15), date(2026, 3, 16)
    average = spent("acme_inc", first, last)["USD"] / 30
    assert made["last_30_days"] == {
        "start_date": first.isoformat(),
        "end_date": last.isoformat(),
        "avg_daily": pytest.approx(float(average), abs=0.0051),
    }
    assert isinstance(made["level_changes"], list)
    assert answer["summary"]["data"]["today_included"] is True
    ahead = await call("acme_inc", TODAY, "cost_forecast")
    assert ahead["summary"]["data"]["today_included"] is False


async def test_values_that_stand_together_are_said_and_can_be_had_alone(call: Call) -> None:
    few = await call("acme_inc", TODAY, "cost_forecast", dimension="service", limit=2)
    (count,) = map(int, re.findall(r"There are (\d+) values of service in USD", " ".join(few["summary"]["notes"])))
    assert [row["service"] for row in few["rows"]][2:] == ["(other)"]
    assert f"the 2 largest stand alone, the other {count - 2} together as (other)." in " ".join(few["summary"]["notes"])
    every = await call("acme_inc", TODAY, "cost_forecast", dimension="service", limit=count)
    assert len({row["service"] for row in every["rows"]}) == len(every["rows"]) == count
    assert not [note for note in every["summary"]["notes"] if "(other)" in note]
    totals = [sum(money(row["period_total"]) for row in answer["rows"]) for answer in (few, every)]
    assert totals[0] == totals[1]


async def test_a_rest_of_today_of_zero_has_its_reason(call: Call) -> None:
    answer = await call("acme_inc", TODAY, "cost_forecast", until="end_of_month", dimension="service")
    (made,) = answer["summary"]["forecasts"]
    assert ("rest_of_today_reason" in made) is (made["rest_of_today"] == 0)
    forecast = project(
        {TODAY - timedelta(days=day): Decimal(10) for day in range(1, 60)}, TODAY - timedelta(1), TODAY, 3
    )
    landing = Landing(Decimal(160), Decimal(12), Decimal(), Decimal(), forecast)
    assert "Today has cost 12 so far, and 10.00 was projected" in str(landing.why_nothing_more)
    assert "Today is not over, so more may still come." in str(landing.why_nothing_more)
    assert Landing(Decimal(), Decimal(4), Decimal(6), Decimal(), forecast).why_nothing_more is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"until": "2026-03-16"}, "Use query_costs for days that are over"),
        ({"until": "2027-05-01"}, "to 400 days ahead"),
        ({"until": "soon"}, "end_of_month, end_of_quarter, end_of_year"),
        ({"until": "end_of_month", "start_date": "2026-04-01"}, "Give an earlier start_date"),
        ({"dimension": "week"}, "Leave dimension out"),
        ({"dimension": "x'; DROP"}, "There is no dimension"),
        ({"metric": "LineItems"}, "metric: must be 'BilledCost'"),
        ({"filters": [{"dimension": "provider", "values": ["AWZ"]}]}, "Nearest: AWS"),
        ({"filters": [{"dimension": 'tag:a"b', "values": ["x"]}]}, "no quote"),
    ],
)
async def test_what_cannot_be_forecast_is_said(call: Call, arguments: dict[str, Any], said: str) -> None:
    answer = await call("acme_inc", TODAY, "cost_forecast", **arguments)
    assert said in answer["error"]["message"]


async def test_the_last_day_of_a_month_has_only_its_rest(call: Call) -> None:
    answer = await call("acme_inc", date(2026, 3, 31), "cost_forecast", until="end_of_month")
    (made,) = answer["summary"]["forecasts"]
    assert made["projected_total"] == 0
    assert answer["rows"] == []
    parts = (money(made[name]) for name in ("actual_to_date", "today_so_far", "rest_of_today"))
    assert money(made["period_total"]) == pytest.approx(sum(parts), abs=Decimal("1e-6"))
