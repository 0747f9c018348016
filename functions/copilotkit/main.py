"""POST an AG-UI run, or a call of CopilotKit's single endpoint: the chat for a page that brings its own interface."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from common import app, limits
from common.app import Services
from common.protocols.agui import endpoint as protocol
from common.web import endpoint
from common.web.endpoint import Call

app.check_settings()


async def _run(services: Services, call: Call) -> Response:
    raw = await call.raw(limits.MAX_RUN_BODY_BYTES)
    return await protocol.answer(services.turns, call.credentials, raw, call.disconnect)


@functions_framework.aio.http
async def copilotkit(request: Request) -> Response:
    """The Cloud Function."""
    app.warm()
    return await endpoint.serve(app.services(), "copilotkit", request, {"run": _run})
