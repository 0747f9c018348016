"""Adds pieces of tool calls up to whole calls, however a provider or a gateway numbers and names the pieces."""

import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from common.models.answer_text import whole
from common.models.call import ToolCall
from common.models.stream_delta import CallPiece


@dataclass(slots=True)
class _OpenCall:
    """A tool call of which some pieces have arrived."""

    call_id: str = ""
    name: str = ""
    arguments: str = ""
    index: int | None = None

    @property
    def is_whole(self) -> bool:
        """Return true if its arguments are a whole JSON object."""
        try:
            return isinstance(json.loads(self.arguments), dict)
        except ValueError:
            return False

    def goes_on_with(self, piece: CallPiece) -> bool:
        """Return true if a piece at the same place is more of this call; otherwise it begins another one.

        A new id alone says nothing: some gateways give one to every piece of a call. A name may be said again with
        every piece, too; with one, a call whose arguments are whole is over.
        """
        if not piece.name or (piece.call_id and piece.call_id == self.call_id):
            return True
        if piece.call_id and self.call_id:
            return piece.name == self.name and bool(piece.arguments) and not self.is_whole
        return not self.arguments or (piece.name == self.name and not self.is_whole)

    def add(self, piece: CallPiece) -> None:
        """Take the piece in."""
        self.call_id = self.call_id or piece.call_id
        if piece.name != self.name:
            self.name += piece.name
        if piece.arguments != self.arguments or not self.is_whole:
            self.arguments += piece.arguments


class CallBuilder:
    """The tool calls of one stream."""

    def __init__(self) -> None:
        self._calls: list[_OpenCall] = []
        self._by_index: dict[int, _OpenCall] = {}

    def add(self, piece: CallPiece) -> None:
        """Take one piece in."""
        call = self._place_of(piece)
        if call is None or not call.goes_on_with(piece):
            call = _OpenCall(index=piece.index)
            self._calls.append(call)
        if piece.index is not None:
            self._by_index[piece.index] = call
        call.add(piece)

    def _place_of(self, piece: CallPiece) -> _OpenCall | None:
        """The call that the piece may go on: by its id, else by its index, else the last one."""
        for call in reversed(self._calls):
            if piece.call_id and call.call_id == piece.call_id and piece.index in (None, call.index):
                return call
        found = None if piece.index is None else self._by_index.get(piece.index)
        if found is None and self._calls and (piece.index is None or not piece.name):
            return self._calls[-1]
        return found

    def calls(self) -> tuple[ToolCall, ...]:
        """The calls so far. One without an id, or with another one's, gets an id that no other step has."""
        return tuple(_unique(call for call in self._calls if call.name))


def _unique(calls: Iterable[_OpenCall]) -> Iterable[ToolCall]:
    seen: set[str] = set()
    for call in calls:
        call_id = whole(call.call_id)
        if not call_id or call_id in seen:
            call_id = f"call_{uuid.uuid4().hex}"
        seen.add(call_id)
        yield ToolCall(call_id, whole(call.name), whole(call.arguments) or "{}")
