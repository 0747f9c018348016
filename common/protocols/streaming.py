"""A turn as the frames of a protocol; what goes wrong after the first frame is a frame too."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Protocol

from common import limits
from common.agents.events import Event
from common.errors import ServiceError
from common.telemetry.log import Log
from common.turn import Turn


class Encoder(Protocol):
    """Translates the events of one turn into the frames of a protocol."""

    def begin(self) -> bytes:
        """The frames before the first event."""
        ...

    def frames(self, event: Event) -> bytes:
        """The frames of one event; none where it says nothing new."""
        ...

    def failed(self, error: ServiceError) -> bytes:
        """The last frames of a turn that went wrong."""
        ...


async def frames_of(turn: Turn, encoder: Encoder, log: Log) -> AsyncGenerator[bytes, None]:
    """Yield the frames of a turn to its end."""
    if first := encoder.begin():
        yield first
    try:
        async with aclosing(turn.batches(limits.HEARTBEAT_SECONDS)) as batches:
            async for batch in batches:
                if frames := b"".join(map(encoder.frames, batch)):
                    yield frames
    except Exception as error:
        # The status is sent already; a stream that only breaks off looks to the client like one that ended well.
        log.error("run.crashed", error_class=type(error).__name__)
        yield encoder.failed(ServiceError())
