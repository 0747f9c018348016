"""Per organisation, views of the shared tables that hold its rows only: the boundary below the guard.

This is defence in depth. The guard and the dry run keep organisations apart without it; with it, and a service account
per organisation that may read its own dataset and these views alone, IAM does too. A filter in a subquery is no
security barrier to the engine; a view that the reader cannot see behind is.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from common.tenant import Tenant
from common.warehouse.isolation.impersonation import account_of
from common.warehouse.query import GuardedQuery
from common.warehouse.readable_tables import SharedTable, shared_tables

# String literals are skipped whole, so that only names are redirected.
_TOKEN = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`((?:\\.|[^`\\])*)`""", re.DOTALL)


def view_dataset(tenant: Tenant) -> str:
    """The dataset that an organisation's views are in."""
    return f"{tenant.org_slug}_shared"


def view_path(tenant: Tenant, table: str) -> str:
    """The full path of the organisation's view of a shared table, without quotes."""
    return f"{tenant.project_id}.{view_dataset(tenant)}.{table}"


def view_sql(tenant: Tenant, table: SharedTable) -> str:
    """The view's query: the readable columns of the organisation's rows, and the columns that rows are filtered by."""
    columns = dict.fromkeys((*table.columns, *table.filters))
    listed = ", ".join(f"`{column}`" for column in columns)
    # An OrgSlug is [a-z0-9_]{3,50}: it needs no escaping.
    return f"SELECT {listed} FROM {tenant.shared_table(table.name)} WHERE `org_slug` = '{tenant.org_slug}'"  # noqa: S608


def boundary(tenant: Tenant, account_pattern: str | None = None, readers: Sequence[str] = ()) -> dict[str, Any]:
    """The variables of terraform/organization, which builds one organisation's boundary.

    The service account may query, and read the two datasets; ``readers``, accounts of functions, may act as it. The
    views' dataset is authorised on the shared one. Raises WarehouseUnavailable where the pattern gives the organisation
    no possible account.
    """
    account = account_of(account_pattern, tenant) if account_pattern else None
    return {
        "project_id": tenant.project_id,
        "org_slug": tenant.org_slug,
        "view_dataset": view_dataset(tenant),
        "service_account": account,
        "readers": list(readers),
        "views": {name: {"query": view_sql(tenant, table)} for name, table in shared_tables().items()},
        "authorized_on": tenant.organizations_dataset,
        "data_viewer_on": [tenant.dataset, view_dataset(tenant)],
    }


def boundary_sql(tenant: Tenant) -> str:
    """The same views as statements for ``bq query``; authorising their dataset takes more than SQL."""
    dataset = f"`{tenant.project_id}.{view_dataset(tenant)}`"
    statements = [f"CREATE SCHEMA IF NOT EXISTS {dataset};"]
    for name, table in shared_tables().items():
        statements.append(f"CREATE OR REPLACE VIEW `{view_path(tenant, name)}` AS\n{view_sql(tenant, table)};")
    return "\n".join(statements) + "\n"


def boundary_json(tenant: Tenant, account_pattern: str | None = None, readers: Sequence[str] = ()) -> str:
    """``boundary`` as a .tfvars.json document."""
    return json.dumps(boundary(tenant, account_pattern, readers), indent=2) + "\n"


def redirected(query: GuardedQuery) -> GuardedQuery:
    """The query with the organisation's views in place of the shared tables, for an account that reads those only.

    The dry run may name a view or the table behind it, so both stay admitted.
    """
    tenant = query.tenant
    views = {tenant.shared_table(name).strip("`"): view_path(tenant, name) for name in shared_tables()}
    named = {views[table] for table in query.tables if table in views}

    def path(match: re.Match[str]) -> str:
        quoted = match[1]
        return f"`{views[quoted]}`" if quoted in views else match[0]

    return replace(query, sql=_TOKEN.sub(path, query.sql), tables=query.tables | named)
