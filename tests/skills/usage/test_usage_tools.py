"""The usage tools held to sums made from the rows alone, in plain Python: tokens, costs, quotas and runs."""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, get_args

import pytest

from common import limits
from common.focus.providers import provider_names
from common.skills.usage import quotas
from common.skills.usage.genai_sql import UsageGroup
from common.skills.usage.sql import Consumer
from common.warehouse.json_values import json_safe
from local.data import demo
from tests.skills import ledger
from tests.skills.conftest import DEMO_TODAY, NOON, Call, rows_of
from tests.skills.operations_made import MIXED, mixed_costs, shared_rows, usage_rows

Row = Mapping[str, Any]
TOKENS = {
    "requests": "request_count", "input_tokens": "input_tokens", "output_tokens": "output_tokens",
    "cached_tokens": "cached_tokens", "total_tokens": "total_tokens",
}  # fmt: skip
TIMES = ("day", "week", "month")
# Organisation, first and last day: whole months, a leap into the year before, one day, and the made edges.
RANGES = [
    ("acme_inc", "2025-11-17", "2026-03-31"),
    ("globex_inc", "2026-03-02", "2026-03-31"),
    ("globex_inc", "2026-02-28", "2026-02-28"),
    (MIXED, "2026-03-01", "2026-03-31"),
    (MIXED, "2026-02-28", "2026-03-10"),
    (MIXED, "2026-02-01", "2026-02-28"),
]


def costs_of(org: str, start: str, end: str) -> list[Row]:
    rows = mixed_costs() if org == MIXED else rows_of(org)
    return ledger.between(rows, date.fromisoformat(start), date.fromisoformat(end))


def usage_of(org: str, start: str, end: str) -> list[Row]:
    return [row for row in usage_rows(org) if start <= row["usage_date"].isoformat() <= end]


def usage_key(row: Row, name: str) -> str:
    day: date = row["usage_date"]
    match name:
        case "model":
            return row["model"] or "No model"
        case "provider":
            return str(row["provider"])
        case "team":
            return row["x_hierarchy_entity_name"] or "Unallocated"
        case "day":
            return day.isoformat()
        case "week":
            return (day - timedelta(days=day.weekday())).isoformat()
        case _:
            return f"{day:%Y-%m}"


def cost_key(row: Row, name: str) -> str:
    if name != "provider":
        return ledger.key(row, name)
    known = {"Google Gemini": "gemini"}
    provider = row["ServiceProviderName"]
    return row.get("x_genai_provider") or known.get(provider, str(provider).lower())


def tokens_of(rows: Iterable[Row]) -> dict[str, int | None]:
    """Each kind of token added up; None where no row has any."""
    sums: dict[str, int | None] = {}
    rows = list(rows)
    for name, column in TOKENS.items():
        counted = [row[column] for row in rows if row[column] is not None]
        sums[name] = sum(counted) if counted else None
    return sums


