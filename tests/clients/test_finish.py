"""An answer that was cut or refused says so wherever it is read, and the next question's model is told of it."""

import json
import uuid
from dataclasses import replace
from typing import Any

import httpx
import pytest

from common.models.call import FinishReason
from common.models.completion import Reply
from tests.clients.conftest import HeldModel, Product, Serving
from tests.clients.runs import posted
from tests.clients.test_a2a import ask as ask_a2a
from tests.clients.test_a2a import only, resolved
from tests.fakes.scripted_model import ScriptedModel, say

CUT = "The three largest services are"


def ending(reason: FinishReason) -> Reply:
    return replace(say(CUT), finish_reason=reason)


async def send(product: Product, **body: Any) -> dict[str, Any]:
    async with httpx.AsyncClient(timeout=120, headers=product.headers()) as client:
        response = await client.post(product.address("send"), json={"message": "Which are they?", **body})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def get(product: Product, path: str) -> Any:
    async with httpx.AsyncClient(timeout=120, headers=product.headers()) as client:
        response = await client.get(product.address(path))
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.parametrize("finish", ["length", "refused", "stop"])
async def test_an_answers_end_is_in_json_stored_in_history_export_and_record(
    serving: Serving, finish: FinishReason
) -> None:
    product: Product = await serving(ScriptedModel([ending(finish)]))
    answer = await send(product)
    assert answer["finish"] == finish
    conversation_id = answer["conversation_id"]
    _, stored = product.messages(conversation_id)
    assert (stored["finish"], stored["status"], stored["content"].strip()) == (finish, "complete", CUT)
    history = await get(product, f"conversations/{conversation_id}/messages")
    assert [message["finish"] for message in history["messages"]] == [None, finish]
    exported = await get(product, f"conversations/{conversation_id}/export")
    assert [message["finish"] for message in exported["messages"]] == [None, finish]
    await product.forget(conversation_id)
    recorded = await get(product, f"conversations/{conversation_id}/messages")
    assert [message["finish"] for message in recorded["messages"]] == [None, finish]


@pytest.mark.parametrize("finish", ["length", "refused", "stop"])
async def test_an_answers_end_is_in_done_and_said_again_to_a_retry(serving: Serving, finish: FinishReason) -> None:
    product: Product = await serving(ScriptedModel([ending(finish)]))
    body = {"message": "Which are they?", "message_id": uuid.uuid4().hex}
    ends = []
    async with httpx.AsyncClient(timeout=120, headers=product.headers()) as client:
        for _ in range(2):
            text = (await client.post(product.address("stream"), json=body)).text
            ends.append(json.loads(text.split("event: done\ndata: ", 1)[1].split("\n", 1)[0]))
    assert [end["finish"] for end in ends] == [finish, finish]
    assert len(product.model.calls) == 1


async def test_an_answers_end_is_in_the_state_and_result_of_an_agui_run(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel([ending("length")]))
    response = await posted(product, messages=[{"id": "m1", "role": "user", "content": "Which are they?"}])
    events = [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]
    deltas = [patch for event in events if event["type"] == "STATE_DELTA" for patch in event["delta"]]
    assert {"op": "replace", "path": "/finish", "value": "length"} in deltas
    assert events[-1]["result"]["finish"] == "length"


async def test_an_answers_end_is_in_the_metadata_of_an_a2a_message(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel([ending("length")]))
    async with httpx.AsyncClient(headers=product.headers(), timeout=120) as http:
        card = only(await resolved(http, product.url), "1.0")
        answer = await ask_a2a(http, card, "Which are they?")
    assert answer.metadata["finish"] == "length"


async def test_the_next_questions_model_is_told_that_the_answer_was_cut(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel([ending("length"), say("Go on."), say("Go on.")]))
    first = await send(product)
    await send(product, conversation_id=first["conversation_id"])
    told = [message["content"] for message in product.model.calls[1].messages if message["role"] == "assistant"]
    assert len(told) == 1
    assert told[0].startswith(CUT)
    assert told[0].endswith("[This answer was cut off at the output limit; the rest was never said.]")
    await product.forget(first["conversation_id"])
    await send(product, conversation_id=first["conversation_id"])
    again = [message["content"] for message in product.model.calls[2].messages if message["role"] == "assistant"]
    assert again == [told[0], "Go on. "]


async def test_an_answer_that_its_reader_stopped_is_told_as_such(serving: Serving) -> None:
    product: Product = await serving(HeldModel([say("one two"), say("fine")]))
    conversation_id = ""
    async with (
        httpx.AsyncClient(timeout=120, headers=product.headers()) as client,
        client.stream("POST", product.address("stream"), json={"message": "Count."}) as response,
    ):
        async for line in response.aiter_lines():
            if line.startswith("data: ") and "conversation_id" in line:
                conversation_id = json.loads(line[6:])["conversation_id"]
            if line == "event: token":
                break
    await product.released(conversation_id)
    _, stored = product.messages(conversation_id)
    assert (stored["finish"], stored["status"]) == ("cancelled", "cancelled")
    await send(product, conversation_id=conversation_id)
    told = [message["content"] for message in product.model.calls[1].messages if message["role"] == "assistant"]
    assert told == ["one \n\n[The user stopped this answer here.]"]
