"""The agents, read from agents.yml and prompts/*.md."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

TRANSFER = "transfer_to_agent"
_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent: what it is for, its prompt, and the names of its tools."""

    name: str
    description: str
    prompt: str
    tools: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Roster:
    """All agents; the first one routes."""

    agents: Mapping[str, Agent]

    @property
    def router(self) -> Agent:
        return next(iter(self.agents.values()))

    @property
    def specialists(self) -> tuple[Agent, ...]:
        return tuple(self.agents.values())[1:]

    def named(self, name: str | None) -> Agent:
        """The agent of that name, or the router where there is none."""
        return self.agents.get(name or "", self.router)

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


@cache
def load_roster() -> Roster:
    """Read the agents once per instance."""
    entries = yaml.safe_load((_FOLDER / "agents.yml").read_text(encoding="utf-8"))["agents"]
    agents = {
        entry["name"]: Agent(
            name=entry["name"],
            description=entry["description"],
            prompt=(_FOLDER / "prompts" / entry["prompt"]).read_text(encoding="utf-8").strip(),
            tools=tuple(entry["tools"]),
        )
        for entry in entries
    }
    return Roster(agents)
