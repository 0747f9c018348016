"""The calls of one step: tools and specialists at the same time, each of them finished once."""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from common import limits
from common.agents import asking_back, consulting
from common.agents.asking_back import ASK_USER
from common.agents.briefing import Briefing
from common.agents.checkpoint import Checkpoint, Consulted, OpenStep
from common.agents.consulting import CONSULT, Question
from common.agents.events import Event, ToolFinished, ToolStarted
from common.agents.pausing import Waiting, new_waiting
from common.agents.run_state import Answered, RunState
from common.errors import ProviderTimeout, ServiceError
from common.models.call import ToolCall
from common.telemetry.tracing import span
from common.tools.registry import BoundTools
from common.tools.result import as_model_message, error_envelope


class Runs(Protocol):
    """The loop, as far as a step needs it for its specialists."""

    def run(self, briefing: Briefing) -> AsyncGenerator[Event | Checkpoint | Answered, None]: ...


@dataclass(frozen=True, slots=True)
class Progressed:
    """A part of a step is finished: the result of a call, or what a specialist has reached.

    ``events`` tell of it. They are no items of their own, so that no checkpoint comes between them and what they mean.
    """

    events: tuple[ToolFinished, ...] = ()
    call: int = -1
    result: str = ""
    consultation: str = ""
    reached: Consulted | None = None


Happened = Event | Progressed


@dataclass(frozen=True, slots=True)
class _Consultation:
    """One question of one call, by its name in the step."""

    name: str
    call_id: str
    question: Question


@dataclass(slots=True)
class CallStep:
    """The calls of one reply. What an earlier attempt has finished of them, as the state's open step says, stays so."""

    calls: Sequence[ToolCall]
    state: RunState
    tools: BoundTools
    briefing: Briefing
    _own: dict[int, dict[str, Any] | None] = field(default_factory=dict)
    _asked: dict[int, list[_Consultation]] = field(default_factory=dict)
    _made: bool = False

    def begin(self) -> Iterator[ToolStarted]:
        """Count and check the calls, and tell of those that are now made; those that wait go into the state."""
        state, resumes = self.state, self.state.open is not None
        state.open = state.open or OpenStep()
        for number, call in enumerate(self.calls):
            if number in state.open.results:
                continue
            if not resumes:
                state.bounds.count_call(call)
            refusal = state.refusal(call, self.briefing.roster)
            if call.name == CONSULT and refusal is None and self.briefing.within is None:
                questions = self._questions(call, resumes=resumes)
                if not isinstance(questions, dict):
                    yield from self._ask(number, call, questions)
                    continue
                refusal = questions
            waiting, refusal = self._waiting(call, refusal)
            if waiting is not None:
                state.waiting.append(waiting)
                continue
            self._made = self._made or refusal is None
            self._own[number] = refusal
            yield ToolStarted(call.call_id, state.agent.name, call.name, call.arguments)

    def _waiting(self, call: ToolCall, refusal: dict[str, Any] | None) -> tuple[Waiting | None, dict[str, Any] | None]:
        """The call as it waits, or why it neither waits nor is made. A question to the user waits alone."""
        refusal = refusal or self.tools.refusal_of_change(call.name, call.arguments)
        asks = call.name == ASK_USER and self.briefing.within is None
        if asks and refusal is None:
            refusal = asking_back.refusal_of(call, self.calls, self.state.exchange)
        waiting = None if refusal else self.briefing.waits(call, self.tools)
        if waiting is not None and not asks and any(each.name == ASK_USER for each in self.calls):
            return None, error_envelope("asked_first", "The user is asked first. Make this call after the answer.")
        return waiting, refusal

    def calling(self) -> Iterator[AsyncGenerator[Happened, None]]:
        """The tools at work, each a stream of its own."""
        return (self._call(number, refusal) for number, refusal in self._own.items())

    def consulting(self, loop: Runs) -> Iterator[AsyncGenerator[Happened, None]]:
        """The specialists at work, each a stream of its own."""
        waiting = (each for asked in self._asked.values() for each in asked if not self._is_answered(each))
        return (self._consult(loop, each) for each in waiting)

    def note(self, happened: Progressed) -> bool:
        """Note what is finished; true where something of the step is still under way."""
        opened = self._opened
        if happened.reached is not None:
            opened.consulted[happened.consultation] = happened.reached
        else:
            opened.results[happened.call] = happened.result
        for number, asked in self._asked.items():
            if number not in opened.results and all(map(self._is_answered, asked)):
                answers = [opened.consulted[each.name].answer or {} for each in asked]
                opened.results[number] = consulting.as_result(answers)
        return any(number not in opened.results for number in (*self._own, *self._asked))

    def end(self) -> None:
        """Add the results to the exchange."""
        results = self._opened.results
        for number in sorted(results):
            message = {"role": "tool", "tool_call_id": self.calls[number].call_id, "content": results[number]}
            self.state.exchange.append(message)
        if self._made:
            self.state.bounds.asked.clear()
        self.state.open = None

    @property
    def _opened(self) -> OpenStep:
        assert self.state.open is not None
        return self.state.open

    def _is_answered(self, asked: _Consultation) -> bool:
        reached = self._opened.consulted.get(asked.name)
        return reached is not None and reached.answer is not None

    def _questions(self, call: ToolCall, *, resumes: bool) -> Sequence[Question] | dict[str, Any]:
        questions = consulting.read_questions(call, self.briefing.roster)
        if isinstance(questions, dict) or resumes:
            return questions
        return self.state.bounds.count_consultations(len(questions)) or questions

    def _ask(self, number: int, call: ToolCall, questions: Sequence[Question]) -> Iterator[ToolStarted]:
        self._made = True
        self._asked[number] = [
            _Consultation(f"{number}.{index}", f"{call.call_id}.{index}", question)
            for index, question in enumerate(questions, 1)
        ]
        for each in self._asked[number]:
            if not self._is_answered(each):
                yield ToolStarted(each.call_id, self.state.agent.name, CONSULT, each.question.arguments)

    async def _call(self, number: int, refusal: dict[str, Any] | None) -> AsyncGenerator[Happened, None]:
        call = self.calls[number]
        finished = await make_call(call, self.state.agent.name, self.tools, refusal)
        content = as_model_message(finished.result, shows_sql=self.tools.shows_sql(call.name))
        yield Progressed((finished,), number, content)

    async def _consult(self, loop: Runs, asked: _Consultation) -> AsyncGenerator[Happened, None]:
        """Let a specialist answer its question. Whatever fails there fails there alone."""
        started, question, held = time.perf_counter(), asked.question, list[ToolFinished]()
        agent = self.briefing.roster.agents[question.agent_name]
        kept = self._opened.consulted.get(asked.name)
        briefing = self.briefing.consultation(agent, question.question, self.state, kept.place if kept else None)
        try:
            async with aclosing(loop.run(briefing)) as run:
                async for happened in _until(run, time.monotonic() + limits.CONSULT_SECONDS):
                    if isinstance(happened, Answered):
                        missing = happened.bound or (None if happened.finish == "stop" else happened.finish)
                        answer = consulting.answered(question, happened.text, missing, happened.results)
                    elif isinstance(happened, Checkpoint):
                        yield Progressed(tuple(held), consultation=asked.name, reached=Consulted(happened))
                        held.clear()
                    elif isinstance(happened, ToolStarted):
                        yield replace(happened, call_id=f"{asked.call_id}.{happened.call_id}")
                    elif isinstance(happened, ToolFinished):
                        told = replace(happened, call_id=f"{asked.call_id}.{happened.call_id}")
                        if self.briefing.marks_steps:
                            held.append(told)
                        else:
                            yield told
            # The answer itself is the asker's: no figure of it counts as data.
            result = {"service": agent.name, "duration_ms": _since(started)}
        except ServiceError as error:
            result = error_envelope(error.code, error.detail)
            answer = consulting.failed(question, result)
        names = (asked.call_id, self.state.agent.name, CONSULT, "agents", question.arguments)
        events = (*held, ToolFinished(*names, result, _since(started)))
        yield Progressed(events, consultation=asked.name, reached=Consulted(answer=answer))


