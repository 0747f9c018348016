"""POST a chat completion, and GET its model: the door for clients that speak OpenAI's API."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from common import app, limits
from common.app import Services
from common.identity.authenticate import Credentials
from common.protocols.chat_completions import endpoint as protocol
from common.web import endpoint
from common.web.endpoint import Call

app.check_settings()


async def _claim(services: Services, call: Call) -> Credentials:
    return await protocol.credentials_of(services.authenticator, call.request.headers, call.match.route.needs)


async def _complete(services: Services, call: Call) -> Response:
    credentials = await _claim(services, call)
    asked = await call.body(protocol.ChatCompletionRequest, limits.MAX_RUN_BODY_BYTES)
    return await protocol.answer(services.turns, credentials, asked, call.disconnect)


async def _models(services: Services, call: Call) -> Response:
    return await protocol.models(services.authenticator, await _claim(services, call))


async def _model(services: Services, call: Call) -> Response:
    return await protocol.model(services.authenticator, await _claim(services, call), call.value("model"))


@functions_framework.aio.http
async def completions(request: Request) -> Response:
    """The Cloud Function."""
    app.warm()
    handlers = {"complete": _complete, "models": _models, "model": _model}
    return await endpoint.serve(app.services(), "completions", request, handlers, protocol.error_response, _claim)
