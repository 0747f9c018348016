"""Under load the record keeps up and the emulators' memory stays flat; sync is called once a minute, as scheduled."""

import os
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import pytest

from common import limits
from tests.conversations.conftest import Product
from tests.conversations.processes import Nursery, Process, process
from tests.local.test_memory import resident_mib

MINUTES = float(os.environ.get("SOAK_MINUTES", "20"))
# Four clients, each a turn a second: a load that two cores carry beside the clients themselves.
CLIENTS, PAUSE_SECONDS = 4, 1.0
OLDEST_SECONDS = 120
# What the last quarter of the time may add to the emulators' memory, once what they remember is full.
ALLOWED_MIB = 40


def talk(server: Process, over: threading.Event) -> int:
    """Hold one conversation after the other until it is over; return how many turns there were."""
    turns = 0
    while not over.is_set():
        body: dict[str, str] = {}
        for _ in range(20):
            if over.is_set():
                break
            answer = server.post("/send", {"message": f"turn {turns}", "message_id": uuid.uuid4().hex, **body})
            assert answer.status_code == 200, answer.text
            body = {"conversation_id": answer.json()["conversation_id"]}
            turns += 1
            over.wait(PAUSE_SECONDS)
    return turns


def sync_each_minute(server: Process, over: threading.Event) -> None:
    while not over.wait(60):
        with suppress(httpx.TransportError):
            server.post("/sync", timeout=120)


@pytest.mark.soak
def test_the_oldest_entry_is_never_older_than_two_minutes(product: Product, nursery: Nursery) -> None:
    oldest, sizes, over = [0], list[float](), threading.Event()
    with process(nursery, product.user, lease=limits.LEASE_SECONDS) as server, ThreadPoolExecutor(CLIENTS + 1) as pool:
        syncing = pool.submit(sync_each_minute, server, over)
        talking = [pool.submit(talk, server, over) for _ in range(CLIENTS)]
        until = time.monotonic() + 60 * MINUTES
        try:
            while time.monotonic() < until:
                time.sleep(5)
                ready = httpx.get(f"{server.url}/health/ready", timeout=30).json()
                oldest.append(ready["checks"]["outbox"]["oldest_seconds"])
                sizes.append(resident_mib(product.cloud.pid))
        finally:
            over.set()
        turns = sum(each.result() for each in talking)
        syncing.result()
    quarters = [max(sizes[at : at + len(sizes) // 4]) for at in range(0, len(sizes) - 3, len(sizes) // 4)]
    print(f"{turns} turns in {MINUTES:g} minutes; the oldest entry was {max(oldest)} s old")
    print("the emulators' memory by quarters of the time, MiB:", ", ".join(f"{size:.0f}" for size in quarters))
    assert max(oldest) <= OLDEST_SECONDS
    assert quarters[3] - quarters[2] <= ALLOWED_MIB
