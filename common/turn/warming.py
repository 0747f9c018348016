"""The preparation of an instance's first turn: connections are opened and libraries imported before it comes."""

import asyncio
import gc
from collections.abc import Callable
from contextlib import suppress

from common.models.completion import Completion, Providers
from common.turn import TurnServices

# A turn leaves next to nothing that only a search for garbage finds, and a search looks through all turns under way.
# The young are searched after so many new objects, the older ones after so many searches of those younger.
_GARBAGE_SEARCHES = (50_000, 5, 2)


async def warm(make: Callable[[], TurnServices], completion: Completion) -> None:
    """Make what a turn needs and ask each service once. A failure is the first turn's to tell."""
    # What is imported stays. Looking through it for garbage, meanwhile and later, would hold every request up.
    gc.disable()
    try:
        with suppress(Exception):
            parts = make()
            await asyncio.gather(parts.documents.ping(), parts.provider_keys.ping(), return_exceptions=True)
            if isinstance(completion, Providers):
                await completion.warm()
    finally:
        gc.freeze()
        gc.set_threshold(*_GARBAGE_SEARCHES)
        gc.enable()
