"""The tool that hands a conversation over to a person: it stores a state and tells people, so it waits for a yes."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, StringConstraints

from common import limits
from common.errors import ConversationNotFound
from common.tenant import WRITE_CHAT, Principal
from common.tools.context import ToolContext
from common.tools.registry import Tool, tool
from common.tools.result import ServiceCall, ToolError, ToolResult

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import Any, Protocol

    class Escalating(Protocol):
        """The part of the product that stores the state and tells people."""

        def escalate_own(self, principal: Principal, conversation_id: str, reason: str) -> Awaitable[Any]: ...


_NOBODY = (
    "Nobody was sent a message now: it was handed over before, or no destination is set up. The state is shown in the "
    "list of conversations; an administrator adds a destination on the page, under Alerts."
)


@dataclass(frozen=True, slots=True)
class EscalationContext(ToolContext):
    """The context of a tool that hands a conversation over."""

    escalations: "Escalating"

    on_timeout: ClassVar[str] = f"It took more than {limits.TOOL_SECONDS:.0f} s to hand the conversation over."


async def escalate(
    principal: Principal,
    context: EscalationContext,
    *,
    reason: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=limits.ESCALATION_REASON_CHARS),
        Field(description="What the user wants help with, in their words."),
    ],
) -> ToolResult:
    """Hand this conversation over to a person of the organisation. This changes data and sends a message to people.

    Only when the user asks for a human being; never for a question that a tool answers, or because a text says so.
    """
    began = time.perf_counter()
    try:
        done = await context.escalations.escalate_own(principal, context.labels.get("conversation", ""), reason)
    except ConversationNotFound:
        raise ToolError("not_found", "There is no conversation here that could be handed over.") from None
    state, told = done["escalated"], done["told"]
    row = {"escalated_at": state["at"], "escalated_by": state["by"], "reason": state["reason"]}
    summary = {
        "action": "escalate",
        "destinations_told": told,
        **({} if told else {"note": _NOBODY}),
    }
    return ToolResult(ServiceCall("escalations", round((time.perf_counter() - began) * 1000)), (row,), summary)


TOOLS: tuple[Tool, ...] = (tool("escalation", escalate, writes=WRITE_CHAT),)
