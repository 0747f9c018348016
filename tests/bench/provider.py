"""A provider that speaks OpenAI's chat completions: it hands over, calls a tool, then answers, at a set pace."""

import asyncio
import datetime
import itertools
import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.bench.http_server import STREAM_END, STREAM_HEAD, Asked, chunk, plain

Body = dict[str, Any]
_WORDS = ("Your", "total", "spend", "for", "the", "period", "was", "twelve", "thousand", "three", "hundred", "dollars")


@dataclass(slots=True)
class Pace:
    """Seconds to the first token and between tokens, and how many tokens an answer has."""

    first: float = 0.0
    each: float = 0.0
    tokens: int = 60


class Provider:
    """Answers chat completions, streamed or whole; ``asked`` are the last requests, ``count`` all of them."""

    def __init__(self) -> None:
        self.pace = Pace()
        self.asked: list[Body] = []
        self.count = 0
        self._numbers = itertools.count()
        self._today = datetime.datetime.now(datetime.UTC).date()

    async def answer(self, asked: Asked, transport: asyncio.Transport) -> None:
        body = json.loads(asked.body)
        self.count += 1
        self.asked = [*self.asked[-2:], body]
        called = self._called(body)
        if not body.get("stream"):
            spoken = 0 if called else self.pace.tokens
            await asyncio.sleep(self.pace.first + spoken * self.pace.each)
            transport.write(plain(_whole(body["model"], called, self.pace.tokens)))
        elif called:
            await asyncio.sleep(self.pace.first)
            transport.write(STREAM_HEAD + _call_chunks(body["model"], *called) + STREAM_END)
        else:
            await self._speak(body["model"], transport)

    async def _speak(self, model: str, transport: asyncio.Transport) -> None:
        pieces = _text_chunks(model, self.pace.tokens)
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self.pace.first)
        begun = loop.time()
        transport.write(STREAM_HEAD)
        for number, piece in enumerate(pieces[:-1]):
            if (wait := begun + number * self.pace.each - loop.time()) > 0:
                await asyncio.sleep(wait)
            transport.write(piece)
        transport.write(pieces[-1] + STREAM_END)

    def _called(self, body: Body) -> tuple[str, str] | None:
        """The name and arguments of the call that a model would make here; None where it answers."""
        offered = {tool["function"]["name"] for tool in body.get("tools") or ()}
        if body["messages"][-1]["role"] == "tool":
            return None
        if "top_consumers" in offered:
            # Other days in every call, so that no result is one that was remembered; the first ones have costs.
            last = self._today - datetime.timedelta(days=next(self._numbers) % 9000)
            first = last - datetime.timedelta(days=30)
            return "top_consumers", json.dumps(
                {"dimension": "provider", "start_date": first.isoformat(), "end_date": last.isoformat()}
            )
        if "transfer_to_agent" in offered:
            return "transfer_to_agent", json.dumps({"agent_name": "UsageAnalyst"})
        return None


def _usage(tokens: int) -> Body:
    return {"prompt_tokens": 900, "completion_tokens": tokens, "total_tokens": 900 + tokens}


def _event(model: str, choices: list[Body], **more: Any) -> bytes:
    envelope = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model}
    return chunk(b"data: " + json.dumps(envelope | {"choices": choices} | more).encode() + b"\n\n")


def _delta(model: str, delta: Body, finish: str | None = None) -> bytes:
    return _event(model, [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}])


def _ending(model: str, finish: str, tokens: int) -> bytes:
    return _delta(model, {}, finish) + _event(model, [], usage=_usage(tokens)) + chunk(b"data: [DONE]\n\n")


@cache
def _text_chunks(model: str, tokens: int) -> tuple[bytes, ...]:
    said = [_delta(model, {"content": f"{_WORDS[number % len(_WORDS)]} "}) for number in range(tokens)]
    said[0] = _delta(model, {"role": "assistant", "content": ""}) + said[0]
    return (*said, _ending(model, "stop", tokens))


def _call_chunks(model: str, name: str, arguments: str) -> bytes:
    start = {"index": 0, "id": f"call_{name}", "type": "function", "function": {"name": name, "arguments": ""}}
    return (
        _delta(model, {"role": "assistant", "content": None, "tool_calls": [start]})
        + _delta(model, {"tool_calls": [{"index": 0, "function": {"arguments": arguments}}]})
        + _ending(model, "tool_calls", 15)
    )


def _whole(model: str, called: tuple[str, str] | None, tokens: int) -> Body:
    message: Body = {"role": "assistant", "content": None}
    if called:
        function = {"name": called[0], "arguments": called[1]}
        message["tool_calls"] = [{"id": f"call_{called[0]}", "type": "function", "function": function}]
    else:
        message["content"] = "".join(f"{_WORDS[number % len(_WORDS)]} " for number in range(tokens))
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if called else "stop"}
    envelope = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": model}
    return envelope | {"choices": [choice], "usage": _usage(15 if called else tokens)}
