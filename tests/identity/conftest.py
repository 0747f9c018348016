"""Organisations with registered issuers, served whole."""

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from common.tenant import EVERY_PERMISSION
from common.web.routes import Route
from local.gateway import Gateway
from tests.fakes.token_issuer import TokenIssuer
from tests.organizations.conftest import made, product, rows, serving
from tests.organizations.organizations import Made
from tests.organizations.serving import Product

__all__ = ["made", "product", "rows", "serving"]

BASE = "/api/v1/chat/{}"


@dataclass
class Doors:
    """Every function at its original path, and an organisation whose owner's key manages its access."""

    http: httpx.AsyncClient
    product: Product
    made: Made

    @property
    def owner(self) -> dict[str, str]:
        """Headers of a key with every permission."""
        return self.made.key("owner")

    def path(self, end: str, made: Made | None = None) -> str:
        return f"{BASE.format((made or self.made).slug)}{end}"

    async def register(self, made: Made | None = None, /, **body: Any) -> dict[str, Any]:
        given = made or self.made
        answer = await self.http.post(self.path("/settings/issuers", given), json=body, headers=given.key("owner"))
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def caller(
        self, token: str, headers: dict[str, str] | None = None, made: Made | None = None
    ) -> httpx.Response:
        """Ask who a token's bearer is."""
        bearer = {"Authorization": f"Bearer {token}"}
        return await self.http.get(self.path("/settings/caller", made), headers=bearer | (headers or {}))

    async def call(self, route: Route, headers: dict[str, str], body: Any = None) -> httpx.Response:
        values = dict.fromkeys(re.findall(r"{(\w+)}", route.path), "c1")
        path = route.path.format(**{**values, "org_slug": self.made.slug})
        accept = {"Accept": "application/json, text/event-stream"} if route.function == "mcp" else {}
        return await self.http.request(route.method, path, json=body, headers=headers | accept)


@pytest.fixture
async def doors(product: Product, made: Made) -> AsyncIterator[Doors]:
    made.rows.add_key(made.slug, "owner", sorted(EVERY_PERMISSION))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(Gateway()), base_url="http://all", timeout=60) as http:
        yield Doors(http, product, made)


@pytest.fixture
def keycloak() -> Iterator[TokenIssuer]:
    """An issuer that signs with RS256, as Keycloak does."""
    issuer = TokenIssuer()
    yield issuer
    issuer.close()


@pytest.fixture
def supabase() -> Iterator[TokenIssuer]:
    """An issuer that signs with ES256, as Supabase does."""
    issuer = TokenIssuer("https://project.supabase.test/auth/v1", "ES256")
    yield issuer
    issuer.close()
