"""By when a provider must have said its next word."""

import asyncio

from common import limits
from common.models.catalog import Model


class Deadline:
    """``at`` is a time of the event loop: one for the first word, then one for each next, and never past ``total``."""

    def __init__(self, model: Model, total: float) -> None:
        self._total = total
        self._clock = asyncio.get_running_loop().time
        patience = limits.MODEL_REASONING_SECONDS if model.reasoning else limits.MODEL_FIRST_TOKEN_SECONDS
        self.at = min(total, self._clock() + patience)

    def heard(self) -> None:
        """The model has begun, or gone on."""
        self.at = min(self._total, self._clock() + limits.MODEL_BETWEEN_TOKENS_SECONDS)

    def over(self) -> None:
        """The answer is over; only the end of the connection's part in it is missing."""
        self.at = min(self.at, self._clock() + limits.MODEL_CLOSE_SECONDS)
