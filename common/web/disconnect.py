"""Notices that a client has left."""

from starlette.requests import ClientDisconnect, Request


async def wait_for_disconnect(request: Request) -> None:
    """Wait until the client disconnects, then raise ClientDisconnect. The body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    raise ClientDisconnect
