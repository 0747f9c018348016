"""API keys that Firestore has no copy of: read from BigQuery, and guesses neither flood it nor hold up valid keys."""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from common.documents import Data
from common.errors import RateLimited, ServiceError, Unauthenticated
from common.tenant import OrgSlug, Tenant

UNKNOWN_KEY_SECONDS = 10.0
UNKNOWN_KEYS_REMEMBERED = 10_000
ORGANIZATIONS_REMEMBERED = 10_000
UNKNOWN_KEY_LOOKUPS_PER_MINUTE = 300
TOGETHER_SECONDS = 2.0
# As many as KEYS_SQL reads.
MOST_TOGETHER = 1_000

_WINDOW_SECONDS = 60.0
_TOO_MANY = "Too many API keys or tokens failed here. Wait a little, then send a valid one: those are not held up."

KEYS_SQL = """
SELECT org_api_key_hash, org_api_key_id, org_slug, scopes, is_active, expires_at
FROM {shared.org_api_keys}
WHERE org_api_key_hash IN UNNEST(@key_hashes)
QUALIFY ROW_NUMBER() OVER (PARTITION BY org_api_key_hash ORDER BY is_active DESC, created_at DESC) = 1
LIMIT 1000
"""

Ask = Callable[[Tenant, tuple[str, ...]], Awaitable[Mapping[str, Data]]]


class FailedKeys:
    """Counts the keys that failed at each organisation within a minute, in the memory of this instance alone."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._failed: OrderedDict[OrgSlug, tuple[float, int]] = OrderedDict()

    def count(self, org: OrgSlug, error: ServiceError | None = None) -> ServiceError:
        """Count one, and return its refusal: ``error``, or RateLimited once the limit is passed."""
        now = time.monotonic()
        began, failed = self._failed.get(org, (now, 0))
        began, failed = (now, 1) if now - began >= _WINDOW_SECONDS else (began, failed + 1)
        self._failed[org] = began, failed
        while len(self._failed) > ORGANIZATIONS_REMEMBERED:
            self._failed.popitem(last=False)
        if failed <= self._most:
            return error or Unauthenticated()
        return RateLimited(_TOO_MANY, retry_after=max(1, round(began + _WINDOW_SECONDS - now)))

    def passed(self, org: OrgSlug) -> bool:
        """Return true if the organisation is at its limit: the next key that fails is one too many."""
        began, failed = self._failed.get(org, (0.0, 0))
        return failed >= self._most and time.monotonic() - began < _WINDOW_SECONDS


@dataclass(slots=True)
class _Together:
    """The keys that are asked for in one query, and its answer."""

    tenant: Tenant
    hashes: set[str] = field(default_factory=set)
    answer: "asyncio.Task[Mapping[str, Data]] | None" = None


class KeyLookup:
    """Reads keys by their hashes.

    While guesses are many, the keys that Firestore has never seen are read together, every TOGETHER_SECONDS in one
    query: the guesses cost no more then, and a valid key that is new here waits for that long and is served.
    """

    def __init__(self, ask: Ask, most_failed: int) -> None:
        self._ask = ask
        self._failed = FailedKeys(most_failed)
        self._unknown: OrderedDict[str, float] = OrderedDict()
        self._first_lookups: deque[float] = deque()
        self._next: _Together | None = None

    def refusal(self, org: OrgSlug, error: ServiceError | None = None) -> ServiceError:
        """Count a key or token that failed, and return the error that its caller gets."""
        return self._failed.count(org, error)

    def check(self, org: OrgSlug, key_hash: str) -> None:
        """Raise the refusal of a key that was unknown a moment ago."""
        if time.monotonic() < self._unknown.get(key_hash, 0.0):
            raise self.refusal(org)

    def claim(self, org: OrgSlug) -> bool:
        """Take one of the lookups of what was never seen here; return false while guesses are many.

        It is taken before anything is awaited, so that no more than the bound pass however many come at once. What
        turns out to exist, or could not be asked for, is given back.
        """
        if self.is_guessed(org):
            return False
        self._first_lookups.append(time.monotonic())
        return True

    def give_back(self) -> None:
        """Give back what was claimed last; which of those of a minute it is makes no difference."""
        if self._first_lookups:
            self._first_lookups.pop()

    def claim_organization(self, org: OrgSlug) -> None:
        """Claim a lookup for a caller without a key. Raises RateLimited while guesses are many."""
        self.check(org, f"organization/{org}")
        if not self.claim(org):
            raise RateLimited(_TOO_MANY, retry_after=round(TOGETHER_SECONDS))

    def remember_no_organization(self, org: OrgSlug) -> None:
        """Refuse an organisation that there is not at once, when it is asked for again."""
        self._remember_unknown(f"organization/{org}")

    def is_guessed(self, org: OrgSlug) -> bool:
        """Return true while guesses are many, here or at the organisation."""
        since = time.monotonic() - _WINDOW_SECONDS
        while self._first_lookups and self._first_lookups[0] <= since:
            self._first_lookups.popleft()
        return self._failed.passed(org) or len(self._first_lookups) >= UNKNOWN_KEY_LOOKUPS_PER_MINUTE

    async def read(self, tenant: Tenant, key_hash: str) -> Data | None:
        """Return the row of a key that was never seen here, as ``read_alone`` or ``read_together`` do."""
        if self.claim(tenant.org_slug):
            return await self.read_alone(tenant, key_hash, claimed=True)
        return await self.read_together(tenant, key_hash)

    async def read_alone(self, tenant: Tenant, key_hash: str, *, claimed: bool) -> Data | None:
        """Return the key's row in a query of its own, None for an unknown one."""
        unknown = False
        try:
            found = (await self._ask(tenant, (key_hash,))).get(key_hash)
            unknown = found is None
        finally:
            if claimed and not unknown:
                self.give_back()
        if unknown:
            self._remember_unknown(key_hash)
        return found

    async def read_together(self, tenant: Tenant, key_hash: str) -> Data | None:
        """Return the key's row out of a query for all that wait; None for an unknown one.

        Raises RateLimited where too many wait.
        """
        found = (await self._answer_together(tenant, key_hash)).get(key_hash)
        if found is None:
            self._remember_unknown(key_hash)
        return found

    async def _answer_together(self, tenant: Tenant, key_hash: str) -> Mapping[str, Data]:
        together = self._next
        if together is None:
            together = self._next = _Together(tenant)
            together.answer = asyncio.create_task(self._ask_later(together))
            # Everybody who waits may have left before it failed.
            together.answer.add_done_callback(lambda task: task.cancelled() or task.exception())
        if len(together.hashes) >= MOST_TOGETHER:
            raise RateLimited(_TOO_MANY, retry_after=max(1, round(TOGETHER_SECONDS)))
        together.hashes.add(key_hash)
        assert together.answer is not None
        return await asyncio.shield(together.answer)

    async def _ask_later(self, together: _Together) -> Mapping[str, Data]:
        await asyncio.sleep(TOGETHER_SECONDS)
        self._next = None
        return await self._ask(together.tenant, tuple(together.hashes))

    def _remember_unknown(self, key_hash: str) -> None:
        self._unknown[key_hash] = time.monotonic() + UNKNOWN_KEY_SECONDS
        while len(self._unknown) > UNKNOWN_KEYS_REMEMBERED:
            self._unknown.popitem(last=False)
