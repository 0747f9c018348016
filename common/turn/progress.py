"""The progress of a turn, and the part of it that is kept if it ends early."""

import copy
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from common.agents.events import AgentChanged, Event, TextDelta, ToolFinished, ToolStarted
from common.errors import ServiceError
from common.tools.result import error_envelope
from common.transcript.conversation import title_of
from common.transcript.message import Message
from common.transcript.titles import title_after

STOPPED = "Stopped before the answer was complete."
_UNKNOWN = error_envelope("interrupted", "The turn ended before this call did. It may have been done all the same.")
_ARGUMENT_CHARS = 300


@dataclass(slots=True)
class Progress:
    """The text, the tool calls and the agent of a turn, as its events tell them; ``writes`` names tools that change."""

    writes: Collection[str] = ()
    text: list[str] = field(default_factory=list)
    tools: list[ToolFinished] = field(default_factory=list)
    agent_name: str = ""
    _begun: dict[str, tuple[ToolStarted, float]] = field(default_factory=dict)

    def note(self, event: Event) -> None:
        match event:
            case TextDelta(text=text):
                self.text.append(text)
            case ToolStarted(call_id=call_id):
                self._begun[call_id] = (event, time.perf_counter())
            case ToolFinished(call_id=call_id):
                self._begun.pop(call_id, None)
                self.tools.append(event)
            case AgentChanged(agent_name=name):
                self.agent_name = name

    def stop(self) -> None:
        """Count what was begun among the calls: nobody waits for it any more."""
        for begun, since in self._begun.values():
            took = round((time.perf_counter() - since) * 1000)
            names = (begun.call_id, begun.agent_name, begun.tool_name)
            self.tools.append(ToolFinished(*names, "unknown", begun.arguments, _UNKNOWN, took))
        self._begun.clear()

    def titles(self, question: Message) -> tuple[str, str]:
        """The title of a conversation that was just begun, and the one that its first answer gives it."""
        if question.sequence:
            return "", ""
        results = [call.result for call in self.tools if call.succeeded]
        return title_of(question.content), title_after(question.content, results)

    @property
    def said(self) -> str:
        return "".join(self.text)

    @property
    def explained(self) -> str:
        """The text so far, that it is not all, and what was done."""
        done = [self._described(call) for call in self.tools if call.succeeded]
        begun = [self._described(call) for call in self.tools if call.result is _UNKNOWN]
        note = [STOPPED, *_listed("This was done", done), *_listed("This was begun and may have been done", begun)]
        return "\n\n".join(part for part in (self.said.strip(), " ".join(note)) if part)

    def warned(self, error: ServiceError) -> ServiceError:
        """The error, which also names what was changed before it: asking again must not change that twice."""
        changes = [call for call in self.tools if call.tool_name in self.writes]
        done = [self._described(call) for call in changes if call.succeeded]
        begun = [self._described(call) for call in changes if call.result is _UNKNOWN]
        notes = [*_listed("This was already changed", done), *_listed("This may have been changed", begun)]
        if not notes:
            return error
        warned = copy.copy(error)
        warned.detail = " ".join([error.detail, *notes, "Ask only for what is missing."])
        return warned

    def _described(self, call: ToolFinished) -> str:
        if call.tool_name not in self.writes:
            return call.tool_name
        arguments = " ".join(call.arguments.split())
        return f"{call.tool_name} {arguments[:_ARGUMENT_CHARS]}{'…' if len(arguments) > _ARGUMENT_CHARS else ''}"


def _listed(what: str, calls: Iterable[str]) -> list[str]:
    """A sentence that names each of the calls once; none where there are none."""
    names = ", ".join(dict.fromkeys(calls))
    return [f"{what}: {names}."] if names else []
