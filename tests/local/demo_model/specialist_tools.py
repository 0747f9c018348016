"""The product's own tools as a request offers them, agent by agent, and what the demo model calls of them."""

import json
from datetime import date
from typing import Any

from common.skills.alerts.tools import TOOLS as ALERT_TOOLS
from common.skills.costs.tools import TOOLS as COST_TOOLS
from common.skills.explorer.tools import TOOLS as EXPLORER_TOOLS
from common.skills.usage.tools import TOOLS as USAGE_TOOLS
from common.tools.registry import Tool
from local.demo_model.decisions import Decision, decide
from tests.local.demo_model.offered import called, conversation, transfer

FRIDAY = date(2026, 11, 20)
LAST_MONTH = ("2026-10-01", "2026-10-31")
LAST_WEEK = ("2026-11-09", "2026-11-15")
THIS_MONTH = ("2026-11-01", "2026-11-20")
YESTERDAY = ("2026-11-19", "2026-11-19")

TOOLS: dict[str, tuple[Tool, ...]] = {
    "CostAnalyst": COST_TOOLS,
    "AlertManager": ALERT_TOOLS,
    "UsageAnalyst": USAGE_TOOLS,
    "Explorer": EXPLORER_TOOLS,
}
AGENTS = tuple(TOOLS)
BY_NAME = {tool.name: tool for tools in TOOLS.values() for tool in tools}


def offer(agent: str) -> list[dict[str, Any]]:
    """What the loop offers to an agent: its tools, and the hand-over to the others."""
    own = [tool.schema() for tool in TOOLS.get(agent, ())]
    return [*own, transfer(*(name for name in AGENTS if name != agent))]


def decided(agent: str, question: str, *earlier: str) -> Decision:
    return decide(conversation(question, FRIDAY, *earlier), offer(agent))


def answered(agent: str, question: str, *earlier: str) -> tuple[str, list[tuple[str, dict[str, Any]]], str]:
    """Who is asked in the end, what is called and what is said, as the loop goes from the Orchestrator to an agent."""
    decision = decided(agent, question, *earlier)
    for _ in AGENTS:
        if not any(call.name == "transfer_to_agent" for call in decision.calls):
            break
        agent = str(decision.calls[0].arguments["agent_name"])
        decision = decided(agent, question, *earlier)
    for call in decision.calls:
        BY_NAME[call.name].arguments.model_validate_json(json.dumps(call.arguments))
    return agent, [(call.name, dict(call.arguments)) for call in decision.calls], decision.text


def told(question: str, name: str, arguments: dict[str, Any], result: Any, *earlier: str) -> str:
    """The answer to a question whose one call came back with a result."""
    messages = conversation(question, FRIDAY, *earlier) + called(name, arguments, result)
    decision = decide(messages, [tool.schema() for tool in BY_NAME.values()])
    assert not decision.calls
    return decision.text
