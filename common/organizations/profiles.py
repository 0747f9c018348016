"""Organisations made and ended: the writer of org_profiles. A change takes effect at once in every instance."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from zoneinfo import available_timezones

from pydantic import ConfigDict, Field, field_validator

from common.bodies import Body
from common.errors import BadRequest, NotFound
from common.organizations.directory import Directory
from common.organizations.statements import labels_of, write
from common.tenant import Tenant
from common.warehouse.client import Warehouse
from common.warehouse.query import Parameter, fixed

Status = Literal["ACTIVE", "SUSPENDED", "DELETED"]

_EMAIL = re.compile(r"[^\s@<>]+@[^\s@<>]+\.[^\s@<>]+")

READ_SQL = """
SELECT company_name, admin_email, org_dataset_id, status, subscription_plan, default_currency, default_country,
  default_language, default_timezone, fiscal_year_start_month, created_at, updated_at
FROM {shared.org_profiles}
WHERE org_slug = @org_slug
ORDER BY created_at DESC
LIMIT 1
"""
# A MERGE, so that the same command given twice makes one organisation.
CREATE_SQL = """
MERGE INTO {shared.org_profiles} AS stored
USING (SELECT @org_slug AS org_slug) AS given
ON stored.org_slug = given.org_slug
WHEN NOT MATCHED BY TARGET THEN
  INSERT (
    org_slug, company_name, admin_email, org_dataset_id, status, subscription_plan, default_currency,
    default_country, default_language, default_timezone, fiscal_year_start_month, created_at
  )
  VALUES (
    given.org_slug, @company_name, @admin_email, @org_dataset_id, 'ACTIVE', @subscription_plan, @default_currency,
    @default_country, @default_language, @default_timezone, @fiscal_year_start_month, @now
  )
"""
STATUS_SQL = """
UPDATE {shared.org_profiles}
SET status = @status, updated_at = @now
WHERE org_slug = @org_slug AND status != @status
"""


class NewProfile(Body):
    """The master data of an organisation as an operator gives it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    company_name: str = Field(min_length=1, max_length=200)
    admin_email: str = Field(max_length=254)
    subscription_plan: str | None = Field(None, min_length=1, max_length=50)
    default_currency: str = Field("USD", pattern=r"^[A-Z]{3}$")
    default_country: str | None = Field(None, pattern=r"^[A-Z]{2}$")
    default_language: str | None = Field(None, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")
    default_timezone: str = "UTC"
    fiscal_year_start_month: int = Field(1, ge=1, le=12)

    @field_validator("company_name")
    @classmethod
    def _printable(cls, value: str) -> str:
        if not value.isprintable() or value != value.strip():
            raise ValueError("write a name of printable characters, without blanks around it")
        return value

    @field_validator("admin_email")
    @classmethod
    def _address(cls, value: str) -> str:
        if _EMAIL.fullmatch(value) is None:
            raise ValueError("write an e-mail address, such as finops@example.com")
        return value

    @field_validator("default_timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError("write an IANA time zone, such as Europe/Berlin")
        return value


@dataclass(frozen=True, slots=True)
class Profiles:
    """The only writer of org_profiles; a team tag is set by loading a bill."""

    directory: Directory
    warehouse: Warehouse
    clock: Callable[[], datetime]

    async def read(self, tenant: Tenant) -> Mapping[str, Any] | None:
        """Return the stored row, None if there is no such organisation."""
        query = fixed(tenant, READ_SQL)
        rows = (await self.warehouse.look_up(query, labels=labels_of(tenant))).rows
        return rows[0] if rows else None

    async def check(self, tenant: Tenant, profile: NewProfile) -> bool:
        """Return whether the organisation is there, as it was asked for.

        Raises BadRequest where it has other data, is suspended or was offboarded.
        """
        known = await self.read(tenant)
        if known is not None:
            _check_same(tenant, known, profile.model_dump())
        return known is not None

    async def create(self, tenant: Tenant, profile: NewProfile) -> bool:
        """Make an organisation, and return whether it is new; one that is there stays as it is. Raises as ``check``."""
        if await self.check(tenant, profile):
            return False
        given = {name: _parameter(name, value) for name, value in profile.model_dump().items()}
        given |= {"org_dataset_id": Parameter("STRING", tenant.dataset), "now": Parameter("TIMESTAMP", self.clock())}
        await write(self.warehouse, tenant, CREATE_SQL, given)
        await self.directory.renew(tenant)
        return True

    async def set_status(self, tenant: Tenant, status: Status) -> bool:
        """Change the status and return whether it was another. Raises NotFound where there is no such organisation."""
        if await self.read(tenant) is None:
            raise NotFound("There is no such organisation.")
        given = {"status": Parameter("STRING", status), "now": Parameter("TIMESTAMP", self.clock())}
        changed = await write(self.warehouse, tenant, STATUS_SQL, given)
        # Also where nothing changed: a change that was cut short may have left an older copy.
        await self.directory.renew(tenant)
        return changed > 0


def _check_same(tenant: Tenant, known: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    if known["status"] == "DELETED":
        raise BadRequest(f"{tenant.org_slug} was offboarded, and its slug is not used again. Choose another one.")
    other = sorted(name for name, value in values.items() if known[name] != value)
    if other:
        raise BadRequest(f"{tenant.org_slug} is there already, with another {', '.join(other)}. Nothing was changed.")
    if known["status"] != "ACTIVE":
        raise BadRequest(f"{tenant.org_slug} is there already, and {known['status']}. Nothing was changed.")


def _parameter(name: str, value: Any) -> Parameter:
    return Parameter("INT64" if name == "fiscal_year_start_month" else "STRING", value)
