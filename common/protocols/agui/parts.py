"""The messages of a run as far as they can be used: what came before the question, and what is no text, is left out."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from common.text import shorten

_KIND_CHARS = 20
_NAME_CHARS = 80
_MOST_NAMED = 5


def usable(body: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The body of a run with the messages that the product reads, and the names of the parts that it cannot.

    Every run brings the whole thread along: what could not be used once may not spoil the later runs.
    """
    messages = body.get("messages")
    kept = dict(body)
    left_out: list[str] = []
    if isinstance(messages, list):
        asked = [index for index, each in enumerate(messages) if _is_of_user(each)]
        kept["messages"] = messages[asked[-1] :] if asked else messages
        if asked:
            kept["messages"][0] = _readable(kept["messages"][0], left_out)
    if isinstance(body.get("context"), list):
        kept["context"] = [_as_text(each) for each in body["context"]]
    shown = left_out[:_MOST_NAMED]
    more = len(left_out) - len(shown)
    return kept, ", ".join([*shown, *([f"{more} more"] if more else [])])


def _is_of_user(message: Any) -> bool:
    return isinstance(message, Mapping) and message.get("role") == "user"


def _readable(message: Mapping[str, Any], left_out: list[str]) -> dict[str, Any]:
    content = message.get("content")
    if not isinstance(content, list):
        return dict(message)
    texts = [each for each in content if isinstance(each, Mapping) and isinstance(each.get("text"), str)]
    left_out.extend(_named(each) for each in content if each not in texts)
    return {**message, "content": [{"type": "text", "text": each["text"]} for each in texts]}


def _named(part: Any) -> str:
    """The part as a person knows it: its kind, and its file's name if it has one."""
    if not isinstance(part, Mapping):
        return "a part"
    return " ".join(_words(part)) or "a part"


def _words(part: Mapping[str, Any]) -> Iterator[str]:
    metadata = part.get("metadata")
    held = {**metadata, **part} if isinstance(metadata, Mapping) else part
    for names, most in ((("type",), _KIND_CHARS), (("filename", "name"), _NAME_CHARS)):
        word = next((held[name] for name in names if isinstance(held.get(name), str)), "")
        plain = "".join(character for character in word if character.isprintable() and character not in "[]<>`")
        if plain:
            yield shorten(plain, most)


def _as_text(entry: Any) -> Any:
    """A context entry with its value as text, which is JSON where a page sends a value."""
    if not isinstance(entry, Mapping) or isinstance(entry.get("value"), str):
        return entry
    return {**entry, "value": json.dumps(entry.get("value"), ensure_ascii=False)}
