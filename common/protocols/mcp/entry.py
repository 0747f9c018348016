"""The way into MCP: a page's origin is checked, and the protocol's SDK is imported with the first message."""

import asyncio
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from common.errors import OriginRefused

if TYPE_CHECKING:
    from common.metering.entrance import Entered
    from common.protocols.tool_calls import ToolServices

_server: ModuleType | None = None


def check_origin(origin: str | None, allowed: tuple[str, ...]) -> None:
    """Raise OriginRefused for a browser's page that is not allowed: it may have been bound to this address."""
    if origin is not None and origin not in allowed and "*" not in allowed:
        raise OriginRefused


async def answer(
    services: "ToolServices", entered: "Entered", request: Request, body: bytes, request_id: str
) -> Response:
    """Answer one MCP request of an authenticated caller. Raises RateLimited where a call is too many."""
    # It takes longer than all else that the function imports, and a tool that is called by itself does without.
    global _server
    if _server is None:
        _server = await asyncio.to_thread(import_module, "common.protocols.mcp.server")
    response: Response = await _server.answer(services, entered, request, body, request_id)
    return response
