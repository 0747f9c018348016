"""The events of a turn, which the encoder of each protocol translates."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from common.citations.citation import Citation
from common.errors import ServiceError
from common.models.call import Usage

# How an answer ended. length: cut at the output limit; refused: the words are the model's refusal; no_answer: a
# sentence says that the model stopped without one; waiting: a tool call waits for the client; approval: a change waits
# for the person's yes; question: the person is asked something.
Finish = Literal["stop", "length", "refused", "no_answer", "waiting", "approval", "question"]


@dataclass(frozen=True, slots=True)
class TurnStarted:
    conversation_id: str
    message_id: str
    provider: str
    model_id: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class AgentChanged:
    agent_name: str


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """A tool call begins; ``arguments`` is the JSON text as the model wrote it.

    ``resumed`` says that the client knows the call already, under this id: it waited in the turn before.
    """

    call_id: str
    agent_name: str
    tool_name: str
    arguments: str
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """A tool call ended; ``result`` is the envelope, or ``{"error": {"code", "message"}}``."""

    call_id: str
    agent_name: str
    tool_name: str
    tool_domain: str
    arguments: str
    result: dict[str, Any]
    duration_ms: int

    @property
    def succeeded(self) -> bool:
        return "error" not in self.result


@dataclass(frozen=True, slots=True)
class ClientToolCalled:
    """The client must run one of its own tools. The turn ends; the client's next request brings the result."""

    call_id: str
    agent_name: str
    tool_name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ApprovalNeeded:
    """A tool that changes something waits until the person allows it; the turn ends until then.

    ``message`` is the question in one line; the answer's text has it too.
    """

    call_id: str
    agent_name: str
    tool_name: str
    arguments: str
    message: str


@dataclass(frozen=True, slots=True)
class QuestionAsked:
    """The person is asked something; the turn ends until the answer. The text has the question and its choices too."""

    call_id: str
    agent_name: str
    question: str
    choices: tuple[str, ...] = ()
    multiple: bool = False


@dataclass(frozen=True, slots=True)
class TurnFinished:
    """The turn is stored; ``text`` is the whole answer. ``finish`` is a Finish, or "cancelled" for one said again.

    ``fallback_from`` names the model (provider/model_id) that the settings choose, where another one answered.
    ``title`` is the conversation's where the answer has given it another one.
    ``approvals`` are the changes that wait where ``finish`` is "approval", ``question`` is there where it is that.
    ``usage_warning`` is a sentence on a ceiling that is nearly reached.
    ``unverified_figures`` are those of the text that stand in nothing that the turn has read.
    ``citations`` are the passages of documents that the text names as ``[number]``.
    ``response_type`` and ``deployment_plan`` are there where a deployment was planned.
    ``cached_at`` is when the answer was made, where it is given again.
    """

    conversation_id: str
    message_id: str
    agent_name: str
    provider: str
    model_id: str
    text: str
    usage: Usage
    latency_ms: int
    finish: str = "stop"
    fallback_from: str | None = None
    approvals: tuple[ApprovalNeeded, ...] = ()
    question: QuestionAsked | None = None
    title: str = ""
    usage_warning: str | None = None
    unverified_figures: tuple[str, ...] = ()
    citations: tuple[Citation, ...] = ()
    response_type: str | None = None
    deployment_plan: Mapping[str, Any] | None = None
    cached_at: str | None = None


@dataclass(frozen=True, slots=True)
class TurnFailed:
    """The turn ended without an answer; ``error`` is safe to show."""

    error: ServiceError


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Nothing happened for a while; the turn goes on."""


Event = (
    Heartbeat
    | TurnStarted
    | AgentChanged
    | TextDelta
    | ToolStarted
    | ToolFinished
    | ClientToolCalled
    | ApprovalNeeded
    | QuestionAsked
    | TurnFinished
    | TurnFailed
)
