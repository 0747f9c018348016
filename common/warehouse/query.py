"""A query that may be sent: fixed text with bound parameters, or text that the guard rewrote. Nothing else is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Literal

from common.tenant import Tenant

ParameterType = Literal["STRING", "INT64", "FLOAT64", "NUMERIC", "BOOL", "DATE", "TIMESTAMP", "BYTES"]
Scalar = str | int | float | Decimal | bool | date | datetime | bytes | None
Origin = Literal["fixed", "admitted"]

_PARAMETER = re.compile(r"@(\w+)")
_TABLE = re.compile(r"\{(own|shared|catalog)\.(\w+)\}")
_READS = re.compile(r"[\s(]*(SELECT|WITH)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A named, typed value; an array where ``value`` is a tuple."""

    type: ParameterType
    value: Scalar | tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class GuardedQuery:
    """SQL that is safe to send for one tenant. Made by ``fixed`` and ``admitted``; never from text that a caller wrote.

    ``tables`` are the paths (project.dataset.table, a wildcard with its ``*``) that it may read. ``max_bytes`` lowers
    the gate for this query.
    """

    tenant: Tenant
    sql: str
    origin: Origin
    tables: frozenset[str]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    max_bytes: int | None = None

    @property
    def writes(self) -> bool:
        """True if the query changes rows. Anything but a plain SELECT counts as a change."""
        return _READS.match(self.sql) is None

    @property
    def reads_shared(self) -> bool:
        """True if the query reads a table with other organisations' rows."""
        shared = f"{self.tenant.project_id}.{self.tenant.organizations_dataset}."
        return any(table.startswith(shared) for table in self.tables)

    @property
    def reads_catalog(self) -> bool:
        """True for the product's own text over the catalogue, which then reads nothing else."""
        catalog = f"{self.tenant.project_id}.{self.tenant.catalog_dataset}."
        return self.origin == "fixed" and any(table.startswith(catalog) for table in self.tables)


@cache
def _declared(text: str) -> frozenset[str]:
    return frozenset(_PARAMETER.findall(text))


def fixed(tenant: Tenant, text: str, parameters: Mapping[str, Parameter] | None = None) -> GuardedQuery:
    """Bind the product's own SQL to a tenant's tables and to typed values.

    ``text`` names tables as ``{own.table}`` (the tenant's dataset), ``{shared.table}`` (the shared one) or
    ``{catalog.table}``, values as ``@name``. Raises ValueError when the parameters are not exactly those of the text, a
    shared table is read without a bound org_slug, a bound list of them (the record's own merges) or bound hashes of
    keys, or a text of the catalogue changes something or reads anything beside it.
    """
    given = dict(parameters or {})
    declared = _declared(text)
    if "{shared." in text and not declared & {"org_slug", "org_slugs", "key_hashes"}:
        raise ValueError("a query of a shared table must bind @org_slug, @org_slugs or @key_hashes")
    if "org_slug" in declared:
        given["org_slug"] = Parameter("STRING", tenant.org_slug)
    if declared != given.keys():
        raise ValueError(f"parameters differ from the text: {sorted(declared ^ given.keys())}")

    if "{catalog." in text and (_READS.match(text) is None or "{own." in text or "{shared." in text):
        raise ValueError("a query of the catalogue only reads, and reads nothing else")

    def path(match: re.Match[str]) -> str:
        paths = {"own": tenant.own_table, "shared": tenant.shared_table, "catalog": tenant.catalog_table}
        return paths[match[1]](match[2])

    tables = frozenset(path(match).strip("`") for match in _TABLE.finditer(text))
    return GuardedQuery(tenant, _TABLE.sub(path, text).strip(), "fixed", tables, given)


def across(tenant: Tenant, text: str, parameters: Mapping[str, Parameter]) -> GuardedQuery:
    """Bind the scheduler's own SQL, which lists organisations. No caller's request leads to it.

    Raises ValueError for a text that reads an organisation's own dataset or writes.
    """
    if "{own." in text or _READS.match(text) is None or _declared(text) != parameters.keys():
        raise ValueError("only shared tables are read across organisations, with all parameters")
    tables = frozenset(tenant.shared_table(match[2]).strip("`") for match in _TABLE.finditer(text))
    sql = _TABLE.sub(lambda match: tenant.shared_table(match[2]), text)
    return GuardedQuery(tenant, sql.strip(), "fixed", tables, dict(parameters))


def admitted(tenant: Tenant, sql: str, tables: frozenset[str]) -> GuardedQuery:
    """Take what the guard let through for this tenant: its rewritten text, and the tables that text may read."""
    return GuardedQuery(tenant, sql, "admitted", tables)
