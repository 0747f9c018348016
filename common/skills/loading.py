"""Skills, read from their folders: the agents that answer and the tools they answer with.

A skill is a folder with an ``agent.yml``, and beside it ``tools.py`` (its ``TOOLS``), SQL, charts and prompts. The keys
of an entry under ``agents:``

    name         declares an agent; ``description`` and ``prompt.md`` belong to it
    starts       ``true`` for the one agent that a conversation begins with
    extends      adds to the agent that another skill declares: its tools, and ``prompt`` (a file) after its own prompt
    tools        names of tools, of this skill or another one
    order        the agent's place in every list of agents, lowest first
    prompt       the prompt's file, where it is not ``prompt.md``
"""

import importlib
import importlib.util
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from common.agents.roster import Agent, Roster
from common.tools.registry import Registry, Tool

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Skills:
    """Everything the product can do: its agents, and the tools they name."""

    roster: Roster
    registry: Registry


def load_skills(*more: Path) -> Skills:
    """Read the product's skills, and those of ``more`` folders. Raises ValueError for a skill that does not fit."""
    return _load((*own_folders(), *more))


def own_folders() -> tuple[Path, ...]:
    """The folders of the product's own skills."""
    return tuple(sorted(path.parent for path in _FOLDER.glob("*/agent.yml")))


@cache
def _load(folders: tuple[Path, ...]) -> Skills:
    entries = sorted(_entries(folders), key=lambda entry: (entry["order"], str(entry["folder"])))
    agents = {entry["name"]: _declare(entry) for entry in entries if "name" in entry}
    for entry in entries:
        if "extends" in entry:
            agents[entry["extends"]] = _extend(agents, entry)
    tools = {tool.name: tool for folder in folders for tool in _tools(folder)}
    named = list(dict.fromkeys(name for agent in agents.values() for name in agent.tools))
    if unknown := [name for name in named if name not in tools]:
        raise ValueError(f"no skill has a tool named {unknown[0]!r}")
    return Skills(Roster.of(list(agents.values())), Registry([tools[name] for name in named]))


def _entries(folders: Iterable[Path]) -> Iterator[dict[str, Any]]:
    for folder in folders:
        for entry in yaml.safe_load((folder / "agent.yml").read_text(encoding="utf-8"))["agents"]:
            yield {"order": 100, "folder": folder, **entry}


def _declare(entry: dict[str, Any]) -> Agent:
    return Agent(
        name=entry["name"],
        description=entry["description"].strip(),
        prompt=_prompt(entry, "prompt.md"),
        tools=tuple(entry["tools"]),
        starts=entry.get("starts", False),
    )


def _extend(agents: dict[str, Agent], entry: dict[str, Any]) -> Agent:
    agent = agents.get(entry["extends"])
    if agent is None:
        raise ValueError(f"no skill declares the agent {entry['extends']!r}")
    more = f"\n\n{_prompt(entry, '')}" if "prompt" in entry else ""
    return replace(agent, tools=(*agent.tools, *entry["tools"]), prompt=agent.prompt + more)


def _prompt(entry: dict[str, Any], default: str) -> str:
    folder: Path = entry["folder"]
    name: str = entry.get("prompt", default)
    return (folder / name).read_text(encoding="utf-8").strip()


def _tools(folder: Path) -> Sequence[Tool]:
    if not (folder / "tools.py").exists():
        return ()
    found: tuple[Tool, ...] = _module(folder).TOOLS
    return found


def _module(folder: Path) -> ModuleType:
    if folder.parent == _FOLDER:
        return importlib.import_module(f"common.skills.{folder.name}.tools")
    # A skill outside of the product's own folder becomes a package of its own, so that its files find each other.
    package = f"skill_{folder.name}"
    spec = ModuleSpec(package, None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    sys.modules[package] = importlib.util.module_from_spec(spec)
    return importlib.import_module(f"{package}.tools")
