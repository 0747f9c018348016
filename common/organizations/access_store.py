"""Changes of an organisation's access: issuers and members. They take effect at once in every instance."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel

from common.errors import AccessChanged, BadRequest, NotFound, Unprocessable
from common.organizations.access import MAX_MEMBERS, Access, Issuers, Kind, Member, Members
from common.organizations.directory import Directory
from common.organizations.issuers import MAX_ISSUERS, NewIssuer, StoredIssuer
from common.organizations.provider_key import ProviderKeys
from common.organizations.statements import write
from common.secret import Secret
from common.settings import Settings
from common.telemetry.log import Log
from common.tenant import Principal, Tenant
from common.warehouse.client import Warehouse
from common.warehouse.query import Parameter

# One statement, so that at every moment one row of a kind is active. Of two changes at once the second finds the
# version taken and changes nothing.
CHANGE_SQL = """
MERGE INTO {shared.org_chat_access} AS stored
USING (SELECT @kind AS kind, @version AS version) AS given
ON stored.org_slug = @org_slug AND stored.kind = given.kind AND stored.version = given.version
WHEN NOT MATCHED BY TARGET THEN
  INSERT (access_id, org_slug, kind, version, body, is_active, changed_by, created_at)
  VALUES (@access_id, @org_slug, given.kind, given.version, @body, TRUE, @user_id, @now)
WHEN NOT MATCHED BY SOURCE
  AND stored.org_slug = @org_slug AND stored.kind = @kind AND stored.is_active AND stored.version < @version THEN
  UPDATE SET is_active = FALSE, updated_at = @now
"""
DELETE_SQL = """
DELETE FROM {shared.org_chat_access}
WHERE org_slug = @org_slug
"""

Make = Callable[[Access], BaseModel]


@dataclass(frozen=True, slots=True)
class AccessStore:
    """The only writer of org_chat_access."""

    settings: Settings
    directory: Directory
    warehouse: Warehouse
    secrets: ProviderKeys
    log: Log
    clock: Callable[[], datetime]

    async def add_issuer(self, principal: Principal, new: NewIssuer) -> StoredIssuer:
        """Register an issuer, in place of one of the same name. Raises Unprocessable for an address never asked."""
        try:
            new.check_address(loopback=not self.settings.environment.is_deployed)
        except ValueError as problem:
            raise Unprocessable(f"{problem}.") from None
        wrapped = None
        if new.secret is not None:
            secret = Secret(new.secret.get_secret_value())
            try:
                wrapped = await self.secrets.encrypt(principal.tenant, f"issuer:{new.issuer_id}", secret)
            finally:
                secret.drop()
        stored = new.stored(wrapped)

        def make(access: Access) -> Issuers:
            others = tuple(each for each in access.issuers.issuers if each.issuer != stored.issuer)
            if len(others) >= MAX_ISSUERS:
                raise BadRequest(f"An organisation has at most {MAX_ISSUERS} issuers. Remove one first.")
            return Issuers(issuers=(*others, stored))

        await self.change(principal, "issuers", make)
        return stored

    async def remove_issuer(self, principal: Principal, issuer_id: str) -> None:
        """Remove an issuer: its tokens are refused from now on. Raises NotFound."""

        def make(access: Access) -> Issuers:
            others = tuple(each for each in access.issuers.issuers if each.issuer_id != issuer_id)
            if len(others) == len(access.issuers.issuers):
                raise NotFound("There is no issuer of this id. GET /settings/issuers lists them.")
            return Issuers(issuers=others)

        await self.change(principal, "issuers", make)

    async def set_member(self, principal: Principal, user_id: str, member: Member) -> None:
        """Give a person a role of the organisation's own, or block them."""
        if user_id == principal.user_id:
            raise BadRequest("Nobody changes their own role here. Ask another administrator.")

        def make(access: Access) -> Members:
            members = access.members.members | {user_id: member}
            if len(members) > MAX_MEMBERS:
                raise BadRequest(f"At most {MAX_MEMBERS} people have a role of their own. Remove one first.")
            return Members(members=members)

        await self.change(principal, "members", make)

    async def remove_member(self, principal: Principal, user_id: str) -> None:
        """Let the token alone say again what a person may do. Raises NotFound."""

        def make(access: Access) -> Members:
            if user_id not in access.members.members:
                raise NotFound("Nothing is set of this person.")
            return Members(members={key: each for key, each in access.members.members.items() if key != user_id})

        await self.change(principal, "members", make)

    async def change(self, principal: Principal, kind: Kind, make: Make, version: int | None = None) -> Access:
        """Store what ``make`` makes of the access as it is, and return the access that serves from now on.

        Raises AccessChanged where somebody else was first, or where ``version`` is not the one that is in force.
        """
        tenant = principal.tenant
        organization = await self.directory.renew(tenant)
        if organization is None:
            raise NotFound("There is no such organisation.")
        old = organization.access.version(kind)
        if version is not None and version != old:
            raise AccessChanged
        body = make(organization.access).model_dump_json()
        given = {
            "access_id": Parameter("STRING", uuid.uuid4().hex),
            "kind": Parameter("STRING", kind),
            "version": Parameter("INT64", old + 1),
            "body": Parameter("STRING", body),
            "user_id": Parameter("STRING", principal.user_id),
            "now": Parameter("TIMESTAMP", self.clock()),
        }
        async with self.directory.forgotten_on_failure(tenant):
            if not await write(self.warehouse, tenant, CHANGE_SQL, given):
                raise AccessChanged
        self.log.info(
            "access.changed", org=principal.org_slug, user_id=principal.user_id, changed=kind, version=str(old + 1)
        )
        served = await self.directory.renew(tenant)
        if served is None:
            raise NotFound("There is no such organisation.")
        return served.access

    async def delete(self, tenant: Tenant) -> int:
        """Delete all that an organisation that leaves has said of its access, and return how many rows that were."""
        return await write(self.warehouse, tenant, DELETE_SQL, {})
