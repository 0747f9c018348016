"""The explorer's tools over two organisations: what they list, describe and read, and what they never do."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from google.cloud import bigquery

from common import limits
from common.skills.explorer import sql as explorer_sql
from common.skills.explorer.tools import TOOLS as EXPLORER_TOOLS
from common.tenant import OrgSlug, Principal, Tenant, UserId
from common.tools.context import ToolContext
from common.tools.registry import BoundTools
from common.warehouse import schema
from common.warehouse.query import fixed
from common.warehouse.readable_tables import holds_secret, shared_tables
from common.warehouse.result import TableColumn, TableInfo
from tests import googlesql
from tests.skills.conftest import DEMO_TODAY, PROJECT, CountingWarehouse, rows_of

COSTS = "cost_data_standard_1_3"
LISTED = shared_tables().keys() - {"org_integration_credentials", "org_chat_conversations"}
NOW = datetime.combine(DEMO_TODAY, time(12), UTC)
Explore = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def explore(operated: bigquery.Client, counting: CountingWarehouse) -> Explore:
    """Call a tool as an organisation's model does: ``await explore(org, name, **arguments)`` -> envelope."""

    async def exploring(org: str, tool_name: str, **arguments: object) -> dict[str, Any]:
        principal = Principal(Tenant(OrgSlug(org), PROJECT, "organizations"), UserId("u1"), "key-1")
        tools = BoundTools(
            EXPLORER_TOOLS, principal, ToolContext({"org": org}, NOW, "answer-1"), {"warehouse": counting}
        )
        return await tools.call(tool_name, json.dumps(arguments), agent_name="Explorer")

    return exploring


async def test_the_own_tables_are_listed_with_their_size_and_the_shared_ones_without(
    explore: Explore, operated: bigquery.Client
) -> None:
    listed = await explore("acme_inc", "list_org_tables")
    rows = {row["table"]: row for row in listed["rows"]}
    assert set(rows) == {*schema.tables("tenant"), *(f"organizations.{name}" for name in LISTED)}
    costs = rows[COSTS]
    assert costs["row_count"] == len(rows_of("acme_inc"))
    assert costs["bytes"] == operated.get_table(f"acme_inc_prod.{COSTS}").num_bytes > 0
    assert {row["dataset"] for row in rows.values()} == {"acme_inc_prod", "organizations"}
    shared = [row for row in rows.values() if row["dataset"] == "organizations"]
    assert {(row["row_count"], row["bytes"]) for row in shared} == {(None, None)}
    assert "globex" not in json.dumps(listed)


async def test_an_organisation_without_a_dataset_sees_the_shared_tables(explore: Explore) -> None:
    listed = await explore("nobody_inc", "list_org_tables")
    assert listed["summary"]["own_tables"] == 0
    assert listed["row_count"] == len(LISTED)


@pytest.mark.parametrize(
    "name", [COSTS, f"acme_inc_prod.{COSTS}", f"{PROJECT}.acme_inc_prod.{COSTS}", f"`{PROJECT}.acme_inc_prod.{COSTS}`"]
)
async def test_a_table_is_described_by_any_of_its_names(explore: Explore, name: str) -> None:
    described = await explore("acme_inc", "describe_table", table=name)
    declared = schema.load("tenant", COSTS)
    shown = [(row["column"], row["type"], row["mode"], row["description"]) for row in described["rows"]]
    assert sorted(shown) == sorted((field.name, field.type, field.mode, field.description) for field in declared.fields)
    summary = described["summary"]
    assert (summary["partitioned_by"], summary["partitioning"]) == ("ChargePeriodStart", "DAY")
    assert summary["clustered_by"] == list(declared.clustering)


