"""What the cost tools say beside the figures: limits, folding, empty ranges, forecasts, and corrections."""

import json
import re
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from common import limits
from common.app import Services
from common.settings import Settings
from common.skills.costs import sql as cost_sql
from common.skills.costs.tools import TOOLS as COST_TOOLS
from common.skills.forecast.tools import TOOLS as FORECAST_TOOLS
from common.warehouse.json_values import json_safe
from tests.skills import ledger
from tests.skills.conftest import DEMO_TODAY, MANY_DAY, STEADY_END, Call, CountingWarehouse, rows_of


async def test_totals_cover_all_groups_and_currencies_whatever_the_limit(call: Call) -> None:
    for limit in (1, 2, 3, 500):
        answer = await call("many_inc", MANY_DAY, "query_costs", group_by="service", limit=limit)
        assert len(answer["rows"]) == limit
        assert answer["truncated"] is True
        totals = {total["currency"]: total for total in answer["summary"]["totals"]}
        for currency, sums in ledger.per_currency(rows_of("many_inc")).items():
            assert totals[currency]["billed_cost"] == json_safe(sums.billed)
            assert totals[currency]["line_items"] == sums.items


async def test_the_largest_of_each_currency_come_first_in_turn(call: Call) -> None:
    answer = await call("many_inc", MANY_DAY, "query_costs", group_by="service", limit=4)
    assert [(row["currency"], row["billed_cost"]) for row in answer["rows"]] == [
        ("EUR", 3), ("USD", 609), ("EUR", 2), ("USD", 608),
    ]  # fmt: skip


async def test_a_limit_on_days_keeps_the_first_days_and_every_currency_s_totals(call: Call) -> None:
    answer = await call(
        "edges_inc", DEMO_TODAY, "query_costs", group_by="day", start_date="2023-01-01", end_date="2024-12-31", limit=1
    )
    assert [(row["day"], row["currency"]) for row in answer["rows"]] == [("2023-02-28", "EUR")]
    assert [total["currency"] for total in answer["summary"]["totals"]] == ["EUR", "JPY", "USD"]


async def test_what_does_not_fit_a_breakdown_is_folded_into_one_row_per_currency(call: Call) -> None:
    answer = await call("many_inc", MANY_DAY, "cost_breakdown", dimension="service")
    assert len(answer["rows"]) == 499
    dollars = [row for row in answer["rows"] if row["currency"] == "USD"]
    assert dollars[-1]["service"] == cost_sql.OTHER
    assert sum(row["total"] for row in dollars) == sum(range(10, 610))
    assert dollars[-1]["total"] == sum(range(10, 10 + 600 - len(dollars) + 1))
    # Each of the hundreds of shares is rounded by itself.
    assert sum(Decimal(str(row["pct_of_total"])) for row in dollars) == pytest.approx(100, abs=Decimal(3))
    assert len([row for row in answer["rows"] if row["currency"] == "EUR"]) == 3
    assert answer["truncated"] is False


async def test_an_empty_range_says_which_days_the_filters_would_find(call: Call) -> None:
    answer = await call(
        "edges_inc", DEMO_TODAY, "query_costs", group_by="provider", provider="GitHub", cost_type="subscription",
        start_date="2025-06-01", end_date="2025-06-30",
    )  # fmt: skip
    assert answer["rows"] == []
    assert answer["summary"]["totals"] == []
    assert answer["summary"]["period"] == {"start_date": "2025-06-01", "end_date": "2025-06-30"}
    assert answer["summary"]["available"] == {"start_date": "2023-02-28", "end_date": "2024-12-31"}
    assert "GitHub" in answer["summary"]["known_providers"]


