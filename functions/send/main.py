"""POST a message and get the answer: as JSON (send), or as it is written (stream, server-sent events)."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from common import app
from common.app import Services
from common.turn import SendRequest, Turn, open_turn
from common.web import endpoint, sse
from common.web.endpoint import Call

app.check_settings()


async def _send(services: Services, call: Call) -> Response:
    if call.wants_events:
        return await _stream(services, call)
    turn = await _open(services, call)
    return JSONResponse(sse.answer(await turn.finished()))


async def _stream(services: Services, call: Call) -> Response:
    return sse.stream(await _open(services, call))


async def _open(services: Services, call: Call) -> Turn:
    return await open_turn(services.turns, call.credentials, await call.body(SendRequest), disconnect=call.disconnect)


@functions_framework.aio.http
async def send(request: Request) -> Response:
    """The Cloud Function."""
    app.warm()
    return await endpoint.serve(app.services(), "send", request, {"send": _send, "stream": _stream})
