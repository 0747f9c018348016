"""GET, POST, PUT and DELETE of issuers, members and API keys, for administrators; GET the caller."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from common import app
from common.web import endpoint
from common.web.administration import HANDLERS

app.check_settings()


@functions_framework.aio.http
async def access(request: Request) -> Response:
    """The Cloud Function."""
    return await endpoint.serve(app.services(), "access", request, HANDLERS)
