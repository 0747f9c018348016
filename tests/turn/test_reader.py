"""A reader that does not read: what waits for it is bounded, the provider's stream stands still, and the turn ends."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

import pytest

from common import limits
from common.agents.events import TextDelta
from common.models.completion import ModelCall, Reply
from common.turn.turn import Turn
from local.gateway import function_app
from tests.turn.conftest import ACME, Product, Serving

PIECE = "x" * 900


class Talker:
    """A model that talks as long as somebody listens."""

    def __init__(self) -> None:
        self.pieces = 0
        self.closed = asyncio.Event()

    async def stream(self, call: ModelCall) -> AsyncGenerator[str | Reply, None]:
        try:
            while True:
                self.pieces += 1
                yield PIECE
                await asyncio.sleep(0)
        finally:
            self.closed.set()


async def ask(send: Any) -> None:
    """Ask for a stream, whose frames ``send`` takes."""
    body = json.dumps({"message": "Tell me everything."}).encode()
    headers = [(name.lower().encode(), value.encode()) for name, value in ACME.items()]
    received = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Any:
        if (message := next(received, None)) is None:
            await asyncio.Event().wait()
        return message

    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1", "method": "POST",
        "path": "/stream", "raw_path": b"/stream", "query_string": b"", "scheme": "http", "root_path": "",
        "headers": [*headers, (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))],
        "server": ("function", 80), "client": ("client", 1),
    }  # fmt: skip
    await function_app("send")(scope, receive, send)


@pytest.fixture
def talker() -> Talker:
    return Talker()


async def test_a_reader_that_does_not_read_stops_the_model_and_then_the_turn(
    serving: Serving, talker: Talker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "READER_SECONDS", 1.0)
    product: Product = await serving(talker)
    frames: list[bytes] = []

    async def send(message: Any) -> None:
        frames.append(message.get("body", b""))
        if b"event: token" in frames[-1]:
            await asyncio.Event().wait()

    asking = asyncio.create_task(ask(send))
    await asyncio.wait_for(talker.closed.wait(), 120)
    # One batch is with the reader, and one waits.
    assert talker.pieces <= 2 * (limits.WAITING_CHARS // len(PIECE) + 2)
    conversation_id = json.loads(frames[1].split(b"data: ")[1].split(b"\n")[0])["conversation_id"]
    async with asyncio.timeout(120):
        while len(stored := product.messages(conversation_id)) < 2:  # noqa: ASYNC110  another process's state
            await asyncio.sleep(0.01)
    assert (stored[1]["status"], stored[1]["content"][:5]) == ("cancelled", "xxxxx")
    assert product.conversation(conversation_id)["lease"] is None
    asking.cancel()
    with suppress(asyncio.CancelledError):
        await asking


async def test_a_slow_reader_gets_everything(serving: Serving, talker: Talker) -> None:
    await serving(talker)
    said = 0

    class Enough(Exception):
        pass

    async def send(message: Any) -> None:
        nonlocal said
        said += message.get("body", b"").count(b"x")
        await asyncio.sleep(0.02)
        assert talker.pieces * len(PIECE) <= said + 2 * limits.WAITING_CHARS
        if said > 10 * limits.WAITING_CHARS:
            raise Enough

    with suppress(Enough, ExceptionGroup):
        await ask(send)
    assert said > 10 * limits.WAITING_CHARS
    await asyncio.wait_for(talker.closed.wait(), 120)


@pytest.mark.parametrize("extra", [0, 1])
async def test_so_much_waits_and_no_more(extra: int) -> None:
    turn = Turn()
    for _ in range(10):
        turn.emit(TextDelta("x" * (limits.WAITING_CHARS // 10 - 100)))
    if extra:
        turn.emit(TextDelta(""))
    waiting = asyncio.create_task(turn.keep_pace())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert waiting.done() is not bool(extra)
    batches = turn.batches()
    assert len(await anext(batches)) == 10 + extra
    await asyncio.wait_for(waiting, 120)
    await batches.aclose()
