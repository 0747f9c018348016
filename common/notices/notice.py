"""A notice: something that happened, in the words in which people are told of it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Self
from urllib.parse import urlencode

from common import limits
from common.tenant import Tenant
from common.text import one_line, shorten

NoticeKind = Literal["alert", "alert_over", "alerts_held", "digest", "escalation", "test"]
NoticeSeverity = Literal["critical", "warning", "info"]

_NOTICE_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
_FACT_CHARS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A message to people. One ``notice_id`` is delivered to a destination once, however often it is stored.

    ``facts`` are labels with their values; ``link`` is the query of the chat page, which ``link_to`` writes;
    ``details`` are JSON values for a receiver that is a program.
    """

    notice_id: str
    kind: NoticeKind
    title: str
    text: str
    occurred_at: datetime
    severity: NoticeSeverity = "info"
    facts: tuple[tuple[str, str], ...] = ()
    link: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if _NOTICE_ID.fullmatch(self.notice_id) is None:
            raise ValueError("a notice's id has 1 to 100 letters, digits, _ and -")

    def stored(self) -> str:
        """The notice as JSON text, within its bounds."""
        told = {
            "notice_id": self.notice_id,
            "kind": self.kind,
            "title": shorten(one_line(self.title), limits.NOTICE_TITLE_CHARS),
            "text": shorten("\n".join(map(one_line, self.text.split("\n"))), limits.NOTICE_TEXT_CHARS),
            "occurred_at": self.occurred_at.isoformat(),
            "severity": self.severity,
            "facts": [
                [shorten(one_line(each), _FACT_CHARS) for each in fact]
                for fact in self.facts[: limits.MAX_NOTICE_FACTS]
            ],
            "link": self.link,
            "details": dict(self.details),
        }
        return json.dumps(told, ensure_ascii=False)

    @classmethod
    def read(cls, stored: str) -> Self:
        """Read a notice back from its JSON text."""
        told = json.loads(stored)
        facts = tuple((str(label), str(value)) for label, value in told.pop("facts"))
        return cls(facts=facts, occurred_at=datetime.fromisoformat(told.pop("occurred_at")), **told)


def link_to(tenant: Tenant, **named: str | None) -> str:
    """Return the query of the chat page that opens what is named, such as ``alert`` or ``conversation``."""
    given = {name: value for name, value in named.items() if value}
    return f"?{urlencode({'org': tenant.org_slug, **given})}"


def over_id(alert_history_id: str) -> str:
    """The id of the notice that an alert is over; the one that it was raised has the alert's own id."""
    return f"{alert_history_id}-over"
