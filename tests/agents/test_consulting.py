"""Specialists that are consulted: at the same time, under the asker's bounds, and each of them failing for itself."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from common import limits
from common.agents.checkpoint import Checkpoint
from common.agents.events import AgentChanged, TextDelta, ToolFinished, ToolStarted
from common.agents.loop import AgentLoop, Answered, Briefing
from common.agents.roster import Agent, Roster
from common.errors import ProviderUnavailable, RateLimited
from common.models.catalog import resolve
from common.models.completion import ModelCall, Reply, ToolCall, Usage
from common.secret import Secret
from common.tools.context import ToolContext
from common.tools.registry import BoundTools, Registry, tool
from common.tools.result import ToolResult
from tests.agents.test_loop import PRINCIPAL, echo
from tests.fakes.scripted_model import ScriptedModel, call_tool, say

ASKER, COSTS, ALERTS = "Asker", "Costs", "Alerts"
Play = Callable[[ModelCall], Reply]


async def change(principal: Any, context: ToolContext, *, word: str) -> ToolResult:
    """Change something."""
    raise AssertionError("nothing is changed by a specialist that is consulted")


REGISTRY = Registry([tool("test", echo), tool("test", change, writes="alerts:write")])
ROSTER = Roster.of(
    [
        Agent(ASKER, "asks", "You are Asker.", ("echo",), starts=True),
        Agent(COSTS, "costs", "You are Costs.", ("echo",)),
        Agent(ALERTS, "alerts", "You are Alerts.", ("echo", "change")),
    ]
)


def tools_for(names: Sequence[str]) -> BoundTools:
    return REGISTRY.bind(PRINCIPAL, ToolContext({}, datetime(2026, 2, 28, tzinfo=UTC), "answer-1"), names, {})


def consult(*questions: tuple[str, str], own: str = "") -> Reply:
    """A reply that asks these agents these questions, and makes a call of its own beside."""
    asked = [{"agent_name": name, "question": question} for name, question in questions]
    calls = [ToolCall("c1", "consult_agents", json.dumps({"questions": asked}))]
    calls += [ToolCall("c0", "echo", json.dumps({"word": own}))] if own else []
    return Reply("", tuple(calls), Usage(10, 5), "tool_calls")


BOTH = consult((COSTS, "what?"), (ALERTS, "which?"))


def agent_of(call: ModelCall) -> str:
    """The agent that is asked."""
    return str(call.messages[0]["content"]).split(".")[0].removeprefix("You are ")


def results(call: ModelCall) -> list[Any]:
    """The tool results that a call brings along."""
    return [json.loads(each["content"]) for each in call.messages if each["role"] == "tool"]


def playing(first: Reply = BOTH, **specialists: Play) -> Play:
    """A model that asks first, lets the specialists play, and answers with what came back."""

    def play(call: ModelCall) -> Reply:
        agent = agent_of(call)
        if agent != ASKER:
            return specialists[agent](call)
        return say("all of it") if results(call) else first

    return play


def answering(word: str) -> Play:
    """A specialist that calls its tool, and says what it found."""
    return lambda call: say(f"it is {word}") if results(call) else call_tool("echo", word=word)


def briefing(**changes: Any) -> Briefing:
    plain = Briefing(
        roster=ROSTER,
        agent_name=ASKER,
        history=[{"role": "user", "content": "before"}, {"role": "assistant", "content": "said"}],
        question="a question",
        context="Today is 2026-02-28 (UTC).",
        model=resolve("demo", "analyst-1", deployed=False),
        key=Secret("sk-test"),
        temperature=0.5,
        max_tokens=100,
        tools_for=tools_for,
    )
    return replace(plain, **changes)


async def ran(model: ScriptedModel, **changes: Any) -> list[Any]:
    return [event async for event in AgentLoop(model).run(briefing(**changes))]


def answers(model: ScriptedModel) -> list[dict[str, Any]]:
    """The answers of the specialists as the asker read them."""
    last = [call for call in model.calls if agent_of(call) == ASKER][-1]
    return list(next(each for each in results(last) if "answers" in each)["answers"])


async def test_two_specialists_answer_and_the_asker_writes_one_answer() -> None:
    model = ScriptedModel([playing(Costs=answering("dear"), Alerts=answering("red"))])
    events = await ran(model)
    answered = events[-1]
    assert isinstance(answered, Answered)
    assert (answered.text, answered.agent_name, answered.finish) == ("all of it ", ASKER, "stop")
    assert [(each["agent_name"], each["answer"]) for each in answers(model)] == [
        (COSTS, "it is dear "),
        (ALERTS, "it is red "),
    ]
    # Nothing but the asker's words is said, and nobody took over.
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["all ", "of ", "it "]
    assert not [event for event in events if isinstance(event, AgentChanged)]
    told = {(event.agent_name, event.tool_name) for event in events if isinstance(event, ToolFinished)}
    assert told == {(ASKER, "consult_agents"), (COSTS, "echo"), (ALERTS, "echo")}
    started = [event.call_id for event in events if isinstance(event, ToolStarted)]
    assert len(set(started)) == len(started) == 4


async def test_they_are_asked_at_the_same_time_beside_the_askers_own_tools() -> None:
    together = asyncio.Barrier(3)

    async def meet(principal: Any, context: ToolContext, *, word: str) -> ToolResult:
        """Wait for the others."""
        async with asyncio.timeout(120):
            await together.wait()
        return ToolResult(None, ({"word": word},), {})

    registry = Registry([tool("test", meet)])
    roster = Roster.of([replace(agent, tools=("meet",)) for agent in ROSTER.agents.values()])
    meeting = {
        name: (lambda call: say("met") if results(call) else call_tool("meet", word="x")) for name in (COSTS, ALERTS)
    }
    asked = consult((COSTS, "what?"), (ALERTS, "which?"))
    first = replace(asked, tool_calls=(*asked.tool_calls, ToolCall("c0", "meet", '{"word": "mine"}')))
    model = ScriptedModel([playing(first, **meeting)])
    context = ToolContext({}, datetime(2026, 2, 28, tzinfo=UTC), "answer-1")
    events = await ran(model, roster=roster, tools_for=lambda names: registry.bind(PRINCIPAL, context, names, {}))
    assert events[-1].text == "all of it "
    # The results keep the order of the calls.
    ids = [each["tool_call_id"] for each in model.calls[-1].messages if each["role"] == "tool"]
    assert ids == ["c1", "c0"]


async def test_a_specialist_gets_its_question_alone_and_only_tools_that_read() -> None:
    model = ScriptedModel([playing(Costs=answering("dear"), Alerts=answering("red"))])
    await ran(model)
    (first, *_) = [call for call in model.calls if agent_of(call) == ALERTS]
    assert [each["role"] for each in first.messages] == ["system", "user"]
    assert first.messages[1]["content"] == "which?"
    assert [each["function"]["name"] for each in first.tools] == ["echo", "hand_in_results"]
    assert "Another agent consults you" in first.messages[0]["content"]
    # Its prompt begins as ever, for the provider's cache.
    assert first.messages[0]["content"].startswith("You are Alerts.\n\nToday is 2026-02-28")
    assert {call.agent_name for call in model.calls} == {"", COSTS, ALERTS}


@pytest.mark.parametrize("call", ["change", "consult_agents", "transfer_to_agent", "ask_user"])
async def test_a_specialist_that_calls_what_it_was_not_offered_is_told_that_it_is_no_tool(call: str) -> None:
    def tries(asked: ModelCall) -> Reply:
        return say("it still has to be changed") if results(asked) else call_tool(call, word="now")

    model = ScriptedModel([playing(Costs=answering("dear"), Alerts=tries)])
    events = await ran(model)
    (tried,) = [event for event in events if isinstance(event, ToolFinished) and event.agent_name == ALERTS]
    assert tried.result["error"]["code"] == "unknown_tool"
    assert events[-1].paused is None
    assert events[-1].text == "all of it "


def handing_in(*words: str, text: str = "") -> Reply:
    """A reply that calls its tool with each word and leaves the writing to the asker."""
    calls = [ToolCall(f"e{number}", "echo", json.dumps({"word": word})) for number, word in enumerate(words)]
    return Reply(text, (*calls, ToolCall("h", "hand_in_results", "{}")), Usage(10, 5), "tool_calls")


async def test_results_that_are_handed_in_are_read_without_another_call() -> None:
    model = ScriptedModel([playing(Costs=lambda _: handing_in("dear", "cheap"), Alerts=answering("red"))])
    events = await ran(model)
    costs, alerts = answers(model)
    assert "answer" not in costs
    assert [(each["tool"], each["arguments"], each["result"]["rows"]) for each in costs["results"]] == [
        ("echo", {"word": word}, [[word, "acme_inc"]]) for word in ("dear", "cheap")
    ]
    assert alerts["answer"] == "it is red "
    assert [agent_of(call) for call in model.calls].count(COSTS) == 1
    told = [event.tool_name for event in events if isinstance(event, ToolFinished) and event.agent_name == COSTS]
    assert told == ["echo", "echo"]
    assert events[-1].text == "all of it "


@pytest.mark.parametrize("word", [3, "x" * 12_001], ids=["fails", "long"])
async def test_a_result_that_failed_or_is_long_is_for_the_specialist_to_write_of(word: Any) -> None:
    def play(call: ModelCall) -> Reply:
        return say("that is wrong") if results(call) else handing_in("dear", word)

    model = ScriptedModel([playing(Costs=play, Alerts=answering("red"))])
    await ran(model)
    assert [each["answer"] for each in answers(model)] == ["that is wrong ", "it is red "]


async def test_results_of_steps_before_can_be_handed_in_alone_and_nothing_cannot() -> None:
    def later(call: ModelCall) -> Reply:
        return handing_in() if results(call) else call_tool("echo", word="dear")

    model = ScriptedModel([playing(Costs=later, Alerts=lambda _: handing_in(text="none is active"))])
    await ran(model)
    costs, alerts = answers(model)
    assert [each["result"]["rows"][0][0] for each in costs["results"]] == ["dear"]
    assert alerts["answer"] == "none is active "


async def test_only_a_specialist_that_is_consulted_hands_in() -> None:
    model = ScriptedModel([playing(handing_in("dear"))])
    events = await ran(model)
    (refused,) = [event for event in events if isinstance(event, ToolFinished) and event.tool_name == "hand_in_results"]
    assert refused.result["error"]["code"] == "unknown_tool"
    assert events[-1].text == "all of it "


@pytest.mark.parametrize("error", [ProviderUnavailable(), RateLimited("The ceiling is reached.")])
async def test_one_that_fails_fails_for_itself(error: Exception) -> None:
    def fails(_: ModelCall) -> Reply:
        raise error

    model = ScriptedModel([playing(Costs=answering("dear"), Alerts=fails)])
    events = await ran(model)
    assert events[-1].text == "all of it "
    fine, failed = answers(model)
    assert fine["answer"] == "it is dear "
    assert failed["error"]["code"] == getattr(error, "code")  # noqa: B009  its class is one of several
    (last,) = [each for each in results(model.calls[-1]) if "answers" in each]
    assert last["remaining"] == ["Alerts: which?"]
    codes = {
        event.arguments: event.succeeded
        for event in events
        if getattr(event, "tool_name", "") == "consult_agents" and isinstance(event, ToolFinished)
    }
    assert sorted(codes.values()) == [False, True]


async def test_one_that_takes_too_long_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CONSULT_SECONDS", 2.0)

    async def hang(principal: Any, context: ToolContext, *, word: str) -> ToolResult:
        """Never end."""
        await asyncio.Event().wait()
        raise AssertionError

    registry = Registry([tool("test", echo), tool("test", hang)])
    roster = Roster.of([ROSTER.agents[ASKER], ROSTER.agents[COSTS], Agent(ALERTS, "", "You are Alerts.", ("hang",))])
    model = ScriptedModel([playing(Costs=answering("dear"), Alerts=lambda _: call_tool("hang", word="x"))])
    context = ToolContext({}, datetime(2026, 2, 28, tzinfo=UTC), "answer-1")
    events = await ran(model, roster=roster, tools_for=lambda names: registry.bind(PRINCIPAL, context, names, {}))
    assert events[-1].text == "all of it "
    assert [each.get("error", {}).get("code") for each in answers(model)] == [None, "provider_timeout"]
    assert model.open_streams == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"questions": []}, "invalid_arguments"),
        ({"questions": [{"agent_name": COSTS, "question": "?"}] * (limits.MAX_CONSULTED + 1)}, "invalid_arguments"),
        ({"questions": [{"agent_name": COSTS, "question": " "}]}, "invalid_arguments"),
        ({"questions": [{"agent_name": COSTS, "question": "x" * 2_001}]}, "invalid_arguments"),
        ({"questions": [{"agent_name": COSTS, "question": "?", "org": "globex_inc"}]}, "invalid_arguments"),
        ({"questions": [{"agent_name": "Nobody", "question": "?"}]}, "unknown_agent"),
        ({"questions": "all"}, "invalid_arguments"),
        ([], "invalid_arguments"),
    ],
)
async def test_a_consultation_that_cannot_be_made_is_an_answer_to_the_model(arguments: Any, code: str) -> None:
    call = ToolCall("c1", "consult_agents", json.dumps(arguments))
    model = ScriptedModel([Reply("", (call,), Usage(1, 1)), say("sorry")])
    events = await ran(model)
    (finished,) = [event for event in events if isinstance(event, ToolFinished)]
    assert finished.result["error"]["code"] == code
    assert events[-1].text == "sorry "
    assert len(model.calls) == 2


async def test_as_many_questions_as_one_answer_may_ask_and_no_more() -> None:
    four = [(COSTS, f"{number}?") for number in range(limits.MAX_CONSULTED)]
    rounds = limits.MAX_CONSULTATIONS // limits.MAX_CONSULTED

    def play(call: ModelCall) -> Reply:
        if agent_of(call) != ASKER:
            return say("fine")
        done = len(results(call))
        return consult(*[(name, f"{done}{text}") for name, text in four]) if done <= rounds else say("done")

    model = ScriptedModel([play])
    events = await ran(model)
    assert sum(agent_of(call) == COSTS for call in model.calls) == limits.MAX_CONSULTATIONS
    assert [each.get("error", {}).get("code") for each in results(model.calls[-1])] == [
        *[None] * rounds,
        "too_many_consultations",
    ]
    assert events[-1].text == "done "


def untiring(call: ModelCall) -> Reply:
    """A specialist that calls its tool as long as it may."""
    return call_tool("echo", word=str(len(call.messages))) if call.may_call_tools else say("as far as I came")


async def test_steps_are_a_specialists_own_and_all_else_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ScriptedModel([playing(Costs=untiring, Alerts=answering("red"))])
    events = await ran(model)
    assert sum(agent_of(call) == COSTS for call in model.calls) == limits.MAX_CONSULTED_STEPS
    costs, alerts = answers(model)
    assert costs["answer"] == "as far as I came "
    assert "steps of a consultation are used up" in costs["incomplete"]
    assert "incomplete" not in alerts
    assert events[-1].usage == Usage(10, 5).__class__(10 * len(model.calls), 5 * len(model.calls))
    monkeypatch.setattr(limits, "MAX_TOOL_CALLS", 3)
    model = ScriptedModel([playing(Costs=untiring, Alerts=untiring)])
    await ran(model)
    assert all("3 tool calls of one answer" in each["incomplete"] for each in answers(model))
    # The asker is at the bound as well, and answers from what there is.
    assert "Stop here" in model.calls[-1].messages[-1]["content"]


async def test_all_consultations_together_have_their_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_CONSULTED_CALLS", 2)
    model = ScriptedModel([playing(Costs=untiring, Alerts=untiring)])
    events = await ran(model)
    assert all("2 steps of all consultations" in each["incomplete"] for each in answers(model))
    assert events[-1].text == "all of it "


async def begun(model: ScriptedModel, streams: int, gate: asyncio.Event) -> "asyncio.Task[None]":
    """A turn whose specialists wait at the gate, once so many of their calls are open."""

    async def follow() -> None:
        async for event in AgentLoop(model).run(briefing()):
            if isinstance(event, ToolStarted):
                model.gate = gate

    running = asyncio.create_task(follow())
    async with asyncio.timeout(120):
        while model.open_streams < streams:  # noqa: ASYNC110  another task's state
            await asyncio.sleep(0.01)
    return running


async def test_specialists_who_are_asked_at_one_time_share_the_steps_that_are_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "MAX_CONSULTED_CALLS", 2)
    gate, asked = asyncio.Event(), consult(*((COSTS, f"{number}?") for number in range(4)))
    model = ScriptedModel([playing(asked, Costs=untiring)])
    following = await begun(model, 4, gate)
    gate.set()
    await following
    calls = [call for call in model.calls if agent_of(call) == COSTS]
    assert sum(call.may_call_tools for call in calls) == 2


async def test_an_asker_that_is_stopped_stops_its_specialists() -> None:
    gate = asyncio.Event()
    model = ScriptedModel([playing(Costs=answering("dear"), Alerts=answering("red"))])
    running = await begun(model, 2, gate)
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
    assert model.open_streams == 0


@pytest.mark.parametrize("own", ["", "mine"])
async def test_from_every_checkpoint_no_finished_call_is_made_again(own: str) -> None:
    first = consult((COSTS, "what?"), (ALERTS, "which?"), own=own)

    def twice(call: ModelCall) -> Reply:
        done = len(results(call))
        return call_tool("echo", word=f"{agent_of(call)}{done}") if done < 2 else say(f"{done} done")

    play = playing(first, Costs=twice, Alerts=twice)
    whole = await ran(ScriptedModel([play]), marks_steps=True)
    made = [event for event in whole if isinstance(event, ToolFinished)]
    assert len(made) == 6 + bool(own)
    places = [index for index, event in enumerate(whole) if isinstance(event, Checkpoint)]
    assert len(places) >= 6
    for index in places:
        place = whole[index]
        # What is kept travels as JSON.
        frame, messages = json.loads(json.dumps([place.frame(), place.messages()]))
        restored = Checkpoint.read(frame, messages)
        assert restored == place
        assert not messages
        model = ScriptedModel([play])
        rest = await ran(model, checkpoint=restored, marks_steps=True)
        kept = [key(event) for event in whole[:index] if isinstance(event, ToolFinished)]
        again = [key(event) for event in rest if isinstance(event, ToolFinished)]
        assert not set(kept) & set(again)
        assert sorted(kept + again) == sorted(map(key, made))
        assert rest[-1].text == whole[-1].text
        assert [each["answer"] for each in answers(model)] == ["2 done ", "2 done "]
        # A step that was under way elsewhere may count twice, never not at all.
        assert rest[-1].tool_calls >= whole[-1].tool_calls


def key(event: ToolFinished) -> tuple[str, str, str]:
    return event.agent_name, event.tool_name, event.arguments
