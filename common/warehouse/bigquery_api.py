"""BigQuery's API over sockets that hold no thread: the SDK's addresses, credentials, errors and retries."""

import asyncio
import io
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import orjson
from google.api_core import exceptions as google
from google.api_core.retry import AsyncRetry
from google.auth.credentials import AnonymousCredentials
from google.auth.transport.requests import Request

if TYPE_CHECKING:
    import aiohttp

WAREHOUSE_CONNECTIONS = 512
WAREHOUSE_RETRY_SECONDS = 8.0
_IDLE_SECONDS = 60.0
_LARGE_BYTES = 256 * 1024

Body = dict[str, Any]


class ApiSockets:
    """The open connections to BigQuery: one pool for all accounts, of the event loop that asks."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing: weakref.finalize[[aiohttp.ClientSession], ApiSockets] | None = None

    def open(self) -> "aiohttp.ClientSession":
        """The pool of the running event loop."""
        # Imported by the first query: most functions begin without one.
        import aiohttp

        loop = asyncio.get_running_loop()
        if self._session is None or self._loop is not loop:
            self.close()
            self._loop = loop
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=WAREHOUSE_CONNECTIONS, keepalive_timeout=_IDLE_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
            # Closed at the latest when nobody refers to this any more.
            self._closing = weakref.finalize(self, _close, self._session)
        return self._session

    def close(self) -> None:
        """Close every connection."""
        if self._closing is not None:
            self._closing()
        self._session = self._closing = None


def _close(session: "aiohttp.ClientSession") -> None:
    if session.connector is not None:
        # Its public way wants to be awaited, and there may be no event loop any more.
        session.connector._close()


class BigQueryApi:
    """BigQuery as one account asks it; ``client`` is the SDK's, for what is rarely asked."""

    def __init__(self, client: Any, sockets: ApiSockets, passes: Callable[[Exception], bool]) -> None:
        self.client = client
        self._sockets = sockets
        self._passes = passes
        self._refreshing: asyncio.Future[None] | None = None

    async def ask(
        self,
        method: str,
        path: str,
        seconds: float,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        again: bool = True,
    ) -> Body:
        """Send a request below the project, and return its reply; sent ``again`` while a failure is one that passes.

        Raises the SDK's exceptions, ConnectionError, TimeoutError, and ValueError for a reply that is no JSON object.
        """
        url = self.client._connection.build_api_url(f"/projects/{self.client.project}/{path}", query_params=query)
        data = None if body is None else orjson.dumps(body)
        if not again:
            return await self._send(method, url, data, seconds)
        most = min(seconds, WAREHOUSE_RETRY_SECONDS)
        retry = AsyncRetry(self._passes, timeout=most)
        return await retry(self._send)(method, url, data, seconds)

    async def _send(self, method: str, url: str, data: bytes | None, seconds: float) -> Body:
        status, content = await self._post(method, url, data, seconds)
        if status == 401 and not isinstance(self.client._credentials, AnonymousCredentials):
            await self._refresh()
            status, content = await self._post(method, url, data, seconds)
        if not 200 <= status < 300:
            raise _refusal(status, content, f"{method} {url}")
        reply = orjson.loads(content)
        if not isinstance(reply, dict):
            raise ValueError("a reply that is no object")
        return reply

    async def _post(self, method: str, url: str, data: bytes | None, seconds: float) -> tuple[int, bytes]:
        import aiohttp

        headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip"}
        headers["User-Agent"] = self.client._connection.user_agent
        credentials = self.client._credentials
        if not isinstance(credentials, AnonymousCredentials):
            if not credentials.valid:
                await self._refresh()
            credentials.apply(headers)
        timeout = aiohttp.ClientTimeout(total=seconds)
        # What is large is sent in parts, between which the event loop serves others.
        sent = data if data is None or len(data) < _LARGE_BYTES else io.BytesIO(data)
        try:
            async with self._sockets.open().request(
                method, url, data=sent, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                return response.status, await response.read()
        except aiohttp.ClientError as error:
            if isinstance(error, TimeoutError):
                raise TimeoutError from None
            raise ConnectionError from None

    async def _refresh(self) -> None:
        """Get a new token, once for all who wait for one. Raises GoogleAuthError."""
        if self._refreshing is None:
            refresh = asyncio.to_thread(self.client._credentials.refresh, Request())
            self._refreshing = asyncio.ensure_future(refresh)
            self._refreshing.add_done_callback(self._refreshed)
        await asyncio.shield(self._refreshing)

    def _refreshed(self, refreshing: "asyncio.Future[None]") -> None:
        self._refreshing = None
        if not refreshing.cancelled():
            refreshing.exception()  # Looked at: whoever waits for it says it.


def _refusal(status: int, content: bytes, asked: str) -> google.GoogleAPICallError:
    """The SDK's exception for an answer that is none. What stands before BigQuery may say it in no JSON."""
    try:
        reply = orjson.loads(content)
    except ValueError:
        reply = None
    error = reply.get("error") if isinstance(reply, dict) else None
    told: Body = error if isinstance(error, dict) else {}
    make: Callable[..., google.GoogleAPICallError] = google.from_http_status
    return make(status, f"{asked}: {told.get('message', 'unknown error')}", errors=told.get("errors", ()))
