"""A turn as an AG-UI run, in the order that clients of 0.0.59 and of 1.0 enforce: what was opened is closed."""

import json
from itertools import count
from typing import Any

from ag_ui.core import (
    PROTOCOL_VERSION,
    AssistantMessage,
    BaseEvent,
    CustomEvent,
    Interrupt,
    MessagesSnapshotEvent,
    RunErrorEvent,
    RunFinishedEvent,
    RunFinishedInterruptOutcome,
    RunFinishedSuccessOutcome,
    RunStartedEvent,
    StateDeltaEvent,
    StateSnapshotEvent,
    StepFinishedEvent,
    StepStartedEvent,
    TextMessageEndEvent,
    TextMessageStartEvent,
    TokenUsage,
    ToolCallArgsEvent,
    ToolCallEndEvent,
    ToolCallResultEvent,
    ToolCallStartEvent,
    UserMessage,
)
from ag_ui.encoder import EventEncoder

from common.agents.consulting import asked_agent
from common.agents.events import (
    AgentChanged,
    ApprovalNeeded,
    ClientToolCalled,
    Event,
    Heartbeat,
    QuestionAsked,
    TextDelta,
    ToolFinished,
    ToolStarted,
    TurnFailed,
    TurnFinished,
    TurnStarted,
)
from common.errors import ServiceError
from common.tools.result import CHART, as_message
from common.transcript.conversation import Conversation

RUN_RESULT_CHARS = 20_000

_ENCODER = EventEncoder()


