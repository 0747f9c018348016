"""One turn from the first model call to what is stored of it."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import AsyncExitStack, aclosing, suppress
from dataclasses import replace

from common import limits
from common.agents.checkpoint import Checkpoint
from common.agents.events import AgentChanged, Event, Finish, TextDelta, TurnFailed, TurnStarted
from common.agents.loop import Answered
from common.conversations.store import NOTHING_USED, Answer, Used
from common.documents import Count, Put
from common.errors import ConversationBusy, DocumentsUnavailable, RateLimited, Restarting, ServiceError
from common.metering.ledger import Ledger
from common.metering.usage_rows import turn_rows
from common.record.outbox import usage_entry
from common.secret import Secret
from common.stopping import hold
from common.telemetry.timing import Timing
from common.telemetry.tracing import NO_SPAN, Span, span
from common.transcript.conversation import Conversation
from common.transcript.message import Message, MessageStatus, citations_json, fitted, tool_calls_json, tool_results_json
from common.turn.answer_cache import keep
from common.turn.answering import AnsweringModels
from common.turn.briefing import briefing_for, offer_of
from common.turn.citing import CitedText
from common.turn.finished_record import log_finished
from common.turn.grounding import unverified_in
from common.turn.joining import finished_of, replay
from common.turn.lease import HeldLease, patiently
from common.turn.pause import pause_writes
from common.turn.prepared import PreparedTurn, TurnServices
from common.turn.progress import Progress
from common.turn.stepping import Steps
from common.turn.summarising import Summarising
from common.turn.turn import Turn

# The platform kills a process 10 s after SIGTERM.
STOP_TURN_SECONDS = 4.0

# How long a client waits for what is kept of a turn that failed; it is kept in the background then.
_KEEP_SECONDS = 3.0
_NOT_KNOWN = (
    "The session store does not answer, so it is not known whether the answer was kept. Send the message again; with "
    "the same message_id it is answered once."
)
_TAKEN_OVER = "This answer took too long, and another message of the conversation came first. Send it again."


class TurnRunner:
    """One turn, to its end: whatever happens, the lease is given back and an end is emitted."""

    def __init__(
        self,
        services: TurnServices,
        prepared: PreparedTurn,
        turn: Turn,
        timed: Timing,
        answering: AnsweringModels,
        ledger: Ledger,
        *,
        joins: bool,
    ) -> None:
        """``ledger`` counts the calls of ``answering``.

        ``joins`` says that there may be another attempt at the same message, which can be waited for.
        """
        self._services = services
        self._prepared = prepared
        self._turn = turn
        self._emit = turn.emit
        self._joins = joins
        self._timed = timed
        self._answering = answering
        self._ledger = ledger
        self._span: Span = NO_SPAN
        self._progress = Progress({tool.name for tool in services.registry.tools if tool.writes})
        self._started = time.perf_counter()
        self._finishing: asyncio.Task[None] | None = None
        self._steps = Steps(prepared, services.clock)
        self._summarising = Summarising(services, prepared, ledger)
        self._unverified: tuple[str, ...] = ()
        self._cited = CitedText(prepared, services.registry, self._progress.tools)

    async def run(self, key: Secret, stack: AsyncExitStack) -> bool:
        """Answer, store and say the end; False, with no end said, where another attempt may have answered."""
        model = self._prepared.model
        org = self._prepared.principal.org_slug
        with span("turn", org=org, provider=model.provider, model_id=model.model_id) as self._span:
            beginning = asyncio.create_task(self._begin())
            try:
                await self._run(key, stack, beginning)
            except asyncio.CancelledError:
                return await self._stopped(beginning)
            except ServiceError as error:
                if self._joins and isinstance(error, ConversationBusy):
                    return False
                await self._failed(beginning, error)
            except Exception as error:
                self._services.log.error("turn.crashed", error_class=type(error).__name__)
                await self._failed(beginning, ServiceError())
            finally:
                self._summarising.leave()
        return True

    async def _run(self, key: Secret, stack: AsyncExitStack, beginning: "asyncio.Task[HeldLease]") -> None:
        async with stack:
            if self._joins:
                # Its client may send this message again at any time: only who has the lease asks the model.
                await asyncio.shield(beginning)
            loop = self._answering.over(self._services.loop)
            # Only a message with an id can be sent again as the same one.
            briefing = briefing_for(self._services, self._prepared, key, marks_steps=self._joins)
            self._summarising.begin(self._answering.beside, len(briefing.history), beginning)
            cached = self._prepared.cached
            async with aclosing(cached.events() if cached else loop.run(briefing)) as events:
                answered = await self._follow(events, beginning)
        self._finishing = hold(self._finish(await asyncio.shield(beginning), answered))
        await asyncio.shield(self._finishing)

    async def _begin(self) -> HeldLease:
        """Store the question, while the model is already reading it."""
        prepared, store = self._prepared, self._services.store
        counted = prepared.allowed.count()
        since = time.monotonic()
        with self._timed.stage("question"):
            begun = await store.begin(
                prepared.principal,
                prepared.conversation,
                prepared.question,
                prepared.attempt_id,
                answer_id=prepared.answer_id,
                resumed=prepared.resumed,
                also=counted,
            )
        try:
            prepared.allowed.check_counted(counted)
        except RateLimited:
            await store.abandon(prepared.principal, begun)
            raise
        self._steps.count(self._ledger)
        lease = HeldLease(store, prepared.principal, begun, since, self._turn.stop)
        model = prepared.model
        self._emit(TurnStarted(begun.conversation_id, prepared.answer_id, model.provider, model.model_id, begun.title))
        first = offer_of(self._services, self._prepared).roster.choose_first(begun.last_agent)
        self._progress.agent_name = first.name
        self._emit(AgentChanged(first.name))
        for event in self._steps.say_again(first.name):
            self._tell(event)
        return lease

    def _tell(self, event: Event) -> None:
        for told in self._cited.pass_on(event):
            self._let_out(told)

    def _let_out(self, event: Event) -> None:
        self._progress.note(event)
        if isinstance(event, TextDelta):
            self._timed.said()
        self._emit(event)

    async def _follow(
        self, events: AsyncGenerator[Event | Checkpoint | Answered, None], beginning: "asyncio.Task[HeldLease]"
    ) -> Answered:
        """Pass the loop's events on; none before the question is stored."""
        async for event in events:
            # A cancelled turn still has to know whether its question was stored.
            if not beginning.done():
                await asyncio.shield(beginning)
            lease = beginning.result()
            if isinstance(event, Answered):
                for told in self._cited.rest():
                    self._let_out(told)
                return event
            if isinstance(event, Checkpoint):
                self._steps.keep(lease, event, self._progress.tools, self._ledger)
                continue
            self._tell(event)
            # Nothing more is asked of the provider until its reader has taken what there is.
            await self._turn.keep_pace()
        raise ServiceError

    async def _finish(self, lease: HeldLease, answered: Answered) -> None:
        """Store the answer and say the end: of the answer that is stored, which may be another attempt's."""
        prepared, store = self._prepared, self._services.store
        asked = [each.call.arguments for each in answered.paused.waiting] if answered.paused else ()
        answer = self._answer(answered.agent_name, self._progress.said, finish=answered.finish, asked=asked)
        answer = replace(answer, retitles=self._progress.titles(prepared.question))
        left = self._steps.last_writes(is_answered=True)

        def last(current: Conversation) -> Awaitable[Message]:
            now = self._services.clock()
            kept = keep(prepared, answer.message, self._progress.tools, now)
            also = [*left, *pause_writes(prepared, current, answered.paused, now), *kept]
            return store.finish(
                prepared.principal, current, answer, also, self._used(answered.finish, prepared.answer_id)
            )

        try:
            with self._timed.stage("answer"):
                stored = await lease.end(last)
                was, title = lease.conversation.title, answer.title_for(lease.conversation)
        except DocumentsUnavailable as error:
            raise DocumentsUnavailable(_NOT_KNOWN) from error
        if stored.content == fitted(answer.message).content:
            waiting = answered.paused.waiting if answered.paused else ()
            events = [each.event(answered.agent_name) for each in waiting]
            end = finished_of(stored, prepared.conversation.conversation_id, events)
            warning = prepared.allotment.warning(self._ledger)
            self._emit(replace(end, title=title if title != was else "", usage_warning=warning))
        else:
            await store.audit(prepared.principal, lease.conversation, answer)
            replay(self._emit, stored, prepared.conversation.conversation_id)
        self._log("ok")

    async def _stopped(self, beginning: "asyncio.Task[HeldLease]") -> bool:
        """End a turn that was stopped, as the reason asks for; False where another attempt answers it."""
        match self._turn.stopped:
            case "lost":
                return self._make_way()
            case "restart":
                await self._end_soon(beginning)
                return True
        stored, error = None, ServiceError()
        try:
            stored = await self._end_early(beginning, "cancelled", "cancelled")
            if self._finishing is None:
                self._log("cancelled")
        except ServiceError as failure:
            error = failure
            self._log(error.code)
        if not self._turn.is_over:
            # Where another request cancelled it, there is still a reader.
            conversation_id = self._prepared.conversation.conversation_id
            self._emit(finished_of(stored, conversation_id) if stored else TurnFailed(self._progress.warned(error)))
        return True

    async def _end_soon(self, beginning: "asyncio.Task[HeldLease]") -> None:
        """End with what was said stored, in the seconds that the platform gives a process."""
        with suppress(TimeoutError, ServiceError):
            async with asyncio.timeout(STOP_TURN_SECONDS):
                await self._end_early(beginning, "failed", Restarting.code)
        if not self._turn.is_over:
            self._emit(TurnFailed(self._progress.warned(Restarting())))
        self._log(Restarting.code)

    def _make_way(self) -> bool:
        """Leave the conversation to the turn that has its lease now, after this one was silent for too long."""
        self._turn.go_on()
        self._progress.stop()
        store, prepared = self._services.store, self._prepared
        hold(store.spend(self._used(ConversationBusy.code, prepared.unfinished_id).alone))
        if self._progress.tools:
            left = self._answer(self._progress.agent_name, "", "failed", prepared.unfinished_id)
            hold(store.audit(prepared.principal, prepared.conversation, left))
        if not self._joins:
            self._emit(
                TurnFailed(self._progress.warned(ConversationBusy(_TAKEN_OVER, retry_after=limits.BUSY_RETRY_SECONDS)))
            )
        self._log(ConversationBusy.code)
        return not self._joins

    async def _failed(self, beginning: "asyncio.Task[HeldLease]", error: ServiceError) -> None:
        """Give the lease back if it was taken, and say why there is no answer."""
        if self._finishing is None:
            # Where Firestore is silent, its client does not wait for what is tried until the lease runs out.
            keeping = hold(self._end_early(beginning, "failed", error.code))
            await asyncio.wait([keeping], timeout=_KEEP_SECONDS)
            storing = keeping.exception() if keeping.done() else None
            error = storing if isinstance(storing, ServiceError) else error
        self._emit(TurnFailed(self._progress.warned(error)))
        self._log(error.code)

    async def _end_early(
        self, beginning: "asyncio.Task[HeldLease]", status: MessageStatus, finish: str
    ) -> Message | None:
        """Give the lease back, with what was said, done and used so far; the message is returned if one is kept.

        An answer that is being stored is stored. ``finish`` is what the usage is filed under.
        """
        self._progress.stop()
        if self._finishing is not None:
            await asyncio.wait([self._finishing])
            return None
        try:
            lease = await asyncio.shield(beginning)
        except DocumentsUnavailable:
            hold(self._give_back(finish))
            raise
        except ServiceError:
            # The question was refused while a model was already reading it.
            await self._services.store.spend(self._used(finish, self._prepared.unfinished_id).alone)
            raise
        with self._timed.stage("answer"):
            return await lease.end(lambda current: self._keep(current, status, finish))

    async def _keep(self, conversation: Conversation, status: MessageStatus, finish: str) -> Message | None:
        """Store what there is of an answer; one that its client stopped is the answer to its message.

        One that was cancelled is an answer even without a word: asked for again, it says that it was cancelled. Half an
        answer of a model that failed is none; what was done while answering always counts.
        """
        prepared, progress, store = self._prepared, self._progress, self._services.store
        was_stopped, cancelled = self._turn.stopped is not None, self._turn.stopped == "cancelled"
        is_answer = status == "cancelled" and (cancelled or bool(progress.said))
        left = self._steps.last_writes(is_answered=is_answer, ended_by_itself=self._turn.stopped != "restart")
        if not (progress.tools or cancelled or (progress.said and was_stopped)):
            used = self._used(finish, prepared.unfinished_id)
            await store.abandon(prepared.principal, conversation, left, used)
            return None
        text = progress.said if is_answer and progress.said and not progress.tools else progress.explained
        message_id = prepared.answer_id if is_answer else prepared.unfinished_id
        answer = self._answer(progress.agent_name, text, status, message_id)
        return await store.finish(prepared.principal, conversation, answer, left, self._used(finish, message_id))

    async def _give_back(self, finish: str) -> None:
        """Give back a lease that may have been taken although Firestore did not say so."""
        prepared, store = self._prepared, self._services.store
        names = (prepared.conversation.conversation_id, prepared.attempt_id)
        used = self._used(finish, prepared.unfinished_id) if self._ledger.calls else NOTHING_USED
        until = time.monotonic() + limits.LEASE_SECONDS
        await patiently(lambda: store.give_back(prepared.principal, *names, used), until)

    def _used(self, finish: str, message_id: str) -> Used:
        """The writes that file and count what the turn used, under the message that it is stored by."""
        calls, alone = len(self._progress.tools) - self._steps.audited, self._ledger.since(self._steps.passed_on)
        passed_on = max(0, self._steps.kept - self._steps.audited)
        self._summarising.note_counted()
        whole = self._spent(finish, message_id, self._ledger, calls)
        return Used(whole, self._spent(finish, message_id, alone, calls - passed_on) if alone.calls else ())

    def _spent(self, finish: str, message_id: str, ledger: Ledger, tool_calls: int) -> list[Put | Count]:
        prepared, now = self._prepared, self._services.clock()
        names = self._progress.agent_name, finish, message_id
        ended = prepared.ended(*names, tool_calls, self._timed.bytes_billed, now)
        rows = turn_rows(ended, ledger, self._answering.model)
        return [*(usage_entry(row, now) for row in rows), *prepared.allotment.count(ledger)]

    def _answer(
        self,
        agent_name: str,
        text: str,
        status: MessageStatus = "complete",
        message_id: str | None = None,
        finish: Finish | None = None,
        asked: Sequence[str] = (),
    ) -> Answer:
        prepared = self._prepared
        tools, usage = tuple(self._progress.tools), self._ledger.usage
        self._unverified = unverified_in(self._progress.said, prepared, [each.result for each in tools], asked)
        message = Message(
            message_id=message_id or prepared.answer_id,
            role="assistant",
            content=text,
            created_at=self._services.clock(),
            sequence=prepared.question.sequence + 1,
            status=status,
            agent_name=agent_name,
            provider=self._answering.model.provider,
            model_id=self._answering.model.model_id,
            fallback_from=self._answering.fallback_from,
            tool_calls_json=tool_calls_json(tools),
            tool_results_json=tool_results_json(tools),
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            latency_ms=round((time.perf_counter() - self._started) * 1000),
            finish=finish or status,
            unverified_figures_json=json.dumps(self._unverified, ensure_ascii=False),
            citations_json=citations_json(prepared.offered.cited(text)),
            cached_at=prepared.cached.cached_at.isoformat() if prepared.cached else None,
        )
        audited = self._steps.audited
        kept = max(0, self._steps.kept - audited)
        summary = self._summarising.made
        return Answer(message, agent_name, tools[audited:], prepared.unfinished_id, kept, summary=summary)

    def _log(self, finish: str) -> None:
        model = self._answering.model
        self._span.set(finish=finish, provider=model.provider, model_id=model.model_id)
        log_finished(
            self._services.log,
            self._prepared,
            self._timed,
            self._ledger,
            agent=self._progress.agent_name,
            provider=model.provider,
            model_id=model.model_id,
            fallback_from=self._answering.fallback_from,
            finish=finish,
            tool_calls=len(self._progress.tools),
            unverified_figures=len(self._unverified),
        )
