"""Faults to plant: in the product's queries and rules, and in what a model replies. Each spoils one thing."""

import json
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from common.errors import ContentRefused
from common.models.completion import Completion, ModelCall, Reply, ToolCall
from common.warehouse.client import Warehouse
from common.warehouse.query import GuardedQuery, Parameter
from tests.eval.running import Stage

Change = Callable[[Reply, ModelCall], Reply]
Plant = Callable[[pytest.MonkeyPatch, Stage], None]
_COSTS = ".cost_data_standard_1_3`"


@dataclass
class Spoilt:
    """A model whose replies are changed."""

    inner: Completion
    change: Change

    async def stream(self, call: ModelCall) -> AsyncGenerator[str | Reply, None]:
        async with aclosing(self.inner.stream(call)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Reply):
                    reply = self.change(piece, call)
                    if reply.text:
                        yield reply.text
                    yield reply


def model(change: Change) -> Plant:
    """A fault of the model."""

    def plant(_: pytest.MonkeyPatch, stage: Stage) -> None:
        stage.model.inner = Spoilt(stage.model.inner, change)

    return plant


def text(pattern: str, replacement: str) -> Plant:
    """The model's answers have something else in the place of a pattern."""
    return model(lambda reply, _: replace(reply, text=re.sub(pattern, replacement, reply.text, flags=re.MULTILINE)))


def added(said: str) -> Plant:
    """The model's answers go on with a sentence."""
    return model(lambda reply, _: replace(reply, text=f"{reply.text}\n\n{said}") if reply.text else reply)


def arguments(change: Callable[[dict[str, Any]], dict[str, Any]], tool: str | None = None) -> Plant:
    """The model calls its tools (but to look names up) with other arguments, or another tool."""

    def changed(call: ToolCall) -> ToolCall:
        if call.name in ("transfer_to_agent", "list_values"):
            return call
        return ToolCall(call.call_id, tool or call.name, json.dumps(change(json.loads(call.arguments))))

    return model(lambda reply, _: replace(reply, tool_calls=tuple(map(changed, reply.tool_calls))))


def moved(days: int) -> Plant:
    """The model asks for other days: a period that was of an earlier question."""

    def change(given: dict[str, Any]) -> dict[str, Any]:
        dates = {name: given[name] for name in ("start_date", "end_date") if name in given}
        return given | {name: str(date.fromisoformat(day) + timedelta(days=days)) for name, day in dates.items()}

    return arguments(change)


def sql(pattern: str, replacement: str) -> Plant:
    """The queries over costs and usage have another text."""
    return _query(lambda query: replace(query, sql=re.sub(pattern, replacement, query.sql)))


def bound(change: Callable[[str, Any], Any]) -> Plant:
    """The queries over costs and usage have other values."""

    def changed(query: GuardedQuery) -> GuardedQuery:
        parameters = {name: Parameter(each.type, change(name, each.value)) for name, each in query.parameters.items()}
        return replace(query, parameters=parameters)

    return _query(changed)


def _query(change: Callable[[GuardedQuery], GuardedQuery]) -> Plant:
    def plant(patch: pytest.MonkeyPatch, _: Stage) -> None:
        execute = Warehouse._execute

        async def changed(self: Warehouse, query: GuardedQuery, labels: Mapping[str, str], *rest: Any) -> Any:
            if _COSTS in query.sql or ".genai_usage_daily_unified`" in query.sql:
                query = change(query)
            return await execute(self, query, labels, *rest)

        patch.setattr(Warehouse, "_execute", changed)

    return plant


def shifted(name: str, days: int) -> Plant:
    """A bound of the period lies elsewhere."""
    return bound(
        lambda each, value: value + timedelta(days=days) if each == name and isinstance(value, datetime) else value
    )


def forgotten(pattern: str) -> Plant:
    """The prompts have lost a rule."""

    def plant(patch: pytest.MonkeyPatch, stage: Stage) -> None:
        roster = stage.services.skills.roster
        agents = {
            name: replace(agent, prompt=re.sub(pattern, "", agent.prompt)) for name, agent in roster.agents.items()
        }
        patch.setattr("common.agents.roster.Roster.agents", property(lambda _: agents), raising=False)

    return plant


def refused(_reply: Reply, _call: ModelCall) -> Reply:
    raise ContentRefused


def no_tool(reply: Reply, _: ModelCall) -> Reply:
    """The model answers from what it believes, without a call."""
    return (
        replace(reply, text="I cannot see that here.", tool_calls=(), finish_reason="stop")
        if reply.tool_calls
        else reply
    )


def wrong_agent(reply: Reply, call: ModelCall) -> Reply:
    """The model hands over to an agent that answers without having the tools."""
    if any(each.name == "transfer_to_agent" for each in reply.tool_calls):
        calls = (ToolCall("call_wrong", "transfer_to_agent", json.dumps({"agent_name": "AlertManager"})),)
        return replace(reply, tool_calls=calls) if "You are the CostAnalyst" in _prompt(call) else _nothing(reply)
    return reply


def _nothing(reply: Reply) -> Reply:
    return replace(reply, text="There is nothing that I could say.", tool_calls=(), finish_reason="stop")


def _prompt(call: ModelCall) -> str:
    return str(call.messages[0]["content"])


def dawdling(reply: Reply, call: ModelCall) -> Reply:
    """The model looks up names for a while before it does anything."""
    looked = sum(message["role"] == "tool" for message in call.messages)
    if looked >= 6 or not call.may_call_tools:
        return reply
    arguments = json.dumps({"dimension": "provider", "limit": looked + 1})
    return Reply("", (ToolCall(f"call_{looked}", "list_values", arguments),), reply.usage, "tool_calls")
