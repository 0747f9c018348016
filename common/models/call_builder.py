"""Adds pieces of tool calls up to whole calls, however a provider or a gateway numbers and names the pieces."""

import json
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field

from common import limits
from common.models.answer_text import whole
from common.models.call import ToolCall
from common.models.stream_delta import CallPiece

_MARKS = re.compile(r'["\\{}\[\]]')
# No tool has a longer name.
_NAME_CHARS = 256


@dataclass(slots=True)
class _Json:
    """Text that comes in pieces, of which each is looked at once: it knows when it is a whole JSON object."""

    length: int = 0
    _pieces: list[str] = field(default_factory=list)
    _depth: int = 0
    _in_string: bool = False
    _escaped: int = -1
    _begun: bool = False
    # Every bracket is closed; and whether that is an object, once it was looked at.
    _closed: bool = False
    _whole: bool | None = None

    def add(self, piece: str) -> None:
        """Take the next piece in."""
        if words := piece.strip():
            if self._closed or not (self._begun or words.startswith("{")):
                self._whole = False
            self._begun = True
        for mark in _MARKS.finditer(piece) if self._whole is None else ():
            self._see(mark[0], self.length + mark.start())
        self._pieces.append(piece)
        self.length += len(piece)

    def _see(self, mark: str, at: int) -> None:
        if at == self._escaped:
            return
        if self._in_string:
            self._in_string = mark != '"'
            self._escaped = at + 1 if mark == "\\" else -1
        elif mark == '"':
            self._in_string = True
        else:
            self._depth += 1 if mark in "{[" else -1
            self._closed = self._depth <= 0

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    @property
    def is_whole(self) -> bool:
        """Return true if it is a whole JSON object."""
        if self._whole is None and self._closed:
            try:
                self._whole = isinstance(json.loads(self.text), dict)
            except (ValueError, RecursionError):
                self._whole = False
        return bool(self._whole)


@dataclass(slots=True)
class _OpenCall:
    """A tool call of which some pieces have arrived."""

    call_id: str = ""
    name: str = ""
    arguments: _Json = field(default_factory=_Json)
    index: int | None = None
    signature: str = ""

    def goes_on_with(self, piece: CallPiece) -> bool:
        """Return true if a piece at the same place is more of this call; otherwise it begins another one.

        A new id alone says nothing: some gateways give one to every piece of a call. A name may be said again with
        every piece, too; with one, a call whose arguments are whole is over.
        """
        if not piece.name or (piece.call_id and piece.call_id == self.call_id):
            return True
        if piece.call_id and self.call_id:
            return piece.name == self.name and bool(piece.arguments) and not self.arguments.is_whole
        return not self.arguments.length or (piece.name == self.name and not self.arguments.is_whole)

    def add(self, piece: CallPiece) -> None:
        """Take the piece in."""
        self.call_id = self.call_id or piece.call_id
        self.signature = self.signature or piece.signature
        if piece.name != self.name:
            self.name += piece.name
        if not self._says_again(piece.arguments):
            self.arguments.add(piece.arguments)

    def _says_again(self, arguments: str) -> bool:
        """Return true for the whole arguments once more, as some say them at the end."""
        return len(arguments) == self.arguments.length and self.arguments.is_whole and arguments == self.arguments.text


class CallBuilder:
    """The tool calls of one stream; ``full`` once it has more of them, or longer ones, than a reply may have."""

    def __init__(self) -> None:
        self.full = False
        self._calls: list[_OpenCall] = []
        self._by_index: dict[int, _OpenCall] = {}

    def add(self, piece: CallPiece) -> None:
        """Take one piece in, unless it is too much."""
        call = self._place_of(piece)
        begins = call is None or not call.goes_on_with(piece)
        if call is None or begins:
            if len(self._calls) >= limits.MODEL_TOOL_CALLS:
                self.full = True
                return
            call = _OpenCall(index=piece.index)
            self._calls.append(call)
        if piece.index is not None:
            self._by_index[piece.index] = call
        call.add(piece)
        too_long = call.arguments.length > limits.MODEL_ARGUMENT_CHARS or len(call.name) > _NAME_CHARS
        self.full = self.full or too_long

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
        return tuple(_unique(self._named()))

    def signatures(self, calls: Iterable[ToolCall]) -> dict[str, str]:
        """The signatures of these calls by their ids, as far as they are signed."""
        pairs = zip(calls, self._named(), strict=True)
        return {call.call_id: open_call.signature for call, open_call in pairs if open_call.signature}

    def _named(self) -> list[_OpenCall]:
        return [call for call in self._calls if call.name]


def _unique(calls: Iterable[_OpenCall]) -> Iterable[ToolCall]:
    seen: set[str] = set()
    for call in calls:
        call_id = whole(call.call_id)
        if not call_id or call_id in seen:
            call_id = f"call_{uuid.uuid4().hex}"
        seen.add(call_id)
        yield ToolCall(call_id, whole(call.name), whole(call.arguments.text) or "{}")
