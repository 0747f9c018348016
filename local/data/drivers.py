"""An organisation's own counts per day, to hold costs against: made for the demo or read from CSV."""

import csv
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from google.cloud import bigquery

from common.warehouse import schema
from local.data import calendar, warehouse
from local.data.rows import Row

TABLE = "business_drivers_daily"
AGGREGATIONS = ("sum", "average")
# Organisation: what it counts, on a plain day, and how days make a month.
_DEMO = {"acme_inc": (("orders", 4200, "sum"),), "globex_inc": (("connected devices", 18500, "average"),)}


class DriverFileError(Exception):
    """A file of counts cannot be loaded; the message names the line and says what is wrong."""


def demo_rows(org: str, today: date) -> Iterator[Row]:
    """Yield the demo organisation's counts, oldest day first."""
    for name, plain, aggregation in _DEMO.get(org, ()):
        for day in calendar.days(calendar.first_day(today), today):
            random = calendar.random_of(org, name, day)
            busy = calendar.level(day, 0.7, 0.012) if aggregation == "sum" else calendar.level(day, 1.0, 0.01)
            count = round(plain * busy * random.gauss(1, 0.04 if aggregation == "sum" else 0.001))
            yield _row(day, name, Decimal(count), aggregation, None, calendar.midnight(today))


def read_file(path: Path, loaded_at: datetime) -> list[Row]:
    """Read a CSV with the columns date, driver and quantity, and maybe team and aggregation (sum or average).

    Raises DriverFileError for a file that does not fit, before anything of it is loaded.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = {"date", "driver", "quantity"} - set(reader.fieldnames or ())
            if missing:
                raise DriverFileError(f"{path.name}: the columns {', '.join(sorted(missing))} are missing.")
            rows = [_read(line, f"{path.name}, line {reader.line_num}", loaded_at) for line in reader]
    except (OSError, UnicodeDecodeError) as error:
        raise DriverFileError(f"{path} cannot be read as a CSV file in UTF-8: {error}.") from error
    seen: set[tuple[date, str, str | None]] = set()
    for row in rows:
        key = (row["driver_date"], row["driver_name"], row["x_hierarchy_entity_name"])
        if key in seen:
            raise DriverFileError(f"{path.name}: {key[1]} of {key[0]} is there twice. Give one count a day and team.")
        seen.add(key)
    return rows


def load_rows(client: bigquery.Client, org: str, rows: Sequence[Row]) -> None:
    """Load counts; those of the same drivers and days are replaced, so that loading a file again changes nothing."""
    if not rows:
        return
    table_id = f"{client.project}.{warehouse.tenant_dataset(org)}.{TABLE}"
    names = sorted({row["driver_name"] for row in rows})
    days = sorted({row["driver_date"] for row in rows})
    parameters = [
        bigquery.ArrayQueryParameter("names", "STRING", names),
        bigquery.ArrayQueryParameter("days", "DATE", days),
    ]
    client.query_and_wait(
        f"DELETE FROM `{table_id}` WHERE driver_name IN UNNEST(@names) AND driver_date IN UNNEST(@days)",
        job_config=bigquery.QueryJobConfig(query_parameters=parameters),
    )
    with tempfile.TemporaryFile() as file:
        warehouse.write_ndjson(file, rows)
        warehouse.wait_for(warehouse.append_table(client, table_id, schema.load("tenant", TABLE), file))


def _read(line: dict[str, str], where: str, loaded_at: datetime) -> Row:
    try:
        day = date.fromisoformat((line["date"] or "").strip())
    except ValueError:
        raise DriverFileError(f"{where}: {line['date']!r} is no date. Write YYYY-MM-DD.") from None
    try:
        quantity = Decimal((line["quantity"] or "").strip())
    except InvalidOperation:
        raise DriverFileError(f"{where}: {line['quantity']!r} is no number.") from None
    name, aggregation = (line["driver"] or "").strip(), (line.get("aggregation") or "sum").strip().lower()
    if not name or not quantity.is_finite() or quantity < 0:
        raise DriverFileError(f"{where}: a line needs a driver's name and a quantity of 0 or more.")
    if aggregation not in AGGREGATIONS:
        raise DriverFileError(f"{where}: aggregation is sum or average, not {aggregation!r}.")
    return _row(day, name, quantity, aggregation, (line.get("team") or "").strip() or None, loaded_at)


def _row(day: date, name: str, quantity: Decimal, aggregation: str, team: str | None, loaded_at: datetime) -> Row:
    return {
        "driver_date": day,
        "driver_name": name,
        "quantity": quantity,
        "aggregation": aggregation,
        "x_hierarchy_entity_name": team,
        "x_loaded_at": loaded_at.astimezone(UTC),
    }
