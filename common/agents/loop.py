"""The agent loop: model calls, tool calls and hand-overs, under bounds that end every turn."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from common import limits
from common.agents.events import AgentChanged, Event, TextDelta, ToolFinished, ToolStarted
from common.agents.roster import TRANSFER, Agent, Roster
from common.models.catalog import Model
from common.models.completion import Completion, Message, ModelCall, Reply, ToolCall, Usage
from common.secret import Secret
from common.tools.registry import BoundTools, as_message

_OUT_OF_STEPS = (
    "I could not finish this within the limits of one answer. Ask for less at a time, or narrow the question."
)


@dataclass(frozen=True, slots=True)
class Briefing:
    """What one run of the loop starts from."""

    agent_name: str | None
    history: Sequence[Message]
    question: str
    context: str
    model: Model
    key: Secret
    temperature: float
    max_tokens: int
    tools_for: Callable[[tuple[str, ...]], BoundTools]


@dataclass(frozen=True, slots=True)
class Answered:
    """The loop's last word: the whole text, who spoke last, and what it took."""

    text: str
    agent_name: str
    usage: Usage
    model_calls: int
    tool_calls: int


@dataclass(slots=True)
class _State:
    """What has happened so far in this run."""

    agent: Agent
    exchange: list[Message] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    model_calls: int = 0
    tool_calls: int = 0
    repeats: Counter[tuple[str, str]] = field(default_factory=Counter)

    def spent(self, deadline: float) -> bool:
        """Whether a bound is reached, so that the next model call is the last one."""
        return (
            self.model_calls >= limits.MAX_STEPS - 1
            or self.tool_calls >= limits.MAX_TOOL_CALLS
            or self.usage.total_tokens >= limits.MAX_TURN_TOKENS
            or time.monotonic() >= deadline
        )


class AgentLoop:
    """Runs agents over a model. One instance serves all turns; nothing of a turn stays in it."""

    def __init__(self, roster: Roster, completion: Completion) -> None:
        self.roster = roster
        self._completion = completion

    async def run(self, briefing: Briefing) -> AsyncGenerator[Event | Answered, None]:
        """Yield what happens, then Answered. Raises the ModelError family; a failing tool is an answer to the model."""
        state = _State(self.roster.named(briefing.agent_name))
        deadline = time.monotonic() + limits.TURN_SECONDS
        while True:
            tools = briefing.tools_for(state.agent.tools)
            last = state.spent(deadline)
            reply = Reply("")
            begun = False
            async with aclosing(self._completion.stream(self._call(briefing, state, tools, last))) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Reply):
                        reply = piece
                        continue
                    if not begun and state.text:
                        state.text.append("\n\n")
                        yield TextDelta("\n\n")
                    begun = True
                    state.text.append(piece)
                    yield TextDelta(piece)
            state.usage += reply.usage
            state.model_calls += 1
            if not reply.tool_calls or last:
                break
            target = self._transfer_target(reply, state)
            if target is not None:
                state.agent = target
                yield AgentChanged(target.name)
                continue
            async for event in self._call_tools(reply, state, tools):
                yield event
        if not state.text:
            state.text.append(_OUT_OF_STEPS)
            yield TextDelta(_OUT_OF_STEPS)
        yield Answered("".join(state.text), state.agent.name, state.usage, state.model_calls, state.tool_calls)

    def _call(self, briefing: Briefing, state: _State, tools: BoundTools, last: bool) -> ModelCall:
        schemas = [tool.schema() for tool in tools.tools]
        if self.roster.may_transfer(state.agent):
            schemas.append(self.roster.transfer_schema(state.agent))
        # Stable parts first: providers cache the longest common prefix.
        messages: list[Message] = [
            {"role": "system", "content": f"{state.agent.prompt}\n\n{briefing.context}"},
            *briefing.history,
            {"role": "user", "content": briefing.question},
            *state.exchange,
        ]
        return ModelCall(
            model=briefing.model,
            key=briefing.key,
            messages=messages,
            tools=schemas,
            may_call_tools=not last,
            temperature=briefing.temperature,
            max_tokens=briefing.max_tokens,
        )

    def _transfer_target(self, reply: Reply, state: _State) -> Agent | None:
        """The agent that the reply hands over to; None where it does not, or names nobody else."""
        for call in reply.tool_calls:
            if call.name != TRANSFER:
                continue
            try:
                name = json.loads(call.arguments)["agent_name"]
            except (ValueError, KeyError, TypeError):
                continue
            target = next((agent for agent in self.roster.specialists if agent.name == name), None)
            if target is not None and target is not state.agent:
                return target
        return None

    async def _call_tools(
        self, reply: Reply, state: _State, tools: BoundTools
    ) -> AsyncIterator[ToolStarted | ToolFinished]:
        """Run the calls of one step at the same time, and put them and their results into the exchange, in order."""
        state.exchange.append(_asking(reply))
        running: list[asyncio.Task[ToolFinished]] = []
        for call in reply.tool_calls:
            yield ToolStarted(call.call_id, state.agent.name, call.name, call.arguments)
            state.tool_calls += 1
            state.repeats[(call.name, call.arguments)] += 1
            running.append(asyncio.create_task(self._finish(call, state.agent.name, tools, _refusal(call, state))))
        try:
            for finished in asyncio.as_completed(running):
                yield await finished
        finally:
            for task in running:
                task.cancel()
        for task in running:
            event = task.result()
            state.exchange.append({"role": "tool", "tool_call_id": event.call_id, "content": as_message(event.result)})

    async def _finish(
        self, call: ToolCall, agent_name: str, tools: BoundTools, refusal: dict[str, Any] | None
    ) -> ToolFinished:
        started = time.perf_counter()
        result = refusal or await tools.call(call.name, call.arguments, agent_name=agent_name)
        return ToolFinished(
            call_id=call.call_id,
            agent_name=agent_name,
            tool_name=call.name,
            tool_domain=tools.domain(call.name),
            arguments=call.arguments,
            result=result,
            duration_ms=round((time.perf_counter() - started) * 1000),
        )


def _asking(reply: Reply) -> Message:
    """The assistant's message that asks for the calls, in OpenAI's shape."""
    return {
        "role": "assistant",
        "content": reply.text or None,
        "tool_calls": [
            {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in reply.tool_calls
        ],
    }


def _refusal(call: ToolCall, state: _State) -> dict[str, Any] | None:
    """Why a call that was just counted is not made; None where it is."""
    if state.repeats[(call.name, call.arguments)] > limits.MAX_IDENTICAL_CALLS:
        return _error("repeated_call", "This exact call was made before. Use its result, or ask for something else.")
    if state.tool_calls > limits.MAX_TOOL_CALLS:
        return _error("too_many_calls", "No more tool calls in this answer. Answer with what you have.")
    return None


def _error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}
