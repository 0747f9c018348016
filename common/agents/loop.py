"""The agent loop: model calls, tool calls and hand-overs, under bounds that end every turn."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from common import limits
from common.agents.events import AgentChanged, Event, TextDelta, ToolFinished, ToolStarted
from common.agents.pausing import ClientTool, Continuation, Paused, Waiting, new_waiting
from common.agents.roster import TRANSFER, Agent, Roster
from common.errors import ContextTooLong
from common.models.catalog import Model
from common.models.completion import Completion, Message, ModelCall, Reply, ToolCall, Usage
from common.secret import Secret
from common.telemetry import timing
from common.telemetry.tracing import span
from common.tools.registry import BoundTools
from common.tools.result import as_message, as_model_message

_OUT_OF_STEPS = (
    "I could not finish this within the limits of one answer. Ask for less at a time, or narrow the question."
)


@dataclass(frozen=True, slots=True)
class Briefing:
    """What one run of the loop starts from."""

    roster: Roster
    agent_name: str | None
    history: Sequence[Message]
    question: str
    context: str
    model: Model
    key: Secret
    temperature: float
    max_tokens: int
    tools_for: Callable[[tuple[str, ...]], BoundTools]
    client_tools: tuple[ClientTool, ...] = ()
    asks_approval: bool = False
    continuation: Continuation | None = None

    def waits(self, call: ToolCall, tools: BoundTools) -> Waiting | None:
        """The call as it waits for the client; None for one that is made at once."""
        if any(tool.name == call.name for tool in self.client_tools):
            return new_waiting("client", call)
        if self.asks_approval and any(tool.writes for tool in tools.tools if tool.name == call.name):
            return new_waiting("approval", call)
        return None


@dataclass(frozen=True, slots=True)
class Answered:
    """The loop's last word: the whole text, who spoke last, what it took, and where it paused if it did."""

    text: str
    agent_name: str
    usage: Usage
    model_calls: int
    tool_calls: int
    paused: Paused | None = None


