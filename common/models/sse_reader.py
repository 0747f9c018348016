"""Reads the events of a provider's stream: whether they can be read, say an error, or end the answer; all bounded."""

import json
from dataclasses import dataclass
from typing import Any

from common import json_text, limits
from common.errors import ModelError, ProviderUnavailable, ServiceError
from common.models.call import FinishReason, ModelCall
from common.models.finish_reasons import meaning_of
from common.models.provider_errors import worded

_DONE = b"[DONE]"
_BINARY_END = b"messageStop"
# A reply takes so many bytes at most for each token that it was asked for, and so many beside them.
_TOKEN_BYTES = 1024
_SPARE_BYTES = 1024**2


def reply_bytes(call: ModelCall) -> int:
    """The bytes that the reply to a call may take on the wire. Thoughts may come on top of what was asked for."""
    if call.model.reasoning:
        return limits.MODEL_REPLY_BYTES
    tokens = min(call.max_tokens, call.model.max_output)
    return min(limits.MODEL_REPLY_BYTES, _SPARE_BYTES + tokens * _TOKEN_BYTES)


@dataclass(slots=True)
class Frame:
    """One whole event: its data as it came, and what it says; None for the one that only ends the stream."""

    data: bytes
    event: dict[str, Any] | None


class Frames:
    """Takes a stream's bytes as they come. litellm skips what it cannot read and makes up an end; this tells.

    ``ended`` is set by the event that ends an answer, ``done`` by the one after which its format says nothing more,
    ``failure`` by one that is an error, no JSON or too long, and ``full`` by more bytes than a reply may take.
    ``reason`` is how the answer ended in the provider's own words, some of which litellm does not pass on.
    """

    def __init__(self, most_bytes: int) -> None:
        self.ended = False
        self.done = False
        self.full = False
        self.failure: ServiceError | None = None
        self.reason: FinishReason | None = None
        self._room = most_bytes
        # A line and an event may come in very many pieces; they are joined once.
        self._line: list[bytes] = []
        self._data: list[bytes] = []
        self._held = 0
        self._tail = b""

    def take(self, part: bytes) -> bytes:
        """Count bytes of Bedrock's binary events, note the one that ends an answer, and hand them on."""
        self._room -= len(part)
        self.full = self._room < 0
        seen = self._tail + part
        self.ended = self.ended or _BINARY_END in seen
        self._tail = seen[-len(_BINARY_END) :]
        return part

    def feed(self, part: bytes) -> list[Frame]:
        """Look at the next bytes, and return the events that they complete; none after a failure."""
        frames: list[Frame] = []
        self._room -= len(part)
        self.full = self._room < 0
        *ends, rest = part.split(b"\n")
        for end in ends:
            line = end
            if self._line:
                self._hold(end)
                line = b"".join(self._line)
                self._line.clear()
                self._held -= len(line)
            self._take_line(line, frames)
        if rest:
            self._hold(rest)
        return frames

    def finish(self) -> list[Frame]:
        """The stream is over: what is left of it is an event too, if it has come whole."""
        return self.feed(b"\n\n") if self._held else []

    def _hold(self, piece: bytes) -> None:
        if self.failure is None:
            self._line.append(piece)
            self._count(len(piece))

    def _count(self, held: int) -> None:
        self._held += held
        if self._held > limits.MODEL_EVENT_BYTES:
            self.failure = ModelError()

    def _take_line(self, line: bytes, frames: list[Frame]) -> None:
        if line.startswith(b"data:"):
            self._data.append(line[5:].strip())
            self._count(len(line))
            return
        # What is no data, a comment or the event's name, is not kept.
        if line and line.rstrip(b"\r"):
            return
        if self._data and self.failure is None:
            data = self._data[0] if len(self._data) == 1 else b" ".join(self._data)
            event = self._event(data)
            if self.failure is None:
                frames.append(Frame(data, event))
        self._data.clear()
        self._held = 0

    def _event(self, data: bytes) -> dict[str, Any] | None:
        if data == _DONE:
            self.ended = self.done = True
            return None
        try:
            event = json_text.read(data)
        except (ValueError, RecursionError):
            self.failure = ProviderUnavailable()
            return None
        if not isinstance(event, dict):
            self.failure = ProviderUnavailable()
            return None
        if event.get("error"):
            self.failure = worded(json.dumps(event["error"]))
        else:
            self._note_end(event)
        return event

    def _note_end(self, event: dict[str, Any]) -> None:
        """Note whether an event of any format ends the answer, and why."""
        words = _words(event)
        kind = event.get("type")
        if kind == "message_delta":
            words.insert(0, (event.get("delta") or {}).get("stop_reason"))
        elif kind == "message_stop":
            self.ended = self.done = True
        if words and any(words):
            self.reason = next(filter(None, map(meaning_of, words)), self.reason)
            self.ended = self.ended or kind != "message_delta" or any(words[1:])
        if (event.get("promptFeedback") or {}).get("blockReason"):
            self.ended = True


def _words(event: dict[str, Any]) -> list[Any]:
    """The reasons that the event's choices or candidates have."""
    choices = event.get("choices") or event.get("candidates") or ()
    return [choice.get("finish_reason") or choice.get("finishReason") for choice in choices if choice]
