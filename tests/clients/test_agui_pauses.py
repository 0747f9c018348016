"""Runs that stop for their client: tools that a page runs, charts for it, and changes that wait to be allowed."""

import json
import uuid
from dataclasses import replace
from typing import Any

import httpx
import pytest

from common import limits
from common.models.completion import Reply, ToolCall, Usage
from common.skills.loading import load_skills
from common.tenant import WRITE_ALERTS, Principal
from common.tools.context import ToolContext
from common.tools.registry import Registry, tool
from common.tools.result import ToolResult
from tests.clients.conftest import Node, Product, Serving
from tests.clients.runs import CLIENTS, posted, run, types
from tests.fakes.scripted_model import ScriptedModel, call_tool, say
from tests.skills import drawn

SHOW_CHART = {
    "name": "showChart",
    "description": "Show a chart",
    "parameters": {"type": "object", "properties": {"kind": {"type": "string"}}},
}


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_frontend_tool_makes_its_round_trip(serving: Serving, node: Node, client: str) -> None:
    script = [call_tool("showChart", kind="bar"), say("There it is."), say("Sure.")]
    product: Product = await serving(ScriptedModel(script))
    seen = await run(
        node,
        product,
        client,
        {"say": "Draw it", "tools": [SHOW_CHART]},
        {"toolResults": ["drawn as a bar"], "tools": [SHOW_CHART]},
        {"say": "and now?", "tools": [SHOW_CHART]},
    )
    called, answered, after = seen["steps"]
    assert [step["error"] for step in seen["steps"]] == [None, None, None]
    assert types(called)[-6:] == [
        "TOOL_CALL_START", "TOOL_CALL_ARGS", "TOOL_CALL_END", "STEP_FINISHED", "STATE_DELTA", "RUN_FINISHED",
    ]  # fmt: skip
    offered = [tool["function"]["name"] for tool in product.model.calls[0].tools]
    assert "showChart" in offered
    continued = product.model.calls[1].messages
    assert [message["role"] for message in continued] == ["system", "user", "assistant", "tool"]
    assert continued[1]["content"] == "Draw it"
    assert continued[3]["content"] == "drawn as a bar"
    assert continued[2]["tool_calls"][0]["id"] == continued[3]["tool_call_id"] == "call_1"
    assert seen["messages"][-3]["content"] == "There it is. "
    stored = product.messages(seen["threadId"])
    assert [(message["role"], message["content"]) for message in stored] == [
        ("user", "Draw it"), ("assistant", ""), ("assistant", "There it is. "),
        ("user", "and now?"), ("assistant", "Sure. "),
    ]  # fmt: skip
    assert [message["content"] for message in product.model.calls[2].messages][1:] == [
        "Draw it", "There it is. ", "and now?",
    ]  # fmt: skip
    assert types(after)[-1] == "RUN_FINISHED"
    assert answered["state"]["agent_name"] == "CostAnalyst"


@pytest.mark.parametrize(
    "tools",
    [
        [{"name": "query_costs", "description": "mine"}],
        [{"name": "transfer_to_agent", "description": "mine"}],
        [{"name": "no spaces", "description": "mine"}],
        [{"name": "show", "description": "once"}, {"name": "show", "description": "twice"}],
        [{"name": f"show{index}", "description": "many"} for index in range(limits.MAX_CLIENT_TOOLS + 1)],
        [{"name": "show", "description": "x" * (limits.CLIENT_TOOL_CHARS + 1)}],
        [{"name": "show", "description": "odd", "parameters": {"type": "string"}}],
    ],
)
async def test_a_frontend_tool_that_cannot_be_offered_is_refused(serving: Serving, tools: list[Any]) -> None:
    product: Product = await serving()
    response = await posted(product, messages=[{"id": "1", "role": "user", "content": "hi"}], tools=tools)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_body")


async def test_a_result_that_nothing_waits_for_is_refused(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel([say("one")]))
    thread_id = str(uuid.uuid4())
    question = {"id": "1", "role": "user", "content": "hi"}
    result = {"id": "2", "role": "tool", "toolCallId": "made-up", "content": "anything"}
    for messages in ([question, result], [question]):
        response = await posted(product, threadId=thread_id, messages=messages)
        assert response.status_code == (422 if result in messages else 200)
    response = await posted(product, threadId=thread_id, messages=[question, result])
    assert response.status_code == 422
    assert len(product.model.calls) == 1


def writing(made: list[tuple[str, str]]) -> Registry:
    """The registry with a tool for CostAnalyst that changes something, and notes what it was called with."""

    async def cost_forecast(principal: Principal, context: ToolContext, *, what: str) -> ToolResult:
        """Change something."""
        made.append((what, context.idempotency_key))
        return ToolResult(None, (), {"changed": what})

    async def read_it(principal: Principal, context: ToolContext) -> ToolResult:
        """Read something."""
        return ToolResult(None, (), {})

    names = {name for agent in load_skills().roster.agents.values() for name in agent.tools} - {"cost_forecast"}
    reading = [replace(tool("test", read_it), name=name) for name in sorted(names)]
    return Registry([tool("test", cost_forecast, writes=WRITE_ALERTS), *reading])


