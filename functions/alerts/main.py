"""POST, by the scheduler: evaluate the alert rules of every organisation, and send the digests that are due."""

import asyncio

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from common import app
from common.app import Services
from common.web import endpoint
from common.web.endpoint import Call

app.check_settings()


async def _alerts(services: Services, _: Call) -> Response:
    rounds = (services.alert_round.run(), services.digest_round.run())
    # Both come to their end: an instance gets no processor once its answer is out.
    alerts, digests = await asyncio.gather(*rounds, return_exceptions=True)
    if isinstance(alerts, BaseException):
        raise alerts
    if isinstance(digests, BaseException):
        raise digests
    return JSONResponse({**alerts, "digests": digests})


@functions_framework.aio.http
async def alerts(request: Request) -> Response:
    """The Cloud Function."""
    return await endpoint.serve(app.services(), "alerts", request, {"evaluate": _alerts})
