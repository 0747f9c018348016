"""Rate limits: calls a minute of a person and of an organisation, counted in Firestore.

The counters are read with everything else a turn reads and added to in the commits it makes anyway. Additions of turns
on other instances are never lost, so the limits hold across all of them. A document takes a few changes a second for
long, so a counter with a higher limit has several parts: an addition goes to one of them by chance, and a reader
adds all of them up.
"""

import hashlib
import random
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from common.documents import Count, Document
from common.errors import RateLimited
from common.identity.authenticate import Credentials
from common.settings import Settings
from common.tenant import Tenant

COUNTER_RETENTION_HOURS = 48
COUNTERS_REMEMBERED = 10_000
MOST_PER_PART = 240
MOST_PARTS = 32

Kind = Literal["messages", "mcp_calls", "searches", "settings_changes", "uploads", "destination_changes"]
_TOO_MANY = "Too many {named}: {whose} may make {most} a minute. Wait a little, then try again."
# The calls of each kind as a person reads them: those of one caller, and those that count for the whole organisation.
_NAMES: Mapping[Kind, tuple[str, str]] = {
    "messages": ("messages", "messages and MCP calls"),
    "mcp_calls": ("MCP calls", "messages and MCP calls"),
    "searches": ("searches", "searches"),
    "settings_changes": ("changes of settings", "changes of settings"),
    "uploads": ("changes of documents", "changes of documents"),
    "destination_changes": ("changes of destinations", "changes of destinations"),
}
_WINDOW = timedelta(minutes=1)


