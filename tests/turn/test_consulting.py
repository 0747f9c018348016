"""Several intents in one question: specialists at the same time, one answer, each of them in the audit and the use."""

import asyncio
import json
import uuid
from typing import Any

import pytest

from common.errors import ProviderUnavailable
from common.models.completion import ModelCall, Reply
from common.turn import SendRequest
from tests.agents.test_consulting import consult, results
from tests.fakes.scripted_model import ScriptedModel, call_tool, say
from tests.turn.conftest import ACME, Product, Serving
from tests.turn.test_ends import Until, tokens
from tests.turn.test_steps import Asked

PARTS = ["Compare AWS in August and September", "list my active alerts"]
QUESTION = ", and ".join(PARTS)
BOTH = consult(("UsageAnalyst", "Who used most?"), ("AlertManager", "Which alerts are set?"))
CALLS = {
    "UsageAnalyst": call_tool("top_consumers", dimension="provider"),
    "AlertManager": call_tool("list_alerts"),
}


def agent_of(call: ModelCall) -> str:
    return str(call.messages[0]["content"]).split(" of a cloud-cost")[0].removeprefix("You are the ")


def play(call: ModelCall) -> Reply:
    """The CostAnalyst asks both, each of which makes one call."""
    agent = agent_of(call)
    if agent in CALLS:
        return say(f"{agent} knows.") if results(call) else CALLS[agent]
    return say("All of it.") if results(call) else BOTH


def rows_of(product: Product, table: str, conversation_id: str) -> list[dict[str, Any]]:
    """The rows of a table that one conversation has left in the outbox."""
    rows = [entry["row"] for entry in product.outbox().values() if entry["table"] == table]
    return [row for row in rows if row["conversation_id"] == conversation_id]


async def test_the_demo_model_answers_both_parts_as_it_does_each_alone(serving: Serving) -> None:
    from local.demo_model.provider import register

    register()
    product: Product = await serving(None)
    alone = [(await product.send(part)).json()["response"] for part in PARTS]
    answer = (await product.send(QUESTION)).json()
    # Minutes pass between the answers.
    for part in alone:
        assert part.split("As of")[0] in answer["response"]
    assert answer["response"].count("| Rule id |") == 1
    audit = rows_of(product, "org_chat_tool_calls", answer["conversation_id"])
    calls = {(row["agent_name"], row["tool_name"]) for row in audit}
    assert {("CostAnalyst", "compare_periods"), ("AlertManager", "list_alerts")} <= calls
    asked = [json.loads(row["input_params"])["agent_name"] for row in audit if row["tool_name"] == "consult_agents"]
    assert sorted(asked) == ["AlertManager", "CostAnalyst"]


async def test_each_specialist_is_in_the_audit_and_has_its_own_use(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel([play]), org_tokens_per_day=10**12)
    counted = tokens(product)
    answer = (await product.send()).json()
    assert (answer["response"].strip(), answer["agent_name"]) == ("All of it.", "CostAnalyst")
    audit = rows_of(product, "org_chat_tool_calls", answer["conversation_id"])
    assert sorted((row["agent_name"], row["tool_name"], row["status"]) for row in audit) == [
        ("AlertManager", "list_alerts", "success"),
        ("CostAnalyst", "consult_agents", "success"),
        ("CostAnalyst", "consult_agents", "success"),
        ("UsageAnalyst", "top_consumers", "success"),
    ]
    use = rows_of(product, "org_chat_usage", answer["conversation_id"])
    assert {row["agent_name"]: (row["model_calls"], row["input_tokens"], row["tool_calls"]) for row in use} == {
        "CostAnalyst": (2, 20, 4),
        "UsageAnalyst": (2, 20, 0),
        "AlertManager": (2, 20, 0),
    }
    assert len({row["usage_id"] for row in use}) == 3
    assert tokens(product) - counted == 6 * 15
    assert answer["usage"] == {"input_tokens": 60, "output_tokens": 30}


async def test_one_specialist_that_fails_is_said_to_be_missing(serving: Serving) -> None:
    def failing(call: ModelCall) -> Reply:
        if agent_of(call) == "AlertManager":
            raise ProviderUnavailable
        return play(call)

    product: Product = await serving(ScriptedModel([failing]))
    answer = (await product.send()).json()
    assert answer["response"].strip() == "All of it."
    audit = rows_of(product, "org_chat_tool_calls", answer["conversation_id"])
    failed = [row for row in audit if row["status"] != "success"]
    assert [(row["tool_name"], json.loads(row["input_params"])["agent_name"]) for row in failed] == [
        ("consult_agents", "AlertManager")
    ]


async def test_events_tell_of_both_as_they_work(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel([play]))
    response = await product.client.post("/stream", json={"message": "both?"}, headers=ACME)
    events = [json.loads(line.removeprefix("data: ")) for line in response.text.splitlines() if line[:5] == "data:"]
    told = [
        (each["agent_name"], each["name"], each["status"]) for each in events if "status" in each and "name" in each
    ]
    assert told[:2] == [("CostAnalyst", "consult_agents", "started")] * 2
    for agent, name in (("UsageAnalyst", "top_consumers"), ("AlertManager", "list_alerts")):
        assert told.index((agent, name, "started")) < told.index((agent, name, "finished"))
    assert told[-1] == ("CostAnalyst", "consult_agents", "finished")


@pytest.mark.parametrize("stands_with", ["UsageAnalyst", "AlertManager", ""])
async def test_a_retry_goes_on_where_each_specialist_was(serving: Serving, stands_with: str) -> None:
    """The attempt stands still at one specialist after its call, or at the asker once both have answered."""
    model = Until([say("hello")], stands=asyncio.Event())
    product: Product = await serving(model, org_tokens_per_day=10**12)
    conversation_id = (await product.send()).json()["conversation_id"]
    request = SendRequest(message="Both?", conversation_id=conversation_id, message_id=uuid.uuid4().hex)
    asked = Asked(product, model, request)
    standing = asyncio.Event()

    class Standing(ScriptedModel):
        async def stream(self, call: ModelCall) -> Any:
            at = agent_of(call) if agent_of(call) in CALLS else ""
            if results(call) and at == stands_with:
                standing.set()
                await asyncio.Event().wait()
            async for piece in super().stream(call):
                yield piece

    loop = product.services.turns.loop
    first = Standing([play])
    loop._completion = first
    turn = await asked.start()
    await asyncio.wait_for(standing.wait(), 60)
    async with asyncio.timeout(60):
        # Both specialists' calls are kept, and the answer of the one that does not stand still.
        while len(asked.kept) < (3 if stands_with else 4):  # noqa: ASYNC110  another process's state
            await asyncio.sleep(0.01)
    turn.stop("restart")
    await turn.ended()
    second = ScriptedModel([play])
    loop._completion = second
    events = await asked.answer()
    assert "event: done" in events
    # Only what was missing was asked: nobody calls a tool again.
    assert sorted(map(agent_of, second.calls)) == sorted(filter(None, [stands_with, "CostAnalyst"]))
    assert all(results(call) for call in second.calls)
    (answer,) = [each for each in asked.messages if each["status"] == "complete"]
    assert answer["content"].strip() == "All of it."
    assert sorted(each["name"] for each in json.loads(answer["tool_calls_json"])) == [
        "consult_agents", "consult_agents", "list_alerts", "top_consumers",
    ]  # fmt: skip
    audit = rows_of(product, "org_chat_tool_calls", conversation_id)
    assert sorted(row["tool_name"] for row in audit if row["status"] == "success") == [
        "consult_agents", "consult_agents", "list_alerts", "top_consumers",
    ]  # fmt: skip
