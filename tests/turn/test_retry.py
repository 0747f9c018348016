"""The same message sent twice: one question, one answer, one call of the model, whoever is first."""

import asyncio
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.cloud import firestore

from common import limits
from common.transcript.ids import answer_id_for
from tests.fakes.scripted_model import ScriptedModel, say
from tests.turn.conftest import ACME, Product, Serving


async def test_a_retry_joins_the_answer_that_is_under_way(serving: Serving) -> None:
    model = ScriptedModel([say("first"), say("slow")])
    product: Product = await serving(model)
    conversation_id = (await product.send()).json()["conversation_id"]
    model.gate = asyncio.Event()
    body = {"conversation_id": conversation_id, "message_id": uuid.uuid4().hex}
    first = asyncio.create_task(product.send("slow", **body))
    await product.leased(conversation_id)
    second = asyncio.create_task(product.send("slow", **body))
    streamed = asyncio.create_task(product.client.post("/stream", json={"message": "slow", **body}, headers=ACME))
    product.firestore.reset()
    while product.firestore.calls()["BatchGetDocuments"] < 4:  # noqa: ASYNC110  another process's state
        await asyncio.sleep(0.01)
    model.gate.set()
    answers = [(await task).json() for task in (first, second)]
    assert answers[0] == answers[1]
    assert f'"message_id": "{answers[0]["message_id"]}"' in (await streamed).text
    assert "event: done" in (await streamed).text
    assert len(model.calls) == 2
    assert len(product.messages(conversation_id)) == 4


async def test_the_same_message_many_times_at_once_asks_the_model_once(serving: Serving) -> None:
    for new in (True, False):
        model = ScriptedModel([say("once")])
        product: Product = await serving(model)
        body: dict[str, Any] = {"message_id": uuid.uuid4().hex}
        if not new:
            body["conversation_id"] = (await product.send()).json()["conversation_id"]
            model.calls.clear()
        responses = await asyncio.gather(*(product.send("same", **body) for _ in range(8)))
        assert {response.status_code for response in responses} == {200}
        assert len({response.json()["message_id"] for response in responses}) == 1
        assert len(model.calls) == 1
        stored = product.messages(responses[0].json()["conversation_id"])
        assert [message["content"] for message in stored][-2:] == ["same", "once "]
        assert len(stored) == (2 if new else 4)


async def test_a_retry_answers_by_itself_once_the_attempt_it_waited_for_has_failed(serving: Serving) -> None:
    model = ScriptedModel([say("first"), RuntimeError("boom"), say("second time")])
    product: Product = await serving(model)
    conversation_id = (await product.send()).json()["conversation_id"]
    model.gate = asyncio.Event()
    body = {"conversation_id": conversation_id, "message_id": uuid.uuid4().hex}
    first = asyncio.create_task(product.send("fails", **body))
    await product.leased(conversation_id)
    second = asyncio.create_task(product.send("fails", **body))
    product.firestore.reset()
    while product.firestore.calls()["BatchGetDocuments"] < 2:  # noqa: ASYNC110  another process's state
        await asyncio.sleep(0.01)
    model.gate.set()
    assert (await first).status_code == 500
    assert (await second).json()["response"] == "second time "
    assert [message["role"] for message in product.messages(conversation_id)] == ["user", "assistant"] * 2


