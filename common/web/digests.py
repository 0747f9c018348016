"""The calls for an organisation's digests: list them, make, change and delete one, read what one would say."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol

from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from common.digests.digest import DigestChange, DigestScope, NewDigest, ShownDigest
from common.errors import NotFound
from common.metering.entrance import Entrance
from common.notices.paths import is_id
from common.web.endpoint import Call, Handler, Serving

if TYPE_CHECKING:
    from common.digests.digests import Digests


class DigestList(TypedDict):
    """The organisation's digests, oldest first."""

    digests: list[ShownDigest]


class DeletedDigest(TypedDict):
    """The answer to a deletion."""

    status: Literal["deleted"]


class Digesting(Serving, Protocol):
    """The part of the composition root that these calls need."""

    @property
    def entrance(self) -> Entrance: ...
    @property
    def digests(self) -> "Digests": ...


async def _list(services: Digesting, call: Call) -> Response:
    caller = await services.authenticator.principal(call.credentials)
    return JSONResponse(DigestList(digests=[each.shown() for each in await services.digests.all(caller.tenant)]))


async def _create(services: Digesting, call: Call) -> Response:
    entered = await services.entrance.enter(call.credentials, "mcp_calls")
    principal, new = await entered.count(), await call.body(NewDigest)
    made = await services.digests.create(principal, new, entered.found.calendar)
    return JSONResponse(made.shown(), status_code=201)


async def _preview(services: Digesting, call: Call) -> Response:
    entered = await services.entrance.enter(call.credentials, "mcp_calls")
    principal, asked = await entered.count(), await call.body(DigestScope)
    return JSONResponse(await services.digests.preview(principal, asked, entered.found.calendar))


async def _change(services: Digesting, call: Call) -> Response:
    entered = await services.entrance.enter(call.credentials, "mcp_calls")
    principal, change = await entered.count(), await call.body(DigestChange)
    changed = await services.digests.change(principal, _id(call), change, entered.found.calendar)
    return JSONResponse(changed.shown())


async def _delete(services: Digesting, call: Call) -> Response:
    principal = await services.entrance.admit(call.credentials, "mcp_calls")
    await services.digests.delete(principal, _id(call))
    return JSONResponse(DeletedDigest(status="deleted"))


def _id(call: Call) -> str:
    """The digest that the path names. Raises NotFound for what is no id."""
    digest_id = call.value("digest_id")
    if not is_id(digest_id):
        raise NotFound("There is no such digest. The list of digests has their ids.")
    return digest_id


HANDLERS: Mapping[str, Handler[Any]] = {
    "digests": _list,
    "make_digest": _create,
    "preview_digest": _preview,
    "change_digest": _change,
    "delete_digest": _delete,
}
