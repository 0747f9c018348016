"""The deadline of a provider's next event."""

import asyncio

from common import limits
from common.models.catalog import Model
from common.patience import Patience

MODEL_FIRST_TOKEN_SECONDS = 60.0
MODEL_BETWEEN_TOKENS_SECONDS = 30.0
# A reasoning model says nothing while it thinks.
MODEL_REASONING_SECONDS = 150.0


class Deadline:
    """``at`` is a time of the event loop: one for the first word, then one for each next, and never past ``total``.

    Any byte of the stream is life: a provider may ping for minutes while its model thinks.
    """

    def __init__(self, model: Model, total: float) -> None:
        self._total = total
        self._clock = asyncio.get_running_loop().time
        self._patience = MODEL_REASONING_SECONDS if model.reasoning else MODEL_FIRST_TOKEN_SECONDS
        self._waits = Patience()
        self._over = False
        self.at = min(total, self._clock() + self._patience)

    def wait(self) -> Patience:
        """A context that ends with TimeoutError at the deadline, wherever that moves meanwhile."""
        return self._waits.until(self.at)

    def close(self) -> None:
        """End the call: nothing of it is waited for any more."""
        self._waits.close()

    def heard(self, begun: bool) -> None:
        """Something came; ``begun`` is whether the model has begun to answer."""
        if self._over:
            return
        seconds = MODEL_BETWEEN_TOKENS_SECONDS if begun else self._patience
        self._move(min(self._total, self._clock() + seconds))

    def over(self) -> None:
        """The answer is over; only the end of the connection's part in it is missing."""
        if not self._over:
            self._over = True
            self._move(min(self.at, self._clock() + limits.MODEL_CLOSE_SECONDS))

    def _move(self, at: float) -> None:
        self.at = at
        self._waits.move(at)
