"""The life of a turn: load, authorise, open the key, run the agents, store."""

# What a turn reads with is imported before the server forks, and shared by all workers.
import common.warehouse.sdk  # noqa: F401
from common.metering.usage_rows import Channel
from common.turn.opening import open_turn
from common.turn.prepared import TurnServices
from common.turn.request import SendRequest
from common.turn.turn import Turn

__all__ = ["Channel", "SendRequest", "Turn", "TurnServices", "open_turn"]
