"""The HTTP of one model call: one request over shared sockets that hold no key, and how it was answered."""

from collections.abc import AsyncIterator, Callable

import aiohttp
import httpx

from common.errors import ModelError, ProviderUnavailable, ServiceError
from common.models.http_pool import Sockets, headers_of, let_go, read_refusal
from common.models.pace import PART_BYTES, Pace
from common.models.provider_errors import refusal
from common.models.sse_reader import Frames

# Bedrock's framing of events, which litellm reads.
_BINARY = "application/vnd.amazon.eventstream"


class Connection(httpx.AsyncBaseTransport):
    """Sends one request and never a second one: whoever is given this cannot retry behind our back.

    ``frames`` is what came. ``heard`` is called for it, also for what litellm keeps to itself, and ``over`` once
    nothing more is due. ``pace`` counts the work that it makes.
    """

    def __init__(self, sockets: Sockets, frames: Frames, heard: Callable[[], None], over: Callable[[], None]) -> None:
        self.failure: ServiceError | None = None
        self.frames = frames
        self.heard = heard
        self.over = over
        self.pace = Pace()
        self._sockets = sockets
        self._used = False
        self._stream: _Watched | None = None

    def client(self) -> httpx.AsyncClient:
        """A client of this connection alone. It follows no redirect: the key would go along."""
        return httpx.AsyncClient(transport=self, trust_env=False, follow_redirects=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._used:
            raise httpx.RequestError("one call is one request", request=request)
        self._used = True
        # Frames come as they are made, and are looked at as they come.
        request.headers["accept-encoding"] = "identity"
        try:
            response = await self._sockets.pass_on(request)
        except (aiohttp.ClientError, OSError):
            self.failure = ProviderUnavailable()
        if self.failure is not None:
            raise httpx.ConnectError("the provider is not there", request=request)
        headers = headers_of(response)
        self._stream = _Watched(self, response)
        if response.status >= httpx.codes.BAD_REQUEST:
            self.failure = refusal(response.status, headers, await read_refusal(response))
            await self.release()
            # The status is handed on with nothing of what was said.
            return httpx.Response(response.status, json={"error": {"message": "refused", "code": response.status}})
        if response.status != httpx.codes.OK:
            self.failure = ModelError()
        return httpx.Response(response.status, headers=headers, stream=self._stream)

    async def aclose(self) -> None:
        """Nothing: the sockets outlive the clients that are made over this, and ``release`` ends the request."""

    async def release(self) -> None:
        """Close the provider's stream if it is still open: an answer that nobody reads must not go on."""
        if self._stream is not None:
            await self._stream.aclose()


class _Watched(httpx.AsyncByteStream):
    """A response's events, one at a time and nothing else of it. Stops at what is wrong with them, and closes once."""

    def __init__(self, connection: Connection, response: aiohttp.ClientResponse) -> None:
        self._connection = connection
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        connection, frames = self._connection, self._connection.frames
        is_text = self._response.content_type != _BINARY
        part = b"-"
        while part and not frames.full:
            self._stop_at_failure()
            try:
                part = await self._response.content.read(PART_BYTES)
            except (aiohttp.ClientError, OSError):
                connection.failure = connection.failure or ProviderUnavailable()
                raise httpx.ReadError("the stream broke off") from None
            connection.pace.begin()
            if is_text:
                events = frames.feed(part) if part else frames.finish()
                read = [b"data: " + frame.data + b"\n\n" for frame in events]
            else:
                read = [frames.take(part)] if part else []
            await connection.pace.rest()
            for piece in read:
                # What the libraries make of an event is work too, and they are not all quick at it.
                connection.pace.begin()
                yield piece
                await connection.pace.rest()
            connection.failure = connection.failure or frames.failure
            if frames.done:
                connection.over()
            else:
                connection.heard()
        self._stop_at_failure()

    def _stop_at_failure(self) -> None:
        if self._connection.failure is not None:
            raise httpx.ReadError("the stream is not what it should be")

    async def aclose(self) -> None:
        let_go(self._response)
