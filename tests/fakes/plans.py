"""Stored plans that a test writes: what a caller has planned is in its hand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from common.tenant import Principal


@dataclass
class Plans:
    """Finds the plans that were put in, and keeps who has asked for which in which conversation."""

    known: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)

    async def find(self, principal: Principal, conversation_id: str, plan_id: str | None) -> Mapping[str, Any] | None:
        self.asked.append((principal.org_slug, conversation_id, plan_id))
        return self.known.get(plan_id) if plan_id else next(iter(self.known.values()), None)
