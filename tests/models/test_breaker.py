"""An address that does not answer is left alone for a while, and one call finds out when it is back."""

import asyncio
from contextlib import aclosing

import pytest

from common.errors import (
    ContentRefused,
    KeyInvalid,
    ModelError,
    ProviderRateLimited,
    ProviderTimeout,
    ProviderUnavailable,
    ServiceError,
)
from common.models import breaker as breaker_module
from common.models import deadline
from common.models.breaker import Breaker, Breakers
from common.models.completion import Reply
from tests.fakes.wire_stub import Answer, faulty
from tests.models.conftest import FIRST, THREE, Wire, a_call, each_provider, refused

# litellm still reads pydantic's fields from instances.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_.*fields' attribute:DeprecationWarning")


class Seconds:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def breaker(seconds: Seconds) -> Breaker:
    return Breaker(seconds)


def fail(breaker: Breaker, error: ServiceError | None = None, times: int = 1) -> None:
    """Make so many calls that end with the error."""
    for _ in range(times):
        passage = breaker.enter()
        passage.failed(error or ProviderUnavailable())
        passage.leave()


def refusal(breaker: Breaker) -> int | None:
    """Say in how many seconds the breaker lets a call through; None where it does at once."""
    try:
        breaker.enter().leave()
    except ProviderUnavailable as error:
        return error.retry_after
    return None


@pytest.mark.parametrize("error", [ProviderUnavailable(), ProviderTimeout()])
def test_five_failures_within_a_minute_open_it_and_four_do_not(
    breaker: Breaker, seconds: Seconds, error: ServiceError
) -> None:
    fail(breaker, error, times=breaker_module.BREAKER_FAILURES - 1)
    assert refusal(breaker) is None
    seconds.now += breaker_module.BREAKER_WINDOW_SECONDS
    fail(breaker, error)
    assert refusal(breaker) == breaker_module.BREAKER_OPEN_SECONDS


def test_a_failure_that_is_older_than_the_window_does_not_count(breaker: Breaker, seconds: Seconds) -> None:
    fail(breaker)
    seconds.now += breaker_module.BREAKER_WINDOW_SECONDS + 0.1
    fail(breaker, times=breaker_module.BREAKER_FAILURES - 1)
    assert refusal(breaker) is None
    fail(breaker)
    assert refusal(breaker) is not None


@pytest.mark.parametrize("error", [KeyInvalid(), ProviderRateLimited(), ContentRefused(), ModelError()])
def test_what_the_provider_itself_states_shows_that_it_is_there(breaker: Breaker, error: ServiceError) -> None:
    fail(breaker, times=breaker_module.BREAKER_FAILURES - 1)
    fail(breaker, error, times=breaker_module.BREAKER_FAILURES)
    fail(breaker, times=breaker_module.BREAKER_FAILURES - 1)
    assert refusal(breaker) is None


def test_a_word_between_failures_begins_the_count_anew(breaker: Breaker) -> None:
    fail(breaker, times=breaker_module.BREAKER_FAILURES - 1)
    passage = breaker.enter()
    passage.heard()
    passage.leave()
    fail(breaker, times=breaker_module.BREAKER_FAILURES - 1)
    assert refusal(breaker) is None


def test_one_probe_at_a_time_goes_through_when_the_time_is_over(breaker: Breaker, seconds: Seconds) -> None:
    fail(breaker, times=breaker_module.BREAKER_FAILURES)
    seconds.now += breaker_module.BREAKER_OPEN_SECONDS - 0.5
    assert refusal(breaker) == 1
    seconds.now += 0.5
    probe = breaker.enter()
    assert refusal(breaker) == 1
    probe.heard()
    assert refusal(breaker) is None
    probe.leave()
    # It begins anew, with its first length.
    fail(breaker, times=breaker_module.BREAKER_FAILURES)
    assert refusal(breaker) == breaker_module.BREAKER_OPEN_SECONDS


def test_each_probe_that_fails_doubles_the_time_up_to_the_longest(breaker: Breaker, seconds: Seconds) -> None:
    fail(breaker, times=breaker_module.BREAKER_FAILURES)
    lengths = []
    for _ in range(5):
        lengths.append(refusal(breaker))
        seconds.now += lengths[-1] or 0
        fail(breaker)
    assert lengths == [15, 30, 60, 120, 120]


def test_a_probe_whose_client_leaves_decides_nothing_and_the_next_call_probes(
    breaker: Breaker, seconds: Seconds
) -> None:
    fail(breaker, times=breaker_module.BREAKER_FAILURES)
    seconds.now += breaker_module.BREAKER_OPEN_SECONDS
    breaker.enter().leave()
    second = breaker.enter()
    assert refusal(breaker) == 1
    second.failed(ProviderTimeout())
    second.leave()
    assert refusal(breaker) == 2 * breaker_module.BREAKER_OPEN_SECONDS


