"""What the guard lets through, run as it is sent: the answer is that of the text as it was written."""

import pytest

from common.warehouse.client import Warehouse
from common.warehouse.guard import decide
from common.warehouse.query import admitted
from tests.warehouse.conftest import ACME, LABELS

RUNS = {
    "SELECT table_name FROM INFORMATION_SCHEMA.TABLES ORDER BY table_name": [("big",), ("costs",)],
    "SELECT c.column_name FROM acme_inc_prod.INFORMATION_SCHEMA.COLUMNS AS c WHERE c.table_name = 'costs' "
    "ORDER BY c.ordinal_position": [("name",), ("cost",)],
    "SELECT COUNT(*) AS n FROM `a-project.acme_inc_prod.INFORMATION_SCHEMA.COLUMN_FIELD_PATHS`": [(4,)],
    "SELECT `a-project.acme_inc_prod.costs`.name FROM `a-project.acme_inc_prod.costs`": [("secret of acme_inc",)],
    "SELECT acme_inc_prod.costs.name FROM acme_inc_prod.costs": [("secret of acme_inc",)],
    "SELECT LENGTH(GENERATE_UUID()) AS n FROM costs": [(36,)],
    "FROM costs |> WHERE cost > 1 |> AGGREGATE COUNT(*) AS n GROUP BY name |> SELECT n": [(1,)],
    "FROM costs |> EXTEND LENGTH(name) AS l |> DROP cost |> ORDER BY l |> LIMIT 1": [("secret of acme_inc", 18)],
    "SELECT k, COUNT(*) AS n FROM (SELECT name AS a, name AS b FROM costs) UNPIVOT(v FOR k IN (a, b)) GROUP BY k "
    "ORDER BY k": [("a", 1), ("b", 1)],
}


@pytest.mark.parametrize("sql", RUNS)
async def test_an_admitted_query_answers_what_was_asked(warehouse: Warehouse, sql: str) -> None:
    allowed = decide(sql, ACME, "u1")
    found = await warehouse.run(admitted(ACME, allowed.sql, allowed.tables), labels=LABELS)
    assert [tuple(row.values()) for row in found.rows] == RUNS[sql]
