"""Reads one request: the day, the questions so far, the results of the turn under way, and the offered tools."""

import contextlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from common.tools.result import read_model_message

Message = Mapping[str, Any]
Schema = Mapping[str, Any]
TRANSFER = "transfer_to_agent"


@dataclass(frozen=True, slots=True)
class Call:
    """A tool and its arguments; with `payload`, what came back: None where that was not a JSON object."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    payload: Mapping[str, Any] | None = None

    @property
    def group(self) -> str:
        by = self.arguments.get("group_by") or self.arguments.get("dimension") or ""
        return str(by[0] if isinstance(by, list) and by else by)

    @property
    def rows(self) -> list[Mapping[str, Any]]:
        """The rows that came back, whatever else stands in their place."""
        rows = (self.payload or {}).get("rows")
        return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []


@dataclass(frozen=True, slots=True)
class Request:
    """Everything that a decision rests on; `message` is the question exactly as it was written."""

    today: date | None
    fiscal: int
    agent: str
    message: str
    earlier: tuple[str, ...]
    returned: tuple[Call, ...]
    agents: tuple[str, ...]
    tools: Mapping[str, Schema]

    def schemas(self, tool: str) -> Mapping[str, Schema]:
        """The JSON schema of each argument of a tool."""
        return self.tools.get(tool, {}).get("properties") or {}


def read_request(messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] | None) -> Request:
    """Read OpenAI-shaped messages and tools; the day comes from the system prompt's own line, never from a clock."""
    asked = [index for index, message in enumerate(messages) if message.get("role") == "user"]
    prompt = _text(messages[0]) if messages and messages[0].get("role") in ("system", "developer") else ""
    today = re.search(r"^Today is (\d{4}-(?:0\d|1[0-2])-(?:[0-2]\d|3[01])) \(UTC\)\.$", prompt, re.MULTILINE)
    fiscal = re.search(r"^Fiscal year starts in month: (\d+)$", prompt, re.MULTILINE)
    agent = re.search(r"^You are the (\w+)", prompt, re.MULTILINE)
    offered = {each["function"]["name"]: each["function"].get("parameters") or {} for each in tools or ()}
    results = _results(messages[asked[-1] + 1 :] if asked else ())
    tried = [result.arguments.get("agent_name") for result in results if result.name == TRANSFER]
    agents = choices((offered.get(TRANSFER, {}).get("properties") or {}).get("agent_name", {}))
    said = [_text(messages[index]) for index in asked] or [""]
    return Request(
        date.fromisoformat(today[1]) if today else None,
        int(fiscal[1]) if fiscal else 1,
        agent[1] if agent else "",
        said[-1],
        tuple(said[:-1]),
        tuple(result for result in results if result.name != TRANSFER),
        tuple(name for name in agents if name not in tried),
        offered,
    )


def variants(schema: Schema) -> list[Schema]:
    """The schema with the alternatives and items inside it: an optional argument is `anyOf` its type and null."""
    inside = [*(schema.get("anyOf") or ()), *([schema["items"]] if "items" in schema else ())]
    return [schema, *(part for each in inside for part in variants(each))]


def choices(schema: Schema) -> list[Any]:
    """The values that an argument, or an item of it, may have; empty where any is allowed."""
    found = [part.get("enum") or [part["const"]] for part in variants(schema) if "enum" in part or "const" in part]
    return [each for values in found for each in values]


def is_list(schema: Schema) -> bool:
    return any(part.get("type") == "array" for part in variants(schema))


def bound(schema: Schema, value: int) -> int:
    """The number within the bounds of the argument."""
    for part in variants(schema):
        value = min(max(value, part.get("minimum", value)), part.get("maximum", value))
    return value


def _text(message: Message) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else "".join(str(part.get("text", "")) for part in content)


def _results(turn: Sequence[Message]) -> list[Call]:
    calls: dict[str, Mapping[str, Any]] = {}
    results: list[Call] = []
    for message in turn:
        calls.update({call["id"]: call["function"] for call in message.get("tool_calls") or ()})
        if message.get("role") == "tool":
            function = calls.get(str(message.get("tool_call_id")), message)
            name, arguments = str(function.get("name") or "tool"), _object(function.get("arguments") or "")
            payload = _object(_text(message))
            results.append(Call(name, arguments or {}, None if payload is None else read_model_message(payload)))
    return results


def _object(text: str) -> Mapping[str, Any] | None:
    """A JSON object with its numbers as Decimal, so that no figure changes on its way through."""
    with contextlib.suppress(ValueError):
        if isinstance(value := json.loads(text, parse_float=Decimal), dict):
            return value
    return None
