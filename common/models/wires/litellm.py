"""One model call through litellm, whose only importer this is: it knows every provider's format."""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import nullcontext, suppress
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from common import limits
from common.errors import (
    ContentRefused,
    ContextTooLong,
    KeyInvalid,
    ModelNotFound,
    ProviderTimeout,
    ProviderUnavailable,
    ServiceError,
)
from common.models.call import ModelCall
from common.models.deadline import Deadline
from common.models.http_pool import Sockets
from common.models.payload import marked, request_body
from common.models.provider_errors import worded
from common.models.reply_builder import Gathered
from common.models.sse_reader import Frames, reply_bytes
from common.models.stream_delta import of_chunk
from common.models.transport import Connection

# Whoever may write about a request: litellm, and what it sends requests with.
_LOGGERS = ("LiteLLM", "LiteLLM Proxy", "LiteLLM Router", "litellm", "openai", "httpx", "httpcore", "aiohttp")
# The streams whose chunks are read as the provider's own. litellm's wrapper around them costs more than all else.
_KNOWN_STREAMS = {
    "openai.AsyncStream",
    "litellm.llms.openai.chat.gpt_transformation.OpenAIChatCompletionStreamingHandler",
    "litellm.llms.mistral.chat.transformation.MistralChatResponseIterator",
    "litellm.llms.groq.chat.transformation.GroqChatCompletionStreamingHandler",
    "litellm.llms.openrouter.chat.transformation.OpenRouterChatCompletionStreamingHandler",
}


_END = object()


@dataclass(frozen=True, slots=True)
class Library:
    """litellm as it was imported, a client of OpenAI's to copy, since making one takes long, and Azure's own class."""

    litellm: Any
    openai: Any
    azure: Any


class LiteLlmWire:
    """Speaks to every provider there is."""

    def __init__(self, library: Library, sockets: Sockets) -> None:
        self._library = library
        self._sockets = sockets

    async def attempt(
        self, call: ModelCall, api_base: str | None, gathered: Gathered, total: float
    ) -> AsyncGenerator[str, None]:
        """One request and its text. Raises the ModelError family or KeyInvalid, with nothing of the provider's."""
        litellm = self._library.litellm
        deadline = Deadline(call.model, total)
        connection = None
        if api_base is not None:
            frames = Frames(reply_bytes(call))
            connection = Connection(self._sockets, frames, lambda: deadline.heard(gathered.begun), deadline.over)
        wrapped: Any = None
        failure: ServiceError | None = None
        try:
            client = self._client(call, api_base, connection)
            with deadline.wait():
                wrapped = await litellm.acompletion(**_request(call, api_base, client))
                chunks = await _beneath(wrapped)
            while not gathered.full:
                with deadline.wait():
                    chunk = await anext(chunks, _END)
                if chunk is _END:
                    break
                # An event that says nothing is None in some streams.
                if chunk is not None and (text := gathered.add(of_chunk(chunk))):
                    with connection.pace.away() if connection is not None else nullcontext():
                        yield text
                deadline.heard(gathered.begun)
        except TimeoutError:
            failure = ProviderTimeout()
        except Exception as error:
            failure = _failure(litellm, error, connection)
        finally:
            deadline.close()
            await _release(wrapped, connection)
        # Raised out here, so that it has no context: a provider's exception holds its answer and, in a frame, the key.
        if connection is not None:
            failure = _failure_at_end(connection, gathered, failure)
        if failure is not None:
            try:
                raise failure
            finally:
                # The error holds this frame now: if that held the error, both would stay, and the key with them.
                del failure

    def _client(self, call: ModelCall, api_base: str | None, connection: Connection | None) -> Any:
        """The client that litellm sends the request with, over this call's own connection."""
        if connection is None:
            return None
        client = connection.client()
        if call.model.litellm_name.startswith("openai/"):
            return self._library.openai.with_options(
                api_key=call.key.reveal(), base_url=api_base, http_client=client, max_retries=0
            )
        if call.model.litellm_name.startswith("azure/"):
            return self._library.azure(
                api_key=call.key.reveal(), azure_endpoint=api_base, api_version=dict(call.model.options)["api_version"],
                http_client=client, max_retries=0,
            )  # fmt: skip
        handler = self._library.litellm.llms.custom_httpx.http_handler.AsyncHTTPHandler(transport=connection)
        handler.client = client
        return handler


