"""The request and the reply of a model call, the same for every provider."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from common.secret import Secret

if TYPE_CHECKING:
    from common.models.catalog import Model

Message = Mapping[str, Any]
# How a model call ended, whichever words the provider has for it. refused: its words are the answer; filtered: the
# provider cut it; malformed: a tool call that could not be read; broken: the provider could not go on.
FinishReason = Literal["stop", "tool_calls", "length", "refused", "filtered", "malformed", "broken"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call the model asks for; ``arguments`` is the JSON text as the model wrote it."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one or more model calls.

    ``cached_tokens`` of the input were in the provider's prompt cache, ``cache_write_tokens`` of it were put there.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
        )

    def __sub__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens - other.input_tokens,
            self.output_tokens - other.output_tokens,
            self.cached_tokens - other.cached_tokens,
            self.cache_write_tokens - other.cache_write_tokens,
        )

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens


@dataclass(slots=True)
class Heard:
    """The part of a reply that has come so far: the usage that its provider told, and every piece of its text.

    Only this is left of a call that is cut off. ``ended`` says that the provider has said all, its usage too;
    ``earlier`` is the usage of an attempt that was made again.
    """

    usage: Usage = field(default_factory=Usage)
    pieces: list[str] = field(default_factory=list)
    ended: bool = False
    earlier: Usage = field(default_factory=Usage)

    def begin_again(self, used: Usage) -> None:
        """Listen to another attempt at the same call, after one that used so much."""
        self.earlier, self.usage, self.ended = self.earlier + used, Usage(), False
        self.pieces.clear()


@dataclass(frozen=True, slots=True)
class Reply:
    """A finished model call: all of its text, the tool calls it asks for, and what it cost.

    ``thoughts`` is what the model wants back with its tool calls; it is for its provider alone, never for a reader.
    ``answered_by`` is the model that answered in place of the call's own; None where that one did.
    ``usage_is_estimated`` says that the provider told no usage.
    """

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage = field(default_factory=Usage)
    finish_reason: FinishReason = "stop"
    thoughts: Mapping[str, Any] | None = field(default=None, repr=False)
    answered_by: "Model | None" = None
    usage_is_estimated: bool = False

    @property
    def is_empty(self) -> bool:
        """Return true if the model neither wrote a word nor asked for a tool."""
        return not self.text.strip() and not self.tool_calls


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One request to a model: messages and tools in OpenAI's shape, and the key that pays for it.

    ``agent_name`` is the agent that its use is filed under, where that is not the turn's own.
    """

    model: "Model"
    key: Secret
    messages: Sequence[Message]
    tools: Sequence[Message]
    temperature: float
    max_tokens: int
    may_call_tools: bool = True
    agent_name: str = ""
    heard: Heard = field(default_factory=Heard, repr=False, compare=False)


class Completion(Protocol):
    """Streams a model call: pieces of text as they arrive, then the Reply. Raises ModelError or KeyInvalid."""

    def stream(self, call: ModelCall) -> AsyncGenerator[str | Reply, None]: ...
