"""The embedders over HTTP against their providers' own rules, and against providers that fail or answer wrongly."""

import math
import traceback
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from common.errors import EmbeddingUnavailable
from common.knowledge.embedding import formats, remote, spaces
from common.knowledge.embedding.formats import EmbeddingFormat
from common.knowledge.embedding.remote import RemoteEmbedder
from common.knowledge.embedding.space import EmbeddingSpace
from common.models.http_pool import Sockets
from tests.fakes.embedding_stub import EmbeddingStub, Fault, embedding_stub, meaning, tokens_of

KEY = "a-provider-key"
OF: Mapping[str, tuple[EmbeddingSpace, EmbeddingFormat]] = {
    "openai": (spaces.OF_PROVIDERS["openai"], formats.OPENAI),
    "mistral": (spaces.OF_PROVIDERS["mistral"], formats.MISTRAL),
    "gemini": (spaces.OF_PROVIDERS["gemini"], formats.GEMINI),
    "vertex_ai": (spaces.VERTEX_AI, formats.VERTEX),
}
# Passages at their longest: of prose, of signs that are a token each, and of signs that are four.
PASSAGES = [*["Reservations are approved by the FinOps lead. " * 20] * 40, *["承認" * 450] * 20, *["🧾" * 900] * 12]


@pytest.fixture
async def stub() -> AsyncIterator[EmbeddingStub]:
    async with embedding_stub() as stub:
        yield stub


@pytest.fixture
async def sockets() -> AsyncIterator[Sockets]:
    sockets = Sockets()
    yield sockets
    await sockets.close()


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PAUSES", {"query": (0.0,), "passage": (0.0, 0.0)})


def embedder_of(provider: str, stub: EmbeddingStub, sockets: Sockets) -> RemoteEmbedder:
    space, form = OF[provider]
    is_vertex = provider == "vertex_ai"

    @asynccontextmanager
    async def headers() -> AsyncIterator[Mapping[str, str]]:
        key = "a-token-of-google" if is_vertex else KEY
        yield {"x-goog-api-key": key} if provider == "gemini" else {"Authorization": f"Bearer {key}"}

    address = stub.bases[provider] + (f"/models/{space.model_id}" if is_vertex else "")
    return RemoteEmbedder(space, address, form, headers, sockets)


@pytest.mark.parametrize("provider", OF)
async def test_passages_and_queries_of_any_script_keep_the_providers_rules(
    provider: str, stub: EmbeddingStub, sockets: Sockets
) -> None:
    embedder = embedder_of(provider, stub, sockets)
    texts = [f"{number} {text}"[:900] for number, text in enumerate(PASSAGES)]
    embedded = await embedder.embed(texts, "passage")
    assert stub.refused == []
    assert [text for asked in stub.asked for text in asked.texts] == texts
    assert all(len(asked.texts) > 1 for asked in stub.asked[:-1])
    for text, vector in zip(texts, embedded.vectors, strict=True):
        whole = meaning(text, embedder.space.dimensions)
        assert math.isclose(math.hypot(*vector), 1, abs_tol=1e-9)
        length = math.hypot(*whole)
        assert max(abs(one - other / length) for one, other in zip(vector, whole, strict=True)) < 1e-9
    told = provider in ("openai", "mistral")
    assert embedded.tokens_estimated != told
    assert embedded.tokens > 0
    assert not told or embedded.tokens == sum(map(tokens_of, texts))
    stub.asked.clear()
    for query in ("承認" * 5_000, "🧾" * 10_000, "who\ud800 approves?", " "):
        assert len((await embedder.embed([query], "query")).vectors) == 1
    assert stub.refused == []
    kinds = {json["taskType"] for asked in stub.asked for json in asked.body.get("requests", ())}
    assert kinds == ({"RETRIEVAL_QUERY"} if provider == "gemini" else set())


PASSING = {
    "429": Fault(429), "500": Fault(500), "503": Fault(503), "529": Fault(529), "408": Fault(408),
    "cut": Fault(kind="cut"), "hang": Fault(kind="hang"),
}  # fmt: skip
FINAL: Mapping[str, tuple[Fault, str]] = {
    "no credit": (Fault(429, "You exceeded your current quota. insufficient_quota"), "no credit left"),
    "key": (Fault(401, "Incorrect API key provided"), "refuses its key for embeddings"),
    "forbidden": (Fault(403, "You have insufficient permissions: model.request"), "refuses its key for embeddings"),
    "model": (Fault(403, "Project does not have access to model: model_not_found"), "does not offer its embedding"),
    "no such model": (Fault(404), "does not offer its embedding"),
    "too long a wait": (Fault(429, headers={"Retry-After": "3000"}), "does not answer"),
    "400": (Fault(400), "does not answer"),
    **{kind: (Fault(kind=kind), "does not answer")
       for kind in ("nan", "zero", "longer", "fewer", "twice", "text", "list", "redirect")},
}  # fmt: skip


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
@pytest.mark.parametrize("provider", OF)
async def test_what_passes_is_asked_again(
    provider: str, fault: Fault, stub: EmbeddingStub, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "ATTEMPT_SECONDS", {"query": 0.3, "passage": 0.3} if fault.kind == "hang" else REAL)
    stub.faults = [fault]
    embedded = await embedder_of(provider, stub, sockets).embed(["who approves?", "the CFO"], "query")
    assert len(embedded.vectors) == 2
    assert len(stub.asked) == 2


REAL = remote.ATTEMPT_SECONDS


@pytest.mark.parametrize(("fault", "told"), FINAL.values(), ids=FINAL)
@pytest.mark.parametrize("provider", ["openai", "gemini"])
async def test_what_does_not_pass_is_told_once_and_shows_nothing_of_the_key(
    provider: str, fault: Fault, told: str, stub: EmbeddingStub, sockets: Sockets
) -> None:
    if fault.kind == "twice" and provider == "gemini":
        return  # it numbers none
    stub.faults = [fault]
    with pytest.raises(EmbeddingUnavailable) as failure:
        await embedder_of(provider, stub, sockets).embed(["who approves?", "the CFO"], "passage")
    assert told in failure.value.detail
    assert len(stub.asked) == 1
    assert KEY not in "".join(traceback.format_exception(failure.value))
    assert (failure.value.__cause__, failure.value.__context__) == (None, None)


async def test_a_provider_that_stays_away_is_given_up(stub: EmbeddingStub, sockets: Sockets) -> None:
    stub.faults = [Fault(503)] * 9
    with pytest.raises(EmbeddingUnavailable):
        await embedder_of("openai", stub, sockets).embed(["a"], "passage")
    assert len(stub.asked) == 3
    with pytest.raises(EmbeddingUnavailable):
        await RemoteEmbedder(*OF["openai"][:1], "http://127.0.0.1:9", formats.OPENAI, _none, sockets).embed(
            ["a"], "query"
        )


@asynccontextmanager
async def _none() -> AsyncIterator[Mapping[str, Any]]:
    yield {}


async def test_gemini_says_by_a_400_that_a_key_is_not_valid(stub: EmbeddingStub, sockets: Sockets) -> None:
    stub.keys = {"another"}
    with pytest.raises(EmbeddingUnavailable, match="refuses its key"):
        await embedder_of("gemini", stub, sockets).embed(["a"], "query")
