"""POST a Model Context Protocol message · GET and POST of tools, and of digests: the agents' tools without a model."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from common import app
from common.app import Services
from common.protocols import tool_calls
from common.protocols.mcp import entry as protocol
from common.web import digests, endpoint
from common.web.endpoint import Call

app.check_settings()


async def _message(services: Services, call: Call) -> Response:
    protocol.check_origin(call.request.headers.get("origin"), services.settings.cors_origins)
    entered = await services.entrance.enter(call.credentials, "mcp_calls")
    return await protocol.answer(services.mcp, entered, call.request, await call.raw(), call.request_id)


async def _tools(services: Services, call: Call) -> Response:
    return JSONResponse(tool_calls.listed(services.mcp, await services.entrance.enter(call.credentials, "mcp_calls")))


async def _call(services: Services, call: Call) -> Response:
    body = await call.body(tool_calls.ToolCallBody)
    entered = await services.entrance.enter(call.credentials, "mcp_calls")
    session = tool_calls.ToolSession(services.mcp, entered, call.request_id, call.disconnect)
    answer, status = await tool_calls.call(session, call.value("tool_name"), body)
    return JSONResponse(answer, status)


@functions_framework.aio.http
async def mcp(request: Request) -> Response:
    """The Cloud Function."""
    handlers = {"message": _message, "tools": _tools, "call": _call, **digests.HANDLERS}
    return await endpoint.serve(app.services(), "mcp", request, handlers)
