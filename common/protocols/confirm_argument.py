"""A change that is called by itself, and its person's yes: it is given in an argument of the next call."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from common.agents import approval
from common.conversations.confirmation import Change, Confirmations
from common.errors import ApprovalGone
from common.tenant import Principal
from common.tools.result import error_envelope

CONFIRM = "confirm"


@dataclass(frozen=True, slots=True)
class Approved:
    """The person said yes; ``confirmation_id`` names it."""

    confirmation_id: str


@dataclass(frozen=True, slots=True)
class Declined:
    """The call is not made; ``result`` is the answer to it. ``asks`` says that it may still be allowed."""

    result: dict[str, Any]
    asks: bool = False


async def decide_by_argument(
    confirmations: Confirmations, principal: Principal, change: Change, confirm: Any, now: datetime
) -> Approved | Declined:
    """Find the person's answer in the ``confirm`` value of a call, or say how it is to be asked for."""
    if confirm is not None:
        return await answered(confirmations, principal, change, confirm, now)
    confirmation_id = await confirmations.ask(principal, change, now)
    told = error_envelope(
        "approval_needed",
        f"Nothing is changed yet. Ask the user: {question(change)} Only if they say yes, call {change.tool_name} "
        f"again with the same arguments and {CONFIRM}: {confirmation_id!r}.",
    )
    return Declined({**told, CONFIRM: confirmation_id}, asks=True)


async def answered(
    confirmations: Confirmations, principal: Principal, change: Change, given: Any, now: datetime
) -> Approved | Declined:
    """Take the id of a confirmation for the person's yes to this very change, once."""
    try:
        if not isinstance(given, str):
            raise ApprovalGone
        await confirmations.answer(principal, given, change, now)
    except ApprovalGone as error:
        return Declined(error_envelope(error.code, error.detail))
    return Approved(given)


def question(change: Change) -> str:
    """The question that the person answers."""
    return f"{approval.describe_change(change.tool_name, change.arguments)}. Allow it?"
