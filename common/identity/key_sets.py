"""The public keys of issuers: fetched once for all who ask, kept while the issuer is down, not asked for too often."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from common.egress import EgressFailed, EgressRefused
from common.errors import IssuerUnavailable

if TYPE_CHECKING:
    from jwt import PyJWK

FRESH_SECONDS = 600.0
REFETCH_SECONDS = 30.0
STALE_SECONDS = 86_400.0
MAX_KEYS = 50
MAX_KEY_SETS = 1_000
MIN_RSA_BITS = 2_048

_KINDS = {"RS256": "RSA", "ES256": "EC"}

Fetch = Callable[[str], Awaitable[Any]]
Keys = Mapping[tuple[str, str], "PyJWK"]


@dataclass(slots=True)
class _KeySet:
    """The keys at one address, when they were read, and when they were last asked for."""

    keys: Keys = field(default_factory=dict)
    read_at: float = -STALE_SECONDS
    asked_at: float = -REFETCH_SECONDS
    failed: bool = False
    asking: "asyncio.Task[None] | None" = None


class KeySets:
    """The key sets of all issuers on this instance. ``clock`` is monotonic."""

    def __init__(self, fetch: Fetch, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._sets: OrderedDict[str, _KeySet] = OrderedDict()

    async def find(self, url: str, key_id: str, algorithm: str) -> "PyJWK | None":
        """Return the key of this id and algorithm, None where the issuer has none. Raises IssuerUnavailable.

        A key that is known is used at once, and read anew behind the request once it is old.
        """
        held, wanted = self._held(url), (key_id, algorithm)
        now = self._clock()
        age = now - held.read_at
        if age >= STALE_SECONDS:
            held.keys = {}
        if wanted in held.keys:
            if age >= FRESH_SECONDS:
                self._ask(url, held, now)
            return held.keys[wanted]
        if asking := self._ask(url, held, now):
            await asyncio.shield(asking)
            if wanted in held.keys:
                return held.keys[wanted]
        if held.failed:
            raise IssuerUnavailable(retry_after=max(1, round(held.asked_at + REFETCH_SECONDS - self._clock())))
        return None

    def _held(self, url: str) -> _KeySet:
        held = self._sets.setdefault(url, _KeySet())
        self._sets.move_to_end(url)
        while len(self._sets) > MAX_KEY_SETS:
            self._sets.popitem(last=False)
        return held

    def _ask(self, url: str, held: _KeySet, now: float) -> "asyncio.Task[None] | None":
        """Return the request that is under way, or begin one. Returns None if the last one was a moment ago."""
        if held.asking is not None and not held.asking.done():
            return held.asking
        if now - held.asked_at < REFETCH_SECONDS:
            return None
        held.asked_at = now
        held.asking = asyncio.create_task(self._read(url, held))
        return held.asking

    async def _read(self, url: str, held: _KeySet) -> None:
        held.failed = True
        try:
            held.keys = keys_in(await self._fetch(url))
        except (EgressFailed, EgressRefused):
            return
        held.failed, held.read_at = False, self._clock()


def keys_in(document: Any) -> Keys:
    """Return the signing keys of a key set by id and algorithm. Raises EgressFailed for what is no key set."""
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise EgressFailed("no key set")
    found: dict[tuple[str, str], PyJWK] = {}
    for each in listed[:MAX_KEYS]:
        for algorithm, kind in _KINDS.items():
            key = _key(each, algorithm, kind)
            if key is not None and isinstance(each["kid"], str):
                found.setdefault((each["kid"], algorithm), key)
    return found


def _key(given: Any, algorithm: str, kind: str) -> "PyJWK | None":
    """Return a key for one algorithm. Returns None for one of another kind, use or size, and for a private one."""
    import jwt  # It takes long to import, and most callers have no token.

    if not isinstance(given, dict) or given.get("kty") != kind or "kid" not in given or "d" in given:
        return None
    if given.get("use", "sig") != "sig" or given.get("alg", algorithm) != algorithm:
        return None
    if kind == "EC" and given.get("crv") != "P-256":
        return None
    try:
        key = jwt.PyJWK(given, algorithm)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    size = getattr(key.key, "key_size", 0)
    return key if kind == "EC" or size >= MIN_RSA_BITS else None
