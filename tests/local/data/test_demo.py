"""The demo organisations' rows: the same every time, valid FOCUS, and with the story they are meant to tell."""

import hashlib
import subprocess
import sys
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest

from common.tenant import EVERY_PERMISSION
from common.warehouse import schema
from local.data import access, calendar, demo, operations
from local.data.organizations import ACME, DEMO, entities
from local.data.prepare import DailyTotals, organization_rows
from local.data.rows import Row, to_json

TODAY = date(2026, 11, 21)
COSTS = schema.load("tenant", "cost_data_standard_1_3")
USAGE = schema.load("tenant", "genai_usage_daily_unified")
PYTHON_TYPES = {
    "STRING": str,
    "NUMERIC": Decimal,
    "TIMESTAMP": datetime,
    "DATE": date,
    "JSON": dict,
    "FLOAT": float,
    "INTEGER": int,
    "BOOLEAN": bool,
    "BYTES": bytes,
}


@cache
def costs(org: str) -> list[Row]:
    return list(demo.cost_rows(org, TODAY))


@cache
def usage(org: str) -> list[Row]:
    return list(demo.usage_rows(org, TODAY))


@cache
def shared_rows(org: str) -> dict[str, list[Row]]:
    totals = DailyTotals(DEMO[org].currency)
    assert sum(1 for _ in totals.watch(costs(org))) == len(costs(org))
    return organization_rows(DEMO[org], TODAY, totals.by_day, lambda plaintext, _associated: plaintext[::-1])


def daily(org: str, column: str, selected: str = "") -> dict[date, Decimal]:
    sums: defaultdict[date, Decimal] = defaultdict(Decimal)
    for row in costs(org):
        if not selected or row[selected]:
            sums[row["ChargePeriodStart"].date()] += row[column]
    return dict(sums)


def assert_fits(rows: list[Row], table: schema.TableSchema) -> None:
    names = {field.name for field in table.fields}
    for row in rows:
        assert set(row) <= names
        for field in table.fields:
            value = row.get(field.name)
            if value is None:
                assert field.mode != "REQUIRED", field.name
            elif field.mode == "REPEATED":
                assert all(isinstance(item, str) for item in value)
            else:
                assert isinstance(value, PYTHON_TYPES[field.type]), field.name


@pytest.mark.parametrize("org", demo.ORGS)
def test_the_same_day_gives_the_same_rows(org: str) -> None:
    assert list(demo.cost_rows(org, TODAY)) == costs(org)
    assert list(demo.usage_rows(org, TODAY)) == usage(org)


def test_rows_written_as_json_are_the_same_in_every_process() -> None:
    script = (
        "import hashlib; from datetime import date; from itertools import islice; "
        "from local.data import demo; from local.data.rows import to_json; "
        f"rows = islice(demo.cost_rows('globex_inc', date.fromisoformat('{TODAY}')), 500); "
        "print(hashlib.sha256(''.join(map(to_json, rows)).encode()).hexdigest())"
    )
    seeds = ("1", "2")
    texts = {
        subprocess.run(  # the hash seed is what differs between processes
            [sys.executable, "-c", script],
            check=True,
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[3],
        ).stdout
        for seed in seeds
    }
    assert len(texts) == 1


@pytest.mark.parametrize("org", demo.ORGS)
def test_rows_fit_the_schema(org: str) -> None:
    assert_fits(costs(org), COSTS)
    assert_fits(usage(org), USAGE)
    for table, rows in shared_rows(org).items():
        assert_fits(rows, schema.load("organizations", table))


@pytest.mark.parametrize("org", demo.ORGS)
def test_every_day_of_fourteen_months_has_costs_and_there_are_enough_rows(org: str) -> None:
    assert sorted(daily(org, "BilledCost")) == calendar.days(date(2025, 9, 1), TODAY)
    assert 20_000 <= len(costs(org)) <= 40_000


@pytest.mark.parametrize(
    ("today", "first"),
    [
        (date(2026, 11, 21), date(2025, 9, 1)),
        (date(2026, 2, 28), date(2024, 12, 1)),
        (date(2026, 1, 1), date(2024, 11, 1)),
        (date(2028, 2, 29), date(2026, 12, 1)),
        (date(2026, 12, 31), date(2025, 10, 1)),
    ],
)
def test_the_window_begins_on_the_first_of_a_month_fourteen_months_before(today: date, first: date) -> None:
    assert calendar.first_day(today) == first


