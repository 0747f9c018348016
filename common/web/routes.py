"""Every address of the product: which function answers it, and under which name."""

import re
from dataclasses import dataclass
from functools import cache

BASE = "/api/v1/chat/{org_slug}"


@dataclass(frozen=True, slots=True)
class Route:
    """One address. ``path`` is the original one; a function also answers to ``short`` at its own URL."""

    function: str
    name: str
    method: str
    path: str
    short: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """A route with the values its path holds."""

    route: Route
    values: dict[str, str]


ROUTES = (
    Route("send", "send", "POST", f"{BASE}/send", ("/", "/send")),
    Route("send", "stream", "POST", f"{BASE}/stream", ("/stream",)),
    Route("health", "live", "GET", "/health", ("/",)),
    Route("health", "ready", "GET", "/health/ready", ("/ready",)),
)


def matches(function: str, path: str) -> tuple[Match, ...]:
    """The routes of a function that answer at ``path``, whatever their method."""
    found = []
    for route in ROUTES:
        if route.function != function:
            continue
        for template in (route.path, *route.short):
            match = _pattern(template).fullmatch(path)
            if match is not None:
                found.append(Match(route, match.groupdict()))
                break
    return tuple(found)


def function_at(path: str) -> str | None:
    """The function that answers at an original path, None where there is none."""
    return next((route.function for route in ROUTES if _pattern(route.path).fullmatch(path)), None)


@cache
def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template))
