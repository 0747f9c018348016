"""The features that a client brings to a turn beside its message."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from common.agents.pausing import ClientTool
from common.documents import Data


@dataclass(frozen=True, slots=True)
class Decision:
    """The person's yes or no to a change; ``arguments``, if given, must be those of the call that waits."""

    approved: bool
    arguments: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ClientReply:
    """The client's reply to a paused turn, by the ids of the waiting calls: results of its tools, decisions, answers.

    An answer names choices or is in words; one without anything says that the person gave none.
    """

    results: Mapping[str, str]
    decisions: Mapping[str, Decision]
    answers: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClientFeatures:
    """``own_ids``: an id that no conversation has is the client's own choice for a new one.

    ``tools`` are run by the client, and with a ``reply`` the turn goes on where it paused instead of beginning with the
    message.

    ``shown`` are the ids of the stored messages that the client still shows: what it took back is no history any more.
    ``said_before`` is the history of a client that keeps it itself, as it tells it.
    ``context`` is what the client's page shows, described and in words: data, like what a tool returns. ``note`` is
    said before the answer. ``replies_to`` is the answer that the message is a yes, a no or a reply to.
    """

    own_ids: bool = False
    tools: tuple[ClientTool, ...] = ()
    reply: ClientReply | None = None
    shown: frozenset[str] | None = None
    said_before: tuple[Data, ...] = ()
    context: tuple[tuple[str, str], ...] = ()
    note: str = ""
    replies_to: str | None = None

    def history(self, stored: Sequence[Data]) -> Sequence[Data]:
        """The messages before the question, oldest first, as far as they count for this client."""
        if self.said_before or self.shown is None:
            return self.said_before or stored
        kept = [entry for entry in stored if entry["message_id"] in self.shown]
        # A client that makes up new ids for what it has loaded has taken nothing back.
        return kept if kept or not self.shown else stored


NO_FEATURES = ClientFeatures()
