"""The agent loop: model calls, tool calls and hand-overs, under bounds that end every turn."""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace

from common import limits
from common.agents import approval, asking_back, consulting
from common.agents.bounds import Bounds
from common.agents.briefing import Briefing
from common.agents.calling import CallStep, Progressed, allow_client, make_call
from common.agents.checkpoint import Checkpoint
from common.agents.events import AgentChanged, Event, TextDelta, ToolStarted
from common.agents.exchange import UNANSWERED, asked_calls, asking, newer_half
from common.agents.handing_over import hand_over
from common.agents.merging import merged
from common.agents.pausing import Continuation
from common.agents.run_state import Answered, RunState
from common.agents.toolless import TOOLLESS_PROMPT, asks_for_data, without_figures
from common.errors import ContextTooLong, ModelCannotUseTools
from common.models.completion import Completion, Message, ModelCall, Reply, ToolCall
from common.telemetry import timing
from common.telemetry.tracing import span
from common.tools.registry import BoundTools
from common.tools.result import NOT_APPROVED, as_model_message

__all__ = ["AgentLoop", "Answered", "Briefing"]


@dataclass(slots=True)
class _Step:
    """One model call: the tools it may use, whether it is the last one, and its reply once it is there."""

    tools: BoundTools
    last: bool
    reply: Reply | None = None

    def split_hand_in(self) -> bool:
        """Take the call that hands the results in out of the reply, if it has one."""
        assert self.reply is not None
        self.reply, hands_in = consulting.split_hand_in(self.reply)
        return hands_in


