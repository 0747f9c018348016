"""The rows of org_chat_usage: one per turn and model, one per tool call over MCP, and those of embeddings."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from common.documents import Data
from common.metering.ledger import Ledger, ModelUse
from common.models.catalog import Model
from common.tenant import Principal

Channel = Literal["send", "stream", "copilotkit", "ui_message_stream", "completions", "a2a", "mcp", "knowledge"]
# A NUMERIC's last digit.
_LEAST = Decimal("0.000000001")


@dataclass(frozen=True, slots=True)
class EndedTurn:
    """A turn at its end, as its usage is filed.

    ``message_id`` is what its answer and its tool calls are stored by; of the same message there may be several
    attempts, each with an ``attempt_id``.
    """

    principal: Principal
    conversation_id: str
    message_id: str
    attempt_id: str
    agent_name: str
    channel: Channel
    finish: str
    tool_calls: int
    bytes_billed: int
    at: datetime


def turn_rows(turn: EndedTurn, ledger: Ledger, answered_by: Model) -> list[Data]:
    """The rows of a turn, the answering model's first; a turn that asked no model has one of zeros.

    A consulted agent has rows of its own.
    """
    first = (answered_by.provider, answered_by.model_id, "")
    uses = {first: ModelUse(answered_by), **ledger.uses}
    # The model that the settings choose may have stepped aside without a call.
    counted = [use for use in uses.values() if use.calls] or [uses[first]]
    return [_row(turn, use, shares=index == 0) for index, use in enumerate(counted)]


def tool_call_row(turn: EndedTurn) -> Data:
    """The row of a tool call that no model of this product asked for."""
    return _row(turn, None, shares=True)


def embedding_row(ended: EndedTurn, use: ModelUse) -> Data:
    """The row of passages or a query that were embedded with the organisation's own key."""
    return _row(ended, use, shares=False)


def _row(turn: EndedTurn, use: ModelUse | None, *, shares: bool) -> Data:
    """``shares`` marks the row that has what is the whole turn's: its tool calls and their bytes."""
    model = use.model if use else None
    consulted = use.agent_name if use else ""
    own = (consulted,) if consulted else ()
    name: Sequence[str] = (model.provider, model.model_id, *own) if model else ("none",)
    usage = use.usage if use else None
    return {
        "usage_id": ":".join((turn.attempt_id, *name)),
        "org_slug": turn.principal.org_slug,
        "user_id": turn.principal.user_id,
        "conversation_id": turn.conversation_id,
        "message_id": turn.message_id,
        "agent_name": consulted or turn.agent_name or None,
        "channel": turn.channel,
        "provider": model.provider if model else None,
        "model_id": model.model_id if model else None,
        "finish": turn.finish,
        "model_calls": use.calls if use else 0,
        "tool_calls": turn.tool_calls if shares else 0,
        "input_tokens": usage.input_tokens if usage else 0,
        "cached_tokens": usage.cached_tokens if usage else 0,
        "cache_write_tokens": usage.cache_write_tokens if usage else 0,
        "output_tokens": usage.output_tokens if usage else 0,
        "tokens_estimated": use.estimated if use else False,
        **_prices(use),
        "bytes_billed": turn.bytes_billed if shares else 0,
        "created_at": turn.at.isoformat(),
    }


def _prices(use: ModelUse | None) -> Data:
    """The prices that were applied, as text: a document's numbers are no decimals."""
    tier = use.tier if use else None
    cost = Decimal(0) if use is None else use.cost
    return {
        "input_price_usd": _decimal(tier.input_price if tier else None),
        "cached_input_price_usd": _decimal(tier.read_price if tier else None),
        "cache_write_price_usd": _decimal(tier.write_price if tier else None),
        "output_price_usd": _decimal(tier.output_price if tier else None),
        "estimated_cost_usd": _decimal(cost),
    }


def _decimal(value: Decimal | None) -> str | None:
    return None if value is None else f"{value.quantize(_LEAST):f}"
