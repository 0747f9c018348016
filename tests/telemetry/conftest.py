"""The product as it is served for its clients, and a receiver of the spans that it sends."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from tests.clients.conftest import serving

__all__ = ["serving"]


@dataclass
class Receiver:
    """Takes spans over OTLP, as a collector does. ``status`` is what it answers with."""

    url: str = ""
    status: int = 200
    bodies: list[bytes] = field(default_factory=list)
    authorizations: set[str | None] = field(default_factory=set)

    @property
    def resources(self) -> list[ResourceSpans]:
        """Every batch that arrived, with what it says of its sender."""
        return [each for body in self.bodies for each in ExportTraceServiceRequest.FromString(body).resource_spans]

    @property
    def spans(self) -> list[Span]:
        """Every span that arrived."""
        return [span for resource in self.resources for scope in resource.scope_spans for span in scope.spans]

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]

    async def take(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/x-protobuf"
        self.bodies.append(await request.read())
        self.authorizations.add(request.headers.get("Authorization"))
        return web.Response(status=self.status)

    async def grant(self, request: web.Request) -> web.Response:
        """What Google's token endpoint answers to a service account's signed request."""
        assert (await request.post())["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
        return web.json_response({"access_token": "granted", "expires_in": 3600, "token_type": "Bearer"})


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver on a free port."""
    receiver = Receiver()
    application = web.Application()
    application.router.add_post("/v1/traces", receiver.take)
    application.router.add_post("/token", receiver.grant)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert isinstance(site._server, asyncio.Server)
    receiver.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
    yield receiver
    await runner.cleanup()
