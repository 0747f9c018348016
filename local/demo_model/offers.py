"""Fits what the model would like to call into what the request offers."""

from collections.abc import Mapping, Sequence
from typing import Any

from local.demo_model.planning import Call
from local.demo_model.transcript import TRANSFER

Tool = Mapping[str, Any]


class Offer:
    """The tools of one request, by name; nothing outside it can be called."""

    def __init__(self, tools: Sequence[Tool] | None) -> None:
        self._schemas: dict[str, Mapping[str, Any]] = {}
        for tool in tools or ():
            function = tool.get("function") or {}
            self._schemas[str(function.get("name"))] = function.get("parameters") or {}

    def __contains__(self, name: str) -> bool:
        return name in self._schemas

    def agents(self) -> tuple[str, ...]:
        """The agents that the conversation may be handed to."""
        schema = self._properties(TRANSFER).get("agent_name") or {}
        return tuple(str(name) for name in _allowed(schema) or ())

    def any_of(self, names: Sequence[str]) -> bool:
        """Whether one of the tools is offered."""
        return any(name in self for name in names)

    def fitted(self, calls: Sequence[Call]) -> list[Call]:
        """The calls whose tool is offered, with the arguments its schema knows; a breakdown falls back on a query."""
        fitted: list[Call] = []
        for call in calls:
            if call.name == "cost_breakdown" and call.name not in self:
                arguments = dict(call.arguments)
                call = Call("query_costs", {"group_by": arguments.pop("dimension")} | arguments)
            if call.name in self and (fit := self._fit(call)) is not None and fit not in fitted:
                fitted.append(fit)
        return fitted

    def _fit(self, call: Call) -> Call | None:
        schema = self._schemas[call.name]
        properties = self._properties(call.name)
        arguments: dict[str, Any] = {}
        for name, value in call.arguments.items():
            if name in properties and (fit := _value(properties[name], value)) is not None:
                arguments[name] = fit
        return Call(call.name, arguments) if set(schema.get("required") or ()) <= set(arguments) else None

    def _properties(self, name: str) -> Mapping[str, Any]:
        properties: Mapping[str, Any] = self._schemas.get(name, {}).get("properties") or {}
        return properties


def _choices(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The schema and the alternatives inside it: an optional argument is `anyOf` its type and null."""
    return [schema, *(schema.get("anyOf") or ())]


def _allowed(schema: Mapping[str, Any]) -> list[Any] | None:
    for choice in _choices(schema):
        if "enum" in choice:
            return list(choice["enum"])
        if "const" in choice:
            return [choice["const"]]
    return None


def _value(schema: Mapping[str, Any], value: Any) -> Any:
    """The value within the schema's bounds, None where the schema does not allow it."""
    allowed = _allowed(schema)
    if allowed is not None:
        return value if value in allowed else None
    if isinstance(value, int):
        for choice in _choices(schema):
            value = min(max(value, choice.get("minimum", value)), choice.get("maximum", value))
    return value
