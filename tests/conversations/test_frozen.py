"""An instance gets no processor once its response is over: what belongs to a turn is done before."""

import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.conversations.conftest import Product
from tests.conversations.processes import Nursery, Process, process

PATIENCE = 120.0


@pytest.fixture
def other(product: Product, nursery: Nursery) -> Iterator[Process]:
    # A lease that was not given back would still hold at the end of the test.
    with process(nursery, product.user, lease=600.0) as running:
        yield running


def wait(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


async def test_what_a_client_that_left_has_heard_is_stored_before_its_request_is_over(
    product: Product, other: Process
) -> None:
    conversation_id = other.post("/send", {"message": "first"}).json()["conversation_id"]
    path = "/api/v1/chat/acme_inc/stream"
    body = {"message": "hold on", "conversation_id": conversation_id}
    with httpx.stream("POST", other.url + path, json=body, headers=other.headers, timeout=PATIENCE) as answer:
        assert answer.status_code == 200
        pieces = answer.iter_text()
        heard = ""
        while "echo" not in heard:
            heard += next(pieces)
        # What is stored is stored at the fifth try.
        product.firestore.fail("Commit", "UNAVAILABLE", times=4)
    wait(lambda: f"request.over {path}" in other.said())
    other.pause()
    product.firestore.reset()
    stored = product.stored(conversation_id)
    assert [(message["content"], message["status"]) for message in stored][3:] == [("echo: ", "cancelled")]
    # And the conversation is free: another instance answers at once.
    assert (await product.send("next", conversation_id=conversation_id))["response"]
    other.go_on()
