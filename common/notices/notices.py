"""Notices to an organisation's destinations: stored to be sent, once each, and what became of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from common import limits
from common.documents import DocumentConflict, Documents, Sort, Where, Write
from common.errors import NotFound
from common.notices.delivery import Delivery, delivery_id_of
from common.notices.destination import chosen
from common.notices.destinations import Destinations
from common.notices.notice import Notice, over_id
from common.notices.outbox import notice_writes
from common.notices.paths import alert_path, deliveries_path, is_alert_id
from common.tenant import Tenant


@dataclass(frozen=True, slots=True)
class Notices:
    """Stores notices for delivery, and reads what became of them."""

    documents: Documents
    destinations: Destinations
    clock: Callable[[], datetime]

    async def send(
        self, tenant: Tenant, notice: Notice, destination_ids: Sequence[str] = (), also: Sequence[Write] = ()
    ) -> list[str]:
        """Store a notice for these destinations, or for all active ones, in one commit with ``also``.

        Returns the ids of the deliveries; none, and nothing is written, where the notice was stored before.
        """
        found = await self.destinations.all(tenant)
        ids = chosen(found, destination_ids)
        to = [each for each in found if each.destination_id in ids]
        writes = [*also, *notice_writes(tenant, notice, to, self.clock())]
        try:
            if writes:
                await self.documents.commit(writes)
        except DocumentConflict:
            return []
        return [delivery_id_of(tenant.org_slug, notice.notice_id, each) for each in ids]

    async def deliveries(self, tenant: Tenant, notice_id: str) -> list[Delivery]:
        """Return who was told of a notice and when, or that telling failed."""
        of = (Where("notice_id", "==", notice_id),)
        found = await self.documents.query(deliveries_path(tenant), where=of, limit=limits.MAX_DESTINATIONS * 2)
        return sorted(map(Delivery.of, found), key=lambda each: (each.created_at, each.delivery_id))

    async def of_alert(self, tenant: Tenant, alert_history_id: str) -> list[Delivery]:
        """Return who was told that a rule fired, and that it was over. Raises NotFound where there is no such alert."""
        path = alert_path(tenant, alert_history_id)
        known = is_alert_id(alert_history_id) and (await self.documents.get_all([path], ()))[path] is not None
        if not known:
            raise NotFound("There is no such alert. alert_history lists them with their ids.")
        told = await self.deliveries(tenant, alert_history_id)
        return [*told, *await self.deliveries(tenant, over_id(alert_history_id))]

    async def sent_to(self, tenant: Tenant, destination_id: str, limit: int) -> list[Delivery]:
        """Return the deliveries to a destination, newest first."""
        found = await self.documents.query(
            deliveries_path(tenant),
            where=(Where("destination_id", "==", destination_id),),
            order=(Sort("created_at", descending=True),),
            limit=limit,
        )
        return [Delivery.of(each) for each in found]
