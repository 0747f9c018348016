"""Messages: GET the history of a conversation, GET search, POST feedback on an answer."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from common import app, limits
from common.app import Services
from common.conversations.bodies import Opinion
from common.web import endpoint, paging
from common.web.endpoint import Call

app.check_settings()


async def _history(services: Services, call: Call) -> Response:
    place = paging.place_of(call.request)
    return JSONResponse(await services.messages.page(call.credentials, call.value("conversation_id"), *place))


async def _search(services: Services, call: Call) -> Response:
    limit = paging.limit_of(call.request, limits.SEARCH_DEFAULT, limits.SEARCH_MAX)
    caller = await services.entrance.admit(call.credentials, "searches")
    return JSONResponse(await services.search.find(caller, call.request.query_params.get("q", ""), limit))


async def _feedback(services: Services, call: Call) -> Response:
    opinion = await call.body(Opinion)
    conversation_id, message_id = call.value("conversation_id"), call.value("message_id")
    return JSONResponse(await services.feedback.give(call.credentials, conversation_id, message_id, opinion))


@functions_framework.aio.http
async def messages(request: Request) -> Response:
    """The Cloud Function."""
    handlers = {"history": _history, "search": _search, "feedback": _feedback}
    return await endpoint.serve(app.services(), "messages", request, handlers)
