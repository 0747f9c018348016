"""A web page that gave its name this machine's address, or calls from elsewhere, reads nothing of the bill."""

import httpx
import pytest
from starlette.responses import PlainTextResponse

from local.data.organizations import DEMO
from local.own_machine import OwnMachine
from local.page import ORGANIZATIONS, Page

OWN_HOSTS = ("127.0.0.1:8002", "localhost:8002", "localhost", "[::1]:8002", "LOCALHOST:9")
FOREIGN_HOSTS = (
    "evil.example", "evil.example:8002", "127.0.0.1.evil.example", "localhost.evil.example:8002", "user@evil.example",
    "127.0.0.1@evil.example", "192.168.0.4:8002", "0.0.0.0:8002", "[::]:8002", "[::1", "",
)  # fmt: skip
OWN_ORIGINS = ("http://127.0.0.1:8002", "http://localhost:3000", "http://localhost:5173", "http://[::1]:8002")
FOREIGN_ORIGINS = ("http://evil.example", "https://localhost.evil.example", "null", "file://", "", "http://[::1")


async def told(app: object, path: str = "/", **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8002", timeout=120) as http:
        return await http.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize("host", OWN_HOSTS)
async def test_a_name_of_this_machine_is_answered(host: str) -> None:
    assert (await told(OwnMachine(PlainTextResponse("bill")), host=host)).text == "bill"


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
async def test_a_foreign_name_is_refused(host: str) -> None:
    refused = await told(OwnMachine(PlainTextResponse("bill")), host=host)
    assert (refused.status_code, refused.json()["code"]) == (403, "org_forbidden")
    assert "localhost" in refused.json()["detail"]


@pytest.mark.parametrize("origin", OWN_ORIGINS)
async def test_a_page_of_this_machine_is_answered(origin: str) -> None:
    assert (await told(OwnMachine(PlainTextResponse("bill")), origin=origin)).text == "bill"


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
async def test_a_foreign_page_is_refused(origin: str) -> None:
    refused = await told(OwnMachine(PlainTextResponse("bill")), origin=origin)
    assert refused.status_code == 403
    assert "bill" not in refused.text


async def test_a_page_whose_origin_the_settings_name_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", "https://front.example")
    app = OwnMachine(PlainTextResponse("bill"))
    assert (await told(app, origin="https://front.example")).text == "bill"
    assert (await told(app, origin="https://other.example")).status_code == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"sec_fetch_site": "same-origin", "origin": "http://127.0.0.1:8002"}, 200),
        ({"sec_fetch_site": "none"}, 200),
        ({"origin": "http://127.0.0.1:9000"}, 403),
        ({"origin": "http://localhost:8002"}, 403),
        ({"origin": "https://127.0.0.1:8002"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
    ],
)
async def test_the_demo_keys_are_told_to_the_pages_own_origin_only(headers: dict[str, str], status: int) -> None:
    answered = await told(Page(tuple(DEMO.values()), print), ORGANIZATIONS, **headers)
    assert answered.status_code == status
    assert ("demo-acme-key" in answered.text) is (status == 200)
    assert answered.headers["Cross-Origin-Resource-Policy"] == "same-origin"
