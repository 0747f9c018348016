"""What every tool reads, answered twice over the same few rows: by the BigQuery emulator and by Google's evaluator."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from math import inf
from typing import Any

import pytest
from google.cloud import bigquery

from common import limits
from common.app import Services
from common.focus.providers import provider_names
from common.settings import Settings
from common.skills.alerts import sql as alert_sql
from common.skills.explorer import sql as explorer_sql
from common.skills.usage import sql as usage_sql
from common.tenant import OrgSlug, Tenant
from common.warehouse import schema
from common.warehouse.client import Warehouse
from common.warehouse.guard import decide
from common.warehouse.query import GuardedQuery, Parameter, admitted, fixed
from common.warehouse.result import TableColumn, TableInfo
from local.data import drivers, warehouse
from local.emulators.bigquery import BigQueryEmulator
from tests import googlesql
from tests.skills import cost_texts, costs_made, finops_texts, operations_made
from tests.skills.evaluator import Answer, Evaluator, Made

PROJECT, MINE, THEIRS = "local-dev-project", "acme_inc", "globex_inc"
TENANT = Tenant(OrgSlug(MINE), PROJECT, "organizations")
NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)

TEXTS = {
    name: (text, types) for every in (usage_sql.every_query, alert_sql.every_query) for name, text, types in every()
}
# What the cost tools send, with values to bind: every dimension once, and a few of each other kind.
COST_TEXTS = {made.name: made for made in (*cost_texts.with_values(), *finops_texts.with_values())}
# They change rows, which the evaluator answers in a form of its own.
WRITES = {"create rule", "acknowledge rule", "acknowledge alert"}
READS = sorted(TEXTS.keys() - WRITES)

# A tool's own name, and a text that it sends; list_org_tables sends none.
SENT_BY = {
    "query_costs": "costs by provider",
    "compare_periods": "changes by service",
    "top_cost_drivers": "drivers by service",
    "cost_breakdown": "breakdown by team",
    "cost_forecast": "history of services",
    "find_anomalies": "causes",
    "commitment_summary": "commitments",
    "unit_costs": "orders",
    "allocate_shared_costs": "allocation",
    "list_budgets": "budgets",
    "budget_summary": "budget variance",
    "budget_variance": "budget variance",
    "budget_allocation_tree": "budget tree",
    "subscriptions": "subscriptions",
    "list_values": "values of service",
    "data_status": "status",
    "list_alerts": "rules",
    "create_alert": "entity",
    "alert_history": "history, all",
    "acknowledge_alert": "alert",
    "genai_usage": "usage by model, all",
    "quota_status": "quota",
    "top_consumers": "consumers by service",
    "pipeline_runs": "runs, all",
}

# What a model may write for run_read_query.
WRITTEN = {
    "groups": """SELECT ServiceName, COUNT(*) AS n, SUM(BilledCost) AS cost, AVG(EffectiveCost) AS mean,
        COUNT(DISTINCT RegionName) AS regions FROM cost_data_standard_1_3 GROUP BY 1 HAVING n > 1 ORDER BY n, 1""",
    "days": """SELECT x_run_id, EXTRACT(DAYOFWEEK FROM ChargePeriodStart) AS weekday,
        EXTRACT(ISOWEEK FROM ChargePeriodStart) AS week, LAST_DAY(DATE(ChargePeriodStart)) AS last,
        DATE_ADD(DATE(ChargePeriodStart), INTERVAL -1 MONTH) AS before,
        DATE_DIFF(DATE '2026-03-31', DATE(ChargePeriodStart), MONTH) AS months,
        TIMESTAMP_TRUNC(ChargePeriodStart, HOUR) AS hour, FORMAT_TIMESTAMP('%G-W%V %a', ChargePeriodStart) AS told
        FROM cost_data_standard_1_3 ORDER BY x_run_id""",
    "running sums": """SELECT x_run_id, BillingCurrency, BilledCost,
        SUM(BilledCost) OVER (PARTITION BY BillingCurrency ORDER BY x_run_id ROWS 2 PRECEDING) AS three,
        LAG(BilledCost) OVER (PARTITION BY BillingCurrency ORDER BY x_run_id) AS last,
        RANK() OVER (ORDER BY BilledCost DESC) AS place FROM cost_data_standard_1_3 ORDER BY x_run_id""",
    "ratios": """SELECT x_run_id, SAFE_DIVIDE(EffectiveCost, BilledCost) AS ratio, ROUND(BilledCost, 2) AS rounded,
        CAST(BilledCost AS FLOAT64) * 1.1 AS more, MOD(CAST(ROUND(BilledCost) AS INT64), 7) AS seventh,
        DIV(CAST(ROUND(BilledCost) AS INT64), 7) AS whole FROM cost_data_standard_1_3 ORDER BY x_run_id""",
    "the newest of each": """SELECT model, usage_date, total_tokens FROM genai_usage_daily_unified
        WHERE TRUE QUALIFY ROW_NUMBER() OVER (PARTITION BY model ORDER BY usage_date DESC, x_ingestion_id) = 1
        ORDER BY model""",
    "an outer join of days": """WITH c AS (SELECT DATE(ChargePeriodStart) AS day, SUM(BilledCost) AS cost
        FROM cost_data_standard_1_3 GROUP BY 1), u AS (SELECT usage_date AS day, SUM(total_tokens) AS tokens
        FROM genai_usage_daily_unified GROUP BY 1)
        SELECT c.day, c.cost, u.tokens FROM c FULL JOIN u ON u.day = c.day ORDER BY c.day, u.tokens""",
    "words": """SELECT x_run_id, UPPER(ServiceName) AS shouted, INITCAP(ServiceName) AS titled,
        REGEXP_EXTRACT(ServiceName, r'^(\\w+) ') AS word, LENGTH(ServiceProviderName) AS chars,
        CONCAT(ServiceName, ' / ', COALESCE(RegionId, RegionName, '-')) AS place
        FROM cost_data_standard_1_3 ORDER BY ServiceName, x_run_id""",
    "alerts of the platform": """SELECT status, severity, COUNT(*) AS n, MAX(created_at) AS last
        FROM organizations.org_alert_history GROUP BY status, severity ORDER BY n DESC, status, severity""",
}

# Samples of describe_table: of the whole table, and of the last days of a large one.
SAMPLES = {"values of a small table": 0, "values of a large table": limits.SAMPLE_BYTES + 1}
# Texts that the evaluator cannot execute, each with the words it refuses them with.
REFUSED = dict.fromkeys(SAMPLES, "Unsupported built-in function: approx_top_count")

# What the emulator answers otherwise than the evaluator: a query, the emulator's row and the evaluator's.
DIFFERENT: Mapping[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    # DuckDB's UPPER makes one character of one.
    "a sharp s in capitals": (
        """SELECT DISTINCT UPPER(ServiceProviderName) AS shouted
        FROM cost_data_standard_1_3 WHERE STARTS_WITH(ServiceProviderName, 'Stra')""",
        {"shouted": "STRAẞE & SÖHNE"},
        {"shouted": "STRASSE & SÖHNE"},
    ),
    # The part of a second that is left over is rounded, not cut.
    "the last microsecond of a day": (
        """SELECT DISTINCT UNIX_SECONDS(ChargePeriodStart) AS s, UNIX_MILLIS(ChargePeriodStart) AS ms
        FROM cost_data_standard_1_3 WHERE ChargePeriodStart < TIMESTAMP '2023-03-01'""",
        {"s": 1677628800, "ms": 1677628800000},
        {"s": 1677628799, "ms": 1677628799999},
    ),
    # DuckDB gives infinity where GoogleSQL fails, and so SAFE finds no failure.
    "a logarithm that fails": (
        "SELECT DISTINCT SAFE.LN(CAST(BilledCost - BilledCost AS FLOAT64)) AS ln FROM cost_data_standard_1_3",
        {"ln": -inf},
        {"ln": None},
    ),
    # The names that a PIVOT makes lose their capitals.
    "names made of values": (
        """SELECT * FROM (SELECT ServiceCategory AS category, BilledCost AS cost FROM cost_data_standard_1_3
        WHERE x_run_id = 'run-000') PIVOT(COUNT(cost) FOR category IN ('Compute'))""",
        {"compute": 1},
        {"Compute": 1},
    ),
}

# The range asked for, where the one before it began, and how many rows may come.
_ASKED = {
    "everything": (date(2023, 2, 28), date(2022, 1, 1), date(2026, 4, 1), 1000),
    "few of a leap February": (date(2024, 2, 1), date(2024, 1, 1), date(2024, 3, 1), 3),
    "few of a March": (date(2026, 3, 1), date(2026, 2, 1), date(2026, 4, 1), 4),
}
_WORDS = {
    "service_category": "compute",
    "cost_type": "genai",
    "model": "GPT-5",
    "status": "failed",
    "severity": "warning",
    "entity": "r&d, KÖLN",
    "rule_id": "rule-2",
    "alert_history_id": "alert-03",
}


def _parameters(types: Mapping[str, str], asked: str) -> dict[str, Parameter]:
    start, before, end, most = _ASKED[asked]
    first, last = start.isoformat(), end.isoformat()
    days = {"start": first, "end_exclusive": last, "current_start": first, "current_end_exclusive": last}
    days |= {"data_start": before.isoformat(), "data_end": last}
    days |= {"previous_start": before.isoformat(), "previous_end_exclusive": first}
    known: dict[str, Parameter] = {
        **{name: Parameter("TIMESTAMP", datetime.fromisoformat(day).replace(tzinfo=UTC)) for name, day in days.items()},
        "start_day": Parameter("DATE", start),
        "end_day_exclusive": Parameter("DATE", end),
        "recent_day": Parameter("DATE", before),
        **dict.fromkeys(("limit", "max_rows"), Parameter("INT64", most)),
        "message_chars": Parameter("INT64", 7),
        "f0": Parameter("STRING", ("anthropic", "claude", "r&d, köln")),
        "providers": Parameter("STRING", (*provider_names("AWS"), "openai", "gemini", "straße & söhne")),
        **{name: Parameter("STRING", word) for name, word in _WORDS.items()},
    }
    return {name: known[name] for name in types}


def _of_tool(name: str, asked: str) -> GuardedQuery:
    if name in SAMPLES:
        text, parameters, _ = _sample(SAMPLES[name])
        return fixed(TENANT, text, parameters)
    if name in COST_TEXTS:
        made = COST_TEXTS[name]
        return fixed(TENANT, made.text, {**made.parameters, **_parameters(made.types, asked)})
    text, types = TEXTS[name]
    return fixed(TENANT, text, _parameters(types, asked))


def _sample(size: int) -> explorer_sql.Sample:
    """What describe_table asks of the costs, were their table of this size."""
    table = schema.load("tenant", warehouse.COSTS)
    assert table.time_partitioning is not None
    columns = tuple(TableColumn(field.name, field.type, field.mode, None) for field in table.fields)
    partitioning = table.time_partitioning
    info = TableInfo(table.name, "TABLE", None, columns, partitioning.field, partitioning.type, (), 57, size, None)
    asked = explorer_sql.sample(info, NOW)
    assert asked is not None
    return asked


def _of_model(sql: str) -> GuardedQuery:
    allowed = decide(sql, TENANT, "u1")
    return admitted(TENANT, allowed.sql, allowed.tables)


def _filled(dataset: schema.Dataset, table: str, **columns: Any) -> dict[str, Any]:
    """A row of a table: what is required and not given holds a plain value, everything else is NULL or empty."""
    plain: dict[str, Any] = {"STRING": "made", "INTEGER": 0, "BOOLEAN": True, "TIMESTAMP": NOW, "DATE": NOW.date()}
    fields = schema.load(dataset, table).fields
    return {
        field.name: plain[field.type] for field in fields if field.mode == "REQUIRED" and field.name not in columns
    } | columns


def _costs() -> list[dict[str, Any]]:
    """Every fifth of the awkward rows, so that each kind and each instant is among them, and March's GenAI."""
    rows = [*list(costs_made.edges())[::5], *operations_made.mixed_costs()]
    tags = (None, {"environment": "prod", "team": {"name": "core"}}, {"a b": "it's", "environment": None})
    places = ((None, None), ("/D/T", "Engineering / Platform"), ("/D", "Engineering"))
    return [
        {
            **row,
            "x_run_id": f"run-{number:03}",
            "Tags": tags[number % 3],
            "x_hierarchy_path": places[number % 3][0],
            "x_hierarchy_path_names": places[number % 3][1],
        }
        for number, row in enumerate(rows)
    ]