async def test_an_unknown_provider_gets_the_days_of_all_data_and_the_known_providers(call: Call) -> None:
    known = sorted({row["ServiceProviderName"] for row in rows_of("edges_inc")})
    for name, arguments in (("query_costs", {"group_by": "day"}), ("compare_periods", {"period_type": "MoM"})):
        answer = await call("edges_inc", DEMO_TODAY, name, provider="Nimbus", **arguments)
        assert answer["rows"] == []
        assert answer["summary"]["available"] == {"start_date": "2023-02-28", "end_date": "2024-12-31"}
        assert answer["summary"]["known_providers"] == known


async def test_every_tool_says_so_where_there_is_no_data_at_all(call: Call, counting: CountingWarehouse) -> None:
    for name, arguments in (
        ("query_costs", {"group_by": "day"}),
        ("cost_breakdown", {"dimension": "team"}),
        ("compare_periods", {"period_type": "MTD"}),
        ("top_cost_drivers", {}),
    ):
        counting.ran.clear()
        answer = await call("empty_inc", DEMO_TODAY, name, **arguments)
        assert answer["rows"] == []
        assert answer["summary"]["available"] is None
        assert len(counting.ran) == 2
    answer = await call("empty_inc", DEMO_TODAY, "cost_forecast")
    assert answer["error"]["code"] == "not_enough_history"


async def test_without_dates_the_last_thirty_days_count_today_included(call: Call) -> None:
    answer = await call("acme_inc", DEMO_TODAY, "query_costs", group_by="day", limit=500)
    assert answer["summary"]["period"] == {"start_date": "2026-03-02", "end_date": "2026-03-31"}
    assert {row["day"] for row in answer["rows"]} == {f"2026-03-{day:02}" for day in range(2, 32)}


async def test_a_forecast_starts_tomorrow_from_a_history_that_ends_yesterday(call: Call) -> None:
    today = STEADY_END + timedelta(days=1)
    answer = await call("steady_inc", today, "cost_forecast", horizon_days=90, rows="day")
    days = [(today + timedelta(days=number)).isoformat() for number in range(1, 91)]
    assert [row["date"] for row in answer["rows"]] == days
    assert {row["projected_cost"] for row in answer["rows"]} == {10}
    assert answer["summary"]["history"] == {"start_date": "2024-11-02", "end_date": "2024-12-31", "days": 60}
    [made] = answer["summary"]["forecasts"]
    assert (made["currency"], made["avg_daily"], made["projected_total"]) == ("USD", 10, 900)


async def test_a_forecast_is_per_currency_and_its_days_add_up(call: Call) -> None:
    answer = await call("globex_inc", DEMO_TODAY, "cost_forecast", horizon_days=30)
    made = {each["currency"]: each for each in answer["summary"]["forecasts"]}
    assert set(made) == set(ledger.per_currency(ledger.between(rows_of("globex_inc"), date(2025, 12, 1), DEMO_TODAY)))
    for currency, each in made.items():
        days = [Decimal(str(row["projected_cost"])) for row in answer["rows"] if row["currency"] == currency]
        assert len(days) == 30
        assert sum(days) == Decimal(str(each["projected_total"]))
        # Dollars are a fee alone, which is certain.
        assert each["lower"] <= each["projected_total"] <= each["upper"]
        assert (each["lower"] < each["upper"]) is (currency == "EUR")
        assert each["confidence"] in ("low", "medium", "high")
        assert each["confidence_reason"]
    assert "weekday" in answer["summary"]["method"]


