"""Bursts of requests of one caller: so many are opened at a time, and those of others are never behind them."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from common import limits
from common.identity.authenticate import Credentials
from common.telemetry.timing import Timing
from common.tenant import parse_org_slug
from common.turn.bursts import Bursts
from tests.fakes.scripted_model import ScriptedModel, say
from tests.turn.conftest import GLOBEX, Product, Serving

ACME = Credentials(parse_org_slug("acme_inc"), "demo-acme-key", "u1")
ANOTHER_KEY = replace(ACME, api_key="not-a-key-of-acme")
ANOTHER_ORG = replace(ACME, org_slug=parse_org_slug("globex_inc"))


async def wait_behind(bursts: Bursts, credentials: Credentials) -> tuple["asyncio.Task[None]", Timing]:
    """A request that has to wait."""
    timed = Timing()

    async def open_one() -> None:
        async with bursts.spread(credentials, timed):
            pass

    task = asyncio.create_task(open_one())
    for _ in range(3):
        await asyncio.sleep(0)
    return task, timed


async def test_the_next_of_a_burst_waits_and_anybody_else_does_not() -> None:
    bursts = Bursts(2)
    async with AsyncExitStack() as burst:
        for _ in range(2):
            await burst.enter_async_context(bursts.spread(ACME, Timing()))
        third, timed = await wait_behind(bursts, ACME)
        assert not third.done()
        for other in (ANOTHER_KEY, ANOTHER_ORG):
            passed, _ = await wait_behind(bursts, other)
            assert passed.done()
        assert timed.milliseconds()["queue_ms"] is None
    await third
    assert timed.milliseconds()["queue_ms"] is not None
    assert bursts.callers == 0


async def test_who_does_not_wait_is_in_no_queue() -> None:
    timed = Timing()
    async with Bursts(1).spread(ACME, timed):
        assert timed.milliseconds()["queue_ms"] is None
    assert timed.milliseconds()["queue_ms"] is None


async def test_one_that_fails_and_one_that_leaves_while_it_waits_give_their_places_back() -> None:
    bursts = Bursts(1)

    async def fail() -> None:
        async with bursts.spread(ACME, Timing()):
            leaving, _ = await wait_behind(bursts, ACME)
            leaving.cancel()
            await asyncio.wait([leaving])
            raise ValueError("planted")

    with pytest.raises(ValueError, match="planted"):
        await fail()
    assert bursts.callers == 0
    async with asyncio.timeout(60), bursts.spread(ACME, Timing()):
        pass


async def test_one_that_waits_behind_silence_goes_in_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BURST_SECONDS", 0.05)
    bursts = Bursts(1)
    async with bursts.spread(ACME, Timing()):
        waiting, timed = await wait_behind(bursts, ACME)
        async with asyncio.timeout(60):
            await waiting
    milliseconds = timed.milliseconds()["queue_ms"]
    assert milliseconds is not None
    assert milliseconds >= 50
    assert bursts.callers == 0
    # The place that it did not have is not given back.
    monkeypatch.undo()
    async with bursts.spread(ACME, Timing()):
        second, _ = await wait_behind(bursts, ACME)
        assert not second.done()
    await second


async def test_a_burst_is_answered_whole_and_leaves_nothing_behind(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel([say("Yes.")] * 41), user_messages_per_minute=1_000)
    asking = [product.send(f"question {number}") for number in range(40)]
    responses = await asyncio.gather(*asking, product.send("another", GLOBEX))
    assert {response.status_code for response in responses} == {200}
    assert product.services.turns.bursts.callers == 0
