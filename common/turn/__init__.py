"""The life of a turn: load, authorise, open the key, run the agents, store."""

from common.turn.opening import open_turn
from common.turn.prepared import TurnServices
from common.turn.request import SendRequest
from common.turn.turn import Turn

__all__ = ["SendRequest", "Turn", "TurnServices", "open_turn"]
