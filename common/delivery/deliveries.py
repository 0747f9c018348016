"""The work on deliveries: each is claimed, tried, and recorded as made, to be tried again, or ended without success.

A process that is killed leaves its claim, which runs out; the delivery is then tried again with the same message id. So
a receiver gets a notice at least once, and after its success was recorded never again.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from typing_extensions import TypedDict

from common import limits
from common.delivery.sender import Sender, Tried
from common.documents import Data, Delete, Document, DocumentConflict, Documents, Patch, Put, Sort, Where, Write
from common.errors import KeyServiceUnavailable, Unavailable
from common.notices.delivery import Delivery
from common.notices.destination import Destination
from common.notices.destinations import destinations_of
from common.notices.paths import DELIVERIES_DUE, alert_path, dead_path, delivery_path, destinations_path, due_path
from common.queue import TaskQueue
from common.record.outbox import alert_entry
from common.telemetry.log import Log, place_of
from common.tenant import Tenant

CLAIM_SECONDS = 90
ROUND_SECONDS = 60.0
# A task that was queued for so long without an end is queued anew, by another name.
QUEUED_MINUTES = 10
_PAGE = 300
_AT_ONCE = 20
_TRIES = len(limits.DELIVERY_PAUSES) + 1
_TAKEN = "This delivery is being made by another process."


class Enqueued(TypedDict):
    """The counts of one round of queueing."""

    status: str
    queued: int


class DeliveryReport(TypedDict):
    """The outcome of a delivery in one call."""

    state: str
    error: str | None


@dataclass(frozen=True, slots=True)
class Deliveries:
    """Queues the deliveries that are due, and makes one when its task calls."""

    documents: Documents
    queue: TaskQueue
    sender: Sender
    log: Log
    clock: Callable[[], datetime]

    async def enqueue(self) -> Enqueued:
        """Have a task made for each delivery that is due. Two at once make each task once, by its name.

        Raises Unavailable; what is not queued yet is queued by the next round.
        """
        queued, until = 0, time.monotonic() + ROUND_SECONDS
        while time.monotonic() < until:
            found = await self.documents.query(
                DELIVERIES_DUE, where=(Where("due_at", "<=", self.clock()),), order=(Sort("due_at"),), limit=_PAGE
            )
            for first in range(0, len(found), _AT_ONCE):
                made = await asyncio.gather(*map(self._enqueue, found[first : first + _AT_ONCE]))
                queued += sum(made)
            if len(found) < _PAGE:
                break
        return Enqueued(status="ok", queued=queued)

    async def _enqueue(self, note: Document) -> bool:
        data = note.data
        name = f"{data['org_slug']}-{data['delivery_id']}-{data['attempt']}-{data['again']}"
        made = await self.queue.create(name, {"org_slug": data["org_slug"], "delivery_id": data["delivery_id"]})
        later = {"due_at": self.clock() + timedelta(minutes=QUEUED_MINUTES), "again": data["again"] + 1}
        # It fails where another round queued it, or the delivery has been made.
        with suppress(DocumentConflict):
            await self.documents.commit([Patch(note.path, later, note.updated_at)])
        return made

    async def deliver(self, tenant: Tenant, delivery_id: str) -> DeliveryReport:
        """Try a delivery once, if it waits. Raises Unavailable where another process is at it, or ours fails."""
        try:
            return await self._deliver(tenant, delivery_id)
        except DocumentConflict:
            raise Unavailable(_TAKEN, retry_after=CLAIM_SECONDS) from None

    async def _deliver(self, tenant: Tenant, delivery_id: str) -> DeliveryReport:
        now, path = self.clock(), delivery_path(tenant, delivery_id)
        found = await self.documents.get_all([path, destinations_path(tenant)])
        document, kept = found[path], found[destinations_path(tenant)]
        delivery = Delivery.of(document) if document is not None else None
        if delivery is None or delivery.state != "waiting":
            await self.documents.commit([Delete(due_path(tenant, delivery_id))])
            return DeliveryReport(state=delivery.state if delivery else "unknown", error=None)
        if delivery.claimed_until is not None and delivery.claimed_until > now:
            raise Unavailable(_TAKEN, retry_after=CLAIM_SECONDS)
        if delivery.next_at is not None and delivery.next_at > now:
            return DeliveryReport(state="waiting", error=delivery.error)
        destination = destinations_of(kept.data if kept else None).get(delivery.destination_id)
        if destination is None or not destination.active:
            tried = Tried("destination_off" if destination else "destination_gone", again=False)
            return await self._ended(tenant, delivery, delivery.updated_at, delivery.attempts, tried)
        claim: Data = {"claimed_until": now + timedelta(seconds=CLAIM_SECONDS), "attempts": delivery.attempts + 1}
        (claimed_at,) = await self.documents.commit([Patch(path, claim, delivery.updated_at)])
        tried = await self._try(tenant, delivery, destination, path, claimed_at)
        return await self._ended(tenant, delivery, claimed_at, delivery.attempts + 1, tried)

    async def _try(
        self, tenant: Tenant, delivery: Delivery, destination: Destination, path: str, claimed_at: datetime
    ) -> Tried:
        try:
            return await self.sender.send(tenant, destination, delivery.notice, f"msg_{delivery.delivery_id}")
        except KeyServiceUnavailable:
            # Nothing was sent: it counts as no try, and the task comes again.
            given_back: Data = {"claimed_until": None, "attempts": delivery.attempts}
            await self.documents.commit([Patch(path, given_back, claimed_at)])
            raise
        except Exception as error:
            # It counts as a try: what cannot be sent is not sent without end.
            names = {"delivery_id": delivery.delivery_id, "error_class": type(error).__name__}
            self.log.error("delivery.failed", org=tenant.org_slug, **names, stage=place_of(error))
            return Tried("not_sent")

    async def _ended(
        self, tenant: Tenant, delivery: Delivery, version: datetime, attempts: int, tried: Tried
    ) -> DeliveryReport:
        """Record the outcome of a try, in one commit with what the alert's row says of it."""
        now = self.clock()
        delivered = tried.error is None or tried.error == "some_recipients_refused"
        again_at = now + _pause(attempts, tried.wait)
        is_tried_again = tried.again and attempts < _TRIES and again_at <= delivery.until
        state = "delivered" if delivered else "waiting" if is_tried_again else "failed"
        next_at = again_at if state == "waiting" else None
        change: Data = {
            "state": state, "error": tried.error, "next_at": next_at, "claimed_until": None,
            "delivered_at": now if delivered else None, "attempts": attempts,
        }  # fmt: skip
        path = delivery_path(tenant, delivery.delivery_id)
        writes: list[Write] = [Patch(path, change, version)]
        writes.append(self._next(tenant, delivery, attempts, next_at))
        if state == "failed" and not (tried.error or "").startswith("destination_"):
            dead = {
                "org_slug": tenant.org_slug,
                "at": now,
                "expire_at": now + timedelta(days=limits.DEAD_DELIVERY_DAYS),
            }
            writes.append(Put(dead_path(tenant, delivery.delivery_id), dead))
        if state == "waiting" or delivery.notice.kind != "alert":
            await self.documents.commit(writes)
        else:
            await self._with_alert(tenant, delivery, tried.error, now, writes, delivered=delivered)
        if tried.off:
            await self.sender.destinations.switch_off(tenant, delivery.destination_id, "gone")
        self._note(tenant, delivery, state, tried.error)
        return DeliveryReport(state=state, error=tried.error)

    def _next(self, tenant: Tenant, delivery: Delivery, attempts: int, next_at: datetime | None) -> Write:
        path = due_path(tenant, delivery.delivery_id)
        if next_at is None:
            return Delete(path)
        due: Data = {"org_slug": tenant.org_slug, "delivery_id": delivery.delivery_id, "due_at": next_at}
        return Put(path, {**due, "attempt": attempts + 1, "again": 0})

    async def _with_alert(
        self,
        tenant: Tenant,
        delivery: Delivery,
        error: str | None,
        now: datetime,
        writes: list[Write],
        *,
        delivered: bool,
    ) -> None:
        """Commit with the alert's row, which other deliveries and the evaluation change as well."""
        path, own = alert_path(tenant, delivery.notice.notice_id), delivery_path(tenant, delivery.delivery_id)
        for _ in range(_TRIES):
            found = await self.documents.get_all([path, own])
            alert, mine = found[path], found[own]
            if mine is None or mine.data["state"] != "waiting":
                return
            more: list[Write] = []
            if alert is not None:
                row = _told(alert.data["row"], delivery, error, now, delivered=delivered)
                more = [Patch(path, {"row": row}, alert.updated_at), alert_entry(row, now)]
            try:
                await self.documents.commit([*writes, *more])
            except DocumentConflict:
                continue
            return
        raise Unavailable("The alert is being changed. Try again shortly.")

    def _note(self, tenant: Tenant, delivery: Delivery, state: str, error: str | None) -> None:
        said: dict[str, Any] = {
            "org": tenant.org_slug, "delivery_id": delivery.delivery_id, "destination_id": delivery.destination_id,
            "status": state, "code": error,
        }  # fmt: skip
        if state == "failed":
            self.log.error("delivery.dead", **said)
        else:
            self.log.info("delivery.tried", **said)


def _pause(attempts: int, wait: int | None) -> timedelta:
    """The time until the next try: longer with each, and never shorter than the receiver asked for."""
    pause = timedelta(minutes=limits.DELIVERY_PAUSES[min(attempts, len(limits.DELIVERY_PAUSES)) - 1])
    return max(pause, timedelta(seconds=min(wait or 0, limits.RETRY_AFTER_MOST_SECONDS)))


def _told(row: Data, delivery: Delivery, error: str | None, now: datetime, *, delivered: bool) -> Data:
    """An alert's row with who was told of it and when, or that telling failed."""
    at = now.isoformat()
    if delivered:
        recipients = [*row["recipients"], f"{delivery.destination_kind}: {delivery.destination_name}"]
        sent = {"recipients": recipients, "recipient_count": len(recipients), "sent_at": row["sent_at"] or at}
        return {**row, **sent, "updated_at": at}
    failure = f"{delivery.destination_kind} {delivery.destination_name}: {error}"
    failures = "; ".join(each for each in (row["error_message"], failure) if each)
    return {**row, "error_message": failures, "updated_at": at}
