"""A turn as the AI SDK's UI message stream: parts of one assistant message, each on a line of server-sent events."""

import json
from typing import Any

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
from common.citations.citation import Citation
from common.errors import ServiceError
from common.tools.result import CHART, as_message
from common.web.sse import done, question

OUTPUT_CHARS = 20_000
HEADER = {"x-vercel-ai-ui-message-stream": "v1"}

_END = b"data: [DONE]\n\n"
_FINISHES = {"stop": "stop", "length": "length", "refused": "content-filter", "approval": "tool-calls"}


class MessageEncoder:
    """Translates the events of one turn. ``continues`` says that the page's last message is added to."""

    def __init__(self, *, continues: bool) -> None:
        self._continues = continues
        self._answer_id = ""
        self._texts = 0
        self._text: str | None = None
        self._calls: dict[str, str] = {}
        self._call_count = 0

    def begin(self) -> bytes:
        """Nothing: the message begins once the question is stored."""
        return b""

    def failed(self, error: ServiceError) -> bytes:
        """The end of a message that went wrong; the metadata have what a page needs beside the sentence."""
        again = {} if error.retry_after is None else {"retry_after": error.retry_after}
        metadata = {"error": {"code": error.code, **again}}
        return (
            self._close_text()
            + _chunk("message-metadata", messageMetadata=metadata)
            + _chunk("error", errorText=error.detail)
            + _END
        )

    def frames(self, event: Event) -> bytes:
        """The frames of one event; none where it says nothing new."""
        match event:
            case Heartbeat():
                return b": keep-alive\n\n"
            case TurnStarted():
                return self._start(event)
            case AgentChanged(agent_name=name):
                return _chunk("message-metadata", messageMetadata={"agent_name": name})
            case TextDelta(text=text):
                return self._say(text)
            case ToolStarted(resumed=True) if self._continues:
                # It waits in the message already, under its own id.
                return b""
            case ToolStarted():
                return self._close_text() + self._start_call(event)
            case ToolFinished() if event.call_id not in self._calls and not self._continues:
                # Declined in words; in the message before it still waits.
                return b""
            case ToolFinished():
                return self._finish_call(event)
            case ClientToolCalled():
                return b""
            case ApprovalNeeded():
                return self._close_text() + _approval(event)
            case QuestionAsked():
                return self._close_text() + _chunk("data-question", id=event.call_id, data=question(event))
            case TurnFinished():
                return self._finish(event)
            case TurnFailed(error=error):
                return self.failed(error)

    def _start(self, event: TurnStarted) -> bytes:
        metadata = {
            "conversation_id": event.conversation_id,
            "message_id": event.message_id,
            "title": event.title,
            "model_id": event.model_id,
        }
        if self._answer_id:
            # Another instance was faster: its answer takes the place of what was said so far.
            return self._close_text() + _chunk("reset-step") + _chunk("message-metadata", messageMetadata=metadata)
        self._answer_id = event.message_id
        # What goes on keeps the id under which the page has it.
        own_id = {} if self._continues else {"messageId": event.message_id}
        return _chunk("start", **own_id, messageMetadata=metadata) + _chunk("start-step")

    def _say(self, text: str) -> bytes:
        if not text or (self._text is None and self._texts and not text.strip()):
            return b""
        start = b""
        if self._text is None:
            self._text = f"{self._answer_id}.{self._texts}"
            self._texts += 1
            start = _chunk("text-start", id=self._text)
        return start + _chunk("text-delta", id=self._text, delta=text)

    def _close_text(self) -> bytes:
        closed, self._text = self._text, None
        return b"" if closed is None else _chunk("text-end", id=closed)

    def _start_call(self, event: ToolStarted) -> bytes:
        # A provider may use an id again in a later step; a message may not.
        call_id = f"{self._answer_id}.call-{self._call_count}"
        self._call_count += 1
        self._calls[event.call_id] = call_id
        return _call(call_id, event.tool_name, event.arguments)

    def _finish_call(self, event: ToolFinished) -> bytes:
        # One that was allowed after a pause is in the message already, under its own id.
        call_id = self._calls.get(event.call_id, event.call_id)
        if event.succeeded:
            output = json.loads(as_message(event.result, OUTPUT_CHARS))
            ended = _chunk("tool-output-available", toolCallId=call_id, output=output, **_OURS)
        elif event.result["error"]["code"] == "not_approved":
            ended = _chunk("tool-output-denied", toolCallId=call_id)
        else:
            ended = _chunk("tool-output-error", toolCallId=call_id, errorText=event.result["error"]["message"], **_OURS)
        if CHART in event.result:
            ended += _chunk(f"data-{CHART}", id=call_id, data={"toolCallId": call_id, CHART: event.result[CHART]})
        return ended

    def _finish(self, event: TurnFinished) -> bytes:
        titled = {"title": event.title} if event.title else {}
        reason = _FINISHES.get(event.finish, "other")
        return (
            self._close_text()
            + b"".join(_source(event.message_id, each) for each in event.citations)
            + _chunk("finish-step")
            + _chunk("finish", finishReason=reason, messageMetadata=done(event) | titled)
            + _END
        )


# The page declares none of these tools, and runs none of them.
_OURS = {"dynamic": True, "providerExecuted": True}


def _source(answer_id: str, cited: Citation) -> bytes:
    """A passage as a part of the message; its number and its text are in the metadata."""
    title = cited.document if cited.page is None else f"{cited.document}, page {cited.page}"
    return _chunk("source-document", sourceId=f"{answer_id}.{cited.number}", mediaType="text/plain", title=title)


def _approval(event: ApprovalNeeded) -> bytes:
    return _call(event.call_id, event.tool_name, event.arguments) + _chunk(
        "tool-approval-request", approvalId=event.call_id, toolCallId=event.call_id, reason=event.message
    )


def _call(call_id: str, name: str, arguments: str) -> bytes:
    return _chunk("tool-input-available", toolCallId=call_id, toolName=name, input=_parsed(arguments), **_OURS)


def _parsed(arguments: str) -> Any:
    """The arguments as the model wrote them, as a value where they are one."""
    try:
        return json.loads(arguments or "{}")
    except ValueError:
        return arguments


def _chunk(kind: str, **fields: Any) -> bytes:
    said = json.dumps({"type": kind, **fields}, ensure_ascii=False, separators=(",", ":"))
    return f"data: {said}\n\n".encode(errors="replace")
