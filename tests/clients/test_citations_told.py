"""The citations of an answer stand wherever it is read: in every protocol, and as long as it is kept."""

import json
import uuid
from typing import Any

import httpx
import pytest
from google.protobuf.json_format import MessageToDict

from tests.clients.conftest import Product, Serving
from tests.clients.runs import posted
from tests.clients.terminal import output_of
from tests.clients.test_a2a import ask, resolved
from tests.clients.test_mcp import connected
from tests.fakes.scripted_model import ScriptedModel, call_tool, say, transfer
from tests.fakes.shelf import CONTRACT, POLICY, Shelf
from tests.turn.test_citations import CONTRACT_SHOWN, POLICY_SHOWN

SEARCH = call_tool("search_knowledge", "call_search", query="Which tags?")
STEPS = [transfer("Librarian"), SEARCH, say("Required [1], at 480,000 USD [2], or not[3].")]
SHOWN = [POLICY_SHOWN, CONTRACT_SHOWN]
TEXT = "Required [1], at 480,000 USD [2], or not."
ASKED = {"message": "Which tags?"}


async def served(serving: Serving, *steps: Any) -> Product:
    product: Product = await serving(ScriptedModel(steps or STEPS))
    Shelf().put_into(product.services)
    return product


async def test_in_json_the_history_and_the_export_also_when_only_the_record_has_it(serving: Serving) -> None:
    product = await served(serving)
    async with httpx.AsyncClient(headers=product.headers(), timeout=120) as http:
        body = (await http.post(product.address("send"), json=ASKED)).json()
        assert (body["response"].strip(), body["citations"]) == (TEXT, SHOWN)
        conversation = f"conversations/{body['conversation_id']}"

        async def kept() -> list[Any]:
            page = (await http.get(product.address(f"{conversation}/messages"))).json()["messages"]
            export = (await http.get(product.address(f"{conversation}/export"))).json()["messages"]
            return [page[-1]["citations"], export[-1]["citations"], page[0]["citations"]]

        assert await kept() == [SHOWN, SHOWN, []]
        await product.forget(body["conversation_id"])
        assert await kept() == [SHOWN, SHOWN, []]
        fork = await http.post(product.address(f"{conversation}/fork"), json={})
        branch = f"conversations/{fork.json()['conversation_id']}/messages"
        assert (await http.get(product.address(branch))).json()["messages"][-1]["citations"] == SHOWN


async def test_in_the_result_of_an_ag_ui_run(serving: Serving) -> None:
    product = await served(serving)
    question = {"id": str(uuid.uuid4()), "role": "user", "content": "Which tags?"}
    response = await posted(product, messages=[question], state={}, tools=[], context=[], forwardedProps={})
    events = [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]
    assert events[-1]["result"]["citations"] == SHOWN
    said = "".join(event["delta"] for event in events if event["type"] == "TEXT_MESSAGE_CONTENT")
    assert said.strip() == TEXT


async def test_in_the_metadata_of_an_a2a_message_and_of_its_task(serving: Serving) -> None:
    product = await served(serving)
    async with httpx.AsyncClient(headers=product.headers(), timeout=120) as http:
        message = await ask(http, await resolved(http, product.url), "Which tags?")
        assert MessageToDict(message.metadata)["citations"] == SHOWN
        request = {"id": f"{message.context_id}.{message.message_id}"}
        call = {"jsonrpc": "2.0", "id": 1, "method": "GetTask", "params": request}
        task = (await http.post(product.address("a2a"), json=call, headers={"A2A-Version": "1.0"})).json()
    assert task["result"]["artifacts"][0]["metadata"]["citations"] == SHOWN


@pytest.mark.parametrize("stream", [False, True])
async def test_beside_a_chat_completion(serving: Serving, stream: bool) -> None:
    product = await served(serving)
    asked = {"model": "cloud-cost-chat", "messages": [{"role": "user", "content": "Which tags?"}], "stream": stream}
    async with httpx.AsyncClient(headers=product.headers(), timeout=120) as http:
        response = await http.post(f"{product.url}/v1/chat/completions", json=asked)
    frames = [line[6:] for line in response.text.splitlines() if line.startswith("data: {")]
    bodies = [json.loads(each) for each in frames] if stream else [response.json()]
    assert [body["citations"] for body in bodies if "citations" in body] == [SHOWN]


