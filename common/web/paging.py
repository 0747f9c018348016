"""Which part of a list a request asks for."""

from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from common import limits
from common.errors import BadRequest

# The client names the file by the conversation it asked for.
_ATTACHMENT = {"Content-Disposition": 'attachment; filename="conversation.json"'}


def attachment(pieces: AsyncIterator[bytes]) -> Response:
    """A conversation as a file."""
    return StreamingResponse(pieces, headers=_ATTACHMENT, media_type="application/json")


def limit_of(request: Request, default: int = limits.PAGE_DEFAULT, most: int = limits.PAGE_MAX) -> int:
    """The ``limit`` of the query string. Raises BadRequest unless it is a number from 1 to ``most``."""
    text = request.query_params.get("limit")
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= most):
        raise BadRequest(f"limit must be a number from 1 to {most}.")
    return int(text)


def place_of(request: Request) -> tuple[int, str | None]:
    """The ``limit`` and the ``cursor`` of the query string, None at the beginning of the list. Raises BadRequest."""
    return limit_of(request), request.query_params.get("cursor") or None
