"""A user's conversations: GET list and export, PATCH rename, DELETE."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from common import app
from common.app import Services
from common.conversations.conversations import Rename
from common.web import endpoint, paging
from common.web.endpoint import Call

app.check_settings()


async def _list(services: Services, call: Call) -> Response:
    limit, cursor = paging.limit_of(call.request), paging.cursor_of(call.request)
    return JSONResponse(await services.conversations.page(call.credentials, limit, cursor))


async def _rename(services: Services, call: Call) -> Response:
    body = await call.body(Rename)
    return JSONResponse(await services.conversations.rename(call.credentials, call.value("conversation_id"), body))


async def _delete(services: Services, call: Call) -> Response:
    return JSONResponse(await services.conversations.delete(call.credentials, call.value("conversation_id")))


async def _export(services: Services, call: Call) -> Response:
    pieces = await services.messages.export(call.credentials, call.value("conversation_id"))
    return StreamingResponse(pieces, headers=paging.ATTACHMENT, media_type="application/json")


@functions_framework.aio.http
async def conversations(request: Request) -> Response:
    """The Cloud Function."""
    handlers = {"list": _list, "rename": _rename, "delete": _delete, "export": _export}
    return await endpoint.serve(app.services(), "conversations", request, handlers)
