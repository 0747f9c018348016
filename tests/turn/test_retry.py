"""The same message sent twice: one question, one answer, one call of the model, whoever is first."""

import asyncio
import uuid
from typing import Any

import pytest

from common import limits
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


async def test_a_retry_of_an_attempt_that_fails_is_told_to_try_again(serving: Serving) -> None:
    model = ScriptedModel([say("first"), RuntimeError("boom"), say("third time")])
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
    told = await second
    assert (told.status_code, told.json()["code"]) == (409, "conversation_busy")
    assert told.headers["retry-after"]
    assert (await product.send("fails", **body)).json()["response"] == "third time "
    assert len(product.messages(conversation_id)) == 4


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
