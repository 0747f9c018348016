"""What one turn of an episode did, as it can be seen from outside and at the model's port."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class Called:
    """A tool call of a turn: its arguments, and the envelope that came back."""

    agent: str
    name: str
    arguments: Mapping[str, Any]
    result: Mapping[str, Any]

    @property
    def rows(self) -> list[Mapping[str, Any]]:
        return list(self.result.get("rows") or ())

    @property
    def summary(self) -> Mapping[str, Any]:
        return self.result.get("summary") or {}


@dataclass(slots=True)
class Spent:
    """The model calls of a turn with their tokens and US dollars, and the system prompts that they were given."""

    model_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal()
    prompts: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Observed:
    """A turn as it went: the answer or the refusal, its calls, and what it took."""

    status: int = 0
    code: str | None = None
    text: str = ""
    agent: str = ""
    finish: str = ""
    calls: list[Called] = field(default_factory=list)
    unverified: list[str] = field(default_factory=list)
    citations: list[Mapping[str, Any]] = field(default_factory=list)
    approvals: list[Mapping[str, Any]] = field(default_factory=list)
    conversation_id: str = ""
    raw: str = ""
    records: str = ""
    seconds: float = 0.0
    spent: Spent = field(default_factory=Spent)
    earlier: list[Called] = field(default_factory=list)
