"""A turn as an A2A task: at work, artifacts as they come, and a last status. The id names the conversation too."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from a2a.helpers import new_data_part, new_text_part
from a2a.types import (
    Artifact,
    Message,
    Part,
    Role,
    Task,
    TaskArtifactUpdateEvent,
    TaskState,
    TaskStatus,
    TaskStatusUpdateEvent,
)

from common.agents.consulting import asked_agent
from common.agents.events import (
    ApprovalNeeded,
    Event,
    QuestionAsked,
    TextDelta,
    ToolFinished,
    ToolStarted,
    TurnFailed,
    TurnFinished,
    TurnStarted,
)
from common.errors import ServiceError
from common.transcript.ids import is_id
from common.transcript.message import Message as Answer

ANSWER = "answer"
DATA = "application/json"

Update = Task | TaskStatusUpdateEvent | TaskArtifactUpdateEvent
_STATES = {
    "failed": TaskState.TASK_STATE_FAILED,
    "cancelled": TaskState.TASK_STATE_CANCELED,
    "complete": TaskState.TASK_STATE_COMPLETED,
}


def task_id(conversation_id: str, answer_id: str) -> str:
    """The id of the task that an answer is."""
    return f"{conversation_id}.{answer_id}"


def read_task_id(text: str) -> tuple[str, str] | None:
    """The conversation and the answer that a task's id names. Returns None for an id of no task."""
    conversation_id, _, answer_id = text.partition(".")
    return (conversation_id, answer_id) if is_id(conversation_id) and is_id(answer_id) else None


class TaskEncoder:
    """Translates the events of one turn. It keeps what was begun, and decides nothing."""

    def __init__(self, context_id: str) -> None:
        """``context_id`` is the client's own, empty where it named none."""
        self._context_id = context_id
        self._task_id = ""
        self._said = False
        self._results = 0

    @property
    def begun(self) -> bool:
        """Return true if the task was told to the client."""
        return bool(self._task_id)

    def updates(self, event: Event) -> list[Update]:
        """The updates of one event; none where it says nothing new."""
        match event:
            case TurnStarted():
                return self._begin(event)
            case TextDelta(text=text) if text:
                artifact = Artifact(artifact_id=ANSWER, name=ANSWER, parts=[new_text_part(text)])
                appends, self._said = self._said, True
                return [self._artifact(artifact, append=appends, last=False)]
            case ToolStarted() | ToolFinished() if name := asked_agent(event.tool_name, event.arguments):
                return [self._consults(name, event)]
            case ToolFinished(result=result) if "rows" in result:
                self._results += 1
                return [self._artifact(data_artifact(self._results, event.tool_name, result), append=False, last=True)]
            case TurnFinished():
                return [self._status(finished_status(event, self._context_id, self._task_id), described(event))]
            case TurnFailed(error=error):
                return [self._failed(error)]
            case _:
                return []

    def _begin(self, event: TurnStarted) -> list[Update]:
        # Another attempt at the same message was faster: its answer is said from its beginning.
        self._said = False
        if self.begun:
            return []
        self._task_id = task_id(event.conversation_id, event.message_id)
        self._context_id = self._context_id or event.conversation_id
        return [bare_task(self._context_id, self._task_id, TaskState.TASK_STATE_WORKING)]

    def _artifact(self, artifact: Artifact, *, append: bool, last: bool) -> TaskArtifactUpdateEvent:
        return TaskArtifactUpdateEvent(
            task_id=self._task_id, context_id=self._context_id, artifact=artifact, append=append, last_chunk=last
        )

    def _status(self, status: TaskStatus, metadata: Mapping[str, Any]) -> TaskStatusUpdateEvent:
        update = TaskStatusUpdateEvent(task_id=self._task_id, context_id=self._context_id, status=status)
        update.metadata.update(metadata)
        return update

    def _consults(self, name: str, event: ToolStarted | ToolFinished) -> TaskStatusUpdateEvent:
        """A word on a specialist that is consulted; the task is at work."""
        said = "was asked" if isinstance(event, ToolStarted) else "answered" if event.succeeded else "did not answer"
        message = _message(self._context_id, self._task_id, [new_text_part(f"{name} {said}.")])
        status = TaskStatus(state=TaskState.TASK_STATE_WORKING, message=message)
        return self._status(status, {"agent_name": name})

    def _failed(self, error: ServiceError) -> TaskStatusUpdateEvent:
        message = _message(self._context_id, self._task_id, [new_text_part(error.detail)])
        again = {} if error.retry_after is None else {"retry_after": error.retry_after}
        return self._status(
            TaskStatus(state=TaskState.TASK_STATE_FAILED, message=message), {"code": error.code, **again}
        )


def data_artifact(number: int, tool_name: str, result: Mapping[str, Any]) -> Artifact:
    """A tool's result: rows, columns, SQL, what it bound, and the chart."""
    return Artifact(artifact_id=f"result-{number}", name=tool_name, parts=[new_data_part(dict(result), DATA)])


