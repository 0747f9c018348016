"""The Completion over all providers: one call, tried again where that may help; the key travels with the call alone."""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from common import limits
from common.errors import ContentRefused, KeyInvalid, ModelError, ProviderUnavailable, ServiceError
from common.models.breaker import Breakers
from common.models.call import Completion, Message, ModelCall, Reply, ToolCall, Usage
from common.models.catalog import canonical
from common.models.provider_errors import may_pass
from common.models.reply_builder import Gathered
from common.models.token_estimate import prompt_tokens, tokens_of

if TYPE_CHECKING:
    from common.models.http_pool import Sockets
    from common.models.wires.direct import WireFormat
    from common.models.wires.litellm import Library

MODEL_ATTEMPTS = 3
MODEL_BACKOFF_SECONDS = 0.5
# The longest Retry-After that is waited for here, and the longest that is passed on to the caller.
MODEL_RETRY_AFTER_SECONDS = 10

__all__ = ["Completion", "Message", "ModelCall", "Providers", "Reply", "ToolCall", "Usage"]


class _Wire(Protocol):
    """One request and its text. Raises the ModelError family or KeyInvalid, with nothing of the provider's in it."""

    def attempt(
        self, call: ModelCall, api_base: str | None, gathered: Gathered, total: float
    ) -> AsyncGenerator[str, None]: ...


class Providers:
    """Speaks to each provider as the catalogue says: in its own format, or through litellm.

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
        self.breakers = Breakers()
        self._sockets: Sockets | None = None
        self._direct: dict[str, _Wire] = {}
        self._loading: asyncio.Future[Library] | None = None

    def load(self) -> "asyncio.Future[Library]":
        """Begin to import litellm in a thread, once; the returned future is done when it is in."""
        if self._loading is None:
            self._loading = asyncio.ensure_future(asyncio.to_thread(_import_litellm))
        return self._loading

    async def warm(self) -> None:
        """Get ready for the first call in a format of its own; litellm takes seconds and waits for who needs it."""
        await asyncio.to_thread(_import_formats)

    async def close(self) -> None:
        """Close the sockets; the instance is not used afterwards."""
        if self._sockets is not None:
            await self._sockets.close()

    async def stream(self, call: ModelCall) -> AsyncGenerator[str | Reply, None]:
        """Make the call. A limit or an outage is tried again until the model has begun to answer."""
        if not _sendable_key(call.key.reveal(), needed=call.model.needs_key):
            raise KeyInvalid
        api_base = self._api_bases.get(call.model.provider, call.model.api_base)
        crossing = self.breakers.enter(call.model.provider, api_base)
        try:
            async with aclosing(self._tried(await self._wire(call), call, api_base)) as pieces:
                async for piece in pieces:
                    crossing.heard()
                    yield piece
        except ServiceError as error:
            crossing.failed(error)
            raise
        finally:
            crossing.leave()

    async def _tried(self, wire: _Wire, call: ModelCall, api_base: str | None) -> AsyncGenerator[str | Reply, None]:
        deadline = asyncio.get_running_loop().time() + limits.MODEL_TOTAL_SECONDS
        attempt = 0
        spoilt: Reply | None = None
        while True:
            attempt += 1
            gathered = Gathered(call.heard)
            try:
                async with aclosing(wire.attempt(call, api_base, gathered, deadline)) as pieces:
                    async for text in pieces:
                        yield text
                call.heard.ended = not gathered.full
                if rest := gathered.rest():
                    yield rest
                reply = _reply(call, gathered)
            except ServiceError as error:
                wait = None if gathered.begun else _wait_before_next(error, attempt, deadline)
                if wait is None:
                    if isinstance(error, ModelError):
                        error.begun = gathered.begun
                    raise
                await self._pause(wait)
                continue
            if spoilt is None and not gathered.has_shown and _is_spoilt(call, reply):
                spoilt = reply
                call.heard.begin_again(reply.usage)
                continue
            yield reply if spoilt is None else _with_usage_of(spoilt, reply)
            return

    async def _wire(self, call: ModelCall) -> _Wire:
        """The wire to the model's provider, imported now: most functions never call a model."""
        name = call.model.wire
        if name != "litellm":
            if name not in self._direct:
                self._direct[name] = _direct_wire(name, self._shared_sockets())
            return self._direct[name]
        library = await asyncio.shield(self.load())
        from common.models.wires.litellm import LiteLlmWire

        return LiteLlmWire(library, self._shared_sockets())

    def _shared_sockets(self) -> "Sockets":
        from common.models.http_pool import Sockets

        if self._sockets is None:
            self._sockets = Sockets()
        return self._sockets


