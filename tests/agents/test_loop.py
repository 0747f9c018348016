"""The loop's rules, driven by a scripted model and by tools that answer at once."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from common import limits
from common.agents.events import AgentChanged, TextDelta, ToolFinished, ToolStarted
from common.agents.loop import AgentLoop, Answered, Briefing
from common.agents.roster import Agent, Roster
from common.errors import ProviderUnavailable
from common.models.catalog import resolve
from common.models.completion import Reply, ToolCall, Usage
from common.secret import Secret
from common.tenant import Principal, Tenant, UserId, parse_org_slug
from common.tools import registry as registry_module
from common.tools.context import ToolContext
from common.tools.registry import BoundTools, Registry, tool
from common.tools.result import ToolError, ToolResult
from tests.fakes.scripted_model import ScriptedModel, Step, call_tool, say, transfer

ROSTER = Roster.of(
    [
        Agent("First", "begins", "first", ("fail",), starts=True),
        Agent("Echoer", "echoes", "echo", ("echo", "fail")),
        Agent("Router", "routes", "route", ()),
    ]
)
PRINCIPAL = Principal(Tenant(parse_org_slug("acme_inc"), "p", "organizations"), UserId("u1"), "k1")


async def echo(principal: Principal, context: ToolContext, *, word: str) -> ToolResult:
    """Say the word again."""
    return ToolResult(None, ({"word": word, "org": principal.org_slug},), {"length": len(word)})


async def fail(principal: Principal, context: ToolContext, *, how: str) -> ToolResult:
    """Fail as asked."""
    raise ToolError("failed", f"It failed: {how}.")


REGISTRY = Registry([tool("test", echo), tool("test", fail)])


def tools_for(names: Sequence[str]) -> BoundTools:
    return REGISTRY.bind(PRINCIPAL, ToolContext({}, datetime(2026, 2, 28, tzinfo=UTC), "answer-1"), names, {})


async def run(model: ScriptedModel, agent_name: str | None = "Echoer") -> list[Any]:
    briefing = Briefing(
        roster=ROSTER,
        agent_name=agent_name,
        history=[],
        question="a question",
        context="Today is 2026-02-28 (UTC).",
        model=resolve("demo", "analyst-1", deployed=False),
        key=Secret("sk-test"),
        temperature=0.5,
        max_tokens=100,
        tools_for=tools_for,
    )
    return [event async for event in AgentLoop(model).run(briefing)]


def last(events: list[Any]) -> Answered:
    assert isinstance(events[-1], Answered)
    return events[-1]


async def test_text_is_passed_on_piece_by_piece_and_added_up() -> None:
    events = await run(ScriptedModel([say("two words")]))
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["two ", "words "]
    assert last(events) == Answered("two words ", "Echoer", Usage(10, 5), 1, 0)


async def test_the_first_agent_hands_over_and_the_specialist_answers() -> None:
    model = ScriptedModel([transfer("Echoer"), call_tool("echo", word="hi"), say("done")])
    events = await run(model, agent_name=None)
    assert [type(event) for event in events] == [AgentChanged, ToolStarted, ToolFinished, TextDelta, Answered]
    assert events[0].agent_name == "Echoer"
    assert last(events).usage == Usage(30, 15)
    offered = [[each["function"]["name"] for each in call.tools] for call in model.calls]
    assert offered == [
        ["fail", "transfer_to_agent", "consult_agents", "ask_user"],
        ["echo", "fail", "transfer_to_agent", "consult_agents", "ask_user"],
        ["echo", "fail", "transfer_to_agent", "consult_agents", "ask_user"],
    ]
    # The hand-over itself is not part of what the specialist reads.
    assert [message["role"] for message in model.calls[1].messages] == ["system", "user"]
    assert [message["role"] for message in model.calls[2].messages] == ["system", "user", "assistant", "tool"]


async def test_an_agent_calls_its_tools_for_its_part_before_it_hands_over() -> None:
    both = (
        ToolCall("c1", "transfer_to_agent", '{"agent_name": "Echoer"}'),
        ToolCall("c2", "fail", '{"how": "softly"}'),
    )
    model = ScriptedModel([Reply("", both), say("done")])
    events = await run(model, agent_name=None)
    assert [type(event) for event in events] == [ToolStarted, ToolFinished, AgentChanged, TextDelta, Answered]
    asked, result = list(model.calls[1].messages)[-2:]
    assert [call["id"] for call in asked["tool_calls"]] == [result["tool_call_id"]] == ["c2"]
    assert last(events).agent_name == "Echoer"


async def test_the_prefix_of_the_messages_is_stable_within_a_turn() -> None:
    model = ScriptedModel([call_tool("echo", word="a"), call_tool("echo", word="b"), say("done")])
    await run(model)
    first, second, third = (list(call.messages) for call in model.calls)
    assert second[: len(first)] == first
    assert third[: len(second)] == second


async def test_calls_of_one_step_run_at_the_same_time_and_their_results_keep_their_order() -> None:
    together = asyncio.Barrier(2)

    async def meet(principal: Principal, context: ToolContext, *, word: str) -> ToolResult:
        """Wait for the other call."""
        async with asyncio.timeout(120):
            await together.wait()
        return ToolResult(None, ({"word": word},), {})

    registry = Registry([tool("test", meet)])
    roster = Roster.of([Agent("Echoer", "", "e", ("meet",), starts=True)])
    calls = (ToolCall("c1", "meet", '{"word": "one"}'), ToolCall("c2", "meet", '{"word": "two"}'))
    model = ScriptedModel([Reply("", calls), say("done")])
    context = ToolContext({}, datetime(2026, 2, 28, tzinfo=UTC), "answer-1")
    briefing = Briefing(
        roster=roster,
        agent_name="Echoer",
        history=[],
        question="q",
        context="",
        model=resolve("demo", "analyst-1", deployed=False),
        key=Secret("sk"),
        temperature=0,
        max_tokens=1,
        tools_for=lambda names: registry.bind(PRINCIPAL, context, names, {}),
    )
    events = [event async for event in AgentLoop(model).run(briefing)]
    assert {event.call_id for event in events if isinstance(event, ToolFinished)} == {"c1", "c2"}
    results = [message for message in model.calls[1].messages if message["role"] == "tool"]
    assert [result["tool_call_id"] for result in results] == ["c1", "c2"]


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (call_tool("drop_tables"), "unknown_tool"),
        (call_tool("echo", word=3), "invalid_arguments"),
        (call_tool("echo", word="x", org_slug="globex_inc"), "invalid_arguments"),
        (call_tool("fail", how="loudly"), "failed"),
        (transfer("Nobody"), "unknown_tool"),
        (transfer("Echoer"), "unknown_tool"),
        (Reply("", (ToolCall("c", "echo", "{not json"),)), "invalid_arguments"),
        (Reply("", (ToolCall("c", "echo", "x" * (registry_module.TOOL_ARGUMENT_CHARS + 1)),)), "invalid_arguments"),
    ],
)
async def test_a_call_that_cannot_be_made_is_an_answer_to_the_model(call: Reply, code: str) -> None:
    model = ScriptedModel([call, say("sorry")])
    events = await run(model)
    finished = next(event for event in events if isinstance(event, ToolFinished))
    assert finished.result["error"]["code"] == code
    assert not finished.succeeded
    assert last(events).text == "sorry "


async def test_the_same_call_over_and_over_is_refused() -> None:
    steps: list[Step] = [call_tool("echo", word="again")] * (limits.MAX_IDENTICAL_CALLS + 1)
    events = await run(ScriptedModel([*steps, say("done")]))
    codes = [event.result.get("error", {}).get("code") for event in events if isinstance(event, ToolFinished)]
    assert codes == [None] * limits.MAX_IDENTICAL_CALLS + ["repeated_call"]


async def test_a_model_that_never_stops_calling_is_asked_once_to_answer_with_what_it_has() -> None:
    counter = iter(range(1000))
    model = ScriptedModel([lambda _: call_tool("echo", word=str(next(counter)))])
    events = await run(model)
    assert len(model.calls) == limits.MAX_STEPS
    assert [call.may_call_tools for call in model.calls] == [True] * (limits.MAX_STEPS - 1) + [False]
    assert last(events).text.startswith(f"There is no answer: the {limits.MAX_STEPS - 1} steps of one answer are used")
    assert "the calls of echo are kept" in last(events).text
    assert last(events).finish == "no_answer"


async def test_more_calls_than_a_turn_may_make_are_refused() -> None:
    calls = tuple(ToolCall(f"c{i}", "echo", f'{{"word": "{i}"}}') for i in range(limits.MAX_TOOL_CALLS + 1))
    model = ScriptedModel([Reply("", calls), say("done")])
    events = await run(model)
    refused = [event for event in events if isinstance(event, ToolFinished) and not event.succeeded]
    assert [event.result["error"]["code"] for event in refused] == ["too_many_calls"]
    assert not model.calls[1].may_call_tools


async def test_a_turn_that_has_used_its_tokens_answers() -> None:
    spent = Reply("", (ToolCall("c", "echo", '{"word": "x"}'),), Usage(limits.MAX_TURN_TOKENS, 0))
    model = ScriptedModel([spent, say("done")])
    await run(model)
    assert not model.calls[1].may_call_tools


async def test_a_failing_model_fails_the_run_and_closes_its_stream() -> None:
    model = ScriptedModel([ProviderUnavailable()])
    with pytest.raises(ProviderUnavailable):
        await run(model)
    assert model.open_streams == 0


async def test_text_before_and_after_a_tool_call_is_kept_apart() -> None:
    calling = Reply("Let me look.", (ToolCall("c", "echo", '{"word": "x"}'),))
    events = await run(ScriptedModel([calling, say("Found it.")]))
    assert last(events).text == "Let me look. \n\nFound it. "
