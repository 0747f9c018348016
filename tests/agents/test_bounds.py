"""Hand-overs and identical calls: at their bounds, and one past them."""

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
