"""One model call in OpenAI's own format: one request over the shared sockets, and its events as they come."""

import asyncio
from collections.abc import AsyncGenerator

import aiohttp

from common.errors import ContentRefused, ModelError, ProviderTimeout, ProviderUnavailable, ServiceError
from common.models.call import ModelCall
from common.models.deadline import Deadline
from common.models.http_pool import Sockets, headers_of, let_go, read_refusal
from common.models.payload import request_body
from common.models.provider_errors import refusal
from common.models.reply_builder import Gathered
from common.models.sse_reader import Frames
from common.models.stream_delta import of_event


class OpenAiWire:
    """Speaks to OpenAI, and to whoever speaks as it does."""

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets

    async def attempt(
        self, call: ModelCall, api_base: str | None, gathered: Gathered, total: float
    ) -> AsyncGenerator[str, None]:
        """One request and its text; what arrives together is one piece. Raises the ModelError family or KeyInvalid."""
        deadline = Deadline(call.model, total)
        frames = Frames()
        response: aiohttp.ClientResponse | None = None
        failure: ServiceError | None = None
        try:
            async with asyncio.timeout_at(deadline.at):
                response = await self._post(call, api_base)
                if response.status >= 400:
                    failure = refusal(response.status, headers_of(response), await read_refusal(response))
                elif response.status != 200:
                    failure = ModelError()
            while failure is None:
                async with asyncio.timeout_at(deadline.at):
                    part = await response.content.readany()
                events = frames.feed(part) if part else frames.finish()
                if text := "".join([gathered.add(of_event(event)) for event in events]):
                    yield text
                if not part:
                    break
                failure = frames.failure
                if frames.done:
                    deadline.over()
                elif gathered.begun:
                    deadline.heard()
        except aiohttp.ClientError:
            failure = ProviderUnavailable()
        except TimeoutError:
            failure = ProviderTimeout()
        except Exception:
            failure = ModelError()
        finally:
            if response is not None:
                let_go(response)
        # Raised out here, so that it has no context: an exception of the wire holds the request, and in it the key.
        if gathered.refused:
            failure = ContentRefused()
        elif frames.done:
            failure = frames.failure  # How the connection ended after that says nothing.
        elif failure is None and not frames.ended:
            failure = frames.failure or ProviderUnavailable()
        if failure is not None:
            raise failure

    async def _post(self, call: ModelCall, api_base: str | None) -> aiohttp.ClientResponse:
        headers = {
            "Content-Type": "application/json",
            "Accept": "text/event-stream",
            # Frames come as they are made.
            "Accept-Encoding": "identity",
        }
        # A server of the operator's own may take calls without a key.
        if key := call.key.reveal():
            headers["Authorization"] = f"Bearer {key}"
        return await self._sockets.post(f"{api_base}/chat/completions", headers, request_body(call))
