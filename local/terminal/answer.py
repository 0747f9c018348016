"""An answer as it grows: its text, and the tool calls it rests on."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class ToolCall:
    """One tool call; ``result`` is the tool's envelope once it ended, or has an ``error``."""

    id: str
    agent_name: str
    name: str
    arguments: dict[str, Any]
    result: dict[str, Any] | None = None
    duration_ms: int | None = None

    @property
    def error(self) -> str | None:
        """Why the call failed, None where it did not."""
        error = (self.result or {}).get("error")
        if error is None:
            return None
        return str(error.get("message", "it failed")) if isinstance(error, Mapping) else str(error)

    @property
    def chart(self) -> dict[str, Any] | None:
        """The Vega-Lite spec of a picture, None where the tool drew none."""
        chart = (self.result or {}).get("chart")
        return chart if isinstance(chart, dict) else None


@dataclass(slots=True)
class Answer:
    """The known part of an answer. ``finish`` is the product's word on its end."""

    agent_name: str = ""
    text: str = ""
    tools: list[ToolCall] = field(default_factory=list)
    finish: dict[str, Any] = field(default_factory=dict)

    @property
    def waiting(self) -> list[dict[str, Any]]:
        """The changes that wait for the person's yes."""
        return list(self.finish.get("approvals") or ())

    @property
    def question(self) -> dict[str, Any] | None:
        """The question that waits for the person's answer, None where none does."""
        question = self.finish.get("question")
        return question if isinstance(question, dict) else None

    def as_json(self) -> dict[str, Any]:
        """The answer as the JSON of a send has it, with the tool calls behind it."""
        tools = [
            {
                "name": call.name,
                "agent_name": call.agent_name,
                "arguments": call.arguments,
                "duration_ms": call.duration_ms,
                "result": call.result,
            }
            for call in self.tools
        ]
        return {**self.finish, "response": self.text, "tools": tools}


def arguments_of(text: object) -> dict[str, Any]:
    """A call's arguments from the JSON text that the model wrote; what is no object is one argument."""
    try:
        value = json.loads(str(text) or "{}")
    except ValueError:
        return {"arguments": text}
    return value if isinstance(value, dict) else {"arguments": value}


def stored_answer(exported: Mapping[str, Any], message_id: str | None = None) -> tuple[Answer, str] | None:
    """An answer of an exported conversation, the last unless named, and its status; None where there is none."""
    for message in reversed(exported.get("messages", [])):
        if message["role"] == "assistant" and message_id in (None, message["message_id"]):
            return _answer_of(message, exported["conversation"]["conversation_id"]), message["status"]
    return None


def _answer_of(message: Mapping[str, Any], conversation_id: str) -> Answer:
    results = {entry["id"]: entry["result"] for entry in message.get("tool_results") or ()}
    calls = [
        ToolCall(
            id=call["id"],
            agent_name=call.get("agent_name") or "",
            name=call["name"],
            arguments=arguments_of(call.get("arguments", "")),
            result=results.get(call["id"]),
            duration_ms=(results.get(call["id"]) or {}).get("duration_ms"),
        )
        for call in message.get("tool_calls") or ()
    ]
    told = (
        "message_id",
        "agent_name",
        "model_id",
        "fallback_from",
        "latency_ms",
        "usage",
        "finish",
        "unverified_figures",
        "citations",
        "cached_at",
    )
    finish = {name: message.get(name) for name in told}
    agent_name = message.get("agent_name") or ""
    return Answer(agent_name, message["content"], calls, {"conversation_id": conversation_id, **finish})
