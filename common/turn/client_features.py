"""The features that a client brings to a turn beside its message."""

from collections.abc import Mapping
from dataclasses import dataclass

from common.agents.pausing import ClientTool


@dataclass(frozen=True, slots=True)
class ClientReply:
    """The client's reply to a paused turn, by the ids of the waiting
    calls: results of its tools, and what it allows."""

    results: Mapping[str, str]
    approved: frozenset[str]


@dataclass(frozen=True, slots=True)
class ClientFeatures:
    """``own_ids``: an id that no conversation has is the client's own choice for a new one.

    ``tools`` are run by the client, ``approves`` says that it can be asked before something is changed, and with a
    ``reply`` the turn goes on where it paused instead of beginning with the message.
    """

    own_ids: bool = False
    tools: tuple[ClientTool, ...] = ()
    approves: bool = False
    reply: ClientReply | None = None

    @property
    def may_pause(self) -> bool:
        """True if a turn may have stopped for this client."""
        return bool(self.tools) or self.approves or self.reply is not None


NO_FEATURES = ClientFeatures()
