"""One loopback server that embeds as OpenAI, Mistral, Gemini and Vertex AI do, and refuses what they refuse."""

import asyncio
import json
import math
import re
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.fakes.wire_errors import error_body

# Below the stub's address; what each provider's API is based on.
BASES = {"openai": "/openai/v1", "mistral": "/mistral/v1", "gemini": "/gemini/v1beta", "vertex_ai": "/vertex_ai"}
TOKEN_PATH = "/token"
TASKS = {"RETRIEVAL_QUERY", "RETRIEVAL_DOCUMENT", "SEMANTIC_SIMILARITY", "CLASSIFICATION", "CLUSTERING",
         "QUESTION_ANSWERING", "FACT_VERIFICATION", "CODE_RETRIEVAL_QUERY"}  # fmt: skip
_DIMENSIONS = {"text-embedding-3-small": 1536, "mistral-embed": 1024, "text-multilingual-embedding-002": 768}
Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one request in place of its answer: an error of the provider, or an answer that is wrong."""

    status: int = 200
    error: str = "refused"
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: str = ""  # cut | hang | nan | zero | longer | fewer | twice | text | list | redirect


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came in; ``texts`` are those that it has embedded."""

    provider: str
    key: str
    body: Body
    texts: tuple[str, ...]


class Refused(Exception):
    """The provider's 4xx, in its own words."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


@dataclass
class EmbeddingStub:
    """Answers well, but for the faults that a test puts in: one a request, in turn."""

    url: str = ""
    keys: set[str] = field(default_factory=lambda: {"a-provider-key"})
    faults: list[Fault] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    tells_tokens: bool = True

    @property
    def bases(self) -> dict[str, str]:
        return {provider: self.url + path for provider, path in BASES.items()}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path == TOKEN_PATH:
            return web.json_response({"access_token": "a-token-of-google", "expires_in": 3600, "token_type": "Bearer"})
        provider, body = request.path.split("/")[1], await request.json()
        try:
            key = self._key(provider, request)
            texts, dimensions = _RULES[provider](request.path, body)
        except Refused as refused:
            self.refused.append(str(refused))
            return web.json_response(error_body(provider, refused.status, str(refused)), status=refused.status)
        self.asked.append(Asked(provider, key, body, tuple(texts)))
        fault = self.faults.pop(0) if self.faults else Fault()
        if fault.status != 200:
            answer = error_body(provider, fault.status, fault.error)
            return web.json_response(answer, status=fault.status, headers=fault.headers)
        return await self._answer(request, provider, texts, dimensions, fault.kind)

    def _key(self, provider: str, request: web.Request) -> str:
        """The key of the request, as the provider takes it."""
        if provider == "gemini":
            key = request.headers.get("x-goog-api-key", "")
            if key not in self.keys:
                raise Refused(400, "API key not valid. Please pass a valid API key.")
            return key
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        if key not in ({"a-token-of-google"} if provider == "vertex_ai" else self.keys):
            raise Refused(401, f"Incorrect API key provided: {key}.")
        return key

    async def _answer(
        self, request: web.Request, provider: str, texts: Sequence[str], dimensions: int, kind: str
    ) -> web.StreamResponse:
        if kind == "hang":
            await asyncio.sleep(3600)
        if kind == "redirect":
            return web.Response(status=307, headers={"Location": f"{self.url}/elsewhere"})
        if kind in ("text", "list"):
            return web.Response(text="<html>a proxy</html>" if kind == "text" else "[]")
        vectors = [meaning(text, dimensions + (kind == "longer")) for text in texts[1 if kind == "fewer" else 0 :]]
        if kind == "zero":
            vectors[0] = [0.0] * dimensions
        tokens = sum(map(tokens_of, texts)) if self.tells_tokens else None
        answer = _FORMS[provider](vectors, tokens)
        if kind == "twice":
            answer["data"][0]["index"] = answer["data"][1]["index"]
        data = json.dumps(answer).encode()
        if kind == "nan":
            data = re.sub(rb"\[[-\d.e]+,", b"[NaN,", data, count=1)
        response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(data))})
        await response.prepare(request)
        await response.write(data[: len(data) // 2] if kind == "cut" else data)
        if kind == "cut":
            assert request.transport is not None
            request.transport.close()
        return response


def tokens_of(text: str) -> int:
    """As many tokens as the worst tokenizer makes: of what is not ASCII, one for each byte."""
    plain = sum(sign.isascii() for sign in text)
    return math.ceil(plain / 4) + len(text.encode()) - plain


def meaning(text: str, dimensions: int) -> list[float]:
    """A vector of the words of a text, which is not of length 1."""
    vector = [0.0] * dimensions
    for word in re.findall(r"\w+", text.lower()):
        vector[zlib.crc32(word[:5].encode()) % dimensions] += 3.0
    return vector if any(vector) else [1.0, *vector[1:]]


def _fields(body: Body, known: set[str], status: int = 400) -> None:
    if unknown := body.keys() - known:
        raise Refused(status, f"Unknown name {min(unknown)!r}: Cannot find field.")


def _openai(_: str, body: Body) -> tuple[Sequence[str], int]:
    _fields(body, {"model", "input", "encoding_format", "dimensions", "user"})
    if body["model"] != "text-embedding-3-small":
        raise Refused(404, f"The model `{body['model']}` does not exist or you do not have access to it.")
    texts = body["input"]
    if not texts or any(not isinstance(text, str) or not text for text in texts):
        raise Refused(400, "'$.input' is invalid.")
    if len(texts) > 2048:
        raise Refused(400, "Invalid 'input': array too long. Expected an array with maximum length 2048.")
    if any(tokens_of(text) > 8192 for text in texts):
        raise Refused(400, "This model's maximum context length is 8192 tokens.")
    if sum(map(tokens_of, texts)) > 300_000:
        raise Refused(400, "Requested tokens exceed the maximum of 300000 tokens per request.")
    return texts, body.get("dimensions", _DIMENSIONS[body["model"]])


def _mistral(_: str, body: Body) -> tuple[Sequence[str], int]:
    _fields(body, {"model", "input", "encoding_format", "output_dimension", "output_dtype"}, 422)
    texts = body["input"]
    if sum(map(tokens_of, texts)) > 16_384:
        raise Refused(400, "Too many tokens overall, split into more batches.")
    return texts, _DIMENSIONS[body["model"]]


def _gemini(path: str, body: Body) -> tuple[Sequence[str], int]:
    _fields(body, {"requests"})
    model = re.fullmatch(r"/gemini/v1beta/(models/[a-z0-9-]+):batchEmbedContents", path)
    if model is None or model[1] != "models/gemini-embedding-001":
        raise Refused(404, "The model is not found for API version v1beta, or is not supported for embedContent.")
    if len(body["requests"]) > 100:
        raise Refused(400, "BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch")
    texts = []
    for each in body["requests"]:
        _fields(each, {"model", "content", "taskType", "title", "outputDimensionality"})
        if each["model"] != model[1] or each["taskType"] not in TASKS:
            raise Refused(400, "The model of each request must match the model specified in the batch.")
        (part,) = each["content"]["parts"]
        if not part["text"]:
            raise Refused(400, "content is empty")
        texts.append(part["text"])
    (dimensions,) = {each["outputDimensionality"] for each in body["requests"]}
    return texts, dimensions


def _vertex(path: str, body: Body) -> tuple[Sequence[str], int]:
    _fields(body, {"instances", "parameters"})
    model = path.removeprefix("/vertex_ai/models/").removesuffix(":predict")
    if model not in _DIMENSIONS:
        raise Refused(404, "Publisher Model was not found.")
    for each in body["instances"]:
        _fields(each, {"content", "task_type", "title"})
        if each["task_type"] not in TASKS:
            raise Refused(400, "Invalid task_type.")
    texts = [each["content"] for each in body["instances"]]
    if len(texts) > 250 or sum(map(tokens_of, texts)) > 20_000:
        raise Refused(400, "Unable to submit request because the input token count exceeds 20000.")
    return texts, _DIMENSIONS[model]


def _openai_form(vectors: Sequence[Any], tokens: int | None) -> dict[str, Any]:
    # Out of order, as their indexes allow.
    data = [{"object": "embedding", "index": index, "embedding": each} for index, each in enumerate(vectors)][::-1]
    usage = {} if tokens is None else {"usage": {"prompt_tokens": tokens, "total_tokens": tokens}}
    return {"object": "list", "data": data, **usage}


def _vertex_form(vectors: Sequence[Any], tokens: int | None) -> dict[str, Any]:
    statistics = {"token_count": tokens or 0, "truncated": False}
    return {"predictions": [{"embeddings": {"values": each, "statistics": statistics}} for each in vectors]}


_RULES: Mapping[str, Callable[[str, Body], tuple[Sequence[str], int]]] = {
    "openai": _openai, "mistral": _mistral, "gemini": _gemini, "vertex_ai": _vertex,
}  # fmt: skip
_FORMS: Mapping[str, Callable[[Sequence[Any], int | None], dict[str, Any]]] = {
    "openai": _openai_form,
    "mistral": _openai_form,
    # Gemini tells no tokens of a batch.
    "gemini": lambda vectors, _: {"embeddings": [{"values": each} for each in vectors]},
    "vertex_ai": _vertex_form,
}


@asynccontextmanager
async def embedding_stub() -> AsyncIterator[EmbeddingStub]:
    """The stub on a free port."""
    stub = EmbeddingStub()
    application = web.Application(client_max_size=64 * 1024**2)
    application.router.add_route("*", "/{path:.*}", stub.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    stub.url = f"http://127.0.0.1:{_port(runner)}"
    try:
        yield stub
    finally:
        await runner.cleanup()


def _port(runner: web.AppRunner) -> int:
    ports: Iterator[int] = (address[1] for address in runner.addresses)
    return next(ports)
