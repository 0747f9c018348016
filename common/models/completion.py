"""Streams one model call over litellm, whose only importer this is; the key travels with the call and nowhere else."""

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

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
from common.models.catalog import Model
from common.secret import Secret

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call the model asks for; ``arguments`` is the JSON text as the model wrote it."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one or more model calls."""

    input_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.input_tokens + other.input_tokens, self.output_tokens + other.output_tokens)

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class Reply:
    """A finished model call: all of its text, the tool calls it asks for, and what it cost."""

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage = field(default_factory=Usage)
    finish_reason: str = "stop"


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One request to a model: messages and tools in OpenAI's shape, and the key that pays for it."""

    model: Model
    key: Secret
    messages: Sequence[Message]
    tools: Sequence[Message]
    temperature: float
    max_tokens: int
    may_call_tools: bool = True


class Completion(Protocol):
    """Streams a model call: pieces of text as they arrive, then the Reply. Raises ModelError or KeyInvalid."""

    def stream(self, call: ModelCall) -> AsyncGenerator[str | Reply, None]: ...


class LiteLlm:
    """The Completion over litellm. The first call waits for its import, which ``load`` may have begun."""

    def __init__(self) -> None:
        self._loading: asyncio.Future[Any] | None = None

    def load(self) -> "asyncio.Future[Any]":
        """Begin to import litellm in a thread (it takes seconds), once; the returned future holds the module."""
        if self._loading is None:
            self._loading = asyncio.ensure_future(asyncio.to_thread(_import_litellm))
        return self._loading

    async def stream(self, call: ModelCall) -> AsyncGenerator[str | Reply, None]:
        litellm = await asyncio.shield(self.load())
        gathered = _Gathered()
        chunks: Any = None
        loop = asyncio.get_running_loop()
        deadline = loop.time() + limits.MODEL_FIRST_TOKEN_SECONDS
        try:
            async with asyncio.timeout_at(deadline):
                chunks = await litellm.acompletion(**_request(call))
            iterator = aiter(chunks)
            while True:
                async with asyncio.timeout_at(deadline):
                    chunk = await anext(iterator, None)
                if chunk is None:
                    break
                if text := gathered.add(chunk):
                    yield text
                deadline = loop.time() + limits.MODEL_BETWEEN_TOKENS_SECONDS
        except TimeoutError:
            raise ProviderTimeout from None
        except Exception as error:
            # Not chained: a provider's exception holds its answer, and the frame of the call holds the key.
            raise _translated(litellm, error) from None
        finally:
            if chunks is not None:
                await _close(chunks)
        yield gathered.reply()


class _Gathered:
    """What the chunks of one stream add up to."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._calls: dict[int, dict[str, str]] = {}
        self._usage = Usage()
        self._finish_reason = "stop"

    def add(self, chunk: Any) -> str:
        """Take one chunk in and return the text it adds."""
        if usage := getattr(chunk, "usage", None):
            self._usage = Usage(usage.prompt_tokens or 0, usage.completion_tokens or 0)
        if not chunk.choices:
            return ""
        choice = chunk.choices[0]
        if choice.finish_reason:
            self._finish_reason = choice.finish_reason
        for piece in choice.delta.tool_calls or ():
            call = self._calls.setdefault(piece.index, {"id": "", "name": "", "arguments": ""})
            call["id"] = call["id"] or piece.id or ""
            call["name"] += piece.function.name or ""
            call["arguments"] += piece.function.arguments or ""
        text: str = choice.delta.content or ""
        if text:
            self._text.append(text)
        return text

    def reply(self) -> Reply:
        calls = tuple(
            ToolCall(call["id"] or f"call_{index}", call["name"], call["arguments"] or "{}")
            for index, call in sorted(self._calls.items())
        )
        return Reply("".join(self._text), calls, self._usage, self._finish_reason)


def _request(call: ModelCall) -> dict[str, Any]:
    request: dict[str, Any] = {
        "model": call.model.litellm_name,
        "messages": list(call.messages),
        "api_key": call.key.reveal(),
        "temperature": call.temperature,
        "max_tokens": call.max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
        "timeout": limits.MODEL_FIRST_TOKEN_SECONDS,
        "num_retries": 0,
        "drop_params": True,
    }
    if call.tools:
        # litellm otherwise imports the MCP SDK to look for MCP tools among these.
        request |= {"tools": list(call.tools), "_skip_mcp_handler": True}
        if not call.may_call_tools:
            # The tools stay: some providers refuse a history of tool calls without them.
            request["tool_choice"] = "none"
    return request


async def _close(chunks: Any) -> None:
    """Close the provider's stream, so that an abandoned turn stops costing."""
    inner = getattr(chunks, "completion_stream", None)
    for stream in (chunks, inner):
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()


def _import_litellm() -> Any:
    # litellm reads these as it is imported; without them it fetches a price list and loads a .env file.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
    import litellm

    litellm.suppress_debug_info = True
    litellm.telemetry = False
    return litellm


def _translated(litellm: Any, error: Exception) -> ServiceError:
    kinds: tuple[tuple[type[Exception], type[ServiceError]], ...] = (
        (litellm.AuthenticationError, KeyInvalid),
        (litellm.PermissionDeniedError, KeyInvalid),
        (litellm.NotFoundError, ModelNotFound),
        (litellm.ContextWindowExceededError, ContextTooLong),
        (litellm.ContentPolicyViolationError, ContentRefused),
        (litellm.RateLimitError, ProviderRateLimited),
        (litellm.Timeout, ProviderTimeout),
        (litellm.APIConnectionError, ProviderUnavailable),
        (litellm.ServiceUnavailableError, ProviderUnavailable),
        (litellm.InternalServerError, ProviderUnavailable),
    )
    return next((ours() for theirs, ours in kinds if isinstance(error, theirs)), ModelError())
