"""The requests that an agent loop sends: system prompt, conversation and the tools it offers."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

Message = dict[str, Any]

GROUPS = ["provider", "service", "service_category", "team", "region", "model", "day", "week", "month"]
DIMENSIONS = ["provider", "service", "service_category", "cost_type", "team", "region", "model"]
COST_TYPES = ["cloud", "genai", "subscription"]


def optional(schema: Mapping[str, Any]) -> dict[str, Any]:
    """An optional argument as pydantic writes it."""
    return {"anyOf": [dict(schema), {"type": "null"}], "default": None}


def tool(name: str, properties: Mapping[str, Any], required: Sequence[str] = ()) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
    return {"type": "function", "function": {"name": name, "description": name, "parameters": parameters}}


def transfer(*agents: str) -> dict[str, Any]:
    return tool("transfer_to_agent", {"agent_name": {"type": "string", "enum": list(agents)}}, ["agent_name"])


_TEXT = {"type": "string"}
_DAYS = {"start_date": optional({"type": "string", "format": "date"}), "end_date": optional({"type": "string"})}

COST_TOOLS = [
    tool(
        "query_costs",
        {
            "provider": optional(_TEXT),
            "service_category": optional(_TEXT),
            "cost_type": optional({"type": "string", "enum": COST_TYPES}),
            **_DAYS,
            "group_by": {"type": "string", "enum": GROUPS},
            "limit": {"type": "integer", "minimum": 1, "maximum": 500, "default": 50},
        },
        ["group_by"],
    ),
    tool(
        "compare_periods",
        {"period_type": {"type": "string", "enum": ["MTD", "MoM", "QoQ", "YoY"]}, "provider": optional(_TEXT)},
        ["period_type"],
    ),
    tool(
        "cost_breakdown",
        {
            "dimension": {"type": "string", "enum": DIMENSIONS},
            **_DAYS,
            "cost_type": optional({"type": "string", "enum": COST_TYPES}),
        },
        ["dimension"],
    ),
    tool("cost_forecast", {"horizon_days": {"type": "integer", "minimum": 1, "maximum": 90, "default": 30}}),
    tool(
        "top_cost_drivers",
        {
            "days": {"type": "integer", "minimum": 1, "maximum": 90, "default": 30},
            "limit": {"type": "integer", "minimum": 1, "maximum": 20, "default": 10},
        },
    ),
]


def system(today: date | None) -> Message:
    line = f"\nToday is {today.isoformat()} (UTC).\n" if today else ""
    return {"role": "system", "content": f"You answer questions about costs.{line}\nThe organisation is Acme."}


def conversation(question: str, today: date | None, *earlier: str) -> list[Message]:
    """A conversation in which every earlier question has been answered."""
    messages = [system(today)]
    for text in earlier:
        messages += [{"role": "user", "content": text}, {"role": "assistant", "content": "Done."}]
    return [*messages, {"role": "user", "content": question}]


def called(name: str, arguments: Mapping[str, Any], result: Any, call_id: str = "call_1") -> list[Message]:
    """A tool call of this turn and its result."""
    function = {"name": name, "arguments": json.dumps(arguments)}
    content = result if isinstance(result, str) else json.dumps(result)
    return [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": call_id, "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": call_id, "content": content},
    ]


def envelope(rows: list[dict[str, Any]], summary: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "rows": rows,
        "columns": [],
        "row_count": len(rows),
        "truncated": False,
        "bytes_processed": 1,
        "job_id": "job",
        "sql": "SELECT 1",
        "duration_ms": 1,
        "summary": dict(summary),
    } | more
