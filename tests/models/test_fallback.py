"""Which model is asked next, and when none is: the rules of a turn's fallback, apart from any wire."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from common import limits
from common.errors import (
    ContentRefused,
    ContextTooLong,
    KeyInvalid,
    KeyServiceUnavailable,
    ModelCannotUseTools,
    ModelError,
    ModelNotFound,
    ProviderRateLimited,
    ProviderTimeout,
    ProviderUnavailable,
    ServiceError,
)
from common.models.call import ModelCall, Reply
from common.models.catalog import Model, resolve
from common.models.fallback import Candidate, FallbackCompletion
from common.secret import Secret

CHOSEN = resolve("openai", "gpt-4o", deployed=True)
FIRST = resolve("anthropic", "claude-sonnet-4-5", deployed=True)
SECOND = resolve("gemini", "gemini-2.5-flash", deployed=True)
CALL = ModelCall(CHOSEN, Secret("own"), [{"role": "user", "content": "hello"}], (), 0.5, 100)
Behaviour = Callable[[], AsyncGenerator[str | Reply, None]]


@dataclass
class Models:
    """Answers by model; a list of behaviours is played in order, the last one again."""

    behaviours: dict[str, list[Behaviour]]
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def stream(self, call: ModelCall) -> AsyncGenerator[str | Reply, None]:
        self.asked.append((call.model.provider, call.key.reveal()))
        played = self.behaviours[call.model.provider]
        behaviour = played.pop(0) if len(played) > 1 else played[0]
        async for piece in behaviour():
            yield piece


async def answering() -> AsyncGenerator[str | Reply, None]:
    yield "yes"
    yield Reply("yes")


async def silent() -> AsyncGenerator[str | Reply, None]:
    await asyncio.Event().wait()
    yield ""


def failing(error: ServiceError, *, after: Sequence[str] = ()) -> Behaviour:
    async def fail() -> AsyncGenerator[str | Reply, None]:
        for text in after:
            yield text
        raise error

    return fail


@dataclass
class Turn:
    """One turn's fallback over the models, and what it noted."""

    models: Models
    opened: list[str] = field(default_factory=list)
    moves: list[tuple[str, str]] = field(default_factory=list)
    unopenable: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        candidates = [Candidate(model, self._opener(model)) for model in (FIRST, SECOND)]
        self.completion = FallbackCompletion(
            self.models, candidates, lambda model, error: self.moves.append((model.provider, error.code))
        )

    def _opener(self, model: Model) -> Callable[[], "asyncio.Future[Secret]"]:
        async def open_key() -> Secret:
            self.opened.append(model.provider)
            if model.provider in self.unopenable:
                raise KeyServiceUnavailable
            return Secret(f"key of {model.provider}")

        return lambda: asyncio.ensure_future(open_key())

    async def ask(self) -> Reply:
        reply: Reply | None = None
        async for piece in self.completion.stream(CALL):
            reply = piece if isinstance(piece, Reply) else reply
        assert reply is not None
        return reply

    async def failure(self) -> ServiceError:
        with pytest.raises(ServiceError) as caught:
            await self.ask()
        return caught.value


def turn(
    openai: Behaviour, anthropic: Behaviour = answering, gemini: Behaviour = answering, **more: frozenset[str]
) -> Turn:
    return Turn(Models({"openai": [openai], "anthropic": [anthropic], "gemini": [gemini]}), **more)  # type: ignore[arg-type]


async def test_nobody_else_is_asked_and_no_key_opened_where_the_chosen_one_answers() -> None:
    asked = turn(answering)
    assert (await asked.ask()).answered_by is None
    assert asked.models.asked == [("openai", "own")]
    assert (asked.opened, asked.moves, asked.completion.model) == ([], [], None)


@pytest.mark.parametrize("error", [ProviderRateLimited(), ProviderUnavailable(), ProviderTimeout()])
async def test_the_next_one_is_asked_with_its_own_key(error: ServiceError) -> None:
    asked = turn(failing(error))
    assert (await asked.ask()).answered_by is FIRST
    assert asked.models.asked == [("openai", "own"), ("anthropic", "key of anthropic")]
    assert (asked.opened, asked.moves) == (["anthropic"], [("anthropic", error.code)])
    assert asked.completion.model is FIRST


