"""Whether a client is still there."""

from starlette.requests import ClientDisconnect, Request


async def gone(request: Request) -> None:
    """Return never while the client waits for its answer; raise ClientDisconnect when it does no longer.

    The body must have been read.
    """
    while (await request.receive())["type"] != "http.disconnect":
        pass
    raise ClientDisconnect