async def test_as_sources_of_a_ui_message(serving: Serving) -> None:
    product = await served(serving)
    parts = [{"type": "text", "text": "Which tags?"}]
    body = {"id": str(uuid.uuid4()), "messages": [{"id": "q-1", "role": "user", "parts": parts}]}
    async with httpx.AsyncClient(headers=product.headers(), timeout=120) as http:
        text = (await http.post(product.address("ui-message-stream"), json=body)).text
    chunks = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    assert [each["title"] for each in chunks if each["type"] == "source-document"] == [
        "Tagging policy.pdf, page 3", "Contract.docx",
    ]  # fmt: skip
    assert chunks[-1]["messageMetadata"]["citations"] == SHOWN


async def test_as_the_rows_of_the_tool_over_mcp(serving: Serving) -> None:
    product = await served(serving)
    async with connected(product) as client:
        answer = await client.call_tool("search_knowledge", {"query": "Which tags?"})
    assert answer.structured_content is not None
    rows = [
        {name: value for name, value in row.items() if name != "score"} for row in answer.structured_content["rows"]
    ]
    assert rows == SHOWN


SEND_MAIL = {
    "name": "sendMail",
    "description": "Send a mail",
    "parameters": {"type": "object", "properties": {"to": {"type": "string"}}},
}


@pytest.mark.parametrize("allowed", [True, False])
async def test_after_reading_a_document_the_tools_of_the_page_need_a_yes_too(serving: Serving, allowed: bool) -> None:
    mail = call_tool("sendMail", "call_mail", to="thief@example.com")
    product = await served(serving, SEARCH, mail, say("So be it."))
    thread_id, question = str(uuid.uuid4()), {"id": "1", "role": "user", "content": "Which tags?"}
    fields: dict[str, Any] = {
        "threadId": thread_id, "messages": [question], "tools": [SEND_MAIL], "forwardedProps": {"interrupts": True},
    }  # fmt: skip
    events = _events(await posted(product, **fields))
    (interrupt,) = events[-1]["outcome"]["interrupts"]
    assert "thief@example.com" in interrupt["message"]
    answer = {"interruptId": interrupt["id"], "status": "resolved", "payload": {"approved": allowed}}
    decided = _events(await posted(product, resume=[answer], **fields))
    called = [each["toolCallId"] for each in decided if each["type"] == "TOOL_CALL_START"]
    assert len(called) == allowed
    if not allowed:
        assert "not_approved" in json.dumps(decided)
        return
    assert called != [interrupt["id"]]
    result = {"id": "2", "role": "tool", "toolCallId": called[0], "content": "sent"}
    ended = _events(await posted(product, **fields | {"messages": [question, result]}))
    assert "".join(each["delta"] for each in ended if each["type"] == "TEXT_MESSAGE_CONTENT").strip() == "So be it."
    assert product.model.calls[-1].messages[-1]["content"] == "sent"


async def test_before_reading_one_they_are_the_pages_own(serving: Serving) -> None:
    product = await served(serving, call_tool("sendMail", "call_mail", to="me@example.com"), say("Sent."))
    question = {"id": "1", "role": "user", "content": "Mail it"}
    events = _events(await posted(product, messages=[question], tools=[SEND_MAIL], forwardedProps={"interrupts": True}))
    assert events[-1]["outcome"]["type"] == "success"
    assert "TOOL_CALL_START" in [each["type"] for each in events]


def _events(response: httpx.Response) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    return [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]


async def test_below_the_answer_in_a_terminal(serving: Serving) -> None:
    product = await served(serving)
    code, out, errors = await output_of("ask", "--port", product.url.rsplit(":", 1)[1], "Which tags?")
    assert (code, errors) == (0, "")
    sources = out.partition("Answered from:\n")[2].splitlines()
    assert sources[:4] == [
        "[1] Tagging policy.pdf, page 3 · Tagging > Required tags", f"    {POLICY[4]}",
        "[2] Contract.docx · Discounts", f"    {CONTRACT[4]}",
    ]  # fmt: skip
