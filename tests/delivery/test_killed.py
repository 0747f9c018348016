"""A process that is killed (SIGKILL) while it queues or makes a delivery: the receiver gets the notice all the same."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from common.documents import Patch
from common.notices.destination import NewDestination
from common.notices.notice import Notice
from common.notices.paths import delivery_path, due_path
from common.services import Services
from common.settings import load_settings
from common.tenant import OrgSlug, Principal, UserId
from local.emulators.process import EmulatorProcess
from local.emulators.rpc import SeamsClient
from local.emulators.tasks import TasksEmulator
from local.emulators.tasks.queue import Queues
from tests.delivery.receiver import Receiver
from tests.killable import Killable

PROJECT = "local-dev-project"


@pytest.fixture(scope="module")
def emulated() -> Iterator[dict[str, str]]:
    with EmulatorProcess(PROJECT, services=["bigquery", "firestore", "kms"]) as emulators:
        yield emulators.environment


@pytest.fixture
def worker(emulated: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Killable, TasksEmulator]]:
    tasks = TasksEmulator(queues=Queues(first_pause=0.05))
    tasks.start()
    environment = {
        **emulated, "GCP_PROJECT_ID": PROJECT, "ENVIRONMENT": "test", "LOCAL_DESTINATIONS": "true",
        "DELIVER_QUEUE": "projects/p/locations/l/queues/q", "CLOUD_TASKS_EMULATOR_HOST": tasks.url,
    }  # fmt: skip
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    worker = Killable("deliver", environment)
    worker._environment["DELIVER_URL"] = f"{worker.url}/"
    worker.start()
    yield worker, tasks
    worker.kill()
    tasks.stop()


class Case:
    """One delivery that waits, and the worker that is to make it."""

    def __init__(self, worker: Killable, receiver: Receiver, seams: SeamsClient, task: dict[str, str]) -> None:
        self.worker, self.receiver, self.seams, self.task = worker, receiver, seams, task

    def ask(self, path: str) -> threading.Thread:
        def post() -> None:
            try:
                httpx.post(f"{self.worker.url}{path}", json=self.task, timeout=120)
            except httpx.TransportError:
                return

        asking = threading.Thread(target=post, daemon=True)
        asking.start()
        return asking

    def wait_for_commit(self) -> None:
        """Wait until the worker waits for a commit, which does not come to an end."""
        deadline = datetime.now(UTC) + timedelta(seconds=120)
        while not self.seams.calls()["Commit"]:
            assert datetime.now(UTC) < deadline
            threading.Event().wait(0.02)

    def in_its_claim(self) -> None:
        self.seams.delay("Commit", 600)
        self.ask("/")
        self.wait_for_commit()

    def while_the_receiver_holds_it(self) -> None:
        self.receiver.answering.clear()
        self.ask("/")
        assert self.receiver.arrived.acquire(timeout=120)

    def before_it_is_recorded(self) -> None:
        self.while_the_receiver_holds_it()
        self.seams.reset()
        self.seams.delay("Commit", 600)
        self.receiver.answering.set()
        self.wait_for_commit()

    def in_a_round(self) -> None:
        self.seams.delay("Commit", 600)
        self.ask("/due")
        self.wait_for_commit()


POINTS: tuple[Callable[[Case], None], ...] = (
    Case.in_its_claim, Case.while_the_receiver_holds_it, Case.before_it_is_recorded, Case.in_a_round,
)  # fmt: skip


@pytest.mark.parametrize("point", POINTS, ids=lambda point: str(point.__name__))
async def test_a_notice_arrives_although_the_process_was_killed(
    worker: tuple[Killable, TasksEmulator], emulated: dict[str, str], point: Callable[[Case], None]
) -> None:
    process, _ = worker
    receiver, services = Receiver(), Services(load_settings())
    seams = SeamsClient(emulated["FIRESTORE_EMULATOR_HOST"])
    org = f"killed_{point.__name__}"[:40]
    principal = Principal(services.directory.tenant(OrgSlug(org)), UserId("ada"), "k1")
    try:
        body: Any = {"name": "hook", "kind": "webhook", "url": receiver.url}
        await services.destinations.create(principal, NewDestination(**body))
        notice = Notice(notice_id="n1", kind="digest", title="t", text="t", occurred_at=datetime.now(UTC))
        (delivery_id,) = await services.notices.send(principal.tenant, notice)
        case = Case(process, receiver, seams, {"org_slug": org, "delivery_id": delivery_id})
        seams.reset()
        await asyncio.to_thread(point, case)
        process.kill()
        seams.reset()
        receiver.answering.set()
        process.start()
        # The claim runs out, and the note is due: both are a matter of minutes.
        long_ago = datetime.now(UTC) - timedelta(minutes=30)
        await services.documents.commit([
            Patch(delivery_path(principal.tenant, delivery_id), {"claimed_until": long_ago}),
            Patch(due_path(principal.tenant, delivery_id), {"due_at": long_ago}),
        ])  # fmt: skip
        async with asyncio.timeout(120):
            while (await services.notices.deliveries(principal.tenant, "n1"))[0].state != "delivered":
                await asyncio.to_thread(httpx.post, f"{process.url}/due", timeout=120)
                await asyncio.sleep(0.1)
        sent = len(receiver.got)
        assert 1 <= sent <= (2 if point in POINTS[1:3] else 1)
        assert {each.headers["webhook-id"] for each in receiver.got} == {f"msg_{delivery_id}"}
        again = await asyncio.to_thread(httpx.post, f"{process.url}/", json=case.task, timeout=120)
        assert (again.json()["state"], len(receiver.got)) == ("delivered", sent)
    finally:
        seams.reset()
        seams.close()
        receiver.stop()
        await services.close()
