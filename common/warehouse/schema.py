"""Every table of the warehouse as its schema file describes it: one source for Terraform, catalog and local cloud."""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

Dataset = Literal["organizations", "tenant", "catalog"]
FieldType = Literal["STRING", "INTEGER", "FLOAT", "BOOLEAN", "TIMESTAMP", "DATE", "NUMERIC", "JSON", "BYTES"]
FieldMode = Literal["REQUIRED", "NULLABLE", "REPEATED"]


@dataclass(frozen=True, slots=True)
class Field:
    """One column, in the words of BigQuery's schema format."""

    name: str
    type: FieldType
    mode: FieldMode
    description: str


@dataclass(frozen=True, slots=True)
class TimePartitioning:
    """The partitioning of a table by the time in one column."""

    type: Literal["DAY", "HOUR", "MONTH", "YEAR"]
    field: str


@dataclass(frozen=True, slots=True)
class MergeRule:
    """The way rows of a table are merged into the record: the columns that identify a row, and which version wins.

    ``fixed_day`` says that a row never changes its partition, so that a merge reads only the days of its batch. Of
    other rows ``not_before`` names what an entry says beside its columns: a time that no version of the row precedes.
    ``newest`` is the column whose greater value wins, None if rows never change; ``kept`` columns are never replaced.
    ``purged`` says that the rows of a conversation go with it.
    """

    key: tuple[str, ...]
    fixed_day: bool
    not_before: str = "created_at"
    newest: str | None = None
    kept: tuple[str, ...] = ()
    purged: bool = True


@dataclass(frozen=True, slots=True)
class TableSchema:
    """One table: its columns in order, and how BigQuery lays its rows out."""

    name: str
    description: str
    fields: tuple[Field, ...]
    time_partitioning: TimePartitioning | None
    clustering: tuple[str, ...]
    merge: MergeRule | None = None

    def field(self, name: str) -> Field:
        """Return the column of exactly this name. Raises KeyError if it does not exist."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(f"{self.name} has no column {name}")


@cache
def tables(dataset: Dataset) -> tuple[str, ...]:
    """Return the names of the tables of a dataset, in alphabetical order."""
    folder = resources.files(__package__) / "schemas" / dataset
    return tuple(sorted(file.name.removesuffix(".json") for file in folder.iterdir() if file.name.endswith(".json")))


@cache
def load(dataset: Dataset, table: str) -> TableSchema:
    """Return the schema of a table; KeyError when the dataset has no such table."""
    if table not in tables(dataset):
        raise KeyError(f"dataset {dataset} has no table {table}")
    document = json.loads((resources.files(__package__) / "schemas" / dataset / f"{table}.json").read_text("utf-8"))
    partitioning = document.get("time_partitioning")
    return TableSchema(
        name=table,
        description=document["description"],
        fields=tuple(Field(**column) for column in document["schema"]),
        time_partitioning=TimePartitioning(**partitioning) if partitioning else None,
        clustering=tuple(document.get("clustering", ())),
        merge=_merge_rule(document.get("record")),
    )


@cache
def record_tables() -> tuple[str, ...]:
    """Return the shared tables that the record is merged into, those with the longest key first."""
    rules = {name: load("organizations", name).merge for name in tables("organizations")}
    return tuple(name for name, rule in sorted(rules.items(), key=_by_key) if rule is not None)


@cache
def purged_tables() -> tuple[str, ...]:
    """Return those tables of the record whose rows go with their conversation."""
    return tuple(name for name in record_tables() if (rule := load("organizations", name).merge) and rule.purged)


def _by_key(entry: tuple[str, MergeRule | None]) -> tuple[int, str]:
    name, rule = entry
    return (-len(rule.key) if rule else 0, name)


def _merge_rule(document: dict[str, Any] | None) -> MergeRule | None:
    if document is None:
        return None
    return MergeRule(
        key=tuple(document["key"]),
        fixed_day=document["fixed_day"],
        not_before=document.get("not_before", "created_at"),
        newest=document.get("newest"),
        kept=tuple(document.get("kept", ())),
        purged=document.get("purged", True),
    )
