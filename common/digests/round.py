"""A round over the digests that are due: each period is told exactly once, however many rounds run or are killed.

The notices of a digest and its next moment are one commit, on the condition that the digest has not changed since it
was read. A digest that missed several periods is told of each of them, one a round.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from typing_extensions import TypedDict

from common.digests.digest import Digest
from common.digests.digests import digest_path, due_note
from common.digests.summary import DigestQuestion, DigestText, compose
from common.documents import Delete, Document, DocumentConflict, Documents, Patch, Sort, Where
from common.errors import ServiceError, Unavailable
from common.notices.destination import Destination
from common.notices.destinations import Destinations
from common.notices.notice import Notice
from common.notices.outbox import notice_writes
from common.notices.paths import DIGESTS_DUE
from common.organizations.directory import Directory
from common.stopping import told_to_stop
from common.telemetry.log import Log, place_of
from common.tenant import OrgSlug, Principal, Tenant, UserId
from common.tools.result import ToolError
from common.warehouse.client import QueryRefused, Warehouse

ROUND_SECONDS = 300.0
AT_ONCE = 10


class DigestReport(TypedDict):
    """The counts of a round."""

    sent: int
    failed: int


class DigestRound:
    """Sends the digests that are due, for the scheduler."""

    def __init__(
        self,
        documents: Documents,
        directory: Directory,
        warehouse: Warehouse,
        destinations: Destinations,
        log: Log,
        clock: Callable[[], datetime],
    ) -> None:
        self._documents = documents
        self._directory = directory
        self._warehouse = warehouse
        self._destinations = destinations
        self._log = log
        self._clock = clock

    async def run(self) -> DigestReport:
        """Send what is due, for at most ``ROUND_SECONDS``. Raises DocumentsUnavailable."""
        report, until = DigestReport(sent=0, failed=0), time.monotonic() + ROUND_SECONDS
        stop = asyncio.Event()
        where = (Where("next_at", "<=", self._clock()),)
        order = (Sort("next_at"), Sort("__name__"))
        after = None
        with told_to_stop(stop.set):
            while not stop.is_set() and time.monotonic() < until:
                page = await self._documents.query(DIGESTS_DUE, where=where, order=order, after=after, limit=AT_ONCE)
                for ended in await asyncio.gather(*(self._one(each) for each in page)):
                    report["sent"] += ended is True
                    report["failed"] += ended is None
                if len(page) < AT_ONCE:
                    break
                # What failed stays due, and others come after it.
                after = (page[-1].data["next_at"], page[-1].path.rpartition("/")[2])
        return report

    async def _one(self, note: Document) -> bool | None:
        """Send one digest. Returns None where that failed; it holds no other one up, and is due in the next round."""
        org_slug, digest_id = OrgSlug(note.data["org_slug"]), note.data["digest_id"]
        try:
            return await self._send(org_slug, digest_id, note)
        except DocumentConflict:
            # Another round did it meanwhile, or the digest is gone.
            return False
        except (QueryRefused, Unavailable) as error:
            self._log.error("digest.failed", org=org_slug, message_id=digest_id, code=error.code)
        except Exception as error:
            names = {"message_id": digest_id, "code": ServiceError.code, "error_class": type(error).__name__}
            self._log.error("digest.failed", org=org_slug, **names, stage=place_of(error))
        return None

    async def _send(self, org_slug: OrgSlug, digest_id: str, note: Document) -> bool:
        tenant = self._directory.tenant(org_slug)
        path = digest_path(tenant, digest_id)
        found = await self._directory.look_up(tenant, None, (path,))
        document = found.documents[path]
        if document is None:
            await self._documents.commit([Delete(note.path, note.updated_at)])
            return False
        digest, now = Digest.of(document), self._clock()
        if digest.next_at > now:
            return False
        current, previous = digest.schedule.periods(digest.next_at)
        after = replace(digest, next_at=digest.schedule.next_after(digest.next_at))
        writes = [due_note(org_slug, after)]
        to = await self._told(tenant, digest)
        active = found.organization is not None and found.organization.profile.is_active
        # Another schedule may come to a period that was sent already.
        is_sent = bool(to and active) and digest.last_period != str(current)
        if is_sent:
            after = replace(after, last_sent_at=now, last_period=str(current))
            principal = Principal(tenant, UserId(f"digest:{digest_id}"), "digest")
            asked = DigestQuestion(digest.name, current, previous, digest.team, digest.filters)
            try:
                said = await compose(self._warehouse, principal, asked, now, found.calendar)
            except ToolError as error:
                said = DigestText(digest.name, f"This summary could not be made: {error.message}", (), {})
            notice = Notice(
                notice_id=f"digest-{digest_id}-{digest.schedule.cadence}-{current.start}", kind="digest",
                title=said.title, text=said.text, facts=said.facts, details=said.details, occurred_at=now,
            )  # fmt: skip
            writes = [*writes, *notice_writes(tenant, notice, to, now)]  # type: ignore[list-item]
        await self._documents.commit([Patch(path, after.data, digest.version), *writes])
        if is_sent:
            self._log.info("digest.sent", org=org_slug, message_id=digest_id)
        return is_sent

    async def _told(self, tenant: Tenant, digest: Digest) -> list[Destination]:
        """The destinations to tell: all that are active, or of those that the digest names and no others."""
        found = await self._destinations.active(tenant)
        return [each for each in found if not digest.destinations or each.destination_id in digest.destinations]
