"""GET, POST, PATCH and DELETE of where an organisation's notices are sent to; GET what was sent, and who was told."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from common import app
from common.web import endpoint
from common.web.destinations import HANDLERS

app.check_settings()


@functions_framework.aio.http
async def destinations(request: Request) -> Response:
    """The Cloud Function."""
    return await endpoint.serve(app.services(), "destinations", request, HANDLERS)
