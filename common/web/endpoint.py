"""The frame around every function's domain call: route, request id, CORS, errors as JSON, one log record."""

import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from common import limits
from common.bodies import misspelled, problems
from common.errors import (
    BadRequest,
    EncodingNotSupported,
    KeyInvalid,
    MethodNotAllowed,
    NotFound,
    ServiceError,
    SetupRequired,
    Unavailable,
    Unprocessable,
)
from common.identity.authenticate import Authenticator, Credentials, read_credentials
from common.settings import Settings
from common.telemetry import trace_context
from common.telemetry.log import Log, place_of
from common.telemetry.request import CurrentRequest
from common.telemetry.tracing import Tracer
from common.web import routes
from common.web.access_record import Recorded
from common.web.body import apart, read_body
from common.web.contracts import contract_of
from common.web.disconnect import wait_for_disconnect
from common.web.routes import Match, Route

Body = TypeVar("Body", bound=BaseModel)

ALLOWED_HEADERS = (
    "Content-Type, Accept, Authorization, X-Org-Slug, X-Tenant-ID, X-API-Key, X-User-Id, X-Request-Id, "
    "MCP-Protocol-Version, Mcp-Session-Id, Mcp-Method, Mcp-Name, A2A-Version"
)
# A request that names its caller twice may be understood in two ways.
IDENTITY_HEADERS = ("X-Org-Slug", "X-Tenant-ID", "X-API-Key", "X-User-Id", "Authorization")
_WITHOUT_BODY = ("GET", "DELETE")
EXPOSED_HEADERS = "X-Request-Id, Retry-After"


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a route of a function."""

    request: Request
    match: Match
    request_id: str

    @property
    def credentials(self) -> Credentials:
        """The caller's unproven credentials, with the permission that the route needs. Raises BadSlug."""
        route = self.match.route
        return read_credentials(self.request.headers, self.match.values.get("org_slug"), route.needs, route.feature)

    @property
    def has_credentials(self) -> bool:
        """True if the request brings a key or a token, which nothing has proven yet."""
        return bool(self.request.headers.get("x-api-key") or self.request.headers.get("authorization"))

    async def raw(self, most: int = limits.MAX_BODY_BYTES) -> bytes:
        """The body as it came. Raises TooLarge or BodyTimeout."""
        return await read_body(self.request, most)

    async def disconnect(self) -> None:
        """Wait until the client has left, then raise ClientDisconnect. The body must have been read."""
        await wait_for_disconnect(self.request)

    def value(self, name: str) -> str:
        """The value of a path parameter."""
        return self.match.values[name]

    async def body(self, model: type[Body], most: int = limits.MAX_BODY_BYTES, *, may_be_empty: bool = False) -> Body:
        """The body as ``model``. Raises TooLarge or BodyTimeout, or Unprocessable with a sentence per field."""
        raw = await self.raw(most)
        try:
            return await apart(model.model_validate_json, raw or b"{}" if may_be_empty else raw)
        except ValidationError as error:
            raise Unprocessable(problems(error)) from None

    def query(self, model: type[Body]) -> Body:
        """The query string as ``model``. Raises Unprocessable with a sentence per parameter."""
        try:
            return model.model_validate(dict(self.request.query_params))
        except ValidationError as error:
            raise Unprocessable(problems(error)) from None

    def prefers(self, media_type: str) -> bool:
        """True if the client names this media type, which it gets instead of JSON."""
        accepted = self.request.headers.get("accept", "")
        return media_type in {part.split(";")[0].strip().lower() for part in accepted.split(",")}

    @property
    def wants_events(self) -> bool:
        """True if the client asks for server-sent events."""
        return "text/event-stream" in self.request.headers.get("accept", "")


class Serving(Protocol):
    """The part of the composition root that every request needs."""

    @property
    def settings(self) -> Settings: ...
    @property
    def log(self) -> Log: ...
    @property
    def tracer(self) -> Tracer | None: ...
    @property
    def authenticator(self) -> Authenticator: ...


S = TypeVar("S", bound=Serving)
Handler = Callable[[S, Call], Awaitable[Response]]
Refusal = Callable[[ServiceError, str], Response]
Claim = Callable[[S, Call], Awaitable[Credentials]]


