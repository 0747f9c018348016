"""A delivery: one notice on its way to one destination, with what became of it."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Self

from pydantic import Field
from typing_extensions import TypedDict

from common.bodies import Body
from common.documents import Document
from common.notices.notice import Notice
from common.tenant import OrgSlug, parse_org_slug

DeliveryState = Literal["waiting", "delivered", "failed"]


class DeliveryTask(Body):
    """The body of a task: which delivery of which organisation is to be tried."""

    org_slug: str = Field(pattern=r"^[a-z0-9_]{3,50}$")
    delivery_id: str = Field(pattern=r"^[0-9a-f]{32}$")

    @property
    def slug(self) -> OrgSlug:
        """The organisation's slug."""
        return parse_org_slug(self.org_slug)


class ShownDelivery(TypedDict):
    """A delivery as people read it: who was told of what and when, or why not."""

    delivery_id: str
    notice_id: str
    kind: str
    title: str
    destination_id: str
    destination_name: str
    destination_kind: str
    state: str
    attempts: int
    error: str | None
    created_at: str
    delivered_at: str | None
    next_at: str | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery as it is stored. ``error`` is the code of the last failure, ``next_at`` when it is tried again.

    ``claimed_until`` is the time that the process has which makes it; after ``until`` it is not tried again;
    ``updated_at`` is Firestore's.
    """

    delivery_id: str
    notice: Notice
    destination_id: str
    destination_name: str
    destination_kind: str
    state: DeliveryState
    attempts: int
    error: str | None
    created_at: datetime
    delivered_at: datetime | None
    next_at: datetime | None
    claimed_until: datetime | None
    until: datetime
    updated_at: datetime

    @classmethod
    def of(cls, document: Document) -> Self:
        """The delivery that a document of Firestore holds."""
        data = document.data
        return cls(
            delivery_id=document.path.rsplit("/", 1)[1],
            notice=Notice.read(data["notice"]),
            updated_at=document.updated_at,
            **{name: data[name] for name in cls.__slots__ if name not in ("delivery_id", "notice", "updated_at")},
        )

    def shown(self) -> ShownDelivery:
        """Return the delivery as people read it."""
        return ShownDelivery(
            delivery_id=self.delivery_id,
            notice_id=self.notice.notice_id,
            kind=self.notice.kind,
            title=self.notice.title,
            destination_id=self.destination_id,
            destination_name=self.destination_name,
            destination_kind=self.destination_kind,
            state=self.state,
            attempts=self.attempts,
            error=self.error,
            created_at=self.created_at.isoformat(),
            delivered_at=self.delivered_at.isoformat() if self.delivered_at else None,
            next_at=self.next_at.isoformat() if self.next_at else None,
        )


def delivery_id_of(org_slug: OrgSlug, notice_id: str, destination_id: str) -> str:
    """The id of the one delivery of a notice to a destination."""
    said = json.dumps([org_slug, notice_id, destination_id])
    return hashlib.sha256(said.encode()).hexdigest()[:32]
