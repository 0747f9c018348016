"""OpenAI's chat/completions, which DeepSeek and many others speak too.

Its newest models refuse tools there unless they do not reason (``effort_with_tools``). The Responses API would let
them; here the figures come from tools and not from thinking, and one format for all who speak this one is worth more
than thoughts that would have to be kept and sent back encrypted. A model that must reason beside its tools gets a
format of its own next to this one.
"""

from collections.abc import Callable, Mapping
from typing import Any

from common.models.call import ModelCall
from common.models.payload import request_body
from common.models.stream_delta import Delta, of_event
from common.models.wires.direct import WireRequest


class OpenAiFormat:
    """The format of OpenAI's chat completions."""

    def request(self, call: ModelCall) -> WireRequest:
        """The call as one request."""
        key = call.key.reveal()
        # A server of the operator's own may take calls without a key.
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return WireRequest("/chat/completions", headers, request_body(call))

    def reader(self) -> Callable[[Mapping[str, Any]], Delta]:
        """Events stand by themselves here."""
        return of_event