def grouped(rows: Iterable[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def rate(cost: Decimal, tokens: int | None) -> Any:
    if not tokens:
        return None
    return json_safe((cost * 1_000_000 / tokens).quantize(Decimal("0.000001"), ROUND_HALF_UP))


def check_usage(answer: dict[str, Any], usage: list[Row], costs: list[Row], group_by: str) -> None:
    """Hold every row and every total of an answer to the rows that it should come from."""
    genai = [row for row in costs if ledger.cost_type(row) == "genai"]
    tokens = {name: tokens_of(rows) for name, rows in grouped(usage, lambda row: usage_key(row, group_by)).items()}
    money = {
        group: sum((row["BilledCost"] for row in rows), Decimal())
        for group, rows in grouped(genai, lambda row: (cost_key(row, group_by), row["BillingCurrency"])).items()
    }
    without_costs = {(name, None) for name in tokens if name not in {name for name, _ in money}}
    assert {(row[group_by], row["currency"]) for row in answer["rows"]} == set(money) | without_costs
    assert len(answer["rows"]) == len(money) + len(without_costs)
    nothing = dict.fromkeys(TOKENS)
    for row in answer["rows"]:
        mine = tokens.get(row[group_by], nothing)
        cost = money.get((row[group_by], row["currency"]))
        assert row["billed_cost"] == json_safe(cost)
        assert row["cost_per_million_tokens"] == (None if cost is None else rate(cost, mine["total_tokens"]))
        assert {name: row[name] for name in TOKENS} in (mine, nothing)
    for name, mine in tokens.items():
        with_tokens = [row for row in answer["rows"] if row[group_by] == name and row["requests"] is not None]
        assert len(with_tokens) == (0 if mine["requests"] is None else 1)
    whole = tokens_of(usage)
    assert answer["summary"]["usage"] == {name: count or 0 for name, count in whole.items()}
    for name in TOKENS:
        assert sum(row[name] or 0 for row in answer["rows"]) == (whole[name] or 0)
    wholes = ledger.per_currency(genai)
    names = ("currency", "billed_cost", "cost_per_million_tokens")
    assert [{name: total[name] for name in names} for total in answer["summary"]["totals"]] == [
        {
            "currency": currency,
            "billed_cost": json_safe(sums.billed),
            "cost_per_million_tokens": rate(sums.billed, whole["total_tokens"]),
        }
        for currency, sums in sorted(wholes.items())
    ]


@pytest.mark.parametrize("group_by", get_args(UsageGroup))
@pytest.mark.parametrize(("org", "start", "end"), RANGES)
async def test_genai_usage_adds_up(ask: Call, org: str, start: str, end: str, group_by: str) -> None:
    answer = await ask(org, "genai_usage", group_by=group_by, start_date=start, end_date=end)
    usage = usage_of(org, start, end)
    assert usage
    check_usage(answer, usage, costs_of(org, start, end), group_by)
    assert answer["summary"]["period"] == {"start_date": start, "end_date": end}
    assert answer["summary"]["available"] is None
    assert answer["truncated"] is False
    if group_by in TIMES:
        order = [(row[group_by], row["currency"] or "") for row in answer["rows"]]
        assert order == sorted(order)


@pytest.mark.parametrize(
    ("provider", "model", "key"),
    [("Claude", None, "anthropic"), ("gemini", "Gemini-2.5-PRO", "gemini"), (None, "gpt-5-mini", "openai")],
)
@pytest.mark.parametrize("org", demo.ORGS)
async def test_filters_hold_for_tokens_and_costs_alike(
    ask: Call, org: str, provider: str | None, model: str | None, key: str
) -> None:
    start, end = "2026-03-02", "2026-03-31"
    answer = await ask(org, "genai_usage", group_by="team", provider=provider, model=model)
    usage = [row for row in usage_of(org, start, end) if row["provider"] == key]
    costs = [row for row in costs_of(org, start, end) if row["x_genai_provider"] == key]
    if model is not None:
        usage = [row for row in usage if row["model"] == model.lower()]
        costs = [row for row in costs if row["x_genai_model"] == model.lower()]
    assert usage
    check_usage(answer, usage, costs, "team")


async def test_more_days_than_rows_are_cut_and_the_totals_are_not(ask: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_RESULT_ROWS", 12)
    start, end = "2026-03-01", "2026-03-31"
    answer = await ask("acme_inc", "genai_usage", group_by="day", start_date=start, end_date=end)
    assert [row["day"] for row in answer["rows"]] == [f"2026-03-{day:02}" for day in range(1, 11)]
    assert answer["truncated"] is True
    assert answer["summary"]["usage"] == tokens_of(usage_of("acme_inc", start, end))
    genai = [row for row in costs_of("acme_inc", start, end) if ledger.cost_type(row) == "genai"]
    assert answer["summary"]["totals"][0]["billed_cost"] == json_safe(ledger.add(genai).billed)


async def test_an_empty_range_says_which_days_have_usage(ask: Call) -> None:
    asked = {"start_date": "2020-01-01", "end_date": "2020-01-31"}
    answer = await ask(MIXED, "genai_usage", **asked)
    assert (answer["rows"], answer["summary"]["totals"]) == ([], [])
    assert answer["summary"]["usage"] == dict.fromkeys(TOKENS, 0)
    assert answer["summary"]["available"] == {"start_date": "2026-02-28", "end_date": "2026-03-10"}
    answer = await ask(MIXED, "genai_usage", model="GPT-5", **asked)
    assert answer["summary"]["available"] == {"start_date": "2026-03-10", "end_date": "2026-03-10"}
    assert answer["summary"]["known_models"] == ["claude", "free-of-usage", "gpt-5", "without-costs"]
    answer = await ask(MIXED, "genai_usage", provider="Nimbus")
    assert answer["summary"]["known_providers"] == ["anthropic", "gemini", "mistral", "openai"]
    assert answer["summary"]["available"] == {"start_date": "2026-02-28", "end_date": "2026-03-10"}


async def test_an_organisation_without_data_is_told_so(ask: Call) -> None:
    for name, arguments in (
        ("genai_usage", {}), ("top_consumers", {"dimension": "team"}), ("pipeline_runs", {}),
    ):  # fmt: skip
        answer = await ask("empty_inc", name, **arguments)
        assert answer["rows"] == []
        assert answer["summary"]["available"] is None
    answer = await ask("empty_inc", "quota_status")
    assert answer["rows"] == []
    assert "No usage has been counted" in answer["summary"]["note"]


def expected_consumers(costs: list[Row], usage: list[Row], dimension: str) -> dict[tuple[str, str], Any]:
    """(name, currency) -> (cost, tokens or None where they cannot be told, or stand with another currency)."""
    if dimension == "model":
        costs = [row for row in costs if row.get("x_genai_model")]
    sums = ledger.grouped(costs, dimension)
    if dimension in ("model", "team"):
        tokens = {name: tokens_of(rows) for name, rows in grouped(usage, lambda row: usage_key(row, dimension)).items()}
    else:
        sellers = grouped(
            (row for row in costs if row.get("x_genai_provider")),
            lambda row: (row["x_genai_provider"], row["x_genai_model"]),
        )
        seller = {
            sold: next(iter(names))
            for sold, rows in sellers.items()
            if len(names := {ledger.key(row, dimension) for row in rows}) == 1
        }
        told = [row for row in usage if (row["provider"], row["model"]) in seller]
        by_name = grouped(told, lambda row: seller[row["provider"], row["model"]])
        tokens = {name: tokens_of(rows) for name, rows in by_name.items()}
    return {
        (name, currency): (json_safe(each.billed), tokens.get(name, dict.fromkeys(TOKENS)))
        for (name, currency), each in sums.items()
    }


@pytest.mark.parametrize("dimension", get_args(Consumer))
@pytest.mark.parametrize(("org", "start", "end"), RANGES)
async def test_top_consumers_are_the_largest_of_each_currency_with_their_tokens(
    ask: Call, org: str, start: str, end: str, dimension: str
) -> None:
    answer = await ask(org, "top_consumers", dimension=dimension, start_date=start, end_date=end, limit=20)
    costs = costs_of(org, start, end)
    expected = expected_consumers(costs, usage_of(org, start, end), dimension)
    assert expected
    placed = []
    for currency in {currency for _, currency in expected}:
        own = sorted((group for group in expected if group[1] == currency), key=lambda g: (-expected[g][0], g[0]))
        placed += [(place, group[1], group) for place, group in enumerate(own)]
    order = [group for *_, group in sorted(placed)][:20]
    assert [(row[dimension], row["currency"]) for row in answer["rows"]] == order
    for row in answer["rows"]:
        cost, tokens = expected[row[dimension], row["currency"]]
        assert row["billed_cost"] == cost
        alone = sum(row[dimension] == name for name, _ in expected) == 1
        shown = (row["requests"], row["total_tokens"])
        assert shown == (tokens["requests"], tokens["total_tokens"]) or (not alone and shown == (None, None))
    names = [row[dimension] for row in answer["rows"] if row["total_tokens"] is not None]
    assert len(names) == len(set(names))
    counted = [row for row in costs if dimension != "model" or row.get("x_genai_model")]
    assert answer["summary"]["totals"] == [
        {"currency": currency, "billed_cost": json_safe(sums.billed), "line_items": sums.items}
        for currency, sums in sorted(ledger.per_currency(counted).items())
    ]
    assert answer["summary"]["groups"] == len(expected)
    assert answer["truncated"] is (len(expected) > 20)


async def test_tokens_that_two_sellers_may_have_sold_are_given_to_none(ask: Call) -> None:
    answer = await ask(MIXED, "top_consumers", dimension="service", start_date="2026-03-01", end_date="2026-03-31")
    tokens = {row["service"]: row["total_tokens"] for row in answer["rows"]}
    assert tokens["OpenAI API"] is None
    assert tokens["Azure OpenAI"] is None
    assert tokens["Claude API"] == 400 + 40 + 4 + 100 + 10 + 1


async def test_consumers_of_an_empty_range_say_which_days_have_costs(ask: Call) -> None:
    asked = {"start_date": "2020-01-01", "end_date": "2020-01-31"}
    for dimension in get_args(Consumer):
        answer = await ask(MIXED, "top_consumers", dimension=dimension, **asked)
        assert answer["rows"] == []
        assert answer["summary"]["available"] == {"start_date": "2026-02-28", "end_date": "2026-03-10"}


@pytest.mark.parametrize("org", demo.ORGS)
async def test_quota_status_is_what_the_latest_counters_leave(ask: Call, org: str) -> None:
    latest = max(shared_rows(org)["org_usage_quotas"], key=lambda row: row["usage_date"])
    answer = await ask(org, "quota_status")
    rows = {row["quota"]: row for row in answer["rows"]}
    for quota, used, limit, resets_at in (
        ("daily", latest["pipelines_run_today"], latest["daily_limit"], "2026-04-01T00:00:00+00:00"),
        ("monthly", latest["pipelines_run_month"], latest["monthly_limit"], "2026-04-01T00:00:00+00:00"),
        ("concurrent", latest["concurrent_pipelines_running"], latest["concurrent_limit"], None),
    ):
        assert (rows[quota]["used"], rows[quota]["limit"], rows[quota]["left"]) == (used, limit, limit - used)
        percent = (Decimal(used * 100) / limit).quantize(Decimal("0.1"), ROUND_HALF_UP)
        assert rows[quota]["percent"] == json_safe(percent)
        assert rows[quota]["resets_at"] == resets_at
        assert rows[quota]["unlimited"] is False
    assert answer["summary"]["as_of"] == latest["last_updated"].isoformat()
    assert answer["summary"]["note"].startswith("The counters last changed on 2026-03-31 at 00:")


async def test_counters_of_a_day_that_is_over_begin_again(ask: Call) -> None:
    latest = max(shared_rows("acme_inc")["org_usage_quotas"], key=lambda row: row["usage_date"])
    answer = await ask("acme_inc", "quota_status", _now=NOON + timedelta(days=1))
    used = {row["quota"]: (row["used"], row["resets_at"]) for row in answer["rows"]}
    assert used["daily"] == (0, "2026-04-02T00:00:00+00:00")
    assert used["monthly"] == (0, "2026-05-01T00:00:00+00:00")
    assert f"of {latest['usage_date']}" in answer["summary"]["note"]


@pytest.mark.parametrize(
    ("used", "limit", "left", "percent"),
    [
        (5, None, None, None), (5, 0, 0, None), (39, 40, 1, Decimal("97.5")), (40, 40, 0, 100),
        (45, 40, 0, Decimal("112.5")),
    ],
)  # fmt: skip
def test_a_quota_without_a_limit_is_unlimited_and_one_that_was_passed_leaves_nothing(
    used: int, limit: int | None, left: int | None, percent: Decimal | None
) -> None:
    latest = {
        "usage_date": date(2024, 2, 29), "pipelines_run_today": 1, "pipelines_run_month": used,
        "concurrent_pipelines_running": 1, "daily_limit": 2, "monthly_limit": limit, "concurrent_limit": 3,
    }  # fmt: skip
    daily, monthly, concurrent = quotas.quota_rows(latest, datetime(2024, 2, 29, 23, 59, tzinfo=UTC))
    assert (monthly["used"], monthly["left"], monthly["percent"]) == (used, left, percent)
    assert monthly["unlimited"] is (limit is None)
    assert daily["resets_at"] == monthly["resets_at"] == datetime(2024, 3, 1, tzinfo=UTC)
    assert concurrent["resets"] == "whenever a run ends"


def expected_runs(org: str, provider: str | None, status: str | None) -> list[Row]:
    names = provider_names(provider) if provider else ()
    chosen = [
        row
        for row in shared_rows(org)["org_meta_pipeline_runs"]
        if (provider is None or row["parameters"]["provider"] in names)
        and (status is None or row["status"] == status.upper())
    ]
    return sorted(chosen, key=lambda row: (-row["start_time"].timestamp(), row["pipeline_logging_id"]))


@pytest.mark.parametrize("status", [None, "failed", "completed", "running"])
@pytest.mark.parametrize("provider", [None, "AWS", "Google Cloud", "saas", "Nimbus"])
@pytest.mark.parametrize("org", demo.ORGS)
async def test_pipeline_runs_are_the_newest_that_match(
    ask: Call, org: str, provider: str | None, status: str | None
) -> None:
    answer = await ask(org, "pipeline_runs", provider=provider, status=status, limit=50)
    runs = expected_runs(org, provider, status)
    assert [row["run_id"] for row in answer["rows"]] == [run["pipeline_logging_id"] for run in runs[:50]]
    for row, run in zip(answer["rows"], runs, strict=False):
        assert (row["status"], row["trigger"], row["duration_ms"]) == (
            run["status"], run["trigger_type"], run["duration_ms"],
        )  # fmt: skip
        assert row["provider"] == run["parameters"]["provider"]
        assert row["error_class"] == run.get("error_context", {}).get("error_class")
    assert answer["summary"]["total"] == len(runs)
    assert answer["summary"]["by_status"]["failed"] == sum(run["status"] == "FAILED" for run in runs)
    assert answer["truncated"] is (len(runs) > 50)
    if not runs:
        days = sorted(run["start_time"].date().isoformat() for run in expected_runs(org, None, None))
        assert answer["summary"]["available"] == {"start_date": days[0], "end_date": days[-1]}
        assert answer["summary"]["known_providers"] == sorted(
            {run["parameters"]["provider"] for run in expected_runs(org, None, None)}
        )


async def test_a_run_s_message_is_never_shown(ask: Call) -> None:
    messages = {run["error_message"] for run in expected_runs("acme_inc", None, "failed")}
    answer = json.dumps(await ask("acme_inc", "pipeline_runs", status="failed", limit=50))
    assert messages
    assert not any(message in answer for message in messages)


async def test_limits_at_their_bounds_are_taken(ask: Call) -> None:
    for name, arguments, rows in (
        ("top_consumers", {"dimension": "service", "limit": 1}, 1),
        ("top_consumers", {"dimension": "service", "limit": 20}, 20),
        ("pipeline_runs", {"limit": 1}, 1),
        ("pipeline_runs", {"limit": 50}, 50),
    ):
        answer = await ask("acme_inc", name, **arguments)
        assert len(answer["rows"]) == rows
        assert answer["truncated"] is True


async def test_without_dates_the_last_thirty_days_count_and_days_to_come_are_refused(ask: Call) -> None:
    for name, arguments in (("genai_usage", {}), ("top_consumers", {"dimension": "model"})):
        answer = await ask("acme_inc", name, **arguments)
        assert answer["summary"]["period"] == {"start_date": "2026-03-02", "end_date": "2026-03-31"}
        for day in (DEMO_TODAY + timedelta(days=1), DEMO_TODAY - timedelta(days=2000)):
            refused = await ask("acme_inc", name, **arguments, start_date=day)
            assert refused["error"]["code"] == "invalid_range"