async def test_columns_of_few_values_show_all_of_them_and_the_others_none(explore: Explore) -> None:
    described = await explore("acme_inc", "describe_table", table=COSTS)
    shown = {row["column"]: row["values"] for row in described["rows"] if row["column"] != "Tags"}
    strings = [
        field.name
        for field in schema.load("tenant", COSTS).fields
        if field.type == "STRING" and not holds_secret(field.name)
    ]
    distinct = {name: {row[name] for row in rows_of("acme_inc") if row.get(name) is not None} for name in strings}
    few = {name for name, values in distinct.items() if 0 < len(values) <= limits.SAMPLE_VALUES}
    assert {name for name, values in shown.items() if values} == few
    assert {"ServiceCategory", "BillingCurrency"} <= few < set(strings)
    for name in few:
        short = {value[: limits.SAMPLE_VALUE_CHARS] for value in distinct[name]}
        assert {value.rstrip("…")[: limits.SAMPLE_VALUE_CHARS] for value in shown[name]} >= {
            value for value in short if len(value) < limits.SAMPLE_VALUE_CHARS
        }


async def test_the_main_columns_come_first_then_those_with_values(explore: Explore) -> None:
    rows = (await explore("acme_inc", "describe_table", table=COSTS))["rows"]
    assert [row["column"] for row in rows[:4]] == [
        "ChargePeriodStart", "BillingPeriodStart", "BilledCost", "EffectiveCost",
    ]  # fmt: skip
    has_values = [bool(row["values"]) for row in rows[15:]]
    assert has_values == sorted(has_values, reverse=True)


async def test_only_the_columns_that_are_asked_for_are_described(explore: Explore) -> None:
    named = await explore("acme_inc", "describe_table", table=COSTS, columns=["tags", "SkuId", "nothing"])
    assert [row["column"] for row in named["rows"]] == ["Tags", "SkuId"]
    found = await explore("acme_inc", "describe_table", table=COSTS, search="Commitment")
    names = [row["column"] for row in found["rows"]]
    assert "CommitmentDiscountId" in names
    assert "ServiceName" not in names
    assert (await explore("acme_inc", "describe_table", table=COSTS, search="unheard of"))["rows"] == []


async def test_tags_show_their_keys_with_values(explore: Explore) -> None:
    described = await explore("acme_inc", "describe_table", table=COSTS, columns=["Tags"])
    shown = dict(entry.split(": ") for entry in described["rows"][0]["values"])
    expected: dict[str, set[str]] = {}
    for row in rows_of("acme_inc"):
        for key, value in (row.get("Tags") or {}).items():
            expected.setdefault(key, set()).add(value)
    assert shown.keys() == expected.keys()
    assert all(set(shown[key].replace(", …", "").split(", ")) <= values for key, values in expected.items())


async def test_a_shared_table_shows_the_values_of_the_own_rows_and_how_to_join_it(explore: Explore) -> None:
    described = await explore("acme_inc", "describe_table", table="org_hierarchy")
    values = {row["column"]: row["values"] for row in described["rows"]}
    assert "team" in values["level_code"]
    assert values["org_slug"] == ["acme_inc"]
    assert described["summary"]["joins"]


async def test_a_sum_over_several_currencies_is_said_to_be_one(explore: Explore, counting: CountingWarehouse) -> None:
    mixed = await explore("globex_inc", "run_read_query", sql=f"SELECT SUM(BilledCost) AS cost FROM {COSTS}")
    assert "EUR, USD" in mixed["summary"]["note"]
    for sql in (
        f"SELECT BillingCurrency, SUM(BilledCost) AS cost FROM {COSTS} GROUP BY 1",
        f"SELECT SUM(BilledCost) AS cost FROM {COSTS} WHERE BillingCurrency = 'EUR'",
        f"SELECT COUNT(*) AS n FROM {COSTS}",
    ):
        counting.ran.clear()
        assert (await explore("globex_inc", "run_read_query", sql=sql))["summary"]["note"] is None
        assert len(counting.ran) == 1
    alone = await explore("acme_inc", "run_read_query", sql=f"SELECT SUM(BilledCost) AS cost FROM {COSTS}")
    assert alone["summary"]["note"] is None


