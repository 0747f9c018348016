"""The answers to an OpenAI client: its one model, and completions, each a turn of its own."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.responses import JSONResponse, Response

from common.errors import ServiceError, Unauthenticated
from common.identity.authenticate import Authenticator, Credentials, bearer_of, read_credentials
from common.identity.tokens import looks_like_token
from common.protocols.chat_completions.encoder import ChunkEncoder, completion, error_body
from common.protocols.chat_completions.input import MODEL, ChatCompletionRequest, turn_request, unknown_model
from common.protocols.streaming import frames_of
from common.tenant import Permission
from common.turn import TurnServices, open_turn
from common.turn.admission import Disconnect
from common.web import endpoint
from common.web.sse import EventStream

__all__ = ["ChatCompletionRequest", "answer", "credentials_of", "error_response", "model", "models"]

_CREATED = 1_735_689_600  # A client sorts by it; the model is as old as the product.
_NO_KEY = "Send the organisation's API key, or a person's token, as the bearer token."
_NO_ORGANIZATION = "Name the organisation in X-Org-Slug: a person's token is looked up among its issuers."


async def credentials_of(
    authenticator: Authenticator, headers: Mapping[str, str], needs: Permission | None
) -> Credentials:
    """Read the credentials, with the organisation that the key names where no header does. Raises Unauthenticated."""
    bearer = bearer_of(headers)
    key = headers.get("x-api-key") or ("" if looks_like_token(bearer) else bearer)
    named = {name: headers.get(name, "") for name in ("x-org-slug", "x-tenant-id", "x-user-id")}
    named["x-api-key"] = key
    if bearer != key:
        named["authorization"] = f"Bearer {bearer}" if bearer else ""
    if not named["x-org-slug"] and not named["x-tenant-id"]:
        if not key:
            raise Unauthenticated(_NO_ORGANIZATION if bearer else _NO_KEY)
        named["x-org-slug"] = await authenticator.organization_of(key)
    return read_credentials(named, None, needs, "completions")


async def answer(
    services: TurnServices, credentials: Credentials, asked: ChatCompletionRequest, disconnect: Disconnect
) -> Response:
    """Answer a chat completion. Raises a ServiceError before its first chunk, or ClientDisconnect while it waits."""
    request, features = turn_request(asked)
    if credentials.user_id is None and asked.user:
        named = {"x-org-slug": credentials.org_slug, "x-user-id": asked.user}
        credentials = replace(credentials, user_id=read_credentials(named, None).user_id)
    turn = await open_turn(services, credentials, request, features, disconnect, "completions")
    now = services.clock()
    if asked.stream:
        return EventStream(turn, frames_of(turn, ChunkEncoder(now, includes_usage=asked.includes_usage), services.log))
    return JSONResponse(completion(await turn.finished(), now))


async def models(authenticator: Authenticator, credentials: Credentials) -> Response:
    """The list of models, for a caller with a key."""
    await authenticator.authenticate(credentials)
    return JSONResponse({"object": "list", "data": [_model()]})


async def model(authenticator: Authenticator, credentials: Credentials, name: str) -> Response:
    """One model, for a caller with a key. Raises NotFound."""
    await authenticator.authenticate(credentials)
    if name != MODEL:
        raise unknown_model()
    return JSONResponse(_model())


def error_response(error: ServiceError, request_id: str) -> JSONResponse:
    """An error as OpenAI's clients read it, with the headers that any error has."""
    plain = endpoint.error_response(error, request_id)
    again = {name: value for name, value in plain.headers.items() if name in ("retry-after", "allow")}
    return JSONResponse(error_body(error, request_id), status_code=error.status, headers=again)


def _model() -> dict[str, Any]:
    return {"id": MODEL, "object": "model", "created": _CREATED, "owned_by": "organisation"}
