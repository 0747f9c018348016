"""The requests that an agent loop sends, over the product's own tools, and results of the shape that models get."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from common.skills.loading import load_skills
from common.tools.registry import Tool
from local.demo_model.decisions import Decision, decide
from local.demo_model.request import Call

Message = dict[str, Any]
FRIDAY = date(2026, 11, 20)
SKILLS = load_skills()
BY_NAME = {tool.name: tool for tool in SKILLS.registry.tools}
FIRST = SKILLS.roster.choose_first(None).name
TOOLS: dict[str, tuple[Tool, ...]] = {
    agent.name: tuple(BY_NAME[name] for name in agent.tools) for agent in SKILLS.roster.specialists
}


def tool(name: str, properties: Mapping[str, Any], required: Sequence[str] = ()) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
    return {"type": "function", "function": {"name": name, "description": name, "parameters": parameters}}


def transfer(*agents: str) -> dict[str, Any]:
    return tool("transfer_to_agent", {"agent_name": {"type": "string", "enum": list(agents)}}, ["agent_name"])


def offer(agent: str) -> list[dict[str, Any]]:
    """What the loop offers to an agent: its tools, and the hand-over to the others."""
    return [*(each.schema() for each in TOOLS.get(agent, ())), transfer(*(name for name in TOOLS if name != agent))]


def conversation(question: str, *earlier: str, today: date | None = FRIDAY, agent: str = FIRST) -> list[Message]:
    """A conversation in which every earlier question has been answered."""
    line = f"\nToday is {today.isoformat()} (UTC).\nFiscal year starts in month: 4" if today else ""
    messages = [{"role": "system", "content": f"You are the {agent} of a cloud-cost assistant.{line}"}]
    for text in earlier:
        messages += [{"role": "user", "content": text}, {"role": "assistant", "content": "Done."}]
    return [*messages, {"role": "user", "content": question}]


def called(calls: Sequence[Call], results: Sequence[Any]) -> list[Message]:
    """The calls of one step with their results."""
    made = [
        {"id": f"c{at}-{call.name}", "function": {"name": call.name, "arguments": json.dumps(call.arguments)}}
        for at, call in enumerate(calls)
    ]
    said = [
        {
            "role": "tool",
            "tool_call_id": each["id"],
            "content": result if isinstance(result, str) else json.dumps(result),
        }
        for each, result in zip(made, results, strict=True)
    ]
    return [{"role": "assistant", "content": None, "tool_calls": made}, *said]


def decided(question: str, *earlier: str, today: date = FRIDAY, first: str = FIRST) -> tuple[str, Decision]:
    """The agent that is asked in the end, and its first decision."""
    agent = first
    for _ in range(len(TOOLS) + 1):
        decision = decide(conversation(question, *earlier, today=today, agent=agent), offer(agent))
        if not any(call.name == "transfer_to_agent" for call in decision.calls):
            break
        agent = str(decision.calls[0].arguments["agent_name"])
    for call in decision.calls:
        BY_NAME[call.name].arguments.model_validate_json(json.dumps(call.arguments))
    return agent, decision


def answered(question: str, *earlier: str, answer: Callable[[Call], Any]) -> tuple[list[Call], str]:
    """All calls of a turn and its text, with results from `answer`."""
    agent, decision = decided(question, *earlier)
    messages, calls = conversation(question, *earlier, agent=agent), list[Call]()
    while decision.calls:
        assert len(calls) < 16
        calls += decision.calls
        messages += called(decision.calls, [answer(call) for call in decision.calls])
        decision = decide(messages, offer(agent))
    return calls, decision.text


def envelope(rows: Sequence[Mapping[str, Any]], **summary: Any) -> dict[str, Any]:
    return {"rows": list(rows), "row_count": len(rows), "truncated": False, "summary": summary, "sql": "SELECT 1"}


def told(question: str, call: Call, result: Any, *earlier: str) -> str:
    """The answer to a question whose one call came back with a result."""
    messages = conversation(question, *earlier) + called([call], [result])
    decision = decide(messages, [each.schema() for each in BY_NAME.values()])
    assert not decision.calls
    return decision.text
