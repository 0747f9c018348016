"""A change outside any conversation that waits for its person's yes: kept under an id that can be used once."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from common import limits
from common.documents import Create, DocumentConflict, Documents, Patch
from common.errors import ApprovalAnswered, ApprovalChanged, ApprovalExpired, ApprovalGone
from common.tenant import Principal
from common.transcript.ids import is_id, new_id
from common.transcript.paths import confirmation_path


@dataclass(frozen=True, slots=True)
class Change:
    """A call that changes something; ``arguments`` as they were checked."""

    tool_name: str
    arguments: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """The call in one word: the same call has the same one."""
        whole = json.dumps([self.tool_name, self.arguments], sort_keys=True)
        return hashlib.sha256(whole.encode()).hexdigest()


class Confirmations:
    """Keeps what waits for a yes. One instance serves all organisations."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def ask(self, principal: Principal, change: Change, now: datetime) -> str:
        """Keep the change for some hours, and return the id that its yes must name."""
        confirmation_id = new_id()
        document = {
            "user_id": principal.user_id,
            "change": change.digest,
            "answered": False,
            "expire_at": now + timedelta(hours=limits.APPROVAL_HOURS),
        }
        await self._documents.commit([Create(confirmation_path(principal.tenant, confirmation_id), document)])
        return confirmation_id

    async def answer(self, principal: Principal, confirmation_id: str, change: Change, now: datetime) -> None:
        """Use the id up, for a yes or a no of its person.

        Raises ApprovalGone, also for an id of somebody else; ApprovalAnswered, ApprovalExpired or ApprovalChanged.
        """
        if not is_id(confirmation_id):
            raise ApprovalGone
        path = confirmation_path(principal.tenant, confirmation_id)
        document = (await self._documents.get_all([path]))[path]
        if document is None or document.data["user_id"] != principal.user_id:
            raise ApprovalGone
        if document.data["answered"]:
            raise ApprovalAnswered
        if document.data["expire_at"] <= now:
            raise ApprovalExpired
        if document.data["change"] != change.digest:
            raise ApprovalChanged
        try:
            await self._documents.commit([Patch(path, {"answered": True}, document.updated_at)])
        except DocumentConflict:
            raise ApprovalAnswered from None
