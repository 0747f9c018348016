"""The context of a tool call. A tool's own context type names the services that it needs."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import date, datetime
from functools import cache
from typing import Any, ClassVar

from common import limits
from common.citations.citation import Offered
from common.focus.calendar import FiscalCalendar
from common.warehouse.client import Warehouse
from common.warehouse.query import GuardedQuery
from common.warehouse.result import QueryResult

Resources = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolContext:
    """The context of a tool that needs no service: the labels of its call, the moment in UTC, its fiscal calendar.

    ``idempotency_key`` names the answer that the call is part of: the same write twice under one key is one write.
    ``conversation_id`` is empty for a call that no conversation makes.
    ``offered`` numbers the passages of documents that the answer may cite.
    A subclass adds a field for each service it needs; the field's name is the name of the resource.
    """

    labels: Mapping[str, str]
    now: datetime
    idempotency_key: str
    calendar: FiscalCalendar = field(default=FiscalCalendar(), kw_only=True)
    offered: Offered = field(default_factory=Offered, kw_only=True)
    conversation_id: str = field(default="", kw_only=True)

    on_timeout: ClassVar[str] = f"The tool took more than {limits.TOOL_SECONDS:.0f} s. Ask for less."

    @property
    def today(self) -> date:
        return self.now.date()


@dataclass(frozen=True, slots=True)
class WarehouseContext(ToolContext):
    """The context of a tool that queries the warehouse, under the labels of its call."""

    warehouse: Warehouse

    on_timeout: ClassVar[str] = f"The query took more than {limits.TOOL_SECONDS:.0f} s. Narrow the dates."

    async def run(self, query: GuardedQuery) -> QueryResult:
        """Run a query of this tool call."""
        return await self.warehouse.run(query, labels=self.labels)


def make_context(kind: type[ToolContext], call: ToolContext, resources: Resources) -> ToolContext:
    """Make the context that a tool asks for. Raises KeyError for a resource that there is not."""
    given = {name: getattr(call, name) for name in _GIVEN}
    needed = _needed_by(kind)  # type: ignore[arg-type]  # a class can be hashed
    return kind(**given, **{name: resources[name] for name in needed})


_GIVEN = tuple(each.name for each in fields(ToolContext))


@cache
def _needed_by(kind: type[ToolContext]) -> tuple[str, ...]:
    """The services that a kind of context names."""
    return tuple(each.name for each in fields(kind) if each.name not in _GIVEN and each.default is MISSING)
