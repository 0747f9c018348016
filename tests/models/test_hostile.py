"""Replies without end, sense or measure: each is bounded, and its stream is closed."""

import asyncio
import itertools
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass

import pytest

from common import limits
from common.errors import ModelError, ProviderTimeout, ProviderUnavailable, ServiceError
from common.models.call import ModelCall, Reply
from common.models.call_builder import CallBuilder
from common.models.completion import Providers
from common.models.pace import Pace
from common.models.reply_builder import Gathered
from common.models.sse_reader import Frames, reply_bytes
from common.models.stream_delta import CallPiece, Delta, of_event
from common.models.token_estimate import tokens_of
from tests.fakes.hostile_provider import HostileProvider, hostile_provider
from tests.fakes.wire_stub import BASES
from tests.models.conftest import a_call, each_provider

# litellm still reads pydantic's fields from instances.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_.*fields' attribute:DeprecationWarning")
MIB = 1024**2


@dataclass
class Hostile:
    """The provider that means harm, and the product's client of it."""

    provider: HostileProvider
    llm: Providers

    async def ask(self, call: ModelCall) -> tuple[str, Reply]:
        text, reply = "", None
        async with asyncio.timeout(120), aclosing(self.llm.stream(call)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Reply):
                    reply = piece
                else:
                    text += piece
        assert reply is not None
        return text, reply

    async def refused(self, call: ModelCall) -> ServiceError:
        with pytest.raises(ServiceError) as caught:
            await self.ask(call)
        assert caught.value.__context__ is None
        return caught.value

    async def hung_up(self) -> None:
        """Wait until every request was left."""
        async with asyncio.timeout(120):
            while self.provider.left < len(self.provider.seen):  # noqa: ASYNC110  another task's state
                await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
async def hostile_at(session_wire: object) -> AsyncIterator[Hostile]:
    async def no_pause(_: float) -> None:
        return None

    async with hostile_provider() as (provider, url):
        llm = Providers({name: url + path for name, path in BASES.items()}, pause=no_pause)
        yield Hostile(provider, llm)
        await llm.close()


@pytest.fixture
def hostile(hostile_at: Hostile) -> Hostile:
    hostile_at.provider.seen.clear()
    hostile_at.provider.left = 0
    # What one test did to an address keeps no call of the next one away.
    hostile_at.llm.breakers = type(hostile_at.llm.breakers)()
    return hostile_at


@pytest.fixture
def memory() -> Iterator[None]:
    """Fail where more was held at any moment than a reply may make of it."""
    tracemalloc.start()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50 * MIB, f"{peak / MIB:.0f} MiB"


@each_provider
async def test_text_without_end_is_cut_like_a_long_answer(hostile: Hostile, provider: str, memory: None) -> None:
    hostile.provider.mode = "text"
    text, reply = await hostile.ask(a_call(provider))
    assert (len(text), reply.finish_reason) == (limits.MODEL_REPLY_CHARS, "length")
    # What was not counted by the provider is counted here.
    assert reply.usage.output_tokens == tokens_of(text)
    await hostile.hung_up()


@each_provider
async def test_thoughts_without_end_are_cut(hostile: Hostile, provider: str, memory: None) -> None:
    hostile.provider.mode = "thoughts"
    text, reply = await hostile.ask(a_call(provider))
    assert (text, reply.finish_reason) == ("", "length")
    await hostile.hung_up()


@each_provider
async def test_arguments_without_end_are_cut(hostile: Hostile, provider: str, memory: None) -> None:
    hostile.provider.mode = "arguments"
    _, reply = await hostile.ask(a_call(provider))
    assert reply.finish_reason == "length"
    assert limits.MODEL_ARGUMENT_CHARS < len(reply.tool_calls[0].arguments) < 2 * limits.MODEL_ARGUMENT_CHARS
    await hostile.hung_up()


