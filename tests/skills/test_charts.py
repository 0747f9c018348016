"""Every tool that draws, over two organisations: its chart is valid, is seen, and says what the rows say."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, get_args

import pytest

from common import limits
from common.charts import values as values_module
from common.focus.dimensions import GroupBy
from common.skills.usage.genai_sql import UsageGroup
from common.skills.usage.sql import Consumer
from common.tools import result
from common.tools.periods import PeriodType
from common.tools.result import CHART, as_message, as_stored
from local.data import demo
from tests.skills import drawn
from tests.skills.conftest import DEMO_TODAY, MANY_DAY, STEADY_END, Call, rows_of

Row = dict[str, Any]
TIMES = frozenset({"day", "week", "month"})
DIVIDED = ("provider", "service", "service_category", "cost_type", "team", "region", "model")
QUARTER = {"start_date": "2026-01-01", "end_date": "2026-03-31"}
BOTH = pytest.mark.parametrize("org", demo.ORGS)


def chart_of(answer: Row) -> drawn.Spec:
    chart: drawn.Spec = answer[CHART]
    drawn.check(chart)
    return chart


def values_of(chart: drawn.Spec) -> list[Row]:
    values: list[Row] = chart["data"]["values"]
    return values


def one_currency(rows: Sequence[Row]) -> tuple[list[Row], str]:
    """The rows of the currency that most are in."""
    currency = Counter(row["currency"] for row in rows).most_common()[0][0]
    return [row for row in rows if row["currency"] == currency], currency


def check_currency(chart: drawn.Spec, answer: Row, currency: str, channel: str) -> None:
    encodings = [chart["encoding"], *(layer["encoding"] for layer in chart.get("layer", ()))]
    titles = [encoding[channel]["title"] for encoding in encodings if channel in encoding]
    assert titles
    assert all(title.endswith(f"({currency})") for title in titles)
    others = {row["currency"] for row in answer["rows"]} - {currency, None}
    said = " ".join(chart["title"]["subtitle"])
    assert all(other in said for other in others)
    assert ("only" in said) is bool(others)


def check_bars(chart: drawn.Spec, rows: list[Row], label: str, field: str, total: float) -> None:
    """Ten bars as the rows have them, and one for what is left of the total."""
    values = values_of(chart)
    named, rest = values[: values_module.CHART_BARS], values[values_module.CHART_BARS :]
    assert [(value[label], value[field]) for value in named] == [
        (row[label], row[field]) for row in rows[: values_module.CHART_BARS]
    ]
    assert [value[label] for value in rest] == ["Other"] * (len(rows) > values_module.CHART_BARS)
    assert sum(value[field] for value in values) == pytest.approx(total, abs=1e-6)
    assert drawn.marks(chart) == {"bar": len(values)}


def total_of(answer: Row, currency: str, field: str) -> float:
    (total,) = (each[field] for each in answer["summary"]["totals"] if each["currency"] == currency)
    return float(total)


@pytest.mark.parametrize("group_by", sorted(set(get_args(GroupBy)) - TIMES))
@BOTH
async def test_costs_are_bars(call: Call, org: str, group_by: str) -> None:
    answer = await call(org, DEMO_TODAY, "query_costs", group_by=group_by, **QUARTER)
    rows, currency = one_currency(answer["rows"])
    chart = chart_of(answer)
    check_bars(chart, rows, group_by, "billed_cost", total_of(answer, currency, "billed_cost"))
    check_currency(chart, answer, currency, "x")


@pytest.mark.parametrize("group_by", sorted(TIMES))
@BOTH
async def test_costs_over_time_are_a_line(call: Call, org: str, group_by: str) -> None:
    answer = await call(org, DEMO_TODAY, "query_costs", group_by=group_by, limit=500, **QUARTER)
    rows, currency = one_currency(answer["rows"])
    chart = chart_of(answer)
    assert values_of(chart) == [
        {name: row[name] for name in (group_by, "billed_cost", "effective_cost")} for row in rows
    ]
    check_currency(chart, answer, currency, "y")
    assert drawn.marks(chart) == {"line mark": 1, "point": len(rows)}
    assert "2026-01-01 to 2026-03-31" in chart["title"]["subtitle"]


async def test_a_line_that_is_cut_off_says_so(call: Call) -> None:
    answer = await call("acme_inc", DEMO_TODAY, "query_costs", group_by="day", limit=20, **QUARTER)
    assert len(values_of(chart_of(answer))) == 20
    assert any("cut off" in line for line in answer[CHART]["title"]["subtitle"])


@pytest.mark.parametrize("group_by", sorted(TIMES))
async def test_times_are_read_and_told_in_utc_wherever_the_reader_is(call: Call, group_by: str) -> None:
    chart = chart_of(await call("acme_inc", DEMO_TODAY, "query_costs", group_by=group_by, **QUARTER))
    program = drawn.program(chart)
    assert "utcParse(" in program
    assert "utcFormat(" in program
    assert "timeFormat(" not in program
    assert '"type": "utc"' in program


async def test_three_of_many_groups_are_drawn_beside_all_others(call: Call) -> None:
    answer = await call("acme_inc", DEMO_TODAY, "query_costs", group_by="service", provider="aws", limit=3, **QUARTER)
    values = values_of(chart_of(answer))
    assert [value["service"] for value in values] == [*(row["service"] for row in answer["rows"]), "Other"]
    assert sum(value["billed_cost"] for value in values) == pytest.approx(total_of(answer, "USD", "billed_cost"))
    assert "provider: aws" in answer[CHART]["title"]["subtitle"]


@BOTH
async def test_two_dimensions_with_a_time_are_a_line_each(call: Call, org: str) -> None:
    answer = await call(org, DEMO_TODAY, "query_costs", group_by=["month", "service"], **QUARTER)
    rows, currency = one_currency(answer["rows"])
    chart = chart_of(answer)
    values = values_of(chart)
    names = {value["service"] for value in values}
    assert len(names) == 7
    assert "Other" in names
    assert sum(value["billed_cost"] for value in values) == pytest.approx(sum(row["billed_cost"] for row in rows))
    for value in values:
        if value["service"] != "Other":
            (row,) = (row for row in rows if (row["month"], row["service"]) == (value["month"], value["service"]))
            assert value["billed_cost"] == row["billed_cost"]
    check_currency(chart, answer, currency, "y")
    assert drawn.marks(chart)["line mark"] == 7


async def test_two_dimensions_without_a_time_are_bars_of_both_names(call: Call) -> None:
    answer = await call("acme_inc", DEMO_TODAY, "query_costs", group_by=["provider", "region"], **QUARTER)
    values = values_of(chart_of(answer))
    rows = answer["rows"][: values_module.CHART_BARS]
    assert [value["name"] for value in values[: len(rows)]] == [f"{row['provider']} / {row['region']}" for row in rows]


@pytest.mark.parametrize("group_by", ["weekday", "quarter", "tag:environment", "level:1", "fiscal_year"])
async def test_other_dimensions_are_bars(call: Call, group_by: str) -> None:
    answer = await call("acme_inc", DEMO_TODAY, "query_costs", group_by=group_by, period="last_3_months")
    chart = answer.get(CHART)
    assert (chart is None) is (len(answer["rows"]) < 2)
    if chart is not None:
        drawn.check(chart)
        assert [value["billed_cost"] for value in values_of(chart)] == [row["billed_cost"] for row in answer["rows"]]


async def test_a_quantity_is_drawn_in_its_unit_and_several_units_are_not(call: Call) -> None:
    hours = [{"dimension": "consumed_unit", "values": ["Hours"]}]
    asked = {"group_by": "service", "metrics": "ConsumedQuantity", **QUARTER}
    answer = await call("acme_inc", DEMO_TODAY, "query_costs", filters=hours, **asked)
    assert chart_of(answer)["encoding"]["x"]["title"] == "Consumed quantity (Hours)"
    assert CHART not in await call("acme_inc", DEMO_TODAY, "query_costs", **asked)


@pytest.mark.parametrize("dimension", DIVIDED)
@BOTH
async def test_a_breakdown_is_bars_with_their_shares(call: Call, org: str, dimension: str) -> None:
    answer = await call(org, DEMO_TODAY, "cost_breakdown", dimension=dimension, **QUARTER)
    rows, currency = one_currency(answer["rows"])
    chart = chart_of(answer)
    check_bars(chart, rows, dimension, "total", total_of(answer, currency, "total"))
    check_currency(chart, answer, currency, "x")
    shares = [value["pct_of_total"] for value in values_of(chart)[: values_module.CHART_BARS]]
    assert shares == [row["pct_of_total"] for row in rows[: values_module.CHART_BARS]]


async def test_six_hundred_services_are_ten_bars_and_the_rest(call: Call) -> None:
    answer = await call("many_inc", MANY_DAY, "cost_breakdown", dimension="service")
    rows, currency = one_currency(answer["rows"])
    check_bars(chart_of(answer), rows, "service", "total", total_of(answer, currency, "total"))


def check_changes(answer: Row) -> None:
    rows, currency = one_currency(answer["rows"])
    chart = chart_of(answer)
    values = values_of(chart)
    amounts = ("current_cost", "previous_cost", "absolute_change", "percent_change")
    told = sorted(tuple(str(value[name]) for name in amounts) for value in values)
    assert told == sorted(tuple(str(row[name]) for name in amounts) for row in rows)
    assert {value["service"].split(" (")[0] for value in values} == {row["service"].split(" (")[0] for row in rows}
    assert len({value["service"] for value in values}) == len(rows)
    changes = [value["absolute_change"] for value in values]
    assert changes == sorted(changes, reverse=True)
    check_currency(chart, answer, currency, "x")
    assert drawn.marks(chart) == {"bar": len(rows)}


@pytest.mark.parametrize("period_type", get_args(PeriodType))
@BOTH
async def test_a_comparison_is_bars_to_both_sides(call: Call, org: str, period_type: str) -> None:
    check_changes(
        await call(org, DEMO_TODAY, "compare_periods", period_type=period_type, group_by=["provider", "service"])
    )


@BOTH
async def test_drivers_are_bars_to_both_sides(call: Call, org: str) -> None:
    check_changes(await call(org, DEMO_TODAY, "top_cost_drivers", days=30, limit=20))


@pytest.mark.parametrize("days", [2, 30, limits.MAX_HORIZON_DAYS])
@BOTH
async def test_a_forecast_is_a_line_in_its_band(call: Call, org: str, days: int) -> None:
    answer = await call(org, DEMO_TODAY, "cost_forecast", horizon_days=days, rows="day")
    rows, currency = one_currency(answer["rows"])
    chart = chart_of(answer)
    names = ("date", "projected_cost", "lower", "upper")
    before, after = values_of(chart)[:-days], values_of(chart)[-days:]
    assert after == [{name: row[name] for name in names} for row in rows]
    # What the days so far cost stands before what is projected.
    spent: Counter[str] = Counter()
    for row in rows_of(org):
        if row["BillingCurrency"] == currency:
            spent[row["ChargePeriodStart"].date().isoformat()] += row["BilledCost"]
    assert len(before) == 28
    assert all(day["actual_cost"] == pytest.approx(float(spent[day["date"]]), abs=1e-6) for day in before)
    check_currency(chart, answer, currency, "y")
    assert drawn.marks(chart) == {"line mark": 2, "area mark": 1, "point": days + 28}


@pytest.mark.parametrize("group_by", get_args(UsageGroup))
@BOTH
async def test_usage_is_drawn_in_tokens(ask: Call, org: str, group_by: str) -> None:
    answer = await ask(org, "genai_usage", group_by=group_by, **QUARTER)
    rows = [row for row in answer["rows"] if row["total_tokens"] is not None]
    chart = chart_of(answer)
    if group_by in TIMES:
        names = (group_by, "total_tokens", "input_tokens", "output_tokens", "cached_tokens", "requests")
        assert values_of(chart) == [{name: row[name] for name in names} for row in rows]
        assert drawn.marks(chart) == {"line mark": 1, "point": len(rows)}
    else:
        rows.sort(key=lambda row: row["total_tokens"], reverse=True)
        check_bars(chart, rows, group_by, "total_tokens", answer["summary"]["usage"]["total_tokens"])


@pytest.mark.parametrize("dimension", get_args(Consumer))
@BOTH
async def test_consumers_are_bars(ask: Call, org: str, dimension: str) -> None:
    answer = await ask(org, "top_consumers", dimension=dimension, limit=20, **QUARTER)
    rows, currency = one_currency(answer["rows"])
    chart = chart_of(answer)
    check_bars(chart, rows, dimension, "billed_cost", total_of(answer, currency, "billed_cost"))
    check_currency(chart, answer, currency, "x")


@BOTH
async def test_quotas_are_bars_of_percent(ask: Call, org: str) -> None:
    answer = await ask(org, "quota_status")
    chart = chart_of(answer)
    limited = [row for row in answer["rows"] if row["percent"] is not None]
    assert [(value["quota"], value["percent"]) for value in values_of(chart)] == [
        (row["quota"], row["percent"]) for row in limited
    ]
    assert drawn.marks(chart) == {"bar": len(limited)}


@BOTH
async def test_what_is_no_picture_is_not_drawn(ask: Call, call: Call, org: str) -> None:
    assert CHART not in await ask(org, "pipeline_runs")
    assert CHART not in await ask(org, "list_alerts")
    assert CHART not in await call("empty_inc", DEMO_TODAY, "query_costs", group_by="service")
    assert CHART not in await call(org, DEMO_TODAY, "query_costs", group_by="month", limit=1, **QUARTER)
    assert CHART not in await call("steady_inc", STEADY_END, "cost_forecast", horizon_days=1)


async def test_a_model_is_not_sent_the_chart_and_the_store_is(call: Call) -> None:
    answer = await call("acme_inc", DEMO_TODAY, "query_costs", group_by="service", **QUARTER)
    plain = {name: value for name, value in answer.items() if name != CHART}
    assert json.loads(as_message(answer)) == plain
    assert json.loads(as_stored(answer, result.TOOL_RESULT_CHARS)) == answer


async def test_a_chart_is_left_out_before_any_row_is(call: Call) -> None:
    answer = await call("acme_inc", DEMO_TODAY, "query_costs", group_by="service", **QUARTER)
    plain = {name: value for name, value in answer.items() if name != CHART}
    whole, without = len(as_stored(answer, 10**9)), len(as_message(answer))
    assert json.loads(as_stored(answer, whole)) == answer
    assert json.loads(as_stored(answer, whole - 1)) == plain
    assert json.loads(as_stored(answer, without)) == plain
    cut = json.loads(as_stored(answer, without - 1))
    assert CHART not in cut
    assert cut["truncated"] is True
    assert 0 < len(cut["rows"]) < len(answer["rows"])


async def test_an_answer_from_the_cache_has_the_same_chart(call: Call) -> None:
    arguments = {"group_by": "team", "start_date": "2025-11-03", "end_date": "2025-11-28"}
    first = await call("acme_inc", DEMO_TODAY, "query_costs", **arguments)
    again = await call("acme_inc", DEMO_TODAY, "query_costs", **arguments)
    assert (first["cached"], again["cached"]) == (False, True)
    assert first[CHART] == again[CHART]