def test_calls_that_were_under_way_when_it_opened_neither_prolong_it_nor_hide_an_answer(
    breaker: Breaker, seconds: Seconds
) -> None:
    late, lucky = breaker.enter(), breaker.enter()
    fail(breaker, times=breaker_module.BREAKER_FAILURES)
    seconds.now += 5
    late.failed(ProviderTimeout())
    assert refusal(breaker) == breaker_module.BREAKER_OPEN_SECONDS - 5
    lucky.heard()
    assert refusal(breaker) is None


def test_each_address_of_each_provider_has_its_own(seconds: Seconds) -> None:
    breakers = Breakers(seconds)
    for _ in range(breaker_module.BREAKER_FAILURES):
        passage = breakers.enter("openai", "https://one.example")
        passage.failed(ProviderTimeout())
        passage.leave()
    with pytest.raises(ProviderUnavailable):
        breakers.enter("openai", "https://one.example")
    for provider, address in (("openai", "https://two.example"), ("local", "https://one.example"), ("demo", None)):
        breakers.enter(provider, address).leave()


WRONG = {
    "hangs": Answer(fault="stall", after=0),
    "resets": Answer(fault="cut", after=0),
    "answers 500": Answer(status=500),
    "answers 503": Answer(status=503),
}


@each_provider
@pytest.mark.parametrize("kind", WRONG)
async def test_a_provider_that_is_not_there_is_asked_no_more_until_a_probe_finds_it(
    wire: Wire, provider: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # litellm imports a provider's part with its first call, which takes longer than the patience of this test.
    wire.play([THREE])
    await wire.ask(a_call(provider))
    seconds = Seconds()
    wire.llm.breakers = Breakers(seconds)
    if kind == "hangs":
        for name in ("MODEL_FIRST_TOKEN_SECONDS", "MODEL_REASONING_SECONDS"):
            monkeypatch.setattr(deadline, name, 1.0)
    wire.play([WRONG[kind]])
    failures = await asyncio.gather(*(refused(wire, provider) for _ in range(breaker_module.BREAKER_FAILURES)))
    assert {type(error) for error in failures} == {ProviderTimeout if kind == "hangs" else ProviderUnavailable}
    asked = len(wire.stub.received)
    left_alone = await refused(wire, provider)
    assert (type(left_alone), left_alone.retry_after) == (ProviderUnavailable, breaker_module.BREAKER_OPEN_SECONDS)
    assert len(wire.stub.received) == asked
    monkeypatch.undo()
    seconds.now += breaker_module.BREAKER_OPEN_SECONDS
    wire.play([THREE])
    for _ in range(2):
        pieces, _ = await wire.ask(a_call(provider))
        assert "".join(pieces) == "one two three"


@each_provider
@pytest.mark.parametrize(
    ("answer", "expected"),
    [(Answer(status=401), KeyInvalid), (Answer(status=400), ModelError), (Answer(status=429), ProviderRateLimited)],
)
async def test_a_provider_that_refuses_is_asked_every_time(
    wire: Wire, provider: str, answer: Answer, expected: type[ServiceError]
) -> None:
    wire.play([answer])
    for _ in range(breaker_module.BREAKER_FAILURES + 1):
        asked = len(wire.stub.received)
        assert type(await refused(wire, provider)) is expected
        assert len(wire.stub.received) > asked


@each_provider
async def test_an_answer_that_is_cut_off_after_its_first_word_comes_from_a_provider_that_is_there(
    wire: Wire, provider: str
) -> None:
    wire.play([faulty(THREE, "cut", FIRST[provider] + 1)])
    for _ in range(breaker_module.BREAKER_FAILURES + 1):
        asked = len(wire.stub.received)
        failure = await refused(wire, provider)
        assert isinstance(failure, ProviderUnavailable)
        assert failure.begun
        assert len(wire.stub.received) == asked + 1


@each_provider
async def test_a_failure_before_the_first_word_is_told_from_one_after_it(wire: Wire, provider: str) -> None:
    wire.play([Answer(status=500)])
    failure = await refused(wire, provider)
    assert isinstance(failure, ProviderUnavailable)
    assert not failure.begun


async def test_a_reader_that_leaves_says_nothing_about_the_provider(wire: Wire) -> None:
    wire.play([faulty(THREE, "stall", FIRST["openai"] + 1)])
    for _ in range(breaker_module.BREAKER_FAILURES + 1):
        async with aclosing(wire.llm.stream(a_call("openai"))) as pieces:
            assert not isinstance(await anext(pieces), Reply)
    wire.play([THREE])
    await wire.ask(a_call("openai"))
