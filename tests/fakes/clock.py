"""A clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta

from google.cloud import firestore
from google.cloud.firestore_v1.base_query import FieldFilter


class Clock:
    """A clock that a test moves; it does not tick by itself."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        self.now += timedelta(**by)

    def come_back(self, documents: firestore.Client) -> None:
        """Delete what was dated so far ahead that no sync finds it: other tests wait for an empty outbox."""
        now = datetime.now(UTC)
        if self.now > now + timedelta(minutes=1):
            dated = FieldFilter("next_try_at", ">", now + timedelta(minutes=1))
            for entry in documents.collection("outbox").where(filter=dated).stream():
                entry.reference.delete()
