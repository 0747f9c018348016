"""The preparation of an instance's first turn: connections are opened and libraries imported before it comes."""

import asyncio
import gc
from collections.abc import Callable
from contextlib import suppress

from common.models.completion import Completion, Providers
from common.turn import TurnServices


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
        gc.enable()
