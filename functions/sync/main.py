"""POST, by the scheduler: bring to the record what the outbox holds, and purge what is due."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from common import app
from common.app import Services
from common.web import endpoint
from common.web.endpoint import Call

app.check_settings()


async def _sync(services: Services, _: Call) -> Response:
    return JSONResponse(await services.sync.run())


@functions_framework.aio.http
async def sync(request: Request) -> Response:
    """The Cloud Function."""
    return await endpoint.serve(app.services(), "sync", request, {"sync": _sync})