def allowing(asked: httpx.Response) -> list[dict[str, Any]]:
    """The resume that allows what a run asks for."""
    finished = json.loads(asked.text.strip().split("\n\n")[-1].removeprefix("data: "))
    interrupts = finished["outcome"]["interrupts"]
    return [{"interruptId": each["id"], "status": "resolved", "payload": {"approved": True}} for each in interrupts]


ASKED: dict[str, Any] = {
    "messages": [{"id": "1", "role": "user", "content": "Change it"}],
    "forwardedProps": {"interrupts": True},
}
CHANGE = [call_tool("cost_forecast", what="limit"), say("Done."), say("Bye.")]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    ("answer", "allowed"),
    [
        ({"status": "resolved", "payload": {"approved": True}}, True),
        ({"status": "resolved", "payload": {"approved": False}}, False),
        ({"status": "resolved", "payload": {"approved": "true"}}, False),
        ({"status": "cancelled"}, False),
    ],
)
async def test_a_change_waits_until_it_is_allowed(
    serving: Serving, node: Node, client: str, answer: dict[str, Any], allowed: bool
) -> None:
    made: list[tuple[str, str]] = []
    product: Product = await serving(ScriptedModel(CHANGE), registry=writing(made))
    interrupts = {"forwardedProps": {"interrupts": True}}
    seen = await run(
        node, product, client, {"say": "Change it", **interrupts}, {"resume": [answer], **interrupts}, {"say": "bye"}
    )
    asked, resumed, after = seen["steps"]
    assert [step["error"] for step in seen["steps"]] == [None, None, None]
    finished = asked["events"][-1]
    assert finished["outcome"]["type"] == "interrupt"
    (interrupt,) = finished["outcome"]["interrupts"]
    started = next(event for event in asked["events"] if event["type"] == "TOOL_CALL_START")
    assert interrupt["toolCallId"] == started["toolCallId"]
    assert "TOOL_CALL_RESULT" not in types(asked)
    result = next(event for event in resumed["events"] if event["type"] == "TOOL_CALL_RESULT")
    assert result["toolCallId"] == started["toolCallId"]
    assert [name for name, _ in made] == (["limit"] if allowed else [])
    assert ("changed" in result["content"]) == allowed
    assert ("not_approved" in result["content"]) == (not allowed)
    assert json.loads(product.model.calls[1].messages[-1]["content"]).keys() >= ({"summary"} if allowed else {"error"})
    rows = [row for row in product.audited() if row["conversation_id"] == seen["threadId"]]
    assert [row["status"] for row in rows] == ["success" if allowed else "error"]
    assert types(after)[-1] == "RUN_FINISHED"


@pytest.mark.parametrize(("word", "allowed"), [("Yes.", True), ("no", False), ("yes, but for Azure", None)])
async def test_a_client_without_interrupts_is_asked_in_words(
    serving: Serving, node: Node, word: str, allowed: bool | None
) -> None:
    made: list[tuple[str, str]] = []
    product: Product = await serving(ScriptedModel(CHANGE), registry=writing(made))
    seen = await run(node, product, "0.0", {"say": "Change it"}, {"say": word}, {"say": "bye"})
    assert [step["error"] for step in seen["steps"]] == [None, None, None]
    asked, answered, _ = seen["steps"]
    assert "TOOL_CALL_START" not in types(asked)
    assert asked["pending"] == []
    assert asked["state"]["finish"] == "approval"
    assert '**Cost forecast**: what `"limit"`' in seen["messages"][1]["content"]
    assert ("TOOL_CALL_RESULT" in types(answered)) == (allowed is True)
    assert [name for name, _ in made] == (["limit"] if allowed else [])
    # Any other word is a question of its own, and the model hears it.
    assert (product.model.calls[1].messages[-1]["content"] == word) == (allowed is None)


async def test_a_question_instead_of_a_reply_leaves_the_change_unmade(serving: Serving) -> None:
    made: list[tuple[str, str]] = []
    product: Product = await serving(ScriptedModel([*CHANGE[:1], say("Something else.")]), registry=writing(made))
    thread_id = str(uuid.uuid4())
    asked = await posted(product, threadId=thread_id, **ASKED)
    other = [*ASKED["messages"], {"id": "2", "role": "user", "content": "never mind"}]
    instead = await posted(product, threadId=thread_id, messages=other)
    assert '"delta":"Something "' in instead.text
    late = await posted(product, threadId=thread_id, resume=allowing(asked), **ASKED)
    assert (late.status_code, late.json()["code"]) == (409, "approval_gone")
    assert made == []