@pytest.mark.parametrize("today", [date(2028, 2, 29), date(2026, 1, 1), date(2026, 12, 31)])
def test_rows_can_be_made_for_leap_days_and_year_ends(today: date) -> None:
    last = [row for row in demo.cost_rows("acme_inc", today) if row["ChargePeriodStart"].date() == today]
    assert last
    assert all(
        row["x_ingested_at"] <= datetime.combine(today + timedelta(days=1), datetime.min.time(), UTC) for row in last
    )


@pytest.mark.parametrize("org", demo.ORGS)
def test_every_charge_lies_in_its_billing_period(org: str) -> None:
    for row in costs(org):
        assert row["BillingPeriodStart"] <= row["ChargePeriodStart"] < row["ChargePeriodEnd"] <= row["BillingPeriodEnd"]
        assert row["BillingPeriodStart"].tzinfo is UTC
        assert row["BillingPeriodStart"].day == row["BillingPeriodEnd"].day == 1


@pytest.mark.parametrize("org", demo.ORGS)
def test_charge_categories_have_the_signs_focus_gives_them(org: str) -> None:
    seen = set()
    for row in costs(org):
        category, billed = row["ChargeCategory"], row["BilledCost"]
        seen.add(category)
        if category in ("Credit", "Adjustment"):
            assert billed < 0
        else:
            assert billed >= 0
        assert (row["ConsumedQuantity"] is None) or category == "Usage"
        assert (row["ChargeClass"] == "Correction") == (category == "Adjustment")
    assert seen == {"Usage", "Purchase", "Tax", "Credit", "Adjustment"}


@pytest.mark.parametrize("org", demo.ORGS)
def test_billed_and_effective_cost_differ_in_sum_and_each_is_the_smaller_somewhere(org: str) -> None:
    committed = [row for row in costs(org) if row["CommitmentDiscountId"]]
    assert any(row["EffectiveCost"] < row["BilledCost"] for row in committed)
    assert any(row["EffectiveCost"] > row["BilledCost"] for row in committed)
    assert sum(daily(org, "BilledCost").values()) != sum(daily(org, "EffectiveCost").values())
    for day, billed in daily(org, "BilledCost").items():
        assert billed != daily_effective(org)[day]


@cache
def daily_effective(org: str) -> dict[date, Decimal]:
    return daily(org, "EffectiveCost")


@pytest.mark.parametrize("org", demo.ORGS)
def test_money_is_decimal_with_at_most_nine_decimals(org: str) -> None:
    for row in costs(org):
        for column in (
            "BilledCost",
            "EffectiveCost",
            "ListCost",
            "ContractedCost",
            "ConsumedQuantity",
            "PricingQuantity",
        ):
            if row[column] is not None:
                assert int(row[column].as_tuple().exponent) >= -9


def test_acme_is_billed_in_one_currency_and_globex_in_two() -> None:
    assert {row["BillingCurrency"] for row in costs("acme_inc")} == {"USD"}
    assert {row["BillingCurrency"] for row in costs("globex_inc")} == {"EUR", "USD"}
    dollars = {row["ServiceName"] for row in costs("globex_inc") if row["BillingCurrency"] == "USD"}
    assert dollars == {"GitHub Team"}


@pytest.mark.parametrize("org", demo.ORGS)
def test_cloud_genai_and_saas_are_told_apart_by_their_columns(org: str) -> None:
    for row in costs(org):
        is_cloud, is_genai = row["x_cloud_provider"] is not None, row["x_genai_provider"] is not None
        assert not (is_cloud and is_genai)
        assert is_genai == (row["x_genai_model"] is not None) == (row["x_genai_cost_type"] is not None)
        if not is_cloud and not is_genai:
            assert row["x_service_model"] == "SaaS"
        assert is_cloud == (row["ServiceProviderName"] in ("AWS", "Google Cloud", "Microsoft Azure"))
        assert is_genai == (row["ServiceProviderName"] in ("OpenAI", "Anthropic", "Google Gemini"))


