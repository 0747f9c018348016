"""The tools a model or an MCP client may call: their schemas, and calls bound to one caller.

A tool is an async function. What stands before ``*`` is bound by the server (Principal, ToolContext); what stands after
it is the caller's to set, checked by pydantic before anything runs. No argument can name a tenant.
"""

import asyncio
import inspect
import json
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, ValidationError, create_model
from pydantic.fields import FieldInfo

from common import limits
from common.bodies import problems
from common.errors import ServiceError
from common.telemetry.log import Log, place_of
from common.tenant import Permission, Principal
from common.tools.context import Resources, ToolContext, make_context
from common.tools.result import CHART, ToolError, ToolResult, error_envelope
from common.tools.unnamed import without
from common.warehouse.client import QueryRefused

TOOL_ARGUMENT_CHARS = 20_000

Draw = Callable[[ToolResult], dict[str, Any] | None]
_WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+")
# An argument with one of these words could name a tenant …
_TENANT_WORDS = frozenset({"org", "orgs", "organization", "organisation", "tenant", "dataset", "principal"})
# … and one that ends with one of these, before an "id" too. `project_name` and `user_message` name something else.
_TENANT_ENDINGS = frozenset({"project", "projects", "user", "users"})
_SUFFIXES = frozenset({"id", "ids", "slug", "slugs"})


@dataclass(frozen=True, slots=True)
class Tool:
    """A function with the schema of its arguments; ``writes`` is the permission to change what it changes.

    ``unnamed`` are agents and tools that its texts are shown without.
    ``draws`` makes a picture of an answer, or None where there is nothing to see. ``shows_sql`` where the query is the
    model's own, and it should read what became of it. ``outside`` where its result is text from outside of the data.
    """

    name: str
    domain: str
    description: str
    arguments: type[BaseModel]
    function: Callable[..., Awaitable[ToolResult]]
    writes: Permission | None = None
    draws: Draw | None = None
    context: type[ToolContext] = ToolContext
    shows_sql: bool = False
    outside: bool = False
    unnamed: frozenset[str] = frozenset()

    @property
    def title(self) -> str:
        """The tool's name in words, for people."""
        return self.name.replace("_", " ").capitalize()

    def schema(self) -> dict[str, Any]:
        """The tool as a model API takes it. The same object every time: do not change it."""
        return _schema(self)


@cache
def _schema(tool: Tool) -> dict[str, Any]:
    parameters = tool.arguments.model_json_schema()
    parameters.pop("title", None)
    properties = parameters.get("properties", {})
    parameters["properties"] = {name: _shorten(argument) for name, argument in properties.items()}
    function = {"name": tool.name, "description": tool.description, "parameters": parameters}
    schema: dict[str, Any] = _without({"type": "function", "function": function}, tool.unnamed)
    return schema


def _without(part: Any, names: frozenset[str]) -> Any:
    """The part of a schema with descriptions that do not name what is off."""
    if isinstance(part, list):
        return [_without(each, names) for each in part]
    if not names or not isinstance(part, dict):
        return part
    return {
        key: without(each, names) if key == "description" and isinstance(each, str) else _without(each, names)
        for key, each in part.items()
    }


def _shorten(argument: dict[str, Any]) -> dict[str, Any]:
    """Leave out of an argument's schema what a model gains nothing by: titles, and that it may also be null."""
    shown = {name: value for name, value in argument.items() if name != "title"}
    kinds = shown.get("anyOf", [])
    if len(kinds) == 2 and kinds[1] == {"type": "null"} and shown.get("default", ...) is None:
        shown = kinds[0] | {name: value for name, value in shown.items() if name not in ("anyOf", "default")}
    if shown.get("default") == []:
        del shown["default"]
    return shown


def tool(
    domain: str,
    function: Callable[..., Awaitable[ToolResult]],
    *,
    writes: Permission | None = None,
    draws: Draw | None = None,
    shows_sql: bool = False,
    outside: bool = False,
) -> Tool:
    """Make a Tool of a function. Raises ValueError for an argument that could name a tenant or has no type."""
    fields: dict[str, Any] = {}
    context: type[ToolContext] = ToolContext
    for name, parameter in inspect.signature(function, eval_str=True).parameters.items():
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            if inspect.isclass(parameter.annotation) and issubclass(parameter.annotation, ToolContext):
                context = parameter.annotation
            continue
        if _may_name_a_tenant(name) or parameter.annotation is inspect.Parameter.empty:
            raise ValueError(f"{function.__name__}: the argument {name} is not for a caller to set")
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        fields[name] = (parameter.annotation, default)
    arguments = create_model(function.__name__, __base__=_Arguments, **fields)
    description = inspect.cleandoc(function.__doc__ or "")
    return Tool(function.__name__, domain, description, arguments, function, writes, draws, context, shows_sql, outside)


class _Arguments(BaseModel):
    """The arguments of a tool. Null for an optional one is the same as leaving it out: models write either."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _without_nulls(arguments: type[BaseModel], text: str) -> str:
    """The JSON text without the optional arguments that are null; as it is where it has none, or is no object."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(given, dict) or None not in given.values():
        return text
    fields = {name: field for name, field in arguments.model_fields.items() if not field.is_required()}
    optional = {key for name, field in fields.items() for key in _keys(name, field)}
    return json.dumps({key: value for key, value in given.items() if value is not None or key not in optional})


