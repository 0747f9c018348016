"""A Completion that asks further models, in their order, while the one before them cannot answer."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from common import limits
from common.errors import (
    ContentRefused,
    ContextTooLong,
    ProviderRateLimited,
    ProviderTimeout,
    ProviderUnavailable,
    ServiceError,
)
from common.models.call import Completion, ModelCall, Reply
from common.models.catalog import Model
from common.secret import Secret


@dataclass(frozen=True, slots=True)
class Candidate:
    """A further model; its key is opened when the model is first asked, and not before."""

    model: Model
    open_key: Callable[[], Awaitable[Secret]]


class FallbackCompletion:
    """Serves one turn. The first model that begins to answer serves the rest of the turn too.

    A further model is asked only where the one before it is limited, down or silent, and has not begun to answer.
    A bad key, a refusal or a context that is too long is the first model's own answer, and stays it.
    """

    def __init__(
        self,
        completion: Completion,
        candidates: Sequence[Candidate],
        moved: Callable[[Model, ServiceError], None],
    ) -> None:
        """``moved`` is told of every model that is asked in place of another, and why."""
        self._completion = completion
        self._waiting = list(candidates)
        self._moved = moved
        self._current: tuple[Model, Secret] | None = None
        self._begun = False
        self._moving = asyncio.Lock()

    @property
    def model(self) -> Model | None:
        """The further model that serves; None while the turn's own does."""
        return self._current[0] if self._current else None

    async def stream(self, call: ModelCall) -> AsyncGenerator[str | Reply, None]:
        """Make the call with the model that serves the turn, or with the next one that can.

        Raises what the turn's own model failed with, where no other can answer either.
        """
        deadline = asyncio.get_running_loop().time() + limits.MODEL_TOTAL_SECONDS
        first: ServiceError | None = None
        while True:
            asked = self._current
            try:
                async with aclosing(self._asked(call, deadline)) as pieces:
                    async for piece in pieces:
                        self._begun = True
                        yield replace(piece, answered_by=self.model) if isinstance(piece, Reply) else piece
                return
            except ServiceError as error:
                if self._begun or not _passes_on(error, own=first is None):
                    raise
                first = first or error
            async with self._moving:
                # Another call of the turn, at the same time, may have moved on already.
                if self._current is asked and not await self._move(first, deadline):
                    # Nobody stands in: the turn ends as the chosen model's.
                    self._current = None
                    try:
                        raise first
                    finally:
                        # The error holds this frame now: if that held the error, both would stay, and the key too.
                        del first

    async def _asked(self, call: ModelCall, deadline: float) -> AsyncGenerator[str | Reply, None]:
        """The call to the model that now serves; all models together have until the deadline to begin."""
        if self._current is not None:
            model, key = self._current
            call = replace(call, model=model, key=key)
        async with aclosing(self._completion.stream(call)) as pieces:
            try:
                async with asyncio.timeout_at(deadline):
                    first = await anext(pieces)
            except TimeoutError:
                raise ProviderTimeout from None
            except StopAsyncIteration:
                return
            yield first
            async for piece in pieces:
                yield piece

    async def _move(self, reason: ServiceError, deadline: float) -> bool:
        """Go on to the next model whose key opens; False where there is none, or no time for it."""
        while self._waiting and asyncio.get_running_loop().time() < deadline:
            candidate = self._waiting.pop(0)
            try:
                key = await candidate.open_key()
            except ServiceError:
                continue
            self._current = candidate.model, key
            self._moved(candidate.model, reason)
            return True
        return False


def _passes_on(error: ServiceError, *, own: bool) -> bool:
    """Tell whether the next model is asked; what is wrong with a further model's own set-up is no reason to stop."""
    if getattr(error, "begun", False):
        return False
    if own:
        return isinstance(error, ProviderRateLimited | ProviderUnavailable | ProviderTimeout)
    return not isinstance(error, ContentRefused | ContextTooLong)
