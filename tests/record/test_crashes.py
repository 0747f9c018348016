"""kill -9 at the worst moments: what a client was told is kept, nothing is doubled, and the next try succeeds."""

import asyncio
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress

import httpx
import pytest

from common import limits
from tests.conversations.conftest import Product, Row, delays
from tests.conversations.processes import SHORT_LEASE, Nursery, Process, process

LONGER_LEASE = 20.0


@pytest.fixture
def other(product: Product, nursery: Nursery) -> Iterator[Process]:
    """The functions in a process of their own, for the same user."""
    with process(nursery, product.user) as running:
        yield running


def wait(holds: Callable[[], object], seconds: float = 200) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


def check(product: Product, conversation_id: str, texts: list[str]) -> None:
    """The conversation holds exactly these texts, in Firestore and on the record, and the outbox nothing."""
    stored = product.stored(conversation_id)
    assert [message["content"] for message in stored] == texts
    assert [message["sequence"] for message in stored] == list(range(len(texts)))
    rows = product.record("org_chat_messages", conversation_id)
    assert [row["content"] for row in rows] == texts
    assert len({row["message_id"] for row in rows}) == len(texts)
    (row,) = product.record("org_chat_conversations", conversation_id)
    assert row["message_count"] == len(texts)
    assert product.outbox(conversation_id) == {}
    print(f"{len(stored)} messages in Firestore, {len(rows)} on the record, none doubled, none missing")


def synced(other: Process) -> None:
    while True:
        report = other.post("/sync").json()
        assert report["status"] == "ok", report
        if not report["remaining"] or not report["written"]:
            return


def sent(other: Process, **body: str) -> Row:
    response = other.post("/send", body)
    assert response.status_code == 200, response.text
    answer: Row = response.json()
    return answer


def sent_at_last(other: Process, seconds: float = 120, **body: str) -> Row:
    """The answer, from a client that sends again for as long as the conversation is busy or nothing answers."""
    deadline = time.monotonic() + seconds
    while True:
        with suppress(httpx.TransportError):
            response = other.post("/send", body)
            if response.status_code == 200:
                answer: Row = response.json()
                return answer
            assert response.status_code in (409, 503), response.text
        assert time.monotonic() < deadline, f"no answer within {seconds:g} s"
        time.sleep(0.2)


def test_a_crash_while_an_answer_is_said(product: Product, nursery: Nursery) -> None:
    # Its lease outlasts the start of the next process, on a slow machine too.
    with process(nursery, product.user, lease=LONGER_LEASE) as other:
        _crash_while_an_answer_is_said(product, other)


def _crash_while_an_answer_is_said(product: Product, other: Process) -> None:
    conversation_id = sent(other, message="first")["conversation_id"]
    message_id = uuid.uuid4().hex
    body = {"message": "hold on", "conversation_id": conversation_id, "message_id": message_id}
    other.post_aside("/stream", body)
    wait(lambda: len(product.stored(conversation_id)) == 3 and other.said().count("model.asked") == 2)
    other.again()
    refused = other.post("/send", {"message": "second", "conversation_id": conversation_id})
    assert (refused.status_code, refused.json()["code"]) == (409, "conversation_busy")
    assert 1 <= int(refused.headers["retry-after"]) <= max(LONGER_LEASE, limits.BUSY_RETRY_SECONDS)
    answer = sent_at_last(other, 6 * LONGER_LEASE, message="second", conversation_id=conversation_id)
    assert answer["response"] == "echo: second"
    synced(other)
    check(product, conversation_id, ["first", "echo: first", "hold on", "second", "echo: second"])


def test_a_crash_after_the_question_was_stored_and_a_retry(product: Product, other: Process) -> None:
    conversation_id = sent(other, message="first")["conversation_id"]
    body = {"message": "again", "conversation_id": conversation_id, "message_id": uuid.uuid4().hex}
    product.firestore.reset()
    product.firestore.delay("Commit", 1.5)
    other.post_aside("/send", body)
    # The second commit, that of the answer, is on its way.
    wait(lambda: product.firestore.calls()["Commit"] == 2)
    other.kill()
    product.firestore.reset()
    assert len(product.stored(conversation_id)) == 3
    other.start()
    assert sent(other, **body)["response"] == "echo: again"
    synced(other)
    check(product, conversation_id, ["first", "echo: first", "again", "echo: again"])


