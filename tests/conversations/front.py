"""The functions of sessions together, at their original paths."""

from starlette.types import ASGIApp, Receive, Scope, Send

from common.web import routes
from local.gateway import function_app

FUNCTIONS = ("send", "conversations", "messages", "sync", "health")


class Front:
    """Hands a request to the function whose route answers at its path."""

    def __init__(self) -> None:
        self._apps: dict[str, ASGIApp] = {name: function_app(name) for name in FUNCTIONS}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        function = routes.function_at(scope["path"])
        assert function in self._apps, scope["path"]
        await self._apps[function](scope, receive, send)
