"""Fixtures over tests.organizations.serving."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.conftest import Cloud
from tests.fakes.scripted_model import ScriptedModel, say
from tests.organizations.organizations import Made, Rows
from tests.organizations.serving import Product, served

Serving = Callable[..., Any]


@pytest.fixture(scope="session")
def rows(cloud: Cloud) -> Iterator[Rows]:
    """The shared tables."""
    rows = Rows(cloud)
    yield rows
    rows.close()


@pytest.fixture
def made(rows: Rows) -> Made:
    """An organisation of this test's own, without settings."""
    return rows.make()


@pytest.fixture
async def serving(cloud: Cloud, rows: Rows) -> AsyncIterator[Serving]:
    """Serve with a model, and settings other than the environment's: ``product = await serving(model)``."""
    async with AsyncExitStack() as stack:

        async def serve(model: ScriptedModel | None = None, **settings: Any) -> Product:
            return await stack.enter_async_context(served(cloud, rows, model or ScriptedModel([say("OK")]), **settings))

        yield serve


@pytest.fixture
async def product(serving: Serving) -> Product:
    """The functions over a model that always answers OK."""
    served_product: Product = await serving()
    return served_product