async def test_an_empty_table_is_described_without_values(explore: Explore) -> None:
    described = await explore("empty_inc", "describe_table", table=COSTS)
    assert described["row_count"] == len(schema.load("tenant", COSTS).fields)
    assert described["summary"]["row_count"] == 0
    assert not any(row["values"] for row in described["rows"])


@pytest.mark.parametrize("name", ["org_integration_credentials", "organizations.org_integration_credentials"])
async def test_of_a_shared_table_the_readable_columns_are_described_and_no_values(explore: Explore, name: str) -> None:
    described = await explore("acme_inc", "describe_table", table=name)
    readable = shared_tables()["org_integration_credentials"].columns
    assert [row["column"] for row in described["rows"]] == list(readable)
    assert {row["values"] for row in described["rows"]} == {None}
    assert (described["summary"]["row_count"], described["summary"]["bytes"]) == (None, None)
    assert "encrypted_credential" not in json.dumps(described)


@pytest.mark.parametrize(
    "name",
    [
        "globex_inc_prod.cost_data_standard_1_3",
        f"{PROJECT}.globex_inc_prod.cost_data_standard_1_3",
        f"other-project.acme_inc_prod.{COSTS}",
        "organizations.org_api_keys",
        "org_chat_messages",
        "acme_inc_prod.INFORMATION_SCHEMA.TABLES",
        "no_such_table",
        f"../globex_inc_prod/tables/{COSTS}",
        f"{COSTS}$20260101",
        "a.b.c.d",
        "%",
    ],
)
async def test_what_is_not_the_organisations_is_as_unknown_as_what_is_not_there(explore: Explore, name: str) -> None:
    answer = await explore("acme_inc", "describe_table", table=name)
    assert answer == {
        "error": {
            "code": "unknown_table",
            "message": f"There is no table {name!r}. list_org_tables names those there are.",
        }
    }


async def test_a_models_query_gives_the_figures_of_its_own_organisation(explore: Explore) -> None:
    sql = f"SELECT BillingCurrency, SUM(BilledCost) AS billed FROM {COSTS} GROUP BY 1"
    for org in ("acme_inc", "globex_inc"):
        answer = await explore(org, "run_read_query", sql=sql)
        sums: dict[str, Decimal] = {}
        for row in rows_of(org):
            sums[row["BillingCurrency"]] = sums.get(row["BillingCurrency"], Decimal()) + row["BilledCost"]
        assert {row["BillingCurrency"]: row["billed"] for row in answer["rows"]} == pytest.approx(
            {currency: float(total) for currency, total in sums.items()}
        )
        assert f"`{PROJECT}.{org}_prod.{COSTS}`" in answer["sql"]
        assert answer["summary"]["tables"] == [COSTS]
        assert answer["bytes_processed"] > 0


async def test_of_a_shared_table_only_the_organisations_rows_come_back_and_no_size(explore: Explore) -> None:
    for org in ("acme_inc", "globex_inc"):
        answer = await explore(org, "run_read_query", sql="SELECT DISTINCT org_slug FROM organizations.org_hierarchy")
        assert answer["rows"] == [{"org_slug": org}]
        assert f"'{org}'" in answer["sql"]
        assert answer["bytes_processed"] == 0


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT * FROM globex_inc_prod.{COSTS}",
        f"SELECT * FROM `{PROJECT}.globex_inc_prod.{COSTS}`",
        f"SELECT * FROM {COSTS} UNION ALL SELECT * FROM globex_inc_prod.{COSTS}",
        "SELECT org_api_key_hash FROM organizations.org_api_keys",
        "SELECT encrypted_credential FROM organizations.org_integration_credentials",
        "SELECT * FROM globex_inc_prod.INFORMATION_SCHEMA.TABLES",
        f"DELETE FROM {COSTS} WHERE TRUE",
        "SELECT 1; SELECT 2",
        "CALL x.y()",
    ],
)
async def test_a_query_that_may_not_run_says_why_and_gives_nothing(
    explore: Explore, counting: CountingWarehouse, sql: str
) -> None:
    before = len(counting.ran)
    answer = await explore("acme_inc", "run_read_query", sql=sql)
    assert set(answer) == {"error"}
    assert answer["error"]["code"].startswith("sql_")
    assert answer["error"]["message"]
    assert len(counting.ran) == before