async def _beneath(wrapped: Any) -> AsyncIterator[Any]:
    """The provider's own stream under litellm's wrapper; the wrapper where that stream is of no known kind."""
    if wrapped.completion_stream is None and wrapped.make_call is not None:
        await wrapped.fetch_stream()
    stream = wrapped.completion_stream
    name = f"{type(stream).__module__}.{type(stream).__qualname__}"
    return aiter(stream) if name in _KNOWN_STREAMS else aiter(wrapped)


def _request(call: ModelCall, api_base: str | None, client: Any) -> dict[str, Any]:
    request: dict[str, Any] = {
        **request_body(call),
        "model": call.model.litellm_name,
        "api_key": call.key.reveal(),
        "timeout": limits.MODEL_TOTAL_SECONDS,
        "num_retries": 0,
        "max_retries": 0,
        "drop_params": True,
        "no-log": True,
        **dict(call.model.options),
    }
    if call.model.cache_markers:
        request["messages"] = marked(request["messages"])
    if api_base is not None:
        request |= {"api_base": api_base, "client": client}
    if call.tools:
        # litellm otherwise imports the MCP SDK to look for MCP tools among these.
        request["_skip_mcp_handler"] = True
        # litellm rewrites schemas in place for some providers; these are everybody's.
        request["tools"] = deepcopy(request["tools"])
    return request


def _failure(litellm: Any, error: Exception, connection: "Connection | None") -> ServiceError:
    """The error of a failed call: as the connection saw it, or else as litellm understood it."""
    if connection is not None and connection.failure is not None:
        return connection.failure
    kinds: tuple[tuple[type[Exception], type[ServiceError]], ...] = (
        (litellm.AuthenticationError, KeyInvalid),
        (litellm.PermissionDeniedError, KeyInvalid),
        (litellm.NotFoundError, ModelNotFound),
        (litellm.ContextWindowExceededError, ContextTooLong),
        (litellm.ContentPolicyViolationError, ContentRefused),
        (litellm.Timeout, ProviderTimeout),
    )
    return next((ours() for theirs, ours in kinds if isinstance(error, theirs)), None) or worded(str(error))


def _failure_at_end(connection: Connection, gathered: Gathered, failure: ServiceError | None) -> ServiceError | None:
    """Why the answer is none; None where it is one. How a connection ended after the end says nothing."""
    frames = connection.frames
    if gathered.full:
        return None
    if frames.done and isinstance(failure, ProviderUnavailable | ProviderTimeout):
        failure = None
    if failure is not None:
        return failure
    gathered.end(frames.reason)
    if frames.full:
        return gathered.cut_short()
    return connection.failure or (None if frames.ended else ProviderUnavailable())


async def _release(chunks: Any, connection: "Connection | None") -> None:
    """Close the provider's stream, so that an abandoned turn stops costing; never longer than a moment."""
    # A failure to close says nothing new, and what it holds is the provider's.
    with suppress(Exception):
        async with asyncio.timeout(limits.MODEL_CLOSE_SECONDS):
            if connection is not None:
                await connection.release()
            if chunks is not None:
                await chunks.aclose()


def load_library() -> Library:
    """Import litellm, which takes seconds, and see to it that it says nothing."""
    # litellm reads these as it is imported; without them it fetches a price list and loads a .env file.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
    import litellm
    import litellm.llms.custom_httpx.http_handler
    from openai import AsyncAzureOpenAI, AsyncOpenAI

    _silence(litellm)
    return Library(litellm, AsyncOpenAI(api_key="each call brings its own", max_retries=0), AsyncAzureOpenAI)


def _silence(litellm: Any) -> None:
    """Stop the libraries from printing, logging or reporting calls, also against the environment."""
    litellm.suppress_debug_info = True
    litellm.set_verbose = False
    litellm.telemetry = False
    for name in ("callbacks", "success_callback", "failure_callback", "input_callback", "service_callback"):
        setattr(litellm, name, [])
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [logging.NullHandler()]
        logger.propagate = False
        logger.setLevel(logging.CRITICAL + 1)
