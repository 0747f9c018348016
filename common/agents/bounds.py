"""The bounds of one run of the loop: what it has used of them, and what they refuse."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field, replace
from typing import Any

from common import limits
from common.agents.roster import Agent
from common.models.call import ToolCall, Usage
from common.tools.result import error_envelope

_COUNTS = ("model_calls", "tool_calls", "handovers", "said_chars", "consultations", "consulted_calls")


@dataclass(slots=True)
class Bounds:
    """The part of its bounds that a run has used so far.

    The run of a consulted specialist has steps of its own; all else it takes from ``whole``, the asking run's.
    """

    usage: Usage = field(default_factory=Usage)
    model_calls: int = 0
    tool_calls: int = 0
    handovers: int = 0
    said_chars: int = 0
    consultations: int = 0
    consulted_calls: int = 0
    repeats: Counter[str] = field(default_factory=Counter)
    # The agents that had the question since the last result of a tool.
    asked: set[str] = field(default_factory=set)
    whole: "Bounds | None" = field(default=None, compare=False)

    def count_asked(self) -> None:
        """Count a model call that begins: specialists who are asked at one time share what is left."""
        if self.whole is not None:
            self.whole.consulted_calls += 1

    def count_reply(self, usage: Usage) -> None:
        """Count a model call that was answered, and its tokens."""
        self.model_calls += 1
        self.usage += usage
        if self.whole is not None:
            self.whole.usage += usage

    def reached(self, deadline: float) -> str | None:
        """Return the bound that is reached, in words; ``deadline`` is a monotonic time."""
        if self.whole is not None:
            return self._reached_as_part(self.whole, deadline)
        reached = {
            f"the {limits.MAX_STEPS - 1} steps of one answer are used up": self.model_calls >= limits.MAX_STEPS - 1,
            f"the {limits.MAX_TOOL_CALLS} tool calls of one answer are used up": self.tool_calls
            >= limits.MAX_TOOL_CALLS,
            f"the {limits.MAX_TURN_TOKENS:,} tokens of one answer are used up": self.usage.total_tokens
            >= limits.MAX_TURN_TOKENS,
            "the answer is as long as it may be": self.said_chars >= limits.MODEL_REPLY_CHARS,
            "the time for one answer is over": time.monotonic() >= deadline,
        }
        return next((words for words, is_reached in reached.items() if is_reached), None)

    def _reached_as_part(self, whole: "Bounds", deadline: float) -> str | None:
        if self.model_calls >= limits.MAX_CONSULTED_STEPS - 1:
            return f"the {limits.MAX_CONSULTED_STEPS - 1} steps of a consultation are used up"
        if whole.consulted_calls >= limits.MAX_CONSULTED_CALLS:
            return f"the {limits.MAX_CONSULTED_CALLS} steps of all consultations are used up"
        # The asking agent's own steps are its own to count.
        return replace(whole, model_calls=0).reached(deadline)

    def copy(self) -> "Bounds":
        """The bounds as they now are; what is counted later does not change it."""
        return replace(self, repeats=self.repeats.copy(), asked=self.asked.copy())

    def document(self) -> dict[str, Any]:
        """The bounds as JSON holds them."""
        counts = {name: getattr(self, name) for name in _COUNTS}
        return counts | {"usage": astuple(self.usage), "repeats": self.repeats, "asked": sorted(self.asked)}

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "Bounds":
        """Read them back."""
        counts = {name: document.get(name, 0) for name in _COUNTS}
        repeats, asked = Counter(document["repeats"]), set(document["asked"])
        return cls(**counts, usage=Usage(*document["usage"]), repeats=repeats, asked=asked)

    def count_hand_over(self, source: Agent, target: Agent) -> None:
        """Count that one agent gave the question to another."""
        self.asked |= {source.name, target.name}
        self.handovers += 1

    def refuses_hand_over(self, target: Agent) -> dict[str, Any] | None:
        """Why the question does not go to the agent; None where it does."""
        if self.handovers >= limits.MAX_HANDOVERS:
            return error_envelope("too_many_handovers", "No more hand-overs in this answer. Use your own tools.")
        if target.name in self.asked:
            said = f"{target.name} had this question and gave it on. Use your own tools, or say what is missing."
            return error_envelope("handed_back", said)
        return None

    def count_consultations(self, count: int) -> dict[str, Any] | None:
        """Count so many questions to specialists; the reason is returned where they are too many to be asked."""
        if self.consultations + count > limits.MAX_CONSULTATIONS:
            said = f"Specialists are asked {limits.MAX_CONSULTATIONS} questions at most in one answer."
            return error_envelope("too_many_consultations", f"{said} Answer with what you have.")
        self.consultations += count
        return None

    def count_call(self, call: ToolCall) -> None:
        """Count a call that the model asks for."""
        self.tool_calls += 1
        if self.whole is not None:
            self.whole.tool_calls += 1
        self.repeats[_meaning(call)] += 1

    def refuses_call(self, call: ToolCall) -> dict[str, Any] | None:
        """Why a call that was just counted is not made; None where it is."""
        if self.repeats[_meaning(call)] > limits.MAX_IDENTICAL_CALLS:
            return error_envelope(
                "repeated_call", "This exact call was made before. Use its result, or ask for something else."
            )
        if (self.whole or self).tool_calls > limits.MAX_TOOL_CALLS:
            return error_envelope("too_many_calls", "No more tool calls in this answer. Answer with what you have.")
        return None


def _meaning(call: ToolCall) -> str:
    """The call as text that is the same however its arguments are written."""
    try:
        arguments = json.dumps(json.loads(call.arguments or "{}"), sort_keys=True)
    except (ValueError, RecursionError):
        arguments = call.arguments
    return hashlib.sha256(f"{call.name} {arguments}".encode(errors="replace")).hexdigest()
