"""The place of a run after a finished call: another attempt at the same turn goes on from there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from common.agents.bounds import Bounds
from common.models.call import Message


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The agent that has the question, the text so far, what the model is sent again, and the bounds that are used.

    ``open`` is there in the middle of a step: the exchange then ends with the calls that the step makes.
    """

    agent_name: str
    text: str
    exchange: tuple[Message, ...]
    bounds: Bounds
    open: "OpenStep | None" = None

    def messages(self) -> list[Message]:
        """Every message of it: the exchange, then the results of an open step, then those of its specialists."""
        inner = self.open.messages() if self.open else []
        return [*self.exchange, *inner]

    def open_calls(self) -> set[str]:
        """The ids of the calls that have no result yet, here and at the specialists."""
        if self.open is None:
            return set()
        own = {call["id"] for call in self.exchange[-1]["tool_calls"]}
        return own.union(*(each.place.open_calls() for each in self.open.consulted.values() if each.place))

    def frame(self) -> dict[str, Any]:
        """All of it as JSON holds it, but for the messages."""
        return {
            "agent_name": self.agent_name,
            "text": self.text,
            "messages": len(self.exchange),
            "bounds": self.bounds.document(),
            "open": self.open.frame() if self.open else None,
        }

    @classmethod
    def read(cls, frame: Mapping[str, Any], messages: list[Message]) -> "Checkpoint":
        """Read it back from its frame, and take its own messages from the beginning of the list."""
        exchange = _take(messages, frame["messages"])
        is_open = frame["open"] is not None
        return cls(
            frame["agent_name"],
            frame["text"],
            tuple(exchange),
            Bounds.read(frame["bounds"]),
            OpenStep.read(frame["open"], messages) if is_open else None,
        )


@dataclass(frozen=True, slots=True)
class Consulted:
    """A specialist that was asked: the place that it has reached, or what came of it, as the asking model reads it."""

    place: Checkpoint | None = None
    answer: Mapping[str, Any] | None = None


@dataclass(slots=True)
class OpenStep:
    """The finished part of a step: results by the number of their call, specialists by call and question."""

    results: dict[int, str] = field(default_factory=dict)
    consulted: dict[str, Consulted] = field(default_factory=dict)

    def copy(self) -> "OpenStep":
        """The step as it now is; what is finished later does not change it."""
        return OpenStep(dict(self.results), dict(self.consulted))

    def messages(self) -> list[Message]:
        """The results as messages, then those of the specialists."""
        own: list[Message] = [{"role": "tool", "content": content} for content in self.results.values()]
        places = [each.place for each in self.consulted.values() if each.place]
        return [*own, *(message for place in places for message in place.messages())]

    def frame(self) -> dict[str, Any]:
        """All of it as JSON holds it, but for the messages."""
        consulted = {
            name: {"place": each.place.frame() if each.place else None, "answer": each.answer}
            for name, each in self.consulted.items()
        }
        return {"results": list(self.results), "consulted": consulted}

    @classmethod
    def read(cls, frame: Mapping[str, Any], messages: list[Message]) -> "OpenStep":
        """Read it back as ``Checkpoint.read`` does."""
        results = {number: _take(messages, 1)[0]["content"] for number in frame["results"]}
        consulted = {
            name: Consulted(Checkpoint.read(each["place"], messages) if each["place"] else None, each["answer"])
            for name, each in frame["consulted"].items()
        }
        return cls(results, consulted)


def _take(messages: list[Message], count: int) -> Sequence[Message]:
    if len(messages) < count:
        raise ValueError("messages are missing")
    taken, messages[:count] = messages[:count], []
    return taken
