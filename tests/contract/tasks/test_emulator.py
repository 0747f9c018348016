"""Google's own client against the emulator of Cloud Tasks, and the product's one call beside it."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import tasks_v2
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksRestTransport

from common.errors import Unavailable
from common.queue import TaskQueue
from common.settings import load_settings
from local.emulators.tasks import TasksEmulator
from local.emulators.tasks.queue import Queues
from tests.delivery.receiver import Receiver

QUEUE = "projects/p/locations/l/queues/q"


@pytest.fixture
def emulator() -> Iterator[TasksEmulator]:
    emulator = TasksEmulator(queues=Queues(tries=3, first_pause=0.01))
    emulator.start()
    yield emulator
    emulator.stop()


@pytest.fixture
def client(emulator: TasksEmulator) -> tasks_v2.CloudTasksClient:
    host = emulator.url.removeprefix("http://")
    transport = CloudTasksRestTransport(host=host, credentials=AnonymousCredentials(), url_scheme="http")
    return tasks_v2.CloudTasksClient(transport=transport)


def task(receiver: Receiver, name: str, **more: Any) -> Any:
    request = {"url": receiver.url, "headers": {"Content-Type": "application/json"}, "body": b'{"a": 1}'}
    return {"name": f"{QUEUE}/tasks/{name}", "http_request": request, **more}


def test_a_task_is_handed_over_with_its_headers_and_then_gone(
    client: tasks_v2.CloudTasksClient, receiver: Receiver
) -> None:
    made = client.create_task(parent=QUEUE, task=task(receiver, "one"))
    assert (made.name, made.http_request.url) == (f"{QUEUE}/tasks/one", receiver.url)
    assert receiver.arrived.acquire(timeout=120)
    got = receiver.got[0]
    assert (got.body, got.headers["x-cloudtasks-taskname"]) == (b'{"a": 1}', "one")
    assert (got.headers["x-cloudtasks-queuename"], got.headers["x-cloudtasks-taskretrycount"]) == ("q", "0")
    wait_for(lambda: not list(client.list_tasks(parent=QUEUE)))
    with pytest.raises(exceptions.NotFound):
        client.get_task(name=made.name)
    # Its name stays taken.
    with pytest.raises(exceptions.Conflict):
        client.create_task(parent=QUEUE, task=task(receiver, "one"))
    assert len(receiver.got) == 1


def test_a_failure_is_tried_again_until_there_were_enough(
    client: tasks_v2.CloudTasksClient, receiver: Receiver
) -> None:
    receiver.status = 503
    client.create_task(parent=QUEUE, task=task(receiver, "failing"))
    for _ in range(3):
        assert receiver.arrived.acquire(timeout=120)
    wait_for(lambda: not list(client.list_tasks(parent=QUEUE)))
    assert [each.headers["x-cloudtasks-taskretrycount"] for each in receiver.got] == ["0", "1", "2"]


def test_a_task_waits_for_its_time_and_can_be_deleted(client: tasks_v2.CloudTasksClient, receiver: Receiver) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    made = client.create_task(parent=QUEUE, task=task(receiver, "later", schedule_time=later))
    assert abs(moment(client.get_task(name=made.name)) - later.timestamp()) < 1
    client.delete_task(name=made.name)
    with pytest.raises(exceptions.NotFound):
        client.delete_task(name=made.name)
    soon = datetime.now(UTC) + timedelta(milliseconds=300)
    client.create_task(parent=QUEUE, task=task(receiver, "soon", schedule_time=soon))
    assert receiver.arrived.acquire(timeout=120)
    assert datetime.now(UTC) >= soon
    assert [each.headers["x-cloudtasks-taskname"] for each in receiver.got] == ["soon"]


def test_only_this_machine_is_called(client: tasks_v2.CloudTasksClient, receiver: Receiver) -> None:
    given = task(receiver, "elsewhere") | {"http_request": {"url": "https://example.com/"}}
    with pytest.raises(exceptions.BadRequest):
        client.create_task(parent=QUEUE, task=given)


async def test_the_products_call_makes_the_same_task(
    client: tasks_v2.CloudTasksClient, emulator: TasksEmulator, receiver: Receiver
) -> None:
    receiver.answering.clear()
    given = {"deliver_queue": QUEUE, "deliver_url": receiver.url, "cloud_tasks_emulator_host": emulator.url}
    queue = TaskQueue(load_settings().model_copy(update=given))
    later = datetime.now(UTC) + timedelta(hours=1)
    assert await queue.create("ours", {"delivery_id": "d1"}, later)
    assert not await queue.create("ours", {"delivery_id": "d1"})
    made = await asyncio.to_thread(client.get_task, name=f"{QUEUE}/tasks/ours")
    assert (made.http_request.url, made.http_request.headers["Content-Type"]) == (receiver.url, "application/json")
    assert abs(moment(made) - later.timestamp()) < 1
    await queue.create("now", {"delivery_id": "d2"})
    assert await asyncio.to_thread(receiver.arrived.acquire, timeout=120)
    assert receiver.got[0].body == b'{"delivery_id":"d2"}'
    emulator.stop()
    with pytest.raises(Unavailable):
        await queue.create("after", {})


def moment(made: Any) -> float:
    return float(made.schedule_time.timestamp())


def wait_for(holds: Any) -> None:
    waiting = threading.Event()
    for _ in range(1_000):
        if holds():
            return
        waiting.wait(0.02)
    raise AssertionError("it never came to that")
