"""What goes into a model call and what comes out of it, whichever provider serves it."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from common.models.catalog import Model
from common.secret import Secret

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call the model asks for; ``arguments`` is the JSON text as the model wrote it."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one or more model calls; ``cached_tokens`` of the input were in the provider's prompt cache."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
        )

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class Reply:
    """A finished model call: all of its text, the tool calls it asks for, and what it cost."""

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage = field(default_factory=Usage)
    finish_reason: str = "stop"


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One request to a model: messages and tools in OpenAI's shape, and the key that pays for it."""

    model: Model
    key: Secret
    messages: Sequence[Message]
    tools: Sequence[Message]
    temperature: float
    max_tokens: int
    may_call_tools: bool = True


class Completion(Protocol):
    """Streams a model call: pieces of text as they arrive, then the Reply. Raises ModelError or KeyInvalid."""

    def stream(self, call: ModelCall) -> AsyncGenerator[str | Reply, None]: ...
