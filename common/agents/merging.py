"""Several streams as one: the items of each in its own order, as they come."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Ended:
    """A stream is over, or has raised the error."""

    error: Exception | None = None


async def merged(streams: Sequence[AsyncGenerator[T, None]]) -> AsyncGenerator[T, None]:
    """Yield the items of all streams. A stream that raises ends the others, and its error is raised here.

    Each stream runs in a task of its own, and goes on only once its last item was taken.
    """
    # One place: no stream runs ahead of a reader that is slow.
    queue: asyncio.Queue[T | _Ended] = asyncio.Queue(1)

    async def read(stream: AsyncGenerator[T, None]) -> None:
        try:
            async with aclosing(stream) as items:
                async for item in items:
                    await queue.put(item)
        except Exception as error:
            await queue.put(_Ended(error))
        else:
            await queue.put(_Ended())

    running = [asyncio.create_task(read(stream)) for stream in streams]
    left = len(running)
    try:
        while left:
            item = await queue.get()
            if not isinstance(item, _Ended):
                yield item
                continue
            if item.error is not None:
                raise item.error
            left -= 1
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
