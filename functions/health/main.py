"""GET whether this instance lives, whether questions can be asked, and which calls there are."""

import asyncio

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from common import app
from common.app import Services
from common.telemetry.readiness import liveness
from common.web import endpoint, openapi
from common.web.endpoint import Call

app.check_settings()


async def _live(services: Services, _: Call) -> Response:
    return JSONResponse(liveness(services.settings))


async def _ready(services: Services, _: Call) -> Response:
    report = await services.readiness.report()
    return JSONResponse(report, status_code=200 if report["status"] == "ok" else 503)


async def _openapi(services: Services, _: Call) -> Response:
    settings = services.settings
    # The first one imports the types of every call.
    body = await asyncio.to_thread(openapi.document, settings.service_version, settings.public_url or "/")
    return JSONResponse(body)


@functions_framework.aio.http
async def health(request: Request) -> Response:
    """The Cloud Function."""
    handlers = {"live": _live, "ready": _ready, "openapi": _openapi}
    return await endpoint.serve(app.services(), "health", request, handlers)
