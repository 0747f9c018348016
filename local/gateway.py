"""All functions on one port, at their original paths, each served by the functions-framework."""

import uuid
from pathlib import Path

from functions_framework import aio
from starlette.types import ASGIApp, Receive, Scope, Send

from common.errors import NotFound
from common.web import routes
from common.web.endpoint import error_response
from local.page import Page

FUNCTIONS = Path(__file__).parents[1] / "functions"


class Gateway:
    """Hands a request to the function whose route answers at its path; what is left is the page's, if there is one."""

    def __init__(self, page: Page | None = None) -> None:
        names = sorted({route.function for route in routes.ROUTES})
        self._page = page
        self._apps: dict[str, ASGIApp] = {name: function_app(name) for name in names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http", "the gateway is started without a lifespan, and serves no web sockets"
        function = routes.function_at(scope["path"])
        if function is not None:
            await self._apps[function](scope, receive, send)
            return
        if self._page is not None and self._page.answers(scope["method"], scope["path"]):
            await self._page(scope, receive, send)
            return
        await error_response(NotFound(), uuid.uuid4().hex)(scope, receive, send)


def function_app(name: str) -> ASGIApp:
    """One function as the functions-framework serves it."""
    app: ASGIApp = aio.create_asgi_app(target=name, source=str(FUNCTIONS / name / "main.py"), signature_type="http")
    return app
