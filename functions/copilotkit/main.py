"""POST a run of a page that brings its own interface: AG-UI's, a call of CopilotKit's endpoint, or the AI SDK's."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from common import app, limits
from common.app import Services
from common.protocols.agui import endpoint as agui
from common.protocols.agui.input import read
from common.protocols.ui_message import endpoint as ui_message
from common.web import endpoint
from common.web.body import apart
from common.web.endpoint import Call

app.check_settings()


async def _run(services: Services, call: Call) -> Response:
    asked = await apart(read, await call.raw(limits.MAX_RUN_BODY_BYTES))
    return await agui.answer(services.turns, call.credentials, asked, call.disconnect)


async def _message(services: Services, call: Call) -> Response:
    asked = await call.body(ui_message.UIMessageRequest, limits.MAX_RUN_BODY_BYTES)
    return await ui_message.answer(services.turns, call.credentials, asked, call.disconnect)


async def _resume(services: Services, call: Call) -> Response:
    await services.authenticator.authenticate(call.credentials)
    # A turn ends with its connection, so none is under way that could be gone on with.
    return Response(status_code=204)


@functions_framework.aio.http
async def copilotkit(request: Request) -> Response:
    """The Cloud Function."""
    app.warm()
    handlers = {"run": _run, "message": _message, "resume": _resume}
    return await endpoint.serve(app.services(), "copilotkit", request, handlers)
