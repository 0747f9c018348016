"""The entrance of calls that are limited: the caller is proven and the limits are checked in one read."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from common.documents import Documents
from common.identity.authenticate import Authenticator, Credentials
from common.metering.rate_limits import Allowance, Kind, RateLimits
from common.organizations.directory import Lookup
from common.tenant import Principal


@dataclass(frozen=True, slots=True)
class Entered:
    """A caller who is known, the result of the same lookup, and the limits of the caller's calls."""

    principal: Principal
    found: Lookup
    allowed: Allowance
    documents: Documents

    async def count(self) -> Principal:
        """Count one call before it is made, and return its caller. Raises RateLimited where it is one too many."""
        self.allowed.check(self.found.documents)
        counts = self.allowed.count()
        if counts:
            await self.documents.commit(counts)
            self.allowed.check_counted(counts)
        return self.principal


@dataclass(frozen=True, slots=True)
class Entrance:
    """Lets callers in whose calls of a kind are counted."""

    authenticator: Authenticator
    rate_limits: RateLimits
    documents: Documents
    clock: Callable[[], datetime]

    async def admit(self, credentials: Credentials, kind: Kind) -> Principal:
        """Let one call in, and return its caller. Raises RateLimited where it is one too many."""
        return await (await self.enter(credentials, kind)).count()

    async def enter(self, credentials: Credentials, kind: Kind, also: tuple[str, ...] = ()) -> Entered:
        """Return the caller, and the limits as they were read; the documents at ``also`` are read with them.

        Raises Unauthenticated, or one of the Forbidden.
        """
        tenant = self.authenticator.tenant(credentials)
        allowed = self.rate_limits.for_caller(tenant, credentials, self.clock(), kind)
        principal, found = await self.authenticator.authenticate(credentials, (*allowed.paths, *also))
        return Entered(principal, found, allowed, self.documents)
