"""The destinations of an organisation: one Firestore document, changed on the condition that nobody else did."""

import base64
import secrets
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from common import limits
from common.documents import Create, DocumentConflict, Documents, Patch, Write
from common.errors import DestinationNotFound, DestinationsFull, DocumentsUnavailable, KeyInvalid, Unprocessable
from common.notices.destination import Address, Destination, DestinationChange, NewDestination, check_address
from common.notices.paths import destinations_path
from common.organizations.provider_key import ProviderKeys
from common.settings import Settings
from common.telemetry.log import Log
from common.tenant import Principal, Tenant

OLD_SECRET_HOURS = 24
_TRIES = 5

Found = dict[str, Destination]


@dataclass(frozen=True, slots=True)
class Destinations:
    """Reads and changes them. Secrets are wrapped by KMS for their organisation and destination."""

    settings: Settings
    documents: Documents
    keys: ProviderKeys
    log: Log
    clock: Callable[[], datetime]

    async def all(self, tenant: Tenant) -> list[Destination]:
        """Return the destinations, oldest first."""
        return sorted((await self._read(tenant))[0].values(), key=lambda each: (each.created_at, each.destination_id))

    async def active(self, tenant: Tenant) -> list[Destination]:
        """Return the destinations that notices are sent to."""
        return [each for each in await self.all(tenant) if each.active]

    async def read(self, tenant: Tenant, destination_id: str) -> Destination:
        """Return a destination. Raises DestinationNotFound."""
        found, _ = await self._read(tenant)
        return _named(found, destination_id)

    async def open(self, tenant: Tenant, destination: Destination) -> Address:
        """Return the address of a destination that has one. Raises KeyInvalid or KeyServiceUnavailable."""
        async with self.keys.opened(tenant, _credential(destination.destination_id), destination.sealed) as opened:
            return Address.read(opened)

    async def create(self, principal: Principal, new: NewDestination) -> tuple[Destination, str | None]:
        """Make a destination, and return it with the secret of a webhook, which is shown this once.

        Raises Unprocessable for an address that is never asked, DestinationsFull where there may be no more.
        """
        if new.kind == "email" and self.settings.smtp_host is None:
            raise Unprocessable("Mail is not set up here. Ask the operator of the platform, or choose another kind.")
        now, destination_id = self.clock(), uuid.uuid4().hex
        host, sealed, secret = "", b"", None
        if new.url is not None:
            secret = _new_secret() if new.kind == "webhook" else None
            address = Address(new.url.get_secret_value(), secret)
            host, sealed = await self._seal(principal.tenant, destination_id, address)
        made = Destination(
            destination_id, new.kind, new.name, host, tuple(new.recipients or ()), sealed,
            active=True, off_reason=None, created_at=now, created_by=principal.user_id, updated_at=now,
        )  # fmt: skip

        def add(found: Found) -> Found:
            if len(found) >= limits.MAX_DESTINATIONS:
                raise DestinationsFull
            return {**found, destination_id: made}

        await self._change(principal.tenant, add)
        self._note(principal, destination_id, "created")
        return made, secret

    async def change(self, principal: Principal, destination_id: str, change: DestinationChange) -> Destination:
        """Change a destination. Raises DestinationNotFound, or Unprocessable for what its kind does not have."""
        destination = await self.read(principal.tenant, destination_id)
        if (change.url is not None and destination.kind == "email") or (
            change.recipients is not None and destination.kind != "email"
        ):
            raise Unprocessable(f"A destination of kind {destination.kind} has no such address.")
        changes: dict[str, object] = {"updated_at": self.clock()}
        if change.url is not None:
            url = change.url.get_secret_value()
            # Only a webhook has a secret of ours, which stays.
            is_signed = destination.kind == "webhook"
            address = replace(await self._opened(principal, destination), url=url) if is_signed else Address(url)
            changes["host"], changes["sealed"] = await self._seal(principal.tenant, destination_id, address)
        if change.name is not None:
            changes["name"] = change.name
        if change.recipients is not None:
            changes["recipients"] = tuple(change.recipients)
        if change.active is not None:
            changes |= {"active": change.active, "off_reason": None}
        changed = await self._replace(principal.tenant, destination_id, changes)
        self._note(principal, destination_id, "changed")
        return changed

    async def rotate(self, principal: Principal, destination_id: str) -> str:
        """Give a webhook a new secret, and return it; the one before signs too for ``OLD_SECRET_HOURS``."""
        destination = await self.read(principal.tenant, destination_id)
        if destination.kind != "webhook":
            raise Unprocessable("Only a destination of kind webhook has a secret of ours. Change its url instead.")
        now, secret = self.clock(), _new_secret()
        before = await self._opened(principal, destination)
        address = Address(before.url, secret, before.secret, now + timedelta(hours=OLD_SECRET_HOURS))
        _, sealed = await self._seal(principal.tenant, destination_id, address)
        await self._replace(principal.tenant, destination_id, {"sealed": sealed, "updated_at": now})
        self._note(principal, destination_id, "rotated")
        return secret

    async def delete(self, principal: Principal, destination_id: str) -> None:
        """Remove a destination. Raises DestinationNotFound."""

        def remove(found: Found) -> Found:
            _named(found, destination_id)
            return {key: each for key, each in found.items() if key != destination_id}

        await self._change(principal.tenant, remove)
        self._note(principal, destination_id, "deleted")

    async def switch_off(self, tenant: Tenant, destination_id: str, reason: str) -> None:
        """Send nothing there from now on, because the receiver asked for it; one that is gone stays gone."""
        changes = {"active": False, "off_reason": reason, "updated_at": self.clock()}
        try:
            await self._replace(tenant, destination_id, changes)
        except DestinationNotFound:
            return
        self.log.warning("destination.off", org=tenant.org_slug, destination_id=destination_id, code=reason)

    async def _opened(self, principal: Principal, destination: Destination) -> Address:
        try:
            return await self.open(principal.tenant, destination)
        except KeyInvalid:
            raise Unprocessable("Its secret cannot be opened any more. Delete it, and make a new one.") from None

    async def _seal(self, tenant: Tenant, destination_id: str, address: Address) -> tuple[str, bytes]:
        try:
            host = check_address(address.url, loopback=self.settings.local_destinations)
        except ValueError as problem:
            raise Unprocessable(f"{problem}.") from None
        secret = address.sealed()
        try:
            return host, await self.keys.encrypt(tenant, _credential(destination_id), secret)
        finally:
            secret.drop()

    async def _replace(self, tenant: Tenant, destination_id: str, changes: Mapping[str, object]) -> Destination:
        def change(found: Found) -> Found:
            return {**found, destination_id: replace(_named(found, destination_id), **changes)}  # type: ignore[arg-type]

        return (await self._change(tenant, change))[destination_id]

    async def _change(self, tenant: Tenant, change: Callable[[Found], Found]) -> Found:
        """Store what ``change`` makes of the destinations as they are, however many others change them as well."""
        path = destinations_path(tenant)
        for _ in range(_TRIES):
            found, version = await self._read(tenant)
            changed = change(found)
            data = {"destinations": {key: each.data for key, each in changed.items()}}
            write: Write = Create(path, data) if version is None else Patch(path, data, version)
            try:
                await self.documents.commit([write])
            except DocumentConflict:
                continue
            return changed
        raise DocumentsUnavailable("Several changes came at once. Try again shortly.")

    async def _read(self, tenant: Tenant) -> tuple[Found, datetime | None]:
        path = destinations_path(tenant)
        document = (await self.documents.get_all([path]))[path]
        return destinations_of(document.data if document else None), document.updated_at if document else None

    def _note(self, principal: Principal, destination_id: str, changed: str) -> None:
        self.log.info(
            "destination.changed",
            org=principal.org_slug,
            user_id=principal.user_id,
            destination_id=destination_id,
            changed=changed,
        )


def destinations_of(data: Mapping[str, object] | None) -> Found:
    """The destinations that the organisation's document holds, by their ids."""
    stored = data["destinations"] if data else {}
    assert isinstance(stored, Mapping)
    return {key: Destination.of(key, each) for key, each in stored.items()}


def _named(found: Found, destination_id: str) -> Destination:
    if destination_id not in found:
        raise DestinationNotFound
    return found[destination_id]


def _credential(destination_id: str) -> str:
    return f"destination:{destination_id}"


def _new_secret() -> str:
    """A secret of the form that Standard Webhooks names: 32 random bytes."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
