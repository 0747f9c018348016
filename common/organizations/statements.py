"""Statements that change what is stored of an organisation."""

from collections.abc import Mapping

from common.errors import WarehouseUnavailable
from common.tenant import Tenant
from common.warehouse.client import QueryRefused, Warehouse
from common.warehouse.query import Parameter, fixed


async def write(warehouse: Warehouse, tenant: Tenant, text: str, given: Mapping[str, Parameter]) -> int:
    """Run one statement and return how many rows it changed. Raises WarehouseUnavailable, also for one refused."""
    try:
        result = await warehouse.run(fixed(tenant, text, given), labels=labels_of(tenant), own=True)
    except QueryRefused as refused:
        raise WarehouseUnavailable from refused
    return result.affected_rows or 0


def labels_of(tenant: Tenant) -> dict[str, str]:
    """The labels of a job about an organisation."""
    return {"org": tenant.org_slug, "purpose": "organizations"}