def test_a_crash_after_the_answer_was_stored_and_before_it_was_said(product: Product, other: Process) -> None:
    conversation_id = sent(other, message="first")["conversation_id"]
    body = {"message": "again", "conversation_id": conversation_id, "message_id": uuid.uuid4().hex}
    product.firestore.reset()
    product.firestore.delay("Commit", 0.3)
    other.post_aside("/send", body)
    wait(lambda: product.firestore.calls()["Commit"] == 2)
    other.pause()
    wait(lambda: len(product.stored(conversation_id)) == 4)
    other.kill()
    product.firestore.reset()
    other.start()
    asked = other.said().count("model.asked")
    assert sent(other, **body)["response"] == "echo: again"
    assert other.said().count("model.asked") == asked
    synced(other)
    check(product, conversation_id, ["first", "echo: first", "again", "echo: again"])


def _before(product: Product, other: Process) -> None:
    product.firestore.delay("RunQuery", 0.5)
    other.post_aside("/sync")
    wait(lambda: product.firestore.calls()["RunQuery"])


def _during(product: Product, other: Process) -> None:
    before = delays(product.cloud, query=0.3)["counts"].get("query", 0)
    other.post_aside("/sync")
    wait(lambda: delays(product.cloud)["counts"]["query"] > before)


def _after(product: Product, other: Process) -> None:
    product.firestore.delay("Commit", 0.3)
    other.post_aside("/sync")
    # The first commit takes the lease; the second one removes what is written.
    wait(lambda: product.firestore.calls()["Commit"] >= 2)


@pytest.mark.parametrize("moment", [_before, _during, _after], ids=["before", "during", "after"])
def test_a_crash_of_sync_around_the_bigquery_call(
    product: Product, other: Process, moment: Callable[[Product, Process], None]
) -> None:
    synced(other)
    ids = [sent(other, message=f"question {index}")["conversation_id"] for index in range(3)]
    product.firestore.reset()
    moment(product, other)
    other.kill()
    product.firestore.reset()
    delays(product.cloud, query=0)
    other.start()
    wait(lambda: other.post("/sync").json().get("remaining") == 0)
    for index, conversation_id in enumerate(ids):
        check(product, conversation_id, [f"question {index}", f"echo: question {index}"])


def test_firestore_being_down_refuses_and_loses_nothing(product: Product, other: Process) -> None:
    conversation_id = sent(other, message="first")["conversation_id"]
    for method in ("BatchGetDocuments", "Commit"):
        product.firestore.fail(method, "DATA_LOSS", times=1)
        body = {"message": "lost?", "conversation_id": conversation_id, "message_id": uuid.uuid4().hex}
        refused = other.post("/send", body)
        assert (refused.status_code, refused.json()["code"]) == (503, "session_store_unavailable")
        assert refused.headers["retry-after"]
        assert sent(other, **body)["response"] == "echo: lost?"
    synced(other)
    check(product, conversation_id, ["first", "echo: first", *["lost?", "echo: lost?"] * 2])


def test_the_key_service_being_down_refuses_before_anything_is_stored(product: Product, other: Process) -> None:
    conversation_id = sent(other, message="first")["conversation_id"]
    product.kms.fail("Decrypt", "INTERNAL", times=1)
    refused = other.post("/send", {"message": "refused", "conversation_id": conversation_id})
    assert (refused.status_code, refused.json()["code"]) == (503, "key_service_unavailable")
    assert sent(other, message="second", conversation_id=conversation_id)["response"] == "echo: second"
    synced(other)
    check(product, conversation_id, ["first", "echo: first", "second", "echo: second"])


def test_clocks_a_minute_apart_keep_the_order(product: Product, other: Process, nursery: Nursery) -> None:
    conversation_id = sent(other, message="ahead")["conversation_id"]
    with process(nursery, product.user, later=-60.0) as behind:
        for index in range(3):
            sent(behind, message=f"behind {index}", conversation_id=conversation_id)
            sent(other, message=f"ahead {index}", conversation_id=conversation_id)
        synced(behind)
    texts = ["ahead", *(f"{who} {index}" for index in range(3) for who in ("behind", "ahead"))]
    check(product, conversation_id, [text for question in texts for text in (question, f"echo: {question}")])


