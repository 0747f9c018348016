"""Which part of a list a request asks for."""

from starlette.requests import Request

from common import limits
from common.errors import BadRequest

# The client names the file by the conversation it asked for.
ATTACHMENT = {"Content-Disposition": 'attachment; filename="conversation.json"'}


def limit_of(request: Request, default: int = limits.PAGE_DEFAULT, most: int = limits.PAGE_MAX) -> int:
    """The ``limit`` of the query string. Raises BadRequest unless it is a number from 1 to ``most``."""
    text = request.query_params.get("limit")
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= most):
        raise BadRequest(f"limit must be a number from 1 to {most}.")
    return int(text)


def cursor_of(request: Request) -> str | None:
    """The ``cursor`` of the query string, None at the beginning of the list."""
    return request.query_params.get("cursor") or None
