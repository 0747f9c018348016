"""The sockets to the providers: one pool for all calls of an instance, kept open between calls."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
from yarl import URL

from common import limits

if TYPE_CHECKING:
    import httpx

MODEL_CONNECT_SECONDS = 10.0
MODEL_CONNECTIONS = 500
MODEL_IDLE_SECONDS = 60.0

_AWAY = {"content-encoding", "content-length", "transfer-encoding"}


class Sockets:
    """Nothing of a call stays in the pool: no header, no cookie, no proxy; a redirect is not followed."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> aiohttp.ClientResponse:
        """Post JSON, and return once the answer has begun. Raises aiohttp's ClientError."""
        data = orjson.dumps(body)
        return await self._open().post(url, headers=headers, data=data, allow_redirects=False)

    async def pass_on(self, request: "httpx.Request") -> aiohttp.ClientResponse:
        """Send a request that was made for httpx."""
        data = await request.aread()
        headers = [(name, value) for name, value in request.headers.items() if name not in ("host", "content-length")]
        return await self._open().request(
            request.method,
            # As it was written: an id may hold signs that are escaped.
            URL(str(request.url), encoded=True),
            headers=headers,
            data=data or None,
            allow_redirects=False,
        )

    async def close(self) -> None:
        """Close every socket; the instance is not used afterwards."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        # Made by the first call: a session belongs to the event loop that it is made in.
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=MODEL_CONNECTIONS, keepalive_timeout=MODEL_IDLE_SECONDS),
                # The waiting for tokens is bounded by whoever reads them.
                timeout=aiohttp.ClientTimeout(total=None, connect=MODEL_CONNECT_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
        return self._session


def headers_of(response: aiohttp.ClientResponse) -> dict[str, str]:
    """The headers of an answer as its body now is, decompressed, with their names in lower case."""
    return {name.lower(): value for name, value in response.headers.items() if name.lower() not in _AWAY}


def let_go(response: aiohttp.ClientResponse) -> None:
    """Keep the socket if the answer is over; else close it, so that the provider stops."""
    if response.content.at_eof():
        response.release()
    else:
        response.close()


async def read_refusal(response: aiohttp.ClientResponse) -> bytes:
    """Why there is no answer, as far as reading it is bounded."""
    body = bytearray()
    while len(body) < limits.MODEL_ERROR_BYTES and not response.content.at_eof():
        body += await response.content.read(limits.MODEL_ERROR_BYTES - len(body))
    return bytes(body)
