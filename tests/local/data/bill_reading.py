"""A bill read as the loader reads it, its rows as plain Python values."""

import json
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from local.data.focus.bill import read_bill, write_parquet
from local.data.focus.files import find
from local.data.focus.naming import TABLE
from local.data.focus.summary import Summary
from local.data.focus.teams import Team
from local.data.focus.workspace import Workspace

TODAY = date(2026, 11, 21)
JSON_COLUMNS = {field.name for field in TABLE.fields if field.type == "JSON"}

Row = dict[str, Any]


def read(
    given: Sequence[str | Path], team_tag: str | None = None, teams: Iterable[Team] = ()
) -> tuple[Summary, list[Row]]:
    """Read a bill, and return its summary and its rows in the order of the files; empty columns are left out."""
    with Workspace() as workspace:
        summary = read_bill(workspace, find(given), team_tag, teams)
        folder = workspace.folder / "rows"
        write_parquet(workspace, folder, {}, tagged=team_tag is not None)
        found = workspace.run(
            f"SELECT * FROM read_parquet('{folder}/*.parquet') "
            "ORDER BY x_source_system, CAST(x_source_record_id AS BIGINT)"
        )
        names = [column[0] for column in found.description or []]
        return summary, [_row(names, values) for values in found.fetchall()]


def _row(names: Sequence[str], values: Sequence[Any]) -> Row:
    row = {name: value for name, value in zip(names, values, strict=True) if value is not None}
    return {name: json.loads(value) if name in JSON_COLUMNS else value for name, value in row.items()}