class AgentLoop:
    """Runs agents over a model. One instance serves all turns; nothing of a turn stays in it."""

    def __init__(self, completion: Completion) -> None:
        self._completion = completion

    def over(self, wrap: Callable[[Completion], Completion]) -> "AgentLoop":
        """The loop over the same models, asked through what ``wrap`` puts around them."""
        return AgentLoop(wrap(self._completion))

    async def run(self, briefing: Briefing) -> AsyncGenerator[Event | Checkpoint | Answered, None]:
        """Yield what happens, then Answered. Raises the ModelError family; a failing tool is an answer to the model.

        A step asks the model; its reply hands over to another agent, calls tools, or is the answer. Where the briefing
        marks steps, a Checkpoint follows the results of each one that called tools.
        """
        if not briefing.calls_tools and asks_for_data(briefing.question):
            raise ModelCannotUseTools
        state = _begun(briefing)
        async for happened in self._open(briefing, state):
            yield happened
        while not state.ended:
            step = _Step(briefing.tools_for(state.agent.tools), last=state.next_is_last())
            async with aclosing(self._ask_model(briefing, state, step)) as pieces:
                async for piece in pieces:
                    yield piece
            if step.reply is None:
                continue
            hands_in = briefing.within is not None and step.split_hand_in()
            if not step.reply.tool_calls or step.last:
                if hands_in and state.hand_in():
                    break
                if not step.last and state.ending.asks_again(step.reply, has_results=bool(state.exchange)):
                    continue
                break
            target, calling = hand_over(step.reply, state.agent, state.bounds, briefing.roster)
            if calling.tool_calls:
                state.exchange.append(asking(calling))
                async with aclosing(self._make_calls(calling.tool_calls, state, step.tools, briefing)) as events:
                    async for event in events:
                        yield event
            if hands_in and state.hand_in():
                break
            if target is not None and not state.waiting:
                state.bounds.count_hand_over(state.agent, target)
                state.agent = target
                yield AgentChanged(target.name)
            if calling.tool_calls and briefing.marks_steps and not state.ended:
                yield state.checkpoint()
        if not state.waiting and step.reply is not None and (sentence := state.close(step.reply)):
            yield sentence
        yield state.answered()

    async def _open(self, briefing: Briefing, state: RunState) -> AsyncIterator[Event | Checkpoint]:
        """Say what stands before the answer, and make the calls that a paused turn waited with.

        After a checkpoint that was done; where it is in the middle of a step, the rest of that step is made.
        """
        if briefing.checkpoint is not None:
            if state.open is not None:
                calls, tools = asked_calls(state.exchange[-1]), briefing.tools_for(state.agent.tools)
                async for happened in self._make_calls(calls, state, tools, briefing):
                    yield happened
                if briefing.marks_steps and not state.ended:
                    yield state.checkpoint()
            return
        if briefing.note:
            yield state.say(briefing.note)
        if briefing.continuation is not None:
            async for happened in self._continue(briefing, briefing.continuation, state):
                yield happened
            if briefing.marks_steps and not state.ended:
                yield state.checkpoint()

    async def _ask_model(self, briefing: Briefing, state: RunState, step: _Step) -> AsyncGenerator[TextDelta, None]:
        """Yield the text of one model call and leave its reply in the step.

        The step has no reply when the context was too long: the history is cut once, for the next step to try again.
        """
        call = self._call(briefing, state, step)
        state.bounds.count_asked()
        stream = self._completion.stream(call)
        if not briefing.calls_tools:
            stream = without_figures(stream)
        begun = False
        try:
            with _measured(call) as count:
                async with aclosing(stream) as pieces:
                    async for piece in pieces:
                        if isinstance(piece, Reply):
                            step.reply = piece
                            count(piece)
                            continue
                        yield state.say(piece, begins=not begun)
                        begun = True
        except ContextTooLong:
            if begun or state.history_cut or not state.history:
                raise
            state.history, state.history_cut = newer_half(state.history), True
            return
        step.reply = step.reply or Reply("")
        state.bounds.count_reply(step.reply.usage)

    def _call(self, briefing: Briefing, state: RunState, step: _Step) -> ModelCall:
        offers = briefing.calls_tools and (not state.ending.must_answer or briefing.model.tools_stay)
        prompt = state.agent.prompt if briefing.calls_tools else TOOLLESS_PROMPT
        # Stable parts first: providers cache the longest common prefix.
        messages: list[Message] = [
            {"role": "system", "content": f"{prompt}\n\n{briefing.context}"},
            *state.history,
            {"role": "user", "content": briefing.question},
            *state.exchange,
        ]
        if request := state.ending.request:
            messages.append({"role": "user", "content": request})
        return ModelCall(
            model=briefing.model,
            key=briefing.key,
            messages=messages,
            tools=briefing.schemas(state.agent, step.tools) if offers else (),
            may_call_tools=not step.last,
            temperature=briefing.temperature,
            max_tokens=briefing.max_tokens * state.ending.room,
            agent_name=state.agent.name if briefing.within is not None else "",
        )

    async def _continue(self, briefing: Briefing, continuation: Continuation, state: RunState) -> AsyncIterator[Event]:
        """Make the approved calls, and add the client's replies to the exchange, in order.

        What the person allowed the client's own tools to do waits for the client now.
        """
        tools = briefing.tools_for(state.agent.tools)
        state.exchange.extend(continuation.paused.exchange)
        state.bounds.tool_calls = continuation.paused.tool_calls
        for waiting in continuation.paused.waiting:
            call = waiting.call
            if waiting.kind == "client":
                content = continuation.results.get(waiting.waiting_id) or UNANSWERED
            elif waiting.kind == "question":
                said = continuation.answers.get(waiting.waiting_id)
                content = asking_back.as_result(asking_back.read_question(call), said)
            elif waiting.waiting_id in continuation.approved and briefing.is_clients(call):
                for event in allow_client(waiting, state):
                    yield event
                continue
            else:
                refusal = None if waiting.waiting_id in continuation.approved else NOT_APPROVED
                if refusal is None:
                    yield ToolStarted(waiting.waiting_id, state.agent.name, call.name, call.arguments, resumed=True)
                with timing.of_this_turn().stage("tools"):
                    finished = await make_call(call, state.agent.name, tools, refusal, approved=True)
                yield replace(finished, call_id=waiting.waiting_id)
                content = as_model_message(finished.result, shows_sql=tools.shows_sql(call.name))
            state.exchange.append({"role": "tool", "tool_call_id": call.call_id, "content": content})

    async def _make_calls(
        self, calls: Sequence[ToolCall], state: RunState, tools: BoundTools, briefing: Briefing
    ) -> AsyncGenerator[Event | Checkpoint, None]:
        """Make the calls of one step at the same time, and add their results to the exchange, in order.

        Calls that wait for the client are kept in the state. Where the briefing marks steps, a Checkpoint follows each
        finished part of the step but the last one.
        """
        step = CallStep(calls, state, tools, briefing)
        for event in step.begin():
            yield event
        with timing.of_this_turn().stage("tools"):
            async with aclosing(merged([*step.calling(), *step.consulting(self)])) as happening:
                async for happened in happening:
                    if not isinstance(happened, Progressed):
                        yield happened
                        continue
                    under_way = step.note(happened)
                    for finished in happened.events:
                        yield finished
                    if under_way and briefing.marks_steps:
                        yield state.checkpoint()
        step.end()
        changes = [each.call for each in state.waiting if each.kind == "approval"]
        if question := approval.ask(changes, of_client=any(map(briefing.is_clients, changes))):
            yield state.say(question)
        for asked in [each for each in state.waiting if each.kind == "question"]:
            yield state.say(asking_back.read_question(asked.call).text)
        for waiting in state.waiting:
            yield waiting.event(state.agent.name)


def _begun(briefing: Briefing) -> RunState:
    """The state that a run begins in: after the steps of an earlier attempt, if there were some."""
    place, within = briefing.checkpoint, briefing.within
    deadline = time.monotonic() + limits.TURN_SECONDS if within is None else within.deadline
    bounds = place.bounds.copy() if place else Bounds()
    bounds.whole = within.bounds if within else None
    if place is None:
        return RunState(briefing.roster.choose_first(briefing.agent_name), briefing.history, deadline, bounds=bounds)
    return RunState(
        agent=briefing.roster.choose_first(place.agent_name),
        history=briefing.history,
        deadline=deadline,
        exchange=list(place.exchange),
        text=[place.text] if place.text else [],
        bounds=bounds,
        open=place.open.copy() if place.open else None,
    )


@contextmanager
def _measured(call: ModelCall) -> Iterator[Callable[[Reply], None]]:
    """Time a model call for its turn and its trace; what it yields takes the reply."""
    model = call.model
    with (
        timing.of_this_turn().stage("model"),
        span("model.call", leaf=True, provider=model.provider, model_id=model.model_id) as asked,
    ):

        def count(reply: Reply) -> None:
            usage, model = reply.usage, reply.answered_by or call.model
            if reply.answered_by is not None:
                asked.set(provider=model.provider, model_id=model.model_id)
            asked.set(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens)

        yield count
