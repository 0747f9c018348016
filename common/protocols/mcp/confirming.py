"""A change over MCP and its person's yes: asked for by an elicitation, or by an argument of the next call."""

from datetime import datetime
from typing import Any

from mcp import types as mcp
from mcp.server import ServerRequestContext

from common.conversations.confirmation import Change, Confirmations
from common.protocols.confirm_argument import CONFIRM, Approved, Declined, answered, decide_by_argument, question
from common.tenant import Principal
from common.tools.result import NOT_APPROVED

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
    if not _elicits(context):
        return await decide_by_argument(confirmations, principal, change, confirm, now)
    # Where the client asks its person, an argument that a model can set counts for nothing.
    if params.request_state is None:
        return await _elicit(confirmations, principal, change, now)
    decided = await answered(confirmations, principal, change, params.request_state, now)
    return Declined(NOT_APPROVED) if isinstance(decided, Approved) and not _said_yes(params) else decided


async def _elicit(
    confirmations: Confirmations, principal: Principal, change: Change, now: datetime
) -> mcp.InputRequiredResult:
    confirmation_id = await confirmations.ask(principal, change, now)
    form = mcp.ElicitRequestFormParams(message=question(change), requested_schema=_SCHEMA)
    asked = mcp.ElicitRequest(params=form)
    return mcp.InputRequiredResult(input_requests={_KEY: asked}, request_state=confirmation_id)


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