def _import_formats() -> "Mapping[str, Callable[[], WireFormat]]":
    from common.models.wires import anthropic, gemini, openai

    return {"openai": openai.OpenAiFormat, "anthropic": anthropic.AnthropicFormat, "gemini": gemini.GeminiFormat}


def _direct_wire(name: str, sockets: "Sockets") -> _Wire:
    from common.models.wires.direct import DirectWire

    return DirectWire(_import_formats()[name](), sockets)


def _import_litellm() -> "Library":
    from common.models.wires.litellm import load_library

    return load_library()


def _sendable_key(key: str, *, needed: bool) -> bool:
    """Return true if the key can be the value of a
    header. An empty one would make litellm look for one in the environment."""
    return (bool(key) or not needed) and key.isascii() and key.isprintable()


def _estimated(call: ModelCall, reply: Reply) -> Usage:
    """About what a call used whose provider does not say: bounds on tokens hold for it too."""
    said = "\n".join([reply.text, *(f"{each.name} {each.arguments}" for each in reply.tool_calls)])
    return Usage(prompt_tokens(call), tokens_of(said))


def _reply(call: ModelCall, gathered: Gathered) -> Reply:
    """The reply of a stream that came to its end. Raises ContentRefused or ProviderUnavailable where it is none."""
    reply = gathered.reply(call.model)
    if reply.finish_reason == "filtered":
        raise ContentRefused
    if reply.finish_reason == "broken":
        raise ProviderUnavailable
    # The provider counts at the end, which a reply that was cut has not seen.
    if reply.usage.total_tokens and not gathered.full:
        return reply
    return replace(reply, usage=_estimated(call, reply), usage_is_estimated=True)


def _with_usage_of(spoilt: Reply, reply: Reply) -> Reply:
    """The second reply, with what both have used."""
    estimated = spoilt.usage_is_estimated or reply.usage_is_estimated
    return replace(reply, usage=spoilt.usage + reply.usage, usage_is_estimated=estimated)


def _is_spoilt(call: ModelCall, reply: Reply) -> bool:
    """Return true if the same call deserves a second attempt: a spoilt tool call, or silence after a result.

    Both are Gemini's: it names the first kind, and stops without a word for no reason that it knows of.
    """
    if not reply.is_empty:
        return False
    return reply.finish_reason == "malformed" or (
        call.model.wire == "gemini" and reply.finish_reason == "stop" and call.messages[-1]["role"] == "tool"
    )


def _wait_before_next(error: ServiceError, attempt: int, deadline: float) -> float | None:
    """The seconds until the next attempt. Returns None if there is no further attempt."""
    if attempt >= MODEL_ATTEMPTS or not may_pass(error):
        return None
    if error.retry_after is not None:
        if error.retry_after > MODEL_RETRY_AFTER_SECONDS:
            return None
        wait = error.retry_after + random.uniform(0, MODEL_BACKOFF_SECONDS)
    else:
        wait = MODEL_BACKOFF_SECONDS * 2 ** (attempt - 1) * random.uniform(0.5, 1)
    return wait if asyncio.get_running_loop().time() + wait < deadline else None