def _usage() -> list[dict[str, Any]]:
    march = list(operations_made.usage_rows(operations_made.MIXED))
    leap = {"usage_date": date(2024, 2, 29), "model": None}
    made = [*march, {**march[0], **leap}, {**march[2], **leap, "input_tokens": None}]
    return [{**row, "x_ingestion_id": f"usage-{number:02}"} for number, row in enumerate(made)]


def _rules(org: str) -> Iterator[dict[str, Any]]:
    made = {"org_slug": org, "conditions": '{"threshold": 5}', "created_at": datetime(2024, 2, 29, tzinfo=UTC)}
    table = "org_notification_rules"
    yield _filled("organizations", table, **made, rule_id="rule-1", name=f"{org} köln", priority="critical")
    yield _filled(
        "organizations", table, **made, rule_id="rule-2", name=f"{org} low", priority="LOW", provider_filter=["a", "b"]
    )
    seen = {"acknowledged_at": NOW, "acknowledged_by": "u1", "quiet_hours_start": "22:00", "cooldown_minutes": 60}
    made["created_at"] = NOW
    yield _filled("organizations", table, **made, **seen, rule_id="rule-3", name=f"{org} high", priority="high")


def _alerts(org: str) -> Iterator[dict[str, Any]]:
    instants = (datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC), NOW)
    severities = ("critical", "HIGH", "medium", "low")
    for number in range(12):
        yield _filled(
            "organizations",
            "org_alert_history",
            org_slug=org,
            alert_history_id=f"alert-{number:02}",
            alert_id=f"rule-{number % 3 + 1}" if number != 7 else "a rule that went away",
            status=("SENT", "ACKNOWLEDGED")[number % 5 == 0 or number == 6],
            severity=severities[number % 4],
            recipient_count=number,
            trigger_data='{"current": "12.50"}' if number % 2 else None,
            sent_at=NOW if number % 3 else None,
            created_at=instants[number % 3],
        )