class RunEncoder:
    """Translates the events of one turn. It keeps what is open, and decides nothing."""

    def __init__(self, thread_id: str, run_id: str, *, interrupts: bool = False, resumes: bool = False) -> None:
        """``interrupts``: the client is asked for approval by an interrupt; any other one only by the text.

        ``resumes``: the run answers an interrupt, so its calls were started in the run before, under their own ids.
        """
        self._thread_id = thread_id
        self._run_id = run_id
        self._answer_id = run_id
        self._model_id = ""
        self._messages = 0
        self._open_message: str | None = None
        self._open_step: str | None = None
        self._specialists: dict[str, str] = {}
        self._calls: dict[str, str] = {}
        self._call_count = 0
        self._shows_interrupts = interrupts
        self._resumes = resumes
        self._interrupts: list[Interrupt] = []
        self._bytes_processed = 0

    def begin(self) -> bytes:
        """The first frame of the run."""
        return _frames(
            RunStartedEvent(thread_id=self._thread_id, run_id=self._run_id, protocol_version=PROTOCOL_VERSION)
        )

    def restored(self, conversation: Conversation | None) -> bytes:
        """The messages of a conversation so far, and the end of the run."""
        events: list[BaseEvent] = []
        if conversation is not None:
            kinds = {"user": UserMessage, "assistant": AssistantMessage}
            messages = [
                kinds[entry["role"]](id=entry["message_id"], content=entry["content"]) for entry in conversation.recent
            ]
            state = _state(conversation.conversation_id, conversation.title, conversation.model_id)
            events = [
                StateSnapshotEvent(
                    snapshot=state | {"agent_name": conversation.last_agent or "", "finish": _last_finish(conversation)}
                ),
                MessagesSnapshotEvent(messages=messages),
            ]
        return _frames(*events, RunFinishedEvent(thread_id=self._thread_id, run_id=self._run_id))

    def failed(self, error: ServiceError) -> bytes:
        """The last frame of a run that went wrong."""
        again = None if error.retry_after is None else {"retry_after": error.retry_after}
        return _frames(RunErrorEvent(message=error.detail, code=error.code, metadata=again))

    def frames(self, event: Event) -> bytes:
        """The frames of one event; none where it says nothing new."""
        match event:
            case Heartbeat():
                return b": keep-alive\n\n"
            case TurnStarted():
                self._answer_id, self._model_id = event.message_id, event.model_id
                return _frames(StateSnapshotEvent(snapshot=_state(event.conversation_id, event.title, event.model_id)))
            case AgentChanged(agent_name=name):
                return _frames(*self._close_step(), *self._start_step(name))
            case TextDelta(text=text):
                return self._say(text)
            case ToolStarted(resumed=True) if self._resumes:
                return b""
            case ToolStarted():
                return _frames(*self._close_message(), *self._consult(event), *self._start_call(event))
            case ToolFinished() if event.call_id not in self._calls and not self._resumes:
                # Declined, and never shown to this client as a call.
                return b""
            case ToolFinished():
                return _frames(*self._finish_call(event), *self._consulted(event.call_id))
            case ClientToolCalled():
                # Left without a result, which is how the client knows that the call is its own.
                return _frames(*self._close_message(), *_call(event.call_id, event.tool_name, event.arguments))
            case ApprovalNeeded() if not self._shows_interrupts:
                return b""
            case ApprovalNeeded():
                self._interrupts.append(_interrupt(event))
                return _frames(*self._close_message(), *_call(event.call_id, event.tool_name, event.arguments))
            case QuestionAsked():
                if self._shows_interrupts:
                    self._interrupts.append(_question(event))
                return b""
            case TurnFinished():
                return _frames(*self._close_step(), *self._finish(event))
            case TurnFailed(error=error):
                return self.failed(error)

    def _say(self, text: str) -> bytes:
        if not text or (self._open_message is None and self._messages and not text.strip()):
            return b""
        start = b""
        if self._open_message is None:
            # The first piece has the id of the answer that is stored; pieces after a tool call count on from it.
            self._open_message = f"{self._answer_id}.{self._messages}" if self._messages else self._answer_id
            self._messages += 1
            start = _frames(TextMessageStartEvent(message_id=self._open_message, role="assistant"))
        return start + _content(self._open_message, text)

    def _close_message(self) -> list[BaseEvent]:
        if self._open_message is None:
            return []
        closed, self._open_message = self._open_message, None
        return [TextMessageEndEvent(message_id=closed)]

    def _start_step(self, name: str) -> list[BaseEvent]:
        self._open_step = name
        return [StepStartedEvent(step_name=name), _patch("/agent_name", name)]

    def _close_step(self) -> list[BaseEvent]:
        events = self._close_message()
        if self._open_step is not None:
            events.append(StepFinishedEvent(step_name=self._open_step))
            self._open_step = None
        return [*events, *(left for call_id in [*self._specialists] for left in self._consulted(call_id))]

    def _consult(self, event: ToolStarted) -> list[BaseEvent]:
        """A specialist that is consulted is a step beside its asker's; steps under way have a name each."""
        name = asked_agent(event.tool_name, event.arguments)
        if name is None:
            return []
        taken = {self._open_step, *self._specialists.values()}
        step = next(each for number in count(1) if (each := f"{name} {number}" if number > 1 else name) not in taken)
        self._specialists[event.call_id] = step
        return [StepStartedEvent(step_name=step)]

    def _consulted(self, call_id: str) -> list[BaseEvent]:
        step = self._specialists.pop(call_id, None)
        return [] if step is None else [StepFinishedEvent(step_name=step)]

    def _start_call(self, event: ToolStarted) -> list[BaseEvent]:
        # A provider may use an id again in a later step; a thread may not.
        call_id = f"{self._answer_id}.call-{self._call_count}"
        self._call_count += 1
        self._calls[event.call_id] = call_id
        return _call(call_id, event.tool_name, event.arguments)

    def _finish_call(self, event: ToolFinished) -> list[BaseEvent]:
        call_id = self._calls.get(event.call_id, event.call_id)
        content = as_message(event.result, RUN_RESULT_CHARS)
        events: list[BaseEvent] = [
            ToolCallResultEvent(message_id=f"{call_id}.result", tool_call_id=call_id, content=content, role="tool")
        ]
        if CHART in event.result:
            events.append(CustomEvent(name=CHART, value={"toolCallId": call_id, "chart": event.result[CHART]}))
        processed = event.result.get("bytes_processed")
        if processed:
            self._bytes_processed += processed
            events.append(_patch("/bytes_processed", self._bytes_processed))
        return events

    def _finish(self, event: TurnFinished) -> list[BaseEvent]:
        tokens = {"input": event.usage.input_tokens, "output": event.usage.output_tokens}
        usage = TokenUsage(
            provider=event.provider,
            model=event.model_id,
            input_tokens=event.usage.input_tokens,
            output_tokens=event.usage.output_tokens,
        )
        # The state began with the model that the settings choose; another one may have answered.
        answered_by = [_patch("/model_id", event.model_id), _patch("/fallback_from", event.fallback_from)]
        return [
            _patch("/tokens", tokens),
            *([_patch("/title", event.title)] if event.title else []),
            *(answered_by if event.fallback_from or event.model_id != self._model_id else []),
            _patch("/finish", event.finish),
            *_planned(event),
            RunFinishedEvent(
                thread_id=self._thread_id,
                run_id=self._run_id,
                outcome=self._outcome(),
                usage=[usage],
                result={
                    "message_id": event.message_id,
                    "agent_name": event.agent_name,
                    "latency_ms": event.latency_ms,
                    "finish": event.finish,
                    "unverified_figures": list(event.unverified_figures),
                    "citations": [each.shown() for each in event.citations],
                    **({} if event.response_type is None else {"response_type": event.response_type}),
                    **({} if event.cached_at is None else {"cached_at": event.cached_at}),
                    **({} if event.usage_warning is None else {"usage_warning": event.usage_warning}),
                },
            ),
        ]

    def _outcome(self) -> RunFinishedSuccessOutcome | RunFinishedInterruptOutcome:
        if self._interrupts:
            return RunFinishedInterruptOutcome(interrupts=self._interrupts)
        # Without the ids of pending calls, which clients of 0.0.59 reject; they are in the stream.
        return RunFinishedSuccessOutcome()


