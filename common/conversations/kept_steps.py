"""The finished steps of an answer that is not whole yet: the same message sent again goes on after them."""

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from typing import Any

from common.agents.checkpoint import Checkpoint
from common.agents.events import ToolFinished
from common.conversations.paused_turn import PENDING_BYTES, fit_exchange
from common.documents import Data, Document, Put
from common.models.call import Usage
from common.tenant import Tenant
from common.tools.result import as_stored
from common.transcript.message import STORED_TOOL_RESULTS_CHARS
from common.transcript.paths import steps_path

# Whoever sends a message again later than this asks for newer figures.
STEPS_SECONDS = 3600
_TEXTS = ("question", "tools", "place")


@dataclass(frozen=True, slots=True)
class KeptSteps:
    """The calls that were made for an answer so far, and the place that the loop goes on from.

    Of ``tools``, the first ``audited`` are on the record; ``uncounted`` is what no attempt has counted of the tokens.
    """

    answer_id: str
    question: str
    tools: tuple[ToolFinished, ...]
    checkpoint: Checkpoint
    uncounted: Usage
    audited: int

    def write(self, tenant: Tenant, conversation_id: str, now: datetime) -> Put | None:
        """Keep them in place of earlier ones; None where they are too long for one document."""
        document: Data = {
            "question": self.question,
            # As text: maps would be indexed field by field.
            "place": json.dumps(self.checkpoint.frame(), ensure_ascii=False),
            "tools": _listed(self.tools),
            "uncounted": list(astuple(self.uncounted)),
            "audited": self.audited,
            "kept_at": now,
            "expire_at": now + timedelta(seconds=STEPS_SECONDS),
        }
        taken = sum(len(document[name].encode(errors="replace")) for name in _TEXTS if name in document)
        room = PENDING_BYTES - taken
        exchange = fit_exchange(self.checkpoint.messages(), self.checkpoint.open_calls(), room)
        if exchange is None:
            return None
        return Put(steps_path(tenant, conversation_id, self.answer_id), document | {"exchange": exchange})


def kept_of(document: Document | None, answer_id: str, question: str, now: datetime) -> KeptSteps | None:
    """Read them back. Returns None if there are none for this very question, or they are old."""
    data = document.data if document else {}
    if data.get("question") != question or now - data["kept_at"] > timedelta(seconds=STEPS_SECONDS):
        return None
    try:
        return _read(data, answer_id)
    except (KeyError, TypeError, ValueError, AttributeError):
        # An instance of another version has kept them in another shape.
        return None


def _read(data: Data, answer_id: str) -> KeptSteps:
    place = Checkpoint.read(json.loads(data["place"]), json.loads(data["exchange"]))
    tools = tuple(ToolFinished(**call) for call in json.loads(data["tools"]))
    return KeptSteps(answer_id, data["question"], tools, place, Usage(*data["uncounted"]), data["audited"])


def _listed(tools: Sequence[ToolFinished]) -> str:
    """The calls as JSON, each result cut to its share of what one message holds of them."""
    share = STORED_TOOL_RESULTS_CHARS // max(1, len(tools))
    return json.dumps([_shown(call, share) for call in tools], ensure_ascii=False)


def _shown(call: ToolFinished, share: int) -> dict[str, Any]:
    fields = {name: getattr(call, name) for name in ToolFinished.__dataclass_fields__}
    return fields | {"result": json.loads(as_stored(call.result, share))}