async def test_a_forecast_without_recent_costs_says_which_days_have_data(call: Call) -> None:
    answer = await call("steady_inc", date(2026, 3, 31), "cost_forecast")
    assert answer["error"]["code"] == "not_enough_history"
    assert "from 2025-02-24 to 2026-03-30" in answer["error"]["message"]
    assert "from 2024-11-02 to 2025-01-01" in answer["error"]["message"]


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("query_costs", {"group_by": ["day", "team", "model", "sku"]}, "group_by: must have at most 3 entries"),
        ("query_costs", {"group_by": []}, "group_by: must not be empty"),
        ("query_costs", {"filters": "provider = AWS"}, "filters: must be a list"),
        ("query_costs", {"filters": ["AWS"]}, "filters.0: must be an object"),
        ("query_costs", {"filters": [{"dimension": "team"}] * 11}, "filters: must have at most 10 entries"),
        ("query_costs", {"time_basis": "invoice"}, "time_basis: must be 'charge' or 'billing'"),
        ("query_costs", {"group_by": "day", "limit": 0}, "limit: must be at least 1"),
        ("query_costs", {"group_by": "day", "limit": 501}, "limit: must be at most 500"),
        ("query_costs", {"group_by": "day", "limit": "many"}, "limit: must be a whole number"),
        ("query_costs", {"group_by": "day", "start_date": "September"}, "start_date: "),
        ("query_costs", {"group_by": "day", "start_date": "2024-02-30"}, "start_date: "),
        ("query_costs", {"group_by": "day", "start_date": 20240901}, "start_date: "),
        ("query_costs", {"group_by": "day", "end_date": ["2024-09-01"]}, "end_date: "),
        ("query_costs", {"group_by": "day", "cost_type": "saas"}, "cost_type: must be 'cloud', 'genai'"),
        ("query_costs", {"group_by": "day", "provider": ""}, "provider: "),
        ("query_costs", {"group_by": "day", "provider": "x" * 101}, "provider: "),
        ("query_costs", {"group_by": "day", "org_slug": "globex_inc"}, "org_slug: is not known here"),
        ("query_costs", {"group_by": "day", "dataset": "other"}, "dataset: is not known here"),
        ("cost_breakdown", {}, "dimension: is missing"),
        ("list_values", {}, "dimension: is missing"),
        ("list_values", {"dimension": "service", "search": ""}, "search: must not be empty"),
        ("cost_breakdown", {"dimension": "team", "provider": "AWS"}, "provider: is not known here"),
        ("compare_periods", {"period_type": "WoW"}, "period_type: must be 'MTD', 'MoM', 'QoQ' or 'YoY'"),
        ("cost_forecast", {"horizon_days": 0}, "horizon_days: must be at least 1"),
        ("cost_forecast", {"horizon_days": 91}, "horizon_days: must be at most 90"),
        ("top_cost_drivers", {"days": 0}, "days: must be at least 1"),
        ("top_cost_drivers", {"days": 91}, "days: must be at most 90"),
        ("top_cost_drivers", {"limit": 0}, "limit: must be at least 1"),
        ("top_cost_drivers", {"limit": 21}, "limit: must be at most 20"),
        ("top_cost_drivers", {"days": "many"}, "days: must be a whole number"),
    ],
)
async def test_wrong_arguments_are_corrected_and_nothing_is_run(
    call: Call, counting: CountingWarehouse, name: str, arguments: dict[str, Any], said: str
) -> None:
    counting.ran.clear()
    answer = await call("acme_inc", DEMO_TODAY, name, **arguments)
    assert answer["error"]["code"] == "invalid_arguments"
    assert said in answer["error"]["message"]
    assert counting.ran == []


@pytest.mark.parametrize(
    ("name", "arguments", "rows"),
    [
        ("query_costs", {"group_by": "day", "limit": 1, "start_date": "2026-01-01"}, 1),
        ("query_costs", {"group_by": "day", "limit": 500}, 30),
        ("query_costs", {"group_by": "day", "provider": None, "start_date": None}, 30),
        ("cost_forecast", {"horizon_days": 1}, 1),
        ("cost_forecast", {"horizon_days": 90, "rows": "day"}, 90),
        ("top_cost_drivers", {"days": 1, "limit": 1}, 1),
        ("top_cost_drivers", {"days": 90, "limit": 20}, 20),
    ],
)
async def test_arguments_at_their_limits_are_taken(call: Call, name: str, arguments: dict[str, Any], rows: int) -> None:
    answer = await call("acme_inc", DEMO_TODAY, name, **arguments)
    assert len(answer["rows"]) == rows


