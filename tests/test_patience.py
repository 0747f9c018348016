"""Many waits with one timer: each ends in time or with TimeoutError, and a cancellation stays one."""

import asyncio
import math
from typing import Any

import pytest

from common.patience import Patience


def soon(seconds: float = 0.02) -> float:
    return asyncio.get_running_loop().time() + seconds


async def never() -> None:
    await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize("seconds", [0.02, 0.0, -5.0])
async def test_a_wait_that_takes_too_long_ends_with_timeout_error(seconds: float) -> None:
    patience = Patience()
    with pytest.raises(TimeoutError), patience.until(soon(seconds)):
        await never()
    # And the next one is a wait like any other.
    with patience.until(soon(600)):
        await asyncio.sleep(0)
    with pytest.raises(TimeoutError), patience.until(soon()):
        await never()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_many_waits_set_one_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, patience = asyncio.get_running_loop(), Patience()
    asked, call_at = list[float](), loop.call_at

    def counted(at: float, callback: Any, *rest: Any, **more: Any) -> asyncio.TimerHandle:
        # The event loop is everybody's: what sleeps in it meanwhile sets timers, too.
        asked.extend([at] * (getattr(callback, "__self__", None) is patience))
        return call_at(at, callback, *rest, **more)

    with monkeypatch.context() as patched:
        patched.setattr(loop, "call_at", counted)
        for _ in range(1_000):
            with patience.until(soon(600)):
                await asyncio.sleep(0)
        assert len(asked) == 1
        # An earlier end needs another.
        with patience.until(soon(300)):
            await asyncio.sleep(0)
    assert len(asked) == 2
    patience.close()


async def test_a_timer_of_an_earlier_wait_does_not_end_a_later_one() -> None:
    patience = Patience()
    # It ends before the event loop runs, so before its timer can fire.
    with patience.until(soon()):
        pass
    with patience.until(soon(600)):
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.05)


async def test_the_end_of_a_wait_can_be_moved_both_ways() -> None:
    patience = Patience()
    with patience.until(soon()):
        patience.move(soon(600))
        await asyncio.sleep(0.06)
    asyncio.get_running_loop().call_soon(lambda: patience.move(soon()))
    with pytest.raises(TimeoutError), patience.until(soon(600)):
        await never()


async def test_a_wait_without_an_end_takes_as_long_as_it_takes() -> None:
    with Patience().until(math.inf):
        await asyncio.sleep(0.02)


async def test_a_cancellation_by_somebody_else_stays_one() -> None:
    async def waiting(end: float) -> None:
        with Patience().until(end):
            await never()

    task = asyncio.create_task(waiting(soon(600)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    # Both at the same moment: the cancellation stands.
    task = asyncio.create_task(waiting(soon()))
    asyncio.get_running_loop().call_at(soon(), task.cancel)
    await asyncio.wait([task])
    assert task.cancelled() or isinstance(task.exception(), TimeoutError)


async def test_an_error_of_the_work_is_not_hidden() -> None:
    with pytest.raises(ValueError, match="planted"), Patience().until(soon(600)):
        raise ValueError("planted")
