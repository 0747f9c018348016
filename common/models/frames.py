"""Watches the events of a provider's stream go by: whether they can be read, say an error, or end the answer."""

import json
from typing import Any

from common.errors import ProviderUnavailable, ServiceError
from common.models.refusals import worded

_DONE = b"[DONE]"


class Frames:
    """Takes a stream's bytes as they come. litellm skips what it cannot read and makes up an end; this tells.

    ``ended`` is set by the event that ends an answer, ``failure`` by one that is an error or no JSON.
    """

    def __init__(self) -> None:
        self.ended = False
        self.failure: ServiceError | None = None
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, part: bytes) -> None:
        """Look at the next bytes."""
        *lines, self._rest = (self._rest + part).split(b"\n")
        for line in lines:
            line = line.rstrip(b"\r")
            if line.startswith(b"data:"):
                self._data.append(line[5:].strip())
            elif not line and self._data:
                self._event(b"\n".join(self._data))
                self._data.clear()

    def finish(self) -> None:
        """The stream is over: what is left of it is an event too, if it has come whole."""
        if self._rest:
            self.feed(b"\n")
        if self._data:
            self.feed(b"\n")

    def _event(self, data: bytes) -> None:
        if data == _DONE:
            self.ended = True
            return
        try:
            event: Any = json.loads(data)
        except ValueError:
            self.failure = self.failure or ProviderUnavailable()
            return
        if not isinstance(event, dict):
            self.failure = self.failure or ProviderUnavailable()
        elif event.get("error"):
            self.failure = self.failure or worded(json.dumps(event["error"]))
        elif _ends(event):
            self.ended = True


def _ends(event: dict[str, Any]) -> bool:
    """Whether an event of any of the four formats ends the answer."""
    choices = [*(event.get("choices") or ()), *(event.get("candidates") or ())]
    return (
        event.get("type") == "message_stop"
        or bool((event.get("promptFeedback") or {}).get("blockReason"))
        or any(choice.get("finish_reason") or choice.get("finishReason") for choice in choices)
    )
