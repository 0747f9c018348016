"""A turn that waits for its client keeps what its model thought: the provider wants it back when the turn goes on."""

import json
from datetime import UTC, datetime

import pytest

from common import limits
from common.agents.pausing import Paused, new_waiting
from common.conversations import paused_turn
from common.conversations.paused_turn import Pending, pending_of
from common.documents import Document, Put
from common.models.completion import Message, ToolCall
from common.tenant import Tenant, parse_org_slug

NOW = datetime(2026, 2, 28, tzinfo=UTC)
# A string of so many characters, as JSON in a list with another message's None.
FRAME = len(json.dumps([{"model": "m", "reasoning_content": ""}, None]))


@pytest.mark.parametrize(("extra", "kept"), [(0, True), (1, False)])
def test_thoughts_are_kept_unless_they_are_too_long_for_a_document(extra: int, kept: bool) -> None:
    thoughts = {"model": "m", "reasoning_content": "x" * (paused_turn.PENDING_THOUGHT_CHARS - FRAME + extra)}
    call = ToolCall("c1", "showChart", "{}")
    exchange: tuple[Message, ...] = (
        {"role": "assistant", "content": None, "tool_calls": [], "thoughts": thoughts},
        {"role": "tool", "tool_call_id": "c0", "content": "{}"},
    )
    paused = Paused(exchange, (new_waiting("client", call),), 1)
    pending = Pending("q1", "What?", ("a1",), 2, paused)
    write = pending.write(Tenant(parse_org_slug("acme_inc"), "p", "organizations"), "c1", NOW)
    assert isinstance(write, Put)
    assert len(json.dumps(write.data, default=str)) < limits.MESSAGE_BYTES
    read = pending_of(Document("pending", write.data, NOW))
    assert ("thoughts" in read.paused.exchange[0]) is kept
    if kept:
        assert read.paused.exchange[0]["thoughts"] == thoughts
