"""The tools a model or an MCP client may call: their schemas, and calls bound to one caller.

A tool is an async function. What stands before ``*`` is bound by the server (Principal, ToolContext); what stands after
it is the caller's to set, checked by pydantic before anything runs. No argument can name a tenant.
"""

import asyncio
import inspect
import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from common import limits
from common.errors import ServiceError
from common.tenant import Principal
from common.tools.result import ToolError, ToolResult
from common.warehouse.client import QueryRefused, QueryResult, Warehouse
from common.warehouse.query import GuardedQuery

CHART = "chart"
Draw = Callable[[ToolResult], dict[str, Any] | None]
_TENANT_NAMES = re.compile(r"org|tenant|dataset|project|user|principal", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a tool works with: the warehouse under this call's labels, and the moment in UTC.

    ``scope`` names the answer the call is part of: the same write twice within one scope is one write.
    """

    warehouse: Warehouse
    labels: Mapping[str, str]
    now: datetime
    scope: str

    @property
    def today(self) -> date:
        return self.now.date()

    async def run(self, query: GuardedQuery) -> QueryResult:
        """Run a query of this tool call."""
        return await self.warehouse.run(query, labels=self.labels)


@dataclass(frozen=True, slots=True)
class Tool:
    """A function with the schema of its arguments; ``writes`` where it changes what is stored.

    ``draws`` makes a picture of an answer, or None where there is nothing to see.
    """

    name: str
    domain: str
    description: str
    arguments: type[BaseModel]
    function: Callable[..., Awaitable[ToolResult]]
    writes: bool = False
    draws: Draw | None = None

    def schema(self) -> dict[str, Any]:
        """The tool as a model API takes it; the same object every time, and nobody's to change."""
        return _schema(self)


@cache
def _schema(tool: Tool) -> dict[str, Any]:
    parameters = tool.arguments.model_json_schema()
    parameters.pop("title", None)
    for argument in parameters.get("properties", {}).values():
        argument.pop("title", None)
    function = {"name": tool.name, "description": tool.description, "parameters": parameters}
    return {"type": "function", "function": function}


def tool(
    domain: str, function: Callable[..., Awaitable[ToolResult]], *, writes: bool = False, draws: Draw | None = None
) -> Tool:
    """Make a Tool of a function. Raises ValueError for an argument that could name a tenant or has no type."""
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(function, eval_str=True).parameters.items():
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            continue
        if _TENANT_NAMES.search(name) or parameter.annotation is inspect.Parameter.empty:
            raise ValueError(f"{function.__name__}: the argument {name} is not for a caller to set")
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        fields[name] = (parameter.annotation, default)
    arguments = create_model(function.__name__, __config__=ConfigDict(extra="forbid", frozen=True), **fields)
    return Tool(function.__name__, domain, inspect.cleandoc(function.__doc__ or ""), arguments, function, writes, draws)


class Registry:
    """All tools of the product; ``bind`` yields what one caller may call."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools = {each.name: each for each in tools}

    @property
    def tools(self) -> tuple[Tool, ...]:
        return tuple(self._tools.values())

    def bind(self, principal: Principal, context: ToolContext, names: Sequence[str]) -> "BoundTools":
        """The tools of these names, for this caller. Raises KeyError for a name that no tool has."""
        return BoundTools([self._tools[name] for name in names], principal, context)


class BoundTools:
    """Tools bound to one caller. A call never raises: it answers with an envelope or ``{"error": …}``."""

    def __init__(self, tools: Sequence[Tool], principal: Principal, context: ToolContext) -> None:
        self._tools = {each.name: each for each in tools}
        self._principal = principal
        self._context = context
        self._writing = asyncio.Lock()

    @property
    def tools(self) -> tuple[Tool, ...]:
        return tuple(self._tools.values())

    def domain(self, name: str) -> str:
        return self._tools[name].domain if name in self._tools else "unknown"

    async def call(self, name: str, arguments: str, *, agent_name: str) -> dict[str, Any]:
        """Check the arguments (JSON text), run the tool, and return its envelope or an error the model can act on."""
        try:
            async with asyncio.timeout(limits.TOOL_SECONDS):
                return await self._call(name, arguments, agent_name)
        except ToolError as error:
            return _error(error.code, error.message)
        except QueryRefused as refused:
            return _error(refused.code, refused.detail)
        except TimeoutError:
            return _error("timeout", f"The query took more than {limits.TOOL_SECONDS:.0f} s. Narrow the dates.")
        except ServiceError as error:
            return _error(error.code, error.detail)

    async def _call(self, name: str, arguments: str, agent_name: str) -> dict[str, Any]:
        chosen = self._tools.get(name)
        if chosen is None:
            raise ToolError("unknown_tool", f"There is no tool {name[:64]!r}. Use one of: {', '.join(self._tools)}.")
        checked = _checked(chosen, arguments)
        started = time.perf_counter()
        labels = {**self._context.labels, "agent": agent_name, "tool": name}
        context = replace(self._context, labels=labels)
        # One after the other: two MERGEs that only insert do not see each other's row.
        async with self._writing if chosen.writes else nullcontext():
            result = await chosen.function(self._principal, context, **checked)
        envelope = result.envelope()
        chart = chosen.draws(result) if chosen.draws else None
        if chart is not None:
            envelope[CHART] = chart
        envelope["duration_ms"] = round((time.perf_counter() - started) * 1000)
        return envelope


def _checked(chosen: Tool, arguments: str) -> dict[str, Any]:
    if len(arguments) > limits.TOOL_ARGUMENT_CHARS:
        raise ToolError("invalid_arguments", "The arguments are too long.")
    try:
        parsed = chosen.arguments.model_validate_json(arguments or "{}")
    except ValidationError as error:
        raise ToolError("invalid_arguments", _correction(error)) from None
    return {name: getattr(parsed, name) for name in type(parsed).model_fields}


def _correction(error: ValidationError) -> str:
    lines = []
    for problem in error.errors(include_url=False, include_context=False):
        name = ".".join(str(part) for part in problem["loc"]) or "arguments"
        lines.append(f"{name}: {problem['msg']}")
    return "Correct the arguments. " + "; ".join(lines[:8])


def _error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


def as_stored(result: Mapping[str, Any], max_chars: int) -> str:
    """A tool result as JSON text with its chart; where that is too long, as a message."""
    text = _compact(result)
    return text if len(text) <= max_chars else as_message(result, max_chars)


def as_message(result: Mapping[str, Any], max_chars: int = limits.TOOL_RESULT_CHARS) -> str:
    """A tool result as JSON text for a model, which pays for it and needs no chart.

    Where it is too long, rows are left out from the end, and it says so.
    """
    shown = {name: value for name, value in result.items() if name != CHART}
    text = _compact(shown)
    while len(text) > max_chars and shown.get("rows"):
        rows = shown["rows"]
        shown |= {"rows": rows[: len(rows) // 2], "truncated": True}
        text = _compact(shown)
    if len(text) > max_chars:
        text = _compact(_error("result_too_large", "The result is too large to show. Ask for less."))
    return text


def _compact(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
