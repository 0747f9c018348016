"""Episodes: conversations with what each answer must hold, read from JSON lines and checked before they are asked."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tests.eval import truth
from tests.eval.days import DayError, Days

FOLDER = Path(__file__).with_name("episodes")
Filters = Mapping[str, str | None]


class EpisodeError(ValueError):
    """A line of a file of episodes that cannot be read; the message names the file and the line."""


class Turn(BaseModel):
    """A question, and what its answer must be.

    ``tool`` lists the tools of which one must be called; an empty list says that none may be. ``args`` are arguments
    that the call must have: ``by`` is what it groups by, ``filters`` its conditions, values as regular expressions.
    ``cites`` are the documents of which the answer must cite a passage; an empty list says that it may cite none.
    ``decline`` is a pattern of the honest way out: what an answer may say in place of the figures.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    ask: str
    agent: str | list[str] | None = None
    tool: str | list[str] | None = None
    by: list[str] | None = None
    filters: dict[str, str] | None = None
    args: dict[str, Any] = Field(default_factory=dict)
    period: str | list[str] | None = None
    currency: str | list[str] | None = None
    truth: list[dict[str, Any]] = Field(default_factory=list)
    says: list[str] = Field(default_factory=list)
    never: list[str] = Field(default_factory=list)
    decline: str | None = None
    cites: list[str] | None = None
    idle: list[str] = Field(default_factory=list)
    finish: str = "stop"
    status: int = 200
    code: str | None = None
    body: dict[str, Any] | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    model_calls: int = Field(5, ge=0)
    approve: bool | None = None

    @model_validator(mode="after")
    def _can_be_judged(self) -> "Turn":
        for pattern in (*self.says, *self.never, *(self.filters or {}).values(), self.decline or ""):
            re.compile(pattern)
        for spec in self.truth:
            truth.check(spec)
        days = Days(date(2026, 11, 28))
        days.fill(self.ask)
        for name in self.periods:
            days.span(name)
        return self

    @property
    def periods(self) -> list[str]:
        return [] if self.period is None else [self.period] if isinstance(self.period, str) else self.period

    @property
    def tools(self) -> list[str] | None:
        return [self.tool] if isinstance(self.tool, str) else self.tool

    @property
    def agents(self) -> list[str] | None:
        return [self.agent] if isinstance(self.agent, str) else self.agent

    @property
    def currencies(self) -> list[str]:
        return [] if self.currency is None else [self.currency] if isinstance(self.currency, str) else self.currency


class Episode(BaseModel):
    """A conversation of one organisation's person; ``kind`` is what the report counts it under.

    ``note`` is for people: where the episode comes from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z0-9-]{3,60}$")
    kind: str = Field(pattern=r"^[a-z -]{3,40}$")
    note: str = ""
    org: Literal["acme_inc", "globex_inc"] = "acme_inc"
    turns: list[Turn] = Field(min_length=1)

    @property
    def digest(self) -> str:
        """A text that changes with the episode, so that a result of another one is not taken for its own."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class _Line:
    path: Path
    number: int
    text: str

    def problem(self, said: str) -> EpisodeError:
        return EpisodeError(f"{self.path.name}, line {self.number}: {said}")


def load(paths: Sequence[Path] = (), only: Sequence[str] = ()) -> list[Episode]:
    """Read episodes, all of the folder's without ``paths``. ``only`` names ids, their beginnings or kinds.

    Raises EpisodeError, which names the line, for the first that cannot be read.
    """
    found: dict[str, Episode] = {}
    for line in _lines(paths or sorted(FOLDER.glob("*.jsonl"))):
        episode = _read(line)
        if episode.id in found:
            raise line.problem(f"there is another episode {episode.id!r}")
        found[episode.id] = episode
    chosen = [each for each in found.values() if not only or any(_is_named(each, name) for name in only)]
    if not chosen:
        raise EpisodeError(f"no episode is named {', '.join(only)}" if only else "there is no episode")
    return chosen


def _is_named(episode: Episode, name: str) -> bool:
    return name == episode.kind or episode.id.startswith(name)


def _lines(paths: Sequence[Path]) -> Iterator[_Line]:
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise EpisodeError(f"{path.name} cannot be read: {error}") from error
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                yield _Line(path, number, line)


def _read(line: _Line) -> Episode:
    try:
        given = json.loads(line.text)
    except json.JSONDecodeError as error:
        raise line.problem(f"no JSON at character {error.pos + 1} ({error.msg})") from None
    try:
        return Episode.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "episode"
        raise line.problem(f"{where}: {first['msg']}") from None
    except (truth.TruthError, DayError, re.error) as error:
        raise line.problem(str(error)) from None