@pytest.mark.parametrize(
    "error",
    [KeyInvalid(), ContentRefused(), ContextTooLong(), ModelNotFound(), ModelError(), ModelCannotUseTools(),
     KeyServiceUnavailable()],
)  # fmt: skip
async def test_any_other_failure_is_the_chosen_models_own(error: ServiceError) -> None:
    asked = turn(failing(error))
    assert await asked.failure() is error
    assert asked.opened == []


async def test_after_the_first_word_nobody_else_is_asked() -> None:
    asked = turn(failing(ProviderUnavailable(), after=["so"]))
    assert isinstance(await asked.failure(), ProviderUnavailable)
    assert asked.opened == []


async def test_after_a_beginning_that_nobody_saw_nobody_else_is_asked() -> None:
    error = ProviderUnavailable()
    error.begun = True
    asked = turn(failing(error))
    assert await asked.failure() is error
    assert asked.opened == []


@pytest.mark.parametrize(
    "error", [KeyInvalid(), ModelNotFound(), ModelError(), ProviderUnavailable(), ProviderTimeout()]
)
async def test_one_that_cannot_stand_in_is_passed_over(error: ServiceError) -> None:
    asked = turn(failing(ProviderTimeout()), failing(error))
    assert (await asked.ask()).answered_by is SECOND
    assert asked.moves == [("anthropic", "provider_timeout"), ("gemini", "provider_timeout")]


async def test_a_key_that_does_not_open_is_passed_over() -> None:
    asked = turn(failing(ProviderTimeout()), unopenable=frozenset({"anthropic"}))
    assert (await asked.ask()).answered_by is SECOND
    assert [provider for provider, _ in asked.models.asked] == ["openai", "gemini"]


async def test_where_nobody_answers_the_first_failure_is_told_and_the_turn_stays_the_chosen_models() -> None:
    limited = ProviderRateLimited(retry_after=9)
    asked = turn(failing(limited), failing(ProviderUnavailable()), failing(KeyInvalid()))
    assert await asked.failure() is limited
    assert asked.completion.model is None


@pytest.mark.parametrize("error", [ContentRefused(), ContextTooLong()])
async def test_what_one_that_stands_in_states_of_the_question_is_told(error: ServiceError) -> None:
    asked = turn(failing(ProviderTimeout()), failing(error))
    assert await asked.failure() is error
    assert asked.opened == ["anthropic"]


async def test_a_question_that_was_too_long_for_the_one_that_stands_in_goes_there_again() -> None:
    asked = turn(failing(ProviderTimeout()))
    asked.models.behaviours["anthropic"] = [failing(ContextTooLong()), answering]
    assert isinstance(await asked.failure(), ContextTooLong)
    assert (await asked.ask()).answered_by is FIRST
    assert [provider for provider, _ in asked.models.asked] == ["openai", "anthropic", "anthropic"]


async def test_the_rest_of_a_turn_is_served_by_whoever_began_it() -> None:
    stood_in = turn(failing(ProviderTimeout()))
    for _ in range(3):
        await stood_in.ask()
    assert [provider for provider, _ in stood_in.models.asked] == ["openai", "anthropic", "anthropic", "anthropic"]
    own = turn(answering)
    await own.ask()
    own.models.behaviours["openai"] = [failing(ProviderTimeout())]
    assert isinstance(await own.failure(), ProviderTimeout)
    assert own.opened == []


async def test_all_together_have_so_long_to_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MODEL_TOTAL_SECONDS", 0.2)
    asked = turn(silent)
    assert isinstance(await asked.failure(), ProviderTimeout)
    assert asked.opened == []


async def test_the_call_goes_on_unchanged_but_for_model_and_key() -> None:
    seen: list[ModelCall] = []

    class Kept(Models):
        async def stream(self, call: ModelCall) -> AsyncGenerator[str | Reply, None]:
            seen.append(call)
            async for piece in super().stream(call):
                yield piece

    asked = Turn(Kept({"openai": [failing(ProviderTimeout())], "anthropic": [answering]}))
    await asked.ask()
    assert replace(seen[1], model=CHOSEN, key=CALL.key) == seen[0] == CALL
