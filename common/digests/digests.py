"""The digests of an organisation: list them, make and delete one, or read what one would say now."""

import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from typing_extensions import TypedDict

from common import limits
from common.digests.digest import Digest, DigestChange, DigestScope, NewDigest
from common.digests.schedule import Schedule
from common.digests.summary import DigestQuestion, compose
from common.documents import Create, Delete, Document, DocumentConflict, Documents, Patch, Put, Write
from common.errors import DestinationNotFound, DocumentsUnavailable, NotFound, Unprocessable
from common.focus.calendar import FiscalCalendar
from common.notices.destinations import Destinations
from common.notices.paths import DIGESTS_DUE
from common.tenant import OrgSlug, Principal, Tenant
from common.tools.result import ToolError
from common.warehouse.client import Warehouse

_TRIES = 5
_SCOPE = frozenset(DigestScope.model_fields)


class Preview(TypedDict):
    """The text of a digest, of the last period that is over."""

    title: str
    text: str
    details: dict[str, Any]


def digest_path(tenant: Tenant, digest_id: str) -> str:
    """The path of a digest's document."""
    return f"{_collection(tenant)}/{digest_id}"


def due_path(org_slug: OrgSlug, digest_id: str) -> str:
    """The path of the note that says when a digest is due."""
    return f"{DIGESTS_DUE}/{org_slug}:{digest_id}"


def due_note(org_slug: OrgSlug, digest: Digest) -> Put:
    """The write of the note that says when a digest is due."""
    data = {"org_slug": org_slug, "digest_id": digest.digest_id, "next_at": digest.next_at}
    return Put(due_path(org_slug, digest.digest_id), data)


@dataclass(frozen=True, slots=True)
class Digests:
    """Reads and changes them."""

    documents: Documents
    warehouse: Warehouse
    destinations: Destinations
    clock: Callable[[], datetime]

    async def all(self, tenant: Tenant) -> list[Digest]:
        """Return the digests, oldest first."""
        found = await self.documents.query(_collection(tenant), limit=2 * limits.MAX_DIGESTS)
        return sorted(map(Digest.of, found), key=lambda each: (each.created_at, each.digest_id))

    async def create(self, principal: Principal, new: NewDigest, calendar: FiscalCalendar) -> Digest:
        """Make a digest whose filters can be asked for. Raises Unprocessable or DestinationNotFound."""
        await self._check_destinations(principal.tenant, new.destinations)
        await self.preview(principal, new, calendar)
        now = self.clock()
        schedule = Schedule(new.cadence, new.weekday, new.day, new.hour, new.time_zone or calendar.zone)
        digest = Digest(
            uuid.uuid4().hex, new.name, schedule, new.team, tuple(new.filters), tuple(dict.fromkeys(new.destinations)),
            schedule.next_after(now), None, None, now, principal.user_id,
        )  # fmt: skip
        await self._add(principal.tenant, digest)
        return digest

    async def _add(self, tenant: Tenant, digest: Digest) -> None:
        """Store a digest, if there is room for it. Raises Unprocessable."""
        path, last = digest_path(tenant, digest.digest_id), f"orgs/{tenant.org_slug}/notices/last_digest"
        new = {"digest_id": digest.digest_id}
        # Each conflict is another digest that was made since they were counted.
        for _ in range(limits.MAX_DIGESTS + 1):
            found = await self.documents.get_all([last, path])
            known = found[last]
            if found[path] is not None:
                return  # Its commit was made, and the reply was lost.
            if await self.documents.count(_collection(tenant)) >= limits.MAX_DIGESTS:
                break
            note: Write = Create(last, new) if known is None else Patch(last, new, known.updated_at)
            with suppress(DocumentConflict):
                await self.documents.commit([Create(path, digest.data), due_note(tenant.org_slug, digest), note])
                return
        raise Unprocessable(f"The organisation has {limits.MAX_DIGESTS} digests, and may not have more. Delete one.")

    async def change(
        self, principal: Principal, digest_id: str, change: DigestChange, calendar: FiscalCalendar
    ) -> Digest:
        """Change a digest. Raises NotFound, DestinationNotFound, or Unprocessable for filters that cannot be asked for.

        A period that is due already is still sent; one that was sent is not sent again by another schedule.
        """
        given = change.given
        await self._check_destinations(principal.tenant, given.get("destinations", ()))
        for _ in range(_TRIES):
            before = Digest.of(await self._read(principal.tenant, digest_id))
            after = _changed(before, given, self.clock())
            if _SCOPE & given.keys():
                scope = {"cadence": after.schedule.cadence, "team": after.team, "filters": list(after.filters)}
                await self.preview(principal, DigestScope.model_validate(scope), calendar)
            path = digest_path(principal.tenant, digest_id)
            try:
                await self.documents.commit(
                    [Patch(path, after.data, before.version), due_note(principal.org_slug, after)]
                )
            except DocumentConflict:
                continue
            return after
        raise DocumentsUnavailable("Several changes came at once. Try again shortly.")

    async def delete(self, principal: Principal, digest_id: str) -> None:
        """Remove a digest. Raises NotFound."""
        path = (await self._read(principal.tenant, digest_id)).path
        await self.documents.commit([Delete(path), Delete(due_path(principal.org_slug, digest_id))])

    async def preview(self, principal: Principal, asked: DigestScope, calendar: FiscalCalendar) -> Preview:
        """Return what a digest would say of the last period that is over. Raises Unprocessable."""
        now = self.clock()
        zone = asked.time_zone if isinstance(asked, NewDigest) else None
        current, previous = Schedule(asked.cadence, "monday", 1, 0, zone or calendar.zone).periods(now)
        name = asked.name if isinstance(asked, NewDigest) else f"{asked.cadence.capitalize()} summary"
        try:
            question = DigestQuestion(name, current, previous, asked.team, asked.filters)
            summary = await compose(self.warehouse, principal, question, now, calendar)
        except ToolError as error:
            raise Unprocessable(error.message) from None
        return Preview(title=summary.title, text=summary.text, details=dict(summary.details))

    async def _read(self, tenant: Tenant, digest_id: str) -> Document:
        path = digest_path(tenant, digest_id)
        document = (await self.documents.get_all([path]))[path]
        if document is None:
            raise NotFound("There is no such digest. The list of digests has their ids.")
        return document

    async def _check_destinations(self, tenant: Tenant, destination_ids: Iterable[str]) -> None:
        known = {each.destination_id for each in await self.destinations.all(tenant)}
        if not known.issuperset(destination_ids):
            raise DestinationNotFound


def _changed(digest: Digest, given: Mapping[str, Any], now: datetime) -> Digest:
    """The digest with what was given in place of what it had."""
    names = {"cadence", "weekday", "day", "hour"}
    schedule = replace(digest.schedule, **{name: given[name] for name in names & given.keys()})
    schedule = replace(schedule, zone=given.get("time_zone", schedule.zone))
    is_kept = schedule == digest.schedule or digest.next_at <= now
    return replace(
        digest,
        name=given.get("name", digest.name),
        schedule=schedule,
        team=given.get("team", digest.team),
        filters=tuple(given.get("filters", digest.filters)),
        destinations=tuple(dict.fromkeys(given.get("destinations", digest.destinations))),
        next_at=digest.next_at if is_kept else schedule.next_after(now),
    )


def _collection(tenant: Tenant) -> str:
    return f"orgs/{tenant.org_slug}/digests"
