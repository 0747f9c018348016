"""Another model answers while the chosen one does not: over the wire formats, from the settings to what is stored."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from httpx_sse import aconnect_sse

from common.models import breaker, completion, deadline
from common.models.breaker import Breakers
from common.models.catalog import resolve
from common.models.completion import Providers
from common.settings import LocalModel
from tests.fakes.wire_stub import MODELS, Answer, Received, WireStub, as_a_model, faulty, has_result, wire_stub
from tests.organizations.conftest import Serving
from tests.organizations.organizations import Made
from tests.organizations.serving import Product

# litellm still reads pydantic's fields from instances.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_.*fields' attribute:DeprecationWarning")

THREE = Answer("one two three")
# Whoever does not answer, and who stands in; each wire format is both once.
PAIRS = [("openai", "anthropic"), ("anthropic", "gemini"), ("gemini", "deepseek"), ("deepseek", "openai")]
# Frames of a stream before its first word is whole.
BEGUN = {"openai": 2, "anthropic": 4, "gemini": 1, "deepseek": 2}
AWAY = {
    "hangs": Answer(fault="stall", after=0),
    "resets": Answer(fault="cut", after=0),
    "answers 500": Answer(status=500, error="sk-planted"),
    "answers 503": Answer(status=503, error="sk-planted"),
    "answers 429": Answer(status=429, headers={"retry-after": "77"}, error="sk-planted"),
    "ends before the first word": Answer(fault="end", after=0),
}
ANSWERED = {
    "bad key": (Answer(status=401), "key_invalid"),
    "no such model": (Answer(status=404), "model_not_found"),
    "refusal": (Answer(status=400, error="blocked by content policy"), "content_refused"),
    "too long": (Answer(status=400, error="prompt is too long: 2 tokens > 1 maximum"), "context_too_long"),
    "bad request": (Answer(status=400, error="something else"), "model_error"),
}
each_pair = pytest.mark.parametrize(("chosen", "spare"), PAIRS)


def key_of(provider: str) -> str:
    return f"sk-planted-{provider}-0123456789"


@dataclass
class Stage:
    """An organisation with a fallback, and the providers of both."""

    product: Product
    stub: WireStub
    llm: Providers
    made: Made

    def play(self, **answers: Answer) -> None:
        """Let each provider answer in its way."""
        self.stub.play(lambda request: answers[request.provider])
        self.llm.breakers = Breakers()

    def asked(self) -> list[str]:
        """The providers that were asked, in order, each once for all its attempts in a row."""
        names = [request.provider for request in self.stub.received]
        return [name for at, name in enumerate(names) if at == 0 or names[at - 1] != name]

    async def choose(self, chosen: str, *spares: str, **more: Any) -> None:
        """Set up a provider and those that stand in."""
        self.play(**dict.fromkeys(MODELS, Answer("OK")))
        own, *further = ({"provider": name, "model": MODELS[name], "key": key_of(name)} for name in (chosen, *spares))
        response = await self.product.put(self.made, **own, fallback=further, **more)
        assert response.status_code == 200, response.text

    async def stream(self, **body: Any) -> list[tuple[str, Any]]:
        request = {"message": "hello", **body}
        client, headers = self.product.chat, self.made.member
        async with aconnect_sse(client, "POST", "/stream", json=request, headers=headers) as events:
            return [(event.event, json.loads(event.data)) async for event in events.aiter_sse()]

    def stored(self, conversation_id: str) -> list[dict[str, Any]]:
        path = f"orgs/{self.made.slug}/conversations/{conversation_id}/messages"
        return [
            entry.to_dict() or {} for entry in self.product.documents.collection(path).order_by("sequence").stream()
        ]


@pytest.fixture(scope="module")
async def wire() -> AsyncIterator[tuple[WireStub, Providers]]:
    async def pause(seconds: float) -> None:
        """A wait that a test does not make."""

    async with wire_stub() as stub:
        llm = Providers(stub.bases, pause=pause)
        await llm.load()
        yield stub, llm
        await llm.close()


@pytest.fixture
async def stage(serving: Serving, made: Made, wire: tuple[WireStub, Providers]) -> Stage:
    stub, llm = wire
    return Stage(await serving(llm), stub, llm, made)


def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MODEL_FIRST_TOKEN_SECONDS", "MODEL_REASONING_SECONDS"):
        monkeypatch.setattr(deadline, name, 1.0)


@each_pair
@pytest.mark.parametrize("kind", AWAY)
async def test_another_model_answers_while_the_chosen_one_is_away(
    stage: Stage, chosen: str, spare: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.choose(chosen, spare)
    impatient(monkeypatch)
    stage.play(**{chosen: AWAY[kind], spare: THREE})
    plain = await stage.product.send(stage.made.member)
    assert plain.status_code == 200, plain.text
    body = plain.json()
    origin = f"{chosen}/{MODELS[chosen]}"
    assert body["response"] == "one two three"
    assert (body["provider"], body["model_id"], body["fallback_from"]) == (spare, MODELS[spare], origin)
    assert stage.asked() == [chosen, spare]
    assert {request.key for request in stage.stub.received if request.provider == spare} == {key_of(spare)}
    _, stored = stage.stored(body["conversation_id"])
    assert (stored["provider"], stored["model_id"], stored["fallback_from"]) == (spare, MODELS[spare], origin)
    finished = stage.product.logged("turn.finished")[-1]
    assert (finished["provider"], finished["fallback_from"], finished["finish"]) == (spare, origin, "ok")
    assert "planted" not in stage.product.logs.getvalue() + plain.text + stage.product.everything(stage.made)
    streamed = await stage.stream(conversation_id=body["conversation_id"])
    assert streamed[-1][0] == "done"
    assert (streamed[-1][1]["provider"], streamed[-1][1]["fallback_from"]) == (spare, origin)
    assert "".join(data["text"] for name, data in streamed if name == "token") == "one two three"


@each_pair
async def test_an_answer_that_has_begun_is_never_another_models(
    stage: Stage, chosen: str, spare: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.choose(chosen, spare)
    monkeypatch.setattr(deadline, "MODEL_BETWEEN_TOKENS_SECONDS", 1.0)
    for fault in ("cut", "end", "stall", "error"):
        stage.play(**{chosen: faulty(THREE, fault, BEGUN[chosen]), spare: THREE})
        streamed = await stage.stream()
        assert streamed[-1][0] == "error", fault
        assert stage.asked() == [chosen], fault


@each_pair
@pytest.mark.parametrize("kind", ANSWERED)
async def test_what_the_chosen_model_states_is_no_reason_to_ask_another(
    stage: Stage, chosen: str, spare: str, kind: str
) -> None:
    answer, code = ANSWERED[kind]
    await stage.choose(chosen, spare)
    stage.play(**{chosen: answer, spare: THREE})
    refused = await stage.product.send(stage.made.member)
    assert refused.json()["code"] == code
    assert stage.asked() == [chosen]


async def test_a_model_that_began_to_think_is_not_replaced(stage: Stage) -> None:
    await stage.choose("deepseek", "openai")
    stage.play(deepseek=faulty(Answer("so", reasoning="let me think"), "cut", 3), openai=THREE)
    assert (await stage.product.send(stage.made.member)).status_code == 503
    assert stage.asked() == ["deepseek"]


async def test_the_second_one_answers_where_the_first_is_away_or_badly_set_up(stage: Stage) -> None:
    await stage.choose("openai", "anthropic", "gemini")
    for answer in (Answer(status=500), Answer(status=401), Answer(status=404)):
        stage.play(openai=Answer(status=503), anthropic=answer, gemini=THREE)
        body = (await stage.product.send(stage.made.member)).json()
        assert (body["provider"], body["fallback_from"]) == ("gemini", f"openai/{MODELS['openai']}")
        assert stage.asked() == ["openai", "anthropic", "gemini"]
    moves = [(each["provider"], each["code"]) for each in stage.product.logged("model.fallback")][:2]
    assert moves == [("anthropic", "provider_unavailable"), ("gemini", "provider_unavailable")]


async def test_where_nobody_answers_the_chosen_models_error_is_told(stage: Stage) -> None:
    await stage.choose("openai", "anthropic", "gemini")
    limited = Answer(status=429, headers={"retry-after": "77"})
    stage.play(openai=limited, anthropic=Answer(status=500), gemini=Answer(status=401))
    refused = await stage.product.send(stage.made.member)
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited_by_provider")
    assert refused.headers["retry-after"] == "77"


async def test_a_refusal_of_the_one_that_stands_in_is_its_answer(stage: Stage) -> None:
    await stage.choose("openai", "anthropic", "gemini")
    blocked = Answer(status=400, error="blocked by content policy")
    stage.play(openai=Answer(status=500), anthropic=blocked, gemini=THREE)
    assert (await stage.product.send(stage.made.member)).json()["code"] == "content_refused"
    assert stage.asked() == ["openai", "anthropic"]


async def test_one_model_serves_the_whole_turn_with_its_tools(stage: Stage) -> None:
    """The one that stood in for the first call makes all others, though the chosen one is back."""
    await stage.choose("openai", "anthropic")
    calls = iter([Answer(status=500)] * completion.MODEL_ATTEMPTS + [THREE] * 9)

    def play(request: Received) -> Answer:
        if request.provider == "openai":
            return next(calls)
        return as_a_model(request)

    stage.stub.play(play)
    body = (await stage.product.send(stage.made.member, "What did we spend?")).json()
    assert body["response"].endswith("You spent 42 dollars.")
    assert stage.asked() == ["openai", "anthropic"]
    assert any(has_result(request) for request in stage.stub.received)


async def test_a_later_call_of_a_turn_that_one_model_began_goes_to_no_other(stage: Stage) -> None:
    await stage.choose("openai", "anthropic")

    def play(request: Received) -> Answer:
        return Answer(status=500) if has_result(request) else as_a_model(request)

    stage.stub.play(play)
    assert (await stage.product.send(stage.made.member, "What did we spend?")).status_code == 503
    assert stage.asked() == ["openai"]


async def test_its_key_is_opened_when_it_is_needed_and_not_before(stage: Stage) -> None:
    await stage.choose("openai", "anthropic")
    stage.play(openai=THREE, anthropic=THREE)
    await stage.product.send(stage.made.member)
    stage.product.reset_counts()
    assert (await stage.product.send(stage.made.member)).json()["fallback_from"] is None
    assert stage.product.kms.calls() == {"Decrypt": 1}
    assert stage.product.firestore.calls()["BatchGetDocuments"] == 1
    assert stage.product.bigquery_calls() == 0
    stage.product.reset_counts()
    stage.play(openai=Answer(status=500), anthropic=THREE)
    assert (await stage.product.send(stage.made.member)).status_code == 200
    assert stage.product.kms.calls() == {"Decrypt": 2}
    assert stage.product.firestore.calls()["BatchGetDocuments"] == 1
    assert stage.product.bigquery_calls() == 0


async def test_a_key_that_does_not_open_is_passed_over(stage: Stage) -> None:
    await stage.choose("openai", "anthropic", "gemini")
    copy = stage.product.copy(stage.made)
    for credential in copy["fallback_credentials"]:
        if credential["provider"] == "anthropic":
            credential["encrypted_credential"] = b"not a ciphertext"
    stage.product.documents.document(f"orgs/{stage.made.slug}").set(copy)
    stage.play(openai=Answer(status=500), anthropic=THREE, gemini=THREE)
    body = (await stage.product.send(stage.made.member)).json()
    assert body["provider"] == "gemini"
    assert stage.asked() == ["openai", "gemini"]


async def test_an_expired_key_of_one_that_stands_in_is_passed_over(stage: Stage) -> None:
    await stage.choose("openai", "anthropic", "gemini")
    copy = stage.product.copy(stage.made)
    for credential in copy["fallback_credentials"]:
        if credential["provider"] == "anthropic":
            credential["validation_status"] = "EXPIRED"
    stage.product.documents.document(f"orgs/{stage.made.slug}").set(copy)
    stage.play(openai=Answer(status=500), anthropic=THREE, gemini=THREE)
    assert (await stage.product.send(stage.made.member)).json()["provider"] == "gemini"


async def test_an_open_breaker_of_the_chosen_one_costs_no_time(stage: Stage) -> None:
    await stage.choose("openai", "anthropic")
    stage.play(openai=Answer(status=500), anthropic=THREE)
    for _ in range(breaker.BREAKER_FAILURES):
        await stage.product.send(stage.made.member)
    stage.stub.received.clear()
    body = (await stage.product.send(stage.made.member)).json()
    assert body["fallback_from"] == f"openai/{MODELS['openai']}"
    assert stage.asked() == ["anthropic"]


async def test_an_open_breaker_is_a_503_that_says_when_to_come_back(stage: Stage) -> None:
    await stage.choose("openai")
    stage.play(openai=Answer(status=500))
    for _ in range(breaker.BREAKER_FAILURES):
        await stage.product.send(stage.made.member)
    stage.stub.received.clear()
    refused = await stage.product.send(stage.made.member)
    assert (refused.status_code, refused.json()["code"]) == (503, "provider_unavailable")
    assert 0 < int(refused.headers["retry-after"]) <= breaker.BREAKER_OPEN_SECONDS
    assert stage.stub.received == []


@pytest.mark.parametrize("allowed", [False, True])
async def test_a_question_for_the_operators_server_goes_elsewhere_only_where_the_settings_allow_it(
    serving: Serving, made: Made, wire: tuple[WireStub, Providers], allowed: bool
) -> None:
    stub, llm = wire
    home = LocalModel(
        base_url=f"{stub.url}/deepseek", model_id="smol", context_window=8192, max_output=512
    )  # the stub's second address of that wire format
    product: Product = await serving(llm, local_models={"home": home})
    stage = Stage(product, stub, llm, made)
    await stage.choose("openai")
    key = {"provider": "anthropic", "model": MODELS["anthropic"], "key": key_of("anthropic")}
    stage.play(deepseek=THREE, anthropic=THREE)
    change = {"provider": "local", "model": "home", "fallback": [key], "allow_external_fallback": True}
    assert (await product.put(made, **change)).status_code == 200
    # A row may be written by others than the settings' own address.
    copy = product.copy(made)
    copy["settings"]["allow_external_fallback"] = allowed
    product.documents.document(f"orgs/{made.slug}").set(copy)
    stage.play(deepseek=Answer(status=500), anthropic=THREE)
    answer = await product.send(made.member)
    if allowed:
        assert (answer.json()["provider"], answer.json()["fallback_from"]) == ("anthropic", "local/home")
    else:
        assert (answer.status_code, answer.json()["code"]) == (503, "provider_unavailable")
    assert stage.asked() == (["deepseek", "anthropic"] if allowed else ["deepseek"])


@pytest.mark.parametrize(
    "text",
    ["", "null", "{}", "[1]", '[{"provider": "openai"}]', '[{"provider": 1, "model_id": 2, "credential_id": 3}]'],
)
async def test_a_fallback_that_somebody_wrote_wrongly_is_none(stage: Stage, text: str) -> None:
    await stage.choose("openai")
    copy = stage.product.copy(stage.made)
    copy["settings"]["fallback"] = text
    stage.product.documents.document(f"orgs/{stage.made.slug}").set(copy)
    stage.play(openai=THREE)
    assert (await stage.product.send(stage.made.member)).status_code == 200


async def test_one_that_calls_no_tools_is_passed_over_where_they_are_needed(stage: Stage) -> None:
    await stage.choose("openai", "anthropic", "gemini")
    copy = stage.product.copy(stage.made)
    first, second = json.loads(copy["settings"]["fallback"])
    copy["settings"]["fallback"] = json.dumps([first | {"calls_tools": False}, second])
    stage.product.documents.document(f"orgs/{stage.made.slug}").set(copy)
    stage.play(openai=Answer(status=500), anthropic=THREE, gemini=THREE)
    assert (await stage.product.send(stage.made.member)).json()["provider"] == "gemini"


async def test_tokens_cost_what_the_model_that_answered_costs(stage: Stage) -> None:
    await stage.choose("openai", "anthropic")
    stage.play(openai=Answer(status=500), anthropic=Answer("one", usage=(1_000_000, 0)))
    assert (await stage.product.send(stage.made.member)).status_code == 200
    model = resolve("anthropic", MODELS["anthropic"], deployed=True)
    assert stage.product.logged("turn.finished")[-1]["estimated_cost_usd"] == float(model.cost(1_000_000, 1) or 0)
    assert model.cost(1_000_000, 0) != resolve("openai", MODELS["openai"], deployed=True).cost(1_000_000, 0)


async def test_a_stored_answer_that_is_said_again_still_tells_who_answered(stage: Stage) -> None:
    await stage.choose("openai", "anthropic")
    stage.play(openai=Answer(status=500), anthropic=THREE)
    first = (await stage.product.send(stage.made.member, message_id="m-1")).json()
    stage.stub.received.clear()
    again = (await stage.product.send(stage.made.member, message_id="m-1")).json()
    assert stage.stub.received == []
    assert (again["provider"], again["model_id"], again["fallback_from"]) == (
        first["provider"], first["model_id"], f"openai/{MODELS['openai']}",
    )  # fmt: skip
