"""Streams one model call over litellm, whose only importer this is; the key travels with the call and nowhere else."""

import asyncio
import json
import logging
import os
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
from common.models.call import Completion, Message, ModelCall, Reply, ToolCall, Usage
from common.models.catalog import canonical
from common.models.gathering import Gathered
from common.models.refusals import may_pass, worded

if TYPE_CHECKING:
    from common.models.connection import Connection

__all__ = ["Completion", "LiteLlm", "Message", "ModelCall", "Reply", "ToolCall", "Usage"]

# Whoever may write about a request: litellm, and what it sends requests with.
_LOGGERS = ("LiteLLM", "LiteLLM Proxy", "LiteLLM Router", "litellm", "openai", "httpx", "httpcore", "aiohttp")


@dataclass(frozen=True, slots=True)
class _Library:
    """litellm as it was imported, and the sockets of this instance."""

    litellm: Any
    pool: Any


class LiteLlm:
    """The Completion over litellm. The first call waits for its import, which ``load`` may have begun.

    ``api_bases`` says where a provider's API is, by provider; otherwise it is where the catalogue says.
    """

    def __init__(
        self,
        api_bases: Mapping[str, str] | None = None,
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._api_bases = {canonical(provider): url.rstrip("/") for provider, url in (api_bases or {}).items()}
        self._pause = pause
        self._loading: asyncio.Future[_Library] | None = None

    def load(self) -> "asyncio.Future[_Library]":
        """Begin to import litellm in a thread (it takes seconds), once; the returned future is done when it is in."""
        if self._loading is None:
            self._loading = asyncio.ensure_future(asyncio.to_thread(_load_library))
        return self._loading

    async def close(self) -> None:
        """Close the sockets; the instance is not used afterwards."""
        if self._loading is not None:
            await (await self._loading).pool.aclose()

    async def stream(self, call: ModelCall) -> AsyncGenerator[str | Reply, None]:
        """Make the call; a limit or an outage is tried again as long as the model has not begun to answer."""
        if not _sendable_key(call.key.reveal()):
            raise KeyInvalid
        library = await asyncio.shield(self.load())
        deadline = asyncio.get_running_loop().time() + limits.MODEL_TOTAL_SECONDS
        attempt = 0
        while True:
            attempt += 1
            gathered = Gathered()
            try:
                async with aclosing(self._attempt(library, call, gathered, deadline)) as pieces:
                    async for text in pieces:
                        yield text
                break
            except ServiceError as error:
                wait = None if gathered.begun else _wait_before_next(error, attempt, deadline)
                if wait is None:
                    raise
            await self._pause(wait)
        yield gathered.reply()

    async def _attempt(
        self, library: _Library, call: ModelCall, gathered: Gathered, total: float
    ) -> AsyncGenerator[str, None]:
        """One request and its stream. Raises the ModelError family or KeyInvalid, with nothing of the provider's."""
        loop = asyncio.get_running_loop()
        patience = limits.MODEL_REASONING_SECONDS if call.model.reasoning else limits.MODEL_FIRST_TOKEN_SECONDS
        deadline = min(total, loop.time() + patience)
        connection, client = _connected(library, call, self._api_base(call))
        chunks: Any = None
        failure: ServiceError | None = None
        try:
            async with asyncio.timeout_at(deadline):
                chunks = await library.litellm.acompletion(**_request(call, self._api_base(call), client))
            iterator = aiter(chunks)
            while True:
                async with asyncio.timeout_at(deadline):
                    chunk = await anext(iterator, None)
                if chunk is None:
                    break
                if text := gathered.add(chunk):
                    yield text
                if gathered.begun:
                    deadline = min(total, loop.time() + limits.MODEL_BETWEEN_TOKENS_SECONDS)
        except TimeoutError:
            failure = ProviderTimeout()
        except Exception as error:
            failure = _failure(library.litellm, error, connection)
        finally:
            await _release(chunks, connection)
        # Raised out here, so that it has no context: a provider's exception holds its answer and, in a frame, the key.
        if failure is None and gathered.refused:
            failure = ContentRefused()
        if failure is None and connection is not None:
            failure = connection.failure or (None if connection.ended else ProviderUnavailable())
        if failure is not None:
            raise failure

    def _api_base(self, call: ModelCall) -> str | None:
        return self._api_bases.get(call.model.provider, call.model.api_base)


def _connected(library: _Library, call: ModelCall, api_base: str | None) -> tuple["Connection | None", Any]:
    """A connection of this call's own, and the client that litellm is to use; None for a model without an address."""
    if api_base is None:
        return None, None
    from common.models.connection import Connection

    connection = Connection(library.pool)
    client = connection.client()
    if call.model.provider == "openai":
        from openai import AsyncOpenAI

        return connection, AsyncOpenAI(api_key=call.key.reveal(), base_url=api_base, http_client=client, max_retries=0)
    handler = library.litellm.llms.custom_httpx.http_handler.AsyncHTTPHandler(transport=connection)
    handler.client = client
    return connection, handler


def _request(call: ModelCall, api_base: str | None, client: Any) -> dict[str, Any]:
    model = call.model
    request: dict[str, Any] = {
        "model": model.litellm_name,
        "messages": [_sendable(message) for message in call.messages],
        "api_key": call.key.reveal(),
        "stream": True,
        "stream_options": {"include_usage": True},
        "timeout": limits.MODEL_TOTAL_SECONDS,
        "num_retries": 0,
        "max_retries": 0,
        "drop_params": True,
        "no-log": True,
        model.output_limit: min(call.max_tokens, model.max_output),
    }
    if model.max_temperature is not None:
        request["temperature"] = min(call.temperature, model.max_temperature)
    if api_base is not None:
        request |= {"api_base": api_base, "client": client}
    if call.tools:
        # litellm otherwise imports the MCP SDK to look for MCP tools among these.
        request |= {"tools": list(call.tools), "_skip_mcp_handler": True}
        if not call.may_call_tools:
            # The tools stay: some providers refuse a history of tool calls without them.
            request["tool_choice"] = "none"
    return request


def _sendable(message: Message) -> Message:
    """The message as every provider takes it: arguments that the model wrote wrongly are sent back as none."""
    calls = message.get("tool_calls")
    if not calls:
        return message
    return {**message, "tool_calls": [_sendable_call(call) for call in calls]}


def _sendable_call(call: Mapping[str, Any]) -> Mapping[str, Any]:
    function = call["function"]
    with suppress(ValueError):
        if isinstance(json.loads(function["arguments"]), dict):
            return call
    return {**call, "function": {**function, "arguments": "{}"}}


def _sendable_key(key: str) -> bool:
    """Whether the key can be a header's value. An empty one would make litellm look for one in the environment."""
    return bool(key) and key.isascii() and key.isprintable()


def _wait_before_next(error: ServiceError, attempt: int, deadline: float) -> float | None:
    """How long to wait before the next attempt, in seconds; None where there is none."""
    if attempt >= limits.MODEL_ATTEMPTS or not may_pass(error):
        return None
    if error.retry_after is not None:
        if error.retry_after > limits.MODEL_RETRY_AFTER_SECONDS:
            return None
        wait = error.retry_after + random.uniform(0, limits.MODEL_BACKOFF_SECONDS)
    else:
        wait = limits.MODEL_BACKOFF_SECONDS * 2 ** (attempt - 1) * random.uniform(0.5, 1)
    return wait if asyncio.get_running_loop().time() + wait < deadline else None


def _failure(litellm: Any, error: Exception, connection: "Connection | None") -> ServiceError:
    """What went wrong: as the connection saw it, or else as litellm understood it."""
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


async def _release(chunks: Any, connection: "Connection | None") -> None:
    """Close the provider's stream, so that an abandoned turn stops costing; never longer than a moment."""
    # A failure to close says nothing new, and what it holds is the provider's.
    with suppress(Exception):
        async with asyncio.timeout(limits.MODEL_CLOSE_SECONDS):
            if connection is not None:
                await connection.release()
            if chunks is not None:
                await chunks.aclose()


def _load_library() -> _Library:
    # litellm reads these as it is imported; without them it fetches a price list and loads a .env file.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
    import litellm
    import litellm.llms.custom_httpx.http_handler

    from common.models.connection import new_pool

    _silence(litellm)
    return _Library(litellm, new_pool())


def _silence(litellm: Any) -> None:
    """Nothing of a call is printed, logged or reported by the libraries, whatever the environment asks of them."""
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
