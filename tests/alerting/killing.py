"""A process that ends at a point of its work: at each request to a store, before it is sent or once it is done."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

from common.services import Services


class Killed(BaseException):
    """The end of the process at this point."""


REQUESTS = ("documents.get_all", "documents.commit", "warehouse.run", "warehouse.table")
WRITES = ("documents.commit",)


async def killed_at_each(
    begin: Callable[[], Awaitable[Services]],
    work: Callable[[Services], Awaitable[Any]],
    *,
    requests: tuple[str, ...] = REQUESTS,
    step: int = 1,
) -> AsyncIterator[int]:
    """Work from the beginning again and again, killed at one point after the other; each yields once it is over.

    Point 0 comes to its end, and counts the requests that there are.
    """
    point, points = 0, 1
    while point < points:
        services = await begin()
        count = _killing(services, requests, point // 2, done=bool(point % 2))
        with suppress(Killed):
            await work(services)
        points = 2 * (count[0] + 1) if point == 0 else points
        yield point
        point += step


def _killing(services: Services, requests: tuple[str, ...], at: int, *, done: bool) -> list[int]:
    """Have the services' n-th request kill them, before it is sent or once it is done."""
    count = [0]

    def watched(ask: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def asking(*given: Any, **named: Any) -> Any:
            count[0] += 1
            is_last = count[0] == at
            if is_last and not done:
                raise Killed
            answer = await ask(*given, **named)
            if is_last:
                raise Killed
            return answer

        return asking

    for part, name in (each.split(".") for each in requests):
        store = getattr(services, part)
        setattr(store, name, watched(getattr(store, name)))
    return count
