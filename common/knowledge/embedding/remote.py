"""Embedders over HTTP: the organisation's provider with its own key, or Vertex AI as this function's account."""

import asyncio
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from common.errors import EmbeddingUnavailable, KeyInvalid, ModelNotFound, ProviderUnavailable, ServiceError
from common.knowledge.embedding.formats import EmbeddingFormat
from common.knowledge.embedding.space import Embedded, EmbeddingSpace, Purpose, Vectors
from common.models.http_pool import Sockets, headers_of, let_go, read_refusal
from common.models.provider_errors import may_pass, refusal
from common.models.token_estimate import tokens_of
from common.telemetry.tracing import span

# A person waits for a query, nobody for a passage: how long each may take, and the pauses before it is asked again.
ATTEMPT_SECONDS: Mapping[Purpose, float] = {"query": 15.0, "passage": 60.0}
PAUSES: Mapping[Purpose, tuple[float, ...]] = {"query": (0.5,), "passage": (1.0, 4.0, 12.0, 30.0)}
LONGEST_PAUSES: Mapping[Purpose, float] = {"query": 2.0, "passage": 60.0}
# What of one text counts: no provider's model takes more tokens, and a token has a byte at least.
TEXT_BYTES = 8_000
_ANSWER_BYTES = 16 * 1024**2
_HEADERS = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
_KEY_REFUSED = (
    "The organisation's provider refuses its key for embeddings, so documents can be neither read nor searched. Check "
    "that the key in the settings is valid and may embed."
)
_MODEL_REFUSED = (
    "The organisation's provider does not offer its embedding model to the key in the settings, so documents can be "
    "neither read nor searched. Allow the key to use it."
)
Headers = Callable[[], AbstractAsyncContextManager[Mapping[str, str]]]


@dataclass(frozen=True, slots=True)
class RemoteEmbedder:
    """Embeds by one provider; ``headers`` opens the key for one request, and forgets it."""

    space: EmbeddingSpace
    address: str
    form: EmbeddingFormat
    headers: Headers
    sockets: Sockets

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> Embedded:
        """Return a vector for each text, of length 1. Raises EmbeddingUnavailable."""
        vectors: Vectors = []
        tokens, estimated = 0, False
        for part in _parts([_shortened(text) for text in texts], self.form):
            answer = await self._patiently(part, purpose)
            vectors += _of_length_one(answer, self.form, len(part), self.space.dimensions)
            told = self.form.tokens(answer)
            tokens += sum(map(tokens_of, part)) if told is None else told
            estimated = estimated or told is None
        return Embedded(vectors, tokens, estimated)

    async def _patiently(self, texts: Sequence[str], purpose: Purpose) -> Mapping[str, Any]:
        """Ask again after failures that pass. Raises EmbeddingUnavailable."""
        for pause in (*PAUSES[purpose], None):
            answer, failure = await self._ask(texts, purpose)
            if failure is None:
                return answer
            wait = max(pause or 0.0, failure.retry_after or 0)
            if pause is None or not may_pass(failure) or wait > LONGEST_PAUSES[purpose]:
                # An exception of the wire holds the request, and in it the key: this one has no cause and no context.
                raise _told(failure) if self.space.price is not None else EmbeddingUnavailable
            await asyncio.sleep(wait)
        raise AssertionError("unreachable")

    async def _ask(self, texts: Sequence[str], purpose: Purpose) -> tuple[Mapping[str, Any], ServiceError | None]:
        """Return the answer to one request, or why there is none."""
        try:
            with span("embedding.request"):
                async with asyncio.timeout(ATTEMPT_SECONDS[purpose]), self.headers() as headers:
                    return await self._post({**_HEADERS, **headers}, self.form.body(self.space, texts, purpose))
        except (aiohttp.ClientError, TimeoutError, OSError):
            return {}, ProviderUnavailable()
        except ValueError:
            return {}, EmbeddingUnavailable()

    async def _post(
        self, headers: Mapping[str, str], body: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any], ServiceError | None]:
        response = await self.sockets.post(f"{self.address}{self.form.path}", headers, body)
        try:
            if response.status >= 400:
                return {}, refusal(response.status, headers_of(response), await read_refusal(response))
            if response.status != 200:
                return {}, EmbeddingUnavailable()
            data = bytearray()
            while len(data) <= _ANSWER_BYTES and (part := await response.content.readany()):
                data += part
            return orjson.loads(data), None
        finally:
            let_go(response)


def _told(failure: ServiceError) -> EmbeddingUnavailable:
    """The failure as it may be shown, with what to do about it."""
    match failure:
        case EmbeddingUnavailable():
            return failure
        case KeyInvalid():
            return EmbeddingUnavailable(_KEY_REFUSED)
        case ModelNotFound():
            return EmbeddingUnavailable(_MODEL_REFUSED)
    # An account without credit is told in the words that a chat tells it with.
    detail = None if may_pass(failure) or failure.status != 429 else failure.detail
    return EmbeddingUnavailable(detail, retry_after=failure.retry_after)


def _shortened(text: str) -> str:
    return text.encode("utf-8", "ignore")[:TEXT_BYTES].decode("utf-8", "ignore")


def _parts(texts: Sequence[str], form: EmbeddingFormat) -> Iterator[Sequence[str]]:
    """Share texts out to requests."""
    part: list[str] = []
    size = 0
    for text in texts:
        length = len(text.encode())
        if part and (len(part) == form.most_texts or size + length > form.most_bytes):
            yield part
            part, size = [], 0
        part.append(text)
        size += length
    if part:
        yield part


def _of_length_one(answer: Mapping[str, Any], form: EmbeddingFormat, count: int, dimensions: int) -> Vectors:
    """The vectors of an answer. Raises EmbeddingUnavailable where they are not as many or as long as they must be."""
    try:
        vectors = form.vectors(answer)
        if len(vectors) == count and all(len(vector) == dimensions for vector in vectors):
            lengths = [math.hypot(*vector) for vector in vectors]
            if all(math.isfinite(length) and length > 0 for length in lengths):
                return [[each / length for each in vector] for vector, length in zip(vectors, lengths, strict=True)]
    except (ValueError, KeyError, TypeError, IndexError, OverflowError):
        pass
    raise EmbeddingUnavailable
