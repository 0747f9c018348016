"""Watches the events of a provider's stream go by: whether they can be read, say an error, or end the answer."""

import json
from typing import Any

import orjson

from common.errors import ProviderUnavailable, ServiceError
from common.models.call import FinishReason
from common.models.finish_reasons import meaning_of
from common.models.provider_errors import worded

_DONE = b"[DONE]"


class Frames:
    """Takes a stream's bytes as they come. litellm skips what it cannot read and makes up an end; this tells.

    ``ended`` is set by the event that ends an answer, ``done`` by the one after which OpenAI's format says nothing
    more, ``failure`` by one that is an error or no JSON; ``sound`` is how many of the last bytes came before that one.
    ``reason`` is how the answer ended in the provider's own words, some of which litellm does not pass on.
    """

    def __init__(self) -> None:
        self.ended = False
        self.done = False
        self.failure: ServiceError | None = None
        self.sound = 0
        self.reason: FinishReason | None = None
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, part: bytes) -> list[dict[str, Any]]:
        """Look at the next bytes, and return the events that they complete; none after a failure."""
        events: list[dict[str, Any]] = []
        self.sound = len(part)
        begun, at = 0, -len(self._rest)
        *lines, self._rest = (self._rest + part).split(b"\n")
        for line in lines:
            at += len(line) + 1
            line = line.rstrip(b"\r")
            if line.startswith(b"data:"):
                self._data.append(line[5:].strip())
            elif not line:
                if self._data and self.failure is None:
                    event = self._event(b"\n".join(self._data))
                    if self.failure is not None:
                        self.sound = begun
                    elif event is not None:
                        events.append(event)
                self._data.clear()
                begun = at
        return events

    def finish(self) -> list[dict[str, Any]]:
        """The stream is over: what is left of it is an event too, if it has come whole."""
        return self.feed(b"\n\n") if self._rest or self._data else []

    def _event(self, data: bytes) -> dict[str, Any] | None:
        if data == _DONE:
            self.ended = self.done = True
            return None
        try:
            event = _read(data)
        except ValueError:
            self.failure = ProviderUnavailable()
            return None
        if not isinstance(event, dict):
            self.failure = ProviderUnavailable()
            return None
        if event.get("error"):
            self.failure = worded(json.dumps(event["error"]))
        else:
            self.reason = _reason(event) or self.reason
            self.ended = self.ended or _ends(event)
        return event


def _read(data: bytes) -> Any:
    """An event's JSON. Half of a surrogate pair, which a token may end with, is read too. Raises ValueError."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return json.loads(data)


def _ends(event: dict[str, Any]) -> bool:
    """Return true if an event of any of the four formats ends the answer."""
    blocked = bool((event.get("promptFeedback") or {}).get("blockReason"))
    return event.get("type") == "message_stop" or blocked or any(_words(event))


def _reason(event: dict[str, Any]) -> FinishReason | None:
    """Return the reason why the answer ended, as an event of any of the four formats gives it."""
    stopped = (event.get("delta") or {}).get("stop_reason") if event.get("type") == "message_delta" else None
    return next((reason for word in (stopped, *_words(event)) if (reason := meaning_of(word))), None)


def _words(event: dict[str, Any]) -> list[Any]:
    """The reasons that the event's choices or candidates have."""
    choices = [*(event.get("choices") or ()), *(event.get("candidates") or ())]
    return [choice.get("finish_reason") or choice.get("finishReason") for choice in choices if choice]
