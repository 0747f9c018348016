"""Fixtures of notices: the product's functions, over organisations of the tests' own."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from local.gateway import function_app
from tests.organizations.conftest import Serving, made, rows, serving
from tests.organizations.serving import Product

__all__ = ["Serving", "made", "rows", "serving"]


@pytest.fixture
async def product(serving: Serving) -> Product:
    """The functions where mail is set up."""
    served: Product = await serving(smtp_host="127.0.0.1", smtp_from="alerts@cloudcost.example")
    return served


@pytest.fixture
async def destinations(product: Product) -> AsyncIterator[httpx.AsyncClient]:
    """The function of destinations."""
    app: Any = httpx.ASGITransport(function_app("destinations"))
    async with httpx.AsyncClient(transport=app, base_url="http://destinations", timeout=60) as client:
        yield client
