"""Two models: a fast one drafts, and its words are given out only once every figure in them is verified."""

import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from common.errors import ServiceError
from common.models.call import Completion, ModelCall, Reply
from common.models.catalog import Model
from common.tools.result import read_model_message

# After so many results in a row that are errors, the strong model goes on.
_ERRORS_IN_A_ROW = 2

# The figures of a text that stand in none of these results, nor in anything else that the turn has read.
Check = Callable[[str, Sequence[Mapping[str, Any]]], Sequence[str]]


class DraftingCompletion:
    """Asks the fast model first. From the first step that it does not do well, the strong one does the turn.

    Text of the fast model is held back until it is whole; text with an unverified figure is never given out, and the
    strong model answers from the same messages. ``strong`` and ``fast`` each count their own calls.
    """

    def __init__(self, fast_model: Model, fast: Completion, strong: Completion, check: Check) -> None:
        self._fast_model = fast_model
        self._fast = fast
        self._strong = strong
        self._check = check
        self._is_over = False

    @property
    def model(self) -> Model | None:
        """The fast model as long as it does the turn; None once the strong one does."""
        return None if self._is_over else self._fast_model

    async def stream(self, call: ModelCall) -> AsyncGenerator[str | Reply, None]:
        """Make the call with the model that does the turn now. Raises what the strong model raises."""
        results = _results(call)
        # At a bound there is one answer left to ask for.
        self._is_over = self._is_over or not call.may_call_tools or _is_stuck(results)
        if not self._is_over:
            pieces, reply = await self._draft(call)
            if reply is not None and not self._is_over and self._holds(reply, results):
                for piece in pieces:
                    yield piece
                yield replace(reply, answered_by=self._fast_model)
                return
            if reply is not None and not self._is_over and reply.tool_calls:
                # What it looks up is good; what it said before is not said.
                yield replace(reply, text="", answered_by=self._fast_model)
                return
            self._is_over = True
        async with aclosing(self._strong.stream(call)) as said:
            async for each in said:
                yield each

    async def _draft(self, call: ModelCall) -> tuple[list[str], Reply | None]:
        """The pieces and the reply of the fast model. The reply is None where it failed, or did not end by itself."""
        pieces: list[str] = []
        reply: Reply | None = None
        try:
            async with aclosing(self._fast.stream(replace(call, model=self._fast_model))) as drafted:
                async for piece in drafted:
                    if isinstance(piece, Reply):
                        reply = piece
                    else:
                        pieces.append(piece)
        except ServiceError:
            return [], None
        if reply is None or reply.is_empty or reply.finish_reason not in ("stop", "tool_calls"):
            return [], None
        return pieces, reply

    def _holds(self, reply: Reply, results: Sequence[Mapping[str, Any]]) -> bool:
        return not reply.text.strip() or not self._check(reply.text, results)


def _results(call: ModelCall) -> list[dict[str, Any]]:
    """The results of tools that the model has before it."""
    return [_result(str(message["content"])) for message in call.messages if message["role"] == "tool"]


def _result(content: str) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        value = content
    return read_model_message(value) if isinstance(value, dict) else {"said": value}


def _is_stuck(results: Sequence[Mapping[str, Any]]) -> bool:
    newest = results[-_ERRORS_IN_A_ROW:]
    return len(newest) == _ERRORS_IN_A_ROW and all("error" in result for result in newest)
