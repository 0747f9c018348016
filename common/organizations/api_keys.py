"""API keys made and revoked: the writer of org_api_keys. A key is shown to its maker alone; its SHA-256 is stored."""

import secrets
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from common.errors import BadRequest, NotFound
from common.organizations.directory import Directory
from common.organizations.organization import hash_api_key
from common.organizations.statements import labels_of, write
from common.secret import Secret
from common.tenant import Permission, Tenant
from common.warehouse.client import Warehouse
from common.warehouse.query import Parameter, fixed

# By the prefix a scanner of secrets knows a key that was pushed somewhere.
KEY_PREFIX = "cak_"
KEY_BYTES = 32

LIST_SQL = """
SELECT org_api_key_id, org_api_key_name, org_api_key_hash, scopes, is_active, expires_at, created_at, last_used_at
FROM {shared.org_api_keys}
WHERE org_slug = @org_slug
ORDER BY created_at DESC, org_api_key_id
LIMIT 500
"""
CREATE_SQL = """
INSERT INTO {shared.org_api_keys} (
  org_api_key_id, org_slug, org_api_key_hash, org_api_key_name, scopes, is_active, expires_at, created_at
)
VALUES (@org_api_key_id, @org_slug, @key_hash, @name, @scopes, TRUE, @expires_at, @now)
"""
REVOKE_SQL = """
UPDATE {shared.org_api_keys}
SET is_active = FALSE
WHERE org_slug = @org_slug AND is_active AND org_api_key_id IN UNNEST(@ids)
"""
REVOKE_ALL_SQL = """
UPDATE {shared.org_api_keys}
SET is_active = FALSE
WHERE org_slug = @org_slug AND is_active
"""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key as an operator wants it: its name, its scopes and when it ends, None for never."""

    name: str
    scopes: frozenset[Permission]
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class ApiKeys:
    """The writer of org_api_keys. A revoked key is refused at once where Firestore holds its copy."""

    directory: Directory
    warehouse: Warehouse
    clock: Callable[[], datetime]

    async def stored(self, tenant: Tenant) -> tuple[dict[str, Any], ...]:
        """Return the organisation's keys, newest first, without the keys themselves; at most 500."""
        return (await self.warehouse.look_up(fixed(tenant, LIST_SQL), labels=labels_of(tenant))).rows

    async def create(self, tenant: Tenant, wanted: NewKey) -> tuple[str, Secret]:
        """Make a key and return its id and the key itself, which nothing holds afterwards.

        Raises BadRequest where an active key has the name.
        """
        now = self.clock()
        for key in await self.stored(tenant):
            if key["org_api_key_name"] == wanted.name and serves(key, now):
                raise BadRequest(
                    f"An active key is named {wanted.name} already: {key['org_api_key_id']}. "
                    "Revoke it first, or choose another name."
                )
        key_id, text = uuid.uuid4().hex, f"{KEY_PREFIX}{secrets.token_urlsafe(KEY_BYTES)}"
        given = {
            "org_api_key_id": Parameter("STRING", key_id),
            "key_hash": Parameter("STRING", hash_api_key(text)),
            "name": Parameter("STRING", wanted.name),
            "scopes": Parameter("STRING", tuple(sorted(wanted.scopes))),
            "expires_at": Parameter("TIMESTAMP", wanted.expires_at),
            "now": Parameter("TIMESTAMP", now),
        }
        await write(self.warehouse, tenant, CREATE_SQL, given)
        return key_id, Secret(text)

    async def revoke(self, tenant: Tenant, key_id: str) -> bool:
        """Revoke a key, and return whether it was active. Raises NotFound for a key of no such id."""
        known = [key for key in await self.stored(tenant) if key["org_api_key_id"] == key_id]
        if not known:
            raise NotFound(f"{tenant.org_slug} has no key {key_id}.")
        revoked = await write(self.warehouse, tenant, REVOKE_SQL, {"ids": Parameter("STRING", (key_id,))})
        # Also of one that was revoked before: a revocation that was cut short may have left its copy.
        await self._forget(known)
        return revoked > 0

    async def revoke_all(self, tenant: Tenant) -> int:
        """Revoke every key of the organisation, and return how many were active."""
        revoked = await write(self.warehouse, tenant, REVOKE_ALL_SQL, {})
        await self._forget(await self.stored(tenant))
        return revoked

    async def _forget(self, keys: Sequence[Mapping[str, Any]]) -> None:
        await self.directory.forget_keys([key["org_api_key_hash"] for key in keys])


def serves(key: Mapping[str, Any], now: datetime) -> bool:
    """Return true if a listed key is accepted now."""
    return bool(key["is_active"]) and (key["expires_at"] is None or key["expires_at"] > now)
