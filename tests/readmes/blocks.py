"""The READMEs as the tests read them: their files, their code blocks and the commands in them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("common", "functions", "local", "terraform", "tests")
NEEDS_A_CLOUD = "needs-a-cloud"
_BLOCK = re.compile(r"^```(\w*) ?([\w-]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def readmes() -> list[Path]:
    """README.md and the READMEs of the folders, of their parts too."""
    below = [path for folder in FOLDERS for path in (ROOT / folder).rglob("README.md")]
    return [ROOT / "README.md", *sorted(path for path in below if "node_modules" not in path.parts)]


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced code block: its language, the word after it, and its text."""

    language: str
    mark: str
    text: str


def blocks(text: str) -> Iterator[Block]:
    """The fenced code blocks of a Markdown text."""
    for match in _BLOCK.finditer(text):
        yield Block(match[1], match[2], match[3])


def commands(text: str) -> list[str]:
    """The shell commands that a laptop can run, in their order; one that spans lines is one command."""
    shell = [block.text for block in blocks(text) if block.language == "sh" and block.mark != NEEDS_A_CLOUD]
    lines = "\n".join(shell).replace("\\\n", "\\\0").splitlines()
    return [line.replace("\\\0", "\\\n") for line in lines if line.strip()]
