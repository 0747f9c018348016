"""What of a stream's content a reader sees: whole characters, no thoughts, and words whichever shape they come in."""

import asyncio
from typing import Any

import pytest

from common.errors import ModelError
from common.models.answer_text import AnswerText, whole
from tests.fakes.wire_stub import Answer, anthropic_blocks, candidates, chunks
from tests.models.conftest import Wire, a_call, each_provider

# litellm still reads pydantic's fields from instances.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_.*fields' attribute:DeprecationWarning")
SMILE = "\U0001f600"
SHOWN = [
    (["plain"], "plain"),
    (["hi \ud83d", "\ude00 there"], f"hi {SMILE} there"),
    (["hi \ud83d", "", "\ude00"], f"hi {SMILE}"),
    (["hi \ud83d there"], "hi \ufffd there"),
    (["hi \ud83d", " there"], "hi \ufffd there"),
    (["hi \ude00 there"], "hi \ufffd there"),
    (["ends with \ud83d"], "ends with \ufffd"),
    (["a\x00b"], "a\ufffdb"),
    (["<think>secret</think>The answer is 5."], "The answer is 5."),
    (["<think>secret</think>\n\nThe answer"], "The answer"),
    (["<thi", "nk>sec", "ret</th", "ink>", "\n", "The answer"], "The answer"),
    (["<THINK>secret</THINK>The answer"], "The answer"),
    (["<thinking>secret</thinking>The answer"], "The answer"),
    (["Before <think>secret</think>after"], "Before after"),
    (["<think>one</think>A<think>two</think>B"], "AB"),
    (["<think>never ends"], ""),
    (["no opening</think>The answer"], "no openingThe answer"),
    (["\n\n", "  The answer"], "The answer"),
    (["  \n\n"], ""),
    (["5 < 6 and a <b>tag</b>"], "5 < 6 and a <b>tag</b>"),
    (["ends with <thin"], "ends with <thin"),
    (["ends with <"], "ends with <"),
    (list("<think>secret</think>letter by letter"), "letter by letter"),
]  # fmt: skip


@pytest.mark.parametrize(("pieces", "shown"), SHOWN)
def test_a_reader_sees_whole_characters_and_no_thoughts(pieces: list[str], shown: str) -> None:
    text = AnswerText()
    assert "".join([*map(text.feed, pieces), text.finish()]) == shown


def test_nothing_is_held_that_cannot_be_the_beginning_of_something() -> None:
    text = AnswerText()
    assert [text.feed(each) for each in ("a <b", "> c <", "div> ", "<th", "at> ")] == [
        "a <b", "> c ", "<div> ", "", "<that> ",
    ]  # fmt: skip


def test_whole_text_is_left_as_it_is() -> None:
    for text in ("", "plain", "é", SMILE, "\U0010ffff"):
        assert whole(text) == text


def said(provider: str, *pieces: str) -> tuple[bytes, ...]:
    """The frames of a provider's stream whose text comes in these pieces."""
    if provider == "anthropic":
        deltas = [{"type": "text_delta", "text": piece} for piece in pieces]
        return tuple(anthropic_blocks([({"type": "text", "text": ""}, deltas)], "end_turn"))
    if provider == "gemini":
        parts = [{"content": {"role": "model", "parts": [{"text": piece}]}} for piece in pieces]
        return candidates(*parts, {"content": {"role": "model", "parts": [{"text": ""}]}, "finishReason": "STOP"})
    return chunks(*({"content": piece} for piece in pieces))


@pytest.mark.parametrize("provider", ["openai", "deepseek", "anthropic", "gemini", "openai-litellm"])
@pytest.mark.parametrize(("pieces", "shown"), SHOWN[1:10])
async def test_the_text_of_a_stream_is_what_a_reader_may_see(
    wire: Wire, provider: str, pieces: list[str], shown: str
) -> None:
    wire.play([Answer(frames=said(provider, *pieces))])
    got, reply = await wire.ask(a_call(provider))
    assert ("".join(got), reply.text) == (shown, shown)


PARTS: list[tuple[Any, str]] = [
    ([{"type": "text", "text": "Hello "}, {"type": "text", "text": "parts"}], "Hello parts"),
    ([{"type": "output_text", "text": "Hello"}], "Hello"),
    ([{"type": "thinking", "thinking": [{"type": "text", "text": "secret"}]}, {"type": "text", "text": "Hi"}], "Hi"),
    (["Hello"], "Hello"),
    ([{"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": "Hello"}], "Hello"),
]  # fmt: skip


@pytest.mark.parametrize("provider", ["openai", "deepseek"])
@pytest.mark.parametrize(("content", "shown"), PARTS)
async def test_content_as_a_list_of_parts_is_read(wire: Wire, provider: str, content: Any, shown: str) -> None:
    wire.play([Answer(frames=chunks({"content": content}))])
    pieces, reply = await wire.ask(a_call(provider))
    assert ("".join(pieces), reply.text) == (shown, shown)


@pytest.mark.parametrize("provider", ["openai", "deepseek"])
async def test_a_whole_answer_in_place_of_a_stream_is_read(wire: Wire, provider: str) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "query_costs", "arguments": "{}"}}
    message = {"role": "assistant", "content": "plain", "tool_calls": [call]}
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
    choices = [{"index": 0, "message": message, "finish_reason": "tool_calls"}]
    wire.play([Answer(whole={"object": "chat.completion", "choices": choices, "usage": usage})])
    pieces, reply = await wire.ask(a_call(provider))
    assert ("".join(pieces), [each.name for each in reply.tool_calls]) == ("plain", ["query_costs"])
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (9, 4)


ODD_FRAMES = [
    b'data: {"choices": [null]}\n\n',
    b'data: {"choices": 3}\n\n',
    b'data: {"choices": [{"delta": 3}]}\n\n',
    b'data: {"choices": [{"delta": {"content": 5, "tool_calls": [null, {"function": null}]}}]}\n\n',
    b'data: {"choices": [{"delta": {"tool_calls": "x"}}]}\n\n',
    b'data: {"choices": [], "usage": "many"}\n\n',
    b'data: {"choices": [], "usage": {"prompt_tokens": "9"}}\n\n',
    b'data: {"candidates": 3}\n\n',
    b'data: {"candidates": [{"content": {"parts": 3}}]}\n\n',
    b'data: {"type": "content_block_delta", "delta": null}\n\n',
    b'data: {"type": "message_delta", "delta": 5}\n\n',
    b"data: \xff\xfe\n\n",
    b"data: [1]\n\n",
    b"data: null\n\n",
    b"\x00\x00\n\n",
]


@each_provider
@pytest.mark.parametrize("frame", ODD_FRAMES)
async def test_whatever_a_provider_sends_is_an_answer_or_one_of_the_models_errors(
    wire: Wire, provider: str, frame: bytes
) -> None:
    words = said(provider.partition("-")[0], "fine")
    wire.play([Answer(frames=(frame, *words))])
    async with asyncio.timeout(120):
        outcome = (await asyncio.gather(wire.ask(a_call(provider)), return_exceptions=True))[0]
    # litellm may lose a frame beside one that it cannot read; a turn asks once more where there is no answer.
    assert isinstance(outcome, ModelError) or outcome[1].text in ("fine", "")  # type: ignore[index]
