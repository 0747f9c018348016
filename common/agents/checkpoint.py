"""The place of a run after a finished step: another attempt at the same turn goes on from there."""

from dataclasses import dataclass

from common.agents.bounds import Bounds
from common.models.call import Message


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The agent that has the question, the text so far, what the model is sent again, and the bounds that are used."""

    agent_name: str
    text: str
    exchange: tuple[Message, ...]
    bounds: Bounds
