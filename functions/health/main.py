"""GET whether this instance lives, and whether questions can be asked."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from common import app
from common.app import Services
from common.telemetry.readiness import liveness
from common.web import endpoint
from common.web.endpoint import Call

app.check_settings()


async def _live(services: Services, _: Call) -> Response:
    return JSONResponse(liveness(services.settings))


async def _ready(services: Services, _: Call) -> Response:
    report = await services.readiness.report()
    return JSONResponse(report, status_code=200 if report["status"] == "ok" else 503)


@functions_framework.aio.http
async def health(request: Request) -> Response:
    """The Cloud Function."""
    return await endpoint.serve(app.services(), "health", request, {"live": _live, "ready": _ready})
