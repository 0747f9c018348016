"""The request of an AG-UI client: a run, or one of CopilotKit's calls around runs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NotRequired

from ag_ui.core import ResumeEntry, RunAgentInput, TextPart, UserMessage
from pydantic import ValidationError
from typing_extensions import TypedDict

from common.bodies import field_names, misspelled, problems
from common.errors import NotFound, Unprocessable
from common.protocols.agui.parts import usable
from common.protocols.question import as_id, check_id, question
from common.turn import SendRequest

Method = Literal["info", "agent/run", "agent/connect", "agent/stop"]
_METHODS: Mapping[str, Method] = {name: name for name in ("info", "agent/run", "agent/connect", "agent/stop")}
AGENT_ID = "default"
THREAD_ID = "threadId"
_FIELDS = field_names(RunAgentInput)


class RuntimeCall(TypedDict):
    """A call of CopilotKit's single endpoint; ``body`` is the run of those that are about a thread."""

    method: Method
    params: NotRequired[dict[str, Any]]
    body: NotRequired[RunAgentInput]


Received = RunAgentInput | RuntimeCall


@dataclass(frozen=True, slots=True)
class AguiRequest:
    """One request; ``run`` is there for the methods that run or show a thread.

    ``stops`` names the thread, and the message of the run if the client names that, for the one that stops it.

    ``left_out`` names what of the question is no text.
    """

    method: Method
    run: RunAgentInput | None = None
    left_out: str = ""
    stops: tuple[str, str | None] = ("", None)


def read(raw: bytes) -> AguiRequest:
    """Read a body: a bare run, or CopilotKit's envelope. Raises Unprocessable, or NotFound for an unknown method."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise Unprocessable("The body is not JSON.") from None
    if not isinstance(body, dict):
        raise Unprocessable("The body is not a JSON object.")
    if "method" not in body or "threadId" in body:
        return _run("agent/run", body)
    method = _METHODS.get(str(body["method"]))
    params = body.get("params") or {}
    agent_id = params.get("agentId", AGENT_ID) if isinstance(params, dict) else None
    if method is None or agent_id != AGENT_ID:
        raise NotFound("There is no such method or agent.")
    if method == "info":
        return AguiRequest(method)
    if method == "agent/stop":
        return AguiRequest(method, stops=_stopped(params, body.get("body")))
    return _run(method, body.get("body"))


def turn_request(run: RunAgentInput, left_out: str = "") -> SendRequest:
    """The question of a run: its last user message, in the conversation that its thread is.

    A run is answered once: the same run again finds the same message. Raises Unprocessable.
    """
    text = _last_question(run)
    if left_out and not text.strip():
        raise Unprocessable(f"Only text is read, and the message has none: {left_out}. Ask in words.")
    # The history and the model are told too, or the answer would wonder at what it does not see.
    asked = f"{text}\n\n[Not read, as it is no text: {left_out}]" if left_out else text
    return question(asked, THREAD_ID, run.thread_id, _message_id(run.thread_id, run.run_id, run.resume))


def _run(method: Method, body: object) -> AguiRequest:
    if isinstance(body, dict) and (wrong := misspelled(body, _FIELDS)):
        raise Unprocessable(f"{wrong}.")
    body, left_out = usable(body) if isinstance(body, dict) else (body, "")
    try:
        run = RunAgentInput.model_validate(body)
    except ValidationError as error:
        raise Unprocessable(problems(error)) from None
    check_id(THREAD_ID, run.thread_id)
    return AguiRequest(method, run, left_out)


def _stopped(params: Mapping[str, Any], body: object) -> tuple[str, str | None]:
    thread_id = params.get(THREAD_ID)
    if not isinstance(thread_id, str):
        raise Unprocessable(f"params.{THREAD_ID} is missing.")
    check_id(THREAD_ID, thread_id)
    run_id = body.get("runId") if isinstance(body, dict) else None
    return thread_id, _message_id(thread_id, run_id) if isinstance(run_id, str) else None


def _message_id(thread_id: str, run_id: str, resume: Sequence[ResumeEntry] | None = None) -> str:
    """The id of a run's message. A run may be resumed under its own id, and is another message then."""
    decided = json.dumps([each.model_dump(mode="json") for each in resume], sort_keys=True) if resume else ""
    return as_id(f"{thread_id}/{run_id}{decided}")


def _last_question(run: RunAgentInput) -> str:
    for message in reversed(run.messages):
        if isinstance(message, UserMessage):
            return text_of(message.content)
    if run.resume:
        # What goes on has its question already.
        return "Go on."
    raise Unprocessable("The run has no user message.")


def text_of(content: Any) -> str:
    """A message's text; of a list of parts, the text parts on lines of their own."""
    if isinstance(content, str):
        return content
    return "\n".join(part.text for part in content if isinstance(part, TextPart))
