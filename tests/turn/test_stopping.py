"""SIGTERM to a server of the functions-framework: turns end within seconds, and the conversation goes on at once."""

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
from google.cloud import firestore

from common import stopping
from common.turn.progress import STOPPED
from tests.api.conftest import free_port
from tests.conftest import PROJECT, Cloud
from tests.turn.conftest import ACME

ROOT = Path(__file__).parents[2]
STARTS_WITHIN = 60.0


@contextmanager
def framework(cloud: Cloud) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The slow function as it is served when it is deployed."""
    port = free_port()
    command = [str(Path(sys.executable).parent / "functions-framework"), "--target", "send", "--port", str(port)]
    environment = {**os.environ, **cloud.environment, "PYTHONPATH": str(ROOT)}
    server = subprocess.Popen(
        [*command, "--source", str(Path(__file__).parent / "slow_function.py")],
        cwd=ROOT,
        env=environment,
        start_new_session=True,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + STARTS_WITHIN
        while True:
            try:
                httpx.options(url, timeout=5)
                break
            except httpx.TransportError:
                assert server.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield server, url
    finally:
        # Its workers are processes of their own, which a master that is killed leaves behind.
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def wait_for_question(documents: firestore.Client, message_id: str) -> None:
    """Wait until a question is stored."""
    deadline = time.monotonic() + 200
    while not any(entry.id.endswith(message_id) for entry in documents.collection("outbox").list_documents()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_turn_of_a_minute_ends_within_seconds_and_is_answered_again(cloud: Cloud) -> None:
    documents = firestore.Client(project=PROJECT)
    message_id = uuid.uuid4().hex
    with framework(cloud) as (server, url), httpx.Client(timeout=120, headers=ACME) as client:
        body = {"message": "first", "message_id": uuid.uuid4().hex}
        conversation_id = client.post(url, json=body).json()["conversation_id"]
        body = {"message": "slow", "conversation_id": conversation_id, "message_id": message_id}
        waiting: list[httpx.Response] = []
        other_body = {"message": "slow too", "message_id": uuid.uuid4().hex}
        other = threading.Thread(
            target=lambda: waiting.append(httpx.post(url, json=other_body, headers=ACME, timeout=120))
        )
        other.start()
        with client.stream("POST", url, json=body, headers={"Accept": "text/event-stream"}) as response:
            lines = response.iter_lines()
            assert any("event: token" in line for line in lines)
            wait_for_question(documents, other_body["message_id"])
            server.send_signal(signal.SIGTERM)
            told = time.monotonic()
            rest = "\n".join(lines)
            # By itself, it would take a minute.
            assert time.monotonic() - told < 30
        assert '"code": "restarting"' in rest
        other.join(60)
        assert (waiting[0].status_code, waiting[0].json()["code"]) == (503, "restarting")
        server.wait(stopping.STOP_SERVER_SECONDS + 15 - (time.monotonic() - told))
    conversation = documents.document(f"orgs/acme_inc/conversations/{conversation_id}")
    stored = [each.to_dict() or {} for each in conversation.collection("messages").order_by("sequence").stream()]
    assert [message["status"] for message in stored] == ["complete", "complete", "complete", "failed"]
    assert stored[3]["content"].startswith("0")
    assert STOPPED in stored[3]["content"]
    with framework(cloud) as (server, url), httpx.Client(timeout=120, headers=ACME) as client:
        again = client.post(url, json={"message": "next", "conversation_id": conversation_id})
        assert (again.status_code, again.json()["response"]) == (200, "next")
        with client.stream("POST", url, json=body, headers={"Accept": "text/event-stream"}) as response:
            assert any("event: token" in line for line in response.iter_lines())
    documents.close()
