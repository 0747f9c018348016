"""The HTTP of one model call: one request over shared sockets that hold no key, and how it was answered."""

from collections.abc import AsyncIterator, Callable

import aiohttp
import httpx

from common.errors import ModelError, ProviderUnavailable, ServiceError
from common.models.call import FinishReason
from common.models.http_pool import Sockets, headers_of, let_go, read_refusal
from common.models.provider_errors import refusal
from common.models.sse_reader import Frames


class Connection(httpx.AsyncBaseTransport):
    """Sends one request and never a second one: whoever is given this cannot retry behind our back.

    ``reason`` is how the answer ended; ``heard`` is called for whatever comes, also what litellm keeps to itself.
    """

    def __init__(self, sockets: Sockets, heard: Callable[[], None]) -> None:
        self.failure: ServiceError | None = None
        self.reason: FinishReason | None = None
        self.ended = False
        self.heard = heard
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
        if response.status >= httpx.codes.MULTIPLE_CHOICES:
            self.failure = ModelError()
        return httpx.Response(response.status, headers=headers, stream=self._stream)

    async def aclose(self) -> None:
        """Nothing: the sockets outlive the clients that are made over this, and ``release`` ends the request."""

    async def release(self) -> None:
        """Close the provider's stream if it is still open: an answer that nobody reads must not go on."""
        if self._stream is not None:
            await self._stream.aclose()


class _Watched(httpx.AsyncByteStream):
    """A response's bytes. Stops at what is wrong with them, tells its connection how they end, and closes once."""

    def __init__(self, connection: Connection, response: aiohttp.ClientResponse) -> None:
        self._connection = connection
        self._response = response
        self._frames = Frames()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while part := await self._response.content.readany():
                self._frames.feed(part)
                self._tell()
                self._connection.heard()
                yield part[: self._frames.sound]
                self._stop_at_failure()
        except (aiohttp.ClientError, OSError):
            self._connection.failure = self._connection.failure or ProviderUnavailable()
            raise httpx.ReadError("the stream broke off") from None
        self._frames.finish()
        self._tell()
        self._stop_at_failure()

    def _tell(self) -> None:
        self._connection.ended = self._frames.ended
        self._connection.reason = self._frames.reason
        self._connection.failure = self._connection.failure or self._frames.failure

    def _stop_at_failure(self) -> None:
        if self._connection.failure is not None:
            raise httpx.ReadError("the stream is not what it should be")

    async def aclose(self) -> None:
        let_go(self._response)
