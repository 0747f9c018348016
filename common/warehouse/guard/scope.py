"""Lexical scopes: which names a FROM item or a column can mean at one place of a query, innermost first."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from sqlglot import exp

from common.warehouse.guard.verdict import Denied
from common.warehouse.readable_tables import SharedTable

SourceKind = Literal["own", "shared", "cte", "derived", "array"]


@dataclass(frozen=True, slots=True)
class Source:
    """One item of a FROM clause, by the name that columns use for it."""

    kind: SourceKind
    shared: SharedTable | None = None
    # project.dataset.table, where it is a table.
    path: str | None = None


@dataclass(slots=True)
class Scope:
    """The CTEs and the FROM items that are visible; names are casefolded, as BigQuery compares them."""

    ctes: Mapping[str, exp.CTE]
    outer: "Scope | None" = None
    sources: dict[str, Source] = field(default_factory=dict)
    unnamed: list[Source] = field(default_factory=list)
    aliases: set[str] = field(default_factory=set)

    def chain(self) -> Iterator["Scope"]:
        """This scope and the ones around it."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.outer

    def find(self, name: str) -> Source | None:
        """The FROM item of this name, in the nearest scope that has one."""
        for scope in self.chain():
            source = scope.sources.get(name.casefold())
            if source is not None:
                return source
        return None

    def names_of(self, path: str) -> list[str]:
        """The names that columns use for the table of this path, in the nearest scope that reads it."""
        for scope in self.chain():
            names = [name for name, source in scope.sources.items() if source.path == path]
            if names:
                return names
        return []

    def add(self, name: str | None, source: Source) -> None:
        """Make a FROM item visible to what follows it."""
        if name is None:
            self.unnamed.append(source)
        else:
            self.sources[name.casefold()] = source

    def here(self) -> list[Source]:
        """The FROM items of this scope alone."""
        return [*self.sources.values(), *self.unnamed]


def check_column(parts: list[str], scope: Scope) -> None:
    """Raise Denied when a column path mentions a column of a shared table that may not be read."""
    if len(parts) > 1:
        source = scope.find(parts[0])
        if source is not None:
            if source.shared is not None and source.shared.refuses(parts[1].casefold()):
                raise refused_column(parts[1], source.shared)
            return
    # Otherwise the first part is itself a column, and the rest are its fields.
    name = parts[0].casefold()
    for level in scope.chain():
        if name in level.aliases:
            return
        sources = level.here()
        shared = [source.shared for source in sources if source.shared is not None]
        if any(name in table.columns for table in shared):
            return
        if any(source.shared is None and source.kind != "array" for source in sources):
            return
        for table in shared:
            if table.refuses(name):
                raise refused_column(parts[0], table)


def refused_column(column: str, table: SharedTable) -> Denied:
    """The denial of one column, with the list of those that may be read."""
    return Denied(
        "column",
        f"Column {column} of {table.name} may not be read; its readable columns are {', '.join(table.columns)}.",
    )
