"""A model that says what a test tells it to, step by step, and keeps every call it was given."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from common.models.completion import ModelCall, Reply, ToolCall, Usage

Step = Reply | Exception | Callable[[ModelCall], Reply]


@dataclass
class ScriptedModel:
    """Plays ``steps`` in order; the last one again when they run out. ``gate`` holds every answer until it is set."""

    steps: Sequence[Step]
    calls: list[ModelCall] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    open_streams: int = 0
    gate: asyncio.Event | None = None

    async def stream(self, call: ModelCall) -> AsyncGenerator[str | Reply, None]:
        step = self.steps[min(len(self.calls), len(self.steps) - 1)]
        self.calls.append(call)
        self.keys.append(call.key.reveal())
        self.open_streams += 1
        try:
            if self.gate is not None:
                await self.gate.wait()
            if isinstance(step, Exception):
                raise step
            reply = step if isinstance(step, Reply) else step(call)
            for word in reply.text.split(" ") if reply.text else ():
                yield f"{word} "
            yield reply
        finally:
            self.open_streams -= 1


def say(text: str) -> Reply:
    """An answer in text."""
    return Reply(text, usage=Usage(10, 5))


def call_tool(name: str, call_id: str = "call_1", /, **arguments: Any) -> Reply:
    """An answer that asks for one tool call."""
    return Reply("", (ToolCall(call_id, name, json.dumps(arguments)),), Usage(10, 5), "tool_calls")


def transfer(agent_name: str) -> Reply:
    """An answer that hands over to an agent."""
    return call_tool("transfer_to_agent", agent_name=agent_name)