async def serve(
    found: S,
    function: str,
    request: Request,
    handlers: Mapping[str, Handler[S]],
    refuse: Refusal | None = None,
    claim: Claim[S] | None = None,
) -> Response:
    """Answer a request with the handler of its route. A failure becomes the status and code of errors.py.

    ``refuse`` writes it in the shape of a protocol that has one of its own, ``claim`` reads its credentials.
    """
    current = CurrentRequest(uuid.uuid4().hex, function, trace_context.read(request.headers))
    recorded = Recorded(current, found.log, found.tracer, request.method)
    with recorded.active():
        response = await _answer(request, handlers, found, recorded, refuse or error_response, claim or _claim)
    for name, value in {**_cors(request, found.settings.cors_origins), "X-Request-Id": current.request_id}.items():
        response.headers[name] = value
    return recorded.of(response)


async def _answer(
    request: Request,
    handlers: Mapping[str, Handler[S]],
    found: S,
    recorded: Recorded,
    refuse: Refusal,
    claim: Claim[S],
) -> Response:
    request_id = recorded.request.request_id
    try:
        if request.method == "OPTIONS":
            return Response(status_code=204)
        match = _route(recorded.request.function, request)
        recorded.route = match.route
        _check_headers(request)
        _check_query(request, match.route)
        call = Call(request, match, request_id)
        if match.route.needs is not None and match.route.method not in _WITHOUT_BODY:
            # Nobody's body is read or parsed before its caller is known.
            await found.authenticator.recognize(await claim(found, call))
        return await handlers[match.route.name](found, call)
    except ServiceError as error:
        if error.status >= 500:
            found.log.failure("request.failed", error)
        return refuse(error, request_id)
    except ClientDisconnect:
        return Response(status_code=499)
    except Exception as error:
        # The text of an unexpected exception may hold anything; its class and place do not.
        found.log.error("request.crashed", error_class=type(error).__name__, stage=place_of(error))
        return refuse(ServiceError(), request_id)


async def _claim(_: Serving, call: Call) -> Credentials:
    return call.credentials


def _route(function: str, request: Request) -> Match:
    found = routes.matches(function, request.url.path)
    if not found:
        raise NotFound
    method = "GET" if request.method == "HEAD" else request.method
    for match in found:
        if match.route.method == method:
            return match
    raise MethodNotAllowed(tuple(sorted({match.route.method for match in found})))


def _check_headers(request: Request) -> None:
    """Raise BadRequest where it is not plain who calls, EncodingNotSupported for a body that is packed."""
    twice = [name for name in IDENTITY_HEADERS if len(request.headers.getlist(name)) > 1]
    if twice:
        raise BadRequest(f"Send {' and '.join(twice)} once.")
    encodings = ",".join(request.headers.getlist("content-encoding")).lower().split(",")
    if any(each.strip() not in ("", "identity") for each in encodings):
        raise EncodingNotSupported


def _check_query(request: Request, route: Route) -> None:
    """Raise BadRequest for a parameter of the query string that is given in another spelling."""
    wrong = misspelled(request.query_params, (each.name for each in contract_of(route).query))
    if wrong:
        raise BadRequest(f"{wrong[0].upper()}{wrong[1:]}.")


def error_response(error: ServiceError, request_id: str) -> JSONResponse:
    """The JSON of an error: detail, code and request id; for a missing setup also what the settings page shows."""
    body: dict[str, str] = {"detail": error.detail, "code": error.code, "request_id": request_id}
    if isinstance(error, SetupRequired | KeyInvalid):
        body |= {"status": error.code, "message": error.detail}
    headers: dict[str, str] = {}
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join((*error.allowed, "OPTIONS"))
    if isinstance(error, EncodingNotSupported):
        headers["Accept-Encoding"] = "identity"
    retry_after = error.retry_after or (5 if isinstance(error, Unavailable) else None)
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    return JSONResponse(body, status_code=error.status, headers=headers)


def _cors(request: Request, origins: tuple[str, ...]) -> dict[str, str]:
    origin = request.headers.get("origin")
    if origin is None:
        return {}
    if origin not in origins and "*" not in origins:
        return {"Vary": "Origin"}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
        "Access-Control-Allow-Headers": ALLOWED_HEADERS,
        "Access-Control-Expose-Headers": EXPOSED_HEADERS,
        "Access-Control-Max-Age": "3600",
        "Vary": "Origin",
    }
