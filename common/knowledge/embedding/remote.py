"""Embedders over HTTP: the organisation's provider with its own key, or Vertex AI as this function's account."""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from common.errors import EmbeddingUnavailable
from common.knowledge.embedding.space import EmbeddingSpace, Purpose, Vectors
from common.models.http_pool import Sockets, let_go
from common.telemetry.tracing import span

REMOTE_SECONDS = 60.0
_ANSWER_BYTES = 16 * 1024**2
_HEADERS = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
Headers = Callable[[], AbstractAsyncContextManager[Mapping[str, str]]]


@dataclass(frozen=True, slots=True)
class EmbeddingFormat:
    """A provider's format: the path below its address, the body for some texts, and the vectors in its answer."""

    path: str
    body: Callable[[EmbeddingSpace, Sequence[str], Purpose], Mapping[str, Any]]
    vectors: Callable[[Mapping[str, Any]], Sequence[Sequence[float]]]
    at_once: int


@dataclass(frozen=True, slots=True)
class RemoteEmbedder:
    """Embeds by one provider; ``headers`` opens the key for one request, and forgets it."""

    space: EmbeddingSpace
    address: str
    form: EmbeddingFormat
    headers: Headers
    sockets: Sockets

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> Vectors:
        """Return a vector for each text, of length 1. Raises EmbeddingUnavailable."""
        parts = [texts[start : start + self.form.at_once] for start in range(0, len(texts), self.form.at_once)]
        return [vector for part in parts for vector in await self._ask(part, purpose)]

    async def _ask(self, texts: Sequence[str], purpose: Purpose) -> Vectors:
        failure: EmbeddingUnavailable | None = None
        try:
            with span("embedding.request"):
                async with asyncio.timeout(REMOTE_SECONDS), self.headers() as headers:
                    answer = await self._post({**_HEADERS, **headers}, self.form.body(self.space, texts, purpose))
            return [_of_length_one(vector) for vector in self._checked(answer, len(texts))]
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError, IndexError):
            failure = EmbeddingUnavailable()
        # Raised out here, so that it has no context: an exception of the wire holds the request, and in it the key.
        raise failure

    async def _post(self, headers: Mapping[str, str], body: Mapping[str, Any]) -> Mapping[str, Any]:
        response = await self.sockets.post(f"{self.address}{self.form.path}", headers, body)
        try:
            if response.status != 200:
                raise ValueError(response.status)
            data = bytearray()
            while len(data) <= _ANSWER_BYTES and (part := await response.content.readany()):
                data += part
            answer: Mapping[str, Any] = orjson.loads(data)
            return answer
        finally:
            let_go(response)

    def _checked(self, answer: Mapping[str, Any], count: int) -> Sequence[Sequence[float]]:
        """The vectors. Raises ValueError where there are not as many, or not as long, as there must be."""
        vectors = self.form.vectors(answer)
        if len(vectors) != count or any(len(vector) != self.space.dimensions for vector in vectors):
            raise ValueError
        return vectors


def _of_length_one(vector: Sequence[float]) -> list[float]:
    length = math.hypot(*vector)
    if not math.isfinite(length) or length == 0:
        raise ValueError
    return [number / length for number in vector]


def _openai_body(space: EmbeddingSpace, texts: Sequence[str], _: Purpose) -> Mapping[str, Any]:
    return {"model": space.model_id, "input": list(texts), "encoding_format": "float"}


def _openai_vectors(answer: Mapping[str, Any]) -> Sequence[Sequence[float]]:
    return [each["embedding"] for each in sorted(answer["data"], key=lambda each: int(each["index"]))]


def _gemini_body(space: EmbeddingSpace, texts: Sequence[str], purpose: Purpose) -> Mapping[str, Any]:
    task = "RETRIEVAL_QUERY" if purpose == "query" else "RETRIEVAL_DOCUMENT"
    model = f"models/{space.model_id}"
    return {
        "requests": [
            {"model": model, "content": {"parts": [{"text": text}]}, "taskType": task,
             "outputDimensionality": space.dimensions}
            for text in texts
        ]
    }  # fmt: skip


def _vertex_body(_: EmbeddingSpace, texts: Sequence[str], purpose: Purpose) -> Mapping[str, Any]:
    task = "RETRIEVAL_QUERY" if purpose == "query" else "RETRIEVAL_DOCUMENT"
    return {"instances": [{"content": text, "task_type": task} for text in texts]}


OPENAI = EmbeddingFormat("/embeddings", _openai_body, _openai_vectors, 64)
GEMINI = EmbeddingFormat(
    "/models/gemini-embedding-001:batchEmbedContents",
    _gemini_body,
    lambda answer: [each["values"] for each in answer["embeddings"]],
    64,
)
VERTEX = EmbeddingFormat(
    ":predict",
    _vertex_body,
    lambda answer: [each["embeddings"]["values"] for each in answer["predictions"]],
    32,
)
