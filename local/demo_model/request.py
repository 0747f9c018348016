"""Reads one request: the day, the questions so far, the results of the turn under way, and the offered tools."""

import contextlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from common.agents.ending import asks_for_answer
from common.tools.result import read_model_message

Message = Mapping[str, Any]
Schema = Mapping[str, Any]
TRANSFER = "transfer_to_agent"
# The product's record of the calls behind the answer before.
_RECALLED = re.compile(r"\A<earlier_calls .*?>\n(.*?)\n</earlier_calls>\s*", re.DOTALL)
CONSULT, HAND_IN = "consult_agents", "hand_in_results"


@dataclass(frozen=True, slots=True)
class Call:
    """A tool and its arguments; with `payload`, what came back: None where that was not a JSON object."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    payload: Mapping[str, Any] | None = None

    @property
    def rows(self) -> list[Mapping[str, Any]]:
        """The rows that came back, whatever else stands in their place."""
        rows = (self.payload or {}).get("rows")
        return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []


@dataclass(frozen=True, slots=True)
class Request:
    """Everything that a decision rests on; `tools` have the JSON schema of each argument, `shown` rows have ids."""

    today: date | None
    fiscal: int
    message: str
    earlier: tuple[str, ...]
    returned: tuple[Call, ...]
    agents: tuple[str, ...]
    tools: Mapping[str, Mapping[str, Schema]]
    shown: Sequence[Mapping[str, Any]] = ()


def read_request(messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] | None) -> Request:
    """Read OpenAI-shaped messages and tools; the day comes from the system prompt's own line, never from a clock."""
    messages = [message for message in messages if not asks_for_answer(message)]
    asked = [index for index, message in enumerate(messages) if message.get("role") == "user"]
    prompt = "".join(str(each.get("content")) for each in messages[:1] if each.get("role") in ("system", "developer"))
    today = re.search(r"^Today is (\d{4}-(?:0\d|1[0-2])-(?:[0-2]\d|3[01])) \(UTC\)\.$", prompt, re.MULTILINE)
    fiscal = re.search(r"^Fiscal year starts in month: (\d+)$", prompt, re.MULTILINE)
    offered = {each["function"]["name"]: _arguments(each["function"].get("parameters") or {}) for each in tools or ()}
    results = _results(messages[asked[-1] + 1 :] if asked else ())
    tried = [result.arguments.get("agent_name") for result in results if result.name == TRANSFER]
    agents = offered.get(TRANSFER, {}).get("agent_name", {}).get("enum", ())
    texts = [str(messages[index].get("content") or "") for index in asked] or [""]
    recalled = [json.loads(found[1]) for text in texts[::-1] if (found := _RECALLED.match(text))]
    said = [_RECALLED.sub("", text) for text in texts]
    return Request(
        date.fromisoformat(today[1]) if today else None,
        int(fiscal[1]) if fiscal else 1,
        said[-1],
        tuple(said[:-1]),
        tuple(result for result in results if result.name != TRANSFER),
        tuple(name for name in agents if name not in tried),
        offered,
        [row for record in recalled for call in record for row in call.get("rows", ())],
    )


def _arguments(parameters: Schema) -> dict[str, Schema]:
    given, required = parameters.get("properties") or {}, parameters.get("required") or ()
    return {name: _flatten(schema) | {"required": name in required} for name, schema in given.items()}


def _flatten(schema: Schema) -> dict[str, Any]:
    """An argument's schema with what its alternatives and items say; `types` are the types of all of them."""
    inside = [_flatten(part) for part in (*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else ()))]
    merged = {name: value for part in inside for name, value in part.items()} | dict(schema)
    return merged | {"types": {schema.get("type")}.union(*(part["types"] for part in inside))}


def fit(schema: Schema, value: Any) -> Any:
    """The value as the argument takes it: one of its choices or None, or a number: "2.5k", or a whole one in bounds."""
    if allowed := {str(each).lower(): each for each in schema.get("enum", ())}:
        return allowed.get(str(value).lower())
    if "number" in schema.get("types", ()) and (said := re.fullmatch(r"([\d,]*\.?\d+) ?([km])?", str(value).lower())):
        number = float(said[1].replace(",", "")) * {"k": 1e3, "m": 1e6}.get(said[2], 1)
        return int(number) if number.is_integer() else number
    if "integer" not in schema.get("types", ()):
        return value
    return min(max(int(value), schema.get("minimum", int(value))), schema.get("maximum", int(value)))


def _results(turn: Sequence[Message]) -> list[Call]:
    calls: dict[str, Mapping[str, Any]] = {}
    results: list[Call] = []
    for message in turn:
        calls.update({call["id"]: call["function"] for call in message.get("tool_calls") or ()})
        if message.get("role") == "tool":
            function = calls.get(str(message.get("tool_call_id")), message)
            name, arguments = str(function.get("name") or "tool"), _object(function.get("arguments") or "")
            payload = _object(str(message.get("content") or ""))
            results.append(Call(name, arguments or {}, None if payload is None else read_model_message(payload)))
    return results


def _object(text: str) -> Mapping[str, Any] | None:
    """A JSON object with its numbers as Decimal, so that no figure changes on its way through."""
    with contextlib.suppress(ValueError):
        if isinstance(value := json.loads(text, parse_float=Decimal), dict):
            return value
    return None
