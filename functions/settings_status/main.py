"""GET whether the organisation's chat is set up, and its provider's models · PUT and DELETE its settings."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from common import app
from common.app import Services
from common.organizations.settings_change import SettingsChange
from common.web import endpoint

app.check_settings()


async def _status(services: Services, call: endpoint.Call) -> Response:
    _, entry = await services.authenticator.authenticate(call.credentials)
    return JSONResponse(services.settings_view.status(entry.organization))


async def _models(services: Services, call: endpoint.Call) -> Response:
    _, entry = await services.authenticator.authenticate(call.credentials)
    return JSONResponse(services.settings_view.models(entry.organization, call.request.query_params.get("provider")))


async def _change(services: Services, call: endpoint.Call) -> Response:
    change = await call.body(SettingsChange)
    writer = await services.entrance.admit(call.credentials, "settings_changes")
    return JSONResponse(services.settings_view.whole(await services.settings_store.change(writer, change)))


async def _delete(services: Services, call: endpoint.Call) -> Response:
    await services.settings_store.delete(await services.entrance.admit(call.credentials, "settings_changes"))
    return JSONResponse({"status": "deleted"})


@functions_framework.aio.http
async def settings_status(request: Request) -> Response:
    """The Cloud Function."""
    handlers = {"status": _status, "models": _models, "change": _change, "delete": _delete}
    return await endpoint.serve(app.services(), "settings_status", request, handlers)
