"""The HTTP of one model call: one request over shared sockets that hold no key, and how it was answered."""

from collections.abc import AsyncIterator, Mapping

import httpx

from common import limits
from common.errors import ModelError, ProviderUnavailable, ServiceError
from common.models.frames import Frames
from common.models.refusals import refusal


def new_pool() -> httpx.AsyncHTTPTransport:
    """Sockets for all calls of an instance. Nothing of a call stays in them: no header, no cookie, no proxy."""
    bounds = httpx.Limits(
        max_connections=limits.MODEL_CONNECTIONS, max_keepalive_connections=limits.MODEL_IDLE_CONNECTIONS
    )
    return httpx.AsyncHTTPTransport(limits=bounds, trust_env=False, retries=0)


class Connection(httpx.AsyncBaseTransport):
    """Sends one request and never a second one: whoever is given this cannot retry behind our back."""

    def __init__(self, pool: httpx.AsyncBaseTransport) -> None:
        self.failure: ServiceError | None = None
        self.ended = False
        self._pool = pool
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
        # The waiting for tokens is bounded by whoever reads them.
        request.extensions = {
            **request.extensions,
            "timeout": {
                "connect": limits.MODEL_CONNECT_SECONDS,
                "pool": limits.MODEL_CONNECT_SECONDS,
                "write": limits.MODEL_BETWEEN_TOKENS_SECONDS,
                "read": None,
            },
        }
        try:
            response = await self._pool.handle_async_request(request)
        except httpx.TransportError:
            self.failure = ProviderUnavailable()
            raise
        self._stream = _Watched(self, response)
        if response.status_code >= httpx.codes.BAD_REQUEST:
            return await self._refused(response.status_code, response.headers)
        if response.is_redirect:
            self.failure = ModelError()
        return httpx.Response(
            response.status_code, headers=response.headers, stream=self._stream, extensions=response.extensions
        )

    async def _refused(self, status: int, headers: httpx.Headers) -> httpx.Response:
        """Read why, as far as that is bounded, and hand on the status with nothing of what was said."""
        assert self._stream is not None
        raw = b""
        async for part in self._stream:
            raw += part
            if len(raw) >= limits.MODEL_ERROR_BYTES:
                break
        await self.release()
        try:
            body = httpx.Response(status, headers=headers, content=raw).content
        except httpx.DecodingError:
            body = b""
        self.failure = refusal(status, _plain(headers), body)
        return httpx.Response(status, json={"error": {"message": "refused", "code": status}})

    async def aclose(self) -> None:
        """Nothing: the sockets outlive the clients that are made over this, and ``release`` ends the request."""

    async def release(self) -> None:
        """Close the provider's stream if it is still open: an answer that nobody reads must not go on."""
        if self._stream is not None:
            await self._stream.aclose()


class _Watched(httpx.AsyncByteStream):
    """A response's bytes. Stops at what is wrong with them, tells its connection how they end, and closes once."""

    def __init__(self, connection: Connection, response: httpx.Response) -> None:
        assert isinstance(response.stream, httpx.AsyncByteStream)
        self._connection = connection
        self._inner = response.stream
        # A compressed or refused answer is not read here.
        encoding = response.headers.get("content-encoding", "identity")
        connection.ended = encoding != "identity"
        self._frames = Frames() if response.is_success and encoding == "identity" else None
        self._closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._inner:
                if self._frames is not None:
                    self._frames.feed(part)
                    self._tell(self._frames)
                yield part
        except httpx.TransportError:
            self._connection.failure = self._connection.failure or ProviderUnavailable()
            raise
        if self._frames is not None:
            self._frames.finish()
            self._tell(self._frames)

    def _tell(self, frames: Frames) -> None:
        self._connection.ended = frames.ended
        if frames.failure is not None:
            self._connection.failure = frames.failure
            raise httpx.ReadError("the stream is not what it should be")

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            await self._inner.aclose()


def _plain(headers: httpx.Headers) -> Mapping[str, str]:
    return {name.lower(): value for name, value in headers.items()}
