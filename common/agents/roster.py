"""The agents: who they are, which tools they have, and how one hands over to another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TRANSFER = "transfer_to_agent"


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent: what it is for, its prompt, and the names of its tools."""

    name: str
    description: str
    prompt: str
    tools: tuple[str, ...]
    router: bool = False


@dataclass(frozen=True, slots=True)
class Roster:
    """The agents of one turn, by name. Exactly one of them routes."""

    agents: Mapping[str, Agent]

    @classmethod
    def of(cls, agents: Sequence[Agent]) -> "Roster":
        """Make a roster. Raises ValueError unless names are unique and exactly one agent routes."""
        named = {agent.name: agent for agent in agents}
        if len(named) < len(agents):
            raise ValueError("two agents have the same name")
        if sum(agent.router for agent in agents) != 1:
            raise ValueError("exactly one agent must have router: true")
        return cls(named)

    @property
    def router(self) -> Agent:
        return next(agent for agent in self.agents.values() if agent.router)

    @property
    def specialists(self) -> tuple[Agent, ...]:
        return tuple(agent for agent in self.agents.values() if not agent.router)

    def named(self, name: str | None) -> Agent:
        """Return the agent of that name, or the router if it does not exist."""
        return self.agents.get(name or "") or self.router

    def transfer_schema(self, current: Agent) -> dict[str, Any]:
        """The tool by which ``current`` hands the conversation to a specialist."""
        others = [agent for agent in self.specialists if agent is not current]
        described = "\n".join(f"- {agent.name}: {agent.description}" for agent in others)
        return {
            "type": "function",
            "function": {
                "name": TRANSFER,
                "description": f"Hand the question to the specialist that can answer it:\n{described}",
                "parameters": {
                    "type": "object",
                    "properties": {"agent_name": {"type": "string", "enum": [agent.name for agent in others]}},
                    "required": ["agent_name"],
                    "additionalProperties": False,
                },
            },
        }

    def may_transfer(self, current: Agent) -> bool:
        return any(agent is not current for agent in self.specialists)
