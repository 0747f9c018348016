"""HTTP as the functions speak it: what is no request is refused as JSON, and no head of a request is without end."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from common import limits
from tests.api.conftest import free_port
from tests.listening import listening

ROOT = Path(__file__).parents[2]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope, receive)
    body = await request.body()
    answer = JSONResponse({"path": scope["path"], "body": len(body), "headers": len(request.headers)})
    await answer(scope, receive, send)


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with listening(app) as url:
        yield int(url.rpartition(":")[2])


async def said(port: int, *pieces: bytes) -> list[tuple[str, dict[str, Any]]]:
    """Every answer on one connection, in order: its head, and its body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    found = []
    try:
        async with asyncio.timeout(120):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                # Each piece arrives by itself.
                await asyncio.sleep(0.01)
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    head = (await reader.readuntil(b"\r\n\r\n")).decode()
                    length = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0])
                    found.append((head, json.loads(await reader.readexactly(length))))
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    return found


def filled(size: int) -> bytes:
    """Headers of about so many bytes, in lines as long as other servers allow."""
    return b"".join(b"x-%d: %b\r\n" % (number, b"a" * 4000) for number in range(size // 4008))


def check_refused(head: str, body: dict[str, Any]) -> None:
    assert head.startswith("HTTP/1.1 400 Bad Request\r\n")
    assert "content-type: application/json\r\n" in head
    assert "connection: close\r\n" in head
    assert (body["code"], set(body)) == ("invalid_request", {"detail", "code", "request_id"})
    assert f"x-request-id: {body['request_id']}\r\n" in head


@pytest.mark.parametrize(
    "written",
    [
        b"FOO / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
        b"GET / HTTP/1.1\r\nHost a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nx: a\x00b\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    ],
    ids=[
        "no method", "a method in small letters", "no address", "TLS", "no colon", "a zero", "not ASCII",
        "a length below zero", "two lengths", "a length and chunks", "an encoding after the chunks",
    ],
)  # fmt: skip
async def test_what_is_no_request_is_refused_as_json(port: int, written: bytes) -> None:
    ((head, body),) = await said(port, written)
    check_refused(head, body)


@pytest.mark.parametrize("begun", [b"GET / HTTP/1.1\r\nHost: a\r\n", b"GET /a"], ids=["headers", "an address"])
async def test_a_head_without_end_is_refused_at_its_bound(port: int, begun: bytes) -> None:
    more = filled(limits.MAX_HEAD_BYTES + 4_000) if begun.endswith(b"\r\n") else b"a" * (limits.MAX_HEAD_BYTES + 4_000)
    halves = more[: limits.MAX_HEAD_BYTES // 2], more[limits.MAX_HEAD_BYTES // 2 :]
    ((head, body),) = await said(port, begun, *halves)
    check_refused(head, body)
    assert "64 KiB" in body["detail"]


async def test_each_request_of_a_connection_has_the_whole_bound_and_a_body_has_none(port: int) -> None:
    large = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n%b\r\n" % filled(40_000)
    body = b"b" * 200_000
    last = b"GET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%b\r\n" % filled(40_000)
    # By itself, in pieces, and with the request behind it.
    answers = await said(
        port, large + body, large, body[:150_000], body[150_000:] + large[:20_000],
        large[20_000:] + body + last[:9_000],
        last[9_000:],
    )  # fmt: skip
    assert [head.split(" ")[1] for head, _ in answers] == ["200", "200", "200", "200"]
    assert [each["body"] for _, each in answers] == [200_000, 200_000, 200_000, 0]
    assert [each["path"] for _, each in answers] == ["/a", "/a", "/a", "/b"]


async def test_garbage_behind_a_request_takes_nothing_from_it(port: int) -> None:
    (first, *_) = await said(port, b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n", b"\x00\x01\r\n\r\n")
    assert first[1]["path"] == "/a"


async def test_a_function_of_the_framework_answers_so() -> None:
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "functions_framework",
        "--target",
        "health",
        "--source",
        "functions/health/main.py",
    ]
    environment = os.environ | {"GCP_PROJECT_ID": "a-project", "ENVIRONMENT": "test", "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen(  # noqa: ASYNC220  it is waited for below
        [*command, "--host", "127.0.0.1", "--port", str(port)], cwd=ROOT, env=environment
    )
    try:
        async with asyncio.timeout(240):
            while True:
                assert child.poll() is None
                with suppress(OSError):
                    ((head, body),) = await said(port, b"FOO / HTTP/1.1\r\nHost: a\r\n\r\n")
                    break
                await asyncio.sleep(0.05)
        check_refused(head, body)
    finally:
        child.terminate()
        child.wait(120)
