"""Keeps calls away from a provider's address that does not answer, so that nobody waits for it in vain."""

import time
from collections import deque
from collections.abc import Callable
from math import ceil

from common.errors import ProviderTimeout, ProviderUnavailable, ServiceError

# Of a provider's address: so many failures in a row within the time keep calls away from it, for longer each time
BREAKER_FAILURES = 5
BREAKER_WINDOW_SECONDS = 60.0
BREAKER_OPEN_SECONDS = 15.0
BREAKER_LONGEST_SECONDS = 120.0


class Breaker:
    """Watches one address: failures in a row open it, and after a while one call probes and decides for all.

    closed --five failures within a minute--> open --its time is over--> one probe --answered--> closed
                                               ^                             |
                                               +------ failed: twice as long-+
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: deque[float] = deque(maxlen=BREAKER_FAILURES)
        self._open_until: float | None = None
        self._open_seconds = BREAKER_OPEN_SECONDS
        self._probe: Crossing | None = None

    def enter(self) -> "Crossing":
        """Let a call through. Raises ProviderUnavailable, with when to try again, while the address is left alone."""
        crossing = Crossing(self)
        if self._open_until is not None:
            left = self._open_until - self._clock()
            if left > 0 or self._probe is not None:
                raise ProviderUnavailable(retry_after=max(1, ceil(left)))
            self._probe = crossing
        return crossing

    def _heard(self) -> None:
        """The address answers: whatever it says, it is there."""
        self._failures.clear()
        self._open_until = None
        self._open_seconds = BREAKER_OPEN_SECONDS

    def _failed(self, crossing: "Crossing") -> None:
        now = self._clock()
        if crossing is self._probe:
            self._open_seconds = min(2 * self._open_seconds, BREAKER_LONGEST_SECONDS)
            self._open_until = now + self._open_seconds
        elif self._open_until is None:
            self._failures.append(now)
            recent = now - self._failures[0] <= BREAKER_WINDOW_SECONDS
            if recent and len(self._failures) == BREAKER_FAILURES:
                self._failures.clear()
                self._open_until = now + self._open_seconds

    def _left(self, crossing: "Crossing") -> None:
        if crossing is self._probe:
            self._probe = None


class Crossing:
    """One call's way through a breaker. Who leaves without a word, as a client that goes away does, decides nothing."""

    def __init__(self, breaker: Breaker) -> None:
        self._breaker = breaker
        self._is_heard = False

    def heard(self) -> None:
        """The model begins to answer, or goes on."""
        if not self._is_heard:
            self._is_heard = True
            self._breaker._heard()

    def failed(self, error: ServiceError) -> None:
        """The call ended with an error; one that the provider itself stated shows that it is there."""
        if isinstance(error, ProviderUnavailable | ProviderTimeout):
            self._breaker._failed(self)
        else:
            self._breaker._heard()

    def leave(self) -> None:
        """The call is over, however it ended."""
        self._breaker._left(self)


class Breakers:
    """A breaker for each address of each provider, made when it is first called."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._by_address: dict[tuple[str, str | None], Breaker] = {}

    def enter(self, provider: str, address: str | None) -> Crossing:
        """Let a call through to an address. Raises ProviderUnavailable while the address is left alone."""
        breaker = self._by_address.setdefault((provider, address), Breaker(self._clock))
        return breaker.enter()
