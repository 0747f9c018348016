"""The destinations that a rule tells: chosen by their names, and said in the words of the tools."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from pydantic import Field, StringConstraints

from common import limits
from common.notices.destination import Destination, chosen
from common.tenant import Tenant
from common.tools.context import WarehouseContext
from common.tools.result import ToolError

NOBODY = (
    "The organisation has no active destination for messages: the alert shows in alert_history, and nobody is sent a "
    "message until an administrator makes one in the settings."
)
DestinationNames = Annotated[
    list[Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=limits.ALERT_ID_CHARS)]],
    Field(
        max_length=limits.MAX_DESTINATIONS,
        description="Tell only these destinations, by name. Leave out to tell all of the organisation's; never guess.",
    ),
]


class KnownDestinations(Protocol):
    """The destinations of organisations."""

    async def all(self, tenant: Tenant) -> list[Destination]: ...


@dataclass(frozen=True, slots=True)
class AlertContext(WarehouseContext):
    """The context of a tool that says whom a rule tells."""

    destinations: KnownDestinations


async def ids_of(context: AlertContext, tenant: Tenant, names: Sequence[str]) -> list[str]:
    """The ids of the destinations that are named. Raises ToolError with those that there are."""
    found = await context.destinations.all(tenant)
    ids = list[str]()
    for name in names:
        meant = [each for each in found if name in (each.destination_id, each.name)]
        meant = meant or [each for each in found if each.name.casefold() == name.casefold()]
        if len(meant) != 1:
            known = "; ".join(f"{each.name} ({each.kind})" for each in found) or "none"
            problem = f"Several destinations are named {name!r}" if meant else f"There is no destination {name!r}"
            raise ToolError(
                "unknown_destination", f"{problem}. There are: {known}. Name one of them, or leave destinations out."
            )
        ids.append(meant[0].destination_id)
    return ids


async def told_by(context: AlertContext, tenant: Tenant, ids: Sequence[str]) -> dict[str, Any]:
    """Say whom a rule with these destinations tells, for a summary; a note where that is nobody."""
    found = await context.destinations.all(tenant)
    reached = chosen(found, ids)
    tells = [f"{each.name} ({each.kind})" for each in found if each.destination_id in reached]
    return {"tells": tells, **({} if tells else {"note": NOBODY})}
