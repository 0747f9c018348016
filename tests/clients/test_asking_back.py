"""A question that is asked back, at every door: an interrupt, a task that needs input, a data part, a line of text."""

import asyncio
import json
import re
import uuid
from typing import Any

import httpx
import pytest
from a2a.client import ClientConfig, ClientFactory
from a2a.helpers import get_data_parts, get_message_text, get_text_parts
from a2a.types import GetTaskRequest, TaskState

from tests.clients.conftest import Node, Product, Serving
from tests.clients.runs import CLIENTS, posted, run
from tests.clients.terminal import terminal
from tests.clients.test_a2a import only, resolved, told
from tests.clients.test_chat_completions import client as openai_client
from tests.clients.test_terminal import place
from tests.clients.test_ui_message import chat, of_type, text_of
from tests.fakes.scripted_model import ScriptedModel, call_tool, say

CHOICES = ["the team", "the service"]
ASK = call_tool("ask_user", "call_ask", question="Which Mobile?", choices=CHOICES)
TEXT = "Which Mobile?\n\n1. the team\n2. the service"
SCRIPT = [ASK, say("It costs 5."), say("Next.")]
ALL = ["Mobile?", TEXT, "the service", "It costs 5. "]


def result(product: Product) -> Any:
    """The result that the asking call got."""
    (found,) = [each for each in product.model.calls[1].messages if each["role"] == "tool"]
    return json.loads(found["content"])


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("answer", ["the service", ["the service"]])
async def test_an_agui_client_is_asked_by_an_interrupt(
    serving: Serving, node: Node, client: str, answer: str | list[str]
) -> None:
    product: Product = await serving(ScriptedModel(SCRIPT))
    interrupts = {"forwardedProps": {"interrupts": True}}
    resume = {"resume": [{"status": "resolved", "payload": {"answer": answer}}], **interrupts}
    seen = await run(node, product, client, {"say": "Mobile?", **interrupts}, resume, {"say": "And?"})
    assert [step["error"] for step in seen["steps"]] == [None, None, None]
    (interrupt,) = seen["steps"][0]["events"][-1]["outcome"]["interrupts"]
    assert (interrupt["reason"], interrupt["message"]) == ("input_required", "Which Mobile?")
    assert interrupt["metadata"] == {"choices": CHOICES, "multiple": False}
    assert interrupt["responseSchema"]["properties"]["answer"]["examples"] == CHOICES
    assert result(product) == {"answer": "the service", "choices": ["the service"]}
    stored = [each["content"] for each in product.messages(seen["threadId"])]
    assert stored == [*ALL, "And?", "Next. "]


@pytest.mark.parametrize("payload", [{"answer": ""}, {"answer": 5}, {"answer": []}, {"answer": "x", "approved": True}])
async def test_an_answer_of_another_form_is_refused(serving: Serving, payload: dict[str, Any]) -> None:
    product: Product = await serving(ScriptedModel(SCRIPT))
    said: dict[str, Any] = {
        "messages": [{"id": "1", "role": "user", "content": "?"}],
        "forwardedProps": {"interrupts": True},
    }
    said["threadId"] = str(uuid.uuid4())
    asked = await posted(product, **said)
    (interrupt,) = json.loads(asked.text.strip().split("\n\n")[-1].removeprefix("data: "))["outcome"]["interrupts"]
    resume = [{"interruptId": interrupt["id"], "status": "resolved", "payload": payload}]
    refused = await posted(product, resume=resume, **said)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_body")


@pytest.mark.parametrize("client", CLIENTS)
async def test_an_agui_client_may_dismiss_it_or_be_asked_in_words(serving: Serving, node: Node, client: str) -> None:
    product: Product = await serving(ScriptedModel(SCRIPT))
    interrupts = {"forwardedProps": {"interrupts": True}}
    seen = await run(
        node, product, client, {"say": "Mobile?", **interrupts}, {"resume": [{"status": "cancelled"}], **interrupts}
    )
    assert [step["error"] for step in seen["steps"]] == [None, None]
    assert result(product)["error"]["code"] == "not_answered"
    product = await serving(ScriptedModel(SCRIPT))
    plain = {"forwardedProps": {"interrupts": False}}
    seen = await run(node, product, client, {"say": "Mobile?", **plain}, {"say": "2", **plain})
    assert seen["messages"][1]["content"] == TEXT
    assert result(product) == {"answer": "2", "choices": ["the service"]}


