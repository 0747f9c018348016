"""The log record of a turn that is over."""

from typing import Any

from common.metering.ledger import Ledger
from common.telemetry.log import Log
from common.telemetry.timing import Timing
from common.turn.prepared import PreparedTurn


def log_finished(log: Log, prepared: PreparedTurn, timed: Timing, ledger: Ledger, **fields: Any) -> None:
    """Write it: whose turn it was, how long it took, and what it used; ``fields`` say what came of it."""
    usage, used, cost = ledger.usage, bool(ledger.calls), ledger.cost
    log.info(
        "turn.finished",
        org=prepared.principal.org_slug,
        conversation_id=prepared.conversation.conversation_id,
        message_id=prepared.answer_id,
        latency_ms=timed.latency_ms,
        **timed.milliseconds(),
        **fields,
        bytes_processed=timed.bytes_processed,
        bytes_billed=timed.bytes_billed,
        model_calls=ledger.calls,
        input_tokens=usage.input_tokens if used else None,
        output_tokens=usage.output_tokens if used else None,
        cached_tokens=usage.cached_tokens if used else None,
        estimated_cost_usd=None if cost is None else float(round(cost, 6)),
    )
