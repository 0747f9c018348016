"""Only this machine is answered: a name or a page of anywhere else is refused before the product hears of it."""

import ipaddress
import uuid
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from common.errors import Forbidden
from common.settings import load_settings
from common.web.endpoint import error_response

_HOST = "This is answered at 127.0.0.1 and localhost only. Open the address that make run printed."
_ORIGIN = "A page of another machine may not call what runs on this one. Name its origin in CORS_ORIGINS to allow it."


class OwnMachine:
    """An application as it is, for requests that name this machine and come from no page of another.

    A page of the web can give its own name this machine's address; then its Host is that name, and only that tells.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._origins = load_settings().cors_origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(Headers(scope=scope)) if scope["type"] == "http" else ""
        app = error_response(Forbidden(refusal), uuid.uuid4().hex) if refusal else self._app
        await app(scope, receive, send)

    def _refusal(self, headers: Headers) -> str:
        """The reason to refuse a request, empty where there is none."""
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or not is_own(f"//{hosts[0]}"):
            return _HOST
        if "*" in self._origins:
            return ""
        return "" if all(origin in self._origins or is_own(origin) for origin in origins) else _ORIGIN


def is_own(address: str) -> bool:
    """Tell whether an origin, or a host behind two slashes, is of this machine, whatever its port."""
    try:
        name = urlsplit(address).hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
