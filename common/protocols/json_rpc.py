"""The envelope that A2A and MCP share: fields in another spelling are named, refusals are in the product's words."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NotRequired, Union

from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive
from typing_extensions import TypedDict

from common.bodies import misspelled
from common.errors import BadRequest

PARSE_ERROR, INVALID_REQUEST, INVALID_PARAMS = -32700, -32600, -32602
# The fields of an object, and of the objects in it.
Shape = Mapping[str, Union["Shape", None]]


class RpcRequest(TypedDict):
    """A JSON-RPC 2.0 request; one without an id is a notification."""

    jsonrpc: Literal["2.0"]
    method: str
    id: NotRequired[str | int | None]
    params: NotRequired[dict[str, Any]]


class RpcResponse(TypedDict):
    """The answer to one: a result or an error."""

    jsonrpc: Literal["2.0"]
    id: NotRequired[str | int | None]
    result: NotRequired[Any]
    error: NotRequired[dict[str, Any]]


_SENTENCES = {
    PARSE_ERROR: "The body is not JSON.",
    INVALID_REQUEST: "This is not a JSON-RPC 2.0 request that is served here: check jsonrpc, id, method and params.",
    INVALID_PARAMS: "The params are not those of this method.",
}
# An SDK answers with the text of the library that read the request, which may hold what was sent.
_OF_A_LIBRARY = re.compile(r"validation error|pydantic|parseError", re.IGNORECASE)


def envelope(params: Shape) -> Shape:
    """The fields of a request whose params have these."""
    return {"jsonrpc": None, "id": None, "method": None, "params": params}


def refusal(raw: bytes, shape: Shape, status: int) -> Response | None:
    """The answer to a body that is no JSON object or has a field in another spelling. Returns None for any other."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return _refused(None, PARSE_ERROR, _SENTENCES[PARSE_ERROR], status)
    if not isinstance(body, dict):
        return _refused(None, INVALID_REQUEST, _SENTENCES[INVALID_REQUEST], status)
    wrong = "; ".join(_misspelled(body, shape))
    request_id = body.get("id")
    known_id = request_id if isinstance(request_id, str | int) else None
    return _refused(known_id, INVALID_PARAMS, f"{wrong[0].upper()}{wrong[1:]}.", status) if wrong else None


def replayed(body: bytes, rest: Receive) -> Receive:
    """Return the messages of a request whose body was already read, and measured, as an SDK receives them."""
    parts: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return parts.pop() if parts else await rest()

    return receive


def reworded(response: Response) -> Response:
    """The SDK's answer, with a sentence in place of a library's text. Raises BadRequest for one that is not JSON."""
    if "application/json" not in response.headers.get("content-type", ""):
        if response.status_code >= 400:
            raise BadRequest("Send a JSON-RPC 2.0 request with Content-Type: application/json.")
        return response
    body = bytes(response.body)
    if _OF_A_LIBRARY.search(body.decode()) is None:
        return response
    said = json.loads(body)
    error = said.get("error") if isinstance(said, dict) else None
    if not isinstance(error, dict) or error.get("code") not in _SENTENCES:
        return response
    if _OF_A_LIBRARY.search(json.dumps(error)) is None:
        return response
    return _refused(said.get("id"), error["code"], _SENTENCES[error["code"]], response.status_code)


def _refused(request_id: Any, code: int, message: str, status: int) -> Response:
    return JSONResponse({"jsonrpc": "2.0", "id": request_id, "error": {"code": code, "message": message}}, status)


def _misspelled(given: Mapping[str, Any], shape: Shape) -> Iterator[str]:
    if wrong := misspelled(given, shape):
        yield wrong
    for name, inner in shape.items():
        value = given.get(name)
        if inner is not None and isinstance(value, dict):
            yield from _misspelled(value, inner)
