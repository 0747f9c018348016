"""Table paths: their parts, and the names that can be printed again safely."""

import re
from dataclasses import dataclass

from sqlglot import exp

from common.tenant import Tenant
from common.text import shorten
from common.warehouse import readable_tables
from common.warehouse.guard.rules import Rules
from common.warehouse.guard.verdict import Denied
from common.warehouse.readable_tables import SharedTable

_TABLE = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?")
_ALIAS = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MAX_NAME = 300
# Of the views that describe a dataset, those that name tables and columns and nothing else.
METADATA = frozenset({"TABLES", "COLUMNS", "COLUMN_FIELD_PATHS"})
_METADATA_SCHEMA = "INFORMATION_SCHEMA"


@dataclass(frozen=True, slots=True)
class RealTable:
    """A table of the warehouse that a query names; ``path`` is project.dataset.table, without quotes."""

    path: str
    dataset: str
    name: str
    shared: SharedTable | None

    @property
    def alias(self) -> str:
        """The name that its columns are qualified with when the query gives none."""
        return self.name.rsplit(".", 1)[-1].rstrip("*").replace("-", "_")

    @property
    def metadata(self) -> bool:
        """True if it is a view that describes the tenant's own dataset."""
        return self.name.startswith(f"{_METADATA_SCHEMA}.")


def real_table(parts: list[str], tenant: Tenant, rules: Rules) -> RealTable:
    """Return the table that a path of one to three parts names, by exact case, or raise Denied."""
    parts = _metadata_parts(parts, tenant)
    if parts[-1].startswith("__"):
        raise _metadata_refusal(tenant)
    if len(parts) > 3:
        raise Denied("table_name", "A table path has at most three parts: project.dataset.table.")
    name, dataset = parts[-1], parts[-2] if len(parts) > 1 else tenant.dataset
    project = parts[0] if len(parts) == 3 else tenant.project_id
    if rules.match_project and project != tenant.project_id:
        raise Denied("project", f"Project {shorten(project, 80)} may not be read; leave the project out.")
    own = dataset == tenant.dataset
    if not own and dataset != tenant.organizations_dataset and rules.match_dataset:
        raise Denied(
            "dataset",
            f"Dataset {shorten(dataset, 80)} may not be read; use {tenant.dataset} or {tenant.organizations_dataset}, "
            "and UNNEST(…) for an array column.",
        )
    path = f"{project}.{dataset}.{name}"
    if dataset == tenant.organizations_dataset:
        return RealTable(path, dataset, name, _shared(name, rules))
    if not name.startswith(f"{_METADATA_SCHEMA}."):
        _own_name(name)
    return RealTable(path, dataset, name, None)


def _metadata_parts(parts: list[str], tenant: Tenant) -> list[str]:
    """Return a path with the view of a dataset's description as its one last part; raise Denied unless it is own."""
    upper = [part.upper() for part in parts]
    if not any(part.startswith(_METADATA_SCHEMA) for part in upper):
        return parts
    start = next(index for index, part in enumerate(upper) if part.startswith(_METADATA_SCHEMA))
    view = ".".join(upper[start:])
    before = parts[:start] or [tenant.dataset]
    own = before in ([tenant.dataset], [tenant.project_id, tenant.dataset])
    if not own or view not in {f"{_METADATA_SCHEMA}.{each}" for each in METADATA}:
        raise _metadata_refusal(tenant)
    return [*before, view]


def _metadata_refusal(tenant: Tenant) -> Denied:
    return Denied(
        "metadata",
        f"Of metadata, {tenant.dataset}.{_METADATA_SCHEMA}.{', '.join(sorted(METADATA))} may be queried; use the tools "
        "that list and describe tables for the rest.",
    )


def _shared(name: str, rules: Rules) -> SharedTable | None:
    readable = readable_tables.shared_tables()
    if name not in readable and rules.only_listed_tables:
        if "*" in name:
            raise Denied("wildcard", "Wildcards are allowed in your own dataset only.")
        raise Denied(
            "shared_table", f"Shared table {shorten(name, 80)} may not be read; readable are {', '.join(readable)}."
        )
    return readable.get(name)


def _own_name(name: str) -> None:
    stem = name.removesuffix("*")
    if "*" in stem or not stem:
        raise Denied("wildcard", "A wildcard is a prefix and one * at the end: `cost_*`.")
    if "__" in name:
        raise Denied("metadata", "Names with a double underscore are reserved; query an ordinary table.")
    if len(name) > _MAX_NAME or _TABLE.fullmatch(stem) is None:
        raise Denied("table_name", "A table name has letters, digits, underscores and dashes only.")


def path_parts(table: exp.Table) -> list[str]:
    """Return the parts of a path as written, or raise Denied where one of them is not a name."""
    nodes: list[object] = [table.args.get("catalog"), table.args.get("db")]
    tail = table.args.get("this")
    dotted: list[object] = []
    while isinstance(tail, exp.Dot):
        dotted.append(tail.expression)
        tail = tail.this
    nodes += [tail, *reversed(dotted)]
    parts = [node for node in nodes if node is not None]
    if not all(isinstance(part, exp.Identifier) for part in parts):
        raise Denied("routine", "Table functions may not be called in FROM; name a table.")
    return [part.name for part in parts if isinstance(part, exp.Identifier)]


def check_alias(name: str, tenant: Tenant) -> None:
    """Raise Denied unless a table alias or CTE name is a plain word that no table path can begin with."""
    if len(name) > _MAX_NAME or _ALIAS.fullmatch(name) is None or name.casefold() == tenant.project_id.casefold():
        raise Denied("name", f"The name {shorten(name, 80)} is not allowed here; use letters, digits and underscores.")


def check_identifier(name: str) -> None:
    """Raise Denied when a column or field name has characters that quoting would have to escape."""
    if not name or len(name) > _MAX_NAME or not name.isprintable() or any(character in name for character in "`\\"):
        raise Denied("name", "A quoted name has a backtick, a backslash or control characters; use a plain name.")
