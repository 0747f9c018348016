"""The catalogue of list prices, charts and models: how old its prices are."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from common.errors import WarehouseUnavailable
from common.settings import Settings
from common.tenant import OrgSlug, Tenant
from common.warehouse.client import Warehouse
from common.warehouse.query import fixed
from common.warehouse.result import QueryRefused

# A plan made from older prices says so in words.
STALE_DAYS = 90
HOW_TO_LOAD = "An operator loads it with `python -m local catalog load`."
_KNOWN_SECONDS, _EMPTY_SECONDS = 3600.0, 60.0
_AGE = "SELECT COUNT(*) AS row_count, MIN(price_date) AS oldest FROM {catalog.instances}"


def age_days(oldest: date, today: date) -> int:
    """The age of the oldest price in days; 0 for one of a later day."""
    return max(0, (today - oldest).days)


@dataclass(slots=True)
class CatalogAge:
    """Measures the catalogue for readiness; asking again within the hour costs nothing."""

    settings: Settings
    warehouse: Warehouse
    clock: Callable[[], datetime]
    _known: dict[str, Any] = field(default_factory=dict)
    _until: float = 0.0

    async def measure(self) -> dict[str, Any]:
        """The status, the number of prices and the age of the oldest; ``empty`` where nothing was loaded."""
        if time.monotonic() >= self._until:
            settings = self.settings
            # Nobody's rows are asked for: no organisation has this name.
            nobody = Tenant(
                OrgSlug("nobody"), settings.gcp_project_id, settings.organizations_dataset, settings.catalog_dataset
            )
            try:
                found = await self.warehouse.look_up(fixed(nobody, _AGE), labels={"purpose": "readiness"})
                self._known = found.rows[0]
            except WarehouseUnavailable as error:
                if not isinstance(error.__cause__, QueryRefused):
                    raise
                # There is no such table.
                self._known = {"row_count": 0}
            self._until = time.monotonic() + (_KNOWN_SECONDS if self._known["row_count"] else _EMPTY_SECONDS)
        if not self._known["row_count"]:
            return {"status": "empty", "prices": 0, "catalog_age_days": None}
        days = age_days(self._known["oldest"], self.clock().date())
        status = "ok" if days <= STALE_DAYS else "stale"
        return {"status": status, "prices": self._known["row_count"], "catalog_age_days": days}
