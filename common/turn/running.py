"""One turn from the first model call to what is stored of it."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from common import limits
from common.agents.context import system_context
from common.agents.events import (
    AgentChanged,
    Event,
    Finish,
    TextDelta,
    ToolFinished,
    TurnFailed,
    TurnFinished,
    TurnStarted,
)
from common.agents.loop import AgentLoop, Answered, Briefing
from common.agents.pausing import Continuation
from common.agents.roster import Roster
from common.conversations.lookup import ConversationLookup
from common.conversations.paused_turn import Pending
from common.conversations.store import Answer, ConversationStore
from common.documents import Documents, Write
from common.errors import ConversationBusy, RateLimited, ServiceError
from common.identity.authenticate import Authenticator
from common.metering.rate_limits import Allowance, RateLimits
from common.models.catalog import Model
from common.models.completion import Usage
from common.organizations.directory import ChatSettings, Credential, Organization
from common.organizations.provider_key import ProviderKeys
from common.organizations.serving import Served, calls_tools
from common.record.reader import Record
from common.secret import Secret
from common.settings import Settings
from common.telemetry.log import Log
from common.telemetry.timing import Timing
from common.telemetry.tracing import NO_SPAN, Span, span
from common.tenant import Principal
from common.tools.context import Resources, ToolContext
from common.tools.registry import BoundTools, Registry
from common.transcript import conversation as records
from common.transcript.conversation import Conversation, Message
from common.transcript.window import for_model
from common.turn.admission import Admission
from common.turn.answering import AnsweringModels
from common.turn.client_features import NO_FEATURES, ClientFeatures


@dataclass(frozen=True, slots=True)
class TurnServices:
    """What a turn is made with; one instance serves all organisations, and nothing of a turn stays in it."""

    settings: Settings
    authenticator: Authenticator
    provider_keys: ProviderKeys
    rate_limits: RateLimits
    store: ConversationStore
    documents: Documents
    lookup: ConversationLookup
    record: Record
    registry: Registry
    tool_resources: Resources
    roster: Roster
    admission: Admission
    loop: AgentLoop
    log: Log
    clock: Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class PreparedTurn:
    """What an authorised turn runs with; ``resumed`` says that the question is stored already."""

    principal: Principal
    organization: Organization
    settings: ChatSettings
    credential: Credential | None
    fallback: tuple[Served, ...]
    allowed: Allowance
    model: Model
    conversation: Conversation
    question: Message
    answer_id: str
    resumed: bool
    features: ClientFeatures = NO_FEATURES
    pending: Pending | None = None

    @property
    def goes_on_from(self) -> Continuation | None:
        """What the loop goes on from, where the turn paused before."""
        if self.pending is None or self.features.reply is None:
            return None
        return Continuation(self.pending.paused, self.features.reply.results, self.features.reply.approved)

    @property
    def exchange_ids(self) -> set[str]:
        """The messages that are no history yet: the question, and what was answered to it before a pause."""
        return {self.question.message_id, *(self.pending.answer_ids if self.pending else ())}


@dataclass(slots=True)
class _Progress:
    """What has been said and done so far, for storing."""

    text: list[str] = field(default_factory=list)
    tools: list[ToolFinished] = field(default_factory=list)
    agent_name: str = ""

    def note(self, event: Event) -> None:
        match event:
            case TextDelta(text=text):
                self.text.append(text)
            case ToolFinished():
                self.tools.append(event)
            case AgentChanged(agent_name=name):
                self.agent_name = name


class TurnRunner:
    """One turn, to its end: whatever happens, the lease is given back and an end is emitted."""

    def __init__(
        self,
        services: TurnServices,
        prepared: PreparedTurn,
        emit: Callable[[Event], None],
        join: Callable[[], Awaitable[None]] | None,
        timed: Timing,
        answering: AnsweringModels,
    ) -> None:
        """``join`` waits for another attempt at the same message, where there may be one."""
        self._services = services
        self._prepared = prepared
        self._emit = emit
        self._join = join
        self._timed = timed
        self._answering = answering
        self._span: Span = NO_SPAN
        self._progress = _Progress()
        self._started = time.perf_counter()

    async def run(self, key: Secret, stack: AsyncExitStack) -> None:
        """Answer, store and say the end."""
        model = self._prepared.model
        org = self._prepared.principal.org_slug
        with span("turn", org=org, provider=model.provider, model_id=model.model_id) as self._span:
            await self._run(key, stack)

    async def _run(self, key: Secret, stack: AsyncExitStack) -> None:
        beginning = asyncio.create_task(self._begin())
        try:
            async with stack:
                if self._join is not None:
                    # Its client may send this message again at any time: only who has the lease asks the model.
                    await asyncio.shield(beginning)
                async with aclosing(self._answering.over(self._services.loop).run(self._briefing(key))) as events:
                    answered = await self._follow(events, beginning)
            await self._finish(await asyncio.shield(beginning), answered)
        except asyncio.CancelledError:
            await self._cancelled(beginning)
            raise
        except ServiceError as error:
            if self._join is not None and isinstance(error, ConversationBusy):
                await self._join()
            else:
                await self._failed(beginning, error)
        except Exception as error:
            self._services.log.error("turn.crashed", error_class=type(error).__name__)
            await self._failed(beginning, ServiceError())

    async def _begin(self) -> Conversation:
        """Store the question, while the model is already reading it."""
        prepared = self._prepared
        counted = prepared.allowed.count_message()
        with self._timed.stage("question"):
            begun = await self._services.store.begin(
                prepared.principal, prepared.conversation, prepared.question, resumed=prepared.resumed, also=counted
            )
        try:
            prepared.allowed.check_counted(counted)
        except RateLimited:
            await self._services.store.abandon(prepared.principal, begun)
            raise
        model = prepared.model
        self._emit(TurnStarted(begun.conversation_id, prepared.answer_id, model.provider, model.model_id, begun.title))
        first = self._services.roster.named(begun.last_agent)
        self._progress.agent_name = first.name
        self._emit(AgentChanged(first.name))
        return begun

    async def _follow(
        self, events: AsyncGenerator[Event | Answered, None], beginning: "asyncio.Task[Conversation]"
    ) -> Answered:
        """Pass the loop's events on; none before the question is stored."""
        async for event in events:
            # A cancelled turn still has to know whether its question was stored.
            await asyncio.shield(beginning)
            if isinstance(event, Answered):
                return event
            self._progress.note(event)
            if isinstance(event, TextDelta):
                self._timed.said()
            self._emit(event)
        raise ServiceError

    async def _finish(self, conversation: Conversation, answered: Answered) -> None:
        answer = self._answer(answered.agent_name, "".join(self._progress.text), answered.usage, answered.finish)
        spent = self._prepared.allowed.count_tokens(answered.usage.total_tokens)
        also = [*spent, *self._waits(conversation, answered)]
        with self._timed.stage("answer"):
            await self._services.store.finish(self._prepared.principal, conversation, answer, also)
        message = answer.message
        self._emit(
            TurnFinished(
                conversation_id=conversation.conversation_id,
                message_id=message.message_id,
                agent_name=answered.agent_name,
                provider=self._answering.model.provider,
                model_id=self._answering.model.model_id,
                fallback_from=self._answering.fallback_from,
                text=message.content,
                usage=answered.usage,
                latency_ms=message.latency_ms or 0,
                finish=answered.finish,
            )
        )
        self._log("ok")

    def _waits(self, conversation: Conversation, answered: Answered) -> list[Write]:
        """What the next request goes on from, if the loop paused."""
        if answered.paused is None:
            return []
        prepared = self._prepared
        before = prepared.pending.answer_ids if prepared.pending else ()
        pending = Pending(
            question_id=prepared.question.message_id,
            question=prepared.question.content,
            answer_ids=(*before, prepared.answer_id),
            message_count=conversation.message_count + 1,
            paused=answered.paused,
        )
        return [pending.write(prepared.principal.tenant, conversation.conversation_id, self._services.clock())]

    async def _cancelled(self, beginning: "asyncio.Task[Conversation]") -> None:
        """Keep what was said so far, as a cancelled answer."""
        try:
            conversation = await beginning
            text = "".join(self._progress.text)
            if text:
                answer = self._answer(self._progress.agent_name, text, Usage(), "cancelled")
                with self._timed.stage("answer"):
                    await self._services.store.finish(self._prepared.principal, conversation, answer)
            else:
                await self._services.store.abandon(self._prepared.principal, conversation)
            self._log("cancelled")
        except ServiceError as error:
            self._log(error.code)

    async def _failed(self, beginning: "asyncio.Task[Conversation]", error: ServiceError) -> None:
        """Give the lease back if it was taken, and say why there is no answer."""
        try:
            await self._services.store.abandon(self._prepared.principal, await beginning)
        except ServiceError as storing:
            error = storing
        self._emit(TurnFailed(error))
        self._log(error.code)

    def _answer(self, agent_name: str, text: str, usage: Usage, finish: Finish | Literal["cancelled"]) -> Answer:
        prepared = self._prepared
        tools = tuple(self._progress.tools)
        message = Message(
            message_id=prepared.answer_id,
            role="assistant",
            content=text,
            created_at=self._services.clock(),
            sequence=prepared.question.sequence + 1,
            status="cancelled" if finish == "cancelled" else "complete",
            agent_name=agent_name,
            provider=self._answering.model.provider,
            model_id=self._answering.model.model_id,
            fallback_from=self._answering.fallback_from,
            tool_calls_json=records.tool_calls_json(tools),
            tool_results_json=records.tool_results_json(tools),
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            latency_ms=round((time.perf_counter() - self._started) * 1000),
            finish=finish,
        )
        return Answer(message, agent_name, tools)

    def _briefing(self, key: Secret) -> Briefing:
        prepared = self._prepared
        settings = prepared.settings
        recent = [entry for entry in prepared.conversation.recent if entry["message_id"] not in prepared.exchange_ids]
        profile = prepared.organization.profile if settings.include_org_context else None
        today = self._services.clock().date()
        return Briefing(
            roster=self._services.roster,
            agent_name=prepared.conversation.last_agent,
            history=for_model(
                recent,
                max_messages=settings.max_history_messages if settings.enable_memory else 0,
                context_window=prepared.model.context_window,
                reserved=min(settings.max_tokens, prepared.model.max_output) + limits.PROMPT_TOKENS,
            ),
            question=prepared.question.content,
            context=system_context(today, profile, settings.system_prompt_extra),
            model=prepared.model,
            key=key,
            temperature=settings.temperature,
            max_tokens=settings.max_tokens,
            tools_for=self._tools_for,
            client_tools=prepared.features.tools,
            asks_approval=prepared.features.approves,
            continuation=prepared.goes_on_from,
            calls_tools=calls_tools(prepared.model, settings.calls_tools),
        )

    def _tools_for(self, names: tuple[str, ...]) -> BoundTools:
        prepared = self._prepared
        labels = {"org": prepared.principal.org_slug, "conversation": prepared.conversation.conversation_id}
        key = prepared.pending.idempotency_key if prepared.pending else prepared.answer_id
        call = ToolContext(labels, self._services.clock(), idempotency_key=key)
        return self._services.registry.bind(prepared.principal, call, names, self._services.tool_resources)

    def _log(self, finish: str) -> None:
        prepared, timed = self._prepared, self._timed
        model = self._answering.model
        self._span.set(finish=finish, provider=model.provider, model_id=model.model_id)
        self._services.log.info(
            "turn.finished",
            org=prepared.principal.org_slug,
            conversation_id=prepared.conversation.conversation_id,
            message_id=prepared.answer_id,
            agent=self._progress.agent_name,
            provider=model.provider,
            model_id=model.model_id,
            fallback_from=self._answering.fallback_from,
            finish=finish,
            latency_ms=timed.latency_ms,
            **timed.milliseconds(),
            tool_calls=len(self._progress.tools),
            bytes_processed=timed.bytes_processed,
            bytes_billed=timed.bytes_billed,
            model_calls=timed.model_calls,
            input_tokens=timed.input_tokens,
            output_tokens=timed.output_tokens,
            cached_tokens=timed.cached_tokens,
            estimated_cost_usd=None if timed.cost is None else float(round(timed.cost, 6)),
        )
