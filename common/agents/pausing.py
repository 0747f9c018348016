"""A pause of the loop: calls that the client runs itself or must allow, and how the turn goes on."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from common.agents import approval
from common.agents.asking_back import AskedBack, read_question
from common.agents.events import ApprovalNeeded, ClientToolCalled, QuestionAsked
from common.models.call import Message, ToolCall


@dataclass(frozen=True, slots=True)
class ClientTool:
    """A tool that the client runs; ``parameters`` is its JSON schema."""

    name: str
    description: str
    parameters: Mapping[str, Any]

    def schema(self) -> dict[str, Any]:
        """The tool as a model API takes it."""
        function = {"name": self.name, "description": self.description, "parameters": dict(self.parameters)}
        return {"type": "function", "function": function}


@dataclass(frozen=True, slots=True)
class Waiting:
    """A call that waits: the client runs it, or its person allows it, or answers it.

    ``waiting_id`` is what the client knows it by.
    """

    waiting_id: str
    kind: Literal["client", "approval", "question"]
    call: ToolCall

    def event(self, agent_name: str) -> ClientToolCalled | ApprovalNeeded | QuestionAsked:
        call = self.call
        if self.kind == "client":
            return ClientToolCalled(self.waiting_id, agent_name, call.name, call.arguments)
        if self.kind == "question":
            asked = read_question(call)
            return QuestionAsked(self.waiting_id, agent_name, asked.question, asked.choices, asked.multiple)
        message = f"{approval.describe(call)}. Allow it?"
        return ApprovalNeeded(self.waiting_id, agent_name, call.name, call.arguments, message)


@dataclass(frozen=True, slots=True)
class Paused:
    """The state of a paused loop: everything after the question, and the calls that wait."""

    exchange: tuple[Message, ...]
    waiting: tuple[Waiting, ...]
    tool_calls: int

    @property
    def approvals(self) -> dict[str, ToolCall]:
        """The calls that wait for the person's yes, by the id that the client knows."""
        return {each.waiting_id: each.call for each in self.waiting if each.kind == "approval"}

    @property
    def question(self) -> tuple[str, AskedBack] | None:
        """The question that waits for the person's answer, with its id."""
        found = next((each for each in self.waiting if each.kind == "question"), None)
        return (found.waiting_id, read_question(found.call)) if found else None


@dataclass(frozen=True, slots=True)
class Continuation:
    """The client's reply to a pause, by ``waiting_id``: results of its tools, calls it allows, the person's answer."""

    paused: Paused
    results: Mapping[str, str]
    approved: frozenset[str]
    answers: Mapping[str, str] = field(default_factory=dict)


def new_waiting(kind: Literal["client", "approval", "question"], call: ToolCall) -> Waiting:
    """The call with an id of its own: a provider may use its ids again."""
    return Waiting(str(uuid.uuid4()), kind, call)
