"""The question before a change: which call waits, with its very arguments, in words that a text-only client shows."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from common.models.call import ToolCall

_VALUE_CHARS = 300
_ONE = "This changes what is stored, so it waits for your yes:"
_SEVERAL = "These change what is stored, so they wait for your yes:"
_AFTER_READING = "This was asked for after documents were read, so it waits for your yes:"
_HOW = "Answer *yes* to allow {which}, or *no*. Nothing is changed before."


def ask(calls: Sequence[ToolCall], *, of_client: bool = False) -> str:
    """The question about all calls that wait, as Markdown; empty where none does.

    ``of_client`` says that they are of the client's own tools, too, which may change nothing that is stored here.
    """
    if not calls:
        return ""
    listed = "\n".join(f"- {_described(call.name, arguments_of(call), '**', '`')}" for call in calls)
    one = len(calls) == 1
    why = _AFTER_READING if of_client else _ONE if one else _SEVERAL
    return f"{why}\n\n{listed}\n\n{_HOW.format(which='it' if one else 'all of them')}"


def describe(call: ToolCall) -> str:
    """The call in one line of plain text: the tool in words, and each argument as the model wrote it."""
    return describe_change(call.name, arguments_of(call))


def describe_change(tool_name: str, arguments: Mapping[str, Any]) -> str:
    """The same of a call whose arguments are read already."""
    return _described(tool_name, arguments, "", "")


def arguments_of(call: ToolCall) -> Mapping[str, Any]:
    """The arguments of a call that was checked."""
    arguments = json.loads(call.arguments or "{}")
    return arguments if isinstance(arguments, dict) else {}


def _described(tool_name: str, arguments: Mapping[str, Any], title_mark: str, value_mark: str) -> str:
    title = f"{title_mark}{tool_name.replace('_', ' ').capitalize()}{title_mark}"
    given = [f"{name.replace('_', ' ')} {_shown(value, value_mark)}" for name, value in arguments.items()]
    return f"{title}: {', '.join(given)}" if given else title


def _shown(value: Any, mark: str) -> str:
    """A value in its mark: it can neither end its mark, nor break the line, nor turn the direction of what follows."""
    text = json.dumps(value, ensure_ascii=False).replace("`", "'")
    text = "".join(character if character.isprintable() else f"\\u{ord(character):04x}" for character in text)
    cut = len(text) > _VALUE_CHARS
    return f"{mark}{text[:_VALUE_CHARS]}…{mark} ({len(text)} characters)" if cut else f"{mark}{text}{mark}"