@each_provider
async def test_calls_without_end_are_cut(hostile: Hostile, provider: str, memory: None) -> None:
    hostile.provider.mode = "calls"
    _, reply = await hostile.ask(a_call(provider))
    assert (len(reply.tool_calls), reply.finish_reason) == (limits.MODEL_TOOL_CALLS, "length")
    await hostile.hung_up()


@each_provider
@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("line", ModelError), ("comment", ModelError), ("data_lines", ModelError), ("garbage", ModelError),
        ("pings", ModelError), ("refusing", ModelError), ("redirect", ModelError), ("bomb", ModelError),
        ("nested", ProviderUnavailable), ("headers", ProviderUnavailable), ("header", ProviderUnavailable),
    ],
)  # fmt: skip
async def test_what_is_no_answer_is_an_error(
    hostile: Hostile,
    provider: str,
    mode: str,
    expected: type[ServiceError],
    monkeypatch: pytest.MonkeyPatch,
    memory: None,
) -> None:
    # As much of it as of a model that does not think.
    monkeypatch.setattr(limits, "MODEL_REPLY_BYTES", 2 * MIB)
    hostile.provider.mode = mode
    assert type(await hostile.refused(a_call(provider))) is expected
    assert not any("elsewhere" in path for path in hostile.provider.seen)


@pytest.mark.parametrize("provider", ["openai", "deepseek"])
async def test_a_whole_answer_without_end_is_an_error(hostile: Hostile, provider: str, memory: None) -> None:
    hostile.provider.mode = "whole"
    assert type(await hostile.refused(a_call(provider))) is ModelError
    await hostile.hung_up()


@each_provider
@pytest.mark.parametrize("mode", ["drip", "continue"])
async def test_what_only_keeps_a_connection_open_ends_with_the_time_of_a_call(
    hostile: Hostile, provider: str, mode: str, monkeypatch: pytest.MonkeyPatch, memory: None
) -> None:
    monkeypatch.setattr(limits, "MODEL_TOTAL_SECONDS", 1.0)
    hostile.provider.mode = mode
    assert type(await hostile.refused(a_call(provider))) is ProviderTimeout
    await hostile.hung_up()


def test_a_reply_holds_what_it_may_and_no_more() -> None:
    most = limits.MODEL_REPLY_CHARS
    for at_most, too_much in (
        (Delta(text="x" * most), Delta(text="x" * (most + 1))),
        (Delta(thought="x" * most), Delta(thought="x" * (most + 1))),
    ):
        at_limit, past = Gathered(), Gathered()
        at_limit.add(at_most)
        past.add(too_much)
        assert (at_limit.full, past.full, past.finish_reason) == (False, True, "length")
    assert past.add(Delta(text="more")) == ""
    kept = Gathered()
    assert kept.add(Delta(text="x" * (most + 1))) == "x" * most


def test_a_reply_has_as_many_calls_as_it_may_and_no_more() -> None:
    calls = CallBuilder()
    for number in range(limits.MODEL_TOOL_CALLS):
        calls.add(CallPiece(number, f"c{number}", "echo", "{}"))
    assert not calls.full
    calls.add(CallPiece(limits.MODEL_TOOL_CALLS, "c", "echo", "{}"))
    assert calls.full
    assert len(calls.calls()) == limits.MODEL_TOOL_CALLS


def test_arguments_are_as_long_as_they_may_be_and_no_longer() -> None:
    for extra in (0, 1):
        calls = CallBuilder()
        calls.add(CallPiece(0, "c", "echo", "x" * (limits.MODEL_ARGUMENT_CHARS + extra)))
        assert calls.full is bool(extra)


