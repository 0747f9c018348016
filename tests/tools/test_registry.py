"""The seam that every tool stands behind: its context, its source, and the names of its arguments."""

import asyncio
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any

import pytest
from pydantic import AliasChoices, Field, create_model

from common import limits
from common.telemetry.log import Log
from common.tenant import WRITE_ALERTS, Principal, Tenant, UserId, parse_org_slug
from common.tools.context import ToolContext, WarehouseContext
from common.tools.registry import BoundTools, Tool, tool
from common.tools.result import DocumentSource, ServiceCall, ToolResult

READER = Principal(Tenant(parse_org_slug("acme_inc"), "p", "organizations"), UserId("u1"), "k1")
PRINCIPAL = replace(READER, scopes=frozenset({WRITE_ALERTS}))
NOW = datetime(2026, 2, 28, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ShelfContext(ToolContext):
    """The context of a tool that needs documents."""

    shelf: Mapping[str, str]


async def read_shelf(principal: Principal, context: ShelfContext, *, title: str) -> ToolResult:
    """Read a document."""
    return ToolResult(DocumentSource(title, f"{context.today}/{title}"), ({"text": context.shelf[title]},), {})


async def call_service(principal: Principal, context: ToolContext, *, count: int) -> ToolResult:
    """Ask another service."""
    return ToolResult(ServiceCall("weather", 12), ({"count": count},), {})


async def think(principal: Principal, context: ToolContext) -> ToolResult:
    """Answer from nothing."""
    return ToolResult(None, (), {"answer": 42})


def bound(function: Any, **resources: object) -> BoundTools:
    return BoundTools([tool("test", function)], PRINCIPAL, ToolContext({}, NOW, "answer-1"), resources)


async def ask(function: Any, resources: Mapping[str, object] | None = None, **arguments: object) -> dict[str, Any]:
    tools = bound(function, **(resources or {}))
    return await tools.call(function.__name__, json.dumps(arguments), agent_name="Tester")


async def test_a_tool_is_given_the_services_that_its_context_names() -> None:
    answer = await ask(read_shelf, {"shelf": {"Policy": "Tag everything."}}, title="Policy")
    assert answer["rows"] == [{"text": "Tag everything."}]
    assert answer["document"] == {"title": "Policy", "location": "2026-02-28/Policy"}
    assert "sql" not in answer


def test_a_service_that_the_product_does_not_have_is_found_before_any_call() -> None:
    with pytest.raises(KeyError, match="shelf"):
        bound(read_shelf)


async def test_a_tool_that_crashes_is_an_answer_to_the_model_and_a_record_without_any_value() -> None:
    written = io.StringIO()
    answer = await ask(read_shelf, {"shelf": {}, "log": Log("INFO", written)}, title="planted secret")
    assert answer["error"]["code"] == "tool_failed"
    record = json.loads(written.getvalue())
    assert (record["message"], record["severity"]) == ("tool.crashed", "ERROR")
    assert (record["tool"], record["error_class"]) == ("read_shelf", "KeyError")
    assert record["stage"].startswith("read_shelf:")
    assert "planted" not in f"{answer} {written.getvalue()}"


async def test_a_call_to_a_service_is_a_source() -> None:
    answer = await ask(call_service, count=3)
    assert (answer["service"], answer["rows"]) == ("weather", [{"count": 3}])
    assert "sql" not in answer


async def test_an_answer_may_have_no_source() -> None:
    answer = await ask(think)
    assert answer["summary"] == {"answer": 42}
    assert not {"sql", "document", "service"} & answer.keys()


@pytest.mark.parametrize(("kind", "word"), [(ToolContext, "The tool took"), (WarehouseContext, "The query took")])
async def test_a_timeout_is_worded_by_the_source(
    monkeypatch: pytest.MonkeyPatch, kind: type[ToolContext], word: str
) -> None:
    async def wait(principal: Principal, context: Any) -> ToolResult:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(limits, "TOOL_SECONDS", 0.01)
    waiting = Tool("wait", "test", "", create_model("wait"), wait, context=kind)
    tools = BoundTools([waiting], PRINCIPAL, ToolContext({}, NOW, "answer-1"), {"warehouse": None})
    answer = await tools.call("wait", "{}", agent_name="Tester")
    assert answer["error"]["code"] == "timeout"
    assert answer["error"]["message"].startswith(word)


async def look(
    principal: Principal,
    context: ToolContext,
    *,
    query: Annotated[str, Field(validation_alias=AliasChoices("query", "sql"))],
    most: Annotated[int, Field(ge=1)] = 5,
    only: str | None = None,
) -> ToolResult:
    """Say the arguments."""
    return ToolResult(None, (), {"query": query, "most": most, "only": only})


async def test_null_for_an_optional_argument_is_the_same_as_leaving_it_out() -> None:
    assert (await ask(look, query="q", most=None, only=None))["summary"] == {"query": "q", "most": 5, "only": None}
    for wrong in ({"query": None}, {"query": "q", "unheard_of": None}, {"query": "q", "most": 0}):
        assert (await ask(look, None, **wrong))["error"]["code"] == "invalid_arguments"


async def test_an_argument_may_have_an_older_name() -> None:
    assert (await ask(look, sql="q"))["summary"]["query"] == "q"
    schema = tool("test", look).schema()["function"]["parameters"]
    assert set(schema["properties"]) == {"query", "most", "only"}
    assert schema["required"] == ["query"]


async def test_a_change_is_made_only_where_it_is_allowed() -> None:
    made: list[str] = []

    async def change(principal: Principal, context: ToolContext) -> ToolResult:
        """Change something."""
        made.append("it")
        return ToolResult(None, (), {})

    tools = BoundTools([tool("test", change, writes="alerts:write")], PRINCIPAL, ToolContext({}, NOW, "answer-1"), {})
    refused = await tools.call("change", "{}", agent_name="Tester")
    assert (refused["error"]["code"], made) == ("approval_needed", [])
    reading = BoundTools(tools.tools, READER, ToolContext({}, NOW, "answer-1"), {})
    refused = await reading.call("change", "{}", agent_name="Tester", approved=True)
    assert (refused["error"]["code"], made) == ("scope_missing", [])
    assert "error" not in await tools.call("change", "{}", agent_name="Tester", approved=True)
    assert made == ["it"]


def with_argument(name: str) -> Any:
    """A tool function with one argument of this name."""
    space: dict[str, Any] = {"ToolResult": ToolResult}
    exec(f"async def made(principal, context, *, {name}: str = '') -> ToolResult: ...", space)
    return space["made"]


@pytest.mark.parametrize(
    "name",
    [
        "projected_days",
        "project_name",
        "organic_growth",
        "user_message",
        "search",
        "forgotten",
        "users_at_once",
        "region",
    ],
)
def test_an_argument_that_only_sounds_like_a_tenant_is_allowed(name: str) -> None:
    assert name in tool("test", with_argument(name)).arguments.model_fields


@pytest.mark.parametrize(
    "name",
    [
        "org", "org_slug", "orgSlug", "organization_id", "the_tenant", "tenantId",
        "dataset", "dataset_name", "the_principal",
        "project", "project_id", "projectId", "billing_project", "user", "user_id", "users", "as_user", "id",
    ],
)  # fmt: skip
def test_an_argument_that_could_name_a_tenant_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        tool("test", with_argument(name))
