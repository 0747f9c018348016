"""The agents: who they are, which tools they have, and how one hands over to another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TRANSFER = "transfer_to_agent"
_HAND_OVER = (
    "Hand the question to the agent that can answer it, without a word of your own. If a part of it is yours, call "
    "your tools for that first: the next agent sees their results and answers everything."
)


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent: what it is for, its prompt, and the names of its tools."""

    name: str
    description: str
    prompt: str
    tools: tuple[str, ...]
    starts: bool = False


@dataclass(frozen=True, slots=True)
class Roster:
    """The agents of one turn, by name. A conversation begins with exactly one of them."""

    agents: Mapping[str, Agent]

    @classmethod
    def of(cls, agents: Sequence[Agent]) -> "Roster":
        """Make a roster. Raises ValueError unless names are unique and exactly one agent starts."""
        named = {agent.name: agent for agent in agents}
        if len(named) < len(agents):
            raise ValueError("two agents have the same name")
        if sum(agent.starts for agent in agents) != 1:
            raise ValueError("exactly one agent must have starts: true")
        return cls(named)

    @property
    def specialists(self) -> tuple[Agent, ...]:
        """The agents that have tools; one without tools only hands over."""
        return tuple(agent for agent in self.agents.values() if agent.tools)

    def choose_first(self, last_agent: str | None) -> Agent:
        """Return the agent that a turn begins with: the specialist that answered last, or the one that starts."""
        last = self.agents.get(last_agent or "")
        return last if last is not None and last.tools else next(each for each in self.agents.values() if each.starts)

    def others(self, current: Agent) -> tuple[Agent, ...]:
        """The agents that ``current`` can hand over to."""
        return tuple(agent for agent in self.agents.values() if agent is not current)

    def transfer_schema(self, current: Agent) -> dict[str, Any]:
        """The tool by which ``current`` hands the conversation to another agent."""
        others = self.others(current)
        described = "\n".join(f"- {agent.name}: {agent.description}" for agent in others)
        return {
            "type": "function",
            "function": {
                "name": TRANSFER,
                "description": f"{_HAND_OVER}\n{described}",
                "parameters": {
                    "type": "object",
                    "properties": {"agent_name": {"type": "string", "enum": [agent.name for agent in others]}},
                    "required": ["agent_name"],
                    "additionalProperties": False,
                },
            },
        }
