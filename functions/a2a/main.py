"""GET the agent card · POST an A2A message (JSON-RPC)."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from common import app
from common.app import Services
from common.protocols.a2a import endpoint as protocol
from common.protocols.a2a.card import base_url, card
from common.tenant import parse_org_slug
from common.web import endpoint
from common.web.endpoint import Call

app.check_settings()


async def _card(services: Services, call: Call) -> Response:
    slug = call.match.values.get("org_slug")
    path = f"/api/v1/chat/{parse_org_slug(slug)}/a2a" if slug else "/a2a"
    url = base_url(call.request, services.settings.public_url) + path
    offer = await protocol.offer_for_card(services.turns, call) if call.has_credentials else None
    body = card(url, services.settings.service_version, offer or services.offers.of_nobody())
    return JSONResponse(body, headers={"Cache-Control": "no-store" if offer else "private, max-age=300"})


async def _message(services: Services, call: Call) -> Response:
    return await protocol.answer(services.turns, call.credentials, call.request, await call.raw())


@functions_framework.aio.http
async def a2a(request: Request) -> Response:
    """The Cloud Function."""
    app.warm()
    return await endpoint.serve(app.services(), "a2a", request, {"card": _card, "message": _message})
