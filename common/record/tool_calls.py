"""Tool calls that no conversation holds, on the record all the same."""

from datetime import datetime

from common.agents.events import ToolFinished
from common.documents import Data, Documents
from common.record import outbox
from common.tenant import Principal
from common.transcript.message import Message


async def record_call(
    documents: Documents, principal: Principal, conversation_id: str, call: ToolFinished, usage: Data, now: datetime
) -> None:
    """Put the call, and the row of what it used, in the outbox, in one commit. Raises DocumentsUnavailable.

    ``conversation_id`` holds a colon, which no conversation's id has; the call's own id stands for the message.
    """
    message = Message(call.call_id, "assistant", "", now)
    audit = outbox.lone_call_entry(principal.tenant, conversation_id, message, call)
    await documents.commit([audit, outbox.usage_entry(usage, now)])
