"""The pace of a provider's stream: none may have more than its share of the event loop that all turns run on."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# A stream may use a twentieth of the loop's time, after so many seconds that it may use at once.
_SHARE = 0.05
_AT_ONCE_SECONDS = 0.03
# The others have their turn after so much work in one go, and nobody waits for longer than this.
_GO_SECONDS = 0.002
_LONGEST_SECONDS = 1.0
# So much of a stream is looked at in one go.
PART_BYTES = 4 * 1024


class Pace:
    """Counts the work that a stream makes. While its reader rests, the provider's socket fills and stops it."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, worked: Callable[[], float] = time.thread_time
    ) -> None:
        """``worked`` is the CPU time of this thread so far."""
        self._clock = clock
        self._worked = worked
        self._since = clock()
        self._begun = worked()
        self._used = 0.0
        self._go = 0.0

    def begin(self) -> None:
        """Begin to count: what follows until ``rest`` is this stream's work."""
        self._begun = self._worked()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Do not count what is done meanwhile: others may work then."""
        left = self._worked()
        yield
        self._begun += self._worked() - left

    async def rest(self) -> None:
        """Wait as long as the work asks for."""
        if (wait := self.wait()) is not None:
            await asyncio.sleep(wait)

    def wait(self) -> float | None:
        """Count the work, and return the seconds to wait; None where the stream may go on at once."""
        now, seconds = self._clock(), self._worked() - self._begun
        self._used = max(0.0, self._used - (now - self._since) * _SHARE) + seconds
        self._since = now
        self._go += seconds
        wait = min((self._used - _AT_ONCE_SECONDS) / _SHARE, _LONGEST_SECONDS)
        if wait <= 0 and self._go < _GO_SECONDS:
            return None
        self._go = 0.0
        return max(wait, 0.0)
