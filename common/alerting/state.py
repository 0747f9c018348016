"""The memory of an organisation's rules: one Firestore document, changed in the commit of its alerts."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from common.documents import Create, Data, Document, Patch, Write
from common.skills.alerts.conditions import AlertRule
from common.skills.alerts.evaluation import Track
from common.tenant import Tenant

Tracks = Mapping[str, Track]
_PACKED_CHARS = 100_000


def state_path(tenant: Tenant) -> str:
    """The path of the document with what an organisation's rules have said."""
    return f"orgs/{tenant.org_slug}/alerting/state"


@dataclass(frozen=True, slots=True)
class AlertState:
    """The tracks of the rules, by rule and by the fingerprint of its conditions.

    ``mark`` names what was evaluated; ``flood`` is the count of the messages that were sent.
    """

    tracks: Mapping[str, tuple[str, Tracks]]
    mark: str | None = None
    flood: str | None = None
    version: datetime | None = None

    def of(self, rule: AlertRule) -> Tracks:
        """The tracks of a rule. A rule whose conditions changed has none: it begins anew."""
        fingerprint, tracks = self.tracks.get(rule.rule_id, ("", {}))
        return tracks if fingerprint == rule.fingerprint else {}

    def write(self, tenant: Tenant) -> Write:
        """The write of this state; it fails where another evaluation has written one since it was read."""
        text = json.dumps(_plain(self.tracks), separators=(",", ":"))
        # Days are nearly the same text again and again: packed, those of thousands of rules fit a document.
        tracks = zlib.compress(text.encode()) if len(text) > _PACKED_CHARS else text
        data: Data = {"tracks": tracks, "mark": self.mark, "flood": self.flood}
        path = state_path(tenant)
        return Create(path, data) if self.version is None else Patch(path, data, self.version)


def read_state(document: Document | None) -> AlertState:
    """Read the state back; an empty one where there is none."""
    if document is None:
        return AlertState({})
    packed = document.data["tracks"]
    found: dict[str, Any] = json.loads(zlib.decompress(packed) if isinstance(packed, bytes) else packed)
    tracks = {rule_id: (print_, {name: _track(each) for name, each in of.items()})
              for rule_id, (print_, of) in found.items()}  # fmt: skip
    return AlertState(tracks, document.data.get("mark"), document.data.get("flood"), document.updated_at)


def _plain(tracks: Mapping[str, tuple[str, Tracks]]) -> dict[str, Any]:
    return {
        rule_id: [
            fingerprint,
            {
                name: [list(each.handled), [list(pair) for pair in each.open],
                       each.fired_at.isoformat() if each.fired_at else None]
                for name, each in of.items()
            },
        ]
        for rule_id, (fingerprint, of) in tracks.items()
        if of
    }  # fmt: skip


def _track(data: Any) -> Track:
    handled, open_, fired_at = data
    return Track(
        tuple(handled),
        tuple((window, fired) for window, fired in open_),
        datetime.fromisoformat(fired_at) if fired_at else None,
    )