@dataclass(slots=True)
class _State:
    """What has happened so far in this run."""

    agent: Agent
    history: Sequence[Message]
    history_cut: bool = False
    exchange: list[Message] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    model_calls: int = 0
    tool_calls: int = 0
    repeats: Counter[tuple[str, str]] = field(default_factory=Counter)
    waiting: list[Waiting] = field(default_factory=list)

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

    def __init__(self, completion: Completion) -> None:
        self._completion = completion

    async def run(self, briefing: Briefing) -> AsyncGenerator[Event | Answered, None]:
        """Yield what happens, then Answered. Raises the ModelError family; a failing tool is an answer to the model."""
        state = _State(briefing.roster.named(briefing.agent_name), briefing.history)
        deadline = time.monotonic() + limits.TURN_SECONDS
        if briefing.continuation is not None:
            async for finished in self._continue(briefing, briefing.continuation, state):
                yield finished
        while True:
            tools = briefing.tools_for(state.agent.tools)
            last = state.spent(deadline)
            reply = Reply("")
            begun = False
            try:
                call = self._call(briefing, state, tools, last)
                with _measured(call) as count:
                    async with aclosing(self._completion.stream(call)) as pieces:
                        async for piece in pieces:
                            if isinstance(piece, Reply):
                                reply = piece
                                count(reply.usage)
                                continue
                            if not begun and state.text:
                                state.text.append("\n\n")
                                yield TextDelta("\n\n")
                            begun = True
                            state.text.append(piece)
                            yield TextDelta(piece)
            except ContextTooLong:
                if begun or state.history_cut or not state.history:
                    raise
                state.history, state.history_cut = _newer_half(state.history), True
                continue
            state.usage += reply.usage
            state.model_calls += 1
            if not reply.tool_calls or last:
                break
            target = _transfer_target(reply, state, briefing.roster)
            if target is not None:
                state.agent = target
                yield AgentChanged(target.name)
                continue
            async for event in self._call_tools(reply, state, tools, briefing):
                yield event
            if state.waiting:
                break
        paused = Paused(tuple(state.exchange), tuple(state.waiting), state.tool_calls) if state.waiting else None
        if not state.text and paused is None:
            state.text.append(_OUT_OF_STEPS)
            yield TextDelta(_OUT_OF_STEPS)
        yield Answered("".join(state.text), state.agent.name, state.usage, state.model_calls, state.tool_calls, paused)

    def _call(self, briefing: Briefing, state: _State, tools: BoundTools, last: bool) -> ModelCall:
        schemas = [tool.schema() for tool in tools.tools]
        schemas += [tool.schema() for tool in briefing.client_tools]
        if briefing.roster.may_transfer(state.agent):
            schemas.append(briefing.roster.transfer_schema(state.agent))
        # Stable parts first: providers cache the longest common prefix.
        messages: list[Message] = [
            {"role": "system", "content": f"{state.agent.prompt}\n\n{briefing.context}"},
            *state.history,
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

    async def _continue(
        self, briefing: Briefing, continuation: Continuation, state: _State
    ) -> AsyncIterator[ToolFinished]:
        """Make the calls that were allowed, and put what the client says to all of them into the exchange, in order."""
        tools = briefing.tools_for(state.agent.tools)
        state.exchange.extend(continuation.paused.exchange)
        state.tool_calls = continuation.paused.tool_calls
        for waiting in continuation.paused.waiting:
            call = waiting.call
            if waiting.kind == "client":
                content = continuation.results.get(waiting.waiting_id) or as_message(_UNANSWERED)
            else:
                refusal = None if waiting.waiting_id in continuation.approved else _NOT_APPROVED
                with timing.of_this_turn().stage("tools"):
                    finished = await self._finish(call, state.agent.name, tools, refusal)
                yield replace(finished, call_id=waiting.waiting_id)
                content = as_model_message(finished.result, shows_sql=tools.shows_sql(call.name))
            state.exchange.append({"role": "tool", "tool_call_id": call.call_id, "content": content})

    async def _call_tools(
        self, reply: Reply, state: _State, tools: BoundTools, briefing: Briefing
    ) -> AsyncIterator[Event]:
        """Run the calls of one step at the same time, and put them and their results into the exchange, in order.

        Calls that wait for the client are kept in the state.
        """
        state.exchange.append(_asking(reply))
        running: list[asyncio.Task[ToolFinished]] = []
        for call in reply.tool_calls:
            state.tool_calls += 1
            state.repeats[(call.name, call.arguments)] += 1
            refusal = _refusal(call, state)
            waiting = None if refusal else briefing.waits(call, tools)
            if waiting is not None:
                state.waiting.append(waiting)
                continue
            yield ToolStarted(call.call_id, state.agent.name, call.name, call.arguments)
            running.append(asyncio.create_task(self._finish(call, state.agent.name, tools, refusal)))
        try:
            with timing.of_this_turn().stage("tools"):
                for finished in asyncio.as_completed(running):
                    yield await finished
        finally:
            for task in running:
                task.cancel()
        for task in running:
            event = task.result()
            content = as_model_message(event.result, shows_sql=tools.shows_sql(event.tool_name))
            state.exchange.append({"role": "tool", "tool_call_id": event.call_id, "content": content})
        for waiting in state.waiting:
            yield waiting.event(state.agent.name)

    async def _finish(
        self, call: ToolCall, agent_name: str, tools: BoundTools, refusal: dict[str, Any] | None
    ) -> ToolFinished:
        started = time.perf_counter()
        domain = tools.domain(call.name)
        with span("tool.call", agent=agent_name, tool=call.name if domain != "unknown" else "unknown") as asked:
            result = refusal or await tools.call(call.name, call.arguments, agent_name=agent_name)
            asked.set(error_class=result["error"]["code"] if "error" in result else None)
        return ToolFinished(
            call_id=call.call_id,
            agent_name=agent_name,
            tool_name=call.name,
            tool_domain=domain,
            arguments=call.arguments,
            result=result,
            duration_ms=round((time.perf_counter() - started) * 1000),
        )


def _transfer_target(reply: Reply, state: _State, roster: Roster) -> Agent | None:
    """The agent that the reply hands over to; None where it does not, or names nobody else."""
    for call in reply.tool_calls:
        if call.name != TRANSFER:
            continue
        try:
            name = json.loads(call.arguments)["agent_name"]
        except (ValueError, KeyError, TypeError):
            continue
        target = next((agent for agent in roster.specialists if agent.name == name), None)
        if target is not None and target is not state.agent:
            return target
    return None


@contextmanager
def _measured(call: ModelCall) -> Iterator[Callable[[Usage], None]]:
    """Time a model call for its turn and its trace; what it yields takes the tokens."""
    measured = timing.of_this_turn()
    measured.model_calls += 1
    model = call.model
    with (
        measured.stage("model"),
        span("model.call", leaf=True, provider=model.provider, model_id=model.model_id) as asked,
    ):

        def count(usage: Usage) -> None:
            measured.used(usage.input_tokens, usage.output_tokens, usage.cached_tokens)
            asked.set(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens)

        yield count


def _error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


_UNANSWERED = _error("not_answered", "The client did not say what came of this call.")
_NOT_APPROVED = _error("not_approved", "The user did not allow this call. Do not make it again; say so.")


def _newer_half(history: Sequence[Message]) -> Sequence[Message]:
    """The newer half of the messages, beginning with the user's."""
    kept = list(history[(len(history) + 1) // 2 :])
    while kept and kept[0]["role"] != "user":
        kept.pop(0)
    return kept


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
