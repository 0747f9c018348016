"""The SQL guard: what stands between a query that a model wrote and the tenants' data.

``admit`` is the way in: the query is decided in a worker process, and what comes back is regenerated text that names
whole paths, reads shared tables only through the caller's filter, and ends in a LIMIT. Everything else is a Denied
with a reason code and a sentence that says what to change. The SQL library is imported in the worker alone.
"""

import atexit
import threading

from common.tenant import Principal, Tenant
from common.warehouse.guard.pool import Pool
from common.warehouse.guard.verdict import CODES, Admitted, DenialCode, Denied

__all__ = ["CODES", "Admitted", "DenialCode", "Denied", "Pool", "admit", "close", "decide"]

_lock = threading.Lock()
_pool: Pool | None = None


def decide(sql: str, tenant: Tenant, user_id: str) -> Admitted:
    """Decide in this process, without a time limit: for tests and tools; a server calls ``admit``."""
    from common.warehouse.guard import decision

    return decision.decide(sql, tenant, user_id)


async def admit(sql: str, principal: Principal) -> Admitted:
    """Decide in a worker process within a second; a timeout or a crash is a denial."""
    return await _shared_pool().admit(sql, principal.tenant, principal.user_id)


def close() -> None:
    """End the workers; the next query starts new ones."""
    global _pool
    with _lock:
        pool, _pool = _pool, None
    if pool is not None:
        pool.close()


def _shared_pool() -> Pool:
    global _pool
    with _lock:
        if _pool is None:
            _pool = Pool()
            atexit.register(close)
        return _pool
