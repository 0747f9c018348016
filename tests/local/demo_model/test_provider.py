import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from local.demo_model import MODEL, PROVIDER
from local.demo_model.request import Call
from tests.local.demo_model.offered import TOOLS, Message, called, conversation, envelope

COST_TOOLS = [tool.schema() for tool in TOOLS["CostAnalyst"]]


@pytest.fixture(scope="module")
def litellm() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        environment.setenv("LITELLM_MODE", "PRODUCTION")
        import litellm

        from local.demo_model.provider import register

        before = litellm.custom_provider_map
        register()
        yield litellm
        litellm.custom_provider_map = before


@dataclass
class Streamed:
    """What the chunks of one stream add up to."""

    pieces: list[str] = field(default_factory=list)
    calls: dict[int, dict[str, str]] = field(default_factory=dict)
    usage: Any = None
    finish_reason: str | None = None


async def stream(litellm: Any, messages: list[Message], tools: list[dict[str, Any]] | None, **more: Any) -> Streamed:
    chunks = await litellm.acompletion(
        model=MODEL,
        messages=messages,
        tools=tools,
        stream=True,
        stream_options={"include_usage": True},
        api_key="sk-demo",
        temperature=0.7,
        max_tokens=4096,
        _skip_mcp_handler=True,
        **more,
    )
    streamed = Streamed()
    async for chunk in chunks:
        streamed.usage = getattr(chunk, "usage", None) or streamed.usage
        for choice in chunk.choices:
            streamed.finish_reason = choice.finish_reason or streamed.finish_reason
            if choice.delta.content:
                streamed.pieces.append(choice.delta.content)
            for piece in choice.delta.tool_calls or ():
                call = streamed.calls.setdefault(piece.index, {"id": "", "name": "", "arguments": ""})
                call["id"] = call["id"] or piece.id or ""
                call["name"] += piece.function.name or ""
                call["arguments"] += piece.function.arguments or ""
    return streamed


async def test_sql_streams_whole_with_its_lines_and_quotes(litellm: Any) -> None:
    sql = "SELECT ServiceName,\n  'it''s \"quoted\" — ü' AS x -- a comment\nFROM cost_data_standard_1_3"
    tools = [tool.schema() for tool in TOOLS["Explorer"]]
    streamed = await stream(litellm, conversation(f"Please run\n```sql\n{sql}\n```"), tools)
    (call,) = streamed.calls.values()
    assert (call["name"], json.loads(call["arguments"])) == ("run_read_query", {"query": sql})


async def test_several_tool_calls_stream_side_by_side_with_whole_json(litellm: Any) -> None:
    tools = [tool.schema() for tool in TOOLS["UsageAnalyst"]]
    question = "compare tokens this month and last month"
    streamed = await stream(litellm, conversation(question), tools)
    named = [(call["name"], json.loads(call["arguments"])) for _, call in sorted(streamed.calls.items())]
    assert named == [
        ("genai_usage", {"group_by": "model", "start_date": "2026-11-01", "end_date": "2026-11-20"}),
        ("genai_usage", {"group_by": "model", "start_date": "2026-10-01", "end_date": "2026-10-31"}),
    ]
    assert len({call["id"] for call in streamed.calls.values()}) == 2
    assert streamed.finish_reason == "tool_calls"
    assert not streamed.pieces


async def test_an_answer_streams_by_words_and_rows_and_ends_with_its_usage(litellm: Any) -> None:
    row = {"team": "Web", "billed_cost": 1.5, "effective_cost": 1.0, "line_items": 2, "currency": "USD"}
    messages = conversation("spend by team last month")
    messages += called([Call("query_costs", {"group_by": "team"})], [envelope([row], group_by="team")])
    streamed = await stream(litellm, messages, COST_TOOLS)
    text = "".join(streamed.pieces)
    assert "| Web | USD 1.50 | USD 1.00 | 2 |" in text
    table = [piece for piece in streamed.pieces if piece.lstrip().startswith("|")]
    assert len(table) == 3
    words = [word for line in text.splitlines() if not line.startswith("|") for word in line.split()]
    assert len(streamed.pieces) == len(words) + len(table)
    assert streamed.finish_reason == "stop"
    assert streamed.usage.completion_tokens == len(text.split())
    assert streamed.usage.prompt_tokens > 0
    assert streamed.usage.total_tokens == streamed.usage.prompt_tokens + streamed.usage.completion_tokens


async def test_concurrent_calls_do_not_mix(litellm: Any) -> None:
    years = range(2015, 2026)
    asked = [stream(litellm, conversation(f"spend by team in {year}"), COST_TOOLS) for year in years]
    for year, streamed in zip(years, await asyncio.gather(*asked), strict=True):
        assert json.loads(streamed.calls[0]["arguments"])["start_date"] == f"{year}-01-01"


async def test_no_tool_is_called_when_none_is_offered(litellm: Any) -> None:
    streamed = await stream(litellm, conversation("spend by team last month"), None)
    assert not streamed.calls
    assert streamed.finish_reason == "stop"


async def test_no_tool_is_called_when_calling_is_forbidden(litellm: Any) -> None:
    messages = conversation("spend by team last month")
    assert (await stream(litellm, messages, COST_TOOLS)).calls
    forbidden = await stream(litellm, messages, COST_TOOLS, tool_choice="none")
    assert not forbidden.calls
    assert forbidden.pieces


def test_registering_twice_leaves_one_entry_and_the_others(litellm: Any) -> None:
    from local.demo_model.provider import register

    other = {"provider": "other", "custom_handler": litellm.CustomLLM()}
    litellm.custom_provider_map = [other]
    register()
    register()
    assert litellm.custom_provider_map[0] is other
    assert [entry["provider"] for entry in litellm.custom_provider_map] == ["other", PROVIDER]


def test_importing_the_package_does_not_import_litellm() -> None:
    code = "import sys, local.demo_model; sys.exit('litellm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
