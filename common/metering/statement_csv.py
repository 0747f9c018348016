"""A statement as a table."""

import csv
import io
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from common.record import usage_sql


def as_csv(statement: Mapping[str, Any]) -> str:
    """The lines of a statement as CSV; amounts are in US dollars."""
    text = io.StringIO()
    columns = ("month", *usage_sql.line_columns())
    writer = csv.DictWriter(text, columns, lineterminator="\r\n")
    writer.writeheader()
    for line in statement["lines"]:
        shown = {name: f"{value:f}" if isinstance(value, Decimal) else value for name, value in line.items()}
        writer.writerow({"month": statement["month"], **shown})
    return text.getvalue()
