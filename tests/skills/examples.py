"""The examples of every skill, read from the examples.yml in its tests' folder; a skill without one has none."""

from pathlib import Path
from typing import Any

import yaml

_FILES = sorted(Path(__file__).parent.glob("*/examples.yml"))
_READ: list[dict[str, dict[str, Any]]] = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in _FILES]

# A tool's name, and a text that it sends.
SENDS: dict[str, str] = {tool: text for each in _READ for tool, text in each["sends"].items()}
# Values of arguments, by tool and name, where a plain value would mean nothing.
ARGUMENTS: dict[tuple[str, str], Any] = {
    (tool, name): value for each in _READ for tool, given in each["arguments"].items() for name, value in given.items()
}
# Arguments that a plain call needs although the schema asks for none of them: one of several kinds of call.
NEEDED: dict[str, list[str]] = {tool: names for each in _READ for tool, names in each.get("needed", {}).items()}
# The skills that have examples: each of their tools that queries has one.
SKILLS = tuple(file.parent.name for file in _FILES)