@pytest.mark.parametrize("org", demo.ORGS)
def test_tokens_in_the_usage_table_are_those_in_the_costs(org: str) -> None:
    billed: defaultdict[tuple[date, str, str, str | None], int] = defaultdict(int)
    for row in costs(org):
        if row["ConsumedUnit"] == "Tokens":
            key = (
                row["ChargePeriodStart"].date(),
                row["x_genai_provider"],
                row["x_genai_model"],
                row["x_hierarchy_entity_id"],
            )
            billed[key] += int(row["ConsumedQuantity"])
    used = {
        (row["usage_date"], row["provider"], row["model"], row["x_hierarchy_entity_id"]): row["total_tokens"]
        for row in usage(org)
        if row["cost_type"] == "payg"
    }
    assert used == billed
    for row in usage(org):
        if row["cost_type"] == "payg":
            assert row["total_tokens"] == row["input_tokens"] + row["output_tokens"] + row["cached_tokens"]


@pytest.mark.parametrize(
    ("org", "kind", "quiet"),
    [
        ("acme_inc", "x_genai_provider", "x_cloud_provider"),
        ("globex_inc", "x_cloud_provider", "x_genai_provider"),
    ],
)
def test_each_org_has_one_clear_anomaly_about_three_weeks_ago(org: str, kind: str, quiet: str) -> None:
    days = calendar.anomaly_days(TODAY)
    assert all(16 <= (TODAY - day).days <= 27 for day in days)
    by_day, other = daily(org, "EffectiveCost", kind), daily(org, "EffectiveCost", quiet)
    around = [day for day in by_day if 0 < (days[0] - day).days <= 28 and day.weekday() < 5]
    usual = sum((by_day[day] for day in around), Decimal(0)) / len(around)
    assert all(by_day[day] > usual * Decimal("1.8") for day in days)
    assert max(by_day, key=lambda day: by_day[day]) in days
    assert max(other[day] for day in days) < Decimal("1.3") * max(other[day] for day in around)


@pytest.mark.parametrize("org", demo.ORGS)
def test_weekends_are_cheaper_and_months_grow(org: str) -> None:
    effective = daily_effective(org)
    september = [effective[day] for day in calendar.days(date(2026, 9, 1), date(2026, 9, 30)) if day.weekday() < 5]
    weekend = [effective[day] for day in calendar.days(date(2026, 9, 1), date(2026, 9, 30)) if day.weekday() > 4]
    year_before = [effective[day] for day in calendar.days(date(2025, 9, 1), date(2025, 9, 30)) if day.weekday() < 5]
    assert sum(weekend) / len(weekend) < Decimal("0.9") * sum(september) / len(september)
    assert sum(september) / len(september) > Decimal("1.03") * sum(year_before) / len(year_before)


@pytest.mark.parametrize("org", demo.ORGS)
def test_costs_belong_to_teams_of_the_hierarchy_and_some_to_none(org: str) -> None:
    seen = {
        (row["x_hierarchy_entity_id"], row["x_hierarchy_entity_name"], row["x_hierarchy_path"]) for row in costs(org)
    }
    teams = {(e.entity_id, e.name, e.path) for e in entities(org).values() if e.level_code == "team"}
    assert seen == teams | {(None, None, None)}
    assert [row["entity_id"] for row in shared_rows(org)["org_hierarchy"]] == list(entities(org))


def test_no_row_of_one_org_names_the_other() -> None:
    for org, other in (("acme_inc", "globex"), ("globex_inc", "acme")):
        rows = [*costs(org), *usage(org), *(row for table in shared_rows(org).values() for row in table)]
        texts = {value for row in rows for value in row.values() if type(value) is str}
        texts |= {str(value) for row in rows for value in (row.get("Tags"), row.get("recipients"), row.get("metadata"))}
        assert any(org.removesuffix("_inc") in text.lower() for text in texts)
        assert not any(other in text.lower() for text in texts)


@pytest.mark.parametrize("org", demo.ORGS)
def test_recent_costs_name_pipeline_runs_that_succeeded(org: str) -> None:
    runs = {row["pipeline_logging_id"]: row for row in shared_rows(org)["org_meta_pipeline_runs"]}
    recent = TODAY - timedelta(days=operations.RUN_DAYS - 1)
    named = {row["x_run_id"] for row in costs(org) if row["x_ingestion_date"] >= recent}
    assert {runs[run_id]["status"] for run_id in named} == {"COMPLETED"}
    failed = [row for row in runs.values() if row["status"] == "FAILED"]
    assert 190 <= len(runs) <= 225
    assert failed
    assert all(row["error_context"]["error_class"] and row["error_message"] for row in failed)


