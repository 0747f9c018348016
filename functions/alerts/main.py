"""POST, by the scheduler: evaluate the alert rules of every organisation."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from common import app
from common.app import Services
from common.web import endpoint
from common.web.endpoint import Call

app.check_settings()


async def _alerts(services: Services, _: Call) -> Response:
    return JSONResponse(await services.alert_round.run())


@functions_framework.aio.http
async def alerts(request: Request) -> Response:
    """The Cloud Function."""
    return await endpoint.serve(app.services(), "alerts", request, {"evaluate": _alerts})
