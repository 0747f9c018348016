"""A stage of its own: what episodes set up is in nobody else's emulators."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime

import pytest

from tests.eval.demo import Demo
from tests.eval.running import Stage, emulated, staged


@pytest.fixture(scope="session")
def today() -> date:
    return datetime.now(UTC).date()


@pytest.fixture(scope="module")
def emulators(today: date) -> Iterator[dict[str, str]]:
    with emulated(today) as environment:
        yield environment


@pytest.fixture
async def stage(emulators: dict[str, str], today: date) -> AsyncIterator[Stage]:
    """The ``send`` function with the demo model."""
    async with staged(today, Demo()) as made:
        yield made
