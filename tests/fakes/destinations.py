"""Destinations of organisations, as a test makes them."""

from datetime import UTC, datetime

from common.notices.destination import Destination
from common.tenant import Tenant


class FakeDestinations:
    """The same destinations for every organisation."""

    def __init__(self, *names: str) -> None:
        at = datetime(2026, 1, 1, tzinfo=UTC)
        self.kept = [
            Destination(f"{number:032x}", "slack", name, "hooks.example.com", (), b"", True, None, at, "ada", at)
            for number, name in enumerate(names, 1)
        ]

    async def all(self, tenant: Tenant) -> list[Destination]:
        return self.kept
