"""POST, by Cloud Tasks: try a delivery · POST, by the scheduler: queue the deliveries that are due."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from common import app
from common.app import Services
from common.notices.delivery import DeliveryTask
from common.web import endpoint
from common.web.endpoint import Call

app.check_settings()


async def _deliver(services: Services, call: Call) -> Response:
    task = await call.body(DeliveryTask)
    return JSONResponse(await services.deliveries.deliver(services.directory.tenant(task.slug), task.delivery_id))


async def _due(services: Services, _: Call) -> Response:
    return JSONResponse(await services.deliveries.enqueue())


@functions_framework.aio.http
async def deliver(request: Request) -> Response:
    """The Cloud Function."""
    return await endpoint.serve(app.services(), "deliver", request, {"deliver": _deliver, "due": _due})
