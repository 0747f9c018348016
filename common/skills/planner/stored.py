"""Plans that were made before: read from the answers that they were given in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from common.documents import Documents, Sort
from common.record.reader import Record
from common.tenant import Principal
from common.transcript.message import Message, message_of
from common.transcript.paths import messages_path
from common.transcript.plans import PLANNING, plans_in

# Of the conversation's newest messages these are looked through; the record has the others.
LOOKED_THROUGH = 200
MOST_READ = 10

Plan = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoredPlans:
    """Finds a caller's plans: in the conversation that asks, and in the caller's others on the record."""

    documents: Documents
    record: Record

    async def find(self, principal: Principal, conversation_id: str, plan_id: str | None) -> Plan | None:
        """Return the plan of this id, or the conversation's last. Returns None if the caller has no such plan."""
        if conversation_id and (plan := await self._held(principal, conversation_id, plan_id)):
            return plan
        if plan_id is None:
            return None
        return _of_id(await self.record.planned(principal, PLANNING, plan_id, MOST_READ), plan_id)

    async def _held(self, principal: Principal, conversation_id: str, plan_id: str | None) -> Plan | None:
        place = messages_path(principal.tenant, conversation_id)
        newest = await self.documents.query(
            place, order=(Sort("sequence", descending=True),), fields=("tool_calls_json",), limit=LOOKED_THROUGH
        )
        paths = [each.path for each in newest if PLANNING in (each.data["tool_calls_json"] or "")][:MOST_READ]
        found = await self.documents.get_all(paths) if paths else {}
        return _of_id((message_of(each) for path in paths if (each := found[path]) is not None), plan_id)


def _of_id(messages: Iterable[Message], plan_id: str | None) -> Plan | None:
    """The first plan of this id, or the first of all."""
    plans = (plan for each in messages for plan in plans_in(each))
    return next((plan for plan in plans if plan_id in (None, plan["plan_id"])), None)
