"""POST a Model Context Protocol message: the same tools as the agents', for a client that brings its own model."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from common import app
from common.app import Services
from common.protocols.mcp import server as protocol
from common.web import endpoint
from common.web.endpoint import Call

app.check_settings()


async def _message(services: Services, call: Call) -> Response:
    protocol.check_origin(call.request.headers.get("origin"), services.settings.cors_origins)
    entered = await services.entrance.enter(call.credentials, "mcp_calls")
    return await protocol.answer(services.mcp, entered, call.request, await call.raw(), call.request_id)


@functions_framework.aio.http
async def mcp(request: Request) -> Response:
    """The Cloud Function."""
    return await endpoint.serve(app.services(), "mcp", request, {"message": _message})