def finished_status(finished: TurnFinished, context_id: str, its_id: str) -> TaskStatus:
    """The last status of a turn: completed, cancelled, or waiting for the person's yes or answer."""
    if finished.question is not None:
        return question_status(finished.question, context_id, its_id)
    if not finished.approvals:
        return TaskStatus(state=_STATES.get(finished.finish, TaskState.TASK_STATE_COMPLETED))
    return waiting_status(finished.approvals, context_id, its_id)


def waiting_status(approvals: Iterable[ApprovalNeeded], context_id: str, its_id: str) -> TaskStatus:
    """The status of a task that waits: the question in words, and the calls as data."""
    waiting = list(approvals)
    question = f"{' '.join(each.message for each in waiting)} Answer yes or no, with this taskId."
    calls = [
        {"id": each.call_id, "name": each.tool_name, "arguments": json.loads(each.arguments or "{}")}
        for each in waiting
    ]
    message = _message(context_id, its_id, [new_text_part(question), new_data_part({"approvals": calls}, DATA)])
    return TaskStatus(state=TaskState.TASK_STATE_INPUT_REQUIRED, message=message)


def question_status(asked: QuestionAsked, context_id: str, its_id: str) -> TaskStatus:
    """The status of a task that asks back: the question in words, and its choices as data."""
    offered = {
        "id": asked.call_id,
        "question": asked.question,
        "choices": list(asked.choices),
        "multiple": asked.multiple,
    }
    listed = "".join(f"\n{number}. {choice}" for number, choice in enumerate(asked.choices, 1))
    parts = [new_text_part(f"{asked.question}{listed}"), new_data_part({"question": offered}, DATA)]
    return TaskStatus(state=TaskState.TASK_STATE_INPUT_REQUIRED, message=_message(context_id, its_id, parts))


def described(finished: TurnFinished) -> dict[str, Any]:
    """The facts of an answer beside its words."""
    return {
        "agent_name": finished.agent_name,
        "provider": finished.provider,
        "model_id": finished.model_id,
        "fallback_from": finished.fallback_from,
        "latency_ms": finished.latency_ms,
        "finish": finished.finish,
        "usage": {"input_tokens": finished.usage.input_tokens, "output_tokens": finished.usage.output_tokens},
        "unverified_figures": list(finished.unverified_figures),
        "citations": [each.shown() for each in finished.citations],
        **({} if finished.cached_at is None else {"cached_at": finished.cached_at}),
        **({} if finished.usage_warning is None else {"usage_warning": finished.usage_warning}),
    }


def stored_task(
    context_id: str, its_id: str, answer: Answer, events: Iterable[Event], *, withdrawn: bool = False
) -> Task:
    """The task of a stored answer, with what waits behind it; ``withdrawn``: that was cancelled."""
    events = list(events)
    waiting = [each for each in events if isinstance(each, ApprovalNeeded)]
    question = next((each for each in events if isinstance(each, QuestionAsked)), None)
    state = _STATES.get("cancelled" if withdrawn else answer.status, TaskState.TASK_STATE_COMPLETED)
    status = waiting_status(waiting, context_id, its_id) if waiting else TaskStatus(state=state)
    if question is not None:
        status = question_status(question, context_id, its_id)
    results = [each["result"] for each in json.loads(answer.tool_results_json or "[]")]
    names = [each["name"] for each in json.loads(answer.tool_calls_json or "[]")]
    artifacts = [Artifact(artifact_id=ANSWER, name=ANSWER, parts=[new_text_part(answer.content)])]
    cited: list[dict[str, Any]] = [{**each.shown()} for each in answer.citations]
    if cited:
        artifacts[0].metadata.update({"citations": cited})
    with_rows = [(name, result) for name, result in zip(names, results, strict=False) if "rows" in result]
    artifacts += [data_artifact(number, name, result) for number, (name, result) in enumerate(with_rows, 1)]
    return Task(id=its_id, context_id=context_id, status=status, artifacts=artifacts)


def bare_task(context_id: str, its_id: str, state: TaskState) -> Task:
    """A task of which nothing is stored: it is at work, or was cancelled and left nothing."""
    return Task(id=its_id, context_id=context_id, status=TaskStatus(state=state))


def answer_message(finished: TurnFinished, context_id: str, results: Iterable[Mapping[str, Any]]) -> Message:
    """The answer as one message: its words, and a data part for each tool's result."""
    parts = [new_text_part(finished.text), *(new_data_part(dict(each), DATA) for each in results)]
    message = _message(context_id or finished.conversation_id, "", parts)
    message.message_id = finished.message_id
    message.metadata.update(described(finished))
    return message


def _message(context_id: str, its_id: str, parts: Iterable[Part]) -> Message:
    return Message(
        message_id=f"{its_id}.status", role=Role.ROLE_AGENT, context_id=context_id, task_id=its_id, parts=list(parts)
    )
