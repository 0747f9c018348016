"""Everything that can go wrong on the way to a provider and back."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from common import limits
from common.errors import (
    ContentRefused,
    ContextTooLong,
    KeyInvalid,
    ModelError,
    ModelNotFound,
    ProviderRateLimited,
    ProviderTimeout,
    ProviderUnavailable,
    ServiceError,
)
from common.models import completion, deadline, provider_errors
from common.models.completion import Providers, Reply
from tests.fakes.wire_stub import Answer, faulty
from tests.models.conftest import FIRST, PROVIDERS, THREE, Wire, a_call, each_provider, refused

# litellm still reads pydantic's fields from instances.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_.*fields' attribute:DeprecationWarning")


@each_provider
@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        (401, "Incorrect API key provided: sk-planted", KeyInvalid),
        (403, "forbidden", KeyInvalid),
        (404, "no such model", ModelNotFound),
        (400, "something else", ModelError),
        (422, "something else", ModelError),
        (413, "too large", ContextTooLong),
        (400, "This model's maximum context length is 128000 tokens. However, your messages ...", ContextTooLong),
        (400, "prompt is too long: 210000 tokens > 200000 maximum", ContextTooLong),
        (400, "The input token count (1200000) exceeds the maximum number of tokens allowed.", ContextTooLong),
        (400, "The response was filtered due to our content policy", ContentRefused),
        (400, "Content Exists Risk", ContentRefused),
        (400, "API key not valid. Please pass a valid API key. [API_KEY_INVALID]", KeyInvalid),
        (402, "Insufficient Balance", ProviderRateLimited),
        (429, "You exceeded your current quota. insufficient_quota", ProviderRateLimited),
        (400, "Your credit balance is too low to access the Anthropic API.", ProviderRateLimited),
    ],
)  # fmt: skip
async def test_a_refusal_has_its_code_and_is_asked_once(
    wire: Wire, provider: str, status: int, error: str, expected: type[ServiceError]
) -> None:
    wire.play([Answer(status=status, error=error), THREE])
    failure = await refused(wire, provider)
    assert type(failure) is expected
    assert len(wire.stub.received) == 1
    # Nothing of what the provider said, in the error or behind it.
    assert error not in f"{failure!r} {failure.detail}"
    assert (failure.__cause__, failure.__context__) == (None, None)


@each_provider
@pytest.mark.parametrize("status", [429, 500, 502, 503, 529])
async def test_a_limit_or_an_outage_that_passes_is_not_noticed(wire: Wire, provider: str, status: int) -> None:
    wire.play([Answer(status=status), Answer(status=status), THREE])
    pieces, _ = await wire.ask(a_call(provider))
    assert "".join(pieces) == "one two three"
    assert len(wire.stub.received) == completion.MODEL_ATTEMPTS
    assert len(wire.pauses) == completion.MODEL_ATTEMPTS - 1
    assert all(0 < pause <= 2 * completion.MODEL_BACKOFF_SECONDS for pause in wire.pauses)


@each_provider
@pytest.mark.parametrize(("status", "expected"), [(429, ProviderRateLimited), (503, ProviderUnavailable)])
async def test_a_limit_or_an_outage_that_stays_is_a_code_after_bounded_attempts(
    wire: Wire, provider: str, status: int, expected: type[ServiceError]
) -> None:
    wire.play([Answer(status=status)])
    assert type(await refused(wire, provider)) is expected
    assert len(wire.stub.received) == completion.MODEL_ATTEMPTS


@each_provider
async def test_a_retry_after_is_waited_for(wire: Wire, provider: str) -> None:
    wire.play([Answer(status=429, headers={"retry-after": "3"}), THREE])
    await wire.ask(a_call(provider))
    (pause,) = wire.pauses
    assert 3 <= pause <= 3 + completion.MODEL_BACKOFF_SECONDS


@each_provider
async def test_a_retry_after_beyond_the_limit_is_passed_on_at_once(wire: Wire, provider: str) -> None:
    seconds = completion.MODEL_RETRY_AFTER_SECONDS + 1
    wire.play([Answer(status=429, headers={"retry-after": str(seconds)}), THREE])
    failure = await refused(wire, provider)
    assert (type(failure), failure.retry_after) == (ProviderRateLimited, seconds)
    assert (len(wire.stub.received), wire.pauses) == (1, [])


LONGEST_TOLD = provider_errors.MODEL_RETRY_AFTER_TOLD_SECONDS


@pytest.mark.parametrize(
    ("said", "passed_on"),
    [
        ("99999999", LONGEST_TOLD),
        pytest.param(format_datetime(datetime.now(UTC) + timedelta(hours=5), usegmt=True), LONGEST_TOLD, id="a date"),
        ("soon", None), ("-5", None), ("1e9", None), ("", None),
    ],
)  # fmt: skip
async def test_a_retry_after_is_a_number_or_a_date_and_bounded(wire: Wire, said: str, passed_on: int | None) -> None:
    wire.play([Answer(status=429, headers={"retry-after": said})])
    assert (await refused(wire, "openai")).retry_after == passed_on


@each_provider
@pytest.mark.parametrize("fault", ["cut", "end", "malformed", "error"])
async def test_a_stream_that_goes_wrong_after_the_first_word_is_an_error_and_never_asked_again(
    wire: Wire, provider: str, fault: str
) -> None:
    wire.play([faulty(THREE, fault, FIRST[provider] + 2), THREE])
    pieces: list[str | Reply] = []

    async def read() -> None:
        async for piece in wire.llm.stream(a_call(provider)):
            pieces.append(piece)  # noqa: PERF401  what came before the error is the point

    with pytest.raises(ProviderUnavailable) as caught:
        await read()
    assert "".join(str(piece) for piece in pieces) in ("one ", "one two ")
    assert len(wire.stub.received) == 1
    assert caught.value.__context__ is None


@each_provider
@pytest.mark.parametrize("fault", ["cut", "end", "malformed", "error"])
async def test_a_stream_that_goes_wrong_before_the_first_word_is_asked_again(
    wire: Wire, provider: str, fault: str
) -> None:
    wire.play([faulty(THREE, fault, FIRST[provider]), THREE])
    pieces, _ = await wire.ask(a_call(provider))
    assert "".join(pieces) == "one two three"
    assert len(wire.stub.received) == 2


@each_provider
async def test_an_answer_that_the_provider_filters_is_refused_content(wire: Wire, provider: str) -> None:
    finish = {"anthropic": "refusal", "gemini": "SAFETY"}.get(provider, "content_filter")
    wire.play([Answer("one two", finish=finish)])
    assert type(await refused(wire, provider)) is ContentRefused
    assert len(wire.stub.received) == 1


@each_provider
async def test_a_first_word_that_does_not_come_is_a_timeout_that_closes_the_request(
    wire: Wire, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "MODEL_FIRST_TOKEN_SECONDS", 2.0)
    monkeypatch.setattr(deadline, "MODEL_REASONING_SECONDS", 2.0)
    wire.play([Answer("late", hold=asyncio.Event())])
    assert type(await refused(wire, provider)) is ProviderTimeout
    await asyncio.wait_for(wire.stub.received[0].disconnected.wait(), 60)
    assert len(wire.stub.received) == 1


@each_provider
async def test_a_stall_between_words_is_a_timeout_that_closes_the_request(
    wire: Wire, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "MODEL_BETWEEN_TOKENS_SECONDS", 0.7)
    wire.play([faulty(THREE, "stall", FIRST[provider] + 2)])
    assert type(await refused(wire, provider)) is ProviderTimeout
    await asyncio.wait_for(wire.stub.received[0].disconnected.wait(), 60)


async def test_a_call_is_over_after_its_total_however_lively_it_is(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MODEL_TOTAL_SECONDS", 0.7)
    wire.play([faulty(THREE, "stall", 3)])
    assert type(await refused(wire, "openai")) is ProviderTimeout


async def test_a_reasoning_model_may_think_longer(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "MODEL_FIRST_TOKEN_SECONDS", 0.5)
    hold = asyncio.Event()
    wire.play([Answer("thought through", hold=hold)])
    asking = asyncio.create_task(wire.ask(a_call("openai", "o3")))
    plain = asyncio.create_task(refused(wire, "openai"))
    assert type(await plain) is ProviderTimeout
    hold.set()
    assert "".join((await asking)[0]) == "thought through"


@each_provider
async def test_whoever_stops_reading_closes_the_providers_stream(wire: Wire, provider: str) -> None:
    wire.play([faulty(THREE, "stall", FIRST[provider] + 2)])
    async with aclosing(wire.llm.stream(a_call(provider))) as pieces:
        async for _ in pieces:
            break
    await asyncio.wait_for(wire.stub.received[0].disconnected.wait(), 60)


@each_provider
async def test_a_cancelled_call_closes_the_providers_stream(wire: Wire, provider: str) -> None:
    wire.play([faulty(THREE, "stall", FIRST[provider] + 2)])
    asking = asyncio.create_task(wire.ask(a_call(provider)))
    request = await wire.stub.request()
    await request.answering.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.wait_for(request.disconnected.wait(), 60)


async def test_a_provider_that_is_not_there_is_unavailable(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    async def pause(_: float) -> None:
        return None

    llm = Providers(dict.fromkeys(PROVIDERS, "http://127.0.0.1:9"), pause=pause)
    try:
        for provider in PROVIDERS:
            with pytest.raises(ProviderUnavailable):
                await Wire(wire.stub, llm).ask(a_call(provider))
    finally:
        await llm.close()
