"""Hand-overs and identical calls: at their bounds, and one past them."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from common import limits
from common.agents.events import AgentChanged, ToolFinished
from common.agents.loop import Answered
from common.agents.roster import Agent, Roster
from common.models.completion import Reply, ToolCall
from tests.agents import test_loop
from tests.agents.test_loop import last, run
from tests.fakes.scripted_model import ScriptedModel, Step, call_tool, say, transfer

NAMES = ("One", "Two", "Three", "Four", "Five")


@pytest.fixture(autouse=True)
def roster(monkeypatch: pytest.MonkeyPatch) -> None:
    agents = [Agent(name, "helps", "help", ("echo",)) for name in NAMES]
    monkeypatch.setattr(test_loop, "ROSTER", Roster.of([Agent("Router", "routes", "route", (), starts=True), *agents]))


BOUNDS = {"steps": "the 2 steps", "calls": "the 2 tool calls", "tokens": "the 30 tokens", "time": "the time for one"}


async def ran(*steps: Step) -> tuple[list[str], list[str | None], Answered]:
    """The agents that took over, the codes of the calls (None where a tool answered), and the answer."""
    events = await run(ScriptedModel([*steps, say("done")]), agent_name=None)
    changes = [event.agent_name for event in events if isinstance(event, AgentChanged)]
    codes = [event.result.get("error", {}).get("code") for event in events if isinstance(event, ToolFinished)]
    return changes, codes, last(events)


async def test_as_many_hand_overs_as_a_turn_may_have_and_no_more() -> None:
    assert limits.MAX_HANDOVERS == 3
    changes, codes, answer = await ran(*map(transfer, NAMES[:3]))
    assert (changes, codes, answer.text) == (list(NAMES[:3]), [], "done ")
    changes, codes, answer = await ran(*map(transfer, NAMES[:4]))
    assert (changes, codes, answer.agent_name) == (list(NAMES[:3]), ["too_many_handovers"], "Three")


async def test_results_in_between_allow_no_more_hand_overs() -> None:
    steps = [step for name in NAMES for step in (transfer(name), call_tool("echo", word=name))]
    changes, codes, _ = await ran(*steps)
    assert changes == list(NAMES[:3])
    assert "too_many_handovers" in codes


async def test_a_question_goes_back_only_after_a_result() -> None:
    changes, codes, answer = await ran(transfer("One"), transfer("Two"), transfer("One"))
    assert (changes, codes, answer.agent_name) == (["One", "Two"], ["handed_back"], "Two")
    changes, codes, answer = await ran(transfer("One"), transfer("Two"), call_tool("echo", word="hi"), transfer("One"))
    assert (changes, codes, answer.agent_name) == (["One", "Two", "One"], [None], "One")


async def test_a_refused_call_is_no_result() -> None:
    again = [call_tool("echo", word="hi")] * 2
    changes, codes, _ = await ran(
        *again, transfer("One"), transfer("Two"), call_tool("echo", word="hi"), transfer("One")
    )
    assert changes == ["One", "Two"]
    assert codes[2:] == ["repeated_call", "handed_back"]


async def test_a_refused_hand_over_does_not_keep_another_one_away() -> None:
    both = (
        ToolCall("a", "transfer_to_agent", '{"agent_name": "One"}'),
        ToolCall("b", "transfer_to_agent", '{"agent_name": "Three"}'),
    )
    changes, _, answer = await ran(transfer("One"), transfer("Two"), Reply("", both))
    assert (changes, answer.agent_name) == (["One", "Two", "Three"], "Three")


@pytest.mark.parametrize(
    "arguments",
    ['{"word":"hi"}', '{ "word" : "hi" }', '{"word":"\\u0068i"}', '\n{"word": "hi"}\n'],
)
async def test_a_call_is_the_same_however_it_is_written(arguments: str) -> None:
    steps = [call_tool("echo", word="hi")] * limits.MAX_IDENTICAL_CALLS
    _, codes, _ = await ran(transfer("One"), *steps, Reply("", (ToolCall("c", "echo", arguments),)))
    assert codes == [None] * limits.MAX_IDENTICAL_CALLS + ["repeated_call"]


async def test_another_call_is_another_one() -> None:
    others = ['{"word":"hi "}', '{"word":"HI"}', "[]", "", "{", "[" * 100_000]
    calls = [Reply("", (ToolCall("c", "echo", arguments),)) for arguments in others[:4]]
    _, codes, _ = await ran(transfer("One"), call_tool("echo", word="hi"), *calls)
    assert "repeated_call" not in codes
    _, codes, _ = await ran(transfer("One"), *(Reply("", (ToolCall("c", "echo", each),)) for each in others[4:]))
    assert codes == ["invalid_arguments"] * 2


@pytest.fixture
def bounded(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Set one of the bounds so low that two calls reach it."""
    values: dict[str, tuple[str, float]] = {
        "steps": ("MAX_STEPS", 3),
        "calls": ("MAX_TOOL_CALLS", 2),
        "tokens": ("MAX_TURN_TOKENS", 30),
        "time": ("TURN_SECONDS", 0.0),
    }

    def set_bound(name: str) -> None:
        monkeypatch.setattr(limits, *values[name])

    return set_bound


@pytest.mark.parametrize("bound", BOUNDS)
async def test_at_a_bound_the_answer_is_asked_for_once_without_tools(
    bounded: Callable[[str], None], bound: str
) -> None:
    bounded(bound)
    before: list[Step] = [call_tool("echo", word="a"), call_tool("echo", word="b")] if bound != "time" else []
    model = ScriptedModel([*before, say("It is a and b; c is missing.")])
    answer = last(await run(model, agent_name="One"))
    assert (answer.text, answer.finish) == ("It is a and b; c is missing. ", "stop")
    assert [call.may_call_tools for call in model.calls] == [True] * len(before) + [False]
    asked = list(model.calls[-1].messages)
    assert BOUNDS[bound] in asked[-1]["content"]
    assert "which parts of it are missing" in asked[-1]["content"]
    # It stands behind everything, so that the prompt's beginning stays as it was.
    assert asked[-1]["role"] == "user"
    assert not before or asked[: len(asked) - 3] == list(model.calls[-2].messages)


@pytest.mark.parametrize("words", ["", "Let me look further."])
@pytest.mark.parametrize("bound", BOUNDS)
async def test_a_model_that_calls_tools_all_the_same_is_told_of_for_what_it_is(
    bounded: Callable[[str], None], bound: str, words: str
) -> None:
    bounded(bound)
    counter = iter(range(100))
    model = ScriptedModel([lambda _: replace(call_tool("echo", word=str(next(counter))), text=words)])
    answer = last(await run(model, agent_name="One"))
    assert answer.finish == "no_answer"
    assert f"There is no answer: {BOUNDS[bound]}" in answer.text
    assert "Ask for one part of the question at a time" in answer.text
    assert ("the calls of echo are kept" in answer.text) == (bound != "time")


async def test_a_bound_that_is_not_reached_says_nothing() -> None:
    model = ScriptedModel([call_tool("echo", word="a"), say("done")])
    await run(model, agent_name="One")
    assert all(
        message["content"] is None or "Stop here" not in message["content"] for message in model.calls[1].messages
    )
