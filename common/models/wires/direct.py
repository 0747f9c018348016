"""One model call in the provider's own format: one request over the shared sockets, and its events as they come."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp

from common import limits
from common.errors import ModelError, ProviderTimeout, ProviderUnavailable, ServiceError
from common.models.call import ModelCall
from common.models.deadline import Deadline
from common.models.http_pool import Sockets, headers_of, let_go, read_refusal
from common.models.pace import PART_BYTES, Pace
from common.models.provider_errors import refusal
from common.models.reply_builder import Gathered
from common.models.sse_reader import Frame, Frames, reply_bytes
from common.models.stream_delta import Delta

_HEADERS = {
    "Content-Type": "application/json",
    "Accept": "text/event-stream",
    # Frames come as they are made.
    "Accept-Encoding": "identity",
}


@dataclass(frozen=True, slots=True)
class WireRequest:
    """The path below the API's address, the header that holds the key with any other ones, and the body."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]


class WireFormat(Protocol):
    """A provider's format: how a call is written in it, and how an event of its stream is read."""

    def request(self, call: ModelCall) -> WireRequest:
        """The call as this format has it."""
        ...

    def reader(self) -> Callable[[Mapping[str, Any]], Delta]:
        """A reader of the events of one stream, in their order."""
        ...


class DirectWire:
    """Speaks one format. Sockets, deadlines, bounds, errors and the secrecy of the key are the same for each."""

    def __init__(self, wire_format: WireFormat, sockets: Sockets) -> None:
        self._format = wire_format
        self._sockets = sockets

    async def attempt(
        self, call: ModelCall, api_base: str | None, gathered: Gathered, total: float
    ) -> AsyncGenerator[str, None]:
        """One request and its text; what arrives together is one piece. Raises the ModelError family or KeyInvalid."""
        deadline = Deadline(call.model, total)
        frames, pace, read = Frames(reply_bytes(call)), Pace(), self._format.reader()
        response: aiohttp.ClientResponse | None = None
        failure: ServiceError | None = None
        try:
            with deadline.wait():
                response = await self._post(self._format.request(call), api_base)
                failure = await _refusal_of(response)
            is_whole = response.content_type == "application/json"
            while failure is None:
                with deadline.wait():
                    part = await (_whole(response) if is_whole else response.content.read(PART_BYTES))
                pace.begin()
                text = _text_of(frames.feed(part) if part else frames.finish(), read, gathered)
                rest = pace.wait()
                if text:
                    yield text
                failure = frames.failure or (gathered.cut_short() if frames.full else None)
                if not part or gathered.full:
                    break
                if rest is not None:
                    await asyncio.sleep(rest)
                if frames.done:
                    deadline.over()
                else:
                    deadline.heard(gathered.begun)
        except Exception as error:
            failure = _failure(error)
        finally:
            deadline.close()
            if response is not None:
                let_go(response)
        # Raised out here, so that it has no context: an exception of the wire holds the request, and in it the key.
        failure = _failure_at_end(frames, gathered, failure)
        if failure is not None:
            try:
                raise failure
            finally:
                # The error holds this frame now: if that held the error, both would stay, and the key with them.
                del failure

    async def _post(self, request: WireRequest, api_base: str | None) -> aiohttp.ClientResponse:
        return await self._sockets.post(f"{api_base}{request.path}", {**_HEADERS, **request.headers}, request.body)


async def _refusal_of(response: aiohttp.ClientResponse) -> ServiceError | None:
    """Why there is no answer; None where there is one."""
    if response.status >= 400:
        return refusal(response.status, headers_of(response), await read_refusal(response))
    return None if response.status == 200 else ModelError()


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    """A whole answer instead of a stream, as the one event of a stream; nothing behind it."""
    if response.content.at_eof():
        return b""
    body = bytearray()
    while len(body) < limits.MODEL_EVENT_BYTES and (part := await response.content.readany()):
        body += part
    json.loads(body)
    return b"data: " + body.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n\n"


def _text_of(frames: Iterable[Frame], read: Callable[[Mapping[str, Any]], Delta], gathered: Gathered) -> str:
    """The text of the events that may be shown now, as one piece."""
    return "".join([gathered.add(read(frame.event)) for frame in frames if frame.event is not None])


def _failure(error: Exception) -> ServiceError:
    """The error that an exception of the wire stands for."""
    if isinstance(error, aiohttp.ClientError):
        return ProviderUnavailable()
    return ProviderTimeout() if isinstance(error, TimeoutError) else ModelError()


def _failure_at_end(frames: Frames, gathered: Gathered, failure: ServiceError | None) -> ServiceError | None:
    """Why the answer is none; None where it is one. How a connection ended after the end says nothing."""
    if gathered.full:
        return None
    if frames.done and isinstance(failure, ProviderUnavailable | ProviderTimeout | None):
        return frames.failure
    if failure is None and not frames.ended:
        return frames.failure or ProviderUnavailable()
    return failure
