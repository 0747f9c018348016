"""What the loop makes of a model that stops without a word, is cut, refuses, or cannot call tools."""

from dataclasses import replace
from typing import Any

import pytest

from common.agents import ending
from common.agents.events import TextDelta
from common.agents.loop import AgentLoop, Answered, Briefing
from common.errors import ModelCannotUseTools
from common.models.call import FinishReason
from common.models.catalog import resolve
from common.models.completion import Reply, Usage
from common.secret import Secret
from tests.agents.test_loop import ROSTER, tools_for
from tests.fakes.scripted_model import ScriptedModel, call_tool, say

SILENCE = Reply("", usage=Usage(10, 1))
USED_UP = Reply("", usage=Usage(10, 4096), finish_reason="length")
HELLO = "Hello there!"


async def run(scripted: ScriptedModel, question: str = "a question", **changes: Any) -> tuple[str, Answered]:
    """The text as it was said, and the end."""
    briefing = Briefing(
        roster=ROSTER,
        agent_name="Echoer",
        history=[],
        question=question,
        context="Today is 2026-02-28 (UTC).",
        model=resolve("demo", "analyst-1", deployed=False),
        key=Secret("sk-test"),
        temperature=0.5,
        max_tokens=100,
        tools_for=tools_for,
    )
    said: list[str] = []
    answered: Answered | None = None
    async for event in AgentLoop(scripted).run(replace(briefing, **changes)):
        if isinstance(event, TextDelta):
            said.append(event.text)
        if isinstance(event, Answered):
            answered = event
    assert answered is not None
    assert answered.text == "".join(said)
    return answered.text, answered


async def test_silence_after_a_tool_result_is_answered_by_one_further_call_without_tools() -> None:
    model = ScriptedModel([call_tool("echo", word="a"), SILENCE, say("It is a.")])
    text, answered = await run(model)
    assert (text.strip(), answered.finish) == ("It is a.", "stop")
    assert [call.may_call_tools for call in model.calls] == [True, True, False]
    assert [bool(call.tools) for call in model.calls] == [True, True, False]
    silent, further = (list(call.messages) for call in model.calls[1:])
    assert further[:-1] == silent
    assert "without calling tools" in further[-1]["content"]


async def test_where_a_history_of_calls_needs_its_tools_they_stay_and_none_may_be_called() -> None:
    model = ScriptedModel([call_tool("echo", word="a"), SILENCE, say("It is a.")])
    await run(model, model=resolve("anthropic", "claude-opus-5", deployed=True))
    assert [(bool(call.tools), call.may_call_tools) for call in model.calls] == [(True, True)] * 2 + [(True, False)]


async def test_a_call_instead_of_the_answer_that_was_asked_for_is_no_answer() -> None:
    model = ScriptedModel([call_tool("echo", word="a"), SILENCE, call_tool("echo", word="b")])
    text, answered = await run(model)
    assert "when it was asked once more it gave none" in text
    assert (answered.finish, answered.tool_calls, len(model.calls)) == ("no_answer", 1, 3)


async def test_silence_before_any_tool_result_is_the_same_call_once_more_with_its_tools() -> None:
    model = ScriptedModel([SILENCE, call_tool("echo", word="a"), say("It is a.")])
    text, answered = await run(model)
    assert (text.strip(), answered.finish) == ("It is a.", "stop")
    assert [call.may_call_tools for call in model.calls] == [True, True, True]
    assert list(model.calls[0].messages) == list(model.calls[1].messages)


@pytest.mark.parametrize("before", [[], [call_tool("echo", word="a")]])
@pytest.mark.parametrize(
    ("silence", "finish", "words"),
    [
        (SILENCE, "no_answer", "when it was asked once more it gave none"),
        (USED_UP, "length", "used up its output limit"),
    ],
)
async def test_a_model_that_stays_silent_is_asked_once_more_and_then_a_sentence_says_what_happened(
    before: list[Reply], silence: Reply, finish: str, words: str
) -> None:
    model = ScriptedModel([*before, silence])
    text, answered = await run(model)
    assert len(model.calls) == len(before) + 2
    assert text.startswith("The model stopped without an answer")
    assert words in text
    assert "less" not in text.replace("thinks less", "")
    assert answered.finish == finish


