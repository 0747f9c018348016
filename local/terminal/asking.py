"""A question until its answer is there, over connections that may drop."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from local.terminal.answer import Answer, ToolCall, arguments_of, stored_answer
from local.terminal.client import Client, ConnectionLostError, Event, RefusedError, refused

# How long to wait before each further attempt after the connection was lost.
PAUSES = (0.3, 1.0, 3.0, 5.0)
_LOST = "The connection was lost; asking for the same answer again."
_CUT = "The answer had been cut short; asking anew."


class View(Protocol):
    """A view of an answer as it grows."""

    def agent(self, name: str) -> None: ...

    def tool_started(self, call: ToolCall) -> None: ...

    def tool_finished(self, call: ToolCall) -> None: ...

    def text(self, piece: str) -> None: ...

    def begin_again(self) -> None:
        """Forget the text so far: the answer comes another time, in other words."""

    def note(self, sentence: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Question:
    """A question, and the id under which it is asked only once; or the answer to changes that wait for a yes."""

    message: str
    conversation_id: str | None = None
    message_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    approvals: tuple[dict[str, Any], ...] = ()

    def body(self) -> dict[str, Any]:
        """The body of the request."""
        place = {"conversation_id": self.conversation_id} if self.conversation_id else {}
        said = {"approvals": self.approvals} if self.approvals else {"message": self.message}
        return {**said, "message_id": self.message_id, **place}


def decision(answer: Answer, *, approved: bool) -> Question:
    """The person's yes or no to all that waits behind an answer, with the arguments that were shown."""
    approvals = tuple(
        {"id": each["id"], "approved": approved, "arguments": each["arguments"]} for each in answer.waiting
    )
    return Question("", answer.finish["conversation_id"], approvals=approvals)


def ask(
    client: Client,
    question: Question,
    view: View,
    *,
    again: bool = False,
    started: Callable[[str], None] = lambda _: None,
    wait: Callable[[float], None] = time.sleep,
) -> Answer:
    """Ask until there is an answer; ``again`` where this question was asked before and its answer not heard to its end.

    ``started`` is told the conversation's id. Raises RefusedError, or ConnectionLostError where it stays lost.
    """
    asking = _Asking(client, view, started)
    pauses = iter(PAUSES)
    while True:
        try:
            answer = asking.attempt(question)
        except (ConnectionLostError, RefusedError) as error:
            lost = isinstance(error, ConnectionLostError) and (error.reached or again)
            # Where a conversation is busy, an attempt that was left may still be ending.
            busy = isinstance(error, RefusedError) and error.code == "conversation_busy"
            pause = next(pauses, None) if lost or busy else None
            if pause is None:
                raise
            if lost and not again:
                view.note(_LOST)
            again = again or lost
            wait(pause)
            continue
        if not again:
            return answer
        # Said again from the store: without its tool calls, and maybe only the part that was heard of it.
        stored = stored_answer(client.exported(answer.finish["conversation_id"]), answer.finish["message_id"])
        if stored is None or stored[1] != "cancelled" or question.approvals:
            answer.tools = answer.tools or (stored[0].tools if stored else [])
            return answer
        view.note(_CUT)
        question = Question(question.message, answer.finish["conversation_id"])
        again = False


class _Asking:
    """Attempts at one answer; what was heard already is not said twice."""

    def __init__(self, client: Client, view: View, started: Callable[[str], None]) -> None:
        self._client = client
        self._view = view
        self._started = started
        self._said = ""

    def attempt(self, question: Question) -> Answer:
        answer = Answer()
        for event in self._client.stream(question.body()):
            self._note(event, answer)
        if not answer.text.startswith(self._said):
            self._say_anew(answer.text)
        return answer

    def _note(self, event: Event, answer: Answer) -> None:
        data = event.data
        match event.name:
            case "start":
                self._started(data["conversation_id"])
            case "agent":
                answer.agent_name = data["agent_name"]
                self._view.agent(answer.agent_name)
            case "tool":
                self._tool(data, answer)
            case "token":
                answer.text += data["text"]
                self._text(answer.text)
            case "error":
                raise refused(data["message"], data["code"], data.get("retry_after"))
            case "done":
                answer.finish = data

    def _tool(self, data: dict[str, Any], answer: Answer) -> None:
        if data["status"] == "started":
            call = ToolCall(data["id"], answer.agent_name, data["name"], arguments_of(data["arguments"]))
            answer.tools.append(call)
            self._view.tool_started(call)
            return
        for call in answer.tools:
            if call.id == data["id"] and call.result is None:
                call.result, call.duration_ms = data.get("result"), data.get("duration_ms")
                self._view.tool_finished(call)
                return

    def _text(self, text: str) -> None:
        if self._said.startswith(text):
            return
        if text.startswith(self._said):
            self._view.text(text[len(self._said) :])
            self._said = text
        else:
            self._say_anew(text)

    def _say_anew(self, text: str) -> None:
        self._view.begin_again()
        self._view.text(text)
        self._said = text
