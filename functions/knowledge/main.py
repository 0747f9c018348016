"""GET, POST and DELETE of an organisation's documents; POST a search in them; GET their counts."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from common import app
from common.web import endpoint
from common.web.knowledge import HANDLERS

app.check_settings()


@functions_framework.aio.http
async def knowledge(request: Request) -> Response:
    """The Cloud Function."""
    return await endpoint.serve(app.services(), "knowledge", request, HANDLERS)