def _interrupt(event: ApprovalNeeded) -> Interrupt:
    return Interrupt(
        id=event.call_id,
        reason="tool_call",
        message=event.message,
        tool_call_id=event.call_id,
        response_schema={
            "type": "object",
            "properties": {"approved": {"type": "boolean"}},
            "required": ["approved"],
            "additionalProperties": False,
        },
    )


def _question(event: QuestionAsked) -> Interrupt:
    """The question as an interrupt; its schema has the choices, and takes other words too."""
    offered: dict[str, Any] = {"type": "string", **({"examples": list(event.choices)} if event.choices else {})}
    answer = {"type": "array", "items": offered, "minItems": 1} if event.multiple else offered
    return Interrupt(
        id=event.call_id,
        reason="input_required",
        message=event.question,
        response_schema={
            "type": "object",
            "properties": {"answer": answer},
            "required": ["answer"],
            "additionalProperties": False,
        },
        metadata={"choices": list(event.choices), "multiple": event.multiple},
    )


def _state(conversation_id: str, title: str, model_id: str) -> dict[str, Any]:
    return {
        "conversation_id": conversation_id,
        "title": title,
        "agent_name": "",
        "model_id": model_id,
        "fallback_from": None,
        "tokens": {"input": 0, "output": 0},
        "bytes_processed": 0,
        "finish": "",
    }


def _last_finish(conversation: Conversation) -> str:
    """Return the word for the newest answer's end, where it did not end by itself."""
    return str(conversation.recent[-1].get("finish", "")) if conversation.recent else ""


def _call(call_id: str, name: str, arguments: str) -> list[BaseEvent]:
    return [
        ToolCallStartEvent(tool_call_id=call_id, tool_call_name=name),
        ToolCallArgsEvent(tool_call_id=call_id, delta=arguments or "{}"),
        ToolCallEndEvent(tool_call_id=call_id),
    ]


def _planned(event: TurnFinished) -> list[BaseEvent]:
    """A planned deployment as state: most conversations have none, so that it is added."""
    if event.response_type is None:
        return []
    told = {"response_type": event.response_type, "deployment_plan": event.deployment_plan}
    return [StateDeltaEvent(delta=[{"op": "add", "path": f"/{name}", "value": each} for name, each in told.items()])]


def _patch(path: str, value: object) -> StateDeltaEvent:
    return StateDeltaEvent(delta=[{"op": "replace", "path": path, "value": value}])


def _content(message_id: str, text: str) -> bytes:
    """The frame of a TextMessageContentEvent, of which there is one a token, without making one."""
    said = {"type": "TEXT_MESSAGE_CONTENT", "messageId": message_id, "delta": text}
    return f"data: {json.dumps(said, ensure_ascii=False, separators=(',', ':'))}\n\n".encode(errors="replace")


def _frames(*events: BaseEvent) -> bytes:
    return "".join(_ENCODER.encode(event) for event in events).encode(errors="replace")