def test_clocks_five_minutes_apart_neither_end_a_lease_nor_make_it_longer(
    product: Product, other: Process, nursery: Nursery
) -> None:
    conversation_id = sent(other, message="first")["conversation_id"]
    for later in (300.0, -300.0):
        with process(nursery, product.user, later=later) as another:
            held = other.post_aside("/send", {"message": f"hold {later}", "conversation_id": conversation_id})
            wait(lambda: product.stored(conversation_id)[-1]["content"].startswith("hold"))
            busy = another.post("/send", {"message": "too early", "conversation_id": conversation_id})
            assert busy.status_code == 409
            assert other.post(f"/conversations/{conversation_id}/cancel", {}).status_code == 200
            held.join(120)
            # One that is killed holds the others up for its lease, whatever their clocks say.
            another.post_aside("/send", {"message": f"hold on {later}", "conversation_id": conversation_id})
            wait(lambda: product.stored(conversation_id)[-1]["content"].startswith("hold on"))
            another.kill()
            sent_at_last(other, 40 * SHORT_LEASE, message=f"after {later}", conversation_id=conversation_id)
            wait(lambda: other.post("/sync").json().get("remaining") == 0)
    texts = ["first", "echo: first"]
    for later in (300.0, -300.0):
        texts += [f"hold {later}", "echo: ", f"hold on {later}", f"after {later}", f"echo: after {later}"]
    check(product, conversation_id, texts)


@pytest.mark.parametrize("same", [True, False], ids=["retried", "another message"])
def test_an_instance_that_stood_still_neither_answers_twice_nor_replaces_an_answer(
    product: Product, other: Process, nursery: Nursery, same: bool
) -> None:
    conversation_id = sent(other, message="first")["conversation_id"]
    body = {"message": "slow", "conversation_id": conversation_id, "message_id": uuid.uuid4().hex}
    late: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: late.append(other.post("/send", body)))
    asked = other.said().count("model.asked")
    asking.start()
    wait(lambda: other.said().count("model.asked") > asked)
    other.pause()
    with process(nursery, product.user) as another:
        message = body if same else {"message": "meanwhile", "conversation_id": conversation_id}
        answer = sent_at_last(another, **message)
        other.go_on()
        asking.join(120)
        (woken,) = late
        if same:
            assert (woken.status_code, woken.json()["message_id"]) == (200, answer["message_id"])
            texts = ["first", "echo: first", "slow", "echo: slow"]
        else:
            # Its lease was taken over: it answers after the other message, or says that it does not.
            assert woken.status_code in (200, 409), woken.text
            texts = ["first", "echo: first", "slow", "meanwhile", "echo: meanwhile"]
            texts += ["echo: slow"] if woken.status_code == 200 else []
        wait(lambda: another.post("/sync").json().get("remaining") == 0)
    check(product, conversation_id, texts)


async def test_a_client_that_goes_away_stops_the_model_at_once(product: Product, other: Process) -> None:
    async with httpx.AsyncClient(base_url=other.url, headers=other.headers, timeout=120) as client:
        request = client.build_request("POST", "/api/v1/chat/acme_inc/stream", json={"message": "hold on"})
        response = await client.send(request, stream=True)
        conversation_id = ""
        async for line in response.aiter_lines():
            if '"conversation_id"' in line:
                conversation_id = line.split('"conversation_id": "')[1].split('"')[0]
            if "echo" in line:
                break
        await response.aclose()
    # Sooner than a heartbeat would find out.
    await asyncio.to_thread(wait, lambda: "model.closed" in other.said(), limits.HEARTBEAT_SECONDS - 3)
    await asyncio.to_thread(wait, lambda: len(product.stored(conversation_id)) == 2)
    question, answer = product.stored(conversation_id)
    assert (question["content"], answer["content"], answer["status"]) == ("hold on", "echo: ", "cancelled")
    assert product.reference(conversation_id).get().to_dict()["lease"] is None


def test_a_broken_stream_and_a_send_of_the_same_message_are_one(product: Product, other: Process) -> None:
    conversation_id = sent(other, message="first")["conversation_id"]
    body = {"message": "same", "conversation_id": conversation_id, "message_id": uuid.uuid4().hex}
    with httpx.stream(
        "POST", f"{other.url}/api/v1/chat/acme_inc/stream", json=body, headers=other.headers, timeout=120
    ) as response:
        next(response.iter_bytes())
    sent(other, **body)
    synced(other)
    contents = [message["content"] for message in product.stored(conversation_id)]
    assert contents[:3] == ["first", "echo: first", "same"]
    assert len(contents) == 4
