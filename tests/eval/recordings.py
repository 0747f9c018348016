"""Replies of real models, recorded at the model's port, and played again without a provider.

A recording is a file of one episode: the day it was made on, the model, and each request's digest with its reply. Only
``--record`` writes it. Where a request has changed since (a prompt, a tool, a result), the recording is stale: it is
listed, and its replies are played no further.
"""

import hashlib
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from common.errors import ModelError
from common.models.completion import Completion, Message, ModelCall, Reply, ToolCall, Usage

FOLDER = Path(__file__).with_name("recordings")
# The episode that is being played: what its turns start inherits it.
EPISODE: ContextVar[str] = ContextVar("episode", default="")
_PARTS = ("tools", "prompt", "messages")


class RecordingMissing(ModelError):
    """No reply was recorded for this request."""

    status = 502
    code = "recording_missing"
    detail = "No reply was recorded for this request."


class RecordingError(ValueError):
    """A file that is no recording; the message names it."""


@dataclass(frozen=True, slots=True)
class Step:
    """A request, by the digests of its parts, and its reply."""

    digests: Mapping[str, str]
    reply: Mapping[str, Any]


@dataclass(slots=True)
class Recording:
    """The steps of one episode; ``digest`` is the episode's own."""

    episode: str
    digest: str
    model: str
    made_on: date
    steps: list[Step] = field(default_factory=list)

    def as_text(self) -> str:
        steps = [{"digests": dict(step.digests), "reply": dict(step.reply)} for step in self.steps]
        head = {"episode": self.episode, "digest": self.digest, "model": self.model, "made_on": str(self.made_on)}
        return json.dumps(head | {"steps": steps}, indent=1, ensure_ascii=False) + "\n"


def read_all(folder: Path = FOLDER) -> dict[str, Recording]:
    """The recordings of a folder by their episodes. Raises RecordingError for a file that is none."""
    return {each.episode: each for each in map(_read, sorted(folder.glob("*.json")))}


def _read(path: Path) -> Recording:
    try:
        data = json.loads(path.read_text("utf-8"))
        steps = [Step(step["digests"], step["reply"]) for step in data["steps"]]
        return Recording(data["episode"], data["digest"], data["model"], date.fromisoformat(data["made_on"]), steps)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordingError(f"{path.name} is no recording: {error!r}. Make it anew with --record.") from error


@dataclass
class Recorder:
    """Passes calls on to a model, and keeps its replies by episode."""

    inner: Completion
    model: str
    today: date
    digests: Mapping[str, str]
    made: dict[str, Recording] = field(default_factory=dict)

    async def stream(self, call: ModelCall) -> AsyncGenerator[str | Reply, None]:
        name = EPISODE.get()
        async with aclosing(self.inner.stream(call)) as pieces:
            async for piece in pieces:
                # A check of the key belongs to no episode.
                if isinstance(piece, Reply) and name:
                    recording = self.made.setdefault(name, Recording(name, self.digests[name], self.model, self.today))
                    recording.steps.append(Step(digests_of(call), _reply_as_json(piece)))
                yield piece

    def write(self, episode: str, folder: Path = FOLDER) -> None:
        """Write an episode's recording; one that is incomplete is not written."""
        if episode in self.made:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{episode}.json").write_text(self.made[episode].as_text(), "utf-8")


@dataclass
class Replayed:
    """Plays recordings; ``stale`` says of each that no longer fits what has changed."""

    recordings: Mapping[str, Recording]
    stale: dict[str, str] = field(default_factory=dict)
    _at: dict[str, int] = field(default_factory=dict)

    async def stream(self, call: ModelCall) -> AsyncGenerator[str | Reply, None]:
        name = EPISODE.get()
        steps = self.recordings[name].steps if name in self.recordings else []
        at = self._at.get(name, 0)
        if name in self.stale or at >= len(steps):
            self.stale.setdefault(name, f"request {at + 1} was not recorded")
            raise RecordingMissing
        now = digests_of(call)
        if changed := [part for part in _PARTS if now[part] != steps[at].digests.get(part)]:
            self.stale[name] = f"request {at + 1} has other {' and '.join(changed)} than were recorded"
            raise RecordingMissing
        self._at[name] = at + 1
        reply = _reply_of(steps[at].reply)
        if reply.text:
            yield reply.text
        yield reply


def digests_of(call: ModelCall) -> dict[str, str]:
    """A digest of each part of a request, without the ids that are made anew each time."""
    return {
        "tools": _digest(call.tools),
        "prompt": _digest([message for message in call.messages if message["role"] == "system"]),
        "messages": _digest(_without_ids([message for message in call.messages if message["role"] != "system"])),
    }


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _without_ids(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The messages with their tool calls numbered in the place of their ids."""
    numbers: dict[str, str] = {}
    found = []
    for message in messages:
        changed = dict(message)
        for call in changed.get("tool_calls") or ():
            numbers.setdefault(call["id"], f"call-{len(numbers)}")
        if changed.get("tool_calls"):
            changed["tool_calls"] = [{**call, "id": numbers[call["id"]]} for call in changed["tool_calls"]]
        if "tool_call_id" in changed:
            changed["tool_call_id"] = numbers.get(changed["tool_call_id"], changed["tool_call_id"])
        found.append(changed)
    return found


def _reply_as_json(reply: Reply) -> dict[str, Any]:
    usage = reply.usage
    return {
        "text": reply.text,
        "tool_calls": [{"id": c.call_id, "name": c.name, "arguments": c.arguments} for c in reply.tool_calls],
        "usage": [usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.cache_write_tokens],
        "finish_reason": reply.finish_reason,
        "thoughts": reply.thoughts,
    }


def _reply_of(data: Mapping[str, Any]) -> Reply:
    calls = tuple(ToolCall(each["id"], each["name"], each["arguments"]) for each in data["tool_calls"])
    return Reply(data["text"], calls, Usage(*data["usage"]), data["finish_reason"], data.get("thoughts"))