def _keys(name: str, field: FieldInfo) -> set[str]:
    """The names that a caller may use for an argument."""
    alias = field.validation_alias
    others = alias.choices if isinstance(alias, AliasChoices) else ()
    return {name, *(each for each in others if isinstance(each, str))}


def _may_name_a_tenant(argument: str) -> bool:
    words = [word.lower() for word in _WORD.findall(argument)]
    if _TENANT_WORDS & set(words):
        return True
    while words and words[-1] in _SUFFIXES:
        words.pop()
    return not words or words[-1] in _TENANT_ENDINGS


class Registry:
    """All tools of the product; ``bind`` yields what one caller may call."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools = {each.name: each for each in tools}

    @property
    def tools(self) -> tuple[Tool, ...]:
        return tuple(self._tools.values())

    def bind(self, principal: Principal, call: ToolContext, names: Sequence[str], resources: Resources) -> "BoundTools":
        """The tools of these names, for this caller. Raises KeyError for a name or a resource that there is not."""
        return BoundTools([self._tools[name] for name in names], principal, call, resources)


class BoundTools:
    """Tools bound to one caller. A call never raises: it answers with an envelope or ``{"error": …}``."""

    def __init__(self, tools: Sequence[Tool], principal: Principal, call: ToolContext, resources: Resources) -> None:
        self._tools = {each.name: each for each in tools}
        self._principal = principal
        self._contexts = {kind: make_context(kind, call, resources) for kind in {each.context for each in tools}}
        self._log: Log | None = resources.get("log")
        self._writing = asyncio.Lock()

    @property
    def tools(self) -> tuple[Tool, ...]:
        return tuple(self._tools.values())

    def domain(self, name: str) -> str:
        return self._tools[name].domain if name in self._tools else "unknown"

    def shows_sql(self, name: str) -> bool:
        """Return true if a tool's query is the model's own."""
        return name in self._tools and self._tools[name].shows_sql

    def changes(self, name: str) -> bool:
        """Return true if a tool changes what is stored, and so is called only with the person's yes."""
        return name in self._tools and self._tools[name].writes is not None

    def refusal_of_change(self, name: str, arguments: str) -> dict[str, Any] | None:
        """Return why a call that changes something needs no yes: it would be refused. None where it has to be asked."""
        needed = self._tools[name].writes if name in self._tools else None
        if needed is None:
            return None
        try:
            self._principal.require(needed)
            _checked(self._tools[name], arguments)
        except ToolError as error:
            return error_envelope(error.code, error.message)
        except ServiceError as error:
            return error_envelope(error.code, error.detail)
        return None

    async def call(self, name: str, arguments: str, *, agent_name: str, approved: bool = False) -> dict[str, Any]:
        """Check the arguments (JSON text), run the tool, and return its envelope or an error the model can act on.

        ``approved`` says that the person allowed this very call; nothing is changed without.
        """
        try:
            async with asyncio.timeout(limits.TOOL_SECONDS):
                return await self._call(name, arguments, agent_name, approved=approved)
        except ToolError as error:
            return error_envelope(error.code, error.message)
        except QueryRefused as refused:
            return error_envelope(refused.code, refused.detail)
        except TimeoutError:
            return error_envelope("timeout", self._tools[name].context.on_timeout)
        except ServiceError as error:
            return error_envelope(error.code, error.detail)
        except Exception as error:
            # A fault of the product's own: the turn goes on without this tool.
            if self._log is not None:
                self._log.error("tool.crashed", tool=name, error_class=type(error).__name__, stage=place_of(error))
            return error_envelope(
                "tool_failed", "The tool failed by a fault of its own. Say so, and answer without it."
            )

    async def _call(self, name: str, arguments: str, agent_name: str, *, approved: bool) -> dict[str, Any]:
        chosen = self._tools.get(name)
        if chosen is None:
            raise ToolError("unknown_tool", f"There is no tool {name[:64]!r}. Use one of: {', '.join(self._tools)}.")
        if chosen.writes:
            self._principal.require(chosen.writes)
        if chosen.writes and not approved:
            raise ToolError("approval_needed", "This changes what is stored, and the user has not allowed it.")
        checked = _checked(chosen, arguments)
        started = time.perf_counter()
        context = self._contexts[chosen.context]
        context = replace(context, labels={**context.labels, "agent": agent_name, "tool": name})
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
    if len(arguments) > TOOL_ARGUMENT_CHARS:
        raise ToolError("invalid_arguments", "The arguments are too long.")
    try:
        parsed = chosen.arguments.model_validate_json(_without_nulls(chosen.arguments, arguments or "{}"))
    except ValidationError as error:
        told = problems(error, "The call's arguments")
        raise ToolError("invalid_arguments", f"Correct the arguments. {told}") from None
    return {name: getattr(parsed, name) for name in type(parsed).model_fields}
