"""What every tool reads, answered twice over the same few rows: by the BigQuery emulator and by Google's evaluator."""

import asyncio
import importlib
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, date, datetime, time
from math import inf
from typing import Any

import pytest
from google.cloud import bigquery

from common import limits
from common.focus.providers import provider_names
from common.settings import Settings
from common.skills.alerts import changes_sql
from common.skills.alerts import sql as alert_sql
from common.skills.explorer import sql as explorer_sql
from common.skills.usage import sql as usage_sql
from common.warehouse import schema
from common.warehouse.client import Warehouse
from common.warehouse.guard import decide
from common.warehouse.query import GuardedQuery, Parameter, admitted, fixed
from common.warehouse.result import TableColumn, TableInfo
from local.data import warehouse
from local.emulators.bigquery import BigQueryEmulator
from tests import googlesql
from tests.skills import cost_texts, examples, finops_texts, operations_made
from tests.skills.evaluated_rows import MINE, NOW, PROJECT, TENANT, costs, tables
from tests.skills.evaluator import Answer, Evaluator

TEXTS = {
    name: (text, types)
    for every in (usage_sql.every_query, alert_sql.every_query, changes_sql.every_query)
    for name, text, types in every()
}
# What the cost tools send, with values to bind: every dimension once, and a few of each other kind.
COST_TEXTS = {made.name: made for made in (*cost_texts.with_values(), *finops_texts.with_values())}
# They change rows, which the evaluator answers in a form of its own.
WRITES = {"create rule", "update rule", "delete rule", "acknowledge rule", "acknowledge alert"}
READS = sorted(TEXTS.keys() - WRITES)

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
    "rule": "rule-2",
    "category": "made",
    "rule_type": "made",
    "conditions": '{"threshold": 5}',
    "created_by": "u1",
    "entity_id": "entity",
    "alert_history_id": "alert-10",
}


def _parameters(types: Mapping[str, str], asked: str) -> dict[str, Parameter]:
    start, before, end, most = _ASKED[asked]
    first, last = start.isoformat(), end.isoformat()
    days = {"start": first, "end_exclusive": last, "current_start": first, "current_end_exclusive": last}
    days |= {"data_start": before.isoformat(), "data_end": last, "end": last}
    days |= {"previous_start": before.isoformat(), "previous_end_exclusive": first}
    known: dict[str, Parameter] = {
        **{name: Parameter("TIMESTAMP", datetime.fromisoformat(day).replace(tzinfo=UTC)) for name, day in days.items()},
        "start_day": Parameter("DATE", start),
        "end_day_exclusive": Parameter("DATE", end),
        "recent_day": Parameter("DATE", before),
        "since": Parameter("TIMESTAMP", datetime.combine(before, time(), UTC)),
        **dict.fromkeys(("limit", "max_rows"), Parameter("INT64", most)),
        "message_chars": Parameter("INT64", 7),
        "user_id": Parameter("STRING", None),
        "skipped": Parameter("INT64", 1),
        "most": Parameter("INT64", most),
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


@pytest.fixture(scope="module")
def evaluator() -> Iterator[Evaluator]:
    opened = Evaluator(tables())
    yield opened
    opened.close()


@pytest.fixture(scope="module")
async def emulated() -> AsyncIterator[Warehouse]:
    """The product's own client of an emulator that holds the same rows."""
    with BigQueryEmulator(PROJECT) as emulator:
        client = operations_made.client_of(emulator.url, PROJECT)
        _load(client)
        client.close()
        opened = Warehouse(Settings(bigquery_emulator_host=emulator.url, gcp_project_id=PROJECT))
        yield opened
        opened.close()
        await asyncio.sleep(0)  # Its connections close while there is an event loop.


def _load(client: bigquery.Client) -> None:
    warehouse.create(client, [MINE])
    for name, made in tables().items():
        dataset, table = name.split(".")
        declared = schema.load(_KINDS.get(dataset, "tenant"), table)
        warehouse.wait_for(warehouse.replace_rows(client, f"{PROJECT}.{name}", declared, map(dict, made.rows)))


_KINDS: Mapping[str, schema.Dataset] = {"organizations": "organizations", "catalog": "catalog"}


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


@pytest.mark.parametrize("skill", examples.SKILLS)
def test_every_tool_of_a_skill_has_a_text_here(skill: str) -> None:
    tools = {tool.name for tool in importlib.import_module(f"common.skills.{skill}.tools").TOOLS}
    # The explorer's texts are the model's own: WRITTEN and DENIED have them. Firestore has documents and conversations.
    others = {"list_org_tables", "describe_table", "run_read_query", "search_knowledge", "escalate"}
    assert tools == tools & (examples.SENDS.keys() | others)


def test_every_example_is_a_text_here() -> None:
    assert set(examples.SENDS.values()) <= {*READS, *COST_TEXTS}


def test_what_is_left_out_is_what_writes() -> None:
    given = {name: dict.fromkeys(types, Parameter("STRING", None)) for name, (_, types) in TEXTS.items()}
    assert {name for name, (text, _) in TEXTS.items() if fixed(TENANT, text, given[name]).writes} == WRITES


def test_the_evaluator_holds_the_rows(evaluator: Evaluator) -> None:
    found = evaluator.run(_of_model("SELECT COUNT(*) AS n, SUM(BilledCost) AS cost FROM cost_data_standard_1_3"))
    billed = [row["BilledCost"] for row in costs()]
    assert found.rows == ({"n": len(billed), "cost": sum(billed)},)


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