async def test_a_reply_is_used_once(serving: Serving) -> None:
    made: list[tuple[str, str]] = []
    product: Product = await serving(ScriptedModel(CHANGE), registry=writing(made))
    fields = {"threadId": str(uuid.uuid4()), **ASKED}
    resume = allowing(await posted(product, **fields))
    resumed, same_run, other_run = [
        await posted(product, runId=run_id, resume=resume, **fields) for run_id in ("r-2", "r-2", "r-3")
    ]
    assert '"delta":"Done. "' in resumed.text
    assert '"delta":"Done. "' in same_run.text
    assert (other_run.status_code, other_run.json()["code"]) == (409, "approval_answered")
    assert len(made) == 1


async def test_an_answer_with_other_arguments_is_refused(serving: Serving) -> None:
    made: list[tuple[str, str]] = []
    product: Product = await serving(ScriptedModel(CHANGE), registry=writing(made))
    fields = {"threadId": str(uuid.uuid4()), **ASKED}
    resume = allowing(await posted(product, **fields))
    for payload, status, code in (
        ({"approved": True, "arguments": {"what": "everything"}}, 409, "approval_changed"),
        ({"approved": True, "what": "everything"}, 422, "invalid_body"),
    ):
        refused = await posted(product, resume=[{**resume[0], "payload": payload}], **fields)
        assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert made == []
    same = [{**resume[0], "payload": {"approved": True, "arguments": {"what": "limit"}}}]
    assert '"delta":"Done. "' in (await posted(product, resume=same, **fields)).text
    assert [name for name, _ in made] == ["limit"]


async def test_calls_of_one_step_are_made_here_and_by_the_client(serving: Serving, node: Node) -> None:
    calls = (
        ToolCall("call_a", "showChart", '{"kind": "bar"}'),
        ToolCall("call_b", "query_costs", '{"group_by": "team"}'),
        ToolCall("call_c", "showChart", '{"kind": "line"}'),
    )
    both = Reply("Look:", calls, Usage(1, 1), "tool_calls")
    product: Product = await serving(ScriptedModel([both, say("Done.")]))
    seen = await run(
        node, product, "1.0",
        {"say": "Draw it", "tools": [SHOW_CHART]},
        {"toolResults": ["bar drawn"], "tools": [SHOW_CHART]},
    )  # fmt: skip
    assert [step["error"] for step in seen["steps"]] == [None, None]
    continued = product.model.calls[1].messages
    assert [call["id"] for call in continued[2]["tool_calls"]] == ["call_a", "call_b", "call_c"]
    results = {message["tool_call_id"]: message["content"] for message in continued[3:]}
    assert results.keys() == {"call_a", "call_b", "call_c"}
    assert results["call_a"] == "bar drawn"
    assert json.loads(results["call_b"])["rows"]
    assert json.loads(results["call_c"])["error"]["code"] == "not_answered"
    assert [message["content"] for message in product.messages(seen["threadId"])] == ["Draw it", "Look: ", "Done. "]


async def test_a_run_sent_again_still_waits_for_the_same_change(serving: Serving) -> None:
    made: list[tuple[str, str]] = []
    product: Product = await serving(ScriptedModel(CHANGE), registry=writing(made))
    fields = {"threadId": str(uuid.uuid4()), "runId": "r-1", **ASKED}
    first, again = [allowing(await posted(product, **fields)) for _ in range(2)]
    assert first == again
    resumed = await posted(product, **{**fields, "runId": "r-2"}, resume=again)
    assert '"delta":"Done. "' in resumed.text
    assert len(made) == 1


async def test_another_user_cannot_allow_a_change(serving: Serving) -> None:
    made: list[tuple[str, str]] = []
    product: Product = await serving(ScriptedModel(CHANGE), registry=writing(made))
    fields = {"threadId": str(uuid.uuid4()), **ASKED}
    resume = allowing(await posted(product, **fields))
    refused = await posted(product, {"X-User-Id": "somebody"}, resume=resume, **fields)
    assert (refused.status_code, refused.json()["code"]) == (409, "approval_gone")
    assert made == []


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_chart_of_a_tool_is_an_event_of_its_own(serving: Serving, node: Node, client: str) -> None:
    script = [call_tool("query_costs", group_by="provider"), say("There.")]
    product: Product = await serving(ScriptedModel(script))
    seen = await run(node, product, client, {"say": "Draw it"})
    (step,) = seen["steps"]
    assert step["error"] is None
    result = next(event for event in step["events"] if event["type"] == "TOOL_CALL_RESULT")
    custom = next(event for event in step["events"] if event["type"] == "CUSTOM")
    assert custom["name"] == "chart"
    assert custom["value"].keys() == {"toolCallId", "chart"}
    assert custom["value"]["toolCallId"] == result["toolCallId"]
    drawn.check(custom["value"]["chart"])
    assert drawn.marks(custom["value"]["chart"])["bar"] > 1
    assert "chart" not in json.loads(result["content"])
    (stored,) = json.loads(product.messages(seen["threadId"])[-1]["tool_results_json"])
    assert stored["result"]["chart"] == custom["value"]["chart"]
