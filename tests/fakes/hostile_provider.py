"""A provider, or a gateway before one, that means harm: what it sends has no end, no sense or no measure.

``POST /mode/NAME`` says how it answers from then on; any other path is a provider's, as the wire stub has them.
"""

import asyncio
import itertools
import json
import os
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from tests.fakes.wire_stub import candidates, chunks

_STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n"
_WORDS = "spent " * 500
_BLOCK = 64 * 1024
_DRIP_SECONDS = 0.05
Send = Iterator[bytes]


def _text(provider: str, text: str, *, thought: bool = False) -> bytes:
    if provider == "anthropic":
        kind = ("thinking_delta", "thinking") if thought else ("text_delta", "text")
        return _anthropic({"type": "content_block_delta", "index": 0, "delta": {"type": kind[0], kind[1]: text}})
    if provider == "gemini":
        part = {"text": text, **({"thought": True} if thought else {})}
        return candidates({"content": {"role": "model", "parts": [part]}})[0]
    return chunks({"reasoning_content" if thought else "content": text}, finish=None)[0]


def _begin(provider: str, block: Mapping[str, Any] | None = None) -> bytes:
    """What stands before the first word."""
    if provider != "anthropic":
        return b""
    message = {"id": "m", "type": "message", "role": "assistant", "content": [], "model": "m", "usage": {}}
    start = _anthropic({"type": "message_start", "message": message})
    block = block or {"type": "text", "text": ""}
    return start + _anthropic({"type": "content_block_start", "index": 0, "content_block": block})


def _call(provider: str, number: int, arguments: str) -> bytes:
    if provider == "anthropic":
        block = {"type": "tool_use", "id": f"call_{number}", "name": "query_costs", "input": {}}
        delta = {"type": "input_json_delta", "partial_json": arguments}
        events = (
            {"type": "content_block_start", "index": number, "content_block": block},
            {"type": "content_block_delta", "index": number, "delta": delta},
        )
        return b"".join(map(_anthropic, events))
    if provider == "gemini":
        call = {"functionCall": {"name": "query_costs", "args": json.loads(arguments)}}
        return candidates({"content": {"role": "model", "parts": [call]}})[0]
    function = {"name": "query_costs", "arguments": arguments}
    piece = {"index": number, "id": f"call_{number}", "type": "function", "function": function}
    return chunks({"tool_calls": [piece]}, finish=None)[0]


def _more(provider: str, arguments: str) -> bytes:
    """A further piece of the arguments of the first call."""
    if provider == "anthropic":
        delta = {"type": "input_json_delta", "partial_json": arguments}
        return _anthropic({"type": "content_block_delta", "index": 0, "delta": delta})
    if provider == "gemini":
        return _call(provider, 0, json.dumps({"group_by": arguments}))
    return chunks({"tool_calls": [{"index": 0, "function": {"arguments": arguments}}]}, finish=None)[0]


def _anthropic(event: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def _endless(before: bytes, piece: bytes) -> Send:
    yield _STREAM + b"\r\n" + before
    # As much in one go as a network would carry.
    yield from itertools.repeat(piece * max(1, _BLOCK // len(piece)))


def _arguments(provider: str) -> Send:
    if provider == "gemini":
        # It sends its calls whole.
        return _endless(b"", _more(provider, "x" * 50_000))
    before = _begin(provider) + _call(provider, 0, '{"group_by": "')
    return _endless(before, _more(provider, "x" * 1000))


def _calls(provider: str) -> Send:
    yield _STREAM + b"\r\n" + _begin(provider)
    for number in itertools.count():
        yield _call(provider, number, json.dumps({"group_by": "provider", "limit": number + 1}))


def _bomb(_: str) -> Send:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    yield _STREAM + b"content-encoding: gzip\r\n\r\n"
    while True:
        yield packer.compress(b"a" * 1024**2)


def _refusing(_: str) -> Send:
    yield b"HTTP/1.1 400 No\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n"
    yield from itertools.repeat(b"no " * 10_000)


def _whole(_: str) -> Send:
    yield b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n"
    yield b'{"choices": [{"message": {"content": "'
    yield from itertools.repeat(b"a" * _BLOCK)


def _nested(provider: str) -> Send:
    yield _STREAM + b"\r\n" + _begin(provider)
    yield b'data: {"choices": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n\n"


def _redirect(_: str) -> Send:
    yield b"HTTP/1.1 307 Elsewhere\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n"


def _headers(_: str) -> Send:
    yield b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
    yield from (b"x-more-%d: %s\r\n" % (number, b"y" * 4000) for number in itertools.count())


def _header(_: str) -> Send:
    yield b"HTTP/1.1 200 OK\r\nx-long: "
    yield from itertools.repeat(b"y" * _BLOCK)


def _drip(_: str) -> Send:
    yield _STREAM + b"\r\n"
    yield from itertools.repeat(b"d")


def _continue(_: str) -> Send:
    yield from itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


MODES: dict[str, Callable[[str], Send]] = {
    "text": lambda provider: _endless(_begin(provider), _text(provider, _WORDS)),
    "small_text": lambda provider: _endless(_begin(provider), _text(provider, "ab")),
    "thoughts": lambda provider: _endless(
        _begin(provider, {"type": "thinking", "thinking": "", "signature": ""}), _text(provider, _WORDS, thought=True)
    ),
    "line": lambda provider: _endless(_begin(provider) + b"data: {", b"a" * _BLOCK),
    "comment": lambda provider: _endless(_begin(provider) + b": ", b"a" * _BLOCK),
    "data_lines": lambda provider: _endless(_begin(provider), b"data: a\n" * 1000),
    "arguments": _arguments,
    "calls": _calls,
    "garbage": lambda _: _endless(b"", bytes(range(256)) * 256),
    "pings": lambda provider: _endless(_begin(provider), b": ping\n\n" * 1000),
    "drip": _drip,
    "bomb": _bomb,
    "refusing": _refusing,
    "whole": _whole,
    "nested": _nested,
    "redirect": _redirect,
    "headers": _headers,
    "header": _header,
    "continue": _continue,
}


class HostileProvider:
    """Answers every request by its mode; ``seen`` are the paths of the requests, ``left`` how many were hung up on."""

    def __init__(self) -> None:
        self.mode = "text"
        self.seen: list[str] = []
        self.left = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode()
            lines = head.lower().split(b"\r\n")
            await reader.readexactly(sum(int(line[15:]) for line in lines if line.startswith(b"content-length:")))
            if path.startswith("/mode/"):
                self.mode = path[6:]
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            else:
                self.seen.append(path)
                await self._send(MODES[self.mode](path.split("/")[1]), writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.left += 1
        finally:
            writer.close()

    async def _send(self, pieces: Send, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(_DRIP_SECONDS if self.mode == "drip" else 0)


@asynccontextmanager
async def hostile_provider() -> AsyncIterator[tuple[HostileProvider, str]]:
    """The provider and its address, on a port of its own."""
    provider = HostileProvider()
    server = await asyncio.start_server(provider.handle, "127.0.0.1", 0)
    try:
        yield provider, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@contextmanager
def process() -> Iterator[str]:
    """The address of the provider in a process of its own."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.hostile_provider"],
        cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        yield child.stdout.readline().strip()
    finally:
        child.stdin.close()
        child.wait(120)
        child.stdout.close()


async def _serve() -> None:
    """Serve until the standard input ends."""
    async with hostile_provider() as (_, url):
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)
        # What still runs has no end.
        os._exit(0)


if __name__ == "__main__":
    asyncio.run(_serve())
