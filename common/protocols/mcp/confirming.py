"""A change over MCP and its person's yes: asked for by an elicitation, or by an argument of the next call."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mcp import types as mcp
from mcp.server import ServerRequestContext

from common.agents import approval
from common.conversations.confirmation import Change, Confirmations
from common.errors import ApprovalGone
from common.tenant import Principal
from common.tools.result import NOT_APPROVED, error_envelope

CONFIRM = "confirm"
_ELICITS_SINCE = "2026-07-28"
_KEY = "change"
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {CONFIRM: {"type": "boolean", "title": "Allow it"}},
    "required": [CONFIRM],
}
_ARGUMENT = {
    "type": "string",
    "maxLength": 64,
    "description": "Leave it out first: the answer then says what will be changed. Once the user has said yes to that, "
    "call again with the same arguments and the confirm value of that answer.",
}


@dataclass(frozen=True, slots=True)
class Approved:
    """The person said yes; ``confirmation_id`` names it."""

    confirmation_id: str


@dataclass(frozen=True, slots=True)
class Declined:
    """The call is not made; ``result`` is the answer to it. ``asks`` says that it may still be allowed."""

    result: dict[str, Any]
    asks: bool = False


Decided = Approved | Declined | mcp.InputRequiredResult


def with_confirm(parameters: dict[str, Any]) -> dict[str, Any]:
    """The schema of a tool that changes something, with the argument that a client without elicitation needs."""
    return {**parameters, "properties": {**parameters.get("properties", {}), CONFIRM: _ARGUMENT}}


async def decide(
    confirmations: Confirmations,
    principal: Principal,
    context: ServerRequestContext[Any, Any],
    params: mcp.CallToolRequestParams,
    now: datetime,
) -> Decided:
    """Find the person's answer to a checked call that changes something, or ask for it."""
    arguments = dict(params.arguments or {})
    confirm = arguments.pop(CONFIRM, None)
    change = Change(params.name, arguments)
    elicits = _elicits(context)
    # Where the client asks its person, an argument that a model can set counts for nothing.
    given = params.request_state if elicits else confirm
    if given is None:
        return await _ask(confirmations, principal, change, now, elicits=elicits)
    try:
        if not isinstance(given, str):
            raise ApprovalGone
        await confirmations.answer(principal, given, change, now)
    except ApprovalGone as error:
        return Declined(error_envelope(error.code, error.detail))
    if elicits and not _said_yes(params):
        return Declined(NOT_APPROVED)
    return Approved(given)


async def _ask(
    confirmations: Confirmations, principal: Principal, change: Change, now: datetime, *, elicits: bool
) -> Decided:
    confirmation_id = await confirmations.ask(principal, change, now)
    question = f"{approval.describe_change(change.tool_name, change.arguments)}. Allow it?"
    if elicits:
        asked = mcp.ElicitRequest(params=mcp.ElicitRequestFormParams(message=question, requested_schema=_SCHEMA))
        return mcp.InputRequiredResult(input_requests={_KEY: asked}, request_state=confirmation_id)
    told = error_envelope(
        "approval_needed",
        f"Nothing is changed yet. Ask the user: {question} Only if they say yes, call {change.tool_name} again with "
        f"the same arguments and {CONFIRM}: {confirmation_id!r}.",
    )
    return Declined({**told, CONFIRM: confirmation_id}, asks=True)


def _elicits(context: ServerRequestContext[Any, Any]) -> bool:
    """Return true if the client puts a form before its person in the middle of a call."""
    # Older protocols ask over a second connection, which may end at another instance.
    if context.protocol_version < _ELICITS_SINCE:
        return False
    capabilities = context.session.client_capabilities
    elicitation = capabilities.elicitation if capabilities is not None else None
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


def _said_yes(params: mcp.CallToolRequestParams) -> bool:
    answer = (params.input_responses or {}).get(_KEY)
    accepted = isinstance(answer, mcp.ElicitResult) and answer.action == "accept"
    return accepted and (answer.content or {}).get(CONFIRM) is True  # type: ignore[union-attr]