async def test_silence_after_words_and_a_tool_result_is_no_answer_either() -> None:
    looking = replace(call_tool("echo", word="a"), text="Let me look.")
    text, answered = await run(ScriptedModel([looking, SILENCE]))
    assert text.startswith("Let me look.")
    assert text.endswith("choose another model in the chat settings.")
    assert answered.finish == "no_answer"


async def test_thoughts_that_used_up_the_limit_get_room_beside_them() -> None:
    model = ScriptedModel([USED_UP, say("fine")])
    await run(model)
    assert [call.max_tokens for call in model.calls] == [100, 100 * ending.MODEL_ROOM_FOR_THOUGHTS]


async def test_a_call_that_stays_malformed_after_words_is_asked_for_the_answer() -> None:
    malformed = Reply("Let me see.", usage=Usage(1, 1), finish_reason="malformed")
    text, answered = await run(ScriptedModel([malformed, say("42")]))
    assert (text.split(), answered.finish) == (["Let", "me", "see.", "42"], "stop")


@pytest.mark.parametrize(("reason", "finish"), [("length", "length"), ("refused", "refused"), ("stop", "stop")])
async def test_an_answer_in_words_is_asked_for_once_and_says_how_it_ended(reason: FinishReason, finish: str) -> None:
    model = ScriptedModel([Reply("The three largest are", usage=Usage(1, 1), finish_reason=reason)])
    text, answered = await run(model)
    assert (text.strip(), answered.finish, len(model.calls)) == ("The three largest are", finish, 1)


async def test_what_a_model_thought_goes_back_with_its_calls_and_is_never_text() -> None:
    thoughts = {"model": "m", "reasoning_content": "secret"}
    model = ScriptedModel([replace(call_tool("echo", word="a"), thoughts=thoughts), say("done")])
    text, _ = await run(model)
    (asking,) = [message for message in model.calls[1].messages if message["role"] == "assistant"]
    assert asking["thoughts"] == thoughts
    assert "secret" not in text


async def test_white_space_beside_a_call_is_not_sent_back_as_text() -> None:
    model = ScriptedModel([replace(call_tool("echo", word="a"), text="\n\n"), say("done")])
    await run(model)
    (asking,) = [message for message in model.calls[1].messages if message["role"] == "assistant"]
    assert asking["content"] is None


DATA_QUESTIONS = [
    "What did we spend per provider last month?", "Show me the bill", "how much is that", "Top 5 services",
    "Which team is the most expensive?", "tokens of Claude yesterday", "Is there an anomaly?", "costs?", "$?",
    "Wie hoch sind die Kosten?", "Forecast", "What does GCP charge?", "list the alerts", "SELECT * FROM x",
]  # fmt: skip


@pytest.mark.parametrize("question", DATA_QUESTIONS)
async def test_a_model_without_tools_is_not_asked_about_data(question: str) -> None:
    model = ScriptedModel([say("You spent a lot.")])
    with pytest.raises(ModelCannotUseTools):
        await run(model, question, calls_tools=False)
    assert model.calls == []


async def test_a_model_without_tools_talks_with_none_and_is_told_so() -> None:
    model = ScriptedModel([say(HELLO)])
    text, answered = await run(model, "Hello!", calls_tools=False)
    assert (text.strip(), answered.finish) == (HELLO, "stop")
    (call,) = model.calls
    assert list(call.tools) == []
    assert "cannot read any data" in call.messages[0]["content"]


FIGURES = [
    "It was 42.",
    "12 dollars",
    "about 7",
    "42",
    "1",
    "1. 5 things",
    "a few dollars",
    "$",
    "half a percent",
    "½",
    "٣",
]


@pytest.mark.parametrize("answer", FIGURES)
async def test_a_figure_of_a_model_without_tools_never_becomes_an_answer(answer: str) -> None:
    with pytest.raises(ModelCannotUseTools):
        await run(ScriptedModel([say(answer)]), "Hello!", calls_tools=False)


@pytest.mark.parametrize("answer", ["1. Say hi\n2. Say bye", "1) Say hi", "Steps:\n10. Say hi"])
async def test_a_numbered_list_is_no_figure(answer: str) -> None:
    text, _ = await run(ScriptedModel([say(answer)]), "Hello!", calls_tools=False)
    assert text.split() == answer.split()
