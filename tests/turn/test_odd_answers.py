"""Turns over answers that are cut, empty, refused or oddly written, over every wire format, whole and streamed."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from common.models.completion import Providers
from tests.conftest import Cloud
from tests.fakes.wire_stub import Answer, Received, as_a_model, chunks, has_result, tools_of, wire_stub
from tests.models.test_answer_text import said
from tests.turn.conftest import Serving
from tests.turn.providers import PROVIDERS, Customer, bring_keys
from tests.turn.test_providers import Stage

# litellm still reads pydantic's fields from instances.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_.*fields' attribute:DeprecationWarning")
each_provider = pytest.mark.parametrize("provider", PROVIDERS)
LENGTH = {"anthropic": "max_tokens", "gemini": "MAX_TOKENS"}


@pytest.fixture(scope="module")
def customers(cloud: Cloud) -> list[Customer]:
    return bring_keys(cloud, len(PROVIDERS))


@pytest.fixture
async def stage(customers: list[Customer], serving: Serving) -> AsyncIterator[Stage]:
    async def no_pause(_: float) -> None:
        return None

    async with wire_stub() as stub:
        model = Providers(stub.bases, pause=no_pause)
        product = await serving(model, user_messages_per_minute=100_000)
        yield Stage(product, stub, customers)
        await model.close()


async def both_ways(
    stage: Stage, provider: str, script: Callable[[Received], Answer] | list[Answer]
) -> tuple[dict[str, Any], str]:
    """The answer in one piece; the same question streamed has to end with the same text and end."""
    customer = stage.of(provider)
    stage.stub.play(script)
    whole = await stage.send(customer)
    assert whole.status_code == 200, whole.text
    asked = len(stage.stub.received)
    stage.stub.play(script)
    events = await stage.stream(customer)
    assert events[-1][0] == "done", events[-1]
    streamed = "".join(data["text"] for name, data in events if name == "token")
    answer: dict[str, Any] = whole.json()
    assert (streamed, events[-1][1]["finish"]) == (answer["response"], answer["finish"])
    assert len(stage.stub.received) == asked
    _, stored = stage.product.messages(answer["conversation_id"], customer.slug)
    assert (stored["content"], stored["finish"]) == (answer["response"], answer["finish"])
    return answer, streamed


@each_provider
async def test_a_character_in_two_chunks_is_one_and_the_conversation_goes_on(stage: Stage, provider: str) -> None:
    script = [Answer(frames=said(provider, "Costs fell \ud83d", "\udcc9 this \ud83d month"))]
    answer, text = await both_ways(stage, provider, script)
    assert text == "Costs fell \U0001f4c9 this \ufffd month"
    again = await stage.send(stage.of(provider), "again", conversation_id=answer["conversation_id"])
    assert again.status_code == 200


@each_provider
async def test_an_answer_at_the_limit_says_so(stage: Stage, provider: str) -> None:
    answer, text = await both_ways(stage, provider, [Answer("The largest are", finish=LENGTH.get(provider, "length"))])
    assert (text, answer["finish"]) == ("The largest are", "length")


@each_provider
async def test_thoughts_that_used_the_limit_up_are_told_as_that(stage: Stage, provider: str) -> None:
    script = [Answer(reasoning="hmm and hmm", finish=LENGTH.get(provider, "length"))]
    answer, text = await both_ways(stage, provider, script)
    assert "used up its output limit" in text
    assert "hmm" not in text
    assert answer["finish"] == "length"


@each_provider
async def test_silence_after_a_tool_result_is_asked_once_more_without_tools(stage: Stage, provider: str) -> None:
    def silent(request: Received) -> Answer:
        if "without calling tools" in json.dumps(dict(request.body)):
            # Anthropic keeps the tools of a history that called some, and forbids them.
            assert tools_of(request) == set() or request.body["tool_choice"] == {"type": "none"}
            return Answer("You spent 42 dollars.")
        return Answer() if has_result(request) else as_a_model(request)

    answer, text = await both_ways(stage, provider, silent)
    assert text.endswith("You spent 42 dollars.")
    assert answer["finish"] == "stop"


@each_provider
async def test_silence_that_stays_is_told_as_that(stage: Stage, provider: str) -> None:
    answer, text = await both_ways(stage, provider, [Answer()])
    assert text.startswith("The model stopped without an answer")
    assert answer["finish"] == "no_answer"


@each_provider
async def test_thoughts_in_the_content_are_not_shown(stage: Stage, provider: str) -> None:
    script = [Answer(frames=said(provider, "<think>secret ch", "ain</think>", "The answer is 5."))]
    _, text = await both_ways(stage, provider, script)
    assert text == "The answer is 5."


@pytest.mark.parametrize("provider", ["openai", "deepseek"])
async def test_a_refusal_is_the_answer_in_its_own_words(stage: Stage, provider: str) -> None:
    script = [
        Answer(frames=chunks({"role": "assistant", "content": None, "refusal": "I cannot "}, {"refusal": "help."}))
    ]
    answer, text = await both_ways(stage, provider, script)
    assert (text, answer["finish"]) == ("I cannot help.", "refused")
