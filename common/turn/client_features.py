"""The features that a client brings to a turn beside its message."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from common.agents.pausing import ClientTool


@dataclass(frozen=True, slots=True)
class Decision:
    """The person's yes or no to a change; ``arguments``, if given, must be those of the call that waits."""

    approved: bool
    arguments: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ClientReply:
    """The client's reply to a paused turn, by the ids of the waiting calls: results of its tools, and decisions."""

    results: Mapping[str, str]
    decisions: Mapping[str, Decision]


@dataclass(frozen=True, slots=True)
class ClientFeatures:
    """``own_ids``: an id that no conversation has is the client's own choice for a new one.

    ``tools`` are run by the client, and with a ``reply`` the turn goes on where it paused instead of beginning with the
    message.
    """

    own_ids: bool = False
    tools: tuple[ClientTool, ...] = ()
    reply: ClientReply | None = None


NO_FEATURES = ClientFeatures()