@pytest.mark.parametrize("org", demo.ORGS)
def test_quotas_count_the_runs_that_are_listed(org: str) -> None:
    rows = shared_rows(org)
    assert [row["usage_date"] for row in rows["org_usage_quotas"]] == calendar.days(TODAY - timedelta(days=89), TODAY)
    month_total = 0
    for quota in rows["org_usage_quotas"]:
        month_total = quota["pipelines_run_today"] + (0 if quota["usage_date"].day == 1 else month_total)
        if quota["usage_date"] >= date(2026, 9, 1):
            assert quota["pipelines_run_month"] == month_total
        runs = [row for row in rows["org_meta_pipeline_runs"] if row["start_time"].date() == quota["usage_date"]]
        if runs:
            failed = sum(1 for row in runs if row["status"] == "FAILED")
            assert (quota["pipelines_run_today"], quota["pipelines_failed_today"]) == (len(runs), failed)


def test_the_anomaly_raised_an_alert_with_the_figures_of_the_costs() -> None:
    alerts = {row["alert_history_id"]: row for row in shared_rows("acme_inc")["org_alert_history"]}
    day = calendar.anomaly_days(TODAY)[0]
    alert = alerts[f"demo-acme_inc-genai-anomaly-{day:%Y%m%d}"]
    billed = sum(
        (
            row["BilledCost"]
            for row in costs("acme_inc")
            if row["x_genai_provider"] and row["ChargePeriodStart"].date() == day
        ),
        Decimal(0),
    )
    assert f'"billed_cost": {float(round(billed, 2))}' in alert["trigger_data"]
    assert alert["severity"] == "critical"


@pytest.mark.parametrize("org", demo.ORGS)
def test_there_are_rules_alerts_budgets_and_allocations(org: str) -> None:
    rows = shared_rows(org)
    assert len(rows["org_notification_rules"]) == 6
    assert 20 <= len(rows["org_alert_history"]) <= 40
    assert {row["alert_id"] for row in rows["org_alert_history"]} <= {
        row["rule_id"] for row in rows["org_notification_rules"]
    }
    budgets = {row["budget_id"]: row for row in rows["org_budgets"]}
    for allocation in rows["org_budget_allocations"]:
        assert budgets[allocation["child_budget_id"]]["budget_amount"] == allocation["allocated_amount"]
    for parent in {row["parent_budget_id"] for row in rows["org_budget_allocations"]}:
        shares = [row for row in rows["org_budget_allocations"] if row["parent_budget_id"] == parent]
        assert sum(row["allocated_amount"] for row in shares) <= budgets[parent]["budget_amount"]


def test_keys_are_known_by_their_hash_alone_and_two_of_acme_do_not_open() -> None:
    keys = {row["org_api_key_hash"]: row for org in demo.ORGS for row in shared_rows(org)["org_api_keys"]}

    def key(text: str) -> Row:
        return keys[hashlib.sha256(text.encode()).hexdigest()]

    assert key("demo-acme-key")["org_slug"] == "acme_inc"
    assert key("demo-globex-key")["org_slug"] == "globex_inc"
    assert key("demo-acme-key")["is_active"]
    assert key("demo-acme-key").get("expires_at") is None
    assert key("demo-acme-expired-key")["expires_at"] < calendar.midnight(TODAY)
    assert key("demo-acme-inactive-key")["is_active"] is False
    assert set(key("demo-acme-key")["scopes"]) == EVERY_PERMISSION


def test_the_provider_key_is_bound_to_its_org_and_credential_and_stored_only_encrypted() -> None:
    seen: list[tuple[bytes, bytes]] = []

    def encrypt(plaintext: bytes, associated: bytes) -> bytes:
        seen.append((plaintext, associated))
        return b"sealed"

    (row,) = access.credentials(ACME, encrypt)
    ((plaintext, associated),) = seen
    assert plaintext.startswith(b"sk-demo-acme-")
    assert associated == f"acme_inc:{row['credential_id']}".encode()
    assert row["encrypted_credential"] == b"sealed"
    assert plaintext.decode() not in to_json(row)
    (settings,) = access.chat_settings(ACME)
    assert (settings["provider"], settings["model_id"]) == ("demo", "analyst-1")
    assert settings["credential_id"] == row["credential_id"]
