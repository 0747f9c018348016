"""Tools called by themselves, without a turn: one caller's calls, limited, audited, and changed only with a yes."""

import asyncio
import json
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

from common.agents.events import ToolFinished
from common.bodies import Body
from common.conversations.confirmation import Change, Confirmations
from common.documents import Documents
from common.errors import NotFound, RateLimited
from common.metering.entrance import Entered
from common.metering.usage_rows import EndedTurn, tool_call_row
from common.protocols.confirm_argument import CONFIRM, Approved, decide_by_argument
from common.record.tool_calls import record_call
from common.skills.offers import Offers
from common.stopping import hold
from common.telemetry import timing
from common.telemetry.log import Log
from common.telemetry.timing import Timing
from common.tools.context import Resources, ToolContext
from common.tools.registry import BoundTools, Tool
from common.tools.result import error_envelope

if TYPE_CHECKING:
    from common.turn.admission import Admission, Disconnect, Slot

AGENT = "mcp"
_INTERRUPTED = error_envelope("interrupted", "The call did not come to its end. It may have been done all the same.")
# The status of a call's own error; any other is the caller's to correct.
_STATUSES = {"scope_missing": 403, "approval_needed": 409, "timeout": 504}


@dataclass(frozen=True, slots=True)
class ToolServices:
    """The parts of the product that an MCP request works with."""

    version: str
    offers: Offers
    tool_resources: Resources
    documents: Documents
    admission: "Admission"
    confirmations: Confirmations
    log: Log
    clock: Callable[[], datetime]


class ToolCallBody(Body):
    """The body of a call: the tool's arguments; ``confirm`` is the value of the answer that asked for a yes.

    ``ask`` is for a page that will ask its person: what would be changed is the answer then, and no error.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    arguments: dict[str, Any] = Field(default_factory=dict)
    confirm: str | None = Field(None, max_length=64)
    ask: bool = False


class ToolList(TypedDict):
    """The tools that the caller may call, each with the JSON schema of its arguments."""

    tools: list[dict[str, Any]]


class ToolSession:
    """The tools of one request. It is made for its caller and ends with the request."""

    def __init__(self, services: ToolServices, entered: Entered, request_id: str, disconnect: "Disconnect") -> None:
        self.services = services
        self.principal = entered.principal
        self.registry = services.offers.of(entered.found.access, entered.principal.role).registry
        self.off = services.offers.off(self.registry)
        self.request_id = request_id
        self._entered = entered
        self._disconnect = disconnect
        self.refused: RateLimited | None = None

    async def place(self) -> "Slot":
        """The place of one call among those of all organisations, once it is counted."""
        try:
            await self._entered.count()
            org, admission = self.principal.org_slug, self.services.admission
            return admission.enter(org) or await admission.wait(org, self._disconnect)
        except RateLimited as refused:
            # It is an answer to the request, with its status, and not to the message in it.
            self.refused = refused
            raise

    async def recorded(
        self, tools: BoundTools, name: str, arguments: str, refused: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Make a call that is allowed, unless it is refused already, and put it on the record."""
        timed = timing.begin()
        started = time.perf_counter()

        def audit(result: dict[str, Any]) -> Coroutine[None, None, None]:
            domain, took = tools.domain(name), round((time.perf_counter() - started) * 1000)
            call = ToolFinished(self.request_id, AGENT, name, domain, arguments, result, took)
            return self._record(call, timed)

        try:
            result = refused or await tools.call(name, arguments, agent_name=AGENT, approved=True)
        except BaseException:
            # It may have been done all the same; a caller that has left cuts only this short.
            hold(audit(_INTERRUPTED))
            raise
        # A caller that leaves now does not cut the commit short.
        await asyncio.shield(hold(audit(result)))
        return result

    async def _record(self, call: ToolFinished, timed: Timing) -> None:
        """Put the call on the audit, and what it used beside what turns use. Raises DocumentsUnavailable."""
        now, conversation_id = self.services.clock(), f"mcp:{call.call_id}"
        ended = EndedTurn(
            principal=self.principal,
            conversation_id=conversation_id,
            message_id=call.call_id,
            attempt_id=call.call_id,
            agent_name=AGENT,
            channel="mcp",
            finish="stop" if call.succeeded else call.result["error"]["code"],
            tool_calls=1,
            bytes_billed=timed.bytes_billed,
            at=now,
        )
        usage = tool_call_row(ended)
        await record_call(self.services.documents, self.principal, conversation_id, call, usage, now)

    def tools(self, idempotency_key: str) -> BoundTools:
        services = self.services
        labels = {"org": self.principal.org_slug, "conversation": AGENT}
        calendar = self._entered.found.calendar
        call = ToolContext(labels, services.clock(), idempotency_key=idempotency_key, calendar=calendar)
        names = [each.name for each in self.registry.tools]
        return self.registry.bind(self.principal, call, names, services.tool_resources)


def listed(services: ToolServices, entered: Entered) -> ToolList:
    """Return the tools that the caller is offered and may call."""
    registry = services.offers.of(entered.found.access, entered.principal.role).registry
    mine = [each for each in registry.tools if each.writes is None or entered.principal.may(each.writes)]
    return ToolList(tools=[_listed(each) for each in mine])


async def call(session: ToolSession, name: str, body: ToolCallBody) -> tuple[dict[str, Any], int]:
    """Call a tool by its name, and return its envelope with the status that it has over HTTP. Raises NotFound."""
    with await session.place():
        tools = session.tools(session.request_id)
        if name not in {each.name for each in tools.tools}:
            raise NotFound("There is no tool of this name. GET …/tools lists those that there are.")
        arguments = json.dumps(body.arguments)
        if not tools.changes(name):
            return _answer(session, await session.recorded(tools, name, arguments))
        if refused := tools.refusal_of_change(name, arguments):
            return _answer(session, await session.recorded(tools, name, arguments, refused))
        services, change = session.services, Change(name, body.arguments)
        decided = await decide_by_argument(
            services.confirmations, session.principal, change, body.confirm, services.clock()
        )
        if isinstance(decided, Approved):
            # The same yes names the same write, in whatever attempt.
            approved = session.tools(decided.confirmation_id)
            return _answer(session, await session.recorded(approved, name, arguments))
        if decided.asks:
            return _asked(decided.result) if body.ask else _answer(session, decided.result)
        return _answer(session, await session.recorded(tools, name, arguments, decided.result))


def _asked(envelope: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Say what would be changed, with the value of the call that then does it."""
    return {"status": "asked", "message": envelope["error"]["message"], CONFIRM: envelope[CONFIRM]}, 200


def _answer(session: ToolSession, envelope: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """The envelope; of an error what any error of the product has, and the value to confirm with."""
    error: Mapping[str, str] | None = envelope.get("error")
    if error is None:
        return envelope, 200
    code = error["code"]
    status = 409 if code.startswith("approval_") else _STATUSES.get(code, 422)
    confirm = {CONFIRM: envelope[CONFIRM]} if CONFIRM in envelope else {}
    return {"detail": error["message"], "code": code, "request_id": session.request_id, **confirm}, status


def _listed(tool: Tool) -> dict[str, Any]:
    function = tool.schema()["function"]
    return {
        "name": tool.name,
        "title": tool.title,
        "description": function["description"],
        "changes": tool.writes is not None,
        "arguments": function["parameters"],
    }