@pytest.mark.parametrize("version", ["1.0", "0.3"])
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("way", ["words", "data"])
async def test_an_a2a_task_needs_input(serving: Serving, version: str, streaming: bool, way: str) -> None:
    product: Product = await serving(ScriptedModel(SCRIPT))
    async with httpx.AsyncClient(headers=product.headers(), timeout=120) as http:
        card = only(await resolved(http, product.url), version)
        updates = await told(http, card, "Mobile?", streaming=streaming)
        last: Any = updates[-1].status_update if streaming else updates[-1].task
        its_id, context_id = last.task_id if streaming else last.id, last.context_id
        task = await ClientFactory(ClientConfig(httpx_client=http)).create(card).get_task(GetTaskRequest(id=its_id))
        for status in (last.status, task.status):
            assert status.state == TaskState.TASK_STATE_INPUT_REQUIRED
            assert get_message_text(status.message).startswith("Which Mobile?\n1. the team\n2. the service")
            (data,) = get_data_parts(status.message.parts)
            assert data["question"]["choices"] == CHOICES
        given = {"data": {"answer": {"id": data["question"]["id"], "choices": ["the service"]}}}
        more: dict[str, Any] = given if way == "data" else {}
        updates = await told(http, card, "the service", task_id=its_id, context_id=context_id, **more)
    assert get_text_parts(updates[-1].message.parts) == ["It costs 5. "]
    assert result(product)["choices"] == ["the service"]
    assert [each["content"] for each in product.messages(context_id)] == ALL


async def test_use_chat_gets_a_data_part_and_answers_with_the_next_message(
    serving: Serving, node: Node, chat_id: str
) -> None:
    product: Product = await serving(ScriptedModel(SCRIPT))
    seen = await chat(node, product, {"say": "Mobile?"}, {"say": "the service"}, id=chat_id)
    asked, answered = seen["steps"]
    (part,) = of_type(asked["messages"][-1], "data-question")
    assert (part["data"]["question"], part["data"]["choices"]) == ("Which Mobile?", CHOICES)
    assert asked["messages"][-1]["metadata"]["question"] == part["data"]
    assert text_of(answered["messages"][-1]) == "It costs 5. "
    assert result(product) == {"answer": "the service", "choices": ["the service"]}


async def test_what_a_page_took_back_is_no_question_any_more(serving: Serving, node: Node, chat_id: str) -> None:
    product: Product = await serving(ScriptedModel(SCRIPT))
    seen = await chat(node, product, {"say": "Mobile?"}, {"edit": 0, "text": "The team Mobile?"}, id=chat_id)
    assert text_of(seen["steps"][-1]["messages"][-1]) == "It costs 5. "
    assert [(each["role"], each["content"]) for each in product.model.calls[-1].messages[1:]] == [
        ("user", "The team Mobile?")
    ]


async def test_an_openai_client_answers_behind_the_reference(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel(SCRIPT))
    async with openai_client(product) as api:
        messages: list[Any] = [{"role": "user", "content": "Mobile?"}]
        asked = await api.chat.completions.create(model="cloud-cost-chat", messages=messages)
        text = asked.choices[0].message.content or ""
        assert re.fullmatch(re.escape(TEXT) + r"\n\n\[Question: [\w-]+\]", text)
        messages += [{"role": "assistant", "content": text}, {"role": "user", "content": "the service"}]
        answered = await api.chat.completions.create(model="cloud-cost-chat", messages=messages)
    assert answered.choices[0].message.content == "It costs 5. "
    assert result(product)["choices"] == ["the service"]


async def test_the_terminal_takes_a_number(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel(SCRIPT))

    def talk() -> int:
        with terminal("chat", *place(product), "--user", "asked-back") as screen:
            screen.wait_for("acme_inc>")
            screen.enter("Mobile?")
            screen.wait_for("acme_inc 1-2>")
            screen.enter("2")
            screen.wait_for("It costs 5.")
            screen.enter("/quit")
            return screen.code()

    assert await asyncio.to_thread(talk) == 0
    assert result(product) == {"answer": "2", "choices": ["the service"]}
