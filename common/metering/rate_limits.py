"""Rate limits: messages a minute per user and tokens a day per organisation, counted in Firestore.

The counters are read with everything else a turn reads and added to in the commits it makes anyway. Additions of turns
on other instances are never lost, so the limits hold across all of them.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from common.documents import Count, Document, Write
from common.errors import RateLimited
from common.identity.authenticate import Credentials
from common.settings import Settings
from common.tenant import Tenant

COUNTER_RETENTION_HOURS = 48
COUNTERS_REMEMBERED = 10_000

_WINDOW = timedelta(minutes=1)
_OUT_OF_TOKENS = "The organisation has used up its tokens of today (UTC). Try again tomorrow, or have the limit raised."


@dataclass(frozen=True, slots=True)
class Allowance:
    """The limits of one caller at one moment; None for one that is switched off.

    The minutes are those of the clock. Questions that reach several instances at the very same moment are each let in
    and then counted: those past the limit are refused when their count is known, and stay stored without an answer.
    """

    messages_path: str | None
    messages_per_minute: int
    tokens_path: str | None
    tokens_per_day: int
    now: datetime
    admitted_here: OrderedDict[str, int]

    @property
    def paths(self) -> tuple[str, ...]:
        """The counters to read."""
        return tuple(path for path in (self.messages_path, self.tokens_path) if path)

    def check(self, documents: Mapping[str, Document | None]) -> None:
        """Let one message in. Raises RateLimited where a counter, or this instance by itself, has reached a limit."""
        if self.messages_path:
            here = self.admitted_here.get(self.messages_path, 0)
            if max(here, _total(documents.get(self.messages_path))) >= self.messages_per_minute:
                raise self._too_many()
        if self.tokens_path and _total(documents.get(self.tokens_path)) >= self.tokens_per_day:
            raise RateLimited(_OUT_OF_TOKENS, retry_after=_seconds(_midnight_after(self.now) - self.now))
        if self.messages_path:
            self.admitted_here[self.messages_path] = here + 1
            while len(self.admitted_here) > COUNTERS_REMEMBERED:
                self.admitted_here.popitem(last=False)

    def count_message(self) -> list[Count]:
        """The writes that count one message. Commit them with it."""
        return [self._count(self.messages_path, 1)] if self.messages_path else []

    def check_counted(self, counts: list[Count]) -> None:
        """Raise RateLimited where the message that was counted is one too many."""
        if any(count.total is not None and count.total > self.messages_per_minute for count in counts):
            raise self._too_many()

    def count_tokens(self, used: int) -> list[Write]:
        """The writes that count the tokens of an answer. Commit them with it."""
        return [self._count(self.tokens_path, used)] if self.tokens_path and used else []

    def _too_many(self) -> RateLimited:
        return RateLimited(retry_after=_seconds(_WINDOW - (self.now - _minute(self.now))))

    def _count(self, path: str, by: int) -> Count:
        return Count(path, by, {"expire_at": self.now + timedelta(hours=COUNTER_RETENTION_HOURS)})


class RateLimits:
    """The limits of all callers, and what this instance itself let in: a burst at one instance never gets past it."""

    def __init__(self, settings: Settings) -> None:
        self._messages = settings.user_messages_per_minute
        self._tokens = settings.org_tokens_per_day
        self._admitted: OrderedDict[str, int] = OrderedDict()

    def for_caller(self, tenant: Tenant, credentials: Credentials, now: datetime) -> Allowance:
        """The limits of the caller that the request names. They count only after authentication."""
        caller = f"user:{credentials.user_id}" if credentials.user_id else f"key:{credentials.api_key}"
        name = hashlib.sha256(caller.encode()).hexdigest()
        at = now.astimezone(UTC)
        counters = f"orgs/{tenant.org_slug}/counters"
        return Allowance(
            messages_path=f"{counters}/{name}-{at:%Y%m%dT%H%M}" if self._messages else None,
            messages_per_minute=self._messages,
            tokens_path=f"{counters}/tokens-{at:%Y%m%d}" if self._tokens else None,
            tokens_per_day=self._tokens or 0,
            now=at,
            admitted_here=self._admitted,
        )


def _total(document: Document | None) -> int:
    return int(document.data["total"]) if document else 0


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _midnight_after(moment: datetime) -> datetime:
    return datetime.combine(moment.date() + timedelta(days=1), time(), UTC)


def _seconds(span: timedelta) -> int:
    return max(1, -int(-span.total_seconds() // 1))
