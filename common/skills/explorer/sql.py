"""The explorer's own SQL: which values the text columns of a table hold, where they hold few."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from common import limits
from common.warehouse import schema
from common.warehouse.query import Parameter
from common.warehouse.readable_tables import SharedTable, holds_secret
from common.warehouse.result import TableColumn, TableInfo

SAMPLE_COLUMNS = 100

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
_PLAIN_TABLE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,199}")

CURRENCIES = """
SELECT DISTINCT BillingCurrency AS currency
FROM {own.cost_data_standard_1_3}
WHERE ChargePeriodStart >= @since
ORDER BY currency
LIMIT 20
"""
# Key and value of every tag, as they stand in the JSON.
TAG_PAIRS = """
SELECT pair, COUNT(*) AS line_items
FROM {own.cost_data_standard_1_3}
CROSS JOIN UNNEST(REGEXP_EXTRACT_ALL(TO_JSON_STRING(Tags), r'"(?:[^"\\\\]|\\\\.)*":"(?:[^"\\\\]|\\\\.)*"')) AS pair
WHERE ChargePeriodStart >= @since
  AND Tags IS NOT NULL
GROUP BY pair
ORDER BY line_items DESC, pair
LIMIT 200
"""

Sample = tuple[str, Mapping[str, Parameter], tuple[str, ...]]


def is_table_name(text: str) -> bool:
    """Return true if a text can only be the name of a table."""
    return _PLAIN_TABLE.fullmatch(text) is not None


def sample(info: TableInfo, now: datetime) -> Sample | None:
    """SQL over ``{own.table}``, its parameters, and the columns whose values it counts: c0, c1, … of {value, count}.

    The whole of a small table, the last days of a larger one that is partitioned by time. None where no column
    can be looked at, or only at the cost of reading a large table.
    """
    columns = tuple(_countable(info.columns))
    if info.kind != "TABLE" or not columns or _NAME.fullmatch(info.name) is None:
        return None
    counts = ",\n  ".join(
        # One more than are shown, and one for NULL.
        f"APPROX_TOP_COUNT({_value(name)}, {limits.SAMPLE_VALUES + 2}) AS c{index}"
        for index, name in enumerate(columns)
    )
    source = f"{{own.{info.name}}}"
    narrowed, parameters = "", dict[str, Parameter]()
    if info.bytes > limits.SAMPLE_BYTES:
        kind = _partition_type(info)
        if kind is None:
            return None
        since = now - timedelta(days=limits.SAMPLE_DAYS)
        narrowed = f"\nWHERE `{info.partitioned_by}` >= @since"
        parameters["since"] = Parameter("DATE", since.date()) if kind == "DATE" else Parameter("TIMESTAMP", since)
    return f"SELECT\n  {counts}\nFROM {source}{narrowed}", parameters, columns


def shared_sample(table: SharedTable) -> tuple[str, tuple[str, ...]] | None:
    """SQL over the organisation's rows of a shared table, and the columns whose values it counts."""
    types = {field.name: field for field in schema.load("organizations", table.name).fields}
    columns = tuple(name for name in table.columns if types[name].type == "STRING" and types[name].mode != "REPEATED")
    if not columns or "user_id" in table.filters:
        return None
    counts = ",\n  ".join(
        f"APPROX_TOP_COUNT({_value(name)}, {limits.SAMPLE_VALUES + 2}) AS c{index}"
        for index, name in enumerate(columns)
    )
    return f"SELECT\n  {counts}\nFROM {{shared.{table.name}}}\nWHERE org_slug = @org_slug", columns


def _value(column: str) -> str:
    # Cut where it is counted: a long text is no value to filter by, and would make the answer large.
    return f"SUBSTR(`{column}`, 1, {limits.SAMPLE_VALUE_CHARS + 1})"


def _countable(columns: Iterable[TableColumn]) -> list[str]:
    names = [
        column.name
        for column in columns
        if column.type == "STRING"
        and column.mode != "REPEATED"
        and _NAME.fullmatch(column.name)
        and not holds_secret(column.name)
    ]
    return names[:SAMPLE_COLUMNS]


def _partition_type(info: TableInfo) -> str | None:
    """The type of the column that partitions are named by, where a query can narrow by it."""
    if info.partitioning not in ("DAY", "HOUR", "MONTH") or info.partitioned_by is None:
        return None
    if _NAME.fullmatch(info.partitioned_by) is None:
        return None
    types = {column.name: column.type for column in info.columns}
    kind = types.get(info.partitioned_by)
    return kind if kind in ("DATE", "TIMESTAMP") else None
