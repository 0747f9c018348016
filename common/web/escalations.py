"""The calls that hand a conversation over to a person, and say that the person was helped."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from starlette.responses import JSONResponse, Response

from common.conversations.bodies import Escalate
from common.web.endpoint import Call, Handler, Serving

if TYPE_CHECKING:
    from common.conversations.escalations import Escalations
    from common.metering.entrance import Entrance


class HandingOver(Serving, Protocol):
    """The part of the composition root that these calls need."""

    @property
    def entrance(self) -> "Entrance": ...
    @property
    def escalations(self) -> "Escalations": ...


async def _escalate(services: HandingOver, call: Call) -> Response:
    await services.entrance.admit(call.credentials, "messages")
    body = await call.body(Escalate, may_be_empty=True)
    return JSONResponse(await services.escalations.escalate(call.credentials, call.value("conversation_id"), body))


async def _resolve(services: HandingOver, call: Call) -> Response:
    await services.entrance.admit(call.credentials, "messages")
    return JSONResponse(await services.escalations.resolve(call.credentials, call.value("conversation_id")))


HANDLERS: Mapping[str, Handler[Any]] = {"escalate": _escalate, "resolve": _resolve}
