"""The input of one run of the loop."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from common.agents import asking_back, consulting
from common.agents.asking_back import ASK_USER
from common.agents.checkpoint import Checkpoint
from common.agents.pausing import ClientTool, Continuation, Waiting, new_waiting
from common.agents.roster import Agent, Roster
from common.agents.run_state import RunState
from common.citations.citation import Offered
from common.models.call import Message, ToolCall
from common.models.catalog import Model
from common.secret import Secret
from common.tools.registry import BoundTools


@dataclass(frozen=True, slots=True)
class Briefing:
    """The input of one run of the loop; ``within`` is the run that consults this one's agent."""

    roster: Roster
    agent_name: str | None
    history: Sequence[Message]
    question: str
    context: str
    model: Model
    key: Secret
    temperature: float
    max_tokens: int
    tools_for: Callable[[tuple[str, ...]], BoundTools]
    client_tools: tuple[ClientTool, ...] = ()
    continuation: Continuation | None = None
    checkpoint: Checkpoint | None = None
    marks_steps: bool = False
    calls_tools: bool = True
    note: str = ""
    within: RunState | None = None
    offered: Offered = field(default_factory=Offered)

    def schemas(self, agent: Agent, tools: BoundTools) -> list[Message]:
        """The tools of an agent as a model API takes them: its own, the client's, and the hand-over."""
        offered: list[Message] = [tool.schema() for tool in tools.tools]
        offered += [tool.schema() for tool in self.client_tools]
        if self.roster.others(agent):
            offered.append(self.roster.transfer_schema(agent))
        if any(each is not agent for each in self.roster.specialists):
            offered.append(consulting.schema(self.roster))
        offered.append(asking_back.schema() if self.within is None else consulting.hand_in_schema())
        return offered

    def is_clients(self, call: ToolCall) -> bool:
        """Return true for a call of a tool that the client runs."""
        return any(tool.name == call.name for tool in self.client_tools)

    def waits(self, call: ToolCall, tools: BoundTools) -> Waiting | None:
        """The call as it waits for the client; None for one that is made at once.

        Once text from outside was read, the person has to allow even what the client's own tools do.
        """
        if call.name == ASK_USER and self.within is None:
            return new_waiting("question", call)
        if self.is_clients(call):
            return new_waiting("approval" if self.offered else "client", call)
        return new_waiting("approval", call) if tools.changes(call.name) else None

    def consultation(self, agent: Agent, question: str, asker: RunState, place: Checkpoint | None) -> "Briefing":
        """The briefing of a specialist that is consulted: on one question, with the tools that only read.

        It cannot hand over, wait for the client or consult further agents, and it shares the bounds of ``asker``.
        """
        tools = self.tools_for(agent.tools)
        reads = {tool.name for tool in tools.tools if not tools.changes(tool.name)}
        return replace(
            self,
            roster=Roster({agent.name: agent}),
            agent_name=agent.name,
            history=(),
            question=question,
            context=f"{self.context}\n\n{consulting.CONSULTED}",
            tools_for=lambda names: self.tools_for(tuple(name for name in names if name in reads)),
            client_tools=(),
            continuation=None,
            checkpoint=place,
            note="",
            within=asker,
        )
