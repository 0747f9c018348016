"""The dry run, the second gate: it sees what no reader of SQL can."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from common.warehouse.query import GuardedQuery
from common.warehouse.result import QueryRefused

_HOW_TO_NARROW = "Ask for a shorter range of days, add filters, or select fewer columns."


@dataclass(frozen=True, slots=True)
class DryRun:
    """BigQuery's statistics of a dry run. A field is None if BigQuery leaves it out."""

    statement_type: str | None
    tables: frozenset[str]
    uses_routines: bool
    bytes_processed: int | None
    accuracy: str | None

    @classmethod
    def of(cls, job: Mapping[str, Any]) -> Self:
        """Read the job resource that a dry run answers with."""
        statistics = job.get("statistics") or {}
        told = statistics.get("query") or {}
        total = told.get("totalBytesProcessed", statistics.get("totalBytesProcessed"))
        return cls(
            statement_type=told.get("statementType"),
            tables=frozenset(
                f"{table['projectId']}.{table['datasetId']}.{table['tableId']}"
                for table in told.get("referencedTables", ())
            ),
            uses_routines=bool(told.get("referencedRoutines")),
            bytes_processed=None if total is None else int(total),
            accuracy=told.get("totalBytesProcessedAccuracy"),
        )


def check(query: GuardedQuery, dry_run: DryRun, max_bytes: int) -> None:
    """Raise QueryRefused unless the query reads what it may, and no more bytes than the gate lets through.

    The product's own text is only held to its bytes. Of a text that the guard admitted, whatever the dry run leaves
    open is a refusal.
    """
    if query.origin == "admitted":
        _check_kind(dry_run)
        _check_tables(query, dry_run)
        if dry_run.bytes_processed is None or dry_run.accuracy == "LOWER_BOUND":
            raise QueryRefused(
                "unknown_bytes", "How much this query would read cannot be known beforehand, so it may not run."
            )
    if dry_run.bytes_processed is not None and dry_run.bytes_processed > max_bytes:
        raise over_limit(query, max_bytes, dry_run.bytes_processed)


def over_limit(query: GuardedQuery, max_bytes: int, estimate: int | None) -> QueryRefused:
    """The refusal of a query that reads too much. It does not show the size of shared tables."""
    shown = f"about {size(estimate)}, over the limit of" if estimate and not query.reads_shared else "more than"
    return QueryRefused("bytes_over_limit", f"The query would read {shown} {size(max_bytes)}. {_HOW_TO_NARROW}")


def size(count: int) -> str:
    """A number of bytes for a person: 10 GiB, 1.5 MiB, 512 bytes."""
    for name, unit in (("TiB", 1024**4), ("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if count >= unit:
            return f"{count / unit:.2f}".rstrip("0").rstrip(".") + f" {name}"
    return f"{count} bytes"


def _check_kind(dry_run: DryRun) -> None:
    if dry_run.statement_type != "SELECT":
        raise QueryRefused("not_a_select", "Only a single SELECT may run here.")
    if dry_run.uses_routines:
        raise QueryRefused("routine", "Functions that people defined may not be called. Use built-in functions only.")


def _check_tables(query: GuardedQuery, dry_run: DryRun) -> None:
    if not all(_may_read(table, query.tables) for table in dry_run.tables):
        # No name: behind a view stands a table that its reader need not know of.
        raise QueryRefused(
            "table_not_admitted",
            "The query reads a table that it does not name itself, as a view does. Query the tables themselves; "
            "list_org_tables names them.",
        )


def _may_read(table: str, admitted: frozenset[str]) -> bool:
    return table in admitted or any(
        table.startswith(each[:-1]) and table.count(".") == each.count(".") for each in admitted if each.endswith("*")
    )