async def test_a_range_is_refused_one_day_past_the_limit(call: Call) -> None:
    first = DEMO_TODAY - timedelta(days=limits.MAX_RANGE_DAYS - 1)
    for name, by in (("query_costs", {"group_by": "month"}), ("cost_breakdown", {"dimension": "team"})):
        taken = await call("acme_inc", DEMO_TODAY, name, start_date=first, **by)
        assert taken["rows"]
        refused = await call("acme_inc", DEMO_TODAY, name, start_date=first - timedelta(days=1), **by)
        assert refused["error"]["code"] == "invalid_range"
        assert "Narrow the dates" in refused["error"]["message"]
        turned = await call("acme_inc", DEMO_TODAY, name, start_date="2026-03-02", end_date="2026-03-01", **by)
        assert "is after end_date" in turned["error"]["message"]


@pytest.mark.parametrize(
    "text", ["' OR 1=1 --", "AWS') OR TRUE OR ('", "%", "A_S", "`;DROP TABLE x;", "@limit", "{own.x}", "\\", "AWS\x00"]
)
@pytest.mark.parametrize("name", ["provider", "service_category"])
async def test_a_hostile_filter_is_a_value_and_nothing_else(call: Call, name: str, text: str) -> None:
    plain = await call("acme_inc", DEMO_TODAY, "query_costs", group_by="provider", **{name: "nothing"})
    answer = await call("acme_inc", DEMO_TODAY, "query_costs", group_by="provider", **{name: text})
    assert answer["rows"] == []
    assert answer["sql"] == plain["sql"]


async def test_rows_columns_and_parameters_describe_themselves(call: Call) -> None:
    answer = await call("acme_inc", DEMO_TODAY, "query_costs", group_by="week", limit=2)
    assert answer["columns"] == [
        {"name": "week", "type": "DATE"},
        {"name": "billed_cost", "type": "NUMERIC"},
        {"name": "effective_cost", "type": "NUMERIC"},
        {"name": "line_items", "type": "INTEGER"},
        {"name": "share_pct", "type": "NUMERIC"},
        {"name": "currency", "type": "STRING"},
    ]
    assert answer["parameters"] == {
        "start": "2026-03-02T00:00:00+00:00",
        "end_exclusive": "2026-04-01T00:00:00+00:00",
        "data_start": "2026-02-14T00:00:00+00:00",
        "data_end": "2026-04-01T00:00:00+00:00",
        "limit": 2,
    }
    assert set(re.findall(r"@(\w+)", answer["sql"])) == set(answer["parameters"])
    assert "`local-dev-project.acme_inc_prod.cost_data_standard_1_3`" in answer["sql"]


def test_a_schema_tells_a_model_everything_and_names_no_tenant() -> None:
    assert [tool.name for tool in COST_TOOLS] == [
        "query_costs", "compare_periods", "cost_breakdown", "top_cost_drivers",
    ]  # fmt: skip
    for tool in (*COST_TOOLS, *FORECAST_TOOLS):
        schema = tool.schema()["function"]
        assert tool.domain == "costs"
        assert 80 < len(schema["description"]) < 800
        assert schema["parameters"]["additionalProperties"] is False
        for name, argument in schema["parameters"]["properties"].items():
            described = [argument, *argument.get("anyOf", [])]
            assert any(part.get("description") for part in described), (tool.name, name)
            assert any(part.get("type") or part.get("anyOf") for part in described), (tool.name, name)


def test_the_schemas_of_a_cost_analyst_s_tools_are_short() -> None:
    skills = Services(Settings()).skills
    tools = {tool.name: tool for tool in skills.registry.tools}
    schemas = [
        json.dumps(tools[name].schema(), separators=(",", ":")) for name in skills.roster.agents["CostAnalyst"].tools
    ]
    assert sum(map(len, schemas)) <= 9_000
