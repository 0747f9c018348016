"""GET what the chat used in a month, by model, user, agent, day or channel · GET the month's statement, JSON or CSV."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from common import app
from common.app import Services
from common.metering.statement_csv import as_csv
from common.metering.usage_queries import StatementQuery, UsageQuery
from common.warehouse.json_values import json_safe
from common.web import endpoint
from common.web.endpoint import Call

app.check_settings()


async def _figures(services: Services, call: Call) -> Response:
    return JSONResponse(await services.usage.figures(call.credentials, call.query(UsageQuery)))


async def _statement(services: Services, call: Call) -> Response:
    query = call.query(StatementQuery)
    statement = await services.usage.statement(call.credentials, query)
    if query.format == "csv" or (query.format is None and call.prefers("text/csv")):
        named = {"Content-Disposition": f'attachment; filename="usage-{statement["month"]}.csv"'}
        return Response(as_csv(statement), media_type="text/csv; charset=utf-8", headers=named)
    return JSONResponse(json_safe(statement))


@functions_framework.aio.http
async def usage(request: Request) -> Response:
    """The Cloud Function."""
    handlers = {"figures": _figures, "statement": _statement}
    return await endpoint.serve(app.services(), "usage", request, handlers)
