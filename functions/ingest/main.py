"""POST, by Eventarc: read a document whose bytes have arrived · POST, by the scheduler: do what is left to do."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from common import app
from common.app import Services
from common.web import endpoint
from common.web.cloud_event import finalized_path
from common.web.endpoint import Call

app.check_settings()


async def _event(services: Services, call: Call) -> Response:
    path = finalized_path(call.request.headers, services.settings.documents_bucket_name)
    state = await services.knowledge.arrivals.finalized(path) if path else "unknown"
    return JSONResponse({"state": state})


async def _due(services: Services, _: Call) -> Response:
    return JSONResponse(await services.knowledge.arrivals.run_due())


@functions_framework.aio.http
async def ingest(request: Request) -> Response:
    """The Cloud Function."""
    return await endpoint.serve(app.services(), "ingest", request, {"event": _event, "due": _due})
