"""Eventarc on one machine: each finalised object is posted to the subscriber, again and again until it takes it."""

import threading
import urllib.error
import urllib.request
import uuid
from datetime import UTC, datetime
from json import dumps
from queue import Empty, SimpleQueue
from typing import Any

FINALIZED = "google.cloud.storage.object.v1.finalized"
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
TRIES = 20
DELIVERY_SECONDS = 600.0


class Deliveries:
    """A queue of events and the thread that posts them; events of before there was a subscriber wait for it."""

    def __init__(self) -> None:
        self.subscriber: str | None = None
        self._events: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="storage-events", daemon=True)
        self._thread.start()

    def finalized(self, resource: dict[str, Any]) -> None:
        """Tell that an object has its bytes."""
        self._events.put(resource)

    def stop(self) -> None:
        """End the thread; what was not delivered is lost, as nothing of the cloud would be."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                resource = self._events.get(timeout=0.5)
            except Empty:
                continue
            # Each on a thread of its own: Eventarc delivers several at a time, in no order.
            threading.Thread(target=self._deliver, args=(resource, uuid.uuid4().hex), daemon=True).start()

    def _deliver(self, resource: dict[str, Any], event_id: str) -> None:
        pause = FIRST_PAUSE_SECONDS
        for _ in range(TRIES):
            if self.subscriber is not None and _post(self.subscriber, resource, event_id):
                return
            if self._stopped.wait(pause):
                return
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def _post(url: str, resource: dict[str, Any], event_id: str) -> bool:
    headers = {
        "Content-Type": "application/json",
        "ce-specversion": "1.0",
        "ce-id": event_id,
        "ce-type": FINALIZED,
        "ce-source": f"//storage.googleapis.com/projects/_/buckets/{resource['bucket']}",
        "ce-subject": f"objects/{resource['name']}",
        "ce-time": datetime.now(UTC).isoformat(),
    }
    request = urllib.request.Request(url, dumps(resource).encode(), headers)  # noqa: S310  # the operator's own address
    try:
        with urllib.request.urlopen(request, timeout=DELIVERY_SECONDS):  # noqa: S310
            return True
    except (urllib.error.URLError, OSError):
        return False