def _hierarchy(org: str) -> Iterator[dict[str, Any]]:
    names = ("R&D, Köln", "apple", "Äpfel", "Zürich")
    for number, name in enumerate(names):
        made = {"org_slug": org, "entity_id": f"team-{number}", "path": f"/{name}", "entity_name": name}
        for version in (1, 2):
            label = f"{org}-{number}-{version}"
            yield _filled("organizations", "org_hierarchy", **made, id=label, version=version, level_code=f"v{version}")
    gone = {"org_slug": org, "entity_name": names[0], "version": 9, "path": "/gone"}
    yield _filled("organizations", "org_hierarchy", **gone, id="x", entity_id="ended", end_date=NOW)
    yield _filled("organizations", "org_hierarchy", **gone, id="y", entity_id="asleep", is_active=False)


def _runs(org: str) -> Iterator[dict[str, Any]]:
    first = datetime(2024, 2, 29, 23, 30, tzinfo=UTC)
    for number in range(10):
        yield _filled(
            "organizations",
            "org_meta_pipeline_runs",
            org_slug=org,
            pipeline_logging_id=f"{org}-{number}",
            pipeline_id=("aws-cost-daily", "OpenAI-usage", "subscriptions")[number % 3],
            status=("COMPLETED", "FAILED", "Failed", "RUNNING")[number % 4],
            start_time=first + timedelta(hours=number // 2) if number < 4 else NOW - timedelta(days=number // 2),
            end_time=NOW if number % 2 else None,
            duration_ms=number * 1000 if number % 2 else None,
            run_date=date(2024, 2, 29) if number < 4 else None,
            parameters={"provider": "Gemini", "dates": [1, 2]} if number % 4 == 1 else None,
            error_context={"error_class": "Timeout" if number % 3 else None} if number % 2 else None,
            error_message="Zeitüberschreitung" if number % 2 else None,
        )


def _quotas(org: str) -> Iterator[dict[str, Any]]:
    for number, day in enumerate((date(2024, 2, 29), date(2026, 3, 30), date(2026, 3, 31), date(2026, 3, 31))):
        at = datetime.combine(day, time(number + 1), UTC)
        made = {"org_slug": org, "usage_date": day, "last_updated": at, "pipelines_run_today": number}
        yield _filled("organizations", "org_usage_quotas", **made, usage_id=f"{org}-{number}", concurrent_limit=2)


def _budgets(org: str) -> Iterator[dict[str, Any]]:
    places = (("/ENG", "team", "Total"), (None, "organization", "genai"), ("/ENG/API", "team", "cloud"))
    for number, (path, level, category) in enumerate(places):
        yield _filled(
            "organizations",
            "org_budgets",
            org_slug=org,
            budget_id=f"{org}-budget-{number}",
            hierarchy_path=path,
            hierarchy_level_code=level,
            category=category,
            budget_type="monetary" if number < 2 else "token",
            budget_amount=100.5,
            currency="usd",
            provider="Claude" if number == 1 else None,
            period_start=date(2024, 1, 1),
            period_end=date(2026, 3, 31),
        )


def _allocations(org: str) -> Iterator[dict[str, Any]]:
    made = {"parent_budget_id": f"{org}-budget-0", "child_budget_id": f"{org}-budget-2", "allocated_amount": 10.25}
    yield _filled("organizations", "org_budget_allocations", org_slug=org, allocation_id=f"{org}-1", **made)


def _subscriptions(org: str) -> Iterator[dict[str, Any]]:
    made = {"org_slug": org, "plan_name": "ENTERPRISE", "seat_limit": 25, "subscription_end_date": date(2026, 12, 31)}
    yield _filled("organizations", "org_subscriptions", **made)


def _drivers() -> Iterator[dict[str, Any]]:
    for number, day in enumerate((date(2024, 2, 29), date(2026, 3, 1), date(2026, 3, 10))):
        made = {"driver_date": day, "driver_name": "Orders", "quantity": Decimal(4 + number), "aggregation": "sum"}
        yield _filled("tenant", drivers.TABLE, **made)


def _tables() -> dict[str, Made]:
    """The tables that the tools read, by ``dataset.table``; the shared ones hold two organisations' rows."""
    shared = {
        "org_notification_rules": _rules,
        "org_alert_history": _alerts,
        "org_hierarchy": _hierarchy,
        "org_meta_pipeline_runs": _runs,
        "org_usage_quotas": _quotas,
        "org_budgets": _budgets,
        "org_budget_allocations": _allocations,
        "org_subscriptions": _subscriptions,
    }
    rows = {
        f"{TENANT.dataset}.{warehouse.COSTS}": _costs(),
        f"{TENANT.dataset}.{warehouse.USAGE}": _usage(),
        f"{TENANT.dataset}.{drivers.TABLE}": list(_drivers()),
        **{f"organizations.{name}": [row for org in (THEIRS, MINE) for row in of(org)] for name, of in shared.items()},
    }
    fields = googlesql.product_tables(TENANT.dataset)
    return {name: Made(fields[name], made) for name, made in rows.items()}


@pytest.fixture(scope="module")
def evaluator() -> Iterator[Evaluator]:
    opened = Evaluator(_tables())
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def emulated() -> Iterator[Warehouse]:
    """The product's own client of an emulator that holds the same rows."""
    with BigQueryEmulator(PROJECT) as emulator:
        client = operations_made.client_of(emulator.url, PROJECT)
        _load(client)
        client.close()
        opened = Warehouse(Settings(bigquery_emulator_host=emulator.url, gcp_project_id=PROJECT))
        yield opened
        opened.close()


def _load(client: bigquery.Client) -> None:
    warehouse.create(client, [MINE])
    for name, made in _tables().items():
        dataset, table = name.split(".")
        declared = schema.load("organizations" if dataset == "organizations" else "tenant", table)
        warehouse.wait_for(warehouse.replace_rows(client, f"{PROJECT}.{name}", declared, map(dict, made.rows)))


async def _emulated(opened: Warehouse, query: GuardedQuery) -> Answer:
    found = await opened.look_up(query, labels={})
    legacy = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL", "RECORD": "STRUCT"}
    kinds = [(column.name, legacy.get(column.type, column.type), column.mode) for column in found.columns]
    columns = (googlesql.Column(name, f"ARRAY<{kind}>" if mode == "REPEATED" else kind) for name, kind, mode in kinds)
    return Answer(tuple(columns), found.rows)


def _near(value: Any) -> Any:
    """A value to compare with: floats may differ in their last digits, everything else not at all."""
    match value:
        case float():
            return pytest.approx(value, rel=1e-12, abs=1e-12)
        case list():
            return [_near(each) for each in value]
        case dict():
            return {name: _near(each) for name, each in value.items()}
    return value


async def _same(emulated: Warehouse, evaluator: Evaluator, query: GuardedQuery) -> int:
    """How many rows both gave, once they are the same rows under the same columns in the same order."""
    theirs = evaluator.run(query)
    ours = await _emulated(emulated, query)
    assert ours.columns == theirs.columns
    assert list(ours.rows) == _near(list(theirs.rows))
    return len(ours.rows)


def test_every_tool_that_reads_has_a_text_here() -> None:
    tools = {tool.name for tool in Services(Settings()).registry.tools}
    assert tools == SENT_BY.keys() | {"list_org_tables", "describe_table", "run_read_query"}
    assert set(SENT_BY.values()) <= {*READS, *COST_TEXTS}


def test_what_is_left_out_is_what_writes() -> None:
    given = {name: dict.fromkeys(types, Parameter("STRING", None)) for name, (_, types) in TEXTS.items()}
    assert {name for name, (text, _) in TEXTS.items() if fixed(TENANT, text, given[name]).writes} == WRITES


def test_the_evaluator_holds_the_rows(evaluator: Evaluator) -> None:
    found = evaluator.run(_of_model("SELECT COUNT(*) AS n, SUM(BilledCost) AS cost FROM cost_data_standard_1_3"))
    costs = [row["BilledCost"] for row in _costs()]
    assert found.rows == ({"n": len(costs), "cost": sum(costs)},)


# Whatever is listed as refused must be, and whatever is not must be executed: the list is exact.
@pytest.mark.parametrize("name", [*READS, *COST_TEXTS, *SAMPLES])
async def test_what_a_tool_sends_is_answered_alike(name: str, emulated: Warehouse, evaluator: Evaluator) -> None:
    if name in REFUSED:
        with pytest.raises(googlesql.RefusedError, match=REFUSED[name]):
            evaluator.run(_of_tool(name, "everything"))
        return
    counts = {asked: await _same(emulated, evaluator, _of_tool(name, asked)) for asked in _ASKED}
    assert counts["everything"] > 0


@pytest.mark.parametrize("column", ["ServiceName", "ServiceProviderName", "RegionId", "x_genai_model"])
async def test_values_are_sampled_as_they_group(column: str, emulated: Warehouse, evaluator: Evaluator) -> None:
    columns = _sample(0)[2]
    sampled = (await _emulated(emulated, _of_tool("values of a small table", "everything"))).rows[0]
    grouped = evaluator.run(
        _of_model(f"SELECT {column} AS value, COUNT(*) AS n FROM cost_data_standard_1_3 GROUP BY 1")
    )
    counted = dict(tuple(entry.values()) for entry in sampled[f"c{columns.index(column)}"])
    # BigQuery counts NULLs too, where the emulator leaves them out; describe_table shows them in neither case.
    assert counted == {row["value"]: row["n"] for row in grouped.rows if row["value"] is not None}


@pytest.mark.parametrize("name", WRITTEN)
async def test_what_a_model_writes_is_answered_alike(name: str, emulated: Warehouse, evaluator: Evaluator) -> None:
    assert await _same(emulated, evaluator, _of_model(WRITTEN[name])) > 1


@pytest.mark.parametrize("name", DIFFERENT)
async def test_what_is_known_to_differ_does(name: str, emulated: Warehouse, evaluator: Evaluator) -> None:
    sql, ours, theirs = DIFFERENT[name]
    query = _of_model(sql)
    assert ours != theirs
    assert (await _emulated(emulated, query)).rows == (ours,)
    assert evaluator.run(query).rows == (theirs,)
