"""The calls for an organisation's destinations: read them and what was sent, and as an administrator change them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pydantic import Field
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from common import limits
from common.bodies import Body
from common.delivery.testing import make_test_notice, sentence_of
from common.errors import DestinationNotFound
from common.metering.entrance import Entrance
from common.notices.delivery import ShownDelivery
from common.notices.destination import DestinationChange, NewDestination, ShownDestination
from common.notices.paths import is_id
from common.tenant import Principal
from common.web.endpoint import Call, Handler, Serving

if TYPE_CHECKING:
    from common.delivery.sender import Sender
    from common.notices.destinations import Destinations
    from common.notices.notices import Notices


class DestinationList(TypedDict):
    """The organisation's destinations, oldest first; never anything secret."""

    destinations: list[ShownDestination]


class MadeDestination(TypedDict):
    """A destination that was just made; the secret of a webhook is shown this once."""

    destination: ShownDestination
    secret: str | None


class NewSecret(TypedDict):
    """The new secret of a webhook; it is shown this once."""

    secret: str


class DeletedDestination(TypedDict):
    """The answer to a deletion."""

    status: Literal["deleted"]


class DeliveryList(TypedDict):
    """The deliveries of a notice or to a destination."""

    deliveries: list[ShownDelivery]


class TestResult(TypedDict):
    """The outcome of a test: whether the receiver took it, and else why not, in a code and a sentence."""

    state: Literal["delivered", "failed"]
    error: str | None
    detail: str | None


class DeliveryPage(Body):
    """The query string of what was sent."""

    limit: int = Field(limits.PAGE_DEFAULT, ge=1, le=limits.PAGE_MAX)


class Notifying(Serving, Protocol):
    """The part of the composition root that these calls need."""

    @property
    def entrance(self) -> Entrance: ...
    @property
    def destinations(self) -> "Destinations": ...
    @property
    def notices(self) -> "Notices": ...
    @property
    def sender(self) -> "Sender": ...
    @property
    def clock(self) -> Any: ...


async def _list(services: Notifying, call: Call) -> Response:
    caller = await services.authenticator.principal(call.credentials)
    found = await services.destinations.all(caller.tenant)
    return JSONResponse(DestinationList(destinations=[each.shown() for each in found]))


async def _create(services: Notifying, call: Call) -> Response:
    caller = await _admitted(services, call)
    made, secret = await services.destinations.create(caller, await call.body(NewDestination))
    return JSONResponse(MadeDestination(destination=made.shown(), secret=secret), status_code=201)


async def _read(services: Notifying, call: Call) -> Response:
    caller = await services.authenticator.principal(call.credentials)
    return JSONResponse((await services.destinations.read(caller.tenant, _id(call))).shown())


async def _change(services: Notifying, call: Call) -> Response:
    caller, change = await _admitted(services, call), await call.body(DestinationChange)
    changed = await services.destinations.change(caller, _id(call), change)
    return JSONResponse(changed.shown())


async def _delete(services: Notifying, call: Call) -> Response:
    await services.destinations.delete(await _admitted(services, call), _id(call))
    return JSONResponse(DeletedDestination(status="deleted"))


async def _rotate(services: Notifying, call: Call) -> Response:
    secret = await services.destinations.rotate(await _admitted(services, call), _id(call))
    return JSONResponse(NewSecret(secret=secret))


async def _test(services: Notifying, call: Call) -> Response:
    caller = await _admitted(services, call)
    destination = await services.destinations.read(caller.tenant, _id(call))
    notice = make_test_notice(destination, services.clock())
    tried = await services.sender.send(caller.tenant, destination, notice, f"msg_{notice.notice_id}")
    state: Literal["delivered", "failed"] = "delivered" if tried.error is None else "failed"
    return JSONResponse(TestResult(state=state, error=tried.error, detail=sentence_of(tried.error)))


async def _sent(services: Notifying, call: Call) -> Response:
    caller, asked = await services.authenticator.principal(call.credentials), call.query(DeliveryPage)
    destination = await services.destinations.read(caller.tenant, _id(call))
    found = await services.notices.sent_to(caller.tenant, destination.destination_id, asked.limit)
    return JSONResponse(DeliveryList(deliveries=[each.shown() for each in found]))


async def _told(services: Notifying, call: Call) -> Response:
    caller = await services.authenticator.principal(call.credentials)
    found = await services.notices.of_alert(caller.tenant, call.value("alert_history_id"))
    return JSONResponse(DeliveryList(deliveries=[each.shown() for each in found]))


async def _admitted(services: Notifying, call: Call) -> Principal:
    return await services.entrance.admit(call.credentials, "destination_changes")


def _id(call: Call) -> str:
    """The destination that the path names. Raises DestinationNotFound for what is no id."""
    destination_id = call.value("destination_id")
    if not is_id(destination_id):
        raise DestinationNotFound
    return destination_id


HANDLERS: Mapping[str, Handler[Any]] = {
    "list": _list,
    "create": _create,
    "read": _read,
    "change": _change,
    "delete": _delete,
    "rotate": _rotate,
    "test": _test,
    "sent": _sent,
    "told": _told,
}
