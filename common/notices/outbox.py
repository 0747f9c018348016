"""The outbox of deliveries: what is to be sent, as documents written in the same commit as what it tells of."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from common import limits
from common.documents import Create, Put, Write
from common.notices.delivery import delivery_id_of
from common.notices.destination import Destination
from common.notices.notice import Notice
from common.notices.paths import delivery_path, due_path
from common.tenant import Tenant


def notice_writes(
    tenant: Tenant, notice: Notice, to: Sequence[Destination], now: datetime, at: datetime | None = None
) -> list[Write]:
    """Return the writes that have a notice delivered: two for each destination, for a commit of the caller's.

    It is delivered at once, or not before ``at``.
    The commit raises DocumentConflict where the notice was stored for one of the destinations before.
    """
    writes: list[Write] = []
    for destination in to:
        delivery_id = delivery_id_of(tenant.org_slug, notice.notice_id, destination.destination_id)
        data = {
            "notice": notice.stored(),
            "notice_id": notice.notice_id,
            "destination_id": destination.destination_id,
            "destination_name": destination.name,
            "destination_kind": destination.kind,
            "state": "waiting",
            "attempts": 0,
            "error": None,
            "created_at": now,
            "delivered_at": None,
            "next_at": at or now,
            "until": (at or now) + timedelta(hours=limits.DELIVERY_HOURS),
            "claimed_until": None,
            "expire_at": now + timedelta(days=limits.DELIVERY_DAYS),
        }
        due = {"org_slug": tenant.org_slug, "delivery_id": delivery_id, "due_at": at or now, "attempt": 1, "again": 0}
        writes += [Create(delivery_path(tenant, delivery_id), data), Put(due_path(tenant, delivery_id), due)]
    return writes
