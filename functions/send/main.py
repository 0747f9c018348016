"""POST a message and get the answer, as JSON or as it is written (server-sent events); or cancel one under way."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from common import app
from common.conversations.cancelling import Cancel
from common.turn import Channel, SendRequest, Turn, open_turn
from common.web import endpoint, sse
from common.web.endpoint import Call

app.check_settings()


async def _send(services: app.Services, call: Call) -> Response:
    turn = await _open(services, call, "stream" if call.wants_events else "send")
    return sse.stream(turn) if call.wants_events else JSONResponse(sse.answer(await turn.finished()))


async def _stream(services: app.Services, call: Call) -> Response:
    return sse.stream(await _open(services, call, "stream"))


async def _cancel(services: app.Services, call: Call) -> Response:
    body = await call.body(Cancel, may_be_empty=True)
    return JSONResponse(await services.cancellations.cancel(call.credentials, call.value("conversation_id"), body))


async def _open(services: app.Services, call: Call, channel: Channel) -> Turn:
    asked = await call.body(SendRequest)
    return await open_turn(services.turns, call.credentials, asked, disconnect=call.disconnect, channel=channel)


@functions_framework.aio.http
async def send(request: Request) -> Response:
    """The Cloud Function."""
    app.warm()
    handlers = {"send": _send, "stream": _stream, "cancel": _cancel}
    return await endpoint.serve(app.services(), "send", request, handlers)
