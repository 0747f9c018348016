"""The state of one run of the loop, and how it ends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from common.agents import consulting
from common.agents.bounds import Bounds
from common.agents.checkpoint import Checkpoint, OpenStep
from common.agents.ending import Ending
from common.agents.events import Finish, TextDelta
from common.agents.handing_over import named_agent
from common.agents.pausing import Paused, Waiting
from common.agents.roster import Agent, Roster
from common.models.call import Message, Reply, ToolCall, Usage


@dataclass(frozen=True, slots=True)
class Answered:
    """The loop's last word: the whole text, who spoke last, what it took, and where it paused if it did.

    ``bound`` is the one that it ended at, in words; ``results`` stand in place of the text where they were handed in.
    """

    text: str
    agent_name: str
    usage: Usage
    model_calls: int
    tool_calls: int
    paused: Paused | None = None
    finish: Finish = "stop"
    bound: str | None = None
    results: Sequence[Mapping[str, Any]] = ()


@dataclass(slots=True)
class RunState:
    """The state of a run so far; ``deadline`` is a monotonic time, ``open`` the step that is being made."""

    agent: Agent
    history: Sequence[Message]
    deadline: float
    history_cut: bool = False
    exchange: list[Message] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    bounds: Bounds = field(default_factory=Bounds)
    waiting: list[Waiting] = field(default_factory=list)
    ending: Ending = field(default_factory=Ending)
    open: OpenStep | None = None
    results: Sequence[Mapping[str, Any]] = ()

    @property
    def ended(self) -> bool:
        """True if the loop stops for its client."""
        return bool(self.waiting)

    def say(self, text: str, *, begins: bool = True) -> TextDelta:
        """Add to the text; what another model call begins stands apart."""
        if begins and self.text:
            text = f"\n\n{text}"
        self.text.append(text)
        self.bounds.said_chars += len(text)
        return TextDelta(text)

    def checkpoint(self) -> Checkpoint:
        """The place after the step, or the part of one, that has just ended."""
        opened = self.open.copy() if self.open else None
        return Checkpoint(self.agent.name, "".join(self.text), tuple(self.exchange), self.bounds.copy(), opened)

    def answered(self) -> Answered:
        """The end of the run, as it stands."""
        bounds = self.bounds
        paused = Paused(tuple(self.exchange), tuple(self.waiting), bounds.tool_calls) if self.waiting else None
        finish: Finish = self.ending.finish
        if paused:
            finish = "question" if paused.question else "approval" if paused.approvals else "waiting"
        text = "".join(self.text)
        return Answered(
            text,
            self.agent.name,
            bounds.usage,
            bounds.model_calls,
            bounds.tool_calls,
            paused,
            finish,
            None if paused else self.ending.bound,
            self.results,
        )

    def hand_in(self) -> bool:
        """Let the results of the calls be the answer. Returns False where they cannot be."""
        self.results = consulting.results_of(self.exchange)
        return bool(self.results)

    def next_is_last(self) -> bool:
        """Return true if the next model call is the last one: an answer is asked for, or a bound is reached."""
        self.ending.bound = self.bounds.reached(self.deadline)
        return self.ending.must_answer or self.ending.bound is not None

    def close(self, reply: Reply) -> TextDelta | None:
        """Note how the last reply ended. Returns the sentence that stands for an answer that never came."""
        if self.results:
            return None
        sentence = self.ending.close(reply, self.exchange)
        return self.say(sentence) if sentence else None

    def refusal(self, call: ToolCall, roster: Roster) -> dict[str, Any] | None:
        """Why a call that was just counted is not made; None where it is."""
        target = named_agent(call, self.agent, roster)
        refused = self.bounds.refuses_hand_over(target) if target is not None else None
        return refused or self.bounds.refuses_call(call)
