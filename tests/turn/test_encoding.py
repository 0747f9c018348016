"""What happens together leaves together: one write, in order, and never later for it."""

import json
from typing import Any

import pytest
from ag_ui.core import TextMessageContentEvent
from ag_ui.encoder import EventEncoder

from common.agents.events import AgentChanged, TextDelta, TurnFailed, TurnStarted
from common.errors import ServiceError
from common.protocols.agui.encoder import RunEncoder
from common.turn import Turn
from common.web import sse

STARTED = TurnStarted("conversation", "answer", "openai", "gpt-4o-mini")
AWKWARD = ["word ", 'a "quoted"\nline', "é €  ", "🙂", "\\", "\x00\x1f", "<script>"]


async def test_events_that_are_there_together_are_one_write_in_their_order() -> None:
    turn = Turn()
    turn.emit(STARTED)
    turn.emit(AgentChanged("CostAnalyst"))
    for text in AWKWARD:
        turn.emit(TextDelta(text))
    writes = aiter(sse.stream(turn).body_iterator)
    frames = parsed(await anext(writes))
    assert [name for name, _ in frames] == ["start", "agent", *["token"] * len(AWKWARD)]
    assert [data["text"] for name, data in frames if name == "token"] == AWKWARD
    turn.emit(TextDelta("later"))
    assert parsed(await anext(writes)) == [("token", {"text": "later"})]
    turn.emit(TurnFailed(ServiceError()))
    assert [name for name, _ in parsed(await anext(writes))] == ["error"]
    assert await anext(writes, None) is None


def parsed(written: str | bytes | memoryview) -> list[tuple[str, Any]]:
    """The frames of one write, by name and data."""
    assert isinstance(written, bytes)
    frames = [frame.split("\n") for frame in written.decode().split("\n\n")[:-1]]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in frames]


@pytest.mark.parametrize("text", AWKWARD)
def test_a_piece_of_text_is_the_frame_that_the_protocols_own_encoder_makes(text: str) -> None:
    encoder = RunEncoder("thread", "run")
    encoder.begin()
    encoder.frames(STARTED)
    encoder.frames(TextDelta("first "))
    said = encoder.frames(TextDelta(text)).decode()
    message_id = json.loads(said.removeprefix("data: "))["messageId"]
    assert said == EventEncoder().encode(TextMessageContentEvent(message_id=message_id, delta=text))