async def test_a_wrong_column_is_named_so_that_the_model_can_correct_it(explore: Explore) -> None:
    answer = await explore("acme_inc", "run_read_query", sql=f"SELECT BilledCots FROM {COSTS}")
    assert answer["error"]["code"] == "invalid_query"
    assert "billedcots" in answer["error"]["message"].lower()


async def test_a_value_that_breaks_a_query_is_not_told(explore: Explore) -> None:
    answer = await explore("acme_inc", "run_read_query", sql=f"SELECT CAST(ServiceName AS INT64) AS n FROM {COSTS}")
    assert answer["error"]["code"] == "query_failed"
    names = {row["ServiceName"] for row in rows_of("acme_inc")}
    assert not [name for name in names if name in answer["error"]["message"]]


@pytest.mark.parametrize(("limit", "truncated"), [(limits.MAX_RESULT_ROWS - 1, False), (None, True)])
async def test_an_answer_that_is_full_says_that_there_may_be_more(
    explore: Explore, limit: int | None, truncated: bool
) -> None:
    ending = f"LIMIT {limit}" if limit else ""
    answer = await explore("acme_inc", "run_read_query", sql=f"SELECT ServiceName FROM {COSTS} {ending}")
    assert answer["row_count"] == (limit or limits.MAX_RESULT_ROWS)
    assert answer["truncated"] is truncated
    assert bool(answer["summary"]["note"]) is truncated


async def test_nothing_found_is_no_error(explore: Explore) -> None:
    answer = await explore("empty_inc", "run_read_query", sql=f"SELECT ServiceName FROM {COSTS}")
    assert (answer["rows"], answer["truncated"]) == ([], False)
    assert [column["name"] for column in answer["summary"]["columns"]] == ["ServiceName"]


async def test_values_of_every_type_are_json(explore: Explore) -> None:
    sql = """SELECT TIME '10:00:00' AS t, b'ab' AS b, CAST('nan' AS FLOAT64) AS f, CAST('-inf' AS FLOAT64) AS g,
      DATE '2026-03-01' AS d, TIMESTAMP '2026-03-01 00:00:00+00' AS ts, NUMERIC '1.5' AS n, [1, 2] AS a,
      STRUCT(1 AS x, [STRUCT(b'c' AS y)] AS z) AS s, CAST(NULL AS STRING) AS nothing"""
    answer = await explore("acme_inc", "run_read_query", sql=sql)
    assert json.loads(json.dumps(answer["rows"], allow_nan=False)) == [
        {
            "t": "10:00:00",
            "b": "YWI=",
            "f": "nan",
            "g": "-inf",
            "d": "2026-03-01",
            "ts": "2026-03-01T00:00:00+00:00",
            "n": 1.5,
            "a": [1, 2],
            "s": {"x": 1, "z": [{"y": "Yw=="}]},
            "nothing": None,
        }
    ]