def test_an_event_is_as_long_as_it_may_be_and_no_longer() -> None:
    empty = b'data: {"choices": [], "x": ""}'
    for extra in (0, 1):
        line = empty[:-2] + b"a" * (limits.MODEL_EVENT_BYTES - len(empty) + extra) + b'"}'
        frames = Frames(limits.MODEL_REPLY_BYTES)
        read = frames.feed(line + b"\n\n")
        assert (len(read), frames.failure is not None) == (1 - extra, bool(extra))
    # Many short lines of one event are as long as one long line.
    frames = Frames(limits.MODEL_REPLY_BYTES)
    frames.feed(b"data: 0123\n" * (limits.MODEL_EVENT_BYTES // 10 + 1))
    assert type(frames.failure) is ModelError


def test_a_reply_takes_as_many_bytes_as_it_may_and_no_more() -> None:
    for extra in (0, 1):
        frames = Frames(1000)
        frames.feed(b":" * (1000 + extra))
        assert frames.full is bool(extra)
    assert reply_bytes(a_call("openai", max_tokens=1000)) == 1024 * 1000 + MIB
    # What a model thinks comes on top of what it was asked for.
    assert reply_bytes(a_call("openai", "o3", max_tokens=1000)) == limits.MODEL_REPLY_BYTES
    assert reply_bytes(a_call("openai", "gpt-4.1", max_tokens=200_000)) <= limits.MODEL_REPLY_BYTES


def work(deltas: Iterator[Delta], gathered: Gathered) -> int:
    """Count what Python does with so many deltas: time would tell of the machine."""
    import sys

    steps = 0

    def trace(frame: object, event: str, argument: object) -> object:
        nonlocal steps
        steps += 1
        return trace

    sys.settrace(trace)  # type: ignore[arg-type]
    for delta in deltas:
        gathered.add(delta)
    sys.settrace(None)
    return steps


@pytest.mark.parametrize(
    "delta",
    [
        {"choices": [{"delta": {"content": "a "}}]},
        {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"name": "echo", "arguments": '"}'}}]}}]},
        {"choices": [{"delta": {"tool_calls": [{"function": {"arguments": "ab"}}]}}]},
        {"choices": [{"delta": {"reasoning_content": "a "}}]},
    ],
)
def test_each_piece_of_a_reply_is_as_much_work_as_the_one_before(delta: dict[str, object]) -> None:
    begin = of_event(
        {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"name": "echo", "arguments": '{"a": "'}}]}}]}
    )
    took = []
    for count in (500, 2000):
        gathered = Gathered()
        gathered.add(begin)
        took.append(work(iter([of_event(delta) for _ in range(count)]), gathered))
    assert took[1] < 4.2 * took[0]


def test_a_line_in_very_many_pieces_is_joined_once() -> None:
    frames = Frames(limits.MODEL_REPLY_BYTES)
    event = b'data: {"choices": [{"delta": {"content": "' + b"a" * 200_000 + b'"}}]}\n\n'
    read = list(itertools.chain.from_iterable(frames.feed(bytes([byte])) for byte in event))
    assert len(read) == 1
    assert frames.failure is None


def test_a_stream_that_makes_much_work_rests_and_another_does_not() -> None:
    now = worked = 0.0
    pace = Pace(lambda: now, lambda: worked)
    waited = []
    for _ in range(1000):
        pace.begin()
        worked += 0.01
        now += 0.01
        wait = pace.wait()
        waited.append(wait)
        now += wait or 0
    assert waited[0] == 0
    assert 0.04 < worked / now < 0.06
    calm = Pace(lambda: now, lambda: worked)
    for _ in range(1000):
        calm.begin()
        worked += 0.0001
        with calm.away():
            worked += 1
        now += 0.02
        assert not calm.wait()


def test_a_provider_counts_no_tokens_that_there_cannot_be() -> None:
    told: object
    for told in (-5, 10**30, "9" * 5000, "a", [], 1.5, None):
        delta = of_event({"usage": {"prompt_tokens": told, "completion_tokens": 7}})
        assert delta.usage is not None
        assert (delta.usage.input_tokens, delta.usage.output_tokens) == (0, 7)
