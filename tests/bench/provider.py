"""A stub that answers as each provider does: it hands over, calls a tool, then answers, at a set pace."""

import asyncio
import datetime
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson

from tests.bench.http_server import STREAM_END, STREAM_HEAD, Asked, chunk
from tests.fakes.wire_stub import BASES, FORMATS, Answer, Call

Body = dict[str, Any]
_WORDS = ("Your", "total", "spend", "for", "the", "period", "was", "twelve", "thousand", "three", "hundred", "dollars")
_PROMPT_TOKENS, _CALL_TOKENS = 900, 15


@dataclass(slots=True)
class Pace:
    """Seconds to the first token and between tokens, and how many tokens an answer has."""

    first: float = 0.0
    each: float = 0.0
    tokens: int = 60


def bases(url: str) -> dict[str, str]:
    """Where each provider's API is, on a server at this address."""
    return {provider: url + path for provider, path in BASES.items()}


class Provider:
    """Answers in the format of whom it is asked as; ``asked`` are the last requests, ``count`` all of them."""

    def __init__(self) -> None:
        self.pace = Pace()
        self.asked: list[Body] = []
        self.count = 0
        self._numbers = itertools.count()
        self._today = datetime.datetime.now(datetime.UTC).date()

    async def answer(self, name: str, asked: Asked, transport: asyncio.Transport) -> None:
        """Answer as the provider of this name."""
        body = orjson.loads(asked.body)
        self.count += 1
        self.asked = [*self.asked[-2:], body]
        called = self._called(name, body)
        model = body.get("model", "")
        if called is not None:
            frames = _frames(name, model, Answer(calls=(called,), usage=(_PROMPT_TOKENS, _CALL_TOKENS)))
            await asyncio.sleep(self.pace.first)
            transport.write(STREAM_HEAD + b"".join(frames) + STREAM_END)
        else:
            await self._speak(_spoken(name, model, self.pace.tokens), transport)

    async def _speak(self, pieces: tuple[bytes, ...], transport: asyncio.Transport) -> None:
        loop, each = asyncio.get_running_loop(), self.pace.each
        await asyncio.sleep(self.pace.first)
        transport.write(STREAM_HEAD)
        if not each:
            for piece in pieces[:-1]:
                transport.write(piece)
            transport.write(pieces[-1] + STREAM_END)
            return
        said, begun = loop.create_future(), loop.time()

        def say(number: int) -> None:
            """Say a piece, and the next one in its time: a timer costs less than a task that sleeps."""
            if transport.is_closing() or said.done():
                return
            if number == len(pieces) - 1:
                transport.write(pieces[number] + STREAM_END)
                said.set_result(None)
            else:
                transport.write(pieces[number])
                loop.call_at(begun + (number + 1) * each, say, number + 1)

        say(0)
        await said

    def _called(self, name: str, body: Body) -> Call | None:
        """The call that a model would make here; None where it answers."""
        offered, has_result = _SEEN.get(name, _seen_by_openai)(body)
        if has_result:
            return None
        if "top_consumers" in offered:
            # Other days in every call, so that no result is one that was remembered; the first ones have costs.
            last = self._today - datetime.timedelta(days=next(self._numbers) % 9000)
            first = last - datetime.timedelta(days=30)
            dates = {"start_date": first.isoformat(), "end_date": last.isoformat()}
            return Call("top_consumers", json.dumps({"dimension": "provider", **dates}), "call_top_consumers")
        if "transfer_to_agent" in offered:
            return Call("transfer_to_agent", json.dumps({"agent_name": "UsageAnalyst"}), "call_transfer_to_agent")
        return None


def provider_of(path: str) -> str | None:
    """Whose API a path belongs to; None where it is no provider's."""
    return next((name for name, base in BASES.items() if path.startswith(f"{base}/")), None)


def _seen_by_openai(body: Mapping[str, Any]) -> tuple[set[str], bool]:
    """The names of the tools that are offered, and whether a tool's result came last."""
    names = {tool["function"]["name"] for tool in body.get("tools") or ()}
    return names, body["messages"][-1]["role"] == "tool"


def _seen_by_anthropic(body: Mapping[str, Any]) -> tuple[set[str], bool]:
    last = body["messages"][-1]["content"]
    has_result = not isinstance(last, str) and any(part["type"] == "tool_result" for part in last)
    return {tool["name"] for tool in body.get("tools") or ()}, has_result


def _seen_by_gemini(body: Mapping[str, Any]) -> tuple[set[str], bool]:
    names = {each["name"] for tool in body.get("tools") or () for each in tool["function_declarations"]}
    return names, any("function_response" in part for part in body["contents"][-1]["parts"])


_SEEN = {"anthropic": _seen_by_anthropic, "gemini": _seen_by_gemini}


@cache
def _spoken(name: str, model: str, tokens: int) -> tuple[bytes, ...]:
    """An answer of so many tokens, a frame each; what comes before and after them goes with the first and the last."""
    said = " ".join(_WORDS[number % len(_WORDS)] for number in range(tokens))
    frames = _frames(name, model, Answer(said, usage=(_PROMPT_TOKENS, tokens)))
    first = next(number for number, frame in enumerate(frames) if _WORDS[0].encode() in frame)
    spoken = frames[first : first + tokens]
    return (b"".join(frames[: first + 1]), *spoken[1:], b"".join(frames[first + tokens :]))


def _frames(name: str, model: str, answer: Answer) -> list[bytes]:
    return [chunk(frame) for frame in FORMATS[name](answer, {"model": model})]
