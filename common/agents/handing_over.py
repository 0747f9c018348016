"""The hand-over that a reply asks for: to which agent, and which calls come before it."""

import json
from dataclasses import replace

from common.agents.bounds import Bounds
from common.agents.roster import TRANSFER, Agent, Roster
from common.models.call import Reply, ToolCall


def hand_over(reply: Reply, current: Agent, bounds: Bounds, roster: Roster) -> tuple[Agent | None, Reply]:
    """Return the agent that the reply hands over to, or None, and the reply with the calls to make before."""
    for call in reply.tool_calls:
        target = named_agent(call, current, roster)
        if target is not None and bounds.refuses_hand_over(target) is None:
            return target, replace(reply, tool_calls=tuple(call for call in reply.tool_calls if call.name != TRANSFER))
    return None, reply


def named_agent(call: ToolCall, current: Agent, roster: Roster) -> Agent | None:
    """The other agent that a call names, if it is a hand-over."""
    if call.name != TRANSFER:
        return None
    try:
        name = json.loads(call.arguments)["agent_name"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return next((agent for agent in roster.others(current) if agent.name == name), None)
