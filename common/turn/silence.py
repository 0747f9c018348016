"""A Completion whose turn lends its place while the provider says nothing."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from common.models.call import Completion, ModelCall, Reply
from common.turn.admission import Slot

# A provider that says nothing for so long no longer holds the place of its turn
MODEL_SILENT_SECONDS = 5.0


class LendingCompletion:
    """A provider that hangs must not hold the places of others: a silent turn's may be used until it is heard."""

    def __init__(self, completion: Completion, slot: Slot) -> None:
        self._completion = completion
        self._slot = slot

    async def stream(self, call: ModelCall) -> AsyncGenerator[str | Reply, None]:
        """Make the call; the place is lent after MODEL_SILENT_SECONDS without a word."""
        silence = asyncio.get_running_loop().call_later(MODEL_SILENT_SECONDS, self._slot.lend)
        try:
            async with aclosing(self._completion.stream(call)) as pieces:
                async for piece in pieces:
                    if not silence.cancelled():
                        silence.cancel()
                        self._slot.take_back()
                    yield piece
        finally:
            silence.cancel()
            self._slot.take_back()
