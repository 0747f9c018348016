"""Requests to hosts that an organisation names: which addresses are asked, and what an answer may be."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from common import egress
from common.egress import EgressFailed, EgressRefused, check_url, get_json, is_public


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "192.88.99.1", "198.18.0.1", "240.0.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1",
        "ff02::1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "64:ff9b::a00:1", "2002:a00:1::", "2001:0:1::", "3fff::1",
        "2001:db8::1", "::10.0.0.1", "fec0::1", "5f00::1", "192.0.0.8", "not an address", "",
    ],
)  # fmt: skip
def test_an_address_that_leads_inside_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001::1"])
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


def test_this_machine_is_asked_only_where_that_is_allowed() -> None:
    url = "http://127.0.0.1:8002/keys"
    assert check_url(url, loopback=True) == url
    for elsewhere in ("http://127.0.0.1:8002/keys", "http://localhost/keys"):
        with pytest.raises(EgressRefused):
            check_url(elsewhere, loopback=False)
    for other in ("http://127.0.0.2/keys", "http://[::1]/keys", "http://10.0.0.1/keys"):
        with pytest.raises(EgressRefused):
            check_url(other, loopback=True)


class Host:
    """A host on this machine that answers whatever a test wants, and counts who asks."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self.body = b"{}"
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                host.asked.append(self.path)
                self.send_response(host.status)
                for name, value in host.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(host.body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/keys"


@pytest.fixture
def host() -> Iterator[Host]:
    host = Host()
    yield host
    host.server.shutdown()
    host.server.server_close()


async def test_json_is_read(host: Host) -> None:
    host.body = b'{"keys": []}'
    assert await get_json(host.url, loopback=True) == {"keys": []}


async def test_a_redirect_is_not_followed(host: Host) -> None:
    host.status, host.headers = 302, {"Location": "/elsewhere"}
    with pytest.raises(EgressFailed):
        await get_json(host.url, loopback=True)
    assert host.asked == ["/keys"]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, b"not json"),
        ({}, b"[" * 100_000),
        ({}, b" " * (egress.EGRESS_BYTES + 1)),
        ({"Content-Encoding": "gzip"}, b"{}"),
        ({"Content-Encoding": "br"}, b"{}"),
    ],
)
async def test_what_is_no_small_plain_json_is_no_answer(host: Host, headers: dict[str, str], body: bytes) -> None:
    host.headers, host.body = headers, body
    with pytest.raises(EgressFailed):
        await get_json(host.url, loopback=True)


async def test_a_host_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(egress, "EGRESS_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(EgressFailed):
        await get_json(f"http://127.0.0.1:{silent.getsockname()[1]}/keys", loopback=True)


@pytest.mark.parametrize("answers", [["127.0.0.1"], ["10.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::ffff:127.0.0.1"]])
async def test_a_name_that_resolves_to_this_machine_reaches_nothing(
    host: Host, monkeypatch: pytest.MonkeyPatch, answers: list[str]
) -> None:
    async def resolve(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 443)) for each in answers]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    with pytest.raises(EgressFailed):
        await get_json("https://login.example.com/keys", loopback=True)
    assert host.asked == []