async def test_a_retry_takes_over_from_an_attempt_that_is_silent(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LEASE_SECONDS", 2.0)
    product: Product = await serving(ScriptedModel([say("first"), say("taken over")]))
    conversation_id = (await product.send()).json()["conversation_id"]
    gone = product.documents.document(f"orgs/acme_inc/conversations/{conversation_id}")
    message_id = uuid.uuid4().hex
    begun = time.monotonic()
    gone.update({"lease": {"message_id": message_id, "holder": "gone"}, "leased_at": firestore.SERVER_TIMESTAMP})
    response = await product.send("again", conversation_id=conversation_id, message_id=message_id)
    assert response.json()["response"] == "taken over "
    assert 1.9 < time.monotonic() - begun < limits.JOIN_SECONDS


async def test_whoever_is_refused_is_told_whether_anything_is_being_answered(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LEASE_SECONDS", 3600.0)
    product: Product = await serving(ScriptedModel([say("first")]))
    conversation_id = (await product.send()).json()["conversation_id"]
    reference = product.documents.document(f"orgs/acme_inc/conversations/{conversation_id}")
    for silent, said, soonest, latest in (
        (0, "is being answered", limits.BUSY_RETRY_SECONDS, limits.BUSY_RETRY_SECONDS),
        (60, "there is no word of it any more", 3440, 3540),
    ):
        since = datetime.now(UTC) - timedelta(seconds=silent)
        reference.update({"lease": {"message_id": "another", "holder": "other"}, "leased_at": since})
        refused = await product.send(conversation_id=conversation_id)
        assert (refused.status_code, refused.json()["code"]) == (409, "conversation_busy")
        assert said in refused.json()["detail"]
        assert soonest <= int(refused.headers["retry-after"]) <= latest


async def test_a_turn_is_alive_for_as_long_as_it_runs(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    # However slow the machine is, it is renewed in time; and it would be over before the end of the test.
    monkeypatch.setattr(limits, "LEASE_SECONDS", 5.0)
    monkeypatch.setattr(limits, "LEASE_RENEW_SECONDS", 0.2)
    model = ScriptedModel([say("first"), say("slow")])
    product: Product = await serving(model)
    conversation_id = (await product.send()).json()["conversation_id"]
    model.gate = asyncio.Event()
    slow = asyncio.create_task(product.send("slow", conversation_id=conversation_id))
    await product.leased(conversation_id)
    product.firestore.reset()
    until = time.monotonic() + limits.LEASE_SECONDS + 1
    while product.firestore.calls()["Commit"] < 10 or time.monotonic() < until:
        assert (await product.send("now?", conversation_id=conversation_id)).status_code == 409
    # What else changes the conversation meanwhile does not end the lease.
    reference = product.documents.document(f"orgs/acme_inc/conversations/{conversation_id}")
    reference.update({"title": "renamed"})
    seen = product.firestore.calls()["Commit"]
    while product.firestore.calls()["Commit"] < seen + 3:  # noqa: ASYNC110  another process's state
        await asyncio.sleep(0.01)
    model.gate.set()
    assert (await slow).json()["response"] == "slow "
    assert product.conversation(conversation_id)["title"] == "renamed"


async def test_an_answer_that_another_instance_stored_is_said_instead_of_ones_own(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LEASE_RENEW_SECONDS", 3600.0)
    model = ScriptedModel([say("first"), say("mine")])
    product: Product = await serving(model)
    conversation_id = (await product.send()).json()["conversation_id"]
    model.gate = asyncio.Event()
    message_id = uuid.uuid4().hex
    body = {"conversation_id": conversation_id, "message_id": message_id}
    sent = asyncio.create_task(product.send("asked", **body))
    streamed = asyncio.create_task(product.client.post("/stream", json={"message": "asked", **body}, headers=ACME))
    await product.leased(conversation_id)
    # The holder is silent for long: another instance answers under the same id, and gives the lease back.
    reference = product.documents.document(f"orgs/acme_inc/conversations/{conversation_id}")
    answer_id = answer_id_for(conversation_id, message_id)
    first_answer = product.messages(conversation_id)[1]
    theirs = first_answer | {"message_id": answer_id, "content": "theirs", "sequence": 3}
    reference.collection("messages").document(answer_id).set(theirs)
    reference.update({"lease": None, "message_count": 4})
    model.gate.set()
    answer = (await sent).json()
    assert (answer["response"], answer["message_id"]) == ("theirs", answer_id)
    events = (await streamed).text
    assert events.rindex('"theirs"') > events.rindex("event: start")
    assert "event: done" in events
    assert product.messages(conversation_id)[3]["content"] == "theirs"


async def test_a_retry_waits_for_a_bounded_time(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "JOIN_SECONDS", 0.05)
    model = ScriptedModel([say("first"), say("slow")])
    product: Product = await serving(model)
    conversation_id = (await product.send()).json()["conversation_id"]
    model.gate = asyncio.Event()
    body = {"conversation_id": conversation_id, "message_id": uuid.uuid4().hex}
    first = asyncio.create_task(product.send("slow", **body))
    await product.leased(conversation_id)
    told = await product.send("slow", **body)
    assert (told.status_code, told.json()["code"]) == (409, "conversation_busy")
    model.gate.set()
    assert (await first).status_code == 200


async def test_a_commit_whose_reply_was_lost_is_found_again(serving: Serving) -> None:
    model = ScriptedModel([say("first"), say("second")])
    product: Product = await serving(model)
    conversation_id = (await product.send()).json()["conversation_id"]
    commit = product.services.documents.commit
    replies = 0

    async def repeated(writes):  # type: ignore[no-untyped-def]
        # What a client does when the connection breaks after the server has applied the commit.
        nonlocal replies
        replies += 1
        await commit(writes)
        return await commit(writes)

    product.services.documents.commit = repeated  # type: ignore[method-assign]
    response = await product.send("again", conversation_id=conversation_id)
    assert response.status_code == 200, response.text
    assert replies >= 2
    assert [message["content"] for message in product.messages(conversation_id)][2:] == ["again", "second "]
    assert product.conversation(conversation_id)["message_count"] == 4