async def make_call(
    call: ToolCall, agent_name: str, tools: BoundTools, refusal: dict[str, Any] | None, *, approved: bool = False
) -> ToolFinished:
    """Make one call of a tool, or answer it with the refusal."""
    started = time.perf_counter()
    domain = tools.domain(call.name)
    with span("tool.call", agent=agent_name, tool=call.name if domain != "unknown" else "unknown") as asked:
        result = refusal or await tools.call(call.name, call.arguments, agent_name=agent_name, approved=approved)
        asked.set(error_class=result["error"]["code"] if "error" in result else None)
    return ToolFinished(
        call_id=call.call_id,
        agent_name=agent_name,
        tool_name=call.name,
        tool_domain=domain,
        arguments=call.arguments,
        result=result,
        duration_ms=_since(started),
    )


def allow_client(allowed: Waiting, state: RunState) -> tuple[Event, ...]:
    """Let the client run a call of its own tools that the person has allowed, under an id of its own."""
    call, own = allowed.call, new_waiting("client", allowed.call)
    state.waiting.append(own)
    names = (allowed.waiting_id, state.agent.name, call.name, "client", call.arguments)
    return ToolFinished(*names, {"service": "client", "duration_ms": 0}, 0), own.event(state.agent.name)


async def _until(
    run: AsyncGenerator[Event | Checkpoint | Answered, None], deadline: float
) -> AsyncGenerator[Event | Checkpoint | Answered, None]:
    """Yield what a run yields. Raises ProviderTimeout at the deadline, monotonic."""
    while True:
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                happened = await anext(run)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise ProviderTimeout from None
        yield happened


def _since(started: float) -> int:
    return round((time.perf_counter() - started) * 1000)