@dataclass(slots=True)
class Limit:
    """One limit of a minute: its counter's path, how much it allows, and what ``others`` parts held when read."""

    path: str
    most: int
    sentence: str
    part: int = 0
    others: int = 0

    def __post_init__(self) -> None:
        self.part = random.randrange(self._parts)

    @property
    def paths(self) -> tuple[str, ...]:
        """The documents that hold the counter."""
        return tuple(f"{self.path}.{part}" for part in range(self._parts))

    @property
    def own_path(self) -> str:
        """The document that this caller adds to."""
        return f"{self.path}.{self.part}"

    def read(self, documents: Mapping[str, Document | None]) -> int:
        """Add up what was read."""
        self.others = sum(_total(documents.get(path)) for path in self.paths if path != self.own_path)
        return self.others + _total(documents.get(self.own_path))

    @property
    def _parts(self) -> int:
        return max(1, min(MOST_PARTS, -(-self.most // MOST_PER_PART)))


@dataclass(frozen=True, slots=True)
class Allowance:
    """The limits of one caller at one moment; those that are switched off are not there.

    The minutes are those of the clock. Calls that reach several instances at the very same moment are each let in and
    then counted: those past the limit are refused when their count is known; a question stays stored without an answer.
    """

    limits: tuple[Limit, ...]
    now: datetime
    admitted_here: OrderedDict[str, int] = field(default_factory=OrderedDict)
    # The counters at which this very call counts here already: it was let in before it waited for its place.
    let_in: frozenset[str] = frozenset()

    @property
    def counters(self) -> frozenset[str]:
        """The counters at which a call counts, by their names."""
        return frozenset(limit.path for limit in self.limits)

    @property
    def paths(self) -> tuple[str, ...]:
        """The counters to read."""
        counted = [path for limit in self.limits for path in limit.paths]
        return tuple(counted)

    def check_room(self, documents: Mapping[str, Document | None]) -> None:
        """Raise RateLimited where a counter, or this instance by itself, has reached a limit."""
        for limit in self.limits:
            others = self.admitted_here.get(limit.path, 0) - (limit.path in self.let_in)
            if max(others, limit.read(documents)) >= limit.most:
                raise self._too_many(limit)

    def check(self, documents: Mapping[str, Document | None]) -> None:
        """Let one call in. Raises RateLimited where there is no room for it."""
        self.check_room(documents)
        for limit in self.limits:
            if limit.path not in self.let_in:
                self.admitted_here[limit.path] = self.admitted_here.get(limit.path, 0) + 1
        while len(self.admitted_here) > COUNTERS_REMEMBERED:
            self.admitted_here.popitem(last=False)

    def give_back(self) -> None:
        """Take back a call that was let in and found no place."""
        for limit in self.limits:
            if limit.path in self.admitted_here:
                self.admitted_here[limit.path] -= 1

    def count(self) -> list[Count]:
        """The writes that count one call. Commit them with it, or before it."""
        return [self._count(limit.own_path, 1) for limit in self.limits]

    def check_counted(self, counts: list[Count]) -> None:
        """Raise RateLimited where the call that was counted is one too many."""
        for limit, count in zip(self.limits, counts, strict=True):
            if count.total is not None and limit.others + count.total > limit.most:
                raise self._too_many(limit)

    def _too_many(self, limit: Limit) -> RateLimited:
        return RateLimited(limit.sentence, retry_after=_seconds(_WINDOW - (self.now - _minute(self.now))))

    def _count(self, path: str, by: int) -> Count:
        return Count(path, by, {"expire_at": self.now + timedelta(hours=COUNTER_RETENTION_HOURS)})


class RateLimits:
    """The limits of all callers, and what this instance itself let in: a burst at one instance never gets past it."""

    def __init__(self, settings: Settings) -> None:
        self._of_one: Mapping[Kind, int] = {
            "messages": settings.user_messages_per_minute,
            "mcp_calls": settings.user_mcp_calls_per_minute,
            "searches": settings.user_searches_per_minute,
            "settings_changes": settings.user_settings_changes_per_minute,
            "uploads": settings.user_uploads_per_minute,
            "destination_changes": settings.user_destination_changes_per_minute,
        }
        self._of_all: Mapping[Kind, tuple[str, int]] = {
            "messages": ("messages", settings.org_messages_per_minute),
            "mcp_calls": ("messages", settings.org_messages_per_minute),
            "searches": ("searches", settings.org_searches_per_minute),
            "settings_changes": ("settings_changes", settings.org_settings_changes_per_minute),
            "uploads": ("uploads", settings.org_uploads_per_minute),
            "destination_changes": ("destination_changes", settings.org_destination_changes_per_minute),
        }
        self._admitted: OrderedDict[str, int] = OrderedDict()

    def for_caller(
        self,
        tenant: Tenant,
        credentials: Credentials,
        now: datetime,
        kind: Kind = "messages",
        let_in: frozenset[str] = frozenset(),
    ) -> Allowance:
        """The limits of the caller that the request names. They count only after authentication.

        ``let_in`` are the counters at which the call counts already.
        """
        caller = f"user:{credentials.user_id}" if credentials.user_id else f"key:{credentials.api_key}"
        name = hashlib.sha256(caller.encode()).hexdigest()
        at = now.astimezone(UTC)
        counters = f"orgs/{tenant.org_slug}/counters"
        shared, of_all = self._of_all[kind]
        of_one, (own, whole) = self._of_one[kind], _NAMES[kind]
        limits = (
            Limit(
                f"{counters}/{name}-{kind}-{at:%Y%m%dT%H%M}",
                of_one,
                _TOO_MANY.format(named=own, whose="a person", most=of_one),
            ),
            Limit(
                f"{counters}/all-{shared}-{at:%Y%m%dT%H%M}",
                of_all,
                _TOO_MANY.format(named=whole, whose="the organisation", most=of_all),
            ),
        )
        return Allowance(
            limits=tuple(limit for limit in limits if limit.most),
            now=at,
            admitted_here=self._admitted,
            let_in=let_in,
        )


def _total(document: Document | None) -> int:
    return int(document.data["total"]) if document else 0


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _seconds(span: timedelta) -> int:
    return max(1, -int(-span.total_seconds() // 1))