async def test_the_same_query_again_says_that_it_was_remembered(explore: Explore) -> None:
    sql = f"SELECT COUNT(*) AS asked_twice FROM {COSTS}"
    answers = [await explore("acme_inc", "run_read_query", sql=sql) for _ in range(2)]
    assert [answer["summary"]["cached"] for answer in answers] == [False, True]
    assert answers[0]["rows"] == answers[1]["rows"]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("run_read_query", {}),
        ("run_read_query", {"sql": ""}),
        ("run_read_query", {"sql": 3}),
        ("run_read_query", {"sql": ["SELECT 1"]}),
        ("run_read_query", {"sql": None}),
        ("run_read_query", {"sql": "SELECT 1" + " " * (limits.MAX_SQL_CHARS - 7)}),
        ("run_read_query", {"sql": "SELECT 1", "org_slug": "globex_inc"}),
        ("run_read_query", {"sql": "SELECT 1", "max_bytes": 10**15}),
        ("describe_table", {}),
        ("describe_table", {"table": ""}),
        ("describe_table", {"table": 3}),
        ("describe_table", {"table": "x" * 301}),
        ("describe_table", {"table": COSTS, "dataset": "globex_inc_prod"}),
        ("list_org_tables", {"dataset": "globex_inc_prod"}),
    ],
)
async def test_arguments_of_another_shape_are_corrected(
    explore: Explore, name: str, arguments: dict[str, object]
) -> None:
    answer = await explore("acme_inc", name, **arguments)
    assert answer["error"]["code"] == "invalid_arguments"


async def test_the_longest_query_is_read(explore: Explore) -> None:
    answer = await explore("acme_inc", "run_read_query", sql="SELECT 1 AS n".ljust(limits.MAX_SQL_CHARS))
    assert answer["rows"] == [{"n": 1}]


def info(table: str, size: int, partitioned_by: str | None, partitioning: str | None = "DAY") -> TableInfo:
    fields = schema.load("tenant", table).fields
    columns = tuple(TableColumn(field.name, field.type, field.mode, field.description) for field in fields)
    return TableInfo(table, "TABLE", None, columns, partitioned_by, partitioning, (), 1, size, None)


@pytest.mark.parametrize("table", schema.tables("tenant"))
@pytest.mark.parametrize("size", [limits.SAMPLE_BYTES, limits.SAMPLE_BYTES + 1], ids=["small", "large"])
def test_looking_for_values_is_valid_googlesql(table: str, size: int) -> None:
    partitioning = schema.load("tenant", table).time_partitioning
    assert partitioning is not None
    asked = explorer_sql.sample(info(table, size, partitioning.field), NOW)
    assert asked is not None
    text, parameters, columns = asked
    query = fixed(Tenant(OrgSlug("acme_inc"), PROJECT, "organizations"), text, parameters)
    found = googlesql.analyze(query.sql, {name: parameter.type for name, parameter in parameters.items()})
    assert [column.name for column in found] == [f"c{index}" for index in range(len(columns))]
    assert ("WHERE" in query.sql) is (size > limits.SAMPLE_BYTES)


def test_a_large_table_that_cannot_be_narrowed_is_not_looked_through() -> None:
    assert explorer_sql.sample(info(COSTS, limits.SAMPLE_BYTES + 1, None, None), NOW) is None
    assert explorer_sql.sample(info(COSTS, limits.SAMPLE_BYTES + 1, "_PARTITIONTIME"), NOW) is None
    assert explorer_sql.sample(info(COSTS, limits.SAMPLE_BYTES, None, None), NOW) is not None


def test_only_plain_text_columns_with_plain_harmless_names_are_looked_at() -> None:
    def column(name: str, kind: str = "STRING", mode: str = "NULLABLE") -> TableColumn:
        return TableColumn(name, kind, mode, None)

    odd = [
        column("api_key"),
        column("encrypted_note"),
        column("tags", mode="REPEATED"),
        column("n", "INTEGER"),
        column("labels.key"),
        column("x`) FROM `a.b.c`"),
        column("größe"),
    ]
    table = TableInfo("t", "TABLE", None, (*odd, column("team")), None, None, (), 1, 1, None)
    asked = explorer_sql.sample(table, NOW)
    assert asked is not None
    assert asked[2] == ("team",)
    only_odd = TableInfo("t", "TABLE", None, tuple(odd), None, None, (), 1, 1, None)
    assert explorer_sql.sample(only_odd, NOW) is None
    view = TableInfo("t", "VIEW", None, (column("team"),), None, None, (), 1, 1, None)
    assert explorer_sql.sample(view, NOW) is None
