"""A summary that was made after the end of its turn, stored by itself."""

from collections.abc import Sequence
from datetime import datetime

from common.conversations.store import TRIES
from common.documents import DocumentConflict, Documents, Patch, Write
from common.record import outbox
from common.tenant import Principal
from common.transcript.conversation import conversation_of
from common.transcript.paths import conversation_path
from common.transcript.summary import RollingSummary, SummaryPause

_FIELDS = ("summary", "through_sequence", "summary_due", "updated_at", "expire_at")


async def keep_late(
    documents: Documents,
    principal: Principal,
    conversation_id: str,
    summary: RollingSummary | SummaryPause,
    now: datetime,
    also: Sequence[Write],
) -> bool:
    """Store the summary, with ``also`` in the same commit.

    Returns false, with nothing stored, where the conversation was deleted or another summary came first. Another turn
    may be under way in it: its own commits find this one, and go on from it.
    """
    tenant = principal.tenant
    path = conversation_path(tenant, conversation_id)
    for _ in range(TRIES):
        document = (await documents.get_all([path]))[path]
        current = conversation_of(document) if document else None
        if current is None or current.status != "active" or current.through_sequence != summary.after:
            return False
        after = current.remembering(summary).changed(now)
        changes = {name: value for name, value in after.document().items() if name in _FIELDS}
        write = Patch(path, changes, current.version)
        try:
            await documents.commit([write, outbox.conversation_entry(tenant, after, now), *also])
        except DocumentConflict:
            continue
        return True
    return False
