"""A user's conversations: GET list and export, PATCH rename, POST fork, DELETE; POST and DELETE of a hand-over."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from common import app
from common.conversations.bodies import Fork, Rename
from common.web import endpoint, escalations, paging

app.check_settings()


async def _list(services: app.Services, call: endpoint.Call) -> Response:
    return JSONResponse(await services.conversations.page(call.credentials, *paging.place_of(call.request)))


async def _rename(services: app.Services, call: endpoint.Call) -> Response:
    body = await call.body(Rename)
    return JSONResponse(await services.conversations.rename(call.credentials, call.value("conversation_id"), body))


async def _fork(services: app.Services, call: endpoint.Call) -> Response:
    body = await call.body(Fork)
    return JSONResponse(await services.forks.add(call.credentials, call.value("conversation_id"), body))


async def _delete(services: app.Services, call: endpoint.Call) -> Response:
    return JSONResponse(await services.conversations.delete(call.credentials, call.value("conversation_id")))


async def _export(services: app.Services, call: endpoint.Call) -> Response:
    return paging.attachment(await services.messages.export(call.credentials, call.value("conversation_id")))


@functions_framework.aio.http
async def conversations(request: Request) -> Response:
    """The Cloud Function."""
    handlers = {"list": _list, "rename": _rename, "fork": _fork, "delete": _delete, "export": _export}
    return await endpoint.serve(app.services(), "conversations", request, {**handlers, **escalations.HANDLERS})
