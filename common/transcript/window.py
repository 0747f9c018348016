"""The window of a conversation: what is kept beside it, and what a model sees of it."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from common import json_text, limits
from common.citations.marks import remove_marks
from common.documents import Data
from common.text import shorten_bytes
from common.transcript.call_records import as_asked, note_of, record_of
from common.transcript.message import Message

# What a model is told of an answer in the history that did not end by itself.
_ENDS: Mapping[str | None, str] = {
    "length": "\n\n[This answer was cut off at the output limit; the rest was never said.]",
    "cancelled": "\n\n[The user stopped this answer here.]",
}
_LONGEST = limits.RECENT_WINDOW_BYTES // 12


def with_message(recent: Sequence[Data], message: Message) -> tuple[Data, ...]:
    """The recent window with one more message, and without the oldest ones that no longer fit."""
    window = [*recent, entry_of(message)][-limits.RECENT_WINDOW_MESSAGES :]
    while len(window) > 1 and sum(_size(item) for item in window) > limits.RECENT_WINDOW_BYTES:
        window.pop(0)
    return tuple(window)


def entry_of(message: Message) -> Data:
    """A message as the window has it."""
    entry: Data = {
        "message_id": message.message_id,
        "role": message.role,
        "content": _kept(message.content),
        "created_at": message.created_at.isoformat(),
    }
    if message.finish in _ENDS:
        entry["finish"] = message.finish
    if record := record_of(message):
        entry["calls"] = record
    if message.unverified_figures:
        entry["unverified"] = list(message.unverified_figures)
    if cited := [each.number for each in message.citations]:
        entry["cited"] = cited
    return entry


def for_model(recent: Sequence[Data], *, max_messages: int, context_window: int, reserved: int) -> list[dict[str, Any]]:
    """The newest messages that fit, oldest first, beginning with the user's.

    ``context_window`` and ``reserved`` (prompt, tools and answer) are tokens, estimated at limits.CHARS_PER_TOKEN.
    """
    room = max(0, context_window - reserved) * limits.CHARS_PER_TOKEN
    kept: list[dict[str, Any]] = []
    shown = _shown(recent, max_messages)
    for before, entry in reversed(list(pairwise([{}, *shown]))):
        content = _uncited(entry) + _ENDS.get(entry.get("finish"), "")
        if entry["role"] == "user":
            content = as_asked(note_of(before.get("calls", "")), content)
        room -= len(content)
        if room < 0:
            break
        kept.append({"role": entry["role"], "content": content})
    kept.reverse()
    while kept and kept[0]["role"] != "user":
        kept.pop(0)
    return kept


def recalled(recent: Sequence[Data], *, max_messages: int) -> str:
    """The note before the next question: the calls behind the answer that it follows."""
    shown = _shown(recent, max_messages)
    return note_of(shown[-1].get("calls", "")) if shown else ""


def _shown(recent: Sequence[Data], max_messages: int) -> list[Data]:
    # A turn that waited for its client may have said nothing; providers refuse an empty message.
    return [entry for entry in (recent[-max_messages:] if max_messages else ()) if entry["content"]]


def _uncited(entry: Data) -> str:
    """The text without its citations: their numbers mean other passages in the next turn."""
    content, cited = str(entry["content"]), entry.get("cited") or ()
    return remove_marks(content, lambda number: number not in cited) if cited else content


def _kept(content: str) -> str:
    """The text; of one of extreme length only the beginning, and only here, where a model reads it."""
    return content if _bytes(content) <= limits.RECENT_WINDOW_BYTES // 2 else shorten_bytes(content, _LONGEST)


def _size(entry: Data) -> int:
    beside = _bytes(entry.get("calls", "")) + _bytes(json_text.write(entry.get("unverified", "")))
    return _bytes(entry["content"]) + beside + 200


def _bytes(text: str) -> int:
    # The window is kept as JSON, in which a control character takes six bytes.
    return len(json_text.write_bytes(text))
