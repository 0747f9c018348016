"""What is imported before the first call, and when."""

import asyncio
from contextlib import aclosing

import pytest

from common.models import completion
from common.models.completion import Providers
from common.models.wires.litellm import Library
from tests.fakes.wire_stub import Answer
from tests.models.conftest import Wire, a_call


async def test_litellm_is_not_imported_while_a_model_is_listened_to(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completion, "MODEL_WARM_SECONDS", 0)
    loaded = asyncio.Event()
    llm = Providers(wire.stub.bases)
    load = llm.load

    def noted() -> asyncio.Future[Library]:
        loaded.set()
        return load()

    monkeypatch.setattr(llm, "load", noted)
    pace = asyncio.Semaphore(2)
    wire.play([Answer(text="one two three", pace=pace)])
    async with aclosing(llm.stream(a_call("openai"))) as pieces:
        await anext(pieces)
        warming = asyncio.create_task(llm.warm())
        for _ in range(20):
            await asyncio.to_thread(len, "")
        assert not loaded.is_set()
        for _ in range(100):
            pace.release()
        assert [piece async for piece in pieces]
    await warming
    assert loaded.is_set()
    await llm.close()
